"""Projects as clients ask for them, create them, and list them."""

from __future__ import annotations

import re
from typing import Any

from starlette.routing import BaseRoute

from mooring.errors import AlreadyExists, InvalidInput, ProjectNotFound
from mooring.hub.doors.neptune3.door import Answer, Asked, Door, json_answer
from mooring.hub.doors.neptune3.identifiers import project_uuid, workspace_uuid
from mooring.model import ProjectName

_LISTED = re.compile(r"[\w\-.]+")


def routes(door: Door) -> list[BaseRoute]:
    """Return the routes of projects."""
    return [
        door.route("/api/backend/v1/projects/get", get, method="GET"),
        door.route("/api/backend/v1/projects", create),
        door.route("/api/backend/v1/projects", listed, method="GET"),
    ]


def get(asked: Asked) -> Answer:
    """Answer one project; 404 where the user sees none of the name."""
    try:
        return json_answer(_project(asked.project(asked.query.get("projectIdentifier"))))
    except ProjectNotFound as error:
        told = {"code": 404, "errorType": "PROJECT_NOT_FOUND", "message": str(error)}
        return json_answer(told, 404)


def create(asked: Asked) -> Answer:
    """Create a project in a workspace of the user's."""
    given = asked.json()
    if not isinstance(given, dict):
        raise InvalidInput("the body is no JSON object")
    workspace, name = given.get("organizationIdentifier"), given.get("name")
    if not isinstance(workspace, str) or not isinstance(name, str):
        raise InvalidInput("name and organizationIdentifier are texts")
    try:
        full = asked.store.create_project(str(ProjectName.parse(f"{workspace}/{name}")))
    except AlreadyExists as error:
        told = {"code": 409, "errorType": "PROJECT_ALREADY_EXISTS", "message": str(error)}
        return json_answer(told, 409)
    return json_answer(_project(full))


def listed(asked: Asked) -> Answer:
    """Answer the projects that the user sees, as far as clients can read their names."""
    entries = [_project(name) for name in asked.store.list_projects()]
    fitting = [entry for entry in entries if _LISTED.fullmatch(str(entry["name"]))]
    return json_answer(
        {"entries": fitting, "matchingItemCount": len(fitting), "totalItemCount": len(fitting)}
    )


def _project(full: str) -> dict[str, Any]:
    name = ProjectName.parse(full)
    return {
        "id": project_uuid(full),
        "name": name.name,
        "organizationName": name.workspace,
        "organizationId": workspace_uuid(name.workspace),
        "projectKey": name.suggest_key(),
        "version": 2,
    }
