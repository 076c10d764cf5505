"""Predictions that are made: a model is brought, served, asked, and judged by what was true."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pandas
import pytest
from auger.hub_api_client import HubApiClient
from sklearn.tree import DecisionTreeClassifier

from mooring.hub.context import open_hub
from mooring.hub.serving import ModelFile, PredictionRequest
from mooring.hub.settings import HubSettings
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


@pytest.fixture
def endpoint(place: Place, pipeline: dict[str, Any]) -> dict[str, Any]:
    return dict(place.client.create_endpoint(pipeline_id=pipeline["id"], name="first")["data"])


def _predict(place: Place, endpoint: dict[str, Any], *rows: list[object]) -> dict[str, Any]:
    made = place.client.create_endpoint_prediction(
        endpoint_id=endpoint["id"], records=list(rows), features=FEATURES
    )["data"]
    assert made["status"] == "done", made["error_message"]
    return dict(made)


def _tell(place: Place, endpoint: dict[str, Any], **truth: object) -> None:
    place.client.create_endpoint_actual(
        endpoint_id=endpoint["id"],
        actuals=[{"prediction_id": id, "endpoint_actual": value} for id, value in truth.items()],
    )


def test_an_endpoint_predicts_and_tells_how_it_did(place: Place, endpoint: dict[str, Any]) -> None:
    client = place.client
    empty = client.get_endpoint(endpoint["id"])["data"]
    assert (empty["stats"], empty["daily_model_performance"]) == (None, None)
    made = _predict(place, endpoint, [9, 1], [1, 1], [2, 5], [8, None])
    _tell(place, endpoint, **{f"{made['id']}-{n}": "long" for n in (0, 1, 2)})
    _tell(place, endpoint, **{f"{made['id']}-2": "short", "nobody-1": "long"})
    alone = _predict(place, endpoint, [1, 2])
    client.create_actual(
        pipeline_id=endpoint["primary_pipeline_id"],
        actuals=[{"prediction_id": alone["id"], "actual": "short"}],
    )
    client.update_endpoint(
        endpoint["id"],
        roi_filter="P = 'long'",
        roi_investment="$2",
        roi_revenue="if(A = P, $length, 0)",
    )
    shown = client.get_endpoint(endpoint["id"])["data"]
    today = made["created_at"][:10]
    assert shown["stats"] == {
        "predictions_count": 5,
        "actuals_count": 4,
        "first_date": today,
        "last_date": alone["created_at"][:10],
        "score_name": "accuracy",
        "score": 0.75,
        "errors_count": 0,
        "roi": {"count": 2, "investment": 4.0, "revenue": 9.0, "roi": 1.25},
    }
    assert sum(day["actuals_count"] for day in shown["daily_model_performance"]) == 4
    features = shown["daily_feature_distribution"][0]["features"]
    assert features["width"]["missing"] == 1
    assert shown["avg_prediction_time_ms"] >= 0
    client.update_endpoint(endpoint["id"], roi_revenue="$nothing")
    broken = client.get_endpoint(endpoint["id"])["data"]["stats"]["roi"]
    assert broken == {"error": "there is no feature 'nothing'"}


def test_actuals_of_rows_and_of_a_request_are_joined(
    place: Place, endpoint: dict[str, Any]
) -> None:
    made = _predict(place, endpoint, [9, 1], [1, 1])
    place.client.create_endpoint_actual(
        endpoint_id=endpoint["id"],
        actual_column_names=["actual", "prediction_id"],
        actuals=[["short", f"{made['id']}-1"]],
    )
    other = _predict(place, endpoint, [9, 1], [1, 1])
    place.client.create_endpoint_actual(
        endpoint_id=endpoint["id"],
        prediction_group_id=other["id"],
        actuals=[{"endpoint_actual": "long"}, {"endpoint_actual": "long"}],
    )
    shown = place.client.get_endpoint(endpoint["id"])["data"]["stats"]
    assert (shown["actuals_count"], shown["score"]) == (3, pytest.approx(2 / 3))


def test_roi_expressions_are_checked_by_a_task(place: Place, endpoint: dict[str, Any]) -> None:
    _predict(place, endpoint, [9, 1])
    expressions = ["P = true", None, "", "@if(A = true, $length * $100, 0)", "$depth", "P +"]
    made = place.client.create_endpoint_roi_validation(
        endpoint_id=endpoint["id"], expressions=expressions
    )["data"]
    assert (made["object"], made["status"]) == ("cluster_task", "pending")
    assert made["args"][0]["expressions"] == expressions
    done = place.client.get_cluster_task(made["id"])["data"]
    assert done["status"] == "success"
    assert [each["expression"] for each in done["result"]] == expressions
    assert [each["is_valid"] for each in done["result"]] == [True, True, True, True, False, False]
    assert done["result"][4]["error"] == "there is no feature 'depth' at position 1"
    assert done["result"][0] == {
        "expression": "P = true",
        "is_valid": True,
        "error": None,
        "warning": None,
    }
    with pytest.raises(HubApiClient.InvalidParamsError, match="each element is a string"):
        place.client.create_endpoint_roi_validation(endpoint_id=endpoint["id"], expressions=[1])


def test_an_alert_fires_once_when_the_model_is_wrong(
    place: Place, endpoint: dict[str, Any]
) -> None:
    client = place.client
    alert = client.create_review_alert(
        endpoint_id=endpoint["id"], kind="model_accuracy", threshold=0.6
    )["data"]
    silent = client.create_review_alert(
        endpoint_id=endpoint["id"], kind="model_accuracy", active=False
    )["data"]
    made = _predict(place, endpoint, [9, 1], [1, 1])
    assert client.get_review_alert_items()["data"] == []
    _tell(place, endpoint, **{f"{made['id']}-0": "short", f"{made['id']}-1": "short"})
    (item,) = client.get_review_alert_items(endpoint_id=endpoint["id"])["data"]
    assert (item["object"], item["kind"]) == ("review_alert_item", "model_accuracy")
    assert (item["review_alert_id"], item["values"]) == (alert["id"], [0.5])
    assert (item["threshold"], item["sensitivity"]) == (0.6, 72)
    _tell(place, endpoint, **{f"{made['id']}-1": "long"})
    assert client.get_review_alert_items()["data"] == [item]
    assert client.get_review_alert_item(item["id"])["data"] == item
    client.delete_review_alert(alert["id"])
    client.delete_review_alert(silent["id"])
    (left,) = client.get_review_alert_items()["data"]
    assert left["review_alert_id"] is None


def test_an_alert_of_actuals_of_the_pipeline_fires(place: Place, endpoint: dict[str, Any]) -> None:
    client = place.client
    client.create_review_alert(endpoint_id=endpoint["id"], kind="model_accuracy")
    made = _predict(place, endpoint, [9, 1])
    client.create_actual(
        pipeline_id=endpoint["primary_pipeline_id"],
        actuals=[{"prediction_id": made["id"], "actual": "short"}],
    )
    (item,) = client.get_review_alert_items()["data"]
    assert item["values"] == [0.0]


def test_a_burst_of_failing_predictions_fires(place: Place, endpoint: dict[str, Any]) -> None:
    client = place.client
    client.create_review_alert(endpoint_id=endpoint["id"], kind="runtime_errors_burst", threshold=2)
    for _ in range(2):
        assert client.get_review_alert_items()["data"] == []
        made = client.create_endpoint_prediction(
            endpoint_id=endpoint["id"], records=[["x", 1]], features=FEATURES
        )["data"]
        assert made["status"] == "error"
        assert "raised ValueError" in made["error_message"]
    (item,) = client.get_review_alert_items()["data"]
    assert (item["kind"], item["values"]) == ("runtime_errors_burst", [2.0])


def test_a_feature_that_left_its_range_fires(place: Place, endpoint: dict[str, Any]) -> None:
    client = place.client
    client.create_review_alert(endpoint_id=endpoint["id"], kind="feature_average_range")
    client.create_endpoint_prediction(
        endpoint_id=endpoint["id"],
        records=[[1, 1], [3, 1]],
        features=FEATURES,
        predicted_at="2020-01-01T00:00:00Z",
    )
    _predict(place, endpoint, [2.5, 1])
    assert client.get_review_alert_items()["data"] == []
    _predict(place, endpoint, [20, 1])
    (item,) = client.get_review_alert_items()["data"]
    assert item["values"] == [pytest.approx(9.25)]


def test_the_hub_ends_its_models_with_itself(tmp_path: Path) -> None:
    settings = HubSettings(store=str(tmp_path / "runs.db"))
    hub = open_hub(settings)
    path = tmp_path / "model"
    path.write_bytes(pickle.dumps(DecisionTreeClassifier().fit([[0], [1]], [0, 1])))
    hub.workers.predict(ModelFile(path, "digest", "m"), PredictionRequest(["a"], [[1]]))
    (pid,) = hub.workers.pids()
    hub.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
