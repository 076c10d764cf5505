"""Runs that come in whole: files first, then one transaction that enters all of it.

What a SIGKILL leaves behind: before the commit, segments that belong to nothing, which
`check(repair=True)` removes, numbers of paths, and where the run has rows of a table its project
and their columns, without cells; after it, the run.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa

from mooring.errors import (
    InvalidInput,
    InvalidPath,
    InvalidStep,
    InvalidValue,
    SourceUnreadable,
    StoreClosed,
    StoreCorrupt,
    TypeConflict,
)
from mooring.model import (
    MAX_STEP,
    MAX_TIME,
    MIN_TIME,
    STEP_SCALE,
    AttributeType,
    RunInfo,
    RunSpec,
    Typed,
    Value,
    validate_path,
)
from mooring.store.blobs import file_error, sync_file, sync_folder
from mooring.store.cells import dumps
from mooring.store.sqlite import aggregates as row_of
from mooring.store.sqlite import experiments, receipts
from mooring.store.sqlite.aggregates import AttributeRow, combine, series_row
from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.codec import column_value, store_value
from mooring.store.sqlite.columns import TableColumns, cell_kind
from mooring.store.sqlite.database import Database, overtake
from mooring.store.sqlite.fold import REPLACE_ATTRIBUTE, read_rows
from mooring.store.sqlite.holders import ACTIVE, INACTIVE
from mooring.store.sqlite.runs import RunTable
from mooring.store.sqlite.schema import LOG_EVENT, LOG_PREVIEW, TYPE_CODES
from mooring.store.sqlite.sealed_tables import SEQUENCE, STEP, TIMESTAMP
from mooring.store.sqlite.sealing import Entry, Sealer, Written
from mooring.store.sqlite.segments import (
    SegmentFolder,
    WrittenSegment,
    group_rows,
    object_array,
    value_column,
)
from mooring.store.sqlite.series import Key, Series, SeriesReader, join
from mooring.store.tables import to_cells
from mooring.store.transfer import SealedSeries
from mooring.store.values import value_type

_BUFFERED_POINTS = 1_000_000
"""Points that are held back so that series of several types share a segment."""

_OF_THE_STORE = frozenset({"sys/id", "sys/custom_run_id", "sys/trashed"})
"""What the run has been given at its creation, whatever its values tell."""
_OF_THE_LINEAGE = frozenset(
    {"sys/family", "sys/forking/depth", "sys/forking/parent", "sys/forking/step"}
)
_OF_EXPERIMENTS = frozenset({"sys/experiment/name", "sys/experiment/is_head"})

_MAX_MICROS = MAX_STEP * STEP_SCALE


class SqliteRunImport:
    """The `RunImport` of a SQLite store."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        columns: TableColumns,
        runs: RunTable,
        reader: SeriesReader,
        segments: SegmentFolder,
        sealer: Sealer,
        spec: RunSpec,
        request: str | None,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._columns = columns
        self._runs = runs
        self._reader = reader
        self._segments = segments
        self._sealer = sealer
        self._spec = spec
        self._request = request
        self._values: dict[str, tuple[AttributeType, Any]] = {}
        self._types: dict[str, AttributeType] = {}
        self._pending: list[Series] = []
        self._pending_points = 0
        self._written: list[Written] = []
        self._aggregates: dict[tuple[int, AttributeType], AttributeRow] = {}
        self._points = 0
        self._last_step: int | None = None
        self._last_time: int | None = None
        self._log: list[tuple[int, int | None, int, bytes | str]] = []
        self._kinds: dict[int, int] = {}
        self._erased: list[str] = []
        self._done = False
        self._syncing: ThreadPoolExecutor | None = None
        self._synced: list[Future[None]] = []

    # what comes in

    def set_values(self, values: Mapping[str, Value | Typed]) -> None:
        """Set attributes that hold a single value. See `RunImport.set_values`."""
        self._check_open()
        for path, value in values.items():
            validate_path(path)
            if isinstance(value, Typed):
                type, plain = value.type, value.value
                if type.is_series:
                    raise InvalidValue(f"attribute {path!r}: a {type} holds no single value")
            else:
                type, plain = value_type(path, value), value
            self._set_type(path, type)
            self._values[path] = (type, column_value(type, store_value(path, type, plain)))

    def write_points(self, type: AttributeType, points: pa.Table) -> int:
        """Add points of series. See `RunImport.write_points`."""
        self._check_open()
        if not type.is_series:
            raise InvalidValue(f"{type} is no type of a series")
        for series in self._series(type, points):
            self._add(series)
            self._pending.append(series)
            self._pending_points += len(series.steps)
        if self._pending_points >= _BUFFERED_POINTS:
            self._flush()
        return int(points.num_rows)

    def attach(self, file: Path, series: Sequence[SealedSeries], *, digest: str, how: str) -> int:
        """Take a Parquet file as it is. See `RunImport.attach`."""
        self._check_open()
        if how not in ("copy", "link", "refer"):
            raise InvalidInput(f"attach(how={how!r}); write 'copy', 'link' or 'refer'")
        for one in series:
            if one.type is AttributeType.FILE_SERIES:
                raise InvalidInput(f"{one.path!r}: files are not attached, but written as points")
            self._check_series_path(one.path, one.type)
        name = f"points-{uuid.uuid4().hex}.parquet"
        target = self._segments.path_of(name)
        self._place(file, target, how)
        points = sum(one.count for one in series)
        written = WrittenSegment(name, points, target.stat().st_size, digest)
        before = (dict(self._aggregates), self._points, self._last_step, self._last_time)
        try:
            entries = list(self._read_attached(name, file, series))
        except BaseException as error:
            self._sealer.drop([(written, [])])
            self._aggregates, self._points, self._last_step, self._last_time = before
            if isinstance(error, StoreCorrupt):
                raise SourceUnreadable(
                    f"{file} cannot be read ({error})", where=str(file)
                ) from error
            raise
        self._written.append((written, entries))
        if how != "refer":
            self._sync(target)
        return points

    def write_rows(self, rows: pa.Table) -> int:
        """Add rows of a tracker's table. See `RunImport.write_rows`."""
        self._check_open()
        own = {SEQUENCE, STEP, TIMESTAMP}
        names = [name for name in rows.column_names if name not in own]
        for name in names:
            validate_path(_cell_name(name))
        ids = self._catalog.intern([_cell_name(name) for name in names])
        records: list[dict[str, Any]] = [{} for _ in range(rows.num_rows)]
        for name, id in zip(names, ids, strict=True):
            text = str(id)
            kinds = self._kinds.get(id, 0)
            for record, cell in zip(
                records, to_cells(rows.schema.field(name), rows[name]), strict=True
            ):
                if cell is not None:
                    record[text] = cell
                    kinds |= cell_kind(cell)
            self._kinds[id] = kinds
        steps = rows[STEP].to_pylist()
        times = rows[TIMESTAMP].cast(pa.int64()).to_pylist()
        for step, time, record in zip(steps, times, records, strict=True):
            self._log.append((LOG_EVENT, step, time, dumps(record).decode()))
        return int(rows.num_rows)

    def write_previews(self, points: pa.Table) -> int:
        """Add provisional points. See `RunImport.write_previews`."""
        self._check_open()
        paths = points["path"].to_pylist()
        for path in set(paths):
            self._check_series_path(path, AttributeType.FLOAT_SERIES)
        ids = dict(zip(paths, self._catalog.intern(paths), strict=True))
        for path, step, time, value, completion in zip(
            paths,
            *(points[name].to_pylist() for name in ("step", "time", "value", "completion")),
            strict=True,
        ):
            cell = value if np.isfinite(value) else ["n", _special(value)]
            record = {"c": completion, "v": {str(ids[path]): cell}}
            self._log.append((LOG_PREVIEW, step, time, dumps(record)))
        return int(points.num_rows)

    def do_not_inherit(self, paths: Sequence[str]) -> None:
        """Name what a fork deleted. See `RunImport.do_not_inherit`."""
        self._check_open()
        self._erased += [validate_path(path) for path in paths]

    # commit

    def commit(self) -> RunInfo:
        """Enter the run. See `RunImport.commit`."""
        self._check_open()
        self._flush()
        if self._log and self._kinds:
            self._declare_columns()
        ids = self._catalog.intern([*self._values, *self._erased])
        paths = dict(zip([*self._values, *self._erased], ids, strict=True))
        self._wait_for_disk()
        spec = replace(self._spec, name=None)
        with self._database.write() as connection:
            before = self._find_before(connection)
            if before is not None:
                self.abort()
                return before
            run = self._runs.insert(connection, spec, self._reader)
            receipts.enter_answer(connection, self._request, run.key)
            for path in self._erased:
                connection.execute(
                    "DELETE FROM attributes WHERE path = ? AND run = ?", (paths[path], run.key)
                )
                connection.execute(
                    "INSERT OR REPLACE INTO erased VALUES (?, ?, 0)", (run.key, paths[path])
                )
            self._enter_values(connection, run, paths)
            self._enter_points(connection, run)
            if self._log:
                self._keep_last_time(connection, run)
                connection.executemany(
                    "INSERT INTO log (run, kind, step, time, shape, data) "
                    "VALUES (?, ?, ?, ?, NULL, ?)",
                    [(run.key, *row) for row in self._log],
                )
        self._done = True
        return self._runs_info(run)

    def _find_before(self, connection: sqlite3.Connection) -> RunInfo | None:
        """Return the run that an earlier import of this name has entered."""
        key = None if self._request is None else receipts.find_answer(connection, self._request)
        if key is None:
            return None
        run = self._runs.get(connection, [key])[0]
        if (run.project, run.run_id) != (self._spec.project, self._spec.run_id):
            raise InvalidInput(f"request {self._request!r} was another one; give each its own name")
        return run

    def _runs_info(self, run: RunInfo) -> RunInfo:
        with self._database.read() as connection:
            return self._runs.get(connection, [run.key])[0]

    def _declare_columns(self) -> None:
        with self._database.write() as connection:
            project = self._runs.add_project(connection, self._spec.project, ensure=True)
        self._columns.declare(project, self._kinds)
        self._columns.finish()

    def _enter_values(
        self, connection: sqlite3.Connection, run: RunInfo, paths: Mapping[str, int]
    ) -> None:
        kept = _OF_THE_STORE | _OF_EXPERIMENTS
        if run.parent is not None:
            kept |= _OF_THE_LINEAGE
        rows = []
        for path, (type, value) in self._values.items():
            if path in kept:
                continue
            if path == "sys/state" and value == ACTIVE:
                value = INACTIVE  # nobody writes to it here
            if path == "sys/running_time_seconds" and type is AttributeType.INT:
                type, value = AttributeType.FLOAT, float(value)
            rows.append(row_of.value_row(paths[path], run.key, type, value))
        connection.executemany(REPLACE_ATTRIBUTE, rows)
        name = self._values.get("sys/name", (None, self._spec.name))[1]
        if name is not None:
            self._enter_name(connection, run, str(name))
        if self._values.get("sys/trashed", (None, False))[1]:
            self._runs.trash(connection, [run.key], True)

    def _enter_name(self, connection: sqlite3.Connection, run: RunInfo, name: str) -> None:
        if "sys/name" not in self._values:
            self._runs.set_system(connection, run.key, {"sys/name": (AttributeType.STRING, name)})
        title = self._values.get("sys/experiment/name", (None, name))[1]
        is_head = self._values.get("sys/experiment/is_head", (None, True))[1]
        if is_head:
            experiments.enter(connection, self._catalog, run.key, str(title))
        else:
            self._runs.set_system(
                connection,
                run.key,
                {
                    "sys/experiment/name": (AttributeType.STRING, title),
                    "sys/experiment/is_head": (AttributeType.BOOL, 0),
                },
            )

    def _enter_points(self, connection: sqlite3.Connection, run: RunInfo) -> None:
        if not self._written:
            return
        written = [
            (segment, [(run.key, *entry[1:]) for entry in entries])
            for segment, entries in self._written
        ]
        self._sealer.enter(connection, written, {})
        rows = {
            (run.key, path): (path, run.key, *row[2:])
            for (path, _), row in self._aggregates.items()
        }
        if run.parent is not None:
            rows = self._with_inherited(connection, rows)
        connection.executemany(REPLACE_ATTRIBUTE, rows.values())
        last_step, last_time = self._last_step, self._last_time
        connection.execute(
            "INSERT INTO run_state VALUES (?, ?, ?, ?, 0) ON CONFLICT (run) DO UPDATE SET "
            "last_step = max(coalesce(last_step, excluded.last_step), excluded.last_step), "
            "last_time = excluded.last_time, points = excluded.points",
            (run.key, last_step, last_time, self._points),
        )
        overtake(connection)

    def _keep_last_time(self, connection: sqlite3.Connection, run: RunInfo) -> None:
        """Have the fold of the rows take the run's last update for what it was."""
        _, micros = self._values.get("sys/modification_time", (None, None))
        if micros is not None:
            connection.execute(
                "INSERT INTO run_state VALUES (?, NULL, ?, 0, 0) ON CONFLICT (run) DO UPDATE SET "
                "last_time = max(coalesce(last_time, excluded.last_time), excluded.last_time)",
                (run.key, micros),
            )

    def _with_inherited(
        self, connection: sqlite3.Connection, own: dict[Key, AttributeRow]
    ) -> dict[Key, AttributeRow]:
        """Combine own aggregates, which start at the fork, with those that were inherited."""
        result: dict[Key, AttributeRow] = {}
        again: dict[AttributeType, list[int]] = {}
        run = next(iter(own), (0, 0))[0]
        known = {
            row[row_of.PATH]: row
            for row in read_rows(connection, run, sorted(path for _, path in own))
        }
        types = dict(self._aggregates.keys())
        for key, row in own.items():
            old = known.get(key[1])
            if old is None or old[row_of.TYPE] != row[row_of.TYPE] or not old[row_of.COUNT]:
                result[key] = row
            elif not row[row_of.COUNT]:
                pass  # the lineage hides all of its own points
            elif row[row_of.FIRST_STEP] > old[row_of.LAST_STEP]:
                result[key] = combine(old, row)
            else:
                again.setdefault(types[key[1]], []).append(key[1])
        for type, paths in again.items():
            found = self._reader.read(connection, [run], sorted(paths), type)
            result.update({key: series_row(series) for key, series in found.items()})
        return result

    # points

    def _series(self, type: AttributeType, points: pa.Table) -> Iterator[Series]:
        missing = {"path", "step", "time", "value"} - set(points.column_names)
        if missing:
            raise InvalidInput(f"points lack the column {sorted(missing)[0]!r}")
        for name in ("path", "step", "time"):
            if points[name].null_count:
                raise InvalidInput(f"points have no {name} in {points[name].null_count} rows")
        steps, times = (points[name].cast(pa.int64()).to_numpy() for name in ("step", "time"))
        values = _values(type, points["value"])
        groups = group_rows(points["path"])
        for path in groups:
            self._check_series_path(path, type)
        ids = dict(zip(groups, self._catalog.intern(list(groups)), strict=True))
        for path, rows in groups.items():
            # Rows that lie together are a view, not a copy.
            part: Any = rows
            if rows[-1] - rows[0] + 1 == len(rows):
                part = slice(int(rows[0]), int(rows[-1]) + 1)
            yield join([Series(0, ids[path], type, steps[part], times[part], values[part])], 0)

    def _read_attached(
        self, name: str, file: Path, series: Sequence[SealedSeries]
    ) -> Iterator[Entry]:
        by_type: dict[AttributeType, list[SealedSeries]] = {}
        for one in series:
            by_type.setdefault(one.type, []).append(one)
        ids = dict(
            zip(
                [one.path for one in series],
                self._catalog.intern([one.path for one in series]),
                strict=True,
            )
        )
        segment = self._segments.open(name)
        for type, members in by_type.items():
            if self._spec.parent is None and all(one.stats is not None for one in members):
                yield from self._take_stats(file, members, ids)
                continue
            scattered = any(one.count != one.span for one in members)
            columns = ["step", "timestamp", "timestamp_us", value_column(type)]
            read = segment.read(
                [*columns, "attribute_path"] if scattered else columns,
                [(one.first_row, one.span) for one in members],
            )
            steps, times, values = read.steps(), read.times(), read.values(type)
            for one, at in zip(members, read.starts, strict=True):
                part: Any = slice(at, at + one.count)
                if one.count != one.span:
                    part = read.rows_of(one.path, at, one.span)
                found = Series(0, ids[one.path], type, steps[part], times[part], values[part])
                if (
                    len(found.steps) != one.count
                    or not bool(np.all(found.steps[1:] > found.steps[:-1]))
                    or (found.values.dtype == object and any(v is None for v in found.values))
                ):
                    raise SourceUnreadable(
                        f"{file}: the points of {one.path!r} are not {one.count} by ascending step",
                        where=str(file),
                        attribute=one.path,
                    )
                self._add(found)
                yield (
                    0,
                    found.path,
                    TYPE_CODES[type],
                    one.first_row,
                    one.count,
                    int(found.steps[0]),
                    int(found.steps[-1]),
                    None if one.count == one.span else one.span,
                )

    def _take_stats(
        self, file: Path, members: Sequence[SealedSeries], ids: Mapping[str, int]
    ) -> Iterator[Entry]:
        """Take series whose aggregates are known; their values are not read."""
        for one in members:
            stats = one.stats
            assert stats is not None
            if stats.count != one.count or one.type is not AttributeType.FLOAT_SERIES:
                raise SourceUnreadable(
                    f"{file}: the aggregates of {one.path!r} are not those of its points",
                    where=str(file),
                    attribute=one.path,
                )
            row = row_of.row_of_stats(ids[one.path], 0, stats)
            self._count(ids[one.path], one.type, row, stats.last_time, stats.last_time)
            span = None if one.count == one.span else one.span
            steps = (stats.first_step, stats.last_step)
            yield (0, ids[one.path], TYPE_CODES[one.type], one.first_row, one.count, *steps, span)

    def _add(self, series: Series) -> None:
        """Count the points of a series in what is kept of it."""
        visible = series
        if self._spec.parent is not None:
            visible = series.between(self._spec.fork_step, None)
        row = (
            series_row(visible)
            if len(visible.steps)
            else row_of.empty_row(series.path, 0, series.type)
        )
        times = (int(series.times.min()), int(series.times.max()))
        steps = (int(series.steps[0]), int(series.steps[-1]))
        self._count(series.path, series.type, row, *times, len(series.steps), steps)

    def _count(
        self,
        path: int,
        type: AttributeType,
        row: AttributeRow,
        first_time: int,
        last_time: int,
        count: int | None = None,
        steps: tuple[int, int] | None = None,
    ) -> None:
        first, last = steps or (row[row_of.FIRST_STEP], row[row_of.LAST_STEP])
        name = self._catalog.name(path)
        if first < -_MAX_MICROS or last > _MAX_MICROS:
            raise InvalidStep(f"attribute {name!r}: a step is beyond ±10^12")
        if first_time < MIN_TIME or last_time > MAX_TIME:
            raise InvalidValue(f"attribute {name!r}: a time is not within the years 1 to 9999")
        if (path, type) in self._aggregates:
            raise InvalidInput(f"attribute {name!r} comes in twice")
        self._points += row[row_of.COUNT] if count is None else count
        self._last_step = last if self._last_step is None else max(last, self._last_step)
        self._last_time = last_time if self._last_time is None else max(last_time, self._last_time)
        self._aggregates[path, type] = row

    def _check_series_path(self, path: object, type: AttributeType) -> None:
        checked = validate_path(path)
        if checked.startswith("sys/"):
            raise InvalidPath(f"{checked!r}: what lies below sys/ is no series")
        self._set_type(checked, type)

    def _set_type(self, path: str, type: AttributeType) -> None:
        known = self._types.setdefault(path, type)
        if known is not type:
            raise TypeConflict(path, expected=str(known), got=str(type))

    def _flush(self) -> None:
        if not self._pending:
            return
        self._check_folder()
        names = {0: (self._spec.project, self._spec.run_id or "")}
        self._written.append(self._sealer.write_series(names, self._pending))
        self._pending, self._pending_points = [], 0

    def _check_folder(self) -> None:
        if not self._segments.folder.is_dir():
            with self._database.read() as connection:
                self._segments.refuse_new_folder(connection)

    def _place(self, file: Path, target: Path, how: str) -> None:
        self._check_folder()
        temporary = target.with_name(f".tmp-{target.name}")
        place: Callable[[Path, Path], object] = _PLACES[how]
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            place(file, temporary)
            temporary.replace(target)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise file_error(error, target.parent) from error

    def _sync(self, path: Path) -> None:
        """Begin to force a file to the disk; `commit` waits for it."""
        if self._syncing is None:
            self._syncing = ThreadPoolExecutor(2, thread_name_prefix="mooring-sync")
        self._synced.append(self._syncing.submit(sync_file, path))

    def _wait_for_disk(self) -> None:
        if self._syncing is None:
            return
        self._syncing.shutdown()
        self._syncing = None
        try:
            for future in self._synced:
                future.result()
        except OSError as error:
            raise file_error(error, self._segments.folder) from error
        sync_folder(self._segments.folder)

    # ending

    def _check_open(self) -> None:
        if self._done:
            raise StoreClosed("this import is finished; begin another one")

    def abort(self) -> None:
        """Drop what was written. Idempotent; does nothing after `commit`."""
        if not self._done:
            self._done = True
            if self._syncing is not None:
                self._syncing.shutdown()
            self._sealer.drop(self._written)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.abort()


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as reading, target.open("wb") as writing:
        shutil.copyfileobj(reading, writing, 4 << 20)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        with suppress(FileNotFoundError):
            target.unlink()
        _copy(source, target)


