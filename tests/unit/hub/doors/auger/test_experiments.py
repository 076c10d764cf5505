"""Experiments, sessions and data sets."""

from __future__ import annotations

import pytest
from auger.hub_api_client import HubApiClient

from tests.unit.hub.doors.auger.conftest import Place, client_of


def test_a_data_set_is_made_shown_listed_and_changed(place: Place) -> None:
    made = place.client.create_dataset_manifest(id=1234, name="Iris", statistics={"count": 3})
    assert made["data"]["id"] == "1234"
    assert made["data"]["statistics"] == {"count": 3}
    changed = place.client.update_dataset_manifest("1234", dataset_url="s3://b/iris.csv")["data"]
    assert changed["dataset_url"] == "s3://b/iris.csv"
    assert place.client.get_dataset_manifest("1234")["data"] == changed
    assert place.client.get_dataset_manifests()["data"] == [changed]


def test_missing_parameters_are_told_in_the_order_of_the_table(place: Place) -> None:
    with pytest.raises(HubApiClient.InvalidParamsError) as caught:
        place.client.create_dataset_manifest()
    assert caught.value.args[0] == "id is required, name is required, statistics is required"
    assert caught.value.metadata()["errors"] == [
        {"error_type": "invalid_param", "error_param": name, "message": "is required"}
        for name in ("id", "name", "statistics")
    ]


def test_an_experiment_embeds_its_data_set(place: Place) -> None:
    place.client.create_dataset_manifest(id="embedded", name="Iris", statistics={})
    made = place.client.create_experiment(
        id="chosen", name="first", dataset_manifest_id="embedded"
    )["data"]
    assert made["id"] == "chosen"
    assert made["project_id"] == place.id
    assert made["dataset_manifest"]["name"] == "Iris"
    assert made["dataset_manifest"]["object"] == "dataset_manifest"
    assert place.client.update_experiment("chosen", name="second")["data"]["name"] == "second"
    assert place.client.get_experiments(name="second")["data"][0]["id"] == "chosen"
    assert place.client.get_experiments(name="first")["data"] == []


def test_an_id_is_taken_once_and_free_after_its_deletion(place: Place) -> None:
    place.client.create_experiment(id="again", name="first")
    with pytest.raises(HubApiClient.InvalidParamsError, match="id has already been taken"):
        place.client.create_experiment(id="again", name="second")
    gone = place.client.delete_experiment("again")["data"]
    assert gone["deleted"] is True
    for ask in (place.client.get_experiment, place.client.delete_experiment):
        with pytest.raises(HubApiClient.FatalApiError, match="Couldn't find Experiment"):
            ask("again")
    assert place.client.get_experiments()["data"] == []
    made = place.client.create_experiment(id="again", name="second")["data"]
    assert (made["name"], made["deleted"]) == ("second", False)


def test_a_session_goes_its_way_and_no_other(place: Place) -> None:
    session = place.session(status="started", message="hi", model_settings={"a": [1, None]})
    assert (session["number"], session["status"], session["message"]) == (1, "started", "hi")
    assert session["model_settings"] == {"a": [1, None]}
    assert session["pipelines"] == []
    done = place.client.update_experiment_session(session["id"], status="completed")["data"]
    assert done["status"] == "completed"
    assert place.client.get_status("ExperimentSession", session["id"])["data"] == {
        "status": "completed"
    }
    with pytest.raises(
        HubApiClient.InvalidParamsError, match="Event 'interrupted' cannot transition"
    ):
        place.client.update_experiment_session(session["id"], status="interrupted")
    with pytest.raises(HubApiClient.InvalidParamsError, match="status is not in the list"):
        place.client.update_experiment_session(session["id"], status="nonsense")


def test_an_experiment_tells_of_its_last_session(place: Place) -> None:
    first = place.session()
    second = place.client.create_experiment_session(experiment_id=first["experiment_id"])["data"]
    assert second["number"] == 2
    shown = place.client.get_experiment(first["experiment_id"])["data"]
    assert shown["last_experiment_session_id"] == second["id"]
    assert shown["last_experiment_session_status"] == "waiting"
    assert shown["last_experiment_session_created_at"] == second["created_at"]
    found = place.client.get_experiment_sessions(experiment_id=first["experiment_id"])["data"]
    assert [each["id"] for each in found] == [second["id"], first["id"]]


def test_without_a_project_of_the_token_one_has_to_be_named(place: Place) -> None:
    own = client_of(place.hub, token=place.token)
    with pytest.raises(HubApiClient.InvalidParamsError, match="project_id is required"):
        own.create_experiment(name="first")
    made = own.create_experiment(name="first", project_id=place.id)["data"]
    assert made["project_id"] == place.id


def test_what_belongs_to_no_project_is_kept_in_the_users_own(place: Place) -> None:
    own = client_of(place.hub, token=place.token)
    own.create_dataset_manifest(id="mine", name="Iris", statistics={})
    assert f"{place.user}/auger" in place.hub.hub.store.list_projects()
    # Data sets are found whatever project the token stands for.
    assert place.client.get_dataset_manifest("mine")["data"]["name"] == "Iris"
