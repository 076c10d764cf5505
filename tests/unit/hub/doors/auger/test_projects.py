"""Organizations, projects, and what a token sees of them, through the client package."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from auger.hub_api_client import HubApiClient

from mooring.store import open_store
from tests.unit.hub.doors.auger.conftest import Place, client_of


def test_an_organization_lives_from_created_to_terminating(place: Place) -> None:
    own = client_of(place.hub, token=place.token)

    made = own.create_organization(name=f"org-{place.user}")["data"]
    assert (made["object"], made["status"], made["is_demo"]) == ("organization", "created", True)
    assert made["state_machine"]["possible_transitions"] == [{"id": "terminate", "name": "remove"}]
    shown = own.get_organization(made["id"])["data"]
    assert shown["name"] == f"org-{place.user}"
    changed = own.update_organization(made["id"], role_to_assume_arn="arn:x")["data"]
    assert changed["status"] == "waiting"
    assert "role_to_assume_arn" not in changed
    gone = own.delete_organization(made["id"])["data"]
    assert (gone["deleted"], gone["status"]) == (False, "terminating")
    with pytest.raises(HubApiClient.FatalApiError, match="Couldn't find Organization"):
        own.get_organization(made["id"])
    assert made["id"] not in [each["id"] for each in own.get_organizations()["data"]]


def test_a_project_of_the_api_is_a_project_of_the_store(place: Place) -> None:
    assert place.project in place.hub.hub.store.list_projects()
    shown = place.client.get_project(place.id)["data"]
    assert (shown["id"], shown["name"], shown["status"]) == (place.id, place.name, "undeployed")
    assert shown["organization_id"] > 0
    assert shown["deploy_progress"] == dict.fromkeys(
        ("undeployed", "undeploying", "deploying", "deployed", "running"), 0
    )


def test_a_project_of_the_store_is_a_project_of_the_api(place: Place) -> None:
    place.hub.hub.store.ensure_project(f"{place.user}/logged")
    listed = client_of(place.hub, token=place.token).get_projects(name="logged")["data"]
    assert [each["name"] for each in listed] == ["logged"]
    assert place.client.get_project(listed[0]["id"])["data"]["name"] == "logged"


def test_projects_are_updated_deployed_and_stopped(place: Place) -> None:
    client = place.client
    changed = client.update_project(
        place.id, default_worker_nodes_count=5, default_kubernetes_stack="stable"
    )["data"]
    assert changed["default_worker_nodes_count"] == 5
    assert changed["default_kubernetes_stack"] == "stable"
    assert client.deploy_project(place.id, workers_count=2)["data"]["status"] == "running"
    assert client.get_status("Project", place.id)["data"] == {"status": "running"}
    with pytest.raises(HubApiClient.InvalidParamsError, match="Event 'deploy' cannot transition"):
        client.deploy_project(place.id)
    assert client.undeploy_project(place.id)["data"]["status"] == "undeployed"


def test_a_deleted_project_is_seen_no_more_and_nothing_of_it_is_lost(place: Place) -> None:
    place.trial("KEPT")
    gone = place.client.delete_project(place.id)["data"]
    assert (gone["deleted"], gone["deleting"]) == (False, True)
    own = client_of(place.hub, token=place.token)
    with pytest.raises(HubApiClient.FatalApiError, match="Couldn't find Project"):
        own.get_project(place.id)
    with pytest.raises(HubApiClient.FatalApiError, match="Couldn't find Trial"):
        own.get_trial("KEPT")
    assert place.id not in [each["id"] for each in own.get_projects()["data"]]
    assert own.get_trials()["meta"]["pagination"]["total"] == 0
    assert place.hub.hub.store.find_run(place.project, run_id="KEPT") is not None


def test_a_name_is_taken_once(place: Place) -> None:
    organization = place.client.get_project(place.id)["data"]["organization_id"]
    with pytest.raises(HubApiClient.InvalidParamsError, match="name has already been taken"):
        place.client.create_project(name=place.name, organization_id=organization)


@pytest.mark.parametrize("name", ["a/b", "", " ", "..\x00", "x" * 800])
def test_names_that_no_project_can_have_are_refused(place: Place, name: str) -> None:
    organization = place.client.get_project(place.id)["data"]["organization_id"]
    with pytest.raises(HubApiClient.InvalidParamsError, match=r"^name "):
        place.client.create_project(name=name, organization_id=organization)


def test_all_projects_are_iterated(place: Place) -> None:
    own = client_of(place.hub, token=place.token)
    organization = own.get_project(place.id)["data"]["organization_id"]
    for number in range(5):
        own.create_project(name=f"more{number}", organization_id=organization)
    found: list[str] = []
    own.iterate_all_projects(lambda item: found.append(item["name"]), limit=2)
    assert found == ["more4", "more3", "more2", "more1", "more0", place.name]


def test_what_others_own_does_not_exist(make_place: Callable[[], Place]) -> None:
    mine, other = make_place(), make_place()
    other.trial("SECRET")
    own = client_of(mine.hub, token=mine.token)
    for ask, name in (
        (lambda: own.get_project(other.id), "Project"),
        (lambda: own.get_trial("SECRET"), "Trial"),
        (lambda: own.update_trial("SECRET", score_name="x"), "Trial"),
        (lambda: own.update_project(other.id, workers_count=1), "Project"),
        (lambda: own.create_experiment(name="x", project_id=other.id), "Project"),
        (lambda: own.create_pipeline(trial_id="SECRET"), "Trial"),
        (lambda: own.get_status("Project", other.id), "Project"),
    ):
        with pytest.raises(HubApiClient.FatalApiError, match=f"Couldn't find {name}"):
            ask()
    assert [each["id"] for each in own.get_projects()["data"]] == [mine.id]


def test_a_store_that_is_opened_beside_sees_what_the_api_made(place: Place) -> None:
    place.trial("SEEN")
    with open_store(place.hub.hub.store.path, read_only=True) as store:  # type: ignore[attr-defined]
        run = store.find_run(place.project, run_id="SEEN")
        assert run is not None
        assert store.get_value(run.key, "params/C")[1] == 1.5
        assert store.get_value(run.key, "scores/accuracy")[1] == 0.75
        assert store.get_value(run.key, "sys/name")[1] == "first"
