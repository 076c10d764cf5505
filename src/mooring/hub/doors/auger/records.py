"""Records: what the API keeps and the store has no word for, as runs of the kind `record`.

A record is one run of its project, `<resource>/<id>`, whose attributes are its fields. It is made
by one transaction (`import_run`) and changed by one (`append_once`), so that a SIGKILL between any
two lines leaves all of a change or nothing. Numbers that serve as ids are the store's own keys.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from mooring.errors import AlreadyExists, InvalidInput, NotFound, RunNotFound
from mooring.hub.doors.auger.fields import (
    MODIFIED,
    OBJECT,
    PREFIX,
    TABLE,
    Layout,
    decode,
    encode,
    layout_for,
)
from mooring.hub.doors.auger.refusals import invalid, missing
from mooring.hub.guarded import GuardedStore
from mooring.model import (
    AttributeType,
    RunInfo,
    RunKind,
    RunSpec,
    Value,
    datetime_from_micros,
)
from mooring.query import And, Compare, Expression, Operator, Or, Sort
from mooring.query import Field as QueryField
from mooring.store.appending import Assign, Delete, Update
from mooring.store.contract import PathSelector, RunQuery
from mooring.store.sqlite.store import SqliteStore
from mooring.wire.auger.table import IdKind

ID = re.compile(r"[A-Za-z0-9_.~-]{1,200}")
"""What an id may be made of: clients put it into URLs as it is."""

_NAMESPACE = uuid.UUID("5c9a7e4e-1d0b-4f0a-9b5e-7f3f1b7f6a10")
_CUSTOM_ID = QueryField("sys/custom_run_id", AttributeType.STRING)


@dataclass(frozen=True, slots=True)
class Record:
    """One object of the API: its run, and its fields as far as they are set."""

    resource: str
    run: RunInfo
    values: Mapping[str, object]
    updated: datetime
    deleted: bool = False

    @property
    def id(self) -> int | str:
        """The id that clients know it by."""
        if id_kind(self.resource) is IdKind.INTEGER:
            return self.run.key
        return self.run.run_id.removeprefix(f"{self.resource}/")

    @property
    def created(self) -> datetime:
        """When it was made."""
        return datetime_from_micros(self.run.created)

    def get(self, name: str) -> object:
        """Return a field as it is set, or as the table fills it in."""
        found = self.values.get(name)
        return self.layout.defaults.get(name) if found is None else found

    @property
    def layout(self) -> Layout:
        """How its fields are stored."""
        return layout_for(self.resource)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which projects a question is about: one, some, or (both None) all that the user sees."""

    project: str | None = None
    projects: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Records of one page, and how many there are in all."""

    records: Sequence[Record]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecord:
    """What a record is made from. `request` names the request that asks for it, if it has one."""

    resource: str
    project: str
    values: Mapping[str, object]
    id: str | None = None
    request: str | None = None
    user: int = 0


def id_kind(resource: str) -> IdKind:
    """Return what the ids of a resource are; those of our own are texts."""
    found = TABLE.get(resource)
    return IdKind.STRING if found is None else found.id


@dataclass(slots=True)
class Records:
    """The records that one user sees, or (of the hub's whole store) all of them.

    `hidden` are projects that somebody deleted through the API.
    """

    store: GuardedStore | SqliteStore
    default_project: str | None = None
    hidden: frozenset[str] = frozenset()
    _visible: Sequence[str] | None = field(default=None, init=False)

    # reading

    def get(self, resource: str, id: object) -> Record:
        """Return a record; `Refused` with 404 where there is none for this user."""
        found = self.find(resource, id)
        if found is None:
            raise missing(resource)
        return found

    def find(self, resource: str, id: object) -> Record | None:
        """Return a living record, or None."""
        if id_kind(resource) is IdKind.INTEGER:
            run = self.find_key(id)
        else:
            named = isinstance(id, (str, int)) and ID.fullmatch(str(id))
            run = self.find_text(f"{resource}/{id}") if named else None
        if run is None or run.kind is not RunKind.RECORD:
            return None
        if not run.run_id.startswith(f"{resource}/"):
            return None
        return next(iter(self.read(resource, [run])), None)

    def find_key(self, id: object) -> RunInfo | None:
        """Return the living run of a number, or None."""
        if isinstance(id, str):
            if not (id.isascii() and id.isdecimal() and len(id) < 19):
                return None
            id = int(id)
        if isinstance(id, bool) or not isinstance(id, int) or not 0 < id < 2**63:
            return None
        try:
            run = self.store.get_runs([id])[0]
        except NotFound:
            return None
        return None if run.trashed or run.project in self.hidden else run

    def find_text(self, run_id: str, kind: RunKind = RunKind.RECORD) -> RunInfo | None:
        """Return the living run of an id, in the default project or the newest elsewhere."""
        if self.default_project is not None and self.default_project not in self.hidden:
            try:
                run = self.store.find_run(self.default_project, run_id=run_id)
            except (NotFound, InvalidInput):
                run = None
            if run is not None and run.kind is kind and not run.trashed:
                return run
        page = self.store.query_runs(
            self.query(
                Scope(),
                Compare(_CUSTOM_ID, Operator.EQ, run_id),
                kind=kind,
                limit=1,
            )
        )
        return page.runs[0] if page.runs else None

    def query(
        self,
        scope: Scope,
        filter: Expression | None,
        *,
        kind: RunKind = RunKind.RECORD,
        sort: Sort | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> RunQuery:
        """Return a question of the store, about no hidden project."""
        projects = scope.projects
        if scope.project is not None and scope.project in self.hidden:
            projects = ()
        elif self.hidden and scope.project is None:
            if projects is None:
                projects = tuple(self.store.list_projects())
            projects = tuple(name for name in projects if name not in self.hidden)
        return RunQuery(
            project=None if projects == () else scope.project,
            projects=None if scope.project is not None and projects != () else projects,
            filter=filter,
            kinds=(kind,),
            sort=sort,
            limit=limit,
            offset=offset,
        )

    def find_many(self, resource: str, ids: Iterable[object]) -> dict[tuple[str, str], Record]:
        """Return living records of a resource with text ids, by project and id."""
        texts = sorted({f"{resource}/{id}" for id in ids if isinstance(id, str) and id})
        if not texts:
            return {}
        one_of = Or(tuple(Compare(_CUSTOM_ID, Operator.EQ, text) for text in texts))
        found = self.store.query_runs(self.query(Scope(), one_of))
        return {
            (record.run.project, str(record.id)): record
            for record in self.read(resource, found.runs)
        }

    def page(
        self,
        resource: str,
        scope: Scope = Scope(),
        filters: Sequence[Expression] = (),
        *,
        limit: int | None = None,
        offset: int = 0,
    ) -> Page:
        """Return living records, newest first."""
        is_one = Compare(QueryField(OBJECT, AttributeType.STRING), Operator.EQ, resource)
        condition = And((is_one, *filters)) if filters else is_one
        found = self.store.query_runs(self.query(scope, condition, limit=limit, offset=offset))
        return Page(self.read(resource, found.runs), found.total)

    def read(self, resource: str, runs: Sequence[RunInfo]) -> list[Record]:
        """Return the records that runs are."""
        if not runs:
            return []
        layout = layout_for(resource)
        values: list[dict[str, object]] = [{} for _ in runs]
        for column in self.store.read_attributes(
            [run.key for run in runs], PathSelector(paths=layout.paths)
        ):
            name = column.path.removeprefix(PREFIX)
            form = layout.forms.get(name)
            for row, value in zip(column.rows, column.values, strict=True):
                if form is None:
                    values[int(row)][column.path] = value
                else:
                    values[int(row)][name] = decode(form, _plain(value))
        return [
            Record(resource, run, held, _time(held.pop(MODIFIED, None), run))
            for run, held in zip(runs, values, strict=True)
        ]

    # writing

    def create(self, new: NewRecord) -> Record:
        """Make a record, whole or not at all.

        Made again with the same `request` it is the one that was made the first time. Raises
        `Refused` where the id is taken.
        """
        if new.id is not None and not ID.fullmatch(new.id):
            raise invalid("id", "may hold letters, digits, '-', '_', '.' and '~' only")
        run_id = f"{new.resource}/{new.id or self._new_id(new)}"
        values = _attributes(new.resource, new.values)
        values[OBJECT] = new.resource
        if new.request is not None:
            values[PREFIX + "request"] = new.request
        try:
            run = self.make_run(RunSpec(project=new.project, run_id=run_id), values)
        except AlreadyExists:
            run = self._existing(new, run_id, values)
        return self.read(new.resource, [run])[0]

    def make_run(
        self, spec: RunSpec, values: Mapping[str, Value], kind: RunKind = RunKind.RECORD
    ) -> RunInfo:
        """Create a run with its attributes, in one transaction."""
        with self.store.import_run(replace(spec, kind=kind)) as incoming:
            incoming.set_values(values)
            return incoming.commit()

    def _new_id(self, new: NewRecord) -> str:
        if new.request is None:
            made = uuid.uuid4()
        else:
            made = uuid.uuid5(_NAMESPACE, f"{new.user}/{new.resource}/{new.request}")
        return made.hex[:16] if id_kind(new.resource) is IdKind.STRING else str(made)

    def _existing(self, new: NewRecord, run_id: str, values: dict[str, Value]) -> RunInfo:
        """Return the run that has this id already, where it may stand for the new one."""
        run = self.store.find_run(new.project, run_id=run_id)
        if run is None or run.kind is not RunKind.RECORD:
            raise invalid("id", "has already been taken")
        if run.trashed:
            # Deleted before. It stays in the trash until it is filled anew, so that a kill between
            # the two steps leaves it deleted.
            layout = layout_for(new.resource)
            self._apply(run.key, values, [path for path in layout.paths if path not in values])
            self.store.restore_runs([run.key])
            return self.store.get_runs([run.key])[0]
        same = self.read(new.resource, [run])[0]
        if new.request is not None and same.values.get("request") == new.request:
            return run
        raise invalid("id", "has already been taken")

    def update(self, record: Record, changes: Mapping[str, object]) -> Record:
        """Change fields of a record, all or none; None removes one."""
        layout = layout_for(record.resource)
        known = {name: value for name, value in changes.items() if name in layout.forms}
        if known:
            values = _attributes(record.resource, known)
            gone = [PREFIX + name for name, value in known.items() if value is None]
            self._apply(record.run.key, values, gone)
        return self.read(record.resource, [record.run])[0]

    def _apply(self, key: int, values: Mapping[str, Value], gone: Sequence[str]) -> None:
        held = self.store.attribute_types(key)
        changes: list[Update] = [Delete(path) for path in gone if path in held]
        if values:
            changes.append(Assign(dict(values)))
        self.apply(key, changes)

    def apply(self, key: int, updates: Sequence[Update]) -> None:
        """Apply updates to a run in one transaction; raises the error of the first refused one."""
        if not updates:
            return
        receipt = self.store.append_once(key, uuid.uuid4().hex, updates)
        for _, error in receipt.refused:
            raise error

    def trash(self, record: Record) -> Record:
        """Delete a record softly; return it as it was."""
        try:
            self.store.trash_runs([record.run.key])
        except RunNotFound:
            raise missing(record.resource) from None
        return Record(record.resource, record.run, record.values, record.updated, deleted=True)


def _attributes(resource: str, values: Mapping[str, object]) -> dict[str, Value]:
    layout = layout_for(resource)
    encoded: dict[str, Value] = {}
    for name, value in values.items():
        form = layout.forms.get(name)
        if form is None:
            continue
        held = encode(name, form, value)
        if held is not None:
            encoded[PREFIX + name] = held
    return encoded


def _plain(value: object) -> object:
    """Return NumPy's number as Python's."""
    item = getattr(value, "item", None)
    return item() if callable(item) else value


def _time(value: object, run: RunInfo) -> datetime:
    return value if isinstance(value, datetime) else datetime_from_micros(run.created)
