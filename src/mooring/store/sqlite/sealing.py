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
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from mooring.errors import MooringError
from mooring.model import AttributeType, now_micros
from mooring.store.cells import dumps, loads
from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.columns import EVENTS_PATH
from mooring.store.sqlite.database import Database, fold_state, overtake
from mooring.store.sqlite.schema import LOG_EVENT, LOG_MARK, TYPE_CODES
from mooring.store.sqlite.segments import EVENTS_SCHEMA, SegmentFolder, WrittenSegment
from mooring.store.sqlite.series import Series, SeriesReader, decode_log, join

SEGMENT_POINTS = 4_000_000
"""Points after which runs go to the next segment of a joint one."""
SMALL_SEGMENT_ROWS = 200_000
"""Segments with fewer rows are joined by a compaction."""

_SERIES_TYPES = (
    AttributeType.FLOAT_SERIES,
    AttributeType.STRING_SERIES,
    AttributeType.HISTOGRAM_SERIES,
    AttributeType.FILE_SERIES,
)


Written = tuple[WrittenSegment, list[tuple[int | None, ...]]]
"""A segment and its entries of `segment_series`, less the segment."""


@dataclass(slots=True)
class _Part:
    """What one run brings into a segment."""

    run: int
    rows: int
    last_seq: int
    series: list[Series] = field(default_factory=list)
    events: list[tuple[int, int, int, bytes]] = field(default_factory=list)
    changes: int = 0
    """How often cells of logged rows had been changed when the events were read."""

    @property
    def points(self) -> int:
        return sum(len(series.steps) for series in self.series)


