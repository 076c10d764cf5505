"""A request as handlers see it, and what a resource may do beyond the common actions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mooring.errors import AlreadyExists
from mooring.hub.accounts import Principal, Role
from mooring.hub.context import Hub
from mooring.hub.doors.auger.fields import PREFIX
from mooring.hub.doors.auger.records import Record, Records, Scope
from mooring.hub.doors.auger.refusals import invalid, missing
from mooring.hub.guarded import GuardedStore
from mooring.model import AttributeType, ProjectName, RunInfo, RunKind, RunSpec
from mooring.query import Compare, Expression, Field, Operator
from mooring.store.contract import RunQuery
from mooring.wire.auger.table import Operation, Resource

JsonObject = dict[str, Any]

PROJECT_RUN = "auger/project"
"""Run id of the run that stands for a project."""
DELETING = PREFIX + "deleting"
OWN_PROJECT = "auger"
"""Name of the project for what belongs to none, in the user's workspace."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler answers: `data`, and for a page where it stands."""

    data: object
    pagination: JsonObject | None = None
    text: str | None = None
    """The whole body instead, as text/plain."""


class ProjectKeys:
    """Numbers of projects: the keys of the runs that stand for them. They never change."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._keys: dict[str, int] = {}
        self._lock = threading.Lock()

    def of(self, project: str) -> int:
        """Return the number of a project; the run that stands for it is made when missing."""
        key = self._keys.get(project)
        if key is None:
            key = self._ensure(project).key
            with self._lock:
                self._keys[project] = key
        return key

    def _ensure(self, project: str) -> RunInfo:
        store = self._hub.store
        found = store.query_runs(
            RunQuery(project=project, kinds=(RunKind.PROJECT,), trashed=None)
        ).runs
        if found:
            return found[-1]  # the oldest, whichever door made it
        try:
            return store.create_run(
                RunSpec(project=project, run_id=PROJECT_RUN, kind=RunKind.PROJECT)
            )
        except AlreadyExists:  # another request was faster
            made = store.find_run(project, run_id=PROJECT_RUN)
            if made is None or made.kind is not RunKind.PROJECT:
                raise
            return made

    def hidden(self) -> frozenset[str]:
        """Return the projects that were deleted through the API."""
        gone = Compare(Field(DELETING, AttributeType.BOOL), Operator.EQ, True)
        page = self._hub.store.query_runs(
            RunQuery(kinds=(RunKind.PROJECT,), filter=gone, trashed=None)
        )
        return frozenset(run.project for run in page.runs)


@dataclass(slots=True)
class Call:
    """One request: who asks what of which resource, with what."""

    hub: Hub
    keys: ProjectKeys
    principal: Principal
    store: GuardedStore
    records: Records
    resource: Resource
    operation: Operation
    id: str | None = None
    parent: str | None = None
    sent: JsonObject = field(default_factory=dict)
    """The body without tokens, in its own order."""
    given: JsonObject = field(default_factory=dict)
    """The parameters that the table knows, checked."""
    request: str | None = None
    """The `Idempotency-Key`, if there is one."""
    organizations: dict[str, int | None] = field(default_factory=dict)
    """Numbers of workspaces, as far as they were looked up."""

    def everything(self) -> Records:
        """Return the records of the whole store: for what the hub does by itself."""
        return Records(self.hub.store)

    def visible_projects(self) -> list[str]:
        """Return the projects that the user sees, less those that are being deleted."""
        return [name for name in self.store.list_projects() if name not in self.records.hidden]

    def find_project(self, id: object) -> str | None:
        """Return the name of the project of a number, or None."""
        run = self.records.find_key(id)
        return run.project if run is not None and run.kind is RunKind.PROJECT else None

    def get_project(self, id: object) -> str:
        """Return the name of the project of a number; `Refused` with 404."""
        found = self.find_project(id)
        if found is None:
            raise missing("project")
        return found

    def project_for_new(self, *, needed: bool) -> str:
        """Return the project of what is created: the one named, the token's, or the user's own.

        `needed`: the resource belongs to a project, so there is no last way out.
        """
        named = self.given.get("project_id")
        if named is not None:
            return self.get_project(named)
        if self.records.default_project is not None:
            return self.records.default_project
        if needed:
            raise invalid("project_id", "is required")
        return self.own_project()

    def own_project(self) -> str:
        """Return the project for what belongs to none, made on demand."""
        name = f"{self.principal.name}/{OWN_PROJECT}"
        return self.store.ensure_project(str(ProjectName.parse(name)))

    def scope(self, *, everywhere: bool = False) -> Scope:
        """Return the projects that a list is about."""
        organization = self.given.get("organization_id")
        if organization is not None:
            workspace = self.hub.accounts.find_workspace(int(organization))
            held = None if workspace is None else workspace.name
            names = self.visible_projects()
            return Scope(projects=tuple(n for n in names if ProjectName.parse(n).workspace == held))
        named = self.given.get("project_id")
        if named is not None:
            found = self.find_project(named)
            return Scope(projects=()) if found is None else Scope(found)
        return Scope() if everywhere else Scope(self.records.default_project)

    def need_contributor(self, project: str) -> None:
        """Raise `AccessDenied` unless the user may write to a project that they see."""
        self.store.need_project(project, Role.CONTRIBUTOR)


Filter = Callable[[Call, object], Expression | None]
Handler = Callable[[Call], Answer]


def _nothing(call: Call, values: JsonObject) -> None:
    return None


def _no_change(call: Call, record: Record, changes: JsonObject) -> None:
    return None


def _as_it_is(call: Call, records: Sequence[Record], objects: Sequence[JsonObject]) -> None:
    return None


def _settled(call: Call, record: Record) -> JsonObject:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What a resource does that the table alone does not tell.

    Attributes
    ----------
    in_project : whether what is created belongs to a project that has to be known
    everywhere : whether lists are of all projects, whatever the token's own one is
    place : names the project of what is created, where neither parameters nor token do
    prepare : completes the fields of what is created, or refuses
    created : what follows a creation; returns the record as it is then
    change : completes or refuses the changes of an update
    settle : changes that became due since (a model that has arrived); asked for by show and status
    removed : what follows a deletion
    view : completes the objects of an answer
    filters : filters of lists that are no fields of their own
    actions : operations that are not the common five, or instead of one of them
    """

    in_project: bool = False
    everywhere: bool = False
    place: Callable[[Call], str] | None = None
    prepare: Callable[[Call, JsonObject], None] = _nothing
    created: Callable[[Call, Record], Record] | None = None
    change: Callable[[Call, Record, JsonObject], None] = _no_change
    settle: Callable[[Call, Record], JsonObject] = _settled
    removed: Callable[[Call, Record], None] | None = None
    view: Callable[[Call, Sequence[Record], Sequence[JsonObject]], None] = _as_it_is
    filters: Mapping[str, Filter] = field(default_factory=dict)
    actions: Mapping[str, Handler] = field(default_factory=dict)
