"""Tasks, clusters, logs and searches: states that others report."""

from __future__ import annotations

import pytest
from auger.hub_api_client import HubApiClient

from tests.unit.hub.doors.auger.conftest import Place


def test_a_task_goes_its_way(place: Place) -> None:
    made = place.client.create_cluster_task(name="a.b.c", queue="q", args=[{"x": None}])["data"]
    assert (made["status"], made["args"], made["project_id"]) == (
        "pending",
        [{"x": None}],
        place.id,
    )
    started = place.client.update_cluster_task(made["id"], status="started")["data"]
    assert started["status"] == "started"
    done = place.client.update_cluster_task(made["id"], status="success", result={"n": 1})["data"]
    assert done["result"] == {"n": 1}
    assert place.client.get_cluster_task(made["id"])["data"] == done
    assert place.client.get_status("ClusterTask", made["id"])["data"] == {"status": "success"}
    assert place.client.get_cluster_tasks(project_id=place.id)["data"] == [done]
    with pytest.raises(HubApiClient.InvalidParamsError, match="cannot transition"):
        place.client.update_cluster_task(made["id"], status="pending")
    encoded = place.client.create_cluster_task(name="x", args_encoded="[1]")["data"]
    assert encoded["args"] == [1]


def test_an_agent_reports_samples_logs_and_machines(place: Place) -> None:
    cluster = place.send(
        "POST", "/api/v1/clusters", {"name": "c", "organization_id": 1, "project_id": place.id}
    ).json()["data"]
    assert cluster["status"] == "waiting"
    assert cluster["file_uploader_service"] == {"url": None, "params": {}}
    sample = {"cluster_id": cluster["id"], "cpu": 3, "memory": 41, "cpu_status": "normal"}
    assert place.send("POST", "/api/v1/cluster_statuses", sample).status_code == 200
    (shown,) = place.client.get_cluster_statuses(cluster_id=cluster["id"])["data"]
    assert (shown["cpu"], shown["memory"], shown["cpu_status"]) == (3, 41, "normal")
    assert place.client.get_cluster_statuses(cluster_id=cluster["id"] + 1)["data"] == []
    for text in ("one\n", "two\n"):
        line = {"project_id": place.id, "pod_name": "worker-1", "data": text}
        assert place.send("POST", "/api/v1/pod_logs", line).status_code == 200
    listed = place.client.get_pod_logs(project_id=place.id)["data"]
    assert [each["data"] for each in listed] == ["two\n", "one\n"]
    assert place.client.get_project_logs(place.id) == "one\ntwo\n"
    kind = {"id": "c5.large", "description": "2xCPU 4.0 GB RAM"}
    assert place.send("POST", "/api/v1/instance_types", kind).status_code == 200
    (listed,) = place.client.get_instance_types()["data"]
    assert (listed["id"], listed["description"]) == ("c5.large", "2xCPU 4.0 GB RAM")
    gone = place.send("DELETE", f"/api/v1/clusters/{cluster['id']}").json()["data"]
    assert (gone["deleted"], gone["status"]) == (False, "terminating")
    assert place.send("GET", f"/api/v1/clusters/{cluster['id']}").status_code == 404


def test_a_search_is_answered_at_once(place: Place) -> None:
    space = {"SVC": {"C": {"type": "float", "bounds": [0.1, 10]}}}
    made = place.client.create_trial_search(trials_total_count=5, search_space=space)["data"]
    assert (made["status"], made["trials_limit"], made["trials_history"]) == ("done", 10, [])
    assert [list(trial) for trial in made["next_trials"]] == [
        ["algorithm_name", "algorithm_params"]
    ] * 5
    assert place.client.get_trial_search(made["id"])["data"] == made
    assert place.client.get_trial_searches()["data"] == [made]


def test_a_search_without_algorithms_suggests_nothing(place: Place) -> None:
    space = {"version": 1, "optimizers_space": {}}
    made = place.client.create_trial_search(trials_total_count=5, search_space=space)["data"]
    assert (made["status"], made["next_trials"]) == ("done", [])
