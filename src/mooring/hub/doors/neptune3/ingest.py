"""What clients log: requests to create runs and to update them.

A request is applied before it is answered, in one transaction: a SIGKILL between any two lines
leaves all of it or nothing. A client that got no answer sends it again: points that are there are
told as duplicates, values and members of sets are set once more, also over what another process
set meanwhile. Whatever cannot be taken is told by the id of the answer, never by its status: a
client would send the request for ever.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from starlette.routing import BaseRoute

from mooring.errors import (
    AccessDenied,
    AlreadyExists,
    InvalidName,
    InvalidPath,
    MooringError,
    NotFound,
    ProjectNotFound,
    TypeConflict,
)
from mooring.hub.accounts import Role
from mooring.hub.doors.neptune3 import file_refs
from mooring.hub.doors.neptune3.door import PROTOBUF, Answer, Asked, Door
from mooring.hub.guarded import GuardedStore
from mooring.model import (
    STEP_SCALE,
    AttributeType,
    Histogram,
    RunInfo,
    RunSpec,
    now_micros,
    validate_path,
    validate_run_id,
)
from mooring.query import Aggregate, Field
from mooring.store.appending import Assign, ChangeSet, LogPoints
from mooring.store.appending import Update as StoreUpdate
from mooring.store.uploads import AwaitedFile
from mooring.store.values import WRITABLE_SYSTEM_PATHS
from mooring.wire.neptune3 import statuses
from mooring.wire.neptune3.ingest import (
    CreateRun,
    Update,
    WireFile,
    WireValue,
    decode_operation,
)
from mooring.wire.neptune3.statuses import IngestCode, Tally
from mooring.wire.neptune3.storage import MAX_PATH_BYTES

MAX_TEXT_BYTES = 1 << 20
_SERIES = {float: AttributeType.FLOAT_SERIES, str: AttributeType.STRING_SERIES}


def routes(door: Door) -> list[BaseRoute]:
    """Return the routes of ingestion."""
    return [
        door.route("/api/client/v1/ingest", ingest),
        door.route("/api/client/v1/ingest/check", check),
    ]


def check(asked: Asked) -> Answer:
    """Answer what became of requests."""
    ids = statuses.decode_ids(asked.body)
    return Answer(statuses.encode_statuses(map(statuses.read_id, ids)), media_type=PROTOBUF)


def ingest(asked: Asked) -> Answer:
    """Apply a request, and answer its id.

    Raises `AccessDenied` where the user sees the project and may not write to it.
    """
    operation = decode_operation(asked.body)
    tally = Tally()
    try:
        validate_run_id(operation.run_id)
        if operation.create is not None:
            _create(asked.store, operation.project, operation.run_id, operation.create, tally)
        else:
            project = asked.store.need_project(operation.project, Role.CONTRIBUTOR)
            run = asked.store.find_run(project, run_id=operation.run_id)
            if run is None:
                tally.add(IngestCode.RUN_NOT_FOUND)
            else:
                Ingestion(asked.store, run, tally).apply(operation.updates)
    except ProjectNotFound:
        tally.add(IngestCode.PROJECT_NOT_FOUND)
    except InvalidName:
        tally.add(IngestCode.RUN_INVALID_CREATION_PARAMETERS)
    id = statuses.make_id(tally.counts)
    return Answer(statuses.encode_submitted(id), media_type=PROTOBUF)


def _create(
    store: GuardedStore, project: str, run_id: str, wanted: CreateRun, tally: Tally
) -> None:
    try:
        found = store.find_run(project, run_id=run_id)
    except NotFound:
        found = None
    if found is None:
        spec, code = _spec(store, project, run_id, wanted)
        try:
            store.create_run(spec)
            tally.add(code)
            return
        except AlreadyExists:  # another request was first
            found = store.find_run(project, run_id=run_id)
        except AccessDenied:
            if store.role_in(project) is not None:
                raise
            raise ProjectNotFound(project) from None
    assert found is not None
    store.need_runs([found.key], Role.CONTRIBUTOR)
    same = wanted.parent is None or found.parent is not None
    if wanted.experiment is not None:
        update = Assign({"sys/name": wanted.experiment})
        store.append_batch(found.key, uuid.uuid4().hex, 1, [update])
    tally.add(IngestCode.RUN_DUPLICATE if same else IngestCode.RUN_CONFLICTING)


def _spec(
    store: GuardedStore, project: str, run_id: str, wanted: CreateRun
) -> tuple[RunSpec, IngestCode]:
    """Return what to create, and whether the run that it is to fork from is there."""
    parent: RunInfo | None = None
    if wanted.parent is not None:
        try:
            parent = store.find_run(wanted.parent_project or project, run_id=wanted.parent)
        except NotFound:
            parent = None
    spec = RunSpec(
        project=project,
        run_id=run_id,
        name=wanted.experiment,
        created=wanted.created,
        parent=None if parent is None else parent.key,
        fork_step=None if parent is None else wanted.fork_step,
        inherit_attributes=parent is not None and wanted.inherit_configs,
    )
    lost = wanted.parent is not None and parent is None
    return spec, IngestCode.RUN_FORK_PARENT_NOT_FOUND if lost else IngestCode.OK


@dataclass(slots=True)
class _Last:
    """The last point of a float series that is no preview."""

    step: int
    value: float | None


@dataclass(slots=True)
class Ingestion:
    """Applies the updates of one request to a run, and counts what became of each operation."""

    store: GuardedStore
    run: RunInfo
    tally: Tally
    types: dict[str, AttributeType] = field(default_factory=dict)
    last: dict[str, _Last] = field(default_factory=dict)
    changes: list[StoreUpdate] = field(default_factory=list)
    awaited: list[AwaitedFile] = field(default_factory=list)
    good: int = 0

    def apply(self, updates: Iterable[Update]) -> None:
        """Apply updates, in one transaction."""
        updates = list(updates)
        self.types = dict(self.store.attribute_types(self.run.key))
        self._read_last(updates)
        for update in updates:
            self._take(update)
        if self.changes:
            file_refs.expect(self.store, self.run, self.awaited)
            receipt = self.store.append_batch(self.run.key, uuid.uuid4().hex, 1, self.changes)
            file_refs.settle(self.store, self.run, self.awaited)
            for _, error in receipt.refused:
                self.good -= 1
                self.tally.add(_code_of(error))
        if self.good > 0:
            self.tally.add(IngestCode.OK, self.good)

    def _read_last(self, updates: Iterable[Update]) -> None:
        """Read the last step and value of each series that gets points."""
        paths = sorted({path for update in updates for path in update.append})
        floats = [p for p in paths if self.types.get(p) is AttributeType.FLOAT_SERIES]
        if not floats:
            return
        for what in (Aggregate.LAST_STEP, Aggregate.LAST):
            fields = [Field(path, AttributeType.FLOAT_SERIES, what) for path in floats]
            for column in self.store.read_aggregates([self.run.key], fields):
                for value in column.values:
                    if what is Aggregate.LAST_STEP:
                        self.last[column.path] = _Last(round(float(value) * STEP_SCALE), None)
                    elif column.path in self.last:
                        self.last[column.path].value = float(value)

    def _take(self, update: Update) -> None:
        time = update.time if update.time is not None else now_micros()
        for path, _ in update.refused:
            self.tally.add(self._path_code(path) or IngestCode.FIELD_TYPE_UNSUPPORTED)
        for path, value in update.assign.items():
            self._assign(path, value, time)
        for changes, adds in ((update.add, True), (update.remove, False)):
            for path, members in changes.items():
                self._change(path, members, time, adds=adds)
        points: dict[str, object] = {}
        step = update.step if update.step is not None else self._next_step(update.append)
        for path, value in update.append.items():
            if self._may_append(path, value, step, update.preview is not None):
                points[path] = self._take_file(path, value, step, time)
        if points:
            self.changes.append(LogPoints(points, step, time, update.preview))
            self.good += len(points)

    def _next_step(self, append: Mapping[str, WireValue]) -> int:
        """Return the next whole step after the last one of the series that get points."""
        known = [self.last[path].step for path in append if path in self.last]
        return (max(known) // STEP_SCALE + 1) * STEP_SCALE if known else 0

    def _take_file(self, path: str, value: WireValue, step: int | None, time: int) -> object:
        """Return what to write for a value; a file's content comes by another way."""
        if not isinstance(value, WireFile):
            return value
        written, awaited = file_refs.references({path: value}, step=step, time=time)
        self.awaited += awaited
        return written[path]

    # one operation each

    def _assign(self, path: str, value: WireValue, time: int) -> None:
        code = self._path_code(path)
        if code is None and isinstance(value, str) and len(value.encode()) > MAX_TEXT_BYTES:
            code = IngestCode.STRING_VALUE_EXCEEDS_SIZE_LIMIT
        if code is None and isinstance(value, Histogram):
            code = IngestCode.FIELD_TYPE_UNSUPPORTED
        if code is None and isinstance(value, WireFile):
            code = _file_code(value)
        if code is not None:
            self.tally.add(code)
            return
        held = self.types.get(path)
        type = _VALUE_TYPES[value.__class__.__name__]
        if held not in (None, type):
            self.tally.add(IngestCode.FIELD_TYPE_CONFLICTING)
            return
        self.types[path] = type
        taken = self._take_file(path, value, None, time)
        self.changes.append(Assign({path: taken}, time))  # type: ignore[dict-item]
        self.good += 1

    def _change(self, path: str, members: frozenset[str], time: int, *, adds: bool) -> None:
        code = self._path_code(path)
        if code is None and self.types.get(path) not in (None, AttributeType.STRING_SET):
            code = IngestCode.FIELD_TYPE_CONFLICTING
        if code is not None:
            self.tally.add(code)
            return
        self.types[path] = AttributeType.STRING_SET
        texts = sorted(members)
        change = (
            ChangeSet(path, add=texts, time=time)
            if adds
            else ChangeSet(path, remove=texts, time=time)
        )
        self.changes.append(change)
        self.good += 1

    def _may_append(self, path: str, value: WireValue, step: int, preview: bool) -> bool:
        code = self._path_code(path) or self._point_code(path, value, step, preview)
        if code is not None:
            self.tally.add(code)
        return code is None

    def _point_code(
        self, path: str, value: WireValue, step: int, preview: bool
    ) -> IngestCode | None:
        type = _SERIES.get(value.__class__)
        if isinstance(value, Histogram):
            type = AttributeType.HISTOGRAM_SERIES
        if isinstance(value, WireFile):
            type = AttributeType.FILE_SERIES
            if code := _file_code(value):
                return code
        if type is None:
            return IngestCode.FIELD_TYPE_UNSUPPORTED
        if self.types.get(path) not in (None, type):
            return IngestCode.FIELD_TYPE_CONFLICTING
        if isinstance(value, str) and len(value.encode()) > MAX_TEXT_BYTES:
            return IngestCode.STRING_VALUE_EXCEEDS_SIZE_LIMIT
        if isinstance(value, float):
            last = self.last.get(path)
            if last is not None and step <= last.step:
                if preview:
                    return IngestCode.SERIES_PREVIEW_STEP_NOT_AFTER_LAST_COMMITTED_STEP
                same = step == last.step and _equal(value, last.value)
                return (
                    IngestCode.SERIES_POINT_DUPLICATE
                    if same
                    else IngestCode.SERIES_STEP_NON_INCREASING
                )
            if not preview:
                self.last[path] = _Last(step, value)
        self.types[path] = type
        return None

    def _path_code(self, path: str) -> IngestCode | None:
        if not path:
            return IngestCode.FIELD_PATH_EMPTY
        if path.startswith("sys/") and path not in WRITABLE_SYSTEM_PATHS:
            return IngestCode.FIELD_PATH_NON_WRITABLE
        try:
            validate_path(path)
        except InvalidPath:
            long = len(path.encode("utf-8", "replace")) > 1024
            return (
                IngestCode.FIELD_PATH_EXCEEDS_SIZE_LIMIT if long else IngestCode.FIELD_PATH_INVALID
            )
        return None


_VALUE_TYPES = {
    "int": AttributeType.INT,
    "float": AttributeType.FLOAT,
    "bool": AttributeType.BOOL,
    "str": AttributeType.STRING,
    "datetime": AttributeType.DATETIME,
    "frozenset": AttributeType.STRING_SET,
    "WireFile": AttributeType.FILE,
}


def _file_code(file: WireFile) -> IngestCode | None:
    long = len(file.path.encode()) + len(file.mime_type.encode()) > MAX_PATH_BYTES
    return IngestCode.FILE_REF_EXCEEDS_SIZE_LIMIT if long else None


def _equal(value: float, other: float | None) -> bool:
    return value == other or (other is not None and math.isnan(value) and math.isnan(other))


def _code_of(error: MooringError) -> IngestCode:
    if isinstance(error, TypeConflict):
        return IngestCode.FIELD_TYPE_CONFLICTING
    if isinstance(error, InvalidPath):
        return IngestCode.FIELD_PATH_INVALID
    return IngestCode.FIELD_TYPE_UNSUPPORTED
