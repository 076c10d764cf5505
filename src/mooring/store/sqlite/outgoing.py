"""What exchange asks of a run: its own series, its rows, and the files that hold it alone."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from mooring.model import AttributeType, SeriesStats
from mooring.store.contract import Lineage
from mooring.store.sqlite import aggregates as row_of
from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.columns import EVENTS_PATH, TableColumns
from mooring.store.sqlite.fold import read_rows
from mooring.store.sqlite.rows import from_records
from mooring.store.sqlite.schema import LOG_EVENT, TYPE_CODES, TYPES
from mooring.store.sqlite.sealed_tables import (
    SEQUENCE,
    STEP,
    TIMESTAMP,
    SealedRows,
    column_name,
    join_rows,
)
from mooring.store.sqlite.sealing import Sealer
from mooring.store.sqlite.segments import SegmentFolder
from mooring.store.sqlite.series import SeriesReader
from mooring.store.transfer import SealedFile, SealedSeries

_SERIES_TYPES = tuple(type for type in AttributeType if type.is_series)


class Outgoing:
    """Reads runs of a store to give them away whole."""

    def __init__(
        self,
        catalog: Catalog,
        columns: TableColumns,
        segments: SegmentFolder,
        reader: SeriesReader,
        sealer: Sealer,
    ) -> None:
        self._catalog = catalog
        self._columns = columns
        self._segments = segments
        self._reader = reader
        self._sealer = sealer

    def count_points(
        self, connection: sqlite3.Connection, run: int
    ) -> list[tuple[str, AttributeType, int]]:
        """Return (path, type, number of points) of a run's own series."""
        codes = [TYPE_CODES[type] for type in _SERIES_TYPES]
        marks = ", ".join("?" * len(codes))
        forked = connection.execute(
            "SELECT 1 FROM runs WHERE id = ? AND parent IS NOT NULL", (run,)
        ).fetchone()
        if not forked:
            # A series of previews alone has no points and is one all the same.
            found = connection.execute(
                f"SELECT path, type, count FROM attributes WHERE run = ? AND type IN ({marks}) "
                "AND count > 0",
                (run, *codes),
            ).fetchall()
        else:
            found = [
                (path, TYPE_CODES[type], len(series.steps))
                for type in _SERIES_TYPES
                for (_, path), series in self._reader.read(
                    connection, [run], None, type, lineage=Lineage.OWN
                ).items()
            ]
        names = self._catalog.names([path for path, _, _ in found])
        return sorted(
            (name, TYPES[code], count) for name, (_, code, count) in zip(names, found, strict=True)
        )

    def read_rows(self, connection: sqlite3.Connection, run: int) -> pa.Table | None:
        """Return the rows of a tracker's table that a run logged, or None."""
        logged = connection.execute(
            "SELECT x.seq, x.step, l.time, l.data FROM log_index x JOIN log l ON l.seq = x.seq "
            f"WHERE x.run = ? AND l.kind = {LOG_EVENT} ORDER BY x.seq",
            (run,),
        ).fetchall()
        parts = [self._sealer.read_sealed_events(connection, [run])]
        if logged:
            columns = self._columns.of_runs(connection, [run])
            table = from_records([(seq, run, time, data) for seq, _, time, data in logged], columns)
            steps = pa.array([step for _, step, _, _ in logged], pa.int64()).to_numpy()
            parts.append(SealedRows(table.runs, table.sequence, steps, table.times, table.cells))
        rows = join_rows([part for part in parts if len(part)]) if any(map(len, parts)) else None
        if rows is None:
            return None
        fields = [
            pa.field(SEQUENCE, pa.int64()),
            pa.field(STEP, pa.int64()),
            pa.field(TIMESTAMP, pa.timestamp("us", "UTC")),
            *(field.with_name(column_name(field.name)) for field in rows.cells.schema),
        ]
        return pa.table(
            [
                pa.array(rows.sequence),
                pa.array(rows.steps),
                pa.array(rows.times).view(pa.timestamp("us", "UTC")),
                *rows.cells.columns,
            ],
            schema=pa.schema(fields),
        )

    def read_previews(self, connection: sqlite3.Connection, run: int) -> pa.Table | None:
        """Return the provisional points of a run, or None."""
        found = connection.execute(
            "SELECT path, step, time, value, completion FROM previews WHERE run = ? "
            "ORDER BY path, step",
            (run,),
        ).fetchall()
        if not found:
            return None
        ids, steps, times, values, completions = zip(*found, strict=True)
        numbers = [math.nan if value is None else value for value in values]
        return pa.table(
            {
                "path": pa.array(self._catalog.names(ids), pa.string()),
                "step": pa.array(steps, pa.int64()),
                "time": pa.array(times, pa.int64()),
                "value": pa.array(numbers, pa.float64()),
                "completion": pa.array(completions, pa.float64()),
            }
        ).sort_by([("path", "ascending"), ("step", "ascending")])

    def list_not_inherited(self, connection: sqlite3.Connection, run: int) -> list[str]:
        """Return the paths that a fork deleted."""
        found = connection.execute(
            "SELECT path FROM erased WHERE run = ? AND EXISTS "
            "(SELECT 1 FROM runs WHERE id = ? AND parent IS NOT NULL)",
            (run, run),
        ).fetchall()
        return sorted(self._catalog.names([path for (path,) in found]))

    def list_sealed(self, connection: sqlite3.Connection, run: int) -> list[SealedFile] | None:
        """Return the files that hold all points of a run and nothing else, or None."""
        if connection.execute(
            "SELECT 1 FROM log_index WHERE run = ? AND step IS NOT NULL LIMIT 1", (run,)
        ).fetchone():
            return None
        entries = connection.execute(
            "SELECT e.segment, s.name, s.kind, s.rows, s.bytes, s.digest, e.path, e.type, "
            "e.first_row, e.rows, e.span FROM segment_series e JOIN segments s ON s.id = e.segment "
            "WHERE e.run = ? ORDER BY e.segment, e.first_row",
            (run,),
        ).fetchall()
        file_series = TYPE_CODES[AttributeType.FILE_SERIES]
        paths = [entry[6] for entry in entries]
        if (
            len(set(paths)) < len(paths)  # a series that goes on in another file
            or EVENTS_PATH in paths
            or any(entry[2] != "points" or entry[7] == file_series for entry in entries)
            or any(entry[10] is not None for entry in entries)
        ):
            return None
        names = dict(zip(paths, self._catalog.names(paths), strict=True))
        stats = self._stats(connection, run, paths)
        files: list[SealedFile] = []
        by_segment: dict[int, list[tuple[Any, ...]]] = {}
        for entry in entries:
            by_segment.setdefault(entry[0], []).append(entry)
        for found in by_segment.values():
            _, name, _, rows, size, digest = found[0][:6]
            series = [
                SealedSeries(names[path], TYPES[code], first, count, count, stats.get(path))
                for *_, path, code, first, count, _ in found
            ]
            total = self._segments.open(str(name)).rows
            if total != rows or total != sum(one.count for one in series):
                return None  # rows of other runs, deleted ones, or single values
            files.append(
                SealedFile(
                    file=self._segments.path_of(str(name)),
                    rows=total,
                    size_bytes=int(size),
                    digest=str(digest),
                    series=series,
                )
            )
        return files

    @staticmethod
    def _stats(
        connection: sqlite3.Connection, run: int, paths: Sequence[int]
    ) -> dict[int, SeriesStats]:
        """Return the aggregates of a run's float series, unless inherited points are in them."""
        if connection.execute(
            "SELECT 1 FROM runs WHERE id = ? AND parent IS NOT NULL", (run,)
        ).fetchone():
            return {}
        code = TYPE_CODES[AttributeType.FLOAT_SERIES]
        return {
            row[row_of.PATH]: row_of.stats_of(row)
            for row in read_rows(connection, run, paths)
            if row[row_of.TYPE] == code
        }
