"""The five common actions, for every resource alike."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from mooring.hub.doors.auger.calls import Answer, Behaviour, Call, Handler, JsonObject
from mooring.hub.doors.auger.fields import Form, equals, layout_for
from mooring.hub.doors.auger.records import NewRecord, Record, Scope
from mooring.hub.doors.auger.refusals import invalid
from mooring.hub.doors.auger.views import objects_of
from mooring.query import Expression
from mooring.wire.auger.table import Action

_LIMIT = 50
_CHANGING = tuple(threading.Lock() for _ in range(64))
_MAX_OFFSET = 2**62


_SCOPES = ("project_id", "organization_id")
"""Parameters that name projects: the scope of a question, not a filter."""


def paging(call: Call) -> tuple[int, int]:
    """Return limit and offset of a list."""
    limit = call.given.get("limit")
    offset = call.given.get("offset")
    return (
        _LIMIT if limit is None else int(limit),
        min(0 if offset is None else int(offset), _MAX_OFFSET),
    )


def pagination(limit: int, offset: int, count: int, total: int) -> JsonObject:
    """Return what a list tells of its page."""
    return {"limit": limit, "offset": offset, "count": count, "total": total}


def index(call: Call, behaviour: Behaviour) -> Answer:
    """Answer a page of records, newest first."""
    limit, offset = paging(call)
    filters = filters_of(call, behaviour)
    found = call.records.page(
        call.resource.name,
        call.scope(everywhere=behaviour.everywhere),
        filters,
        limit=limit,
        offset=offset,
    )
    objects = objects_of(call, found.records, behaviour)
    return Answer(objects, pagination(limit, offset, len(objects), found.total))


def filters_of(call: Call, behaviour: Behaviour) -> list[Expression]:
    """Return the conditions that the parameters of a list stand for."""
    forms = layout_for(call.resource.name).forms
    conditions: list[Expression] = []
    for parameter in call.operation.parameters:
        value = call.given.get(parameter.name)
        if not parameter.filter or value is None or parameter.name in _SCOPES:
            continue
        own = behaviour.filters.get(parameter.name)
        if own is not None:
            condition = own(call, value)
            if condition is not None:
                conditions.append(condition)
        elif parameter.name in forms and forms[parameter.name] is not Form.JSON:
            conditions.append(equals(parameter.name, forms[parameter.name], value))
    return conditions


def show(call: Call, behaviour: Behaviour) -> Answer:
    """Answer one record."""
    record = settled(call, behaviour, call.records.get(call.resource.name, call.id))
    return Answer(objects_of(call, [record], behaviour)[0])


def settled(call: Call, behaviour: Behaviour, record: Record) -> Record:
    """Return a record after what became due since."""
    changes = behaviour.settle(call, record)
    return call.everything().update(record, changes) if changes else record


def create(call: Call, behaviour: Behaviour) -> Answer:
    """Create a record and answer it."""
    if behaviour.place is not None:
        project = behaviour.place(call)
    else:
        project = call.project_for_new(needed=behaviour.in_project)
    call.need_contributor(project)
    record = made_before(call, project) or _make(call, behaviour, project)
    if behaviour.created is not None:
        record = behaviour.created(call, record)
    return Answer(objects_of(call, [record], behaviour)[0])


def _make(call: Call, behaviour: Behaviour, project: str) -> Record:
    values = dict(call.given)
    for machine in call.resource.states:
        values.setdefault(machine.field, machine.initial)
        check_state(call, machine.field, values[machine.field])
    behaviour.prepare(call, values)
    id = values.pop("id", None)
    new = NewRecord(
        resource=call.resource.name,
        project=project,
        values=values,
        id=None if id is None else str(id),
        request=call.request,
        user=call.principal.user,
    )
    return call.records.create(new)


def made_before(call: Call, project: str) -> Record | None:
    """Return what the same request made when it came before, or None."""
    if call.request is None:
        return None
    same = equals("request", Form.TEXT, call.request)
    found = call.records.page(call.resource.name, Scope(project), [same], limit=1).records
    return found[0] if found else None


def update(call: Call, behaviour: Behaviour) -> Answer:
    """Change a record and answer it."""
    record = call.records.get(call.resource.name, call.id)
    call.need_contributor(record.run.project)
    with _CHANGING[record.run.key % len(_CHANGING)]:
        # Read again: another request of this process may have moved its status meanwhile.
        record = settled(call, behaviour, call.records.get(call.resource.name, call.id))
        changes = dict(call.given)
        for machine in call.resource.states:
            if machine.field in changes:
                before, after = str(record.get(machine.field)), str(changes[machine.field])
                check_state(call, machine.field, after)
                if not machine.allows(before, after):
                    raise invalid(machine.field, impossible(call.resource.name, before, after))
        behaviour.change(call, record, changes)
        record = settled(call, behaviour, call.records.update(record, changes))
    return Answer(objects_of(call, [record], behaviour)[0])


def delete(call: Call, behaviour: Behaviour) -> Answer:
    """Delete a record softly, and answer it as it was."""
    record = call.records.get(call.resource.name, call.id)
    call.need_contributor(record.run.project)
    gone = call.records.trash(record)
    if behaviour.removed is not None:
        behaviour.removed(call, gone)
    return Answer(objects_of(call, [gone], behaviour)[0])


def check_state(call: Call, field: str, value: object) -> None:
    """Raise `Refused` for a status that the resource does not have."""
    for machine in call.resource.states:
        if machine.field == field and value not in machine.states:
            raise invalid(field, f"is not in the list {_listed(machine.states)}")


def impossible(resource: str, before: str, after: str) -> str:
    """Return the message for a change of status that cannot be.

    Clients look for either wording: that of sessions, and that of pipelines.
    """
    if resource == "pipeline":
        return f"transition to this status impossible: {before} -> {after}"
    return f"Event '{after}' cannot transition from '{before}'"


def _listed(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def answering(action: str, behaviour: Behaviour) -> Handler | None:
    """Return the handler of an action, or None where nobody knows it."""
    own = behaviour.actions.get(action)
    if own is not None:
        return own
    common = COMMON.get(action)
    if common is None:
        return None
    return lambda call: common(call, behaviour)


COMMON: Mapping[str, Callable[[Call, Behaviour], Answer]] = {
    Action.INDEX: index,
    Action.SHOW: show,
    Action.CREATE: create,
    Action.UPDATE: update,
    Action.DELETE: delete,
}
