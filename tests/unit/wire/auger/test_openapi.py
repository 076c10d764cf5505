"""The description: valid, of every operation, and as the hub takes requests."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
import schemathesis

from mooring.wire.auger.openapi import describe
from mooring.wire.auger.optimizers import OPTIMIZER_CALLS
from mooring.wire.auger.resources import RESOURCES

DOCUMENT = describe("http://127.0.0.1:8080", version="7")


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of the document, with those that it refers to."""
    return {**schema, "components": DOCUMENT["components"]}


def operation(method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][f"/api/v1/{path}"][method]
    return found


def answer(method: str, path: str) -> jsonschema_rs.Validator:
    content = operation(method, path)["responses"]["200"]["content"]["application/json"]
    return jsonschema_rs.validator_for(resolved(content["schema"]))


def test_it_is_read_by_schemathesis_and_has_every_operation() -> None:
    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(DOCUMENT)))
    schema.validate()
    read = {(found.ok().method.upper(), found.ok().path) for found in schema.get_all_operations()}
    assert read == {
        *((each.method, each.path) for resource in RESOURCES for each in resource.operations),
        *(("POST", call.path) for call in OPTIMIZER_CALLS),
    }


def test_it_says_where_the_hub_is() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert DOCUMENT["servers"] == [{"url": "http://127.0.0.1:8080"}]
    assert DOCUMENT["info"]["version"] == "7"


def test_names_of_operations_are_unique() -> None:
    names = [each["operationId"] for path in DOCUMENT["paths"].values() for each in path.values()]
    assert len(names) == len(set(names))


def test_only_a_login_needs_no_token() -> None:
    free = {
        path
        for path, methods in DOCUMENT["paths"].items()
        for each in methods.values()
        if each.get("security") == []
    }
    assert free == {"/api/v1/tokens"}
    assert DOCUMENT["security"] == [{"token": []}]


def test_parameters_of_what_asks_are_in_the_query() -> None:
    told = {each["name"]: each for each in operation("get", "projects")["parameters"]}
    assert told.keys() == {"organization_id", "name", "limit", "offset"}
    assert {each["in"] for each in told.values()} == {"query"}
    assert told["limit"]["schema"] == {"type": "integer", "minimum": 0, "default": 50}
    deletion = {each["name"]: each for each in operation("delete", "actuals")["parameters"]}
    assert (deletion["pipeline_id"]["required"], deletion["from"]["required"]) == (True, False)


def test_parents_and_ids_are_in_the_path() -> None:
    told = operation("get", "endpoints/{endpoint_id}/predictions/{id}")["parameters"]
    assert [(each["name"], each["in"], each["required"]) for each in told] == [
        ("endpoint_id", "path", True),
        ("id", "path", True),
    ]
    (id,) = operation("get", "projects/{id}")["parameters"]
    assert id["schema"] == {"type": "integer"}


def test_parameters_of_what_changes_are_a_body() -> None:
    body = operation("post", "dataset_manifests")["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert body["required"] is True
    assert schema["required"] == ["id", "name", "statistics"]
    valid = jsonschema_rs.validator_for(schema)
    assert valid.is_valid({"id": 5, "name": "n", "statistics": {}, "other": 1})
    assert not valid.is_valid({"id": "5", "name": "n", "statistics": []})
    body = operation("post", "endpoints/{endpoint_id}/roi_validations")["requestBody"]
    valid = jsonschema_rs.validator_for(body["content"]["application/json"]["schema"])
    assert valid.is_valid({"expressions": ["a", None]})
    assert not valid.is_valid({"expressions": [1]})
    assert operation("patch", "projects/{id}/deploy")["requestBody"]["required"] is False


def test_a_page_is_a_list_with_its_place() -> None:
    valid = answer("get", "hyperparameters")
    entry = {
        "object": "hyperparameter",
        "deleted": False,
        "id": 1,
        "algorithm_name": "SVC",
        "algorithm_params": {},
        "algorithm_params_hash": None,
    }
    place = {"limit": 50, "offset": 0, "count": 1, "total": 1}
    page = {"data": [entry], "meta": {"status": 200, "pagination": place}}
    assert valid.is_valid(page)
    assert not valid.is_valid({**page, "meta": {"status": 200}})
    assert not valid.is_valid({**page, "data": [{**entry, "id": "1"}]})
    assert not valid.is_valid({**page, "data": [{"id": 1}]})
    assert not valid.is_valid({**page, "data": entry})


@pytest.mark.parametrize("path", ["cluster_tasks/{id}"])
@pytest.mark.parametrize("result", [None, {"n": 1}, [{"is_valid": True}], "text", 3])
def test_the_result_of_a_task_is_any_json(path: str, result: object) -> None:
    task = {"object": "cluster_task", "deleted": False, "id": 1, "status": "success"}
    told = {"data": {**task, "result": result}, "meta": {"status": 200}}
    assert answer("get", path).is_valid(told)


def test_an_error_is_described() -> None:
    valid = jsonschema_rs.validator_for(DOCUMENT["components"]["schemas"]["errors"])
    error = {"error_type": "invalid_param", "error_param": "name", "message": "is required"}
    assert valid.is_valid({"meta": {"status": 400, "errors": [error], "request_params": {}}})
    assert not valid.is_valid({"meta": {"status": 400, "errors": [{"error_type": "x"}]}})
    for methods in DOCUMENT["paths"].values():
        for each in methods.values():
            assert {"200", "400", "401", "403", "404"} <= each["responses"].keys()


def test_logs_are_text() -> None:
    content = operation("get", "projects/{id}/logs")["responses"]["200"]["content"]
    assert list(content) == ["text/plain"]


def test_what_agents_report_says_so() -> None:
    for path in ("cluster_statuses", "instance_types", "pod_logs"):
        assert "agent" in operation("post", path)["description"]
