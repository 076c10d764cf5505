"""Organizations: workspaces of the accounts."""

from __future__ import annotations

import re

from mooring.errors import AlreadyExists, InvalidInput
from mooring.hub.accounts import Role, Workspace
from mooring.hub.doors.auger.calls import Answer, Behaviour, Call, JsonObject
from mooring.hub.doors.auger.common import pagination, paging
from mooring.hub.doors.auger.fields import layout_for
from mooring.hub.doors.auger.projects import state_machine
from mooring.hub.doors.auger.refusals import denied, invalid, missing
from mooring.hub.doors.auger.views import start
from mooring.model import ProjectName, datetime_from_micros
from mooring.wire.auger.messages import instant

_WRITE_ONLY = frozenset({"role_to_assume_arn"})


def index(call: Call) -> Answer:
    """Answer the organizations of the user, newest first."""
    limit, offset = paging(call)
    found = [each for each in _all(call) if each.properties.get("status") != "terminating"]
    name = call.given.get("name")
    if name is not None:
        found = [each for each in found if each.name == name]
    found.sort(key=lambda each: each.id, reverse=True)
    objects = [_object(each) for each in found[offset : offset + limit]]
    return Answer(objects, pagination(limit, offset, len(objects), len(found)))


def show(call: Call) -> Answer:
    """Answer one organization."""
    return Answer(_object(_get(call, call.id)))


def create(call: Call) -> Answer:
    """Create an organization, which the user owns.

    Not one of a name under which the store has projects, which would be theirs at once.
    """
    properties: JsonObject = {"status": "created", "is_demo": True, "request": call.request}
    name = call.given["name"]
    call.hub.accounts.reserve_workspaces(call.hub.store.list_projects())
    try:
        made = call.hub.accounts.create_workspace(name, call.principal.user, properties=properties)
    except AlreadyExists:
        same = next((each for each in _all(call) if each.name == name), None)
        if call.request is None or same is None or same.properties.get("request") != call.request:
            raise invalid("name", "has already been taken") from None
        made = same
    except InvalidInput:
        raise invalid("name", "is not a name that an organization can have") from None
    return Answer(_object(made))


def update(call: Call) -> Answer:
    """Change an organization. Its name is part of where its projects lie, and stays."""
    workspace = _get(call, call.id)
    changes = dict(call.given)
    name = changes.pop("name", None)
    if name is not None and name != workspace.name:
        raise invalid("name", "cannot be changed: projects are found by it")
    return Answer(_object(_set(call, workspace, {**changes, "status": "waiting"})))


def delete(call: Call) -> Answer:
    """Mark an organization and its projects as being deleted. Nothing of them is removed.

    A kill between the two leaves projects that are seen although their organization is not; they
    can be deleted by themselves.
    """
    workspace = _set(call, _get(call, call.id), {"status": "terminating"})
    for name in call.visible_projects():
        if ProjectName.parse(name).workspace == workspace.name:
            runs = call.hub.store.get_runs([call.keys.of(name)])
            call.everything().update(call.records.read("project", runs)[0], {"deleting": True})
    return Answer(_object(workspace))


def _all(call: Call) -> list[Workspace]:
    return list(call.hub.accounts.list_workspaces(call.principal))


def status_of(call: Call, id: object) -> str:
    """Return the status of an organization; `Refused` with 404."""
    return str(_get(call, id).properties.get("status", "ready"))


def _get(call: Call, id: object) -> Workspace:
    for workspace in _all(call):
        if str(workspace.id) == str(id) and workspace.properties.get("status") != "terminating":
            return workspace
    raise missing("organization")


def _set(call: Call, workspace: Workspace, properties: JsonObject) -> Workspace:
    if call.hub.accounts.workspace_role(call.principal, workspace.name) is not Role.OWNER:
        raise denied(f"only an owner of {workspace.name} may change it")
    return call.hub.accounts.update_workspace(workspace.id, properties)


def _object(workspace: Workspace) -> JsonObject:
    layout = layout_for("organization")
    held = workspace.properties
    status = str(held.get("status", "ready"))
    shown = start("organization", workspace.id)
    for name in layout.shown:
        shown[name] = held.get(name, layout.defaults.get(name))
    transitions = {"created": ("terminate", "remove")}
    shown.update(
        {
            "name": workspace.name,
            "subdomain": _slug(workspace.name),
            "main_bucket": f"hub-{_slug(workspace.name)}-{workspace.id}",
            "status": status,
            "is_demo": bool(held.get("is_demo", False)),
            "state_machine": state_machine(status, {}, transitions),
            "created_at": instant(datetime_from_micros(workspace.created)),
            "updated_at": instant(datetime_from_micros(workspace.updated)),
        }
    )
    return {name: value for name, value in shown.items() if name not in _WRITE_ONLY}


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "workspace"


ORGANIZATION = Behaviour(
    actions={
        "index": index,
        "show": show,
        "create": create,
        "update": update,
        "delete": delete,
    }
)
