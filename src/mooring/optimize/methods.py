"""Names of optimizers, and the ways of searching that they stand for."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Mapping
from typing import Any

from mooring.errors import UnknownOptimizer

METHODS = ("tpe", "gp", "cma-es", "qmc", "random", "warm-start", "nsga2")
"""The ways of searching there are.

`tpe`: tree-structured Parzen estimators; `gp`: Gaussian processes (needs PyTorch); `cma-es`:
covariance matrix adaptation; `qmc`: a Sobol sequence; `warm-start`: what was best on similar data,
then as `qmc`; `nsga2`: a genetic algorithm for several objectives.
"""

_CLASSES = {
    "TPEHyperoptOptimizer": "tpe",
    "HyperoptAsyncOptimizer": "tpe",
    "AnnealHyperoptOptimizer": "tpe",
    "CombinedOptimizer": "tpe",
    "HyperbandOptimizer": "tpe",
    "NostradamusOptimizer": "tpe",
    "SkOptBaseOptimizer": "gp",
    "SkOptAsyncOptimizer": "gp",
    "LIPOOptimizer": "gp",
    "PSOOptimizer": "cma-es",
    "DEOptimizer": "cma-es",
    "DEEliminationOptimizer": "cma-es",
    "DESaturationOptimizer": "cma-es",
    "NelderMeadOptimizer": "cma-es",
    "RandomSearchHyperoptOptimizer": "random",
    "RandomSearchOptimizer": "random",
    "WarmStartOptimizer": "warm-start",
}

_LABELS = frozenset({"EnsembleOptimizer"})
"""Names that mark trials which no search suggested."""

_TREES = ("ET", "RF", "GBRT")
"""Surrogates of scikit-optimize that are ensembles of trees, which `tpe` stands in for."""


def method_of(name: str, settings: Mapping[str, Any] | None = None) -> str:
    """Return the method that an optimizer's name stands for.

    Parameters
    ----------
    name
        One of `METHODS`, or a class name with or without its module; only the class counts.
    settings
        The optimizer's settings, of which `base_estimator` chooses between methods.

    Raises
    ------
    UnknownOptimizer
        Nothing of this name searches. Names that are only labels on trials are such names too.

    Examples
    --------
    >>> method_of("auger_ml.optimizers.pso_optimizer.PSOOptimizer")
    'cma-es'
    >>> method_of("SkOptBaseOptimizer", {"base_estimator": "ET"})
    'tpe'
    """
    if name in METHODS:
        return name
    method = _CLASSES.get(name.rpartition(".")[2])
    if method is None:
        raise UnknownOptimizer(name, known=(*METHODS, *_CLASSES))
    if method == "gp" and settings and settings.get("base_estimator") in _TREES:
        return "tpe"
    return method


def is_label(name: str) -> bool:
    """Return whether a name only marks trials, such as those of ensembles, and cannot search."""
    return name.rpartition(".")[2] in _LABELS


@functools.cache
def has_gp() -> bool:
    """Return whether PyTorch is installed, which Gaussian processes need."""
    return importlib.util.find_spec("torch") is not None
