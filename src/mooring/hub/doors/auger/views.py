"""Records as the objects of answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mooring.hub.doors.auger.calls import Behaviour, Call, JsonObject
from mooring.hub.doors.auger.fields import layout_for
from mooring.hub.doors.auger.records import Record, id_kind
from mooring.model import ProjectName, RunInfo
from mooring.wire.auger.messages import instant
from mooring.wire.auger.resources import RESOURCES
from mooring.wire.auger.table import IdKind

_TYPES = {resource.name: resource.object_type or resource.name for resource in RESOURCES}


def objects_of(
    call: Call, records: Sequence[Record], behaviour: Behaviour | None = None
) -> list[JsonObject]:
    """Return the objects that records are shown as."""
    objects = [_object(call, record) for record in records]
    if behaviour is not None and records:
        behaviour.view(call, records, objects)
    return objects


def _object(call: Call, record: Record) -> JsonObject:
    shown = start(record.resource, record.id, deleted=record.deleted)
    for name in layout_for(record.resource).shown:
        if name in ("created_at", "updated_at"):
            time = record.created if name == "created_at" else record.updated
            shown[name] = instant(time)
        elif name == "project_id":
            shown[name] = call.keys.of(record.run.project)
        elif name == "organization_id":
            shown[name] = organization_of(call, record.run.project)
        else:
            shown[name] = plain(record.get(name))
    return shown


def start(resource: str, id: int | str, *, deleted: bool = False) -> JsonObject:
    """Return the beginning of every object."""
    return {"id": id, "object": _TYPES.get(resource, resource), "deleted": deleted}


def organization_of(call: Call, project: str) -> int | None:
    """Return the number of the organization that a project belongs to."""
    name = ProjectName.parse(project).workspace
    if name not in call.organizations:
        workspace = call.hub.accounts.find_workspace(name)
        call.organizations[name] = None if workspace is None else workspace.id
    return call.organizations[name]


def plain(value: object) -> object:
    """Return a value as JSON has it: times as texts."""
    return instant(value) if isinstance(value, datetime) else value


def id_of(resource: str, run: RunInfo) -> int | str:
    """Return the id of the record that a run is."""
    if id_kind(resource) is IdKind.INTEGER:
        return run.key
    return run.run_id.removeprefix(f"{resource}/")
