"""Appending to the log: the path of every logging call.

One call is one row, committed when it returns. What a SIGKILL leaves behind: before the commit
nothing but perhaps an interned path or shape that nobody refers to; after it the whole row.
"""

from __future__ import annotations

import atexit
import math
import os
import sqlite3
import struct
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from time import time_ns
from typing import TYPE_CHECKING, Any

from mooring.errors import InvalidPath, InvalidValue, MooringError, StoreClosed, TypeConflict
from mooring.model import (
    MAX_STEP,
    MAX_TIME,
    MIN_TIME,
    AttributeType,
    RunInfo,
    step_to_micros,
    validate_path,
)
from mooring.store.cells import (
    dumps,
    encode_cell,
    encode_point,
    encode_text,
    number_code,
    series_type,
)
from mooring.store.contract import Durability
from mooring.store.sqlite import holders
from mooring.store.sqlite.codec import store_value, value_type
from mooring.store.sqlite.columns import TableColumns, cell_kind
from mooring.store.sqlite.schema import (
    LOG_ASSIGN,
    LOG_CHANGE_SET,
    LOG_DELETE,
    LOG_EVENT,
    LOG_POINTS,
    LOG_PREVIEW,
)

if TYPE_CHECKING:
    from mooring.store.sqlite.catalog import Catalog
    from mooring.store.sqlite.database import Database

_INSERT = "INSERT INTO log (run, kind, step, time, shape, data) VALUES (?, ?, ?, ?, ?, ?)"
_PLAIN = frozenset({int, float, bool, str, type(None)})
_INT64 = range(-(2**63), 2**63)
_MAX_EVENT_PLANS = 4096
"""Different rows, by names and types, that one writer knows to have their columns."""
_MAX_SHAPES = 512
"""Different sets of names that one writer packs; calls beyond that are rows of JSON."""

RELAXED_INTERVAL_S = 0.1
"""How much of the latest logging `Durability.RELAXED` may lose."""

WRITABLE_SYSTEM_PATHS = {
    "sys/name": AttributeType.STRING,
    "sys/description": AttributeType.STRING,
    "sys/failed": AttributeType.BOOL,
    "sys/archived": AttributeType.BOOL,
    "sys/tags": AttributeType.STRING_SET,
    "sys/group_tags": AttributeType.STRING_SET,
}

