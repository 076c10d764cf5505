"""The description of the API, made from the table: OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from mooring.wire.auger.optimizers import OPTIMIZER_CALLS, OptimizerCall
from mooring.wire.auger.resources import RESOURCES
from mooring.wire.auger.table import Field, IdKind, JsonType, Operation, Parameter, Resource

_PAGING = {
    "limit": {"type": "integer", "minimum": 0, "default": 50},
    "offset": {"type": "integer", "minimum": 0, "default": 0},
}
"""Parameters of every list. A longer page than `MAX_LIMIT` may be asked for, and is cut."""
_IN_QUERY = frozenset({"string", "integer", "number", "boolean"})


def describe(address: str, *, version: str = "1") -> dict[str, Any]:
    """Return the OpenAPI document of the resource API of a hub at an address.

    Parameters of GET and DELETE are told as part of the query, where the hub takes them too;
    clients of this API send them as a JSON body.
    """
    paths: dict[str, Any] = {}
    for resource in RESOURCES:
        for operation in resource.operations:
            entry = paths.setdefault(operation.path, {})
            entry[operation.method.lower()] = _operation(resource, operation)
    for call in OPTIMIZER_CALLS:
        paths[call.path] = {"post": _optimizer_call(call)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Mooring hub: resource API",
            "version": version,
            "description": "Projects, experiments, trials, models and what watches over them; "
            "the next trials of searches.",
        },
        "servers": [{"url": address}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                **{name: _object(resource) for name, resource in _shown().items()},
                "errors": _ERRORS,
            },
            "responses": {
                name: {
                    "description": what,
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/errors"}}
                    },
                }
                for name, what in _FAILURES.items()
            },
        },
    }


_FAILURES = {
    "unauthenticated": "No token, or one that is wrong, expired or revoked.",
    "forbidden": "The user's role is not enough.",
    "missing": "There is no such object for this user.",
    "unavailable": "The store is locked or full; come again later.",
}

_ERRORS: dict[str, Any] = {
    "type": "object",
    "required": ["meta"],
    "properties": {
        "meta": {
            "type": "object",
            "required": ["status", "errors"],
            "properties": {
                "status": {"type": "integer"},
                "errors": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["error_type", "message"],
                        "properties": {
                            "error_type": {"type": "string"},
                            "error_param": {"type": "string"},
                            "message": {"type": "string"},
                        },
                    },
                },
                "request_params": {"type": "object"},
            },
        }
    },
}


def _shown() -> dict[str, Resource]:
    return {resource.name: resource for resource in RESOURCES if resource.fields}


def _operation(resource: Resource, operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": f"{operation.name}_{resource.name}",
        "tags": [resource.name],
        "summary": f"{operation.name.replace('_', ' ').capitalize()}: {resource.what}",
        "parameters": [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": _id_schema(resource if name == "id" else None),
            }
            for name in ("endpoint_id", "id")
            if f"{{{name}}}" in operation.path
        ],
        "responses": {
            "200": _answer(resource, operation),
            "400": {
                "description": "A parameter is missing or wrong, or the body is no JSON.",
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/errors"}},
                    "text/html": {"schema": {"type": "string"}},
                },
            },
            "401": {"$ref": "#/components/responses/unauthenticated"},
            "403": {"$ref": "#/components/responses/forbidden"},
            "404": {"$ref": "#/components/responses/missing"},
            "503": {"$ref": "#/components/responses/unavailable"},
        },
    }
    if operation.note:
        described["description"] = operation.note
    if resource.name == "token":
        described["security"] = []  # who logs in has none
    if operation.method in ("GET", "DELETE"):
        described["parameters"] += [
            {
                "name": one.name,
                "in": "query",
                "required": one.required,
                "schema": _PAGING.get(one.name) or _parameter(one),
            }
            for one in _queried(operation)
        ]
    else:
        described["requestBody"] = _body(operation)
    return described


def _optimizer_call(call: OptimizerCall) -> dict[str, Any]:
    """Return the description of a call of the optimizers service, without 403 and 404."""
    operation = Operation(
        name=call.name, method="POST", path=call.path, parameters=call.parameters, answer="other"
    )
    service = Resource(
        name="optimizers",
        plural="optimizers",
        what=call.what,
        id=IdKind.STRING,
        operations=(operation,),
    )
    described = _operation(service, operation)
    schema = described["responses"]["200"]["content"]["application/json"]["schema"]
    schema["properties"]["data"] = dict(call.answer)
    return {**described, "summary": call.what, "operationId": call.name}


def _queried(operation: Operation) -> list[Parameter]:
    found = [one for one in operation.parameters if _IN_QUERY.issuperset(one.types)]
    if operation.answer == "page":
        found += [Parameter(name=name, types=("integer",)) for name in ("limit", "offset")]
    return found


def _body(operation: Operation) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {one.name: _parameter(one) for one in operation.parameters},
    }
    if required := [one.name for one in operation.parameters if one.required]:
        schema["required"] = required
    return {"required": bool(required), "content": {"application/json": {"schema": schema}}}


def _answer(resource: Resource, operation: Operation) -> dict[str, Any]:
    if operation.answer == "text":
        return {
            "description": "Text.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    name = resource.object_type or resource.name
    known = name in _shown()
    one: dict[str, Any] = {"$ref": f"#/components/schemas/{name}"} if known else {}
    if operation.answer == "other" or not known:
        one = {"type": ["object", "array"]}
    if operation.answer in ("page", "list"):
        one = {"type": "array", "items": one if known else {"type": "object"}}
    meta: dict[str, Any] = {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"const": 200}},
    }
    if operation.answer == "page":
        counts = ("limit", "offset", "count", "total")
        meta["required"] = ["status", "pagination"]
        meta["properties"]["pagination"] = {
            "type": "object",
            "required": list(counts),
            "properties": {count: {"type": "integer", "minimum": 0} for count in counts},
        }
    schema = {
        "type": "object",
        "required": ["data", "meta"],
        "properties": {"data": one, "meta": meta},
    }
    return {"description": "Done.", "content": {"application/json": {"schema": schema}}}


def _object(resource: Resource) -> dict[str, Any]:
    return {
        "type": "object",
        "description": resource.what,
        "required": ["object", "deleted"] if resource.id is not IdKind.NONE else [],
        "properties": {
            "object": {"type": "string"},
            "deleted": {"type": "boolean"},
            **{one.name: _field(one) for one in resource.fields},
        },
    }


def _field(one: Field) -> dict[str, Any]:
    # A field may always be null: what a project's other doors made lacks it.
    return {} if "any" in one.types else {"type": [*one.types, "null"]}


def _parameter(one: Parameter) -> dict[str, Any]:
    if "any" in one.types:
        return {}
    types: list[str] = [*one.types, *(["null"] if one.nullable else [])]
    schema: dict[str, Any] = {"type": types if len(types) > 1 else types[0]}
    if one.items not in (None, "any"):
        schema["items"] = {"type": [one.items, "null"]}
    return schema


def _id_schema(resource: Resource | None) -> dict[str, Any]:
    kind: JsonType = "string"
    if resource is not None and resource.id is IdKind.INTEGER:
        kind = "integer"
    return {"type": kind}