def _refer(source: Path, target: Path) -> None:
    target.symlink_to(source.resolve())


_PLACES: dict[str, Callable[[Path, Path], object]] = {
    "copy": _copy,
    "link": _link,
    "refer": _refer,
}


def _values(type: AttributeType, column: pa.ChunkedArray) -> np.ndarray:
    """Return values as the reader of series has them: doubles, or JSON cells."""
    if type is AttributeType.FLOAT_SERIES:
        if not pa.types.is_floating(column.type) and not pa.types.is_integer(column.type):
            raise InvalidValue(f"values of a float series are numbers, not {column.type}")
        numbers: np.ndarray = column.cast(pa.float64()).to_numpy()
        return numbers
    if column.null_count:
        raise InvalidInput(f"{column.null_count} points of a {type} have no value")
    if type is AttributeType.STRING_SERIES:
        return object_array(column.to_pylist())
    if type is AttributeType.HISTOGRAM_SERIES:
        return object_array([["h", v["edges"], v["values"], v["kind"]] for v in column.to_pylist()])
    return object_array(
        [["f", v["digest"], v["size_bytes"], v["mime_type"], v["name"]] for v in column.to_pylist()]
    )


def _special(value: float) -> str:
    return "nan" if value != value else "inf" if value > 0 else "-inf"


def _cell_name(name: str) -> str:
    return name.removeprefix("mooring:cell:")
