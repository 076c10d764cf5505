"""Trials: runs that the API makes, and runs that a tracker logs."""

from __future__ import annotations

from typing import Any

import pytest
from auger.hub_api_client import HubApiClient

from mooring.model import AttributeType, RunSpec
from mooring.store.contract import PathSelector, SeriesQuery
from tests.unit.hub.doors.auger.conftest import Place


def _item(id: str, score: float | None, **more: Any) -> dict[str, Any]:
    return {
        "uid": id,
        "score": score,
        "score_name": "f1",
        "task_type": "classification",
        "algorithm_name": "sklearn.svm.SVC",
        "algorithm_params": {"C": 0.5, "kernel": {"name": "rbf", "degree": 3}, "seed": None},
        "algorithm_params_hash": "h-1",
        **more,
    }


def test_trials_are_made_in_the_order_of_the_request(place: Place) -> None:
    session = place.session()
    answer = place.client.update_trials(
        experiment_session_id=session["id"],
        trials=[_item("B2", 0.2, ratio=1), _item("A1", 0.9), _item("C3", None)],
    )
    assert answer["meta"] == {"status": 200}
    assert [each["id"] for each in answer["data"]] == ["B2", "A1", "C3"]
    first = answer["data"][0]
    assert first["object"] == "trial"
    assert first["experiment_session_id"] == session["id"]
    assert (first["score_name"], first["score_value"]) == ("f1", 0.2)
    assert first["hyperparameter"]["algorithm_params"] == {
        "C": 0.5,
        "kernel": {"name": "rbf", "degree": 3},
        "seed": None,
    }
    assert first["raw_data"]["ratio"] == 1
    assert first["project_id"] == place.id


def test_lists_are_best_first_and_those_without_score_last(place: Place) -> None:
    session = place.session()["id"]
    items = [_item("low", 0.1), _item("none", None), _item("high", 0.9), _item("mid", 0.5)]
    place.client.update_trials(experiment_session_id=session, trials=items)
    listed = place.client.get_trials(experiment_session_id=session, limit=3)
    assert [each["id"] for each in listed["data"]] == ["high", "mid", "low"]
    assert listed["meta"]["pagination"] == {"limit": 3, "offset": 0, "count": 3, "total": 4}
    rest = place.client.get_trials(experiment_session_id=session, offset=3)
    assert [each["id"] for each in rest["data"]] == ["none"]
    beyond = place.client.get_trials(experiment_session_id=session, offset=40)
    assert beyond["data"] == []
    assert beyond["meta"]["pagination"]["count"] == 0
    found: list[str] = []
    place.client.iterate_all_trials(lambda item: found.append(item["id"]), limit=3)
    assert sorted(found) == ["high", "low", "mid", "none"]
    assert place.client.get_experiment_session(session)["data"]["top_score_value"] == 0.9


def test_a_trial_is_a_run_with_parameters_and_series(place: Place) -> None:
    place.client.update_trials(
        experiment_session_id=place.session()["id"],
        trials=[_item("RUN", 0.5, all_scores={"f1": 0.5, "auc": 0.8}, fold_scores=[0.4, 0.6])],
    )
    store = place.hub.hub.store
    run = store.find_run(place.project, run_id="RUN")
    assert run is not None
    assert store.get_value(run.key, "params/kernel/degree") == (AttributeType.INT, 3)
    assert store.get_value(run.key, "params/C") == (AttributeType.FLOAT, 0.5)
    assert store.get_value(run.key, "scores/auc") == (AttributeType.FLOAT_SERIES, 0.8)
    folds = store.read_series(
        [run.key],
        PathSelector(paths=("scores/folds",), types=frozenset({AttributeType.FLOAT_SERIES})),
        SeriesQuery(),
    )
    assert folds["step"].to_pylist() == [0, 1_000_000]
    assert folds["value"].to_pylist() == [0.4, 0.6]


def test_a_repeated_report_changes_the_trial_and_repeats_no_point(place: Place) -> None:
    session = place.session()["id"]
    for score in (0.5, 0.5, 0.7):
        item = _item("AGAIN", score, algorithm_params={"C": "x" if score > 0.6 else 1})
        place.client.update_trials(experiment_session_id=session, trials=[item])
    store = place.hub.hub.store
    run = store.find_run(place.project, run_id="AGAIN")
    assert run is not None
    assert store.get_stats(run.key, "scores/f1").count == 2
    assert store.get_value(run.key, "params/C") == (AttributeType.STRING, "x")
    assert place.client.get_trial("AGAIN")["data"]["score_value"] == 0.7
    assert (
        place.client.get_trials(experiment_session_id=session)["meta"]["pagination"]["total"] == 1
    )