class Sealer:
    """Moves points between log and segments."""

    def __init__(
        self, database: Database, catalog: Catalog, segments: SegmentFolder, reader: SeriesReader
    ) -> None:
        self._database = database
        self._catalog = catalog
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
            rows = connection.execute(
                "SELECT x.seq, x.step, l.time, l.kind, l.shape, l.data FROM log_index x "
                "JOIN log l ON l.seq = x.seq WHERE x.run = ? ORDER BY x.seq",
                (run,),
            ).fetchall()
            if not rows:
                return None
            tables = [row for row in rows if row[3] == LOG_EVENT]
            if tables and not events:
                return None
            erased = dict(
                connection.execute("SELECT path, seq FROM erased WHERE run = ?", (run,)).fetchall()
            )
            types = dict(
                connection.execute("SELECT path, type FROM attributes WHERE run = ?", (run,))
            )
        part = _Part(run, len(rows), rows[-1][0], changes=changes)
        for series in decode_log(self._catalog, run, rows, None, erased):
            if types.get(series.path) == TYPE_CODES[series.type]:
                part.series.append(join([series], run))
        part.events = [(row[0], row[1], row[2], row[5]) for row in tables]
        return part

    def _enter_parts(self, parts: list[_Part]) -> tuple[int, int]:
        written = self._write(
            [series for part in parts for series in part.series],
            [(part.run, *event) for part in parts for event in part.events],
        )
        try:
            with self._database.write() as connection:
                for part in parts:
                    if not self._still_there(connection, part):
                        raise _Overtaken
                self._enter(connection, written, {part.run: part.last_seq for part in parts})
                for part in parts:
                    self._delete_log(connection, part)
                keep_sequence(connection)
        except BaseException as error:
            self._drop(written)
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

    def _write(
        self,
        series: Sequence[Series],
        events: Sequence[tuple[int, int, int, int, bytes]],
    ) -> list[Written]:
        """Write segments of points and of events."""
        runs = {s.run for s in series} | {event[0] for event in events}
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
        if series:
            ids = list({s.path for s in series})
            paths = dict(zip(ids, self._catalog.names(ids), strict=True))
            ordered = sorted(series, key=lambda s: (s.run, TYPE_CODES[s.type], paths[s.path]))
            # Series of one type make one table: runs with several types take turns otherwise.
            ordered.sort(key=lambda s: TYPE_CODES[s.type])
            segment = self._segments.write_points(names, paths, ordered)
            entries: list[tuple[int | None, ...]] = []
            at = 0
            for s in ordered:
                count = len(s.steps)
                entries.append(
                    (
                        s.run,
                        s.path,
                        TYPE_CODES[s.type],
                        at,
                        count,
                        int(s.steps[0]),
                        int(s.steps[-1]),
                    )
                )
                at += count
            written.append((segment, entries))
        if events:
            try:
                written.append(self._write_events(names, events))
            except BaseException:
                self._drop(written)
                raise
        return written

    def _drop(self, written: Iterable[Written]) -> None:
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
        self, names: dict[int, tuple[str, str]], events: Sequence[tuple[int, int, int, int, bytes]]
    ) -> Written:
        texts = self._catalog.all_names()
        ordered = sorted(events, key=lambda event: (event[0], event[1]))
        data = [
            dumps({texts[int(id)]: cell for id, cell in loads(event[4]).items()}).decode()
            for event in ordered
        ]
        table = pa.table(
            [
                pa.array([names[event[0]][0] for event in ordered], pa.string()),
                pa.array([names[event[0]][1] for event in ordered], pa.string()),
                pa.array([event[1] for event in ordered], pa.int64()),
                pa.array([event[2] for event in ordered], pa.int64()),
                pa.array([event[3] for event in ordered], pa.int64()),
                pa.array(data, pa.string()),
            ],
            schema=EVENTS_SCHEMA,
        )
        entries: list[tuple[int | None, ...]] = []
        runs = np.array([event[0] for event in ordered])
        starts = np.flatnonzero(np.concatenate(([True], runs[1:] != runs[:-1])))
        for start, stop in zip(starts, [*starts[1:], len(runs)], strict=True):
            entries.append(
                (int(runs[start]), EVENTS_PATH, 0, int(start), int(stop - start), None, None)
            )
        return self._segments.write_events(table), entries

    @staticmethod
    def _enter(
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
                "(segment, run, path, type, first_row, rows, first_step, last_step) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                ((id, *entry) for entry in entries if (entry[0], entry[1]) not in erased),
            )

    # points that come as columns

    def add(self, series: Sequence[Series], after: object) -> None:
        """Write series as a segment of their own and enter it.

        `after(connection)` runs in the transaction, before the segment is entered.
        """
        written = self._write(series, [])
        try:
            with self._database.write() as connection:
                after(connection)  # type: ignore[operator]
                self._enter(connection, written, {})
                overtake(connection)
        except BaseException:
            self._drop(written)
            raise

    # joining

    def join_segments(self, runs: Sequence[int]) -> tuple[int, int, int]:
        """Rewrite segments that are small or hold deleted rows.

        Returns segments written, segments removed and bytes freed.
        """
        with self._database.read() as connection:
            live = dict(
                connection.execute(
                    "SELECT segment, sum(rows) FROM segment_series GROUP BY segment"
                ).fetchall()
            )
            known = connection.execute("SELECT id, name, rows, kind FROM segments").fetchall()
            dead = [(id, name) for id, name, _, _ in known if id not in live]
            holey = {id for id, _, rows, _ in known if 0 < live.get(id, 0) < rows}
            small = {id for id, _, rows, _ in known if id in live and rows < SMALL_SEGMENT_ROWS}
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
            pieces: dict[tuple[int, int, AttributeType], list[Series]] = {}
            for type in _SERIES_TYPES:
                found_pieces: dict[tuple[int, int], list[Series]] = {}
                self._reader.from_segments(connection, sorted(runs), None, type, found_pieces)
                for (run, path), parts in found_pieces.items():
                    pieces[run, path, type] = parts
            events = list(self.read_sealed_events(connection, sorted(runs)))
        series = [join(parts, run) for (run, _, _), parts in pieces.items()]
        written = self._write(series, events)
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
                self._enter(connection, written, {})
        except BaseException as error:
            self._drop(written)
            if isinstance(error, _Overtaken):
                return 0, 0, 0
            raise
        self._database.sync()
        new = sum(segment.size_bytes for segment, _ in written)
        return len(written), len(names), sum(map(self._segments.remove, names)) - new

    # events

    def read_sealed_events(
        self, connection: sqlite3.Connection, runs: Sequence[int]
    ) -> Iterable[tuple[int, int, int, int, bytes]]:
        """Yield (run, seq, step, time, data by path number) of sealed rows of tables."""
        by_segment: dict[int, list[tuple[int, int, int]]] = {}
        for segment, run, first, rows in _select_in(
            connection,
            f"SELECT segment, run, first_row, rows FROM segment_series WHERE path = {EVENTS_PATH} "
            "AND run IN",
            runs,
        ):
            by_segment.setdefault(segment, []).append((run, first, rows))
        for segment, entries in by_segment.items():
            (name,) = connection.execute(
                "SELECT name FROM segments WHERE id = ?", (segment,)
            ).fetchone()
            ranges = [(first, rows) for _, first, rows in entries]
            read = self._segments.open(name).read(["sequence", "step", "time_us", "data"], ranges)
            columns = [read.column(name) for name in ("sequence", "step", "time_us", "data")]
            ids: dict[str, str] = {}
            for (run, _, count), at in zip(entries, read.starts, strict=True):
                for i in range(at, at + count):
                    seq, step, time, text = (column[i] for column in columns)
                    cells = loads(text)
                    if missing := [path for path in cells if path not in ids]:
                        found = self._catalog.find_ids(missing)
                        ids.update((path, str(found[path])) for path in missing)
                    yield run, seq, step, time, dumps({ids[p]: cell for p, cell in cells.items()})

    def unseal_events(self, connection: sqlite3.Connection, run: int) -> None:
        """Bring the sealed rows of a run's table back to the log, where they can be changed."""
        rows = list(self.read_sealed_events(connection, [run]))
        connection.executemany(
            "INSERT INTO log (seq, run, kind, step, time, shape, data) "
            f"VALUES (?, ?, {LOG_EVENT}, NULL, ?, NULL, ?)",
            ((seq, run, time, data.decode()) for _, seq, _, time, data in rows),
        )
        connection.executemany(
            "INSERT INTO log_index VALUES (?, ?, ?)",
            ((run, seq, step) for _, seq, step, _, _ in rows),
        )
        connection.execute(
            "DELETE FROM segment_series WHERE run = ? AND path = ?", (run, EVENTS_PATH)
        )


class _Overtaken(Exception):
    """Another process changed what was read."""


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
