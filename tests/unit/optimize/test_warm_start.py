"""Earlier runs of any door as observations of a search."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mooring
from mooring.errors import AttributeNotFound, InvalidInput, ProjectNotFound
from mooring.optimize.observations import Direction, TrialState
from mooring.optimize.spaces import Categorical, Constant, Float, Int, SearchSpace
from mooring.optimize.trial_runs import as_param, param_attributes
from mooring.optimize.warm_start import EarlierRun, earlier_observations
from mooring.query import field
from mooring.store import Store, open_store

SPACE = SearchSpace.of(
    {
        "lr": Float(1e-4, 1, log=True),
        "depth": Int(1, 10),
        "kind": ["gini", "entropy", None],
        "seed": 7,
    }
)
PARAMS = {"lr": 0.1, "depth": 3, "kind": "gini"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "runs.db")
    yield opened
    opened.close()


def log_run(store: Store, score: Any = 0.5, params: Any = None, **about: Any) -> str:
    """Log a run as users do; return its id."""
    attributes = about.pop("attributes", {})
    with mooring.Run(
        store=store.address, project="w/p", params=PARAMS if params is None else params, **about
    ) as run:
        if score is not None:
            run.log({"acc": score})
        for path, value in attributes.items():
            run[path] = value
        return run.run_id


def found(store: Store, space: SearchSpace = SPACE, **about: Any) -> list[EarlierRun]:
    return earlier_observations(store, space, **{"metric": "acc", **about})


def params_of(store: Store, space: SearchSpace = SPACE, **about: Any) -> list[dict[str, Any]]:
    return [dict(one.observation.params) for one in found(store, space, **about)]


def scores(earlier: list[EarlierRun]) -> list[float]:
    return [one.observation.values[0] for one in earlier if one.observation.values]


# which runs, in which order


def test_runs_come_best_first_and_as_complete_observations(store: Store) -> None:
    ids = {score: log_run(store, score) for score in (0.2, 0.9, 0.5)}
    up = found(store)
    assert [one.run.run_id for one in up] == [ids[0.9], ids[0.5], ids[0.2]]
    best = up[0].observation
    assert (best.params, best.values, best.state) == (PARAMS, (0.9,), TrialState.COMPLETE)
    assert best.is_usable
    assert best.seconds is not None
    assert scores(found(store, direction=Direction.MINIMIZE, limit=2)) == [0.2, 0.5]
    assert found(store, limit=0) == []


def test_of_equal_runs_the_newest_is_first(store: Store) -> None:
    older, newer = log_run(store), log_run(store)
    assert [one.run.run_id for one in found(store)] == [newer, older]


def test_runs_without_a_finite_metric_are_left_out(store: Store) -> None:
    for score in (0.5, math.nan, math.inf, None):
        log_run(store, score)
    assert scores(found(store)) == [0.5]


@pytest.mark.parametrize(
    "params",
    [
        {"lr": 2.0},
        {"lr": "fast"},
        {"depth": 11},
        {"depth": 2.5},
        {"depth": True},
        {"kind": "log_loss"},
        {"kind": 1},
    ],
)
def test_runs_outside_the_space_are_left_out(store: Store, params: dict[str, Any]) -> None:
    inside = log_run(store)
    log_run(store, 0.9, {**PARAMS, **params})
    assert [one.run.run_id for one in found(store)] == [inside]


def test_a_run_needs_all_parameters_but_the_constants(store: Store) -> None:
    log_run(store, 0.9, {"lr": 0.1, "kind": "gini"})
    log_run(store, 0.5, {**PARAMS, "seed": 8, "other": "x"})
    assert params_of(store) == [PARAMS]


def test_trashed_runs_and_trials_that_are_not_complete_are_left_out(store: Store) -> None:
    for state in TrialState:
        log_run(store, 0.9, attributes={"trial/state": str(state)})
    earlier = found(store)
    assert len(earlier) == 1
    store.trash_runs([earlier[0].run.key])
    assert found(store) == []


def test_a_filter_and_projects_narrow_what_counts(store: Store) -> None:
    log_run(store, 0.5, attributes={"data": "iris"})
    log_run(store, 0.9, attributes={"data": "adult"})
    assert scores(found(store, filter=field("data") == "iris")) == [0.5]
    assert found(store, filter=field("data") == "wine") == []
    assert len(found(store, project="w/p")) == 2
    assert len(found(store, projects=["w/p", "w/none"])) == 2
    with pytest.raises(ProjectNotFound):
        found(store, project="w/none")


# where parameters are


@pytest.mark.parametrize("place", ["params/", "parameters/", "config/", "hparams/", ""])
def test_parameters_are_found_where_doors_put_them(store: Store, place: str) -> None:
    attributes = {place + name: value for name, value in PARAMS.items()}
    log_run(store, 0.5, {}, attributes=attributes)
    assert params_of(store) == [PARAMS]


def test_the_first_place_counts(store: Store) -> None:
    log_run(store, 0.5, attributes={"parameters/lr": 0.9, "lr": 99.0})
    assert params_of(store) == [PARAMS]


def test_rows_of_a_tracker_count_with_their_last_values(store: Store) -> None:
    with mooring.Tracker(store.address, params={"lr": 0.1}) as tracker:
        tracker.log({"depth": 9, "kind": "entropy", "acc": 0.9})
        tracker.log({"depth": 3, "kind": "gini", "acc": 0.5})
    (earlier,) = found(store)
    assert (earlier.observation.params, earlier.observation.values) == (PARAMS, (0.5,))
    assert type(earlier.observation.params["depth"]) is int


def test_integers_count_for_floats_and_texts_for_what_they_say(store: Store) -> None:
    log_run(store, 0.5, {"lr": 1, "depth": "3", "kind": "gini"})
    (params,) = params_of(store)
    assert params == {"lr": 1.0, "depth": 3, "kind": "gini"}
    assert [type(value) for value in params.values()] == [float, int, str]


def test_choices_are_found_by_what_they_are(store: Store) -> None:
    space = SearchSpace.of(
        {
            "flag": [True, False],
            "size": [16, 32, 0.5],
            "layers": Categorical([[8, 8], [16]]),
            "mode": ["1", 1, "True"],
        }
    )
    log_run(store, 0.9, {"flag": True, "size": 32.0, "layers": [16], "mode": "1"})
    log_run(store, 0.8, {"flag": "False", "size": "16", "layers": "[8,8]", "mode": 1})
    log_run(store, 0.7, {"flag": True, "size": 0.5, "layers": [16], "mode": True})
    assert params_of(store, space) == [
        {"flag": True, "size": 32, "layers": [16], "mode": "1"},
        {"flag": False, "size": 16, "layers": [8, 8], "mode": 1},
    ]


def test_a_choice_of_none_is_known_of_trials_and_of_the_auger_api(store: Store) -> None:
    rest = {"lr": 0.1, "depth": 3}
    kind = Categorical(["gini", None])
    log_run(store, 0.9, rest, attributes=param_attributes("kind", as_param(kind, None)))
    log_run(store, 0.8, rest, attributes={"auger/algorithm_params": json.dumps({"kind": None})})
    log_run(store, 0.7, rest, attributes={"auger/algorithm_params": "no JSON"})
    log_run(store, 0.6, rest, attributes={"trial/space/kind": "[1, {}]"})
    log_run(store, 0.5, rest)
    assert params_of(store) == [{**rest, "kind": None}] * 2


# algorithms


@pytest.mark.parametrize("path", ["trial/algorithm", "auger/algorithm_name"])
def test_a_run_is_of_the_algorithm_that_it_tells(store: Store, path: str) -> None:
    space = SearchSpace(
        {
            "svm": {"C": Float(0, 10), "degree": Constant(2)},
            "forest": {"trees": Int(1, 500)},
        }
    )
    log_run(store, 0.9, {"C": 1.0}, attributes={path: "svm"})
    log_run(store, 0.8, {"trees": 100}, attributes={path: "forest"})
    log_run(store, 0.7, {"trees": 100}, attributes={path: "svm"})
    log_run(store, 0.6, {"C": 1.0}, attributes={path: "ridge"})
    log_run(store, 0.5, {"C": 1.0})
    told = [(one.observation.algorithm, one.observation.params) for one in found(store, space)]
    assert told == [("svm", {"C": 1.0}), ("forest", {"trees": 100})]


def test_a_space_without_a_name_takes_runs_of_any_algorithm(store: Store) -> None:
    log_run(store, 0.9, attributes={"auger/algorithm_name": "forest"})
    assert [one.observation.algorithm for one in found(store)] == [""]


# the metric


def test_a_metric_is_an_attribute_or_the_last_or_best_value_of_a_series(store: Store) -> None:
    log_run(store, None, attributes={"acc": 0.6})
    with mooring.Run(store=store.address, project="w/p", params=PARAMS) as run:
        for value in (0.1, 0.9, 0.5):
            run.log({"acc": value})
    assert scores(found(store)) == [0.6, 0.5]
    assert scores(found(store, best=True)) == [0.9, 0.6]
    assert scores(found(store, best=True, direction=Direction.MINIMIZE)) == [0.1, 0.6]


def test_a_metric_that_no_run_has_is_refused_with_suggestions(store: Store) -> None:
    log_run(store)
    with pytest.raises(AttributeNotFound, match=r"'ac' not found in the store; closest: acc") as no:
        found(store, metric="ac")
    assert no.value.suggestions == ["acc"]
    with pytest.raises(AttributeNotFound, match="project w/p"):
        found(store, metric="ac", project="w/p")


def test_a_metric_that_is_no_number_is_refused(store: Store) -> None:
    log_run(store, attributes={"note": "good"})
    with pytest.raises(InvalidInput, match="'note' is no metric: it is a string"):
        found(store, metric="note")


def test_other_arguments_are_checked(store: Store) -> None:
    with pytest.raises(InvalidInput, match="limit is 0 or more"):
        found(store, limit=-1)
