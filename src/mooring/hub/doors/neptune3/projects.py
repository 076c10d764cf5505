"""Projects as clients ask for them, create them, and list them."""

from __future__ import annotations

import re
from typing import Any

from starlette.routing import BaseRoute

from mooring.errors import AlreadyExists, InvalidInput, ProjectNotFound
from mooring.hub.accounts import Role
from mooring.hub.doors.neptune3.door import Answer, Asked, Door, json_answer
from mooring.hub.doors.neptune3.identifiers import project_uuid, workspace_uuid
from mooring.hub.guarded import GuardedStore
from mooring.model import ProjectName

_LISTED = re.compile(r"[\w\-.]+")
_DIGITS = re.compile(r"[0-9]{1,9}")
_RELATIONS = {
    "memberOrHigher": Role.CONTRIBUTOR,
    "managerOrHigher": Role.OWNER,
    "ownerOrHigher": Role.OWNER,
}
"""The least role of what is listed, by the name that clients have for it."""


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
    """Answer a page of the projects that the user sees, of all workspaces or of one.

    Where all are asked for, those are left out whose names `neptune-scale` would stumble over.
    """
    workspace = asked.query.get("organizationIdentifier")
    term = asked.query.get("searchTerm", "").casefold()
    least = _RELATIONS.get(asked.query.get("userRelation", ""), Role.VIEWER)
    names = asked.store.list_projects()
    if least is not Role.VIEWER:
        names = [name for name in names if _has_role(asked.store, name, least)]
    entries = [_project(name) for name in names if term in name.casefold()]
    if workspace is not None:
        of_it = ("organizationName", "organizationId")
        entries = [entry for entry in entries if workspace in map(entry.get, of_it)]
    else:
        entries = [entry for entry in entries if _LISTED.fullmatch(str(entry["name"]))]
    offset = _count(asked, "offset", 0)
    page = entries[offset : offset + _count(asked, "limit", len(entries))]
    return json_answer(
        {"entries": page, "matchingItemCount": len(entries), "totalItemCount": len(entries)}
    )


def _has_role(store: GuardedStore, project: str, least: Role) -> bool:
    held = store.role_in(project)
    return held is not None and held.covers(least)


def _count(asked: Asked, name: str, default: int) -> int:
    text = asked.query.get(name)
    if text is None:
        return default
    if not _DIGITS.fullmatch(text):
        raise InvalidInput(f"{name} is a whole number")
    return int(text)


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
