"""Cases of the optimizers service: suggestions and estimates, and what is refused of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conformance.auger.places import Place
from tests.conformance.auger.registry import METHODS

case = METHODS.add

FOREST, SVC = "sklearn.ensemble.RandomForestClassifier", "sklearn.svm.SVC"
SPACE: dict[str, Any] = {
    FOREST: {
        "bootstrap": {"type": "categorical", "values": [True, False], "tunable": True},
        "n_estimators": {"type": "int", "bounds": [10, 200], "log": False, "tunable": True},
        "max_features": {"type": "float", "bounds": [0.05, 1], "log": False, "tunable": True},
        "n_jobs": {"type": "int", "bounds": [1, 1], "log": False, "tunable": False},
    },
    SVC: {
        "C": {"type": "float", "bounds": [0.1, 25], "log": True, "tunable": True},
        "kernel": {"type": "categorical", "values": ["rbf", "linear"], "tunable": True},
    },
}
TPE = "optimizers_service.optimizers.tpe_hyperopt_optimizer.TPEHyperoptOptimizer"
NAMES = (
    TPE,
    "auger_ml.optimizers.skopt_optimizer.SkOptBaseOptimizer",
    "auger_ml.optimizers.pso_optimizer.PSOOptimizer",
    "auger_ml.optimizers.nelder_mead_optimizer.NelderMeadOptimizer",
    "auger_ml.RandomSearchHyperoptOptimizer",
    "auger_ml.WarmStartOptimizer",
)


def check_trial(trial: Mapping[str, Any]) -> None:
    """Hold a suggestion to the space: all parameters, inside, of their types."""
    name, params = trial["algorithm_name"], trial["algorithm_params"]
    assert list(params) == list(SPACE[name])
    for parameter, value in params.items():
        spec = SPACE[name][parameter]
        if spec["type"] == "categorical":
            assert any(type(value) is type(one) and value == one for one in spec["values"])
        else:
            low, high = spec["bounds"]
            assert low <= value <= high
            assert type(value) is {"int": int, "float": float}[spec["type"]]


def history(trials: list[Any], **fields: Any) -> list[Any]:
    """Return suggestions as they come back."""
    return [
        {"uid": str(number), "score": number / 100, "error": None, "ratio": 1.0, **trial, **fields}
        for number, trial in enumerate(trials)
    ]


@case("get_next_trials", note="every optimizer that is known; state is in `optimizer_context`")
def get_next_trials(place: Place) -> None:
    place.client._client = place.connect(
        hub_project_api_token=place.project_token, optimizers_url=place.hub.address
    )
    for name in NAMES:
        done: list[Any] = []
        context: Any = {"what": "ever"}
        for _ in range(3):
            answer = place.client.get_next_trials(
                {
                    "optimizer_name": name,
                    "optimizer_params": {"batch_size": 4},
                    "search_space": SPACE,
                    "trials_history": history(done),
                    "trial_workers_count": 1,
                    "optimizer_context": context,
                    "tasks_run_parallel": False,
                }
            )
            assert answer["meta"] == {"status": 200}
            trials, context = answer["data"]
            assert len(trials) == 4
            for trial in trials:
                check_trial(trial)
            done += trials
        assert context["records"] == 8
        assert len({repr(trial) for trial in done}) == 12


@case("get_next_trials_v2", note="as many as the limit and the budget leave, none after that")
def get_next_trials_v2(place: Place) -> None:
    place.client._client = place.connect(
        hub_project_api_token=place.project_token, optimizers_url=place.hub.address
    )
    done: list[Any] = []
    context: Any = {}
    for expected in (10, 10, 3, 0):
        data = place.client.get_next_trials_v2(
            {
                "trials_total_count": 23,
                "search_space": SPACE,
                "trials_history": history(done),
                "optimizer_context": context,
            }
        )["data"]
        assert len(data["trials"]) == expected
        for trial in data["trials"]:
            check_trial(trial)
        done += data["trials"]
        context = data["optimizer_context"]
    assert {trial["algorithm_name"] for trial in done} == set(SPACE)


@case("get_fte", note="learns from the trials of the project; says on how many it rests")
def get_fte(place: Place) -> None:
    place.client._client = place.connect(
        hub_project_api_token=place.project_token, optimizers_url=place.hub.address
    )
    asked = {
        "alg_name": FOREST,
        "alg_params": {"n_estimators": 100, "criterion": "gini", "max_features": 0.08},
        "ncols": 100,
        "nrows": 10000,
    }
    before = place.client.get_fte(asked)["data"]
    assert type(before["estimated_time"]) is float
    assert before["estimated_time_low"] < before["estimated_time"] < before["estimated_time_high"]
    assert before["records"] == 0
    session = place.session()["id"]
    for _ in range(5):
        place.trial(
            session,
            algorithm_name=FOREST,
            algorithm_params={"n_estimators": 100},
            fold_times=[200.0, 100.0, 100.0],
            dataset_nrows=10000,
            dataset_ncols=100,
        )
    end = time.monotonic() + 30
    while (after := place.client.get_fte(asked)["data"])["records"] == 0:
        assert time.monotonic() < end  # what was read before is kept for two seconds
        time.sleep(0.2)
    assert after["records"] == 5
    assert abs(after["estimated_time"] - 100) < abs(before["estimated_time"] - 100)


@dataclass(frozen=True, slots=True)
class Refused:
    """A call that is refused: with which parameter, and what is said of it."""

    name: str
    method: str
    payload: Mapping[str, Any]
    param: str
    message: str


def _changed(**changes: Any) -> dict[str, Any]:
    return {"optimizer_name": TPE, "search_space": SPACE, **changes}


def _spec(**spec: Any) -> dict[str, Any]:
    return _changed(search_space={"a": {"b": spec}})


REFUSED = (
    Refused("no optimizer", "get_next_trials", {"x": 1}, "optimizer_name", "is required"),
    Refused("no space", "get_next_trials", {"optimizer_name": TPE}, "search_space", "is required"),
    Refused("no budget", "get_next_trials_v2", {"x": 1}, "trials_total_count", "is required"),
    Refused("no parameters", "get_fte", {"x": 1}, "alg_params", "is required"),
    Refused(
        "an unknown optimizer",
        "get_next_trials",
        _changed(optimizer_name="a.NoSuchOptimizer"),
        "optimizer_name",
        "no optimizer is called",
    ),
    Refused(
        "a label that is no optimizer",
        "get_next_trials",
        _changed(optimizer_name="auger_ml.EnsembleOptimizer"),
        "optimizer_name",
        "no optimizer is called",
    ),
    Refused(
        "a space that is text",
        "get_next_trials",
        _changed(search_space="x"),
        "search_space",
        "should be an object",
    ),
    Refused(
        "a bound that is text",
        "get_next_trials",
        _spec(type="float", bounds=["x", 1]),
        "search_space",
        "a bound is a number",
    ),
    Refused(
        "a bound that is not there",
        "get_next_trials",
        _spec(type="int", bounds=[1]),
        "search_space",
        "'b'",
    ),
    Refused(
        "a choice of nothing",
        "get_next_trials",
        _spec(type="categorical", values=[]),
        "search_space",
        "'b'",
    ),
    Refused(
        "a bound that is NaN",
        "get_next_trials",
        _spec(type="float", bounds=[0, float("nan")]),
        "search_space",
        "'b'",
    ),
    Refused(
        "a batch that is text",
        "get_next_trials",
        _changed(optimizer_params={"batch_size": "many"}),
        "optimizer_params",
        "batch_size",
    ),
    Refused(
        "a history that is none",
        "get_next_trials",
        _changed(trials_history={"x": 1}),
        "trials_history",
        "should be an array",
    ),
    Refused(
        "no rows",
        "get_fte",
        {"alg_params": {}, "alg_name": SVC, "ncols": 5, "nrows": 0},
        "nrows",
        "should be 1 or more",
    ),
    Refused(
        "rows that are text",
        "get_fte",
        {"alg_params": {}, "alg_name": SVC, "ncols": 5, "nrows": "many"},
        "nrows",
        "should be a number",
    ),
)


def refuses(place: Place, refused: Refused) -> None:
    """Check that a call is refused with one error, which names the parameter."""
    client = place.connect(
        hub_project_api_token=place.project_token, optimizers_url=place.hub.address
    )
    with pytest.raises(place.errors.InvalidParamsError) as caught:
        getattr(client, refused.method)(refused.payload)
    (error,) = caught.value.metadata()["errors"]
    assert (error["error_type"], error["error_param"]) == ("invalid_param", refused.param)
    assert refused.message in error["message"]
