"""Projects of the API: projects of the store, whose fields are attributes of one run in each.

Without a pool of workers a project that is deployed runs at once, and stops at once. A deleted
project is marked and seen no more through this API; nothing of it is removed. `mooring project`
and the store's own calls delete for good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mooring.errors import AlreadyExists, InvalidName
from mooring.hub.accounts import Role
from mooring.hub.doors.auger.calls import Answer, Behaviour, Call, JsonObject
from mooring.hub.doors.auger.common import impossible, pagination, paging
from mooring.hub.doors.auger.records import Record, Scope
from mooring.hub.doors.auger.refusals import invalid, missing
from mooring.hub.doors.auger.views import objects_of, organization_of
from mooring.model import ProjectName, RunKind

_NAMES = {"undeployed": "Stopped", "undeploying": "Stopping", "running": "Running"}
_NEXT = {"undeployed": ("deploy", "start"), "running": ("undeploy", "stop")}
_COUNTED = ("undeployed", "undeploying", "deploying", "deployed", "running")


def get_project(call: Call, id: object) -> Record:
    """Return a project by its number; `Refused` with 404."""
    run = call.records.find_key(id)
    if run is None or run.kind is not RunKind.PROJECT:
        raise missing("project")
    return call.records.read("project", [run])[0]


def index(call: Call) -> Answer:
    """Answer a page of the projects that the user sees, newest first."""
    limit, offset = paging(call)
    names = call.visible_projects()
    wanted = call.given.get("name")
    organization = call.given.get("organization_id")
    if wanted is not None:
        names = [name for name in names if ProjectName.parse(name).name == wanted]
    if organization is not None:
        workspace = call.hub.accounts.find_workspace(int(organization))
        held = None if workspace is None else workspace.name
        names = [name for name in names if ProjectName.parse(name).workspace == held]
    keys = sorted((call.keys.of(name) for name in names), reverse=True)
    runs = call.store.get_runs(keys[offset : offset + limit])
    objects = project_objects(call, call.records.read("project", runs))
    return Answer(objects, pagination(limit, offset, len(objects), len(keys)))


def show(call: Call) -> Answer:
    """Answer one project."""
    return Answer(project_objects(call, [get_project(call, call.id)])[0])


def create(call: Call) -> Answer:
    """Create a project in an organization."""
    given = call.given
    if given.get("organization_id") is not None:
        workspace = call.hub.accounts.find_workspace(int(given["organization_id"]))
        if workspace is None or not call.hub.accounts.may_create_in(call.principal, workspace.name):
            raise missing("organization")
        place = workspace.name
    else:
        place = call.principal.name
    name = given["name"]
    try:
        full = str(ProjectName.parse(f"{place}/{name}"))
    except InvalidName:
        raise invalid("name", "is not a name that a project can have") from None
    if name.count("/") or full in call.records.hidden:
        raise invalid("name", "has already been taken")
    try:
        made = call.store.create_project(full)
    except AlreadyExists:
        return _made_before(call, full)
    record = call.records.read("project", call.store.get_runs([call.keys.of(made)]))[0]
    values = {name: value for name, value in given.items() if name != "organization_id"}
    values.update({"name": name, "status": "undeployed", "request": call.request})
    return Answer(project_objects(call, [call.records.update(record, values)])[0])


def _made_before(call: Call, name: str) -> Answer:
    """Answer the project that the same request has made, or refuse."""
    record = call.records.read("project", call.store.get_runs([call.keys.of(name)]))[0]
    if call.request is None or record.values.get("request") != call.request:
        raise invalid("name", "has already been taken")
    return Answer(project_objects(call, [record])[0])


def update(call: Call) -> Answer:
    """Change fields of a project. Its name is part of where its runs lie, and stays."""
    record = get_project(call, call.id)
    call.need_contributor(record.run.project)
    changes = dict(call.given)
    name = changes.pop("name", None)
    if name is not None and name != ProjectName.parse(record.run.project).name:
        raise invalid("name", "cannot be changed: runs are found by it")
    return Answer(project_objects(call, [call.records.update(record, changes)])[0])


def delete(call: Call) -> Answer:
    """Mark a project as being deleted. Nothing of it is removed."""
    record = get_project(call, call.id)
    call.store.need_project(record.run.project, Role.OWNER)
    gone = call.records.update(record, {"deleting": True})
    return Answer(project_objects(call, [gone])[0])


def deploy(call: Call) -> Answer:
    """Start a project: without workers to wait for it runs at once."""
    return _move(call, "deploy", {"undeployed", "zero_scaled"}, "running")


def undeploy(call: Call) -> Answer:
    """Stop a project."""
    return _move(call, "undeploy", {"running", "deployed", "deploying", "scaling"}, "undeployed")


def _move(call: Call, event: str, sources: set[str], target: str) -> Answer:
    record = get_project(call, call.id)
    call.need_contributor(record.run.project)
    before = str(record.get("status") or "undeployed")
    if before not in sources:
        raise invalid("status", impossible("project", before, event))
    changes = {**call.given, "status": target}
    return Answer(project_objects(call, [call.records.update(record, changes)])[0])


def logs(call: Call) -> Answer:
    """Answer the lines of a project's workers, oldest first, as plain text."""
    record = get_project(call, call.id)
    of_it = Scope(record.run.project)
    lines = call.records.page("pod_log", of_it, limit=_MAX_LOGS).records
    return Answer(None, text="".join(str(line.values.get("data") or "") for line in lines[::-1]))


_MAX_LOGS = 10_000


def project_objects(call: Call, projects: Sequence[Record]) -> list[JsonObject]:
    """Return the objects that projects are shown as."""
    objects = objects_of(call, projects)
    for record, shown in zip(projects, objects, strict=True):
        status = str(record.get("status") or "undeployed")
        shown["id"] = record.run.key
        shown["name"] = ProjectName.parse(record.run.project).name
        shown["organization_id"] = organization_of(call, record.run.project)
        shown["url"] = call.hub.settings.address
        shown["status"] = status
        shown["deleting"] = bool(record.values.get("deleting", False))
        shown["state_machine"] = state_machine(status, _NAMES, _NEXT)
        components = shown.get("components") or []
        counts: dict[str, int] = dict.fromkeys(_COUNTED, 0)
        for component in components:
            if isinstance(component, Mapping) and component.get("status") in counts:
                counts[str(component["status"])] += 1
        shown["components"] = components
        shown["deploy_progress"] = counts
        shown["services_status"] = {"total": len(components), "running": counts["running"]}
        shown["jobs_status"] = shown.get("jobs_status") or {"total": 0, "done": 0}
    return objects


def state_machine(
    status: str, names: Mapping[str, str], transitions: Mapping[str, tuple[str, str]]
) -> JsonObject:
    """Return the object that tells where a status can go."""
    possible = [transitions[status]] if status in transitions else []
    return {
        "object": "state_machine",
        "deleted": False,
        "current_state": {"id": status, "name": names.get(status, status.capitalize())},
        "possible_transitions": [{"id": id, "name": name} for id, name in possible],
    }


PROJECT = Behaviour(
    actions={
        "index": index,
        "show": show,
        "create": create,
        "update": update,
        "delete": delete,
        "deploy": deploy,
        "undeploy": undeploy,
        "logs": logs,
    }
)
