"""The fold: attributes and aggregates, derived from the log up to a watermark.

A fold reads rows of the log after the watermark, computes what they change without any lock,
and enters the result together with the new watermark in one short transaction; when another
process was faster its result stands and this one is computed again. A process killed at any
instant has entered all of a batch or nothing.

Sums of squares and other running aggregates are extended where new points come after all old
ones, which is the rule; a series with points out of order, repeated steps or changes in its
lineage is computed from all its points.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter

from mooring.model import STEP_SCALE, AttributeType
from mooring.store.cells import decode_cell, loads
from mooring.store.contract import Lineage
from mooring.store.sqlite import aggregates as row_of
from mooring.store.sqlite import experiments
from mooring.store.sqlite.aggregates import AttributeRow
from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.codec import column_value, encode_set
from mooring.store.sqlite.columns import TableColumns
from mooring.store.sqlite.cycles import no_search_for_cycles
from mooring.store.sqlite.database import Database, fold_state
from mooring.store.sqlite.schema import (
    ATTRIBUTE_COLUMNS,
    LOG_ASSIGN,
    LOG_CHANGE_SET,
    LOG_DELETE,
    LOG_EVENT,
    LOG_MARK,
    LOG_POINTS,
    LOG_PREVIEW,
    TYPE_CODES,
    TYPES,
)
from mooring.store.sqlite.series import Key, LogRow, Series, SeriesReader, decode_log, join

_MAX_ROWS = 50_000
_MAX_BYTES = 32 << 20
_FLOAT_SERIES = TYPE_CODES[AttributeType.FLOAT_SERIES]

REPLACE_ATTRIBUTE = (
    f"INSERT OR REPLACE INTO attributes ({', '.join(ATTRIBUTE_COLUMNS)}) "
    f"VALUES ({', '.join('?' * len(ATTRIBUTE_COLUMNS))})"
)


@dataclass(slots=True)
class _RunBatch:
    """New rows of one run, sorted by what they are."""

    points: list[LogRow] = field(default_factory=list)
    assigns: list[tuple[int, int, bytes]] = field(default_factory=list)
    previews: list[tuple[int, int, bytes]] = field(default_factory=list)
    index: list[tuple[int, int, int | None]] = field(default_factory=list)
    last_step: int | None = None
    last_time: int | None = None
    has_events: bool = False


@dataclass(slots=True)
class _Changes:
    """What a fold enters."""

    watermark: int
    attributes: dict[Key, AttributeRow] = field(default_factory=dict)
    index: list[tuple[int, int, int | None]] = field(default_factory=list)
    states: list[tuple[int, int | None, int | None, int, int]] = field(default_factory=list)
    previews: list[tuple[int, int, int, int, float | None, float]] = field(default_factory=list)
    conflicts: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    deletes: list[tuple[int, int, int]] = field(default_factory=list)
    assigned: Collection[Key] = ()


Folded = Callable[[int, int, Iterable[int], Collection[int] | None], None]
"""Is told from and up to which row of the log a fold went, and which paths and runs it touched.

