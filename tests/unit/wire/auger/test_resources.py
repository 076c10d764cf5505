"""The table: whole, in itself, beside the client from PyPI, and beside what is known of the API."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from auger.hub_api_client import HubApiClient

from mooring.wire.auger.resources import RESOURCES, get_resource
from mooring.wire.auger.table import IdKind, Operation, Resource, StateMachine
from mooring.wire.auger.writing import fields, index

OPERATIONS = [(resource, each) for resource in RESOURCES for each in resource.operations]
METHODS = {"index": "GET", "show": "GET", "create": "POST", "update": "PATCH", "delete": "DELETE"}


def named(pair: object) -> str | None:
    match pair:
        case (Resource() as resource, Operation() as operation):
            return f"{operation.name}_{resource.name}"
        case Resource():
            return pair.name
    return None


# the client from PyPI


def test_every_action_of_the_client_is_in_the_table() -> None:
    client = HubApiClient(hub_app_url="http://127.0.0.1:9")
    ours = {(operation.method, operation.path) for _, operation in OPERATIONS}
    theirs = set()
    for name, options in HubApiClient.API_SCHEMA.items():
        parent = options.get("parent_resource")
        path = client.build_full_resource_path(options.get("resource_name", name), parent)
        path = path.replace("{parent_id}", f"{{{parent}_id}}")
        for action in options["actions"]:
            if isinstance(action, dict):
                for own, method in action.items():
                    theirs.add((method.upper(), f"{path}/{{id}}/{own}"))
            else:
                one = "" if action in ("index", "create") else "/{id}"
                theirs.add((METHODS[action], path + one))
    assert len(theirs) == 88
    assert theirs - ours == set()
    # What it has methods of its own for, and what is of older clients or of this hub only.
    assert {path for _, path in ours - theirs} == {
        "/api/v1/actuals",
        "/api/v1/cluster_statuses",
        "/api/v1/clusters",
        "/api/v1/clusters/{id}",
        "/api/v1/endpoints/{endpoint_id}/actuals",
        "/api/v1/instance_types",
        "/api/v1/pod_logs",
        "/api/v1/projects/{id}/logs",
        "/api/v1/status",
        "/api/v1/trials",
    }


def test_plurals_and_parents_are_the_client_s() -> None:
    client = HubApiClient(hub_app_url="http://127.0.0.1:9")
    for name, options in HubApiClient.API_SCHEMA.items():
        resource = get_resource(name)
        assert resource.plural == name + client.plural_ending(name)
        assert resource.parent == options.get("parent_resource")
        assert resource.client


# in itself


def test_every_resource_is_there_once() -> None:
    names = [resource.name for resource in RESOURCES]
    assert len(names) == len(set(names)) == 31
    assert [resource.name for resource in RESOURCES if not resource.client] == ["cluster"]
    with pytest.raises(KeyError):
        get_resource("notebook")


def test_no_two_operations_are_one_request() -> None:
    requests = [(operation.method, operation.path) for _, operation in OPERATIONS]
    assert len(requests) == len(set(requests))


@pytest.mark.parametrize("pair", OPERATIONS, ids=named)
def test_an_operation_is_whole(pair: tuple[Resource, Operation]) -> None:
    resource, operation = pair
    assert re.fullmatch(r"/api/v1(/[a-z_]+|/\{(id|endpoint_id)\})+", operation.path)
    assert ("{endpoint_id}" in operation.path) == (resource.parent == "endpoint")
    if operation.name in METHODS:
        assert operation.method == METHODS[operation.name]
    names = [each.name for each in operation.parameters]
    assert len(names) == len(set(names))
    assert not {"limit", "offset", "object", "deleted"} & set(names) or resource.name in (
        "status",
        "similar_trials_request",
        "warm_start_request",
    )
    for each in operation.parameters:
        assert each.types
        assert each.items is None or "array" in each.types
        assert not (each.filter and each.required)
        assert not each.filter or operation.name == "index"
    if operation.answer == "page":
        assert operation.name == "index"


@pytest.mark.parametrize("resource", RESOURCES, ids=named)
def test_a_resource_is_whole(resource: Resource) -> None:
    shown = [each.name for each in resource.fields]
    assert len(shown) == len(set(shown))
    assert not {"object", "deleted"} & set(shown)  # every object has them
    assert re.fullmatch(r"[A-Z].*\.", resource.what)
    if resource.fields and resource.id is not IdKind.NONE:
        types = {each.name: each.types for each in resource.fields}["id"]
        assert ("integer" if resource.id is IdKind.INTEGER else "string") in types
    for machine in resource.states:
        assert machine.field in shown
        for before in machine.states:
            assert machine.allows(before, before)
        assert set(machine.states) == reached(machine), "a state that nothing leads to"


def reached(machine: StateMachine) -> set[str]:
    found, ahead = set(), [machine.initial]
    while ahead:
        state = ahead.pop()
        if state not in found:
            found.add(state)
            ahead.extend(machine.transitions.get(state, ()))
    return found


# what is known of the API


def parameters(resource: str, operation: str) -> dict[str, bool]:
    found = get_resource(resource).find(operation)
    assert found is not None
    return {each.name: each.required for each in found.parameters}


def required(resource: str, operation: str = "create") -> list[str]:
    return [name for name, needed in parameters(resource, operation).items() if needed]


def test_what_is_proven_to_be_required() -> None:
    assert required("dataset_manifest") == ["id", "name", "statistics"]
    assert required("status", "show") == ["object", "id"]
    assert required("trial", "update_many") == ["experiment_session_id", "trials"]
    assert required("trial") == ["id", "refit_data_path"]
    assert required("token") == ["email", "password"]


def test_rows_or_a_file_may_be_what_is_predicted() -> None:
    """None of them is required by itself: the door tells which is missing."""
    for resource in ("prediction", "endpoint_prediction"):
        told = parameters(resource, "create")
        assert (told["records"], told["features"], told["file_url"]) == (False, False, False)


@pytest.mark.parametrize(
    ("resource", "kind"),
    [
        ("organization", IdKind.INTEGER),
        ("project", IdKind.INTEGER),
        ("hyperparameter", IdKind.INTEGER),
        ("cluster_task", IdKind.INTEGER),
        ("endpoint_pipeline", IdKind.INTEGER),
        ("experiment", IdKind.STRING),
        ("experiment_session", IdKind.STRING),
        ("trial", IdKind.STRING),
        ("pipeline", IdKind.STRING),
        ("dataset_manifest", IdKind.STRING),
        ("endpoint", IdKind.UUID),
        ("prediction_group", IdKind.UUID),
        ("actual", IdKind.NONE),
        ("status", IdKind.NONE),
    ],
)
def test_ids_are_of_their_kind(resource: str, kind: IdKind) -> None:
    assert get_resource(resource).id is kind


@pytest.mark.parametrize(
    ("resource", "filters"),
    [
        ("organization", {"name"}),
        ("project", {"organization_id", "name"}),
        ("experiment", {"project_id", "name"}),
        ("experiment_session", {"project_id", "experiment_id"}),
        ("trial", {"experiment_session_id"}),
        (
            "pipeline",
            {"organization_id", "experiment_id", "experiment_session_id", "active"},
        ),
        ("review_alert_item", {"endpoint_id"}),
        ("cluster_status", {"cluster_id"}),
        ("pod_log", {"project_id"}),
    ],
)
def test_lists_have_their_filters(resource: str, filters: set[str]) -> None:
    found = get_resource(resource).find("index")
    assert found is not None
    assert {each.name for each in found.parameters if each.filter} == filters


@pytest.mark.parametrize(
    ("resource", "way"),
    [
        ("project", ["undeployed", "deploying", "deployed", "running", "undeploying"]),
        ("experiment_session", ["waiting", "preprocess", "started", "completed"]),
        ("project_file", ["processing", "processed"]),
        (
            "pipeline",
            ["creating_files", "packaging", "deploying", "ready", "undeploying", "undeployed"],
        ),
        ("prediction_group", ["requested", "running", "done"]),
        ("trial_search", ["requested", "done", "requested"]),
        ("cluster_task", ["pending", "received", "started", "retry", "received", "started"]),
        ("cluster", ["waiting", "provisioning", "bootstrapping", "running", "terminating"]),
    ],
)
def test_states_follow_each_other(resource: str, way: list[str]) -> None:
    (machine,) = get_resource(resource).states
    assert (machine.field, machine.initial) == ("status", way[0])
    for before, after in pairwise(way):
        assert machine.allows(before, after), f"{before} to {after}"


@pytest.mark.parametrize(
    ("resource", "before", "after"),
    [
        ("experiment_session", "completed", "interrupted"),
        ("cluster_task", "success", "pending"),
        ("pipeline", "creating_files", "ready"),
        ("project_file", "processed", "processing"),
        ("trial_search", "error", "requested"),
        ("prediction", "done", "running"),
    ],
)
def test_not_every_state_follows(resource: str, before: str, after: str) -> None:
    (machine,) = get_resource(resource).states
    assert {before, after} <= set(machine.states)
    assert not machine.allows(before, after)


def test_a_pipeline_file_has_three_states() -> None:
    first = {machine.field: machine.initial for machine in get_resource("pipeline_file").states}
    assert first == {
        "model_path_status": "pending",
        "s3_model_path_status": "not_requested",
        "signed_s3_model_path_status": "not_requested",
    }


def test_lists_that_are_none() -> None:
    """What answers one object, or a list without pages, where one would expect otherwise."""
    answers = {
        ("project_file_url", "index"): "other",
        ("actual", "delete_all"): "object",
        ("endpoint_actual", "delete_all"): "list",
        ("trial", "update_many"): "list",
        ("project", "logs"): "text",
    }
    for (resource, name), answer in answers.items():
        found = get_resource(resource).find(name)
        assert found is not None
        assert found.answer == answer


def test_objects_that_are_of_another_type() -> None:
    assert get_resource("endpoint_prediction").object_type == "prediction_group"
    assert get_resource("endpoint_roi_validation").object_type == "cluster_task"
    assert get_resource("endpoint_roi_validation").fields == get_resource("cluster_task").fields


def test_every_generation_of_fields_is_shown() -> None:
    generations = {
        "experiment": {"dataset_manifest", "data_path_url", "last_experiment_session_id", "notes"},
        "experiment_session": {"notebook_uid", "providers", "statistics", "datasource_name"},
        "organization": {"state_machine", "is_demo", "cluster_mode", "subscriptions"},
        "project": {"services_status", "deploy_progress", "kubernetes_stack", "workers_count"},
        "trial": {"project_run_id", "metrics_status", "pdf_data_status", "provider"},
        "prediction": {"records_count", "endpoint_id", "predicted_at"},
    }
    for resource, some in generations.items():
        assert some <= {each.name for each in get_resource(resource).fields}


# writing rows


def test_rows_are_written_in_short() -> None:
    first, second = fields("id integer|string, values array?")
    assert (first.types, first.nullable) == (("integer", "string"), False)
    assert (second.types, second.nullable) == (("array",), True)
    (only,) = index("/x", filters="names array[string]").parameters
    assert (only.types, only.items, only.filter) == (("array",), "string", True)


@pytest.mark.parametrize("text", ["id int", "id", "id array[text]", "id integer|"])
def test_a_type_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no type of JSON"):
        fields(text)
