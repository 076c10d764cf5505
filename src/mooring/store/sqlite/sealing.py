"""Sealing: points leave the log for Parquet segments; and the joining of segments.

Order of events, and what a SIGKILL after each leaves behind:

1. rows are read from a snapshot              nothing changed
2. the segment is written, synced, named      an orphan file, which `check(repair=True)` removes
3. one transaction enters the segment and     the segment
   deletes the rows, after making sure that
   they are still those that were read
4. files of replaced segments are deleted     orphan files

Two sealers at once: the second finds in step 3 that its rows have gone, and drops its file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from mooring.errors import MooringError
from mooring.model import AttributeType, now_micros
from mooring.store.cells import dumps
from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.columns import EVENTS_PATH, TableColumns
from mooring.store.sqlite.database import Database, fold_state, overtake
from mooring.store.sqlite.rows import from_records
from mooring.store.sqlite.schema import LOG_EVENT, LOG_MARK, TYPE_CODES
from mooring.store.sqlite.sealed_tables import SealedRows, from_file, join_rows, metadata, to_file
from mooring.store.sqlite.segments import SegmentFolder, WrittenSegment
from mooring.store.sqlite.series import Key, Series, SeriesReader, decode_log, join
from mooring.store.tables import to_cells

SEGMENT_POINTS = 4_000_000
"""Points after which runs go to the next segment of a joint one."""
SMALL_SEGMENT_ROWS = 200_000
"""Segments with fewer rows are joined by a compaction."""
OWN_SEGMENT_POINTS = 50_000
"""Points from which on a run gets a segment of its own, which an export copies as it is."""

_SERIES_TYPES = (
    AttributeType.FLOAT_SERIES,
    AttributeType.STRING_SERIES,
    AttributeType.HISTOGRAM_SERIES,
    AttributeType.FILE_SERIES,
)
_SERIES_CODES = frozenset(TYPE_CODES[type] for type in _SERIES_TYPES)


Entry = tuple[int | None, ...]
"""An entry of `segment_series`, less the segment."""
Written = tuple[WrittenSegment, list[Entry]]
"""A segment and its entries."""


@dataclass(slots=True)
class _Part:
    """What one run brings into a segment."""

    run: int
    rows: int
    last_seq: int
    series: list[Series] = field(default_factory=list)
    events: list[tuple[int, int, int, str]] = field(default_factory=list)
    """Rows of its table: sequence, step, time, JSON."""
    columns: dict[int, int] = field(default_factory=dict)
    """Series, and the codes of their types, whose points are cells of these rows."""
    changes: int = 0
    """How often cells of logged rows had been changed when the events were read."""

    @property
    def points(self) -> int:
        cells = len(self.events) * len(self.columns)
        return cells + sum(len(series.steps) for series in self.series)


class Sealer:
    """Moves points between log and segments."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        columns: TableColumns,
        segments: SegmentFolder,
        reader: SeriesReader,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._columns = columns
        self._segments = segments
        self._reader = reader

    # from the log

    def seal(self, runs: Sequence[int], *, events: bool) -> tuple[int, int]:
        """Seal what is folded of these runs; return points sealed and segments written.

        Runs with rows of a tracker's table are left alone unless `events`.
        """
        points = segments = 0
        parts: list[_Part] = []
        size = 0
        for run in runs:
            part = self._read_log(run, events)
            if part is None:
                continue
            if part.points >= OWN_SEGMENT_POINTS:
                sealed, written = self._enter_parts([part])
                points, segments = points + sealed, segments + written
                continue
            parts.append(part)
            size += part.points
            if size >= SEGMENT_POINTS:
                sealed, written = self._enter_parts(parts)
                points, segments, parts, size = points + sealed, segments + written, [], 0
        if parts:
            sealed, written = self._enter_parts(parts)
            points, segments = points + sealed, segments + written
        return points, segments

    def _read_log(self, run: int, events: bool) -> _Part | None:
        with self._database.read() as connection:
            _, changes = fold_state(connection)
            if not events and _has_events(connection, run):
                return None
            rows = connection.execute(
                "SELECT x.seq, x.step, l.time, l.kind, l.shape, l.data FROM log_index x "
                "JOIN log l ON l.seq = x.seq WHERE x.run = ? ORDER BY x.seq",
                (run,),
            ).fetchall()
            if not rows:
                return None
            tables = [row for row in rows if row[3] == LOG_EVENT]
            if not tables and _has_conflicts(connection, run):
                return None  # points of another type than their attribute: no segment holds them
            erased = dict(
                connection.execute("SELECT path, seq FROM erased WHERE run = ?", (run,)).fetchall()
            )
            types = dict(
                connection.execute("SELECT path, type FROM attributes WHERE run = ?", (run,))
            )
        part = _Part(run, len(rows), rows[-1][0], changes=changes)
        if not tables:
            found = decode_log(self._catalog, run, rows, None, erased, tuple)
        else:
            others = [row for row in rows if row[3] != LOG_EVENT]
            found = decode_log(self._catalog, run, others, None, erased, tuple)
            if any(types.get(series.path) != TYPE_CODES[series.type] for series in found):
                return None  # as above; cells of other types stay in the rows
            # Points that the table's rows alone do not tell: of which some were logged apart, and
            # of which some were deleted.
            apart = frozenset({series.path for series in found} | erased.keys())
            if apart:
                with self._database.read() as connection:
                    columns = partial(self._columns.of_runs, connection, [run])
                    found = decode_log(self._catalog, run, rows, apart, erased, columns)
            part.columns = {
                path: code
                for path, code in types.items()
                if code in _SERIES_CODES and path not in apart
            }
            part.events = [(row[0], row[1], row[2], row[5]) for row in tables]
        for series in found:
            if types.get(series.path) == TYPE_CODES[series.type]:
                part.series.append(join([series], run))
        return part

    def _enter_parts(self, parts: list[_Part]) -> tuple[int, int]:
        written = self._write(
            [series for part in parts for series in part.series],
            self._sealed_rows([part for part in parts if part.events]),
            {(part.run, path): code for part in parts for path, code in part.columns.items()},
        )
        try:
            with self._database.write() as connection:
                for part in parts:
                    if not self._still_there(connection, part):
                        raise _Overtaken
                self.enter(connection, written, {part.run: part.last_seq for part in parts})
                for part in parts:
                    self._delete_log(connection, part)
                keep_sequence(connection)
                self._columns.rows_changed(
                    connection, [p.run for p in parts if p.events], moved=True
                )
        except BaseException as error:
            self.drop(written)
            if isinstance(error, _Overtaken):
                return 0, 0
            raise
        return sum(part.points for part in parts), len(written)

    @staticmethod
    def _still_there(connection: sqlite3.Connection, part: _Part) -> bool:
        if part.events and fold_state(connection)[1] != part.changes:
            return False
        count = connection.execute(
            "SELECT count(*) FROM log_index x JOIN log l ON l.seq = x.seq "
            "WHERE x.run = ? AND x.seq <= ?",
            (part.run, part.last_seq),
        ).fetchone()[0]
        if count != part.rows:
            return False
        # Rows of a table may have been changed in place.
        tables = connection.execute(
            "SELECT x.seq, l.data FROM log_index x JOIN log l ON l.seq = x.seq "
            f"WHERE x.run = ? AND x.seq <= ? AND l.kind = {LOG_EVENT} ORDER BY x.seq",
            (part.run, part.last_seq),
        )
        return not part.events or tables.fetchall() == [(e[0], e[3]) for e in part.events]

    @staticmethod
    def _delete_log(connection: sqlite3.Connection, part: _Part) -> None:
        condition = (part.run, part.last_seq)
        connection.execute(
            "DELETE FROM log WHERE seq IN (SELECT seq FROM log_index WHERE run = ? AND seq <= ?)",
            condition,
        )
        connection.execute("DELETE FROM log_index WHERE run = ? AND seq <= ?", condition)
        left = connection.execute(
            "SELECT count(*) FROM log_index WHERE run = ?", (part.run,)
        ).fetchone()[0]
        if not left:
            connection.execute("UPDATE run_state SET unsealed = 0 WHERE run = ?", (part.run,))

    # writing and entering

    def _sealed_rows(self, parts: Sequence[_Part]) -> SealedRows | None:
        """Return the rows of tables that these parts bring."""
        if not parts:
            return None
        with self._database.read() as connection:
            columns = self._columns.of_runs(connection, [part.run for part in parts])
        parts = sorted(parts, key=lambda part: part.run)
        events = [event for part in parts for event in part.events]
        table = from_records([(seq, 0, time, data) for seq, _, time, data in events], columns)
        return SealedRows(
            np.repeat(
                np.array([part.run for part in parts], np.int64),
                [len(part.events) for part in parts],
            ),
            table.sequence,
            np.fromiter((event[1] for event in events), np.int64, len(events)),
            table.times,
            table.cells,
        )

    def _write(
        self,
        series: Sequence[Series],
        events: SealedRows | None = None,
        columns: Mapping[Key, int] | None = None,
    ) -> list[Written]:
        """Write segments of points and of events.

        `columns` are those (run, path), with the code of their type, whose points are cells.
        """
        runs = {s.run for s in series} | set(() if events is None else events.runs.tolist())
        with self._database.read() as connection:
            if not self._segments.folder.is_dir():
                self._segments.refuse_new_folder(connection)
            names = {
                run: connection.execute(
                    "SELECT projects.name, runs.run_id FROM runs JOIN projects "
                    "ON projects.id = runs.project WHERE runs.id = ?",
                    (run,),
                ).fetchone()
                or ("", "")
                for run in runs
            }
        written: list[Written] = []
        try:
            for part in _by_segment(series):
                written.append(self.write_series(names, part))
            if events is not None and len(events):
                written.append(self._write_events(names, events, columns or {}))
        except BaseException:
            self.drop(written)
            raise
        return written

    def write_series(
        self, names: Mapping[int, tuple[str, str]], series: Sequence[Series]
    ) -> Written:
        """Write series as one segment; `names` maps a run's key to its project and run id."""
        ids = list({s.path for s in series})
        paths = dict(zip(ids, self._catalog.names(ids), strict=True))
        ordered = sorted(series, key=lambda s: (s.run, TYPE_CODES[s.type], paths[s.path]))
        # Series of one type make one table: runs with several types take turns otherwise.
        ordered.sort(key=lambda s: TYPE_CODES[s.type])
        segment = self._segments.write_points(dict(names), paths, ordered)
        entries: list[Entry] = []
        at = 0
        for s in ordered:
            count = len(s.steps)
            steps = (int(s.steps[0]), int(s.steps[-1]))
            entries.append((s.run, s.path, TYPE_CODES[s.type], at, count, *steps, None))
            at += count
        return segment, entries

    def drop(self, written: Iterable[Written]) -> None:
        """Delete segments that were not entered.

        An interrupt can come after the commit: what stands in the table is kept, and what cannot
        be looked up is left to `check`.
        """
        names = [segment.name for segment, _ in written]
        with suppress(MooringError), self._database.read() as connection:
            for name in names:
                if not connection.execute(
                    "SELECT 1 FROM segments WHERE name = ?", (name,)
                ).fetchone():
                    self._segments.remove(name)

    def _write_events(
        self, names: dict[int, tuple[str, str]], rows: SealedRows, columns: Mapping[Key, int]
    ) -> Written:
        table = to_file(rows, names)
        ids = self._catalog.find_ids(rows.cells.column_names)
        valid = {ids[name]: rows.cells[name].is_valid().to_numpy() for name in ids}
        by_run: dict[int, list[tuple[int, int]]] = {}
        for (run, path), code in columns.items():
            if path in valid:
                by_run.setdefault(run, []).append((path, code))
        entries: list[Entry] = []
        for run, first, count in rows.ranges():
            entries.append((run, EVENTS_PATH, 0, first, count, None, None, None))
            steps = rows.steps[first : first + count]
            for path, code in by_run.get(run, ()):
                shown = steps[valid[path][first : first + count]]
                if len(shown):
                    low, high = int(shown.min()), int(shown.max())
                    entries.append((run, path, code, first, count, low, high, None))
        return self._segments.write_events(table, metadata(table)), entries

    @staticmethod
    def enter(
        connection: sqlite3.Connection,
        written: Iterable[Written],
        sealed_until: dict[int, int],
    ) -> None:
        """Enter segments. An attribute deleted since its points were read stays deleted."""
        erased = {
            (run, path)
            for run, seq in sealed_until.items()
            for (path,) in connection.execute(
                "SELECT path FROM erased WHERE run = ? AND seq > ?", (run, seq)
            )
        }
        for segment, entries in written:
            kind = segment.name.partition("-")[0]
            id = connection.execute(
                "INSERT INTO segments (name, kind, rows, bytes, digest, created) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    segment.name,
                    kind,
                    segment.rows,
                    segment.size_bytes,
                    segment.digest,
                    now_micros(),
                ),
            ).lastrowid
            connection.executemany(
                "INSERT INTO segment_series "
                "(segment, run, path, type, first_row, rows, first_step, last_step, span) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                ((id, *entry) for entry in entries if (entry[0], entry[1]) not in erased),
            )

    # points that come as columns

    def add(self, series: Sequence[Series], after: object) -> None:
        """Write series as a segment of their own and enter it.

        `after(connection)` runs in the transaction, before the segment is entered.
        """
        written = self._write(series)
        try:
            with self._database.write() as connection:
                after(connection)  # type: ignore[operator]
                self.enter(connection, written, {})
                overtake(connection)
        except BaseException:
            self.drop(written)
            raise

    # joining

    def join_segments(self, runs: Sequence[int]) -> tuple[int, int, int]:
        """Rewrite segments that are small or hold deleted rows.

        Returns segments written, segments removed and bytes freed.
        """
        with self._database.read() as connection:
            live = dict(
                connection.execute(
                    "SELECT e.segment, sum(e.rows) FROM segment_series e JOIN segments s "
                    "ON s.id = e.segment "
                    f"WHERE s.kind != 'events' OR e.path = {EVENTS_PATH} GROUP BY e.segment"
                ).fetchall()
            )
            known = connection.execute("SELECT id, name, rows, kind FROM segments").fetchall()
            dead = [(id, name) for id, name, _, _ in known if id not in live]
            holey = {id for id, _, rows, _ in known if 0 < live.get(id, 0) < rows}
            alone = {
                id
                for (id,) in connection.execute(
                    "WITH whose AS (SELECT segment, min(run) AS run, max(run) AS last "
                    "FROM segment_series GROUP BY segment) SELECT segment FROM whose "
                    "WHERE run = last AND NOT EXISTS (SELECT 1 FROM segment_series o "
                    "WHERE o.run = whose.run AND o.segment != whose.segment)"
                )
            }
            small = {
                id
                for id, _, rows, _ in known
                if id in live
                and rows < SMALL_SEGMENT_ROWS
                and not (id in alone and rows >= OWN_SEGMENT_POINTS)
            }
            kinds: dict[str, set[int]] = {}
            for id, _, _, kind in known:
                if id in small:
                    kinds.setdefault(kind, set()).add(id)
            chosen = set(holey)
            for members in kinds.values():
                if len(members) > 1:
                    chosen |= members
        written = removed = freed = 0
        if chosen:
            written, replaced, freed = self._rewrite(chosen)
            removed += replaced
        if dead:
            with self._database.write() as connection:
                connection.executemany("DELETE FROM segments WHERE id = ?", [(d[0],) for d in dead])
            self._database.sync()
            for _, name in dead:
                freed += self._segments.remove(name)
                removed += 1
        return written, removed, freed

    def _rewrite(self, chosen: set[int]) -> tuple[int, int, int]:
        with self._database.read() as connection:
            # A run's segments are joined together or not at all: their order tells which of two
            # points at one step is the later one.
            runs: set[int] = set()
            grown = chosen
            while grown:
                found = _select_in(
                    connection, "SELECT DISTINCT run FROM segment_series WHERE segment IN", grown
                )
                new_runs = {run for (run,) in found} - runs
                runs |= new_runs
                chosen = chosen | grown
                grown = {
                    segment
                    for (segment,) in _select_in(
                        connection,
                        "SELECT DISTINCT segment FROM segment_series WHERE run IN",
                        new_runs,
                    )
                } - chosen
            entries = sorted(
                _select_in(
                    connection,
                    "SELECT segment, run, path, rows FROM segment_series WHERE run IN",
                    runs,
                )
            )
            kinds: dict[tuple[int, int, int], set[str]] = {}
            for run, path, code, kind in _select_in(
                connection,
                "SELECT e.run, e.path, e.type, s.kind FROM segment_series e "
                f"JOIN segments s ON s.id = e.segment WHERE e.path != {EVENTS_PATH} AND e.run IN",
                runs,
            ):
                kinds.setdefault((run, path, code), set()).add(kind)
            # Points of which some are cells and some are not have an order only now.
            columns = {
                (run, path): code for (run, path, code), of in kinds.items() if of == {"events"}
            }
            series: list[Series] = []
            for type in _SERIES_TYPES:
                pieces: dict[Key, list[Series]] = {}
                self._reader.from_segments(connection, sorted(runs), None, type, pieces)
                series += [
                    join(parts, key[0]) for key, parts in pieces.items() if key not in columns
                ]
            events = self.read_sealed_events(connection, sorted(runs))
        written = self._write(series, events, columns)
        try:
            with self._database.write() as connection:
                now = sorted(
                    _select_in(
                        connection,
                        "SELECT segment, run, path, rows FROM segment_series WHERE run IN",
                        runs,
                    )
                )
                if now != entries:
                    raise _Overtaken
                names = [
                    name
                    for (name,) in _select_in(
                        connection, "SELECT name FROM segments WHERE id IN", chosen
                    )
                ]
                for id in chosen:
                    connection.execute("DELETE FROM segment_series WHERE segment = ?", (id,))
                    connection.execute("DELETE FROM segments WHERE id = ?", (id,))
                self.enter(connection, written, {})
        except BaseException as error:
            self.drop(written)
            if isinstance(error, _Overtaken):
                return 0, 0, 0
            raise
        self._database.sync()
        new = sum(segment.size_bytes for segment, _ in written)
        return len(written), len(names), sum(map(self._segments.remove, names)) - new

    # events

    def read_sealed_events(
        self, connection: sqlite3.Connection, runs: Sequence[int] | None
    ) -> SealedRows:
        """Return the sealed rows of these runs' tables (None: of all), by run and sequence."""
        sql = (
            "SELECT s.name, e.run, e.first_row, e.rows FROM segment_series e "
            f"JOIN segments s ON s.id = e.segment WHERE e.path = {EVENTS_PATH}"
        )
        if runs is None:
            found = connection.execute(sql).fetchall()
        else:
            found = _select_in(connection, f"{sql} AND e.run IN", runs)
        by_segment: dict[str, list[tuple[int, int, int]]] = {}
        for name, run, first, count in found:
            by_segment.setdefault(name, []).append((run, first, count))
        parts = []
        for name, entries in by_segment.items():
            segment = self._segments.open(name)
            read = segment.read(None, [(first, count) for _, first, count in entries])
            ranges = [(e[0], at, e[2]) for e, at in zip(entries, read.starts, strict=True)]
            parts.append(from_file(read.table, segment.mixed, ranges))
        return join_rows(parts)

    def unseal_events(self, connection: sqlite3.Connection, run: int) -> int:
        """Bring the sealed rows of a run's table back to the log, where they can be changed.

        Returns how many rows there were.
        """
        rows = self.read_sealed_events(connection, [run])
        if not len(rows):
            return 0
        ids = self._catalog.find_ids(rows.cells.column_names)
        records: list[dict[str, Any]] = [{} for _ in range(len(rows))]
        for column in rows.cells.schema:
            id = str(ids[column.name])
            for record, cell in zip(
                records, to_cells(column, rows.cells[column.name]), strict=True
            ):
                if cell is not None:
                    record[id] = cell
        numbers = zip(
            rows.sequence.tolist(), rows.steps.tolist(), rows.times.tolist(), records, strict=True
        )
        for seq, step, time, record in numbers:
            connection.execute(
                "INSERT INTO log (seq, run, kind, step, time, shape, data) "
                f"VALUES (?, ?, {LOG_EVENT}, NULL, ?, NULL, ?)",
                (seq, run, time, dumps(record).decode()),
            )
            connection.execute("INSERT INTO log_index VALUES (?, ?, ?)", (run, seq, step))
        # The rows, and the series whose points they are.
        connection.execute(
            "DELETE FROM segment_series WHERE run = ? AND segment IN "
            "(SELECT id FROM segments WHERE kind = 'events')",
            (run,),
        )
        return len(rows)


