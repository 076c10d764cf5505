"""Lists: every one is iterated page by page, and shows each object once."""

from __future__ import annotations

import pytest

from tests.unit.hub.doors.auger.conftest import Place

_LISTS = (
    "cluster_status",
    "cluster_task",
    "dataset_manifest",
    "endpoint",
    "experiment",
    "experiment_session",
    "hyperparameter",
    "instance_type",
    "organization",
    "pipeline",
    "pipeline_file",
    "pod_log",
    "prediction",
    "prediction_group",
    "project",
    "project_file",
    "review_alert",
    "review_alert_item",
    "trial",
    "trial_search",
)


def _fill(place: Place, number: int) -> None:
    client = place.client
    trial = place.trial(algorithm_params={"n": number})["id"]
    pipeline = client.create_pipeline(trial_id=trial)["data"]["id"]
    endpoint = client.create_endpoint(pipeline_id=pipeline)["data"]["id"]
    rows = {"pipeline_id": pipeline, "records": [[1]], "features": ["a"]}
    client.create_pipeline_file(trial_id=trial)
    client.create_prediction(**rows)
    client.create_prediction_group(**rows)
    client.create_review_alert(endpoint_id=endpoint, kind="model_accuracy")
    client.create_cluster_task(name=f"task {number}")
    client.create_dataset_manifest(id=f"{trial}-data", name="data", statistics={})
    client.create_trial_search(trials_total_count=1, search_space={})
    client.create_project_file(name="a", project_id=place.id, url=f"s3://b/{number}")
    client.create_organization(name=f"{place.user}-{number}")
    organization = client.get_project(place.id)["data"]["organization_id"]
    client.create_project(name=f"other{number}", organization_id=organization)
    place.send("POST", "/api/v1/pod_logs", {"project_id": place.id, "pod_name": "p", "data": "x"})
    place.send("POST", "/api/v1/cluster_statuses", {"cluster_id": 1, "cpu": 1, "memory": 2})
    kind = {"id": f"{place.user}.{number}", "description": "1xCPU"}
    place.send("POST", "/api/v1/instance_types", kind)


@pytest.mark.parametrize("size", [2, 3, 50])
def test_every_list_is_iterated(place: Place, size: int) -> None:
    for number in range(3):
        _fill(place, number)
    short = []
    for name in _LISTS:
        plural = f"{name}es" if name.endswith(("us", "ch")) else f"{name}s"
        listed = getattr(place.client, f"get_{plural}")()
        found: list[dict[str, object]] = []
        getattr(place.client, f"iterate_all_{plural}")(found.append, limit=size)
        assert found == listed["data"], name
        page = listed["meta"]["pagination"]
        assert page == {"limit": 50, "offset": 0, "count": len(found), "total": len(found)}, name
        assert len({str(each["id"]) for each in found}) == len(found), name
        assert {each["object"] for each in found} <= {name}, name
        if len(found) < 3:
            short.append(name)
    assert short == ["review_alert_item"]
