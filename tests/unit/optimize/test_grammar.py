"""Every form in which clients tell of a search space."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mooring.errors import InvalidSpace
from mooring.optimize.grammar import MAX_CHOICES, MAX_PARAMETERS, parse_space, space_to_json
from mooring.optimize.spaces import Categorical, Constant, Float, Int, Parameter, SearchSpace

FOREST = "sklearn.ensemble.RandomForestClassifier"


def one(spec: object) -> Parameter:
    return parse_space({"a": {"p": spec}}).space.algorithms["a"]["p"]


@pytest.mark.parametrize(
    ("spec", "parameter"),
    [
        ({"type": "float", "bounds": [0, 1], "log": False, "tunable": True}, Float(0.0, 1.0)),
        ({"type": "float", "bounds": [0.01, 1], "log": True}, Float(0.01, 1.0, log=True)),
        ({"type": "int", "bounds": [1, 9], "log": True}, Int(1, 9, log=True)),
        ({"type": "int", "bounds": [1.0, 9.0]}, Int(1, 9)),
        ({"type": "int", "bounds": [0.5, 3.5]}, Int(1, 3)),
        ({"type": "int", "bounds": [2, 10], "step": 4}, Int(2, 10, step=4)),
        ({"type": "float", "bounds": [0, 1], "step": 0.25}, Float(0.0, 1.0, step=0.25)),
        ({"type": "int", "bounds": [1, 1], "tunable": True}, Int(1, 1)),
        ({"type": "int", "bounds": [3, 3], "tunable": False}, Constant(3)),
        ({"type": "float", "bounds": [3, 3], "tunable": False}, Constant(3.0)),
        (
            {"type": "categorical", "values": ["a", 1, True, None, "a"], "log": True},
            Categorical(["a", 1, True, None]),
        ),
        ({"type": "categorical", "values": [-1, 1], "tunable": False}, Constant(-1)),
        ({"type": "categorical", "values": ["a"], "tunable": None}, Categorical(["a"])),
        ({"type": "int", "bounds": [1, None], "default": 7}, Constant(7)),
        ({"type": "float", "bounds": [None, None], "default": 1}, Constant(1.0)),
        (5, Constant(5)),
        ("rbf", Constant("rbf")),
        (None, Constant(None)),
        # Never seen from a client, and still clear.
        ({"type": "float", "bounds": [9, 1]}, Float(1.0, 9.0)),
        ({"type": "float", "bounds": [-1, 1], "log": True}, Float(-1.0, 1.0)),
        ({"type": "int", "bounds": [0, 8], "log": True}, Int(0, 8)),
        # The grammar before.
        (
            {"datatype": "range", "list_datatype": "integer", "values": [5, 1, 3]},
            Int(1, 5),
        ),
        ({"dtype": "range", "list_datatype": "float", "values": [1, 2]}, Float(1.0, 2.0)),
        ({"datatype": "range", "values": [1, 2]}, Int(1, 2)),
        ({"datatype": "range", "values": [1, 2.5], "default": 2}, Float(1.0, 2.5)),
        (
            {"datatype": "list", "list_datatype": "boolean", "values": [True, False]},
            Categorical([True, False]),
        ),
    ],
)
def test_a_spec_is_read(spec: object, parameter: Parameter) -> None:
    read = one(spec)

    assert read == parameter
    if isinstance(read, Constant) and isinstance(parameter, Constant):
        assert type(read.value) is type(parameter.value)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"bounds": [0, 1]}, "has a type"),
        ({"type": "decimal", "bounds": [0, 1]}, "'decimal'"),
        ({"type": ["float"], "bounds": [0, 1]}, r"\['float'\]"),
        ({"type": "float"}, "None"),
        ({"type": "float", "bounds": "01"}, "'01'"),
        ({"type": "float", "bounds": [1]}, "two numbers, not 1"),
        ({"type": "float", "bounds": [1, 2, 3]}, "two numbers, not 3"),
        ({"type": "float", "bounds": [math.nan, 1]}, "finite"),
        ({"type": "float", "bounds": [0, math.inf]}, "finite"),
        ({"type": "float", "bounds": ["0", 1]}, "number"),
        ({"type": "float", "bounds": [False, True]}, "number"),
        ({"type": "float", "bounds": [0, 10**400]}, "finite"),
        ({"type": "float", "bounds": [-1.7e308, 1.7e308]}, "wider"),
        ({"type": "int", "bounds": [0.2, 0.8]}, "no integer"),
        ({"type": "int", "bounds": [0, 2**60]}, r"2\^53"),
        ({"type": "int", "bounds": [0, 9], "step": 1.5}, "step"),
        ({"type": "int", "bounds": [1, None]}, "default"),
        ({"type": "float", "bounds": [1, 2], "log": "yes"}, "log"),
        ({"type": "float", "bounds": [1, 2], "tunable": "no"}, "tunable"),
        ({"type": "categorical", "values": []}, "at least one"),
        ({"type": "categorical", "values": "abc"}, "list"),
        ({"type": "categorical", "values": [math.nan]}, "nan"),
        ({"type": "categorical", "values": list(range(MAX_CHOICES + 1))}, "at most"),
        ({"datatype": "range", "values": []}, "none"),
        ([1, 2], "object or a constant"),
        (math.nan, "finite"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(spec: object, reason: str) -> None:
    with pytest.raises(InvalidSpace, match=reason) as caught:
        parse_space({FOREST: {"good": 1, "n_estimators": spec}})

    assert FOREST in str(caught.value)
    assert "'n_estimators'" in str(caught.value)


def test_deep_values_are_refused() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]

    with pytest.raises(InvalidSpace, match=r"'p'.*deep"):
        one({"type": "categorical", "values": [1, value]})


def test_large_spaces_are_refused() -> None:
    with pytest.raises(InvalidSpace, match="'a' has 501 parameters"):
        parse_space({"a": {str(number): number for number in range(MAX_PARAMETERS + 1)}})
    half = {"type": "categorical", "values": list(range(MAX_CHOICES // 2 + 1))}
    with pytest.raises(InvalidSpace, match=r"'q'.*more than 10,000 choices"):
        parse_space({"a": {"p": half, "q": half}})


@pytest.mark.parametrize("given", [None, [], "x", 5, {"a": 5}, {"a": []}])
def test_what_is_no_space_is_refused(given: object) -> None:
    with pytest.raises(InvalidSpace):
        parse_space(given)


def test_parts_that_are_no_parameters_are_left_out() -> None:
    inner = {"datatype": "function", "values": {"sklearn.svm.SVC": {"C": {"datatype": "odd"}}}}

    assert parse_space({"a": {"estimator": inner, "C": 1}}).space.algorithms["a"] == {
        "C": Constant(1)
    }


def full(**changes: Any) -> dict[str, Any]:
    """Return a space of version 1, as clients send it."""
    depth = {"type": "int", "bounds": [1, 9], "log": False, "tunable": True}
    return {
        "version": 1,
        "optimizers_space": {
            "auger_ml.optimizers.x.WarmStartOptimizer": {"num_trials": 3},
            "auger_ml.optimizers.x.PSOOptimizer": {"phig": 0.5},
        },
        "user_config_dict": {
            "model_type": "classification",
            "model_group": {
                "classification": {"learning_algorithms": {FOREST: {"max_depth": depth}}},
                "regression": {"learning_algorithms": {"other": {}}},
            },
        },
        "global_config_dict": {"global": {"optimizers": ["auger_ml.PSOOptimizer"]}},
        "preprocessors_space": {"scale": {"p": {"type": "odd"}}},
        "classifier_config_dict": {
            "trees": {"learning_algorithms": {FOREST: {}}, "scoring": ["accuracy"]},
            "linear": {"learning_algorithms": {"logistic": {"C": 1}}},
        },
        "regressor_config_dict": {"trees": {"learning_algorithms": {"regressor": {}}}},
        **changes,
    }


def test_the_full_form_names_what_the_user_chose() -> None:
    parsed = parse_space(full())

    assert parsed.space == SearchSpace({FOREST: {"max_depth": Int(1, 9)}})
    assert parsed.optimizers == ("auger_ml.PSOOptimizer",)
    assert parsed.version == 1
    assert parsed.settings["auger_ml.optimizers.x.PSOOptimizer"] == {"phig": 0.5}


def test_the_full_form_falls_back_on_all_algorithms_of_the_type() -> None:
    parsed = parse_space(full(user_config_dict={"model_type": "classification"}))

    assert list(parsed.space) == [FOREST, "logistic"]


def test_the_full_form_falls_back_on_the_optimizers_it_sets() -> None:
    parsed = parse_space(full(global_config_dict=None))

    assert parsed.optimizers == (
        "auger_ml.optimizers.x.WarmStartOptimizer",
        "auger_ml.optimizers.x.PSOOptimizer",
    )


def test_a_full_form_without_algorithms_is_an_empty_space() -> None:
    parsed = parse_space({"version": 1, "optimizers_space": {"TPEHyperoptOptimizer": None}})

    assert len(parsed.space) == 0
    assert parsed.optimizers == ("TPEHyperoptOptimizer",)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": 2}, "version 2"),
        ({"user_config_dict": []}, "user_config_dict"),
        ({"optimizers_space": [1]}, "optimizers_space"),
        ({"global_config_dict": {"global": {"optimizers": [1]}}}, "optimizers"),
    ],
)
def test_a_full_form_that_is_wrong_is_told(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidSpace, match=reason):
        parse_space(full(**changes))


def test_an_algorithm_may_be_called_version() -> None:
    assert list(parse_space({"version": {"p": 1}, "a": {}}).space) == ["version", "a"]


def test_a_constant_without_json_has_no_json_space() -> None:
    with pytest.raises(InvalidSpace):
        space_to_json(SearchSpace.of({"p": Constant(math.inf)}))
