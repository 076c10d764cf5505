"""The SQLite store: the `Store` contract over one file and a folder beside it.

`runs.db` holds what is changing; `runs.db-data/` the segments and files. Both belong together.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from mooring.errors import (
    AttributeNotFound,
    InvalidInput,
    SegmentMissing,
    StoreCorrupt,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
)
from mooring.model import (
    AttributeType,
    RunInfo,
    RunSpec,
    SeriesStats,
    validate_path,
)
from mooring.query import Field
from mooring.store.appending import Receipt, Update
from mooring.store.blobs import LocalBlobs
from mooring.store.contract import (
    AttributeColumn,
    CompactionReport,
    EventTable,
    Lineage,
    PathSelector,
    RunPage,
    RunQuery,
    RunWriter,
    SeriesQuery,
    StoreCheck,
    TableColumn,
)
from mooring.store.sqlite import holders, receipts
from mooring.store.sqlite.batches import BatchAppender
from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.codec import load_value
from mooring.store.sqlite.columns import TableColumns, forget_table
from mooring.store.sqlite.cycles import no_search_for_cycles
from mooring.store.sqlite.database import Database, DatabaseSettings
from mooring.store.sqlite.filters import FilterCompiler
from mooring.store.sqlite.lists import RunLists
from mooring.store.sqlite.queries import RunQueries
from mooring.store.sqlite.runs import SYSTEM_PATHS, RunTable
from mooring.store.sqlite.schema import ATTRIBUTE_COLUMNS, TYPE_CODES, TYPES
from mooring.store.sqlite.views import cell_types, labels, sql_type
from mooring.store.sqlite.writer import Appender, SqliteWriter
from mooring.store.summaries import StatsColumn
from mooring.store.transfer import RunImport, SealedFile
from mooring.store.usage import DiskUsage, UsageBy
from mooring.store.values import WRITABLE_SYSTEM_PATHS, check_loggable

if TYPE_CHECKING:
    import sqlite3

    import numpy as np
    import pyarrow as pa

    from mooring.store.sqlite.reading import Reading
    from mooring.store.sqlite.uploads import Uploads
    from mooring.store.uploads import AwaitedFile, Upload

SEAL_POINTS = 400_000
"""Unsealed points of a run after which the next read seals them."""

_REAP_INTERVAL_S = 1.0

_Result = TypeVar("_Result")

_CAN_WAIT = (SegmentMissing, StoreFull, StoreLocked, StoreReadOnly)
"""Why the next read may seal and reap instead: no reason for this one to fail."""


class SqliteStore:
    """A store in one SQLite file. Open it with `mooring.open_store`.

    Many processes and threads may write and read one file at the same time.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        read_only: bool = False,
        create: bool = True,
        settings: DatabaseSettings | None = None,
    ) -> None:
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if str(path) == ":memory:":
            self._temporary = tempfile.TemporaryDirectory(prefix="mooring-")
            path = Path(self._temporary.name) / "runs.db"
        self._path = Path(path)
        self._database = Database(
            self._path,
            read_only=read_only,
            create=create,
            settings=settings or DatabaseSettings(),
        )
        self._data = self._path.with_name(f"{self._path.name}-data")
        self._catalog = Catalog(self._database)
        self._columns = TableColumns(self._database, self._catalog)
        self._runs = RunTable(self._database, self._catalog)
        self._lists = RunLists()
        self._queries = RunQueries(self._runs, FilterCompiler(self._catalog), self._lists)
        self._appender = Appender(self._database)
        self._batches = BatchAppender(
            self._appender, self._catalog, self._columns, self._find_run, self._types_for_batches
        )
        self._blobs = LocalBlobs(self._data / "blobs")
        self._writers: set[SqliteWriter] = set()
        self._fresh: set[int] = set()
        """Runs that this object made and has not written to yet."""
        self._reading: Reading | None = None
        self._reaped = 0.0
        self._process = os.getpid()
        if not read_only:
            self._catalog.intern(SYSTEM_PATHS)
            self._columns.mend()
            self._list_sealed_columns()

    def _list_sealed_columns(self) -> None:
        """List the columns of rows that format 1 had sealed, once."""
        with self._database.read() as connection:
            if not connection.execute(
                "SELECT 1 FROM meta WHERE key = 'unlisted_columns'"
            ).fetchone():
                return
            projects = connection.execute("SELECT id FROM projects").fetchall()
        for (project,) in projects:
            with self._database.read() as connection:
                kinds = self._read_side.events.sealed_kinds(connection, project)
            if kinds:
                self._columns.declare(project, kinds)
        with self._database.write() as connection:
            connection.execute("DELETE FROM meta WHERE key = 'unlisted_columns'")

    def __repr__(self) -> str:
        mode = ", read_only=True" if self.read_only else ""
        return f"SqliteStore({self.address!r}{mode})"

    @property
    def address(self) -> str:
        """Where the store is, in the form that `open_store` takes."""
        return ":memory:" if self._temporary else str(self._path)

    @property
    def path(self) -> Path:
        """The store's file."""
        return self._path

    @property
    def read_only(self) -> bool:
        """Whether writes are refused."""
        return self._database.read_only

    # projects

    def create_project(self, name: str) -> str:
        """Create a project. See `Store.create_project`."""
        return self._add_project(name, ensure=False)

    def ensure_project(self, name: str) -> str:
        """Return a project, created when it is missing. See `Store.ensure_project`."""
        return self._add_project(name, ensure=True)

    def _add_project(self, name: str, *, ensure: bool) -> str:
        with self._database.write() as connection:
            id = self._runs.add_project(connection, name, ensure=ensure)
            row = connection.execute("SELECT name FROM projects WHERE id = ?", (id,)).fetchone()
        return str(row[0])

    def list_projects(self) -> Sequence[str]:
        """Return all projects. See `Store.list_projects`."""
        return self._runs.list_projects()

    def delete_project(self, name: str) -> None:
        """Delete a project with its runs. See `Store.delete_project`."""
        self._check_writable()
        with self._database.read() as connection:
            id = self._runs.project_id(connection, name)
            keys = [
                row[0] for row in connection.execute("SELECT id FROM runs WHERE project = ?", (id,))
            ]
        self.delete_runs(keys)
        with self._database.write() as connection:
            if not connection.execute("SELECT 1 FROM runs WHERE project = ?", (id,)).fetchone():
                forget_table(connection, id)
                connection.execute("DELETE FROM uploads WHERE project = ?", (id,))
                connection.execute("DELETE FROM projects WHERE id = ?", (id,))

    # runs

    def create_run(self, spec: RunSpec) -> RunInfo:
        """Create a run. See `Store.create_run`."""
        if spec.parent is None:
            run = self._runs.create(spec, None)  # type: ignore[arg-type]
            self._fresh.add(run.key)
            return run
        self._fold()
        return self._runs.create(spec, self._read_side.series)

    def find_run(
        self, project: str, *, run_id: str | None = None, sys_id: str | None = None
    ) -> RunInfo | None:
        """Return a run, or None. See `Store.find_run`."""
        with self._database.read() as connection:
            return self._runs.find(connection, project, run_id, sys_id)

    def get_runs(self, keys: Sequence[int]) -> Sequence[RunInfo]:
        """Return runs by key. See `Store.get_runs`."""
        with self._database.read() as connection:
            return self._runs.get(connection, keys)

    def query_runs(self, query: RunQuery) -> RunPage:
        """Return the runs that a query selects. See `Store.query_runs`."""
        with self._snapshot() as connection:
            return self._queries.query(connection, query)

    def trash_runs(self, keys: Sequence[int]) -> None:
        """Mark runs as trashed. See `Store.trash_runs`."""
        self._runs.set_trashed(keys, True)

    def restore_runs(self, keys: Sequence[int]) -> None:
        """Take runs out of the trash. See `Store.restore_runs`."""
        self._runs.set_trashed(keys, False)

    def delete_runs(self, keys: Sequence[int]) -> None:
        """Delete runs for good. See `Store.delete_runs`."""
        self._check_writable()
        self._fold()
        self._again(lambda: self._read_side.care.delete_runs(keys))

    # writing

    def open_writer(self, key: int) -> RunWriter:
        """Return a writer on a run. See `Store.open_writer`."""
        run = self._find_run(key)
        fresh = key in self._fresh
        self._fresh.discard(key)
        writer = SqliteWriter(
            self._appender,
            self._catalog,
            self._columns,
            run,
            dict if fresh else partial(self._attribute_types, key),
            self._writers.discard,
        )
        self._writers.add(writer)
        return writer

    def _find_run(self, key: int) -> RunInfo:
        return self.get_runs([key])[0]

    def _types_for_batches(self, key: int, untouched: bool) -> dict[str, AttributeType]:
        """Return the types of a run; `untouched`: no batch has changed them yet."""
        fresh = key in self._fresh
        self._fresh.discard(key)
        return {} if fresh and untouched else self._attribute_types(key)

    def _attribute_types(self, key: int) -> dict[str, AttributeType]:
        """Return the type of each attribute of a run."""
        with self._database.read() as connection:
            touched = connection.execute(
                "SELECT EXISTS (SELECT 1 FROM run_state WHERE run = ?1) OR EXISTS "
                "(SELECT 1 FROM attributes WHERE run = ?1) OR EXISTS (SELECT 1 FROM log "
                "WHERE run = ?1 AND seq > (SELECT value FROM meta WHERE key = 'watermark'))",
                (key,),
            ).fetchone()[0]
        if not touched:
            return {}
        with self._snapshot() as connection:
            rows = connection.execute(
                "SELECT path, type FROM attributes WHERE run = ?", (key,)
            ).fetchall()
        names = self._catalog.names([path for path, _ in rows])
        return {name: TYPES[row[1]] for name, row in zip(names, rows, strict=True)}

    def write_points(
        self,
        key: int,
        path: str,
        *,
        steps: np.ndarray | Sequence[Any] | pa.Array,
        values: np.ndarray | Sequence[Any] | pa.Array,
        times: np.ndarray | Sequence[Any] | pa.Array | int | None = None,
    ) -> int:
        """Append points of one float series. See `Store.write_points`."""
        self._check_writable()
        check_loggable(validate_path(path))
        self._fresh.discard(key)
        self._fold()
        return self._read_side.bulk.write_points(key, path, steps, values, times)

    def write_table(self, key: int, table: pa.Table) -> int:
        """Append points of many float series. See `Store.write_table`."""
        self._check_writable()
        self._fresh.discard(key)
        self._fold()
        return self._read_side.bulk.write_table(key, table)

    def set_events(
        self, key: int, path: str, value: object, *, where: tuple[str, object] | None = None
    ) -> int:
        """Set a cell in logged rows. See `Store.set_events`."""
        self._check_writable()
        self.get_runs([key])
        self._fold()
        return self._read_side.events.set_cells(key, validate_path(path), value, where)

    # writing from afar

    def append_batch(self, key: int, writer: str, first: int, updates: Sequence[Update]) -> Receipt:
        """Apply numbered updates, each once. See `AppendsBatches.append_batch`."""
        return self._batches.append(key, writer, first, updates)

    def append_once(self, key: int, name: str, updates: Sequence[Update]) -> Receipt:
        """Apply a single batch once. See `TakesRequests.append_once`."""
        return self._batches.append_once(key, name, updates)

    def find_receipt(self, key: int, name: str) -> Receipt | None:
        """Return what became of a single batch. See `TakesRequests.find_receipt`."""
        return self._batches.find_receipt(key, name)

    def last_applied(self, key: int, writer: str) -> int:
        """Return a writer's last number. See `AppendsBatches.last_applied`."""
        return self._batches.last_applied(key, writer)

    def hold_run(self, key: int, writer: str, *, seconds: float) -> None:
        """Make a run active for some time. See `AppendsBatches.hold_run`."""
        self._batches.hold(key, writer, seconds)

    def release_run(self, key: int, writer: str) -> None:
        """End a lease. See `AppendsBatches.release_run`."""
        self._batches.release(key, writer)

    def attribute_types(self, key: int) -> Mapping[str, AttributeType]:
        """Return the types of attributes that writers may set. See `AppendsBatches`."""
        self._find_run(key)
        own = self._attribute_types(key)
        own = {path: type for path, type in own.items() if not path.startswith("sys/")}
        return own | WRITABLE_SYSTEM_PATHS

    def series_ends(self, key: int) -> Mapping[str, tuple[int, float]]:
        """Return the last points of a run's series. See `TakesRequests.series_ends`."""
        self._find_run(key)
        codes = [TYPE_CODES[type] for type in AttributeType if type.is_series]
        with self._snapshot() as connection:
            rows = connection.execute(
                "SELECT path, last_step, CASE WHEN type = ? THEN value END FROM attributes "
                f"WHERE run = ? AND type IN ({', '.join(map(str, codes))}) "
                "AND last_step IS NOT NULL",
                (TYPE_CODES[AttributeType.FLOAT_SERIES], key),
            ).fetchall()
        names = self._catalog.names([row[0] for row in rows])
        return {
            name: (step, math.nan if value is None else float(value))
            for name, (_, step, value) in zip(names, rows, strict=True)
        }

    def mark_changes(self) -> tuple[int, int]:
        """Return how far the store is. See `TakesRequests.mark_changes`."""
        with self._database.read() as connection:
            last = "SELECT (SELECT max(seq) FROM log), (SELECT max(id) FROM segments)"
            row, segment = connection.execute(last).fetchone()
        return row or 0, segment or 0

    def changed_since(self, key: int, mark: tuple[int, int]) -> bool:
        """Return whether a run may have changed. See `TakesRequests.changed_since`."""
        with self._database.read() as connection:
            (changed,) = connection.execute(
                "SELECT EXISTS(SELECT 1 FROM log WHERE seq > ? AND run = ?) "
                "OR coalesce((SELECT max(id) FROM segments), 0) != ?",
                (mark[0], key, mark[1]),
            ).fetchone()
        return bool(changed)

    def write_table_once(self, key: int, table: pa.Table, *, request: str) -> int:
        """Append points of many float series once. See `AppendsBatches.write_table_once`."""

        def write() -> int:
            self._fresh.discard(key)
            self._fold()
            return self._read_side.bulk.write_table(key, table, request)

        return self._once(request, write)

    def set_events_once(
        self,
        key: int,
        path: str,
        value: object,
        *,
        where: tuple[str, object] | None = None,
        request: str,
    ) -> int:
        """Set a cell in logged rows once. See `AppendsBatches.set_events_once`."""

        def change() -> int:
            self._find_run(key)
            self._fold()
            return self._read_side.events.set_cells(key, validate_path(path), value, where, request)

        return self._once(request, change)

    def _once(self, request: str, action: Callable[[], int]) -> int:
        receipts.check_name(request, "request")
        self._check_writable()
        with self._database.read() as connection:
            answer = receipts.find_answer(connection, request)
        if answer is not None:
            return answer
        try:
            return action()
        except receipts.AnsweredBefore as before:
            return before.answer

    # runs as a whole

    def import_run(self, spec: RunSpec, *, request: str | None = None) -> RunImport:
        """Begin to import a run. See `TransfersRuns.import_run`."""
        self._check_writable()
        if request is not None:
            receipts.check_name(request, "request")
        if spec.parent is not None:
            self._fold()
        return self._read_side.import_run(spec, request)

    def count_points(self, key: int) -> Sequence[tuple[str, AttributeType, int]]:
        """Return a run's own series. See `TransfersRuns.count_points`."""
        return self._of_run(key, lambda c: self._read_side.outgoing.count_points(c, key))

    def list_sealed(self, key: int) -> Sequence[SealedFile] | None:
        """Return the files that hold a run alone. See `TransfersRuns.list_sealed`."""
        return self._of_run(key, lambda c: self._read_side.outgoing.list_sealed(c, key))

    def read_rows(self, key: int) -> pa.Table | None:
        """Return the rows of a table that a run logged. See `TransfersRuns.read_rows`."""
        return self._of_run(key, lambda c: self._read_side.outgoing.read_rows(c, key))

    def read_previews(self, key: int) -> pa.Table | None:
        """Return the provisional points of a run. See `TransfersRuns.read_previews`."""
        return self._of_run(key, lambda c: self._read_side.outgoing.read_previews(c, key))

    def list_not_inherited(self, key: int) -> Sequence[str]:
        """Return what a fork deleted. See `TransfersRuns.list_not_inherited`."""
        return self._of_run(key, lambda c: self._read_side.outgoing.list_not_inherited(c, key))

    def _of_run(self, key: int, read: Callable[[sqlite3.Connection], _Result]) -> _Result:
        def action() -> _Result:
            with self._snapshot() as connection:
                self._runs.get(connection, [key])
                return read(connection)

        return self._again(action)

    # reading

    @property
    def _read_side(self) -> Reading:
        """What reading needs; it imports NumPy and PyArrow, which logging does without."""
        if self._reading is None:
            from mooring.store.sqlite.reading import Reading

            self._reading = Reading(
                self._database,
                self._catalog,
                self._columns,
                self._runs,
                self._data,
                self._blobs,
                self._lists.folded,
            )
        return self._reading

    def _check_writable(self) -> None:
        """Refuse writes to a store that is closed or opened for reading only."""
        with self._database.lock:
            _ = self._database.writer

    def _fold(self) -> None:
        """Make the derived tables current."""
        if self.read_only:
            self._read_side.fold.run()
            return
        self._appender.flush()
        with self._database.read() as connection:
            (current,) = connection.execute(
                "SELECT (SELECT value FROM meta WHERE key = 'watermark') >= "
                "coalesce((SELECT max(seq) FROM log), 0)"
            ).fetchone()
        if not current:
            try:
                self._again(self._read_side.fold.run)
            except StoreFull as error:
                raise StoreFull(
                    f"{error}; to read meanwhile, open the store with read_only=True",
                    address=error.address,
                ) from error
            with self._database.read() as connection:
                grown = connection.execute(
                    "SELECT run FROM run_state WHERE unsealed > ?", (SEAL_POINTS,)
                ).fetchall()
            if grown:
                with suppress(*_CAN_WAIT):
                    self._read_side.sealer.seal([run for (run,) in grown], events=False)
        with suppress(*_CAN_WAIT):
            self._reap()

    def _reap(self) -> None:
        """Make the runs inactive whose processes have died or whose leases have run out."""
        now = clock.monotonic()
        if now - self._reaped < _REAP_INTERVAL_S:
            return
        self._reaped = now
        with self._database.read() as connection:
            ended = holders.find_ended(connection)
        if ended:
            path = self._catalog.system("sys/state")
            with self._database.write() as connection:
                holders.end(connection, ended, path)

    def _again(self, action: Callable[[], _Result]) -> _Result:
        """Do what reads segments, and again when a compaction has replaced one meanwhile."""
        while True:
            try:
                return action()
            except SegmentMissing as error:
                if not self._is_replaced(error):
                    raise

    def _is_replaced(self, error: SegmentMissing) -> bool:
        with self._database.read() as connection:
            return not connection.execute(
                "SELECT 1 FROM segments WHERE ? IN (name, 'segments')", (Path(error.address).name,)
            ).fetchone()

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        if self.read_only:
            # What is folded in memory belongs to one snapshot of the file.
            while True:
                with self._database.read() as connection:
                    try:
                        self._fold()
                    except SegmentMissing as error:
                        missing = error
                    else:
                        yield connection
                        return
                if not self._is_replaced(missing):
                    raise missing
        self._fold()
        with self._database.read() as connection:
            yield connection

    def list_attributes(
        self,
        keys: Sequence[int] | None,
        select: PathSelector,
        *,
        project: str | None = None,
        projects: tuple[str, ...] | None = None,
    ) -> Sequence[tuple[str, AttributeType]]:
        """Return distinct attributes of runs. See `Store.list_attributes`."""
        with self._snapshot() as connection:
            paths = self._read_side.attributes.select_paths(connection, select)
            found = self._queries.list_attributes(
                connection, keys, paths, select, project, projects
            )
            names = self._catalog.names([path for path, _ in found])
        with no_search_for_cycles():
            return sorted((name, TYPES[code]) for name, (_, code) in zip(names, found, strict=True))

    def read_attributes(
        self, keys: Sequence[int], select: PathSelector
    ) -> Sequence[AttributeColumn]:
        """Return attribute values by column. See `Store.read_attributes`."""
        with self._snapshot() as connection:
            return self._read_side.attributes.read(connection, keys, select)

    def read_aggregates(
        self, keys: Sequence[int], fields: Sequence[Field]
    ) -> Sequence[AttributeColumn]:
        """Return aggregates by column. See `Store.read_aggregates`."""
        with self._snapshot() as connection:
            return self._read_side.attributes.aggregates(connection, keys, fields)

    def read_computed(self, keys: Sequence[int], paths: Sequence[str]) -> Sequence[AttributeColumn]:
        """Return what is computed. See `ComputesAttributes.read_computed`."""
        from mooring.store.sqlite.computed import read_computed

        with self._snapshot() as connection:
            return read_computed(connection, keys, paths)

    def _attribute_row(
        self, connection: sqlite3.Connection, key: int, path: str
    ) -> tuple[Any, ...]:
        run = self._runs.get(connection, [key])[0]
        id = self._catalog.find_ids([path]).get(path)
        row = None
        if id is not None:
            row = connection.execute(
                f"SELECT {', '.join(ATTRIBUTE_COLUMNS)} FROM attributes WHERE path = ? AND run = ?",
                (id, key),
            ).fetchone()
        if row is None:
            known = connection.execute(
                "SELECT path FROM attributes WHERE run = ? LIMIT 10000", (key,)
            ).fetchall()
            raise AttributeNotFound(
                path,
                where=f"run {run.run_id!r}",
                known=self._catalog.names([id for (id,) in known]),
            )
        return tuple(row)

    def get_value(self, key: int, path: str) -> tuple[AttributeType, Any]:
        """Return type and value of an attribute. See `Store.get_value`."""
        with self._snapshot() as connection:
            row = self._attribute_row(connection, key, path)
        type = TYPES[row[2]]
        if type.is_series and not row[4]:
            return type, None
        return type, load_value(type, row[3])

    def get_stats(self, key: int, path: str) -> SeriesStats:
        """Return what is kept of a series. See `Store.get_stats`."""
        with self._snapshot() as connection:
            row = self._attribute_row(connection, key, path)
        if not TYPES[row[2]].is_series:
            raise AttributeNotFound(path, where="the series of this run")
        from mooring.store.sqlite.aggregates import stats_of

        return stats_of(row)

    def read_stats(self, keys: Sequence[int], select: PathSelector) -> Sequence[StatsColumn]:
        """Return what is kept of many series. See `SummarisesSeries.read_stats`."""
        from mooring.store.sqlite.summaries import read_stats

        with self._snapshot() as connection:
            attributes = self._read_side.attributes
            return read_stats(connection, self._catalog, attributes, keys, select)

    def read_series(
        self, keys: Sequence[int], select: PathSelector, query: SeriesQuery
    ) -> pa.Table:
        """Return points of series. See `Store.read_series`."""
        types = [type for type in select.types or () if type.is_series]
        if len(types) != 1 or len(select.types or ()) != 1:
            raise InvalidInput("read_series reads one series type: name it in PathSelector.types")

        def read() -> pa.Table:
            with self._snapshot() as connection, no_search_for_cycles():
                return self._read_side.read_series(connection, keys, select, types[0], query)

        return self._again(read)

    def read_events(
        self,
        project: str,
        keys: Sequence[int] | None = None,
        *,
        columns: Sequence[str] | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> EventTable:
        """Return rows of a tracker's table. See `Store.read_events`."""
        if first is not None and last is not None:
            raise InvalidInput("read_events takes the first rows or the last ones, not both")

        def read() -> EventTable:
            # Without a fold: rows lie in the log as they are.
            with self._rows_snapshot() as connection:
                id = self._runs.project_id(connection, project)
                return self._read_side.events.read(
                    connection, id, keys, columns=columns, first=first, last=last
                )

        return self._again(read)

    def count_events(self, project: str, keys: Sequence[int] | None = None) -> int:
        """Return the number of rows of a tracker's table. See `Store.count_events`."""
        with self._rows_snapshot() as connection:
            id = self._runs.project_id(connection, project)
            return self._read_side.events.count(connection, id, keys)

    def list_columns(self, project: str) -> Sequence[TableColumn]:
        """Return the columns of a tracker's table. See `Store.list_columns`."""
        with self._rows_snapshot() as connection:
            id = self._runs.project_id(connection, project)
            columns = self._columns.read(connection, id)
        return [
            TableColumn(column.name, cell_types(column.kinds), label, sql_type(column.kinds))
            for column, label in zip(columns, labels(columns), strict=True)
        ]

    @contextmanager
    def _rows_snapshot(self) -> Iterator[sqlite3.Connection]:
        if not self.read_only:
            self._appender.flush()
        with self._database.read() as connection:
            yield connection

    # files

    def put_blob(self, source: BinaryIO | bytes) -> tuple[str, int]:
        """Store content. See `Store.put_blob`."""
        self._check_writable()
        return self._blobs.put(source)

    def open_blob(self, digest: str) -> BinaryIO:
        """Open content for reading. See `Store.open_blob`."""
        self._database.check_open()
        return self._blobs.open(digest)

    def refers_to(
        self,
        keys: Sequence[int] | None,
        digest: str,
        *,
        projects: tuple[str, ...] | None = None,
    ) -> bool:
        """Return whether runs have a file of this content. See `FindsFiles.refers_to`."""
        from mooring.store.sqlite import files

        def find() -> bool:
            with self._snapshot() as connection:
                inside = (
                    None if projects is None else self._queries.in_projects(connection, projects)
                )
                return files.refers_to(connection, self._read_side.series, keys, digest, inside)

        return self._again(find)

    def await_files(self, key: int, files: Sequence[AwaitedFile]) -> None:
        """Enter references to uploads. See `TakesUploads.await_files`."""
        self._uploads.expect(key, self._find_run(key).project, files)

    def give_uploads(self, key: int, uploads: Sequence[str]) -> None:
        """Give references what came before. See `TakesUploads.give_uploads`."""
        self._uploads.give(key, self._find_run(key).project, uploads)

    def enter_upload(self, project: str, path: str, upload: Upload) -> None:
        """Enter content that came. See `TakesUploads.enter_upload`."""
        self._uploads.enter(project, path, upload)

    def find_uploads(self, project: str, paths: Sequence[str]) -> Mapping[str, Upload]:
        """Return what paths stand for. See `TakesUploads.find_uploads`."""
        return self._uploads.find(project, paths)

    @property
    def _uploads(self) -> Uploads:
        from mooring.store.sqlite.uploads import Uploads

        return Uploads(self._database, self._catalog, self._fold)

    # care

    def compact(
        self,
        project: str | None = None,
        *,
        events: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> CompactionReport:
        """Seal, join and clean up. See `Store.compact`."""
        self._check_writable()
        self._fold()
        return self._again(
            lambda: self._read_side.care.compact(project, events=events, progress=progress)
        )

    def check(self, *, repair: bool = False) -> StoreCheck:
        """Look for damage. See `Store.check`."""
        if repair:
            self._check_writable()
        with self._database.read() if self.read_only else nullcontext():
            with suppress(StoreCorrupt):  # the check tells what is damaged
                self._fold()
            return self._read_side.care.check(repair=repair)

    def measure_usage(self, by: UsageBy = "project") -> DiskUsage:
        """Tell what takes how many bytes. See `MeasuresUsage.measure_usage`."""
        from mooring.store.sqlite import usage

        with self._snapshot() as connection:
            files = usage.file_point_shares(*self._file_points(connection))
            parts = usage.measure(
                connection,
                by,
                names=self._catalog.all_names(),
                paths_of=lambda shape: self._catalog.shape(shape).paths,
                file_points=files,
            )
        return DiskUsage(
            database_bytes=sum(
                usage.file_bytes(self._path.with_name(self._path.name + suffix))
                for suffix in ("", "-wal", "-shm")
            ),
            segment_bytes=usage.folder_bytes(self._data / "segments"),
            file_bytes=usage.folder_bytes(self._blobs.folder),
            parts=parts,
        )

    def _file_points(self, connection: sqlite3.Connection) -> tuple[pa.Table, dict[str, int]]:
        """Return the files of all series, and the numbers of their paths."""
        type_ = AttributeType.FILE_SERIES
        rows = connection.execute(
            "SELECT DISTINCT run, path FROM attributes WHERE type = ?", (TYPE_CODES[type_],)
        ).fetchall()
        names = self._catalog.names([path for _, path in rows])
        points = self.read_series(
            sorted({run for run, _ in rows}),
            PathSelector(types=frozenset({type_})),
            SeriesQuery(lineage=Lineage.OWN),
        )
        return points, dict(zip(names, (path for _, path in rows), strict=True))

    def close(self) -> None:
        """End all activity. Idempotent."""
        for writer in list(self._writers):
            writer.close()
        if not self.read_only:
            self._batches.close()
            self._appender.close()
        self._database.close()
        if self._temporary is not None and self._process == os.getpid():
            shutil.rmtree(self._temporary.name, ignore_errors=True)
            self._temporary.cleanup()

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
