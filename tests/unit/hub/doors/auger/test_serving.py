"""Predictions that are made: a model is brought, served, asked, and judged by what was true."""

from __future__ import annotations

import pickle
from typing import Any

import pandas
import pytest
from sklearn.tree import DecisionTreeClassifier

from tests.unit.hub.doors.auger.conftest import Place

FEATURES = ["length", "width"]


@pytest.fixture
def pipeline(place: Place) -> dict[str, Any]:
    """A pipeline with a model that tells long from short; serving is switched on."""
    frame = pandas.DataFrame({"length": [1.0, 2, 8, 9], "width": [1.0, 2, 1, 2]})
    model = DecisionTreeClassifier(random_state=0).fit(frame, ["short", "short", "long", "long"])
    trial = place.trial()
    place.upload(f"workspace/projects/{place.name}/models/{trial['id']}.pkl", pickle.dumps(model))
    place.hub.hub.accounts.set_serving(place.project, True)
    return dict(place.client.create_pipeline(trial_id=trial["id"])["data"])


def test_a_pipeline_predicts(place: Place, pipeline: dict[str, Any]) -> None:
    assert pipeline["status"] == "ready"
    for create, get in (
        (place.client.create_prediction, place.client.get_prediction),
        (place.client.create_prediction_group, place.client.get_prediction_group),
    ):
        made = create(pipeline_id=pipeline["id"], records=[[9, 1], [1, None]], features=FEATURES)
        shown = made["data"]
        assert (shown["status"], shown["error_message"]) == ("done", None)
        assert shown["records_count"] == 2
        assert isinstance(shown["time_consumed_ms"], int)
        assert shown["result"] == {
            "columns": [
                "length",
                "width",
                "prediction",
                "proba_long",
                "proba_short",
                "prediction_id",
            ],
            "data": [
                [9, 1, "long", 1.0, 0.0, f"{shown['id']}-0"],
                [1, None, "short", 0.0, 1.0, f"{shown['id']}-1"],
            ],
        }
        assert get(shown["id"])["data"] == shown


def test_what_cannot_be_predicted_is_an_error_of_the_prediction(
    place: Place, pipeline: dict[str, Any]
) -> None:
    def told(**asked: object) -> str:
        shown = place.client.create_prediction(pipeline_id=pipeline["id"], **asked)["data"]
        assert (shown["status"], shown["result"]) == ("error", None)
        assert isinstance(shown["time_consumed_ms"], int)
        return str(shown["error_message"])

    assert "wants features that were not given: 'width'" in told(records=[[1]], features=["length"])
    assert "send records" in told(file_url="s3://bucket/a.csv", records=None, features=None)
    place.client.update_pipeline(pipeline["id"], status="undeploying")
    assert "is undeployed" in told(records=[[1, 2]], features=FEATURES)
    place.hub.hub.accounts.set_serving(place.project, False)
    assert "did not switch the serving of its models on" in told(
        records=[[1, 2]], features=FEATURES
    )