def test_hyperparameters_are_shared(place: Place) -> None:
    made = place.client.update_trials(
        experiment_session_id=place.session()["id"], trials=[_item("h1", 1), _item("h2", 2)]
    )["data"]
    first, second = (each["hyperparameter"]["id"] for each in made)
    assert first == second
    shown = place.client.get_hyperparameter(first)["data"]
    assert shown["algorithm_name"] == "sklearn.svm.SVC"
    created = place.client.create_hyperparameter(
        algorithm_name="sklearn.svm.SVC", algorithm_params=shown["algorithm_params"]
    )["data"]
    assert created["id"] == first
    assert [each["id"] for each in place.client.get_hyperparameters()["data"]] == [first]


def test_one_trial_is_updated(place: Place) -> None:
    trial = place.trial()
    changed = place.client.update_trial(
        trial["id"],
        task_type="regression",
        evaluation_type="fastest one",
        score_name="r2",
        score_value=99,
        hyperparameter={"algorithm_name": "SVM", "algorithm_params": {"x": 1}},
    )["data"]
    assert changed["task_type"] == "regression"
    assert changed["evaluation_type"] == "fastest one"
    assert changed["score_value"] == 99.0
    assert changed["hyperparameter"]["algorithm_params"] == {"x": 1}
    assert changed["raw_data"]["uid"] == trial["id"]
    with pytest.raises(HubApiClient.FatalApiError, match="Couldn't find Trial"):
        place.client.update_trial("nowhere", score_name="x")


def test_a_refit_is_a_new_trial(place: Place) -> None:
    trial = place.trial()
    made = place.client.refit_trial(trial["id"], "s3://bucket/new.csv")["data"]
    assert made["id"] != trial["id"]
    assert made["raw_data"]["uid"] == made["id"]
    assert made["raw_data"]["refit_data_path"] == "s3://bucket/new.csv"
    assert made["score_value"] == trial["score_value"]
    assert made["experiment_session_id"] == trial["experiment_session_id"]


def test_a_run_that_a_tracker_logged_is_a_trial(place: Place) -> None:
    session = place.session()["id"]
    store = place.hub.hub.store
    run = store.create_run(RunSpec(project=place.project, run_id="logged-run"))
    writer = store.open_writer(run.key)
    writer.assign({"params/lr": 0.1, "params/model/layers": 3, "experiment_session": session})
    writer.close()
    shown = place.client.get_trial("logged-run")["data"]
    assert shown["hyperparameter"]["algorithm_params"] == {"lr": 0.1, "model/layers": 3}
    assert shown["score_value"] is None
    listed = place.client.get_trials(experiment_session_id=session)["data"]
    assert [each["id"] for each in listed] == ["logged-run"]
    place.client.update_trial("logged-run", score_value=0.5, score_name="acc")
    assert store.get_value(run.key, "scores/acc")[1] == 0.5


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({}, r"trials\[0\].uid is required"),
        ({"uid": "../x"}, r"trials\[0\].uid may hold"),
        ({"uid": "x", "score": "high"}, r"trials\[0\].score_value should be a number"),
        ({"uid": "x", "algorithm_params": [1]}, r"trials\[0\].algorithm_params should be"),
        ({"uid": "x", "score_name": 5}, r"trials\[0\].score_name should be a string"),
        ("x", "trials should be an array of which each element is an object"),
    ],
)
def test_items_that_are_no_trials_are_refused(place: Place, item: object, param: str) -> None:
    session = place.session()["id"]
    with pytest.raises(HubApiClient.InvalidParamsError, match=param):
        place.client.update_trials(experiment_session_id=session, trials=[item])
    assert place.client.get_trials(experiment_session_id=session)["data"] == []


def test_an_unknown_session_has_no_trials_and_takes_none(place: Place) -> None:
    assert place.client.get_trials(experiment_session_id="nowhere")["data"] == []
    with pytest.raises(HubApiClient.FatalApiError, match="Couldn't find ExperimentSession"):
        place.client.update_trials(experiment_session_id="nowhere", trials=[_item("x", 1)])
