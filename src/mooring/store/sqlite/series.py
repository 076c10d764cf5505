"""Points of series: found in segments and log, joined along the lineage, last one wins."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mooring.model import AttributeType
from mooring.store.cells import decode_cell, loads, series_type
from mooring.store.contract import Lineage
from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.columns import TableColumns
from mooring.store.sqlite.rows import points
from mooring.store.sqlite.schema import LOG_EVENT, LOG_POINTS, TYPE_CODES
from mooring.store.sqlite.segments import SegmentFolder, object_array, value_column
from mooring.store.sqlite.views import ViewColumn

_IN = 500
_MANY_EVENTS = 100
"""Rows of a table that are read as columns rather than one by one."""


@dataclass(slots=True)
class Series:
    """Points of one series of one run, by ascending step, no step twice.

    `steps` in millionths and `times` in microseconds are int64; `values` doubles for a float
    series, else JSON cells as objects.
    """

    run: int
    path: int
    type: AttributeType
    steps: np.ndarray
    times: np.ndarray
    values: np.ndarray
    first_seq: int = 0
    """Number of its first row in the log, for pieces of the log."""

    def between(self, low: int | None, high: int | None) -> Series:
        """Return the points of a range of steps, both ends inclusive."""
        if low is None and high is None:
            return self
        start = 0 if low is None else int(np.searchsorted(self.steps, low, "left"))
        stop = None if high is None else int(np.searchsorted(self.steps, high, "right"))
        return self._cut(slice(start, stop))

    def tail(self, count: int) -> Series:
        """Return the last points."""
        return self._cut(slice(max(0, len(self.steps) - count), None))

    def _cut(self, part: slice) -> Series:
        return Series(
            self.run, self.path, self.type, self.steps[part], self.times[part], self.values[part]
        )


Key = tuple[int, int]
"""Run and path."""


def join(pieces: Sequence[Series], run: int) -> Series:
    """Join pieces of one series; at equal steps the later piece, in it the later point, wins."""
    if len(pieces) == 1:
        piece = pieces[0]
        steps = piece.steps
        if len(steps) < 2 or bool(np.all(steps[1:] > steps[:-1])):
            return piece if piece.run == run else _of_run(piece, run)
    first = pieces[0]
    steps = np.concatenate([p.steps for p in pieces])
    times = np.concatenate([p.times for p in pieces])
    values = np.concatenate([p.values for p in pieces])
    if not bool(np.all(steps[1:] > steps[:-1])):
        order = np.argsort(steps, kind="stable")
        ordered = steps[order]
        last = np.ones(len(order), bool)
        np.not_equal(ordered[1:], ordered[:-1], out=last[:-1])
        order = order[last]
        steps, times, values = steps[order], times[order], values[order]
    return Series(run, first.path, first.type, steps, times, values)


def _of_run(series: Series, run: int) -> Series:
    return Series(run, series.path, series.type, series.steps, series.times, series.values)


class SeriesReader:
    """Reads series from one snapshot of the store."""

    def __init__(self, catalog: Catalog, columns: TableColumns, segments: SegmentFolder) -> None:
        self._catalog = catalog
        self._columns = columns
        self._segments = segments

    def read(
        self,
        connection: sqlite3.Connection,
        runs: Sequence[int],
        paths: Sequence[int] | None,
        type: AttributeType,
        *,
        lineage: Lineage = Lineage.FULL,
        step_from: int | None = None,
        step_to: int | None = None,
        pending: Mapping[Key, Sequence[Series]] | None = None,
    ) -> dict[Key, Series]:
        """Return visible points by (run, path); series without points are left out.

        `paths` None means all. `pending` are pieces that the log index does not list yet; their
        points come after all others.
        """
        chains = self.lineages(connection, runs, lineage)
        sources = list(dict.fromkeys(source for chain in chains.values() for source, _, _ in chain))
        pieces = self._pieces(connection, sources, paths, type)
        for key, extra in (pending or {}).items():
            if key[0] in sources and (paths is None or key[1] in paths):
                pieces.setdefault(key, []).extend(p for p in extra if p.type is type)
        by_run: dict[int, list[int]] = {}
        for source, path in pieces:
            by_run.setdefault(source, []).append(path)
        forked = any(len(chain) > 1 for chain in chains.values())
        erased = self._erased(connection, sources) if forked else frozenset()
        result: dict[Key, Series] = {}
        for run in runs:
            chain = chains[run]
            wanted: Mapping[int, None] = dict.fromkeys(
                path for source, _, _ in chain for path in by_run.get(source, ())
            )
            if len(chain) > 1:
                wanted = self._of_type(connection, run, wanted, type)
            for path in wanted:
                visible = []
                for source, low, high in chain:
                    found = pieces.get((source, path))
                    if found:
                        visible.append(join(found, source).between(low, high))
                    if (source, path) in erased:
                        break  # what a run deleted it does not inherit either
                visible = [piece for piece in reversed(visible) if len(piece.steps)]
                if visible:
                    series = join(visible, run).between(step_from, step_to)
                    if len(series.steps):
                        result[run, path] = series
        return result

    def lineages(
        self, connection: sqlite3.Connection, runs: Iterable[int], lineage: Lineage = Lineage.FULL
    ) -> dict[int, list[tuple[int, int | None, int | None]]]:
        """Return for each run whose points it sees: (run, first step, last step), itself first."""
        result = {}
        for run in runs:
            chain: list[tuple[int, int | None, int | None]] = []
            source: int | None = run
            cut: int | None = None
            name = self._name(connection, run) if lineage is Lineage.EXPERIMENT else None
            while source is not None:
                row = connection.execute(
                    "SELECT parent, fork_step FROM runs WHERE id = ?", (source,)
                ).fetchone()
                parent, fork_step = row or (None, None)
                if lineage is Lineage.OWN:
                    chain.append((source, None, None))
                    break
                chain.append((source, fork_step if parent is not None else None, cut))
                if parent is not None and fork_step is not None:
                    cut = fork_step if cut is None else min(cut, fork_step)
                if lineage is Lineage.EXPERIMENT and (
                    name is None or parent is None or self._name(connection, parent) != name
                ):
                    break
                source = parent
            result[run] = chain
        return result

    @staticmethod
    def _erased(connection: sqlite3.Connection, runs: Sequence[int]) -> frozenset[Key]:
        """Return (run, path) of the attributes that runs have deleted at some time."""
        found: list[Key] = []
        for start in range(0, len(runs), _IN):
            batch = runs[start : start + _IN]
            marks = ",".join("?" * len(batch))
            found += connection.execute(
                f"SELECT run, path FROM erased WHERE run IN ({marks})", list(batch)
            )
        return frozenset(found)

    @staticmethod
    def _of_type(
        connection: sqlite3.Connection, run: int, paths: Mapping[int, None], type: AttributeType
    ) -> Mapping[int, None]:
        """Leave out those paths that are an attribute of another type in a fork itself."""
        others = {
            path
            for (path,) in connection.execute(
                "SELECT path FROM attributes WHERE run = ? AND type != ?", (run, TYPE_CODES[type])
            )
        }
        return {path: None for path in paths if path not in others}

    def _name(self, connection: sqlite3.Connection, run: int) -> str | None:
        row = connection.execute(
            "SELECT value FROM attributes JOIN paths ON paths.id = attributes.path "
            "WHERE paths.path = 'sys/name' AND run = ?",
            (run,),
        ).fetchone()
        return row[0] if row else None

    def _pieces(
        self,
        connection: sqlite3.Connection,
        sources: Sequence[int],
        paths: Sequence[int] | None,
        type: AttributeType,
    ) -> dict[Key, list[Series]]:
        pieces: dict[Key, list[Series]] = {}
        self.from_segments(connection, sources, paths, type, pieces)
        wanted = None if paths is None else frozenset(paths)
        for run in sources:
            erased = dict(
                connection.execute("SELECT path, seq FROM erased WHERE run = ?", (run,)).fetchall()
            )
            rows = connection.execute(
                "SELECT x.seq, x.step, l.time, l.kind, l.shape, l.data FROM log_index x "
                "JOIN log l ON l.seq = x.seq WHERE x.run = ? ORDER BY x.seq",
                (run,),
            ).fetchall()
            if rows:
                found = decode_log(
                    self._catalog,
                    run,
                    rows,
                    wanted,
                    erased,
                    partial(self._columns.of_runs, connection, [run]),
                )
                self._keep_of_type(connection, run, found, type, pieces)
        return pieces

    def _keep_of_type(
        self,
        connection: sqlite3.Connection,
        run: int,
        found: list[Series],
        type: AttributeType,
        pieces: dict[Key, list[Series]],
    ) -> None:
        # Points whose path has another type in this run are conflicts or cells of a table.
        found = [series for series in found if series.type is type]
        if not found:
            return
        code = TYPE_CODES[type]
        if len(found) > 50:
            known = {
                path
                for (path,) in connection.execute(
                    "SELECT path FROM attributes WHERE run = ? AND type = ?", (run, code)
                )
            }
        else:
            known = {
                series.path
                for series in found
                if connection.execute(
                    "SELECT 1 FROM attributes WHERE path = ? AND run = ? AND type = ?",
                    (series.path, run, code),
                ).fetchone()
            }
        for series in found:
            if series.path in known:
                pieces.setdefault((run, series.path), []).append(series)

    def from_segments(
        self,
        connection: sqlite3.Connection,
        sources: Sequence[int],
        paths: Sequence[int] | None,
        type: AttributeType,
        pieces: dict[Key, list[Series]],
    ) -> None:
        """Add the sealed pieces of series, in the order in which they were sealed."""
        by_segment: dict[int, list[Entry]] = {}
        few = paths is not None and len(paths) <= _IN
        wanted = None if paths is None or few else frozenset(paths)
        condition = f" AND path IN ({','.join('?' * len(paths))})" if few and paths else ""
        if paths is not None and not paths:
            return
        for start in range(0, len(sources), _IN):
            batch = sources[start : start + _IN]
            cursor = connection.execute(
                "SELECT segment, run, path, first_row, rows, span FROM segment_series "
                f"WHERE run IN ({','.join('?' * len(batch))}){condition} AND type = ? "
                "ORDER BY segment, first_row",
                [*batch, *(paths if few and paths else ()), TYPE_CODES[type]],
            )
            for segment, run, path, first, rows, span in cursor:
                if wanted is None or path in wanted:
                    by_segment.setdefault(segment, []).append((run, path, first, rows, span))
        columns = ["step", "timestamp", "timestamp_us", value_column(type)]
        for segment in sorted(by_segment):
            entries = by_segment[segment]
            name, kind = connection.execute(
                "SELECT name, kind FROM segments WHERE id = ?", (segment,)
            ).fetchone()
            if kind == "events":
                self._from_cells(name, [entry[:4] for entry in entries], type, pieces)
                continue
            scattered = [entry[1] for entry in entries if entry[4] is not None]
            rows_read = self._segments.open(name).read(
                [*columns, "attribute_path"] if scattered else columns,
                [(e[2], e[3] if e[4] is None else e[4]) for e in entries],
            )
            names = dict(zip(scattered, self._catalog.names(scattered), strict=True))
            steps, times, values = rows_read.steps(), rows_read.times(), rows_read.values(type)
            for (run, path, _, count, span), at in zip(entries, rows_read.starts, strict=True):
                part: slice | np.ndarray = slice(at, at + count)
                if span is not None:
                    part = rows_read.rows_of(names[path], at, span)
                pieces.setdefault((run, path), []).append(
                    Series(run, path, type, steps[part], times[part], values[part])
                )

    def _from_cells(
        self,
        name: str,
        entries: Sequence[tuple[int, int, int, int]],
        type: AttributeType,
        pieces: dict[Key, list[Series]],
    ) -> None:
        """Add the pieces of series that are columns of sealed tables."""
        from mooring.store.sqlite.sealed_tables import from_columns

        paths = list(dict.fromkeys(path for _, path, _, _ in entries))
        names = dict(zip(paths, self._catalog.names(paths), strict=True))
        segment = self._segments.open(name)
        for (run, path, _, _), series in from_columns(segment, entries, names, type):
            pieces.setdefault((run, path), []).append(series)


Entry = tuple[int, int, int, int, int | None]
"""Run, path, first row, number of points, and among how many rows they lie (None: as many)."""

LogRow = tuple[int, int, int, int, int | None, Any]
"""seq, resolved step, time, kind, shape, data"""


def decode_log(
    catalog: Catalog,
    run: int,
    rows: Sequence[LogRow],
    wanted: frozenset[int] | None,
    erased: Mapping[int, int],
    columns: Callable[[], Sequence[ViewColumn]],
) -> list[Series]:
    """Return the points in rows of one run's log, a piece for each path, type and shape.

    Points of a piece are in the order of the log, steps unsorted. Pieces of one path are in the
    order of their first row only; where several shapes name one path their rows are merged.
    `columns()` gives those of the run's table, where many of its rows are among them.
    """
    shapes: dict[int, list[LogRow]] = {}
    events: list[LogRow] = [row for row in rows if row[3] == LOG_EVENT]
    if len(events) < _MANY_EVENTS:
        events = []
    loose: dict[tuple[int, AttributeType], list[tuple[int, int, int, object]]] = {}
    for row in rows:
        if row[4] is not None:
            shapes.setdefault(row[4], []).append(row)
        elif row[3] == LOG_POINTS or (row[3] == LOG_EVENT and not events):
            for id, cell in loads(row[5]).items():
                path = int(id)
                if (wanted is None or path in wanted) and (kind := series_type(cell)):
                    loose.setdefault((path, kind), []).append((row[0], row[1], row[2], cell))
    parts: dict[tuple[int, AttributeType], list[tuple[np.ndarray, ...]]] = {}
    for id, members in shapes.items():
        paths = catalog.shape(id).paths
        named = [(i, path) for i, path in enumerate(paths) if wanted is None or path in wanted]
        if not named:
            continue
        matrix, seqs, steps, times = unpack(members, len(paths))
        # One copy that makes every series contiguous.
        by_path = np.ascontiguousarray(matrix.T) if len(members) > 1 else matrix.T
        for i, path in named:
            parts.setdefault((path, AttributeType.FLOAT_SERIES), []).append(
                (seqs, steps, times, by_path[i])
            )
    if events:
        head = np.array([row[:3] for row in events], np.int64)
        for path, kind, at, values in points([row[5] for row in events], columns(), wanted):
            parts.setdefault((path, kind), []).append(
                (head[at, 0], head[at, 1], head[at, 2], values)
            )
    for key, cells in loose.items():
        seqs, steps, times = (
            np.fromiter((cell[i] for cell in cells), np.int64, len(cells)) for i in range(3)
        )
        parts.setdefault(key, []).append((seqs, steps, times, cell_values(key[1], cells)))
    result = []
    for (path, kind), pieces in parts.items():
        if len(pieces) == 1:
            seqs, steps, times, values = pieces[0]
        else:
            seqs, steps, times, values = (
                np.concatenate([piece[i] for piece in pieces]) for i in range(4)
            )
            order = np.argsort(seqs, kind="stable")
            seqs, steps, times, values = seqs[order], steps[order], times[order], values[order]
        if (limit := erased.get(path)) is not None:
            keep = seqs > limit
            seqs, steps, times, values = seqs[keep], steps[keep], times[keep], values[keep]
        if len(steps):
            result.append(Series(run, path, kind, steps, times, values, int(seqs[0])))
    return result


def unpack(
    rows: Sequence[LogRow], width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the values of packed rows (rows x width), their numbers, steps and times."""
    matrix = np.frombuffer(b"".join([row[5] for row in rows]), "<f8").reshape(len(rows), width)
    head = np.array([row[:3] for row in rows], np.int64)
    return matrix, head[:, 0], head[:, 1], head[:, 2]


def cell_values(type: AttributeType, cells: Sequence[tuple[int, int, int, object]]) -> np.ndarray:
    """Return cells as the values of a series of this type."""
    if type is AttributeType.FLOAT_SERIES:
        return np.array([float(decode_cell(cell[3])) for cell in cells], np.float64)
    return object_array([cell[3] for cell in cells])
