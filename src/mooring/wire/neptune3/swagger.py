"""The Swagger 2.0 document by which Neptune's older client finds the operations of a server.

It names what that client needs to sign in and to list projects, as Neptune Exporter does to find
those of a workspace.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TEXT = {"type": "string"}
_NUMBER = {"type": "integer", "format": "int32"}


def describe_operations() -> dict[str, Any]:
    """Return the document.

    >>> sorted(describe_operations()["paths"])
    ['/api/backend/v1/authorization/oauth-token', '/api/backend/v1/clients/config', \
'/api/backend/v1/projects']
    """
    token = _parameter("X-Neptune-Api-Token", _TEXT, place="header")
    return {
        "swagger": "2.0",
        "info": {"title": "Mooring", "version": "1"},
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "paths": {
            "/api/backend/v1/clients/config": _get(
                "getClientConfig", "ClientConfig", token, _parameter("alpha", _TEXT)
            ),
            "/api/backend/v1/authorization/oauth-token": _get(
                "exchangeApiToken", "OAuthToken", token
            ),
            "/api/backend/v1/projects": _get(
                "listProjects",
                "ProjectList",
                _parameter("organizationIdentifier", _TEXT),
                _parameter("searchTerm", _TEXT),
                _parameter("userRelation", _TEXT),
                _parameter("sortBy", {"type": "array", "items": _TEXT}),
                _parameter("sortDirection", {"type": "array", "items": _TEXT}),
                _parameter("offset", _NUMBER),
                _parameter("limit", _NUMBER),
            ),
        },
        "definitions": {
            "ClientConfig": _object(
                apiUrl=_TEXT,
                applicationUrl=_TEXT,
                pyLibVersions=_reference("ClientVersions"),
                security=_reference("Security"),
            ),
            "ClientVersions": _object(
                minRecommendedVersion=_TEXT, minCompatibleVersion=_TEXT, maxCompatibleVersion=_TEXT
            ),
            "Security": _object(clientId=_TEXT, openIdDiscovery=_TEXT),
            "OAuthToken": _object(accessToken=_TEXT, refreshToken=_TEXT, username=_TEXT),
            "ProjectList": _object(
                entries={"type": "array", "items": _reference("Project")},
                matchingItemCount=_NUMBER,
                totalItemCount=_NUMBER,
            ),
            "Project": _object(
                id=_TEXT,
                name=_TEXT,
                organizationName=_TEXT,
                organizationId=_TEXT,
                projectKey=_TEXT,
                version=_NUMBER,
            ),
        },
    }


def _get(operation: str, answer: str, *parameters: Mapping[str, Any]) -> dict[str, Any]:
    responses = {"200": {"description": answer, "schema": _reference(answer)}}
    for status in (400, 401, 403, 404):
        responses[str(status)] = {"description": "refused", "schema": {"type": "object"}}
    return {
        "get": {
            "operationId": operation,
            "tags": ["api"],
            "parameters": list(parameters),
            "responses": responses,
        }
    }


def _parameter(name: str, kind: Mapping[str, Any], *, place: str = "query") -> dict[str, Any]:
    told: dict[str, Any] = {"name": name, "in": place, "required": False, **kind}
    if kind.get("type") == "array":
        told["collectionFormat"] = "multi"
    return told


def _object(**properties: Mapping[str, Any]) -> dict[str, Any]:
    # What is null is told as null: not one of the properties has to be there.
    nullable = {
        name: {**told, "x-nullable": True} if "$ref" not in told else told
        for name, told in properties.items()
    }
    return {"type": "object", "properties": nullable}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/definitions/{name}"}