_Plan = tuple[int, Callable[..., bytes]]
_EventPlan = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""Numbers of the paths, and the names of the cells that are floats and integers."""


class Appender:
    """The one place that inserts into the log, for all writers of a store object."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.relaxed = database.settings.durability is Durability.RELAXED
        self._pending: list[tuple[Any, ...]] = []
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: MooringError | None = None
        database.in_child.append(self.leave_to_parent)
        if self.relaxed:
            atexit.register(_flush_at_exit, weakref.ref(self))

    def append(self, row: tuple[Any, ...]) -> None:
        """Insert one row; on return it is as durable as the store's setting says."""
        database = self.database
        if self.relaxed:
            self._queue(row)
            return
        with database.lock:
            try:
                database.writer.execute(_INSERT, row)
            except sqlite3.Error as error:
                raise database.translate(error) from error

    def append_all(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert several rows, all or none."""
        if self.relaxed:
            self.flush()
        with self.database.write() as connection:
            connection.executemany(_INSERT, rows)

    def _queue(self, row: tuple[Any, ...]) -> None:
        with self.database.lock:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            self._pending.append(row)
            if self._thread is None or not self._thread.is_alive():
                self._wake.clear()
                self._thread = threading.Thread(
                    target=self._commit_in_background, name="mooring-commit", daemon=True
                )
                self._thread.start()

    def _commit_in_background(self) -> None:
        while not self._wake.wait(RELAXED_INTERVAL_S):
            try:
                self.flush()
            except MooringError as error:
                self._failure = error  # raised by the next call, which still holds the rows

    def flush(self) -> None:
        """Commit what is pending; what cannot be written stays pending."""
        with self.database.lock:
            if self._pending:
                with self.database.write() as connection:
                    connection.executemany(_INSERT, self._pending)
                self._pending.clear()

    def close(self) -> None:
        """Commit what is pending and end the background thread."""
        self._wake.set()
        self.flush()

    def leave_to_parent(self) -> None:
        """Drop what a forked child inherited; the parent writes it."""
        self._pending = []
        self._wake = threading.Event()
        self._thread = None
        self._failure = None


def _flush_at_exit(reference: weakref.ref[Appender]) -> None:
    """Commit what a store that nobody closed holds back."""
    appender = reference()
    if appender is not None:
        appender.flush()


class SqliteWriter:
    """The `RunWriter` of a SQLite store."""

    def __init__(
        self,
        appender: Appender,
        catalog: Catalog,
        columns: TableColumns,
        run: RunInfo,
        load_types: Callable[[], dict[str, AttributeType]],
        closed: Callable[[SqliteWriter], None],
    ) -> None:
        self._appender = appender
        self._catalog = catalog
        self._columns = columns
        self._project: int | None = None
        self._event_plans: dict[tuple[tuple[str, ...], tuple[type, ...]], _EventPlan] = {}
        self._run = run
        self._key = run.key
        self._load_types = load_types
        self._plans: dict[tuple[str, ...], _Plan] = {}
        self._ids: dict[str, str] = {}
        self._append = appender.append
        self._tell_closed = closed
        self._closed = False
        self._process = os.getpid()
        with appender.database.write() as connection:
            self._state_path = catalog.system("sys/state")
            self._holder = holders.register(connection, run.key, self._state_path)

    @property
    def run(self) -> RunInfo:
        """The run it writes to."""
        return self._run

    @cached_property
    def _types(self) -> dict[str, AttributeType]:
        """Types of the run's attributes; read when the first is needed, which may take a fold."""
        return WRITABLE_SYSTEM_PATHS | self._load_types()

    def log(
        self,
        values: Mapping[str, object],
        *,
        step: object = None,
        time: int | None = None,
        preview_completion: float | None = None,
    ) -> None:
        """Append one point to each named series. See `RunWriter.log`."""
        if step is not None:
            if type(step) is int and -MAX_STEP <= step <= MAX_STEP:
                step *= 1_000_000
            else:
                step = step_to_micros(step)
        if time is None:
            time = time_ns() // 1000
        elif type(time) is not int or not MIN_TIME <= time <= MAX_TIME:
            time = _checked_time(time)
        if preview_completion is None:
            plan = self._plans.get(tuple(values))
            if plan is not None:
                try:
                    data = plan[1](*values.values())
                except (struct.error, TypeError, ValueError, OverflowError):
                    pass
                else:
                    self._append((self._key, LOG_POINTS, step, time, plan[0], data))
                    return
        self._log_slowly(values, step, time, preview_completion)

    def _log_slowly(
        self, values: Mapping[str, object], step: Any, time: int, preview: float | None
    ) -> None:
        self._check_open()
        if not values:
            return
        for path in values:
            check_loggable(validate_path(path))
        cells = {path: encode_point(path, value) for path, value in values.items()}
        types = {}
        for path, cell in cells.items():
            kind = series_type(cell)
            if kind is None:
                raise InvalidValue(f"attribute {path!r}: {values[path]!r} is no point of a series")
            self._check_type(path, kind)
            types[path] = kind
        numbers = all(kind is AttributeType.FLOAT_SERIES for kind in types.values())
        if preview is not None:
            if not numbers:
                raise InvalidValue("only numbers can be logged as previews")
            if number_code(preview) is None:
                raise InvalidValue(f"preview_completion is a number from 0 to 1, not {preview!r}")
            completion = min(1.0, max(0.0, float(preview))) if preview == preview else 0.0
            record = {"c": completion, "v": self._by_id(cells)}
            self._append((self._key, LOG_PREVIEW, step, time, None, dumps(record)))
        elif numbers and len(self._plans) < _MAX_SHAPES:
            shape = self._catalog.intern_shape(self._catalog.intern(list(values)))
            pack = struct.Struct(f"<{len(cells)}d").pack
            data = pack(*(float(value) for value in values.values()))  # type: ignore[arg-type]
            self._append((self._key, LOG_POINTS, step, time, shape.id, data))
            self._plans[tuple(values)] = (shape.id, pack)
        else:
            self._append((self._key, LOG_POINTS, step, time, None, dumps(self._by_id(cells))))
        self._types.update(types)

    def log_event(self, values: Mapping[str, object], *, time: int | None = None) -> None:
        """Append one row to the tracker's table. See `RunWriter.log_event`."""
        self._append(self._event(values, time))

    def log_events(self, rows: Sequence[tuple[Mapping[str, object], int | None]]) -> None:
        """Append several rows, all or none. See `RunWriter.log_events`."""
        self._appender.append_all([self._event(values, time) for values, time in rows])

    def _event(self, values: Mapping[str, object], time: int | None) -> tuple[Any, ...]:
        if time is None:
            time = time_ns() // 1000
        elif type(time) is not int or not MIN_TIME <= time <= MAX_TIME:
            time = _checked_time(time)
        plan = self._event_plans.get((tuple(values), tuple(map(type, values.values()))))
        if plan is not None:
            ids, floats, integers = plan
            get = values.__getitem__
            if all(map(math.isfinite, map(get, floats))) and all(  # type: ignore[arg-type]
                map(_INT64.__contains__, map(get, integers))
            ):
                try:
                    data = dumps(dict(zip(ids, values.values(), strict=True))).decode()
                except TypeError:
                    pass  # a text that UTF-8 cannot hold
                else:
                    if self._columns.behind:
                        self._columns.refresh()
                    return (self._key, LOG_EVENT, None, time, None, data)
        return (self._key, LOG_EVENT, None, time, None, self._encode_event(values))

    def _encode_event(self, values: Mapping[str, object]) -> str:
        """Return a row as JSON; its columns are entered first, where they are new."""
        self._check_open()
        for path in values:
            validate_path(path)
        ids = self._id_texts(list(values))
        cells = dict(zip(ids, map(encode_cell, values, values.values()), strict=True))
        data = dumps(cells).decode()
        if self._project is None:
            with self._appender.database.read() as connection:
                row = connection.execute(
                    "SELECT project FROM runs WHERE id = ?", (self._key,)
                ).fetchone()
            if row is None:
                return data  # the run has been deleted: its rows go the same way
            self._project = row[0]
        self._columns.declare(
            self._project, {int(id): cell_kind(cell) for id, cell in cells.items()}
        )
        types = tuple(map(type, values.values()))
        # Of other types the type alone does not tell what the cell is.
        if _PLAIN.issuperset(types) and len(self._event_plans) < _MAX_EVENT_PLANS:
            names = tuple(values)
            floats = tuple(n for n, kind in zip(names, types, strict=True) if kind is float)
            integers = tuple(n for n, kind in zip(names, types, strict=True) if kind is int)
            self._event_plans[names, types] = (tuple(ids), floats, integers)
        return data

    def assign(self, values: Mapping[str, Any]) -> None:
        """Set attributes that hold a single value, all or none. See `RunWriter.assign`."""
        self._check_open()
        cells = {}
        types = {}
        for path, value in values.items():
            self._check_writable(validate_path(path))
            type = value_type(path, value)
            if type is AttributeType.INT and self._types.get(path) is AttributeType.FLOAT:
                type, value = AttributeType.FLOAT, float(value)
            self._check_type(path, type)
            cells[path] = [str(type), store_value(path, type, value)]
            types[path] = type
        if cells:
            self._append_now(LOG_ASSIGN, self._by_id(cells))
            self._types.update(types)

    def change_set(self, path: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Add to and remove from a string set. See `RunWriter.change_set`."""
        self._check_open()
        self._check_writable(validate_path(path))
        self._check_type(path, AttributeType.STRING_SET)
        changes = []
        for texts in (add, remove):
            if isinstance(texts, str):
                texts = [texts]
            texts = list(texts)
            if not all(isinstance(text, str) for text in texts):
                raise InvalidValue(f"attribute {path!r}: a set holds texts only")
            changes.append([encode_text(path, text) for text in texts])
        self._append_now(LOG_CHANGE_SET, self._by_id({path: changes}))
        self._types[path] = AttributeType.STRING_SET

    def delete(self, path: str) -> None:
        """Remove an attribute with its points. See `RunWriter.delete`."""
        self._check_open()
        self._check_writable(validate_path(path))
        self._append_now(LOG_DELETE, self._by_id({path: None}))
        self._types.pop(path, None)
        self._plans = {paths: plan for paths, plan in self._plans.items() if path not in paths}

    def close(self) -> None:
        """Write what is pending and end this writer's activity on the run."""
        if self._closed:
            return
        self._appender.flush()
        self._columns.finish()
        if self._process == os.getpid():  # a forked child leaves the run active for its parent
            with self._appender.database.write() as connection:
                holders.release(connection, self._holder, self._key, self._state_path)
        self._plans = {}
        self._event_plans = {}
        self._ids = {}
        self._closed = True
        self._tell_closed(self)

    def _append_now(self, kind: int, record: Mapping[str, object]) -> None:
        self._append((self._key, kind, None, time_ns() // 1000, None, dumps(record)))

    def _id_texts(self, paths: Sequence[str]) -> list[str]:
        texts = [str(id) for id in self._catalog.intern(paths)]
        self._ids.update(zip(paths, texts, strict=True))
        return texts

    def _by_id(self, cells: Mapping[str, object]) -> dict[str, object]:
        return dict(zip(self._id_texts(list(cells)), cells.values(), strict=True))

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed(f"the writer of run {self._run.run_id!r} is closed")

    def _check_type(self, path: str, type: AttributeType) -> None:
        known = self._types.get(path, type)
        if known is not type:
            raise TypeConflict(path, expected=str(known), got=str(type))

    @staticmethod
    def _check_writable(path: str) -> None:
        if path.startswith("sys/") and path not in WRITABLE_SYSTEM_PATHS:
            raise InvalidPath(f"{path!r} is kept by the store and cannot be set")


def _checked_time(time: Any) -> int:
    """Return a time as Python's own integer; `InvalidValue` for what no reader could take."""
    if number_code(time) != "q":
        raise InvalidValue(f"a time is an integer of microseconds since 1970, not {time!r}")
    if not MIN_TIME <= int(time) <= MAX_TIME:
        raise InvalidValue(f"time {time} is not within the years 1 to 9999, in microseconds")
    return int(time)


def check_loggable(path: str) -> None:
    """Refuse series below `sys/`."""
    if path.startswith("sys/"):
        raise InvalidPath(f"{path!r}: what lies below sys/ is no series")