def _by_segment(series: Sequence[Series]) -> list[list[Series]]:
    """Return what goes to which segment: runs with many points have one of their own."""
    points: dict[int, int] = {}
    for one in series:
        points[one.run] = points.get(one.run, 0) + len(one.steps)
    parts: dict[int | None, list[Series]] = {}
    for one in series:
        own = points[one.run] >= OWN_SEGMENT_POINTS
        parts.setdefault(one.run if own else None, []).append(one)
    return list(parts.values())


class _Overtaken(Exception):
    """Another process changed what was read."""


def _has_events(connection: sqlite3.Connection, run: int) -> bool:
    found = connection.execute(
        "SELECT 1 FROM log_index x JOIN log l ON l.seq = x.seq "
        f"WHERE x.run = ? AND l.kind = {LOG_EVENT} LIMIT 1",
        (run,),
    ).fetchone()
    return found is not None


def _has_conflicts(connection: sqlite3.Connection, run: int) -> bool:
    found = connection.execute("SELECT 1 FROM conflicts WHERE run = ?", (run,)).fetchone()
    return found is not None


def keep_sequence(connection: sqlite3.Connection) -> None:
    """Keep the number of a deleted last row of the log from being given out again."""
    watermark = connection.execute("SELECT value FROM meta WHERE key = 'watermark'").fetchone()[0]
    last = connection.execute("SELECT max(seq) FROM log").fetchone()[0] or 0
    if last <= watermark:
        connection.execute(f"DELETE FROM log WHERE kind = {LOG_MARK}")
        connection.execute(
            f"INSERT INTO log (seq, run, kind) VALUES (?, 0, {LOG_MARK})", (watermark + 1,)
        )
        connection.execute("UPDATE meta SET value = ? WHERE key = 'watermark'", (watermark + 1,))


def _select_in(
    connection: sqlite3.Connection, sql: str, values: Iterable[int]
) -> list[tuple[Any, ...]]:
    listed = sorted(values)
    rows: list[tuple[Any, ...]] = []
    for start in range(0, len(listed), 500):
        batch = listed[start : start + 500]
        rows += connection.execute(f"{sql} ({','.join('?' * len(batch))})", batch).fetchall()
    return rows