Runs are None where others may be touched too.
"""


class Fold:
    """Keeps the derived tables of a store current."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        columns: TableColumns,
        reader: SeriesReader,
        folded: Folded,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._columns = columns
        self._reader = reader
        self._folded = folded
        self._name = catalog.system("sys/name")

    def run(self) -> None:
        """Fold all that is in the log at this time."""
        database = self._database
        with database.read() as connection, no_search_for_cycles():
            target = _last_row(connection)
            if database.read_only:
                # In one snapshot, which the caller shares: what it shows cannot change meanwhile.
                while _watermark(connection) < target:
                    database.prepare_overlay(connection)
                    _, changes = self._compute(connection)
                    self._enter(connection, changes)
                return
        # Not until the log is empty: that could be never, while others write.
        while True:
            with no_search_for_cycles():
                with database.read() as connection:
                    if _watermark(connection) >= target:
                        return
                    before, changes = self._compute(connection)
                with database.fold_target(before) as connection_to_write:
                    if connection_to_write is not None:
                        self._enter(connection_to_write, changes)
                if connection_to_write is not None:
                    touched = self._touched(changes)
                    self._folded(before[0], changes.watermark, *touched)

    # computing

    def _compute(self, connection: sqlite3.Connection) -> tuple[tuple[int, int], _Changes]:
        before = fold_state(connection)
        changes = _Changes(before[0])
        batches = self._take(connection, before[0], changes)
        pieces: dict[Key, list[Series]] = {}
        for run, batch in batches.items():
            columns = partial(self._columns.of_runs, connection, [run])
            for series in decode_log(self._catalog, run, batch.points, None, {}, columns):
                pieces.setdefault((run, series.path), []).append(series)
        existing = self._existing(connection, batches, pieces)
        accepted = self._settle_types(batches, pieces, existing, changes)
        self._aggregate(
            connection, batches, accepted, existing, changes.attributes, changes.assigned
        )
        for run, batch in batches.items():
            self._assign(run, batch, existing, accepted, changes)
            self._previews(run, batch, existing, changes)
            self._state(connection, run, batch, changes)
        return before, changes

    def _take(
        self, connection: sqlite3.Connection, watermark: int, changes: _Changes
    ) -> dict[int, _RunBatch]:
        batches: dict[int, _RunBatch] = {}
        rows = size = 0
        for seq, run, kind, step, time, shape, data in connection.execute(
            "SELECT seq, run, kind, step, time, shape, data FROM log WHERE seq > ? ORDER BY seq",
            (watermark,),
        ):
            if kind == LOG_DELETE and rows:
                break
            rows += 1
            size += len(data or b"")
            changes.watermark = seq
            if kind == LOG_MARK:
                continue
            batch = batches.get(run)
            if batch is None:
                if not connection.execute("SELECT 1 FROM runs WHERE id = ?", (run,)).fetchone():
                    continue  # written by a process that did not know yet that the run is deleted
                batch = batches[run] = _RunBatch(last_step=self._last_step(connection, run))
            if kind in (LOG_POINTS, LOG_EVENT, LOG_PREVIEW):
                if step is None:
                    last = batch.last_step
                    step = 0 if last is None else (last // STEP_SCALE + 1) * STEP_SCALE
                if kind == LOG_PREVIEW:
                    batch.previews.append((step, time, data))
                else:
                    if batch.last_step is None or step > batch.last_step:
                        batch.last_step = step
                    batch.points.append((seq, step, time, kind, shape, data))
                    batch.has_events |= kind == LOG_EVENT
            elif kind == LOG_DELETE:
                changes.deletes.append((run, next(map(int, loads(data))), seq))
            else:
                batch.assigns.append((seq, kind, data))
            batch.index.append((run, seq, step))
            if time is not None and (batch.last_time is None or time > batch.last_time):
                batch.last_time = time
            if rows >= _MAX_ROWS or size >= _MAX_BYTES or kind == LOG_DELETE:
                break
        return batches

    @staticmethod
    def _last_step(connection: sqlite3.Connection, run: int) -> int | None:
        row = connection.execute("SELECT last_step FROM run_state WHERE run = ?", (run,)).fetchone()
        return row[0] if row else None

    def _existing(
        self,
        connection: sqlite3.Connection,
        batches: dict[int, _RunBatch],
        pieces: dict[Key, list[Series]],
    ) -> dict[Key, AttributeRow]:
        """Return the present rows of all attributes that the batch touches."""
        touched: dict[int, set[int]] = {run: set() for run in batches}
        for run, path in pieces:
            touched[run].add(path)
        for run, batch in batches.items():
            for _, _, data in batch.assigns:
                touched[run].update(map(int, loads(data)))
            for _, _, data in batch.previews:
                touched[run].update(map(int, loads(data)["v"]))
        existing: dict[Key, AttributeRow] = {}
        for run, paths in touched.items():
            for row in read_rows(connection, run, sorted(paths)):
                existing[run, row[row_of.PATH]] = row
        return existing

    def _settle_types(
        self,
        batches: dict[int, _RunBatch],
        pieces: dict[Key, list[Series]],
        existing: dict[Key, AttributeRow],
        changes: _Changes,
    ) -> dict[Key, Series]:
        """Return the pieces that agree with the type of their attribute; note the others.

        The type is that of the first update in the log.
        """
        assigned: dict[Key, tuple[int, int]] = {}
        for run, batch in batches.items():
            for seq, kind, data in batch.assigns:
                for id, cell in loads(data).items():
                    code = (
                        TYPE_CODES[AttributeType(cell[0])]
                        if kind == LOG_ASSIGN
                        else TYPE_CODES[AttributeType.STRING_SET]
                    )
                    assigned.setdefault((run, int(id)), (seq, code))
        changes.assigned = assigned.keys()
        accepted: dict[Key, Series] = {}
        for key, found in pieces.items():
            if key in existing:
                code = existing[key][row_of.TYPE]
            else:
                candidates = [(s.first_seq, TYPE_CODES[s.type]) for s in found]
                if key in assigned:
                    candidates.append(assigned[key])
                code = min(candidates)[1]
            for series in found:
                if TYPE_CODES[series.type] == code:
                    accepted[key] = series
                elif TYPES[code].is_series or not batches[key[0]].has_events:
                    changes.conflicts.append(
                        (*key, code, TYPE_CODES[series.type], len(series.steps))
                    )
        return accepted

    def _aggregate(
        self,
        connection: sqlite3.Connection,
        runs: Iterable[int],
        accepted: dict[Key, Series],
        existing: dict[Key, AttributeRow],
        into: dict[Key, AttributeRow],
        assigned: Collection[Key] = (),
    ) -> None:
        """Compute the rows of all series that new points of these runs change.

        A fork that is `assigned` a value in the same batch does not inherit a series there.
        """
        forks = {
            run: connection.execute(
                "SELECT fork_step FROM runs WHERE id = ? AND parent IS NOT NULL", (run,)
            ).fetchone()
            for run in runs
        }
        dirty: dict[AttributeType, set[Key]] = {}
        for key, piece in accepted.items():
            series = join([piece], key[0])
            if fork := forks[key[0]]:
                series = series.between(fork[0], None)
            old = existing.get(key)
            if not len(series.steps):
                # The lineage hides all of it, and still it is what the path is in this run.
                if old is None:
                    into[key] = row_of.empty_row(key[1], key[0], series.type)
            elif old is None or not old[row_of.COUNT]:
                into[key] = row_of.series_row(series)
            elif series.steps[0] > old[row_of.LAST_STEP]:
                into[key] = row_of.combine(old, row_of.series_row(series))
            else:
                dirty.setdefault(series.type, set()).add(key)
        for run in forks:
            for child, cut in self._descendants(connection, run):
                for (source, path), piece in accepted.items():
                    key = (child, path)
                    taken = key in assigned and key not in existing and key not in accepted
                    if source == run and not taken and piece.steps.min() <= cut:
                        dirty.setdefault(piece.type, set()).add(key)
        pending = {key: [piece] for key, piece in accepted.items()}
        for type, keys in dirty.items():
            self._recompute(connection, keys, type, pending, into)

    def add_points(
        self,
        connection: sqlite3.Connection,
        run: int,
        series: Sequence[Series],
        points: int,
        last_step: int,
        last_time: int,
    ) -> None:
        """Enter the aggregates of points that are about to become a segment of a run."""
        accepted = {(run, piece.path): piece for piece in series}
        existing = {
            (run, row[row_of.PATH]): row
            for row in read_rows(connection, run, sorted(piece.path for piece in series))
        }
        rows: dict[Key, AttributeRow] = {}
        self._aggregate(connection, [run], accepted, existing, rows)
        connection.executemany(REPLACE_ATTRIBUTE, rows.values())
        self._override_previews(connection, rows.values())
        connection.execute(
            "INSERT INTO run_state VALUES (?, ?, ?, ?, 0) ON CONFLICT (run) DO UPDATE SET "
            "last_step = max(coalesce(last_step, excluded.last_step), excluded.last_step), "
            "last_time = max(coalesce(last_time, excluded.last_time), excluded.last_time), "
            "points = points + excluded.points",
            (run, last_step, last_time, points),
        )

    def recompute(self, connection: sqlite3.Connection, key: Key, type: AttributeType) -> bool:
        """Compute the row of one series anew from all its points; return whether it has any."""
        run, path = key
        # Points are read of known series only.
        connection.execute(
            "INSERT OR IGNORE INTO attributes (path, run, type, count) VALUES (?, ?, ?, 0)",
            (path, run, TYPE_CODES[type]),
        )
        found = self._replace(connection, run, path, type)
        self._recompute_heirs(connection, run, path, type)
        return found

    def _recompute_heirs(
        self, connection: sqlite3.Connection, run: int, path: int, type: AttributeType
    ) -> None:
        for child, _ in list(self._descendants(connection, run)):
            self._replace(connection, child, path, type)

    def _replace(
        self, connection: sqlite3.Connection, run: int, path: int, type: AttributeType
    ) -> bool:
        """Enter what a series is now, or remove its row when it has no points left."""
        left: dict[Key, AttributeRow] = {}
        self._recompute(connection, {(run, path)}, type, {}, left)
        if left:
            connection.executemany(REPLACE_ATTRIBUTE, left.values())
        elif self._reader.read(connection, [run], [path], type, lineage=Lineage.OWN):
            connection.execute(REPLACE_ATTRIBUTE, row_of.empty_row(path, run, type))
        else:
            connection.execute(
                "DELETE FROM attributes WHERE path = ? AND run = ? AND type = ?",
                (path, run, TYPE_CODES[type]),
            )
        return bool(left)

    def _recompute(
        self,
        connection: sqlite3.Connection,
        keys: set[Key],
        type: AttributeType,
        pending: dict[Key, list[Series]],
        into: dict[Key, AttributeRow],
    ) -> None:
        by_run: dict[int, list[int]] = {}
        for run, path in keys:
            by_run.setdefault(run, []).append(path)
        for run, paths in by_run.items():
            known = {row[row_of.PATH]: row for row in read_rows(connection, run, sorted(paths))}
            series = self._reader.read(connection, [run], sorted(paths), type, pending=pending)
            for path in paths:
                if path in known and known[path][row_of.TYPE] != TYPE_CODES[type]:
                    continue
                if found := series.get((run, path)):
                    into[run, path] = row_of.series_row(found)

    def _descendants(
        self, connection: sqlite3.Connection, run: int, cut: int | None = None
    ) -> Iterable[tuple[int, int]]:
        """Yield each run that inherits from `run`, and up to which step."""
        for child, step in connection.execute(
            "SELECT id, fork_step FROM runs WHERE parent = ?", (run,)
        ).fetchall():
            limit = step if cut is None else min(step, cut)
            yield child, limit
            yield from self._descendants(connection, child, limit)

    def _assign(
        self,
        run: int,
        batch: _RunBatch,
        existing: dict[Key, AttributeRow],
        accepted: dict[Key, Series],
        changes: _Changes,
    ) -> None:
        for _, kind, data in batch.assigns:
            for id, cell in loads(data).items():
                key = (run, int(id))
                old = changes.attributes.get(key) or existing.get(key)
                if kind == LOG_CHANGE_SET:
                    type = AttributeType.STRING_SET
                    texts = set(loads(old[row_of.VALUE])) if old and _is(old, type) else set()
                    value: object = encode_set((texts | set(cell[0])) - set(cell[1]))
                else:
                    type = AttributeType(cell[0])
                    value = column_value(type, cell[1])
                    if type is AttributeType.INT and old and _is(old, AttributeType.FLOAT):
                        type, value = AttributeType.FLOAT, float(cell[1])
                if (old and not _is(old, type)) or key in accepted:
                    expected = old[row_of.TYPE] if old else TYPE_CODES[accepted[key].type]
                    changes.conflicts.append((*key, expected, TYPE_CODES[type], 1))
                    continue
                changes.attributes[key] = row_of.value_row(key[1], run, type, value)

    def _previews(
        self,
        run: int,
        batch: _RunBatch,
        existing: dict[Key, AttributeRow],
        changes: _Changes,
    ) -> None:
        for step, time, data in batch.previews:
            record = loads(data)
            for id, cell in record["v"].items():
                key = (run, int(id))
                row = changes.attributes.get(key) or existing.get(key)
                if row is None:
                    row = changes.attributes[key] = row_of.empty_row(key[1], run)
                if row[row_of.TYPE] != _FLOAT_SERIES:
                    changes.conflicts.append((*key, row[row_of.TYPE], _FLOAT_SERIES, 1))
                elif row[row_of.LAST_STEP] is None or step > row[row_of.LAST_STEP]:
                    value = float(decode_cell(cell))
                    changes.previews.append((*key, step, time, value, record["c"]))

    def _state(
        self, connection: sqlite3.Connection, run: int, batch: _RunBatch, changes: _Changes
    ) -> None:
        row = connection.execute(
            "SELECT last_time, points, unsealed FROM run_state WHERE run = ?", (run,)
        ).fetchone() or (None, 0, 0)
        points = 0
        for _, _, _, _, shape, data in batch.points:
            # Of JSON a guess; rows of a tracker's table are text, not bytes.
            points += len(data) // 8 if shape is not None else max(1, str(data).count(":"))
        last_time = max((t for t in (row[0], batch.last_time) if t is not None), default=None)
        changes.states.append((run, batch.last_step, last_time, row[1] + points, row[2] + points))
        changes.index.extend(batch.index)
        if last_time is not None:
            (created,) = connection.execute(
                "SELECT created FROM runs WHERE id = ?", (run,)
            ).fetchone() or (last_time,)
            system = self._catalog.system
            for path in (system("sys/modification_time"), system("sys/ping_time")):
                changes.attributes[run, path] = row_of.value_row(
                    path, run, AttributeType.DATETIME, last_time
                )
            path = system("sys/running_time_seconds")
            changes.attributes[run, path] = row_of.value_row(
                path, run, AttributeType.FLOAT, max(0, last_time - created) / 1e6
            )

    # entering

    def _enter(self, connection: sqlite3.Connection, changes: _Changes) -> None:
        # In the order of the table, so that each page is touched once.
        rows = sorted(changes.attributes.values(), key=itemgetter(row_of.PATH, row_of.RUN))
        connection.executemany(REPLACE_ATTRIBUTE, rows)
        for run in {run for run, path in changes.attributes if path == self._name}:
            name = changes.attributes[run, self._name][row_of.VALUE]
            experiments.enter(connection, self._catalog, run, name)
        connection.executemany("INSERT INTO log_index VALUES (?, ?, ?)", changes.index)
        connection.executemany(
            "INSERT OR REPLACE INTO run_state VALUES (?, ?, ?, ?, ?)", changes.states
        )
        connection.executemany(
            "INSERT OR REPLACE INTO previews VALUES (?, ?, ?, ?, ?, ?)", changes.previews
        )
        self._override_previews(connection, changes.attributes.values())
        connection.executemany(
            "INSERT INTO conflicts VALUES (?, ?, ?, ?, ?) ON CONFLICT (run, path, got) "
            "DO UPDATE SET count = count + excluded.count",
            changes.conflicts,
        )
        for run, path, seq in changes.deletes:
            self._erase(connection, run, path, seq)
        connection.execute(
            "UPDATE meta SET value = ? WHERE key = 'watermark'", (changes.watermark,)
        )

    def _touched(self, changes: _Changes) -> tuple[set[int], set[int] | None]:
        """Return the paths of the attributes that a fold changed, and their runs as far as known.

        Forks have what they inherit of a deleted attribute; a name moves the head of an experiment.
        """
        paths = {path for _, path in changes.attributes}
        paths.update(path for _, path, _ in changes.deletes)
        if self._name in paths:
            paths.update(map(self._catalog.system, experiments.PATHS))
            return paths, None
        if changes.deletes:
            return paths, None
        runs = {run for run, _ in changes.attributes}
        runs.update(state[0] for state in changes.states)
        return paths, runs

    @staticmethod
    def _override_previews(connection: sqlite3.Connection, rows: Iterable[AttributeRow]) -> None:
        """Remove the previews up to the last final step of each series."""
        if connection.execute("SELECT 1 FROM previews LIMIT 1").fetchone():
            connection.executemany(
                "DELETE FROM previews WHERE run = ? AND path = ? AND step <= ?",
                [
                    (row[row_of.RUN], row[row_of.PATH], row[row_of.LAST_STEP])
                    for row in rows
                    if row[row_of.TYPE] == _FLOAT_SERIES and row[row_of.COUNT]
                ],
            )

    def _erase(self, connection: sqlite3.Connection, run: int, path: int, seq: int) -> None:
        row = next(iter(read_rows(connection, run, [path])), None)
        if path == self._name:
            experiments.leave(connection, self._catalog, run)
        connection.execute("DELETE FROM attributes WHERE path = ? AND run = ?", (path, run))
        for table in ("segment_series", "previews", "conflicts"):
            connection.execute(f"DELETE FROM {table} WHERE run = ? AND path = ?", (run, path))
        connection.execute("INSERT OR REPLACE INTO erased VALUES (?, ?, ?)", (run, path, seq))
        if row is None or not TYPES[row[row_of.TYPE]].is_series:
            return
        self._recompute_heirs(connection, run, path, TYPES[row[row_of.TYPE]])


def _last_row(connection: sqlite3.Connection) -> int:
    last: int | None = connection.execute("SELECT max(seq) FROM log").fetchone()[0]
    return last or 0


def _watermark(connection: sqlite3.Connection) -> int:
    watermark: int = connection.execute(
        "SELECT value FROM meta WHERE key = 'watermark'"
    ).fetchone()[0]
    return watermark


def read_rows(
    connection: sqlite3.Connection, run: int, paths: Sequence[int]
) -> Iterable[AttributeRow]:
    """Yield the rows of attributes of a run."""
    columns = ", ".join(ATTRIBUTE_COLUMNS)
    for start in range(0, len(paths), 500):
        batch = paths[start : start + 500]
        yield from connection.execute(
            f"SELECT {columns} FROM attributes WHERE run = ? AND path IN "
            f"({','.join('?' * len(batch))})",
            [run, *batch],
        )


def _is(row: AttributeRow, type: AttributeType) -> bool:
    return bool(row[row_of.TYPE] == TYPE_CODES[type])
