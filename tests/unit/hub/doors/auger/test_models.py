"""Pipelines, their files, endpoints, predictions, actuals and alerts."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from auger.hub_api_client import HubApiClient

from tests.unit.hub.doors.auger.conftest import Place

_WRONG = (
    "records should be an array of arrays of plain values, each records size should be equal to "
    "the features count"
)


def _pipeline(place: Place) -> dict[str, Any]:
    return dict(place.client.create_pipeline(trial_id=place.trial()["id"])["data"])


def test_a_pipeline_waits_for_its_model_and_is_ready_with_it(place: Place) -> None:
    trial = place.trial()
    made = place.client.create_pipeline(trial_id=trial["id"])["data"]
    assert (made["id"], made["status"]) == (trial["id"], "creating_files")
    assert made["trial"]["hyperparameter"]["algorithm_name"] == "SVC"
    assert made["project_id"] == place.id
    packed = place.client.update_pipeline(made["id"], status="packaging")["data"]
    assert packed["status"] == "packaging"
    place.upload(f"workspace/projects/{place.name}/models/{trial['id']}.zip", b"PK model")
    assert place.client.get_pipeline(made["id"])["data"]["status"] == "ready"
    assert [each["id"] for each in place.client.get_pipelines(active=True)["data"]] == [made["id"]]
    gone = place.client.update_pipeline(made["id"], status="undeploying")["data"]
    assert gone["status"] == "undeployed"
    assert place.client.get_pipelines(active=True)["data"] == []
    with pytest.raises(
        HubApiClient.InvalidParamsError, match="transition to this status impossible"
    ):
        place.client.update_pipeline(made["id"], status="ready")


def test_pipelines_are_listed_by_session_and_experiment(place: Place) -> None:
    made = _pipeline(place)
    session = made["experiment_session_id"]
    shown = place.client.get_experiment_session(session)["data"]
    assert [each["id"] for each in shown["pipelines"]] == [made["id"]]
    for filters in ({"experiment_session_id": session}, {"experiment_id": shown["experiment_id"]}):
        found = place.client.get_pipelines(**filters)["data"]
        assert [each["id"] for each in found] == [made["id"]]
    assert place.client.get_pipelines(experiment_id="other")["data"] == []


def test_a_model_is_downloaded_by_the_link_of_a_pipeline_file(place: Place) -> None:
    trial = place.trial()
    made = place.client.create_pipeline_file(trial_id=trial["id"])["data"]
    assert made["model_path_status"] == "pending"
    assert made["signed_s3_model_path_status"] == "not_requested"
    assert made["experiment_session_id"] == trial["experiment_session_id"]
    place.upload(f"workspace/projects/{place.name}/models/{trial['id']}.zip", b"PK model")
    shown = place.client.get_pipeline_file(made["id"])["data"]
    assert shown["signed_s3_model_path_status"] == "success"
    answer = requests.get(shown["signed_s3_model_path"], timeout=30)
    assert (answer.status_code, answer.content) == (200, b"PK model")
    changed = shown["signed_s3_model_path"].replace("digest=", "digest=0")
    assert requests.get(changed, timeout=30).status_code == 403
    assert [each["id"] for each in place.client.get_pipeline_files()["data"]] == [made["id"]]


@pytest.mark.parametrize("rows", [[[1, 2, 3]], [[1]], [1, 2], [[1, [2]]], [[1, {}]], ["ab"]])
def test_rows_that_do_not_fit_are_refused_word_for_word(place: Place, rows: object) -> None:
    made = _pipeline(place)
    with pytest.raises(HubApiClient.InvalidParamsError) as caught:
        place.client.create_prediction(pipeline_id=made["id"], records=rows, features=["a", "b"])
    assert caught.value.args[0] == f"records {_WRONG}"
    params = caught.value.metadata()["request_params"]
    assert params == {
        "pipeline_id": made["id"],
        "records": rows,
        "features": ["a", "b"],
        "project_api_token": "****",
        "prediction": {"pipeline_id": made["id"]},
        "project_id": place.id,
    }
    assert list(params) == [
        "pipeline_id",
        "records",
        "features",
        "project_api_token",
        "prediction",
        "project_id",
    ]


def test_a_prediction_where_serving_is_off_tells_so(place: Place) -> None:
    made = _pipeline(place)
    answer = place.client.create_prediction(
        pipeline_id=made["id"], records=[[1, None]], features=["a", "b"]
    )["data"]
    assert (answer["status"], answer["records_count"]) == ("error", 1)
    assert answer["error_message"]
    assert place.client.get_prediction(answer["id"])["data"] == answer
    assert place.client.get_predictions()["data"] == [answer]
    group = place.client.create_prediction_group(
        pipeline_id=made["id"], records=[[1, 2]], features=["a", "b"]
    )["data"]
    assert (group["object"], group["endpoint_id"]) == ("prediction_group", None)
    assert place.client.get_prediction_group(group["id"])["data"] == group
    assert place.client.get_prediction_groups()["data"] == [group]


def _endpoint(place: Place) -> dict[str, Any]:
    made = place.client.create_endpoint(pipeline_id=_pipeline(place)["id"], name="first")
    return dict(made["data"])


def test_an_endpoint_begins_with_its_primary_pipeline(place: Place) -> None:
    made = _endpoint(place)
    (member,) = made["endpoint_pipelines"]
    assert (member["pipeline_id"], member["active"]) == (made["primary_pipeline_id"], True)
    assert len(made["dataset_signature"]) == 32
    changed = place.client.update_endpoint(made["id"], name="second")["data"]
    assert changed["name"] == "second"
    assert "stats" in place.client.get_endpoint(made["id"])["data"]
    assert "stats" not in place.client.get_endpoints()["data"][0]
    off = place.client.update_endpoint_pipeline(member["id"], active=False)["data"]
    assert off["active"] is False
    again = place.client.create_endpoint_pipeline(
        endpoint_id=made["id"], pipeline_id=made["primary_pipeline_id"], active=True
    )["data"]
    assert again["object"] == "endpoint_pipeline"
    assert place.client.delete_endpoint_pipeline(again["id"])["data"]["deleted"] is True
    gone = place.client.delete_endpoint(made["id"])["data"]
    assert (gone["deleted"], gone["primary_pipeline_id"], gone["endpoint_pipelines"]) == (
        True,
        None,
        [],
    )
    with pytest.raises(HubApiClient.FatalApiError, match="Couldn't find Endpoint"):
        place.client.get_endpoint(made["id"])


def test_pipelines_of_other_data_stay_out_of_an_endpoint(place: Place) -> None:
    made, other = _endpoint(place), _pipeline(place)
    with pytest.raises(HubApiClient.InvalidParamsError, match="has other features"):
        place.client.create_endpoint_pipeline(endpoint_id=made["id"], pipeline_id=other["id"])


def test_predictions_through_an_endpoint_are_its_own(place: Place) -> None:
    made, other = _endpoint(place), _endpoint(place)
    answer = place.client.create_endpoint_prediction(
        endpoint_id=made["id"], records=[[1, 2]], features=["a", "a"]
    )["data"]
    assert (answer["object"], answer["endpoint_id"]) == ("prediction_group", made["id"])
    assert answer["pipeline_id"] == made["primary_pipeline_id"]
    assert place.client.get_endpoint_predictions(endpoint_id=made["id"])["data"] == [answer]
    assert place.client.get_endpoint_predictions(endpoint_id=other["id"])["data"] == []
    shown = place.client.get_endpoint_prediction(answer["id"], endpoint_id=made["id"])
    assert shown["data"] == answer
    with pytest.raises(HubApiClient.FatalApiError, match="Couldn't find"):
        place.client.get_endpoint_prediction(answer["id"], endpoint_id=other["id"])
    seen: list[object] = []
    place.client.iterate_all_endpoint_predictions(seen.append, endpoint_id=made["id"])
    assert seen == [answer]
    with pytest.raises(HubApiClient.MissingParamError):
        place.client.get_endpoint_predictions()


def test_actuals_are_kept_and_deleted_by_a_task(place: Place) -> None:
    made = _endpoint(place)
    pipeline = made["primary_pipeline_id"]
    kept = place.client.create_actual(
        pipeline_id=pipeline, actuals=[{"prediction_id": "p", "actual": True}]
    )
    assert kept == {"data": {}, "meta": {"status": 200}}
    kept = place.client.create_endpoint_actual(
        endpoint_id=made["id"], actuals=[[1, 2]], actual_column_names=["a", "b"]
    )
    assert kept["data"] == {}
    with pytest.raises(HubApiClient.InvalidParamsError, match="actuals should be an array"):
        place.client.create_actual(pipeline_id=pipeline, actuals=[[1, 2]])
    task = place.client.delete_actuals(
        pipeline_id=pipeline, **{"from": "2020-01-01", "to": "2100-01-01"}, with_predictions=True
    )["data"]
    assert (task["object"], task["status"]) == ("cluster_task", "pending")
    assert task["args"][0]["begin_date"] == "2020-01-01"
    assert "hub_info" in task["args"][0]
    done = place.client.get_cluster_task(task["id"])["data"]
    assert (done["status"], done["result"]) == ("success", {"deleted": 2})
    tasks = place.client.delete_endpoint_actuals(made["id"])
    assert "pagination" not in tasks["meta"]
    assert [each["object"] for each in tasks["data"]] == ["cluster_task"]
    with pytest.raises(HubApiClient.InvalidParamsError, match="from is not a time"):
        place.client.delete_actuals(pipeline_id=pipeline, **{"from": "tomorrow"})


def test_an_alert_fills_in_what_its_kind_starts_from(place: Place) -> None:
    endpoint = _endpoint(place)["id"]
    made = place.client.create_review_alert(endpoint_id=endpoint, kind="runtime_errors_burst")
    told = made["data"]
    assert (told["threshold"], told["sensitivity"], told["active"]) == (5.0, 1, True)
    assert told["notifications"] == "no_notifications"
    changed = place.client.update_review_alert(told["id"], threshold=4)["data"]
    assert isinstance(changed["threshold"], float)
    assert place.client.get_review_alert(told["id"])["data"]["threshold"] == 4.0
    assert len(place.client.get_review_alerts(endpoint_id=endpoint)["data"]) == 1
    with pytest.raises(HubApiClient.InvalidParamsError, match="kind is not in the list"):
        place.client.create_review_alert(endpoint_id=endpoint, kind="nonsense")
    assert place.client.delete_review_alert(told["id"])["data"]["deleted"] is True
    assert place.client.get_review_alerts()["data"] == []
    assert place.client.get_review_alert_items()["data"] == []
