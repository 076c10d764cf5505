"""Look-ups of earlier trials: what was best on data sets that are alike."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.hub.doors.auger.conftest import Place


def _manifest(place: Place, id: str, rows: int, columns: int) -> None:
    place.client.create_dataset_manifest(
        id=id, name=id, statistics={"count": rows, "columns_count": columns}
    )


def _trials(place: Place, data: str, *scores: float, algorithm: str = "SVC", **fields: Any) -> None:
    """Report trials of a session on a data set."""
    experiment = place.client.create_experiment(name="e")["data"]["id"]
    session = place.client.create_experiment_session(experiment_id=experiment)["data"]["id"]
    place.client.update_trials(
        experiment_session_id=session,
        trials=[
            {
                "uid": f"{data}-{algorithm}-{number}",
                "score": score,
                "score_name": "accuracy",
                "algorithm_name": algorithm,
                "algorithm_params": {"C": score},
                "dataset_manifest_id": data,
                **fields,
            }
            for number, score in enumerate(scores)
        ],
    )


@pytest.fixture
def known(place: Place) -> Place:
    """A place with trials on a small data set and on a large one."""
    _manifest(place, "small", 100, 4)
    _manifest(place, "large", 1_000_000, 500)
    _manifest(place, "new", 110, 4)
    _trials(place, "small", 0.7, 0.9, 0.8)
    _trials(place, "small", 0.95, algorithm="Forest")
    _trials(place, "large", 0.99)
    return place


def test_a_warm_start_tells_the_best_hyperparameters_first(known: Place) -> None:
    made = known.client.create_warm_start_request(
        dataset_manifest_id="new", score_name="accuracy", limit=2
    )["data"]
    assert made["status"] == "done"
    assert isinstance(made["time_consumed_ms"], int)
    found = [(each["algorithm_name"], each["algorithm_params"]) for each in made["hyperparameters"]]
    assert found[0] in [("SVC", {"C": 0.99}), ("Forest", {"C": 0.95})]
    assert len(found) == 2
    assert all(each["object"] == "hyperparameter" for each in made["hyperparameters"])
    assert known.client.get_warm_start_request(made["id"])["data"] == made
    assert known.client.get_status("WarmStartRequest", made["id"])["data"]["status"] == "done"


def test_a_warm_start_is_of_one_score(known: Place) -> None:
    made = known.client.create_warm_start_request(dataset_manifest_id="new", score_name="logloss")
    assert (made["data"]["status"], made["data"]["hyperparameters"]) == ("done", [])


def test_similar_trials_are_of_the_algorithm(known: Place) -> None:
    made = known.client.create_similar_trials_request(
        dataset_manifest_id="new", algorithm_name="Forest"
    )["data"]
    assert made["status"] == "done"
    assert [trial["id"] for trial in made["trials"]] == ["small-Forest-0"]
    assert made["trials"][0]["object"] == "trial"
    none = known.client.create_similar_trials_request(
        dataset_manifest_id="new", algorithm_name="SVC", algorithm_params_hash="other"
    )["data"]
    assert (none["status"], none["trials"]) == ("done", [])


def test_a_search_with_features_begins_with_what_was_best(known: Place) -> None:
    space = {"SVC": {"C": {"type": "float", "bounds": [0.1, 10]}}}
    made = known.client.create_trial_search(
        trials_total_count=9,
        search_space=space,
        dataset_metafeatures={"data/rows": 105, "data/columns": 4},
        trials_limit=2,
    )["data"]
    best = [trial["algorithm_params"]["C"] for trial in made["next_trials"]]
    assert best[0] in (0.9, 0.99)
