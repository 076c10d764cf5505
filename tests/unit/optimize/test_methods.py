"""Names of optimizers and what they stand for."""

from __future__ import annotations

import pytest

from mooring.errors import UnknownOptimizer
from mooring.optimize.methods import METHODS, is_label, method_of


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("TPEHyperoptOptimizer", "tpe"),
        ("HyperoptAsyncOptimizer", "tpe"),
        ("AnnealHyperoptOptimizer", "tpe"),
        ("CombinedOptimizer", "tpe"),
        ("HyperbandOptimizer", "tpe"),
        ("NostradamusOptimizer", "tpe"),
        ("SkOptBaseOptimizer", "gp"),
        ("SkOptAsyncOptimizer", "gp"),
        ("LIPOOptimizer", "gp"),
        ("PSOOptimizer", "cma-es"),
        ("DEOptimizer", "cma-es"),
        ("DEEliminationOptimizer", "cma-es"),
        ("DESaturationOptimizer", "cma-es"),
        ("NelderMeadOptimizer", "cma-es"),
        ("RandomSearchHyperoptOptimizer", "random"),
        ("RandomSearchOptimizer", "random"),
        ("WarmStartOptimizer", "warm-start"),
    ],
)
@pytest.mark.parametrize(
    "prefix",
    ["", "auger_ml.", "auger_ml.optimizers.some_module.", "optimizers_service.optimizers."],
)
def test_the_class_name_tells_the_method(prefix: str, name: str, method: str) -> None:
    assert method_of(prefix + name) == method


@pytest.mark.parametrize("method", METHODS)
def test_methods_have_their_own_names(method: str) -> None:
    assert method_of(method) == method


def test_trees_in_place_of_a_gaussian_process_are_tpe() -> None:
    assert method_of("x.SkOptBaseOptimizer", {"base_estimator": "ET"}) == "tpe"
    assert method_of("x.SkOptBaseOptimizer", {"base_estimator": "GP"}) == "gp"
    assert method_of("x.SkOptBaseOptimizer", {"base_estimator": ["ET"]}) == "gp"


@pytest.mark.parametrize(
    "name",
    ["", "EnsembleOptimizer", "x.EnsembleOptimizer", "Unknown", "tpe.", "x.tpe", "TPE" * 999],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UnknownOptimizer) as caught:
        method_of(name)

    assert caught.value.name == name
    assert len(str(caught.value)) < 1000


def test_ensembles_are_labels() -> None:
    assert is_label("auger_ml.ensembles.EnsembleOptimizer")
    assert not is_label("PSOOptimizer")
