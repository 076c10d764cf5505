"""Rows of tracker's tables: read as columns, counted, and changed back in time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mooring.errors import AttributeNotFound, StoreReadOnly
from mooring.store.cells import dumps, encode_cell, loads, series_type
from mooring.store.contract import EventTable
from mooring.store.sqlite import receipts
from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.columns import EVENTS_PATH, TableColumns, cell_kind, rows_state
from mooring.store.sqlite.database import Database, overtake
from mooring.store.sqlite.fold import Fold
from mooring.store.sqlite.rows import from_records, read_log
from mooring.store.sqlite.schema import LOG_EVENT, TYPES
from mooring.store.sqlite.sealing import Sealer
from mooring.store.sqlite.table_cache import TableCache, last_row
from mooring.store.sqlite.views import ViewColumn
from mooring.store.tables import stack, take, to_cells

CACHED_ROWS = 50_000
"""Rows of the log that are worth a file of their own, so that nobody need parse them again."""
_MAX_FILES = 16
_MAX_CHUNKS = 64
_FEW = 1_000
_MAX_HELD_BYTES = 1 << 30

LogRecord = tuple[int, int, int, str]
"""Sequence, run, time, JSON."""

_FIELDS = "SELECT l.seq, l.run, l.time, l.data FROM"
_LISTED = (
    f"{_FIELDS} log_index x JOIN log l ON l.seq = x.seq WHERE x.run = ? "
    f"AND l.kind = {LOG_EVENT} ORDER BY x.seq {{}} LIMIT ?"
)
_UNLISTED = (
    f"{_FIELDS} log l WHERE l.run = ? AND l.kind = {LOG_EVENT} AND l.seq > "
    "max(?, (SELECT value FROM meta WHERE key = 'watermark')) ORDER BY l.seq {} LIMIT ?"
)
_AT = (
    f"{_FIELDS} log l WHERE l.seq = ? AND l.run = ? AND l.kind = {LOG_EVENT} AND l.seq > "
    "(SELECT value FROM meta WHERE key = 'watermark')"
)


@dataclass(frozen=True)
class _Held:
    """All rows of a table as they were read last."""

    state: str
    sealed: tuple[int, ...]
    cached_until: int
    """Last row of the log that lies in files of the cache."""
    files: int
    uncached: tuple[EventTable, ...]
    until: int
    """Last row of the log that is held, with its digest."""
    digest: str
    seen: int
    """Last row that the log had, of any table."""
    table: EventTable

    def rows_of(self, run: int) -> np.ndarray:
        """Return the positions of a run's rows."""
        runs, starts, order = self._by_run
        at = int(np.searchsorted(runs, run))
        if at == len(runs) or runs[at] != run:
            return np.empty(0, np.int64)
        rows: np.ndarray = order[starts[at] : starts[at + 1]]
        return rows

    @cached_property
    def _by_run(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        order = np.argsort(self.table.runs, kind="stable")
        runs, starts = np.unique(self.table.runs[order], return_index=True)
        return runs, np.append(starts, len(order)), order


class EventRows:
    """Reads and changes the rows of tracker's tables."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        columns: TableColumns,
        sealer: Sealer,
        fold: Fold,
        cache: TableCache,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._columns = columns
        self._sealer = sealer
        self._fold = fold
        self._cache = cache
        self._held: dict[int, _Held] = {}
        self._newest: dict[int, tuple[int, tuple[int, ...]]] = {}
        """Where the newest rows of a run lie in the log: up to which row it is known, and where."""
        self._lock = threading.Lock()

    # reading

    def read(
        self,
        connection: sqlite3.Connection,
        project: int,
        keys: Sequence[int] | None,
        *,
        columns: Sequence[str] | None,
        first: int | None,
        last: int | None,
    ) -> EventTable:
        """Return rows of a table, oldest first. See `Store.read_events`."""
        known = self._columns.read(connection, project)
        if columns is not None:
            names = {column.name for column in known}
            for name in columns:
                if name not in names:
                    raise AttributeNotFound(name, where="the table", known=names)
        table = None
        if max(first or 0, last or 0) <= _FEW:
            table = self._few(connection, project, keys, known, first, last)
        if table is None:
            held = self._all(connection, project, known)
            table = self._select(connection, project, keys, held, first, last)
        return _with_columns(table, known, columns)

    def sealed_kinds(self, connection: sqlite3.Connection, project: int) -> dict[int, int]:
        """Return what the cells of each column of the sealed rows of a table are."""
        runs = connection.execute("SELECT id FROM runs WHERE project = ?", (project,)).fetchall()
        cells = self._sealer.read_sealed_events(connection, [run for (run,) in runs]).cells
        ids = self._catalog.find_ids(cells.column_names)
        kinds = {}
        for field in cells.schema:
            bits = set(map(cell_kind, to_cells(field, cells[field.name])))
            kinds[ids[field.name]] = sum(bits)
        return kinds

    def count(
        self, connection: sqlite3.Connection, project: int, keys: Sequence[int] | None
    ) -> int:
        """Return the number of rows. See `Store.count_events`."""
        if project in self._held:
            held = self._all(connection, project, self._columns.read(connection, project))
            return len(self._select(connection, project, keys, held))
        runs, bound = _chosen(project, keys)
        (logged,) = connection.execute(
            f"SELECT count(*) FROM log WHERE kind = {LOG_EVENT} AND run IN ({runs})", bound
        ).fetchone()
        (sealed,) = connection.execute(
            "SELECT coalesce(sum(rows), 0) FROM segment_series "
            f"WHERE path = {EVENTS_PATH} AND run IN ({runs})",
            bound,
        ).fetchone()
        return int(logged + sealed)

    def _few(
        self,
        connection: sqlite3.Connection,
        project: int,
        keys: Sequence[int] | None,
        known: Sequence[ViewColumn],
        first: int | None,
        last: int | None,
    ) -> EventTable | None:
        """Return the first or last rows from the log alone; None when that is not enough."""
        if first is not None:
            count, order = max(0, first), "ASC"
        elif last is not None:
            count, order = max(0, last), "DESC"
        else:
            return None
        if keys is not None and len(keys) == 1:
            rows = self._few_of_run(connection, int(keys[0]), count, order)
        elif self._sealed(connection, project)[0]:
            return None
        else:
            runs, bound = _chosen(project, keys)
            rows = connection.execute(
                f"SELECT seq, run, time, data FROM log WHERE kind = {LOG_EVENT} "
                f"AND run IN ({runs}) ORDER BY seq {order} LIMIT ?",
                [*bound, count],
            ).fetchall()
        return None if rows is None else from_records(rows[:: 1 if last is None else -1], known)

    def _few_of_run(
        self, connection: sqlite3.Connection, run: int, count: int, order: str
    ) -> list[LogRecord] | None:
        """Return the first or last rows of a run, in this order; None when segments hold some."""
        listed = _LISTED.format(order)
        if order == "ASC":
            rows: list[LogRecord] = connection.execute(listed, (run, count)).fetchall()
            if len(rows) < count:
                rows += connection.execute(
                    _UNLISTED.format(order), (run, 0, count - len(rows))
                ).fetchall()
        else:
            rows = self._newest_unlisted(connection, run, count)
            if len(rows) < count:
                rows += connection.execute(listed, (run, count - len(rows))).fetchall()
        if (order == "ASC" or len(rows) < count) and connection.execute(
            "SELECT 1 FROM segment_series WHERE run = ? AND path = ?", (run, EVENTS_PATH)
        ).fetchone():
            return None
        return rows

    def _newest_unlisted(
        self, connection: sqlite3.Connection, run: int, count: int
    ) -> list[LogRecord]:
        """Return the newest rows of a run that no fold has listed yet, newest first.

        The log is not sorted by run: where they lie is remembered, so that only what has come
        since is looked through.
        """
        (seen,) = connection.execute("SELECT coalesce(max(seq), 0) FROM log").fetchone()
        until, places = self._newest.get(run, (0, ()))
        rows: list[LogRecord] = connection.execute(
            _UNLISTED.format("DESC"), (run, until, _FEW)
        ).fetchall()
        new = tuple(row[0] for row in rows)
        places = places if len(new) < _FEW else ()  # what lies between is not known
        self._newest[run] = (seen, (*new, *places)[:_FEW])
        for place in places:
            if len(rows) >= count:
                break
            rows += connection.execute(_AT, (place, run)).fetchall()
        return rows[:count]

    def _all(
        self, connection: sqlite3.Connection, project: int, known: Sequence[ViewColumn]
    ) -> _Held:
        """Return all rows of a table, also those of trashed and deleted runs."""
        state = rows_state(connection, project)
        sealed = self._sealed(connection, project)
        with self._lock:
            held = self._held.get(project)
        if (
            held is None
            or (held.state, held.sealed) != (state, sealed)
            or (held.until and last_row(connection, held.until) != held.digest)
        ):
            held = self._begin(connection, project, state, sealed)
        (seen,) = connection.execute("SELECT coalesce(max(seq), 0) FROM log").fetchone()
        if seen != held.seen:
            if tail := list(read_log(connection, project, held.until, known)):
                held = self._extend(connection, project, held, tail)
            held = replace(held, seen=seen)
            with self._lock:
                self._held.pop(project, None)
                self._held[project] = held
                while sum(h.table.cells.nbytes for h in self._held.values()) > _MAX_HELD_BYTES:
                    del self._held[next(iter(self._held))]
        return held

    def _begin(
        self,
        connection: sqlite3.Connection,
        project: int,
        state: str,
        sealed: tuple[int, ...],
    ) -> _Held:
        """Return what segments and cache hold."""
        parts: list[EventTable] = []
        if sealed[0]:
            runs = connection.execute("SELECT id FROM runs WHERE project = ?", (project,))
            rows = self._sealer.read_sealed_events(connection, [run for (run,) in runs])
            parts.append(EventTable(rows.sequence, rows.runs, rows.times, rows.cells))
        cached = list(self._cache.load(connection, project, state))
        until = int(cached[-1].sequence[-1]) if cached else 0
        digest = last_row(connection, until) if until else ""
        table = _stacked([*parts, *cached])
        return _Held(state, sealed, until, len(cached), (), until, digest, -1, table)

    def _extend(
        self, connection: sqlite3.Connection, project: int, held: _Held, tail: list[EventTable]
    ) -> _Held:
        """Return what is held with new rows of the log behind it; many of them go to the cache."""
        until = int(tail[-1].sequence[-1])
        uncached = (*held.uncached, *tail)
        cached_until, files = held.cached_until, held.files
        if sum(map(len, uncached)) >= CACHED_ROWS:
            if files < _MAX_FILES:
                self._cache.save(connection, project, held.state, cached_until, list(uncached))
                files += 1
            else:
                old = list(self._cache.load(connection, project, held.state))
                self._cache.save(connection, project, held.state, 0, [*old, *uncached])
                files = 1
            cached_until, uncached = until, ()
        return _Held(
            held.state,
            held.sealed,
            cached_until,
            files,
            uncached,
            until,
            last_row(connection, until),
            held.seen,
            _stacked([held.table, *tail]),
        )

    @staticmethod
    def _sealed(connection: sqlite3.Connection, project: int) -> tuple[int, ...]:
        """Return the number of sealed pieces of a table, and what changes with them."""
        found: tuple[int, ...] = connection.execute(
            "SELECT count(*), coalesce(max(s.segment), 0), coalesce(sum(s.rows), 0), "
            "coalesce(sum(s.run), 0) FROM segment_series s JOIN runs r ON r.id = s.run "
            f"WHERE s.path = {EVENTS_PATH} AND r.project = ?",
            (project,),
        ).fetchone()
        return found

    @staticmethod
    def _select(
        connection: sqlite3.Connection,
        project: int,
        keys: Sequence[int] | None,
        held: _Held,
        first: int | None = None,
        last: int | None = None,
    ) -> EventTable:
        """Return the rows of the chosen runs, or so many of them."""
        runs, bound = _chosen(project, keys)
        chosen = np.array(
            connection.execute(f"SELECT id FROM runs WHERE id IN ({runs})", bound).fetchall(),
            np.int64,
        ).ravel()
        table = held.table
        if len(chosen) == 1:
            rows = held.rows_of(int(chosen[0]))
        else:
            rows = np.flatnonzero(np.isin(table.runs, chosen))
        if first is not None:
            rows = rows[: max(0, first)]
        elif last is not None:
            rows = rows[max(0, len(rows) - last) :]
        if len(rows) < len(table):
            table = _rows(table, rows)
        sealed = "-".join(map(str, held.sealed))
        version = f"{held.state}-{sealed}-{held.until}-{held.digest}-{len(table)}-{first}-{last}"
        return replace(table, version=f"{version}-{table.runs.sum()}")

    # changing

    def set_cells(
        self,
        key: int,
        path: str,
        value: object,
        where: tuple[str, object] | None,
        request: str | None = None,
    ) -> int:
        """Set a cell in the rows of a run; return how many changed.

        `request` is noted with it; `AnsweredBefore` when that was done already.
        """
        if self._database.read_only:
            raise StoreReadOnly(f"{self._database.path} is opened for reading only")
        cell = encode_cell(path, value)
        id = self._catalog.intern([path])[0]
        condition = None
        if where is not None:
            condition = (
                str(self._catalog.intern([where[0]])[0]),
                encode_cell(where[0], where[1]),
            )
        with self._database.read() as connection:
            (project,) = connection.execute(
                "SELECT project FROM runs WHERE id = ?", (key,)
            ).fetchone()
        self._columns.declare(project, {id: cell_kind(cell)})
        with self._database.write() as connection:
            unsealed = self._sealer.unseal_events(connection, key)
            overtake(connection)
            changed = []
            for seq, data in connection.execute(
                "SELECT l.seq, l.data FROM log_index x JOIN log l ON l.seq = x.seq "
                f"WHERE x.run = ? AND l.kind = {LOG_EVENT}",
                (key,),
            ).fetchall():
                record = loads(data)
                if condition is None or _is_same(record.get(condition[0]), condition[1]):
                    record[str(id)] = cell
                    changed.append((dumps(record).decode(), seq))
            receipts.enter_answer(connection, request, len(changed))
            connection.executemany("UPDATE log SET data = ? WHERE seq = ?", changed)
            self._columns.rows_changed(connection, [key], moved=unsealed > 0)
            if changed:
                self._follow(connection, key, id, cell)
        return len(changed)

    def _follow(self, connection: sqlite3.Connection, key: int, path: int, cell: object) -> None:
        """Let the series of a column follow its cells; an attribute of one value stays."""
        row = connection.execute(
            "SELECT type FROM attributes WHERE path = ? AND run = ?", (path, key)
        ).fetchone()
        types = [TYPES[row[0]]] if row else []
        if not types or types[0].is_series:
            for type in [*types, series_type(cell)]:
                if type and self._fold.recompute(connection, (key, path), type):
                    return


def _is_same(cell: object, other: object) -> bool:
    """Return whether cells are equal; true is not 1."""
    return cell == other and (type(cell) is bool) == (type(other) is bool)


def _chosen(project: int, keys: Sequence[int] | None) -> tuple[str, list[object]]:
    """Return a query of the runs that are meant, and what is bound to it."""
    if keys is None:
        return "SELECT id FROM runs WHERE project = ? AND trashed = 0", [project]
    return "SELECT value FROM json_each(?)", [dumps(list(map(int, keys))).decode()]


def _stacked(tables: Sequence[EventTable]) -> EventTable:
    """Return the rows of tables by sequence."""
    if len(tables) == 1 and _is_sorted(tables[0].sequence):
        return tables[0]
    names = list(dict.fromkeys(name for table in tables for name in table.cells.column_names))
    sequence, runs, times = (
        np.concatenate([getattr(table, part) for table in tables] or [np.empty(0, np.int64)])
        for part in ("sequence", "runs", "times")
    )
    cells = stack([table.cells for table in tables], names)
    if names and cells.column(0).num_chunks > _MAX_CHUNKS:
        cells = cells.combine_chunks()
    table = EventTable(sequence, runs, times, cells)
    if _is_sorted(sequence):
        return table
    return _rows(table, np.argsort(sequence, kind="stable"))


def _is_sorted(sequence: np.ndarray) -> bool:
    return bool(np.all(sequence[1:] > sequence[:-1]))


def _rows(table: EventTable, rows: np.ndarray) -> EventTable:
    return EventTable(
        table.sequence[rows], table.runs[rows], table.times[rows], take(table.cells, rows)
    )


def _with_columns(
    table: EventTable, known: Sequence[ViewColumn], wanted: Sequence[str] | None
) -> EventTable:
    """Return a table with the wanted columns; None: all that have cells, or never had any."""
    cells = table.cells
    if wanted is None:
        present = set(cells.column_names)
        names = [
            column.name
            for column in known
            if not column.kinds
            or (column.name in present and cells[column.name].null_count < len(table))
        ]
    else:
        names = list(wanted)
    return replace(table, cells=stack([cells], names))
