"""The half of the store that reads: everything that needs NumPy and PyArrow."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from mooring.model import AttributeType, RunSpec
from mooring.store.blobs import LocalBlobs
from mooring.store.cells import decode_cell
from mooring.store.contract import PathSelector, SeriesQuery
from mooring.store.sqlite.attributes import AttributeReader
from mooring.store.sqlite.bulk import BulkWriter
from mooring.store.sqlite.care import Care
from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.columns import TableColumns
from mooring.store.sqlite.database import Database
from mooring.store.sqlite.events import EventRows
from mooring.store.sqlite.fold import Fold, Folded
from mooring.store.sqlite.incoming import SqliteRunImport
from mooring.store.sqlite.outgoing import Outgoing
from mooring.store.sqlite.runs import RunTable
from mooring.store.sqlite.sealing import Sealer
from mooring.store.sqlite.segments import SegmentFolder
from mooring.store.sqlite.series import Series, SeriesReader
from mooring.store.sqlite.table_cache import TableCache

HISTOGRAM = pa.struct(
    [("kind", pa.string()), ("edges", pa.list_(pa.float64())), ("values", pa.list_(pa.float64()))]
)
FILE = pa.struct(
    [
        ("digest", pa.string()),
        ("size_bytes", pa.int64()),
        ("mime_type", pa.string()),
        ("name", pa.string()),
    ]
)

_CHUNK_ROWS = 1 << 16
"""Points from which on series are a chunk of their table."""


class Reading:
    """The parts of a store that read, fold, seal and clean up, made together."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        columns: TableColumns,
        runs: RunTable,
        data: Path,
        blobs: LocalBlobs,
        folded: Folded,
    ) -> None:
        self._catalog = catalog
        segments = SegmentFolder(data / "segments")
        self.series = SeriesReader(catalog, columns, segments)
        self.attributes = AttributeReader(catalog)
        self.fold = Fold(database, catalog, columns, self.series, folded)
        self.sealer = Sealer(database, catalog, columns, segments, self.series)
        cache = TableCache(data / "tables")
        self.events = EventRows(database, catalog, columns, self.sealer, self.fold, cache)
        self.bulk = BulkWriter(database, catalog, self.sealer, self.fold)
        self.outgoing = Outgoing(catalog, columns, segments, self.series, self.sealer)
        self._parts = (database, catalog, columns, runs, self.series, segments, self.sealer)
        self.care = Care(database, catalog, runs, segments, blobs, self.sealer, self.series, cache)

    def import_run(self, spec: RunSpec, request: str | None) -> SqliteRunImport:
        """Begin to import a run."""
        return SqliteRunImport(*self._parts, spec, request)

    def read_series(
        self,
        connection: sqlite3.Connection,
        keys: Sequence[int],
        select: PathSelector,
        type: AttributeType,
        query: SeriesQuery,
    ) -> pa.Table:
        """Return points of series as the contract's table."""
        paths = self.attributes.select_paths(connection, select)
        found = self.series.read(
            connection,
            keys,
            paths,
            type,
            lineage=query.lineage,
            step_from=query.step_from,
            step_to=query.step_to,
        )
        completions: dict[tuple[int, int], np.ndarray] = {}
        if query.include_previews and type is AttributeType.FLOAT_SERIES:
            completions = _add_previews(connection, keys, paths, query, found)
        if query.tail is not None:
            found = {key: series.tail(query.tail) for key, series in found.items()}
            completions = {
                key: part[len(part) - len(found[key].steps) :] for key, part in completions.items()
            }
        ids = list(dict.fromkeys(path for _, path in found))
        names = dict(zip(ids, self._catalog.names(ids), strict=True))
        order = {key: i for i, key in enumerate(keys)}
        ordered = sorted(found.values(), key=lambda s: (order[s.run], names[s.path]))
        ordered = [series for series in ordered if len(series.steps)]
        return _table(ordered, names, type, completions if query.include_previews else None)


def _add_previews(
    connection: sqlite3.Connection,
    keys: Sequence[int],
    paths: Sequence[int] | None,
    query: SeriesQuery,
    found: dict[tuple[int, int], Series],
) -> dict[tuple[int, int], np.ndarray]:
    """Append preview points to the series found; return the completion of each point."""
    wanted = None if paths is None else set(paths)
    completions = {key: np.full(len(series.steps), np.nan) for key, series in found.items()}
    for run in keys:
        by_path: dict[int, list[tuple[int, int, float, float]]] = {}
        for path, step, time, value, completion in connection.execute(
            "SELECT path, step, time, value, completion FROM previews WHERE run = ? "
            "ORDER BY path, step",
            (run,),
        ):
            inside = (query.step_from is None or step >= query.step_from) and (
                query.step_to is None or step <= query.step_to
            )
            if inside and (wanted is None or path in wanted):
                value = np.nan if value is None else value
                by_path.setdefault(path, []).append((step, time, value, completion))
        for path, points in by_path.items():
            steps, times, values, ratios = zip(*points, strict=True)
            key = (run, path)
            new = Series(
                run,
                path,
                AttributeType.FLOAT_SERIES,
                np.array(steps, np.int64),
                np.array(times, np.int64),
                np.array(values, np.float64),
            )
            old = found.get(key)
            if old is not None:
                for name in ("steps", "times", "values"):
                    setattr(new, name, np.concatenate([getattr(old, name), getattr(new, name)]))
            found[key] = new
            before = completions.get(key, np.empty(0))
            completions[key] = np.concatenate([before, np.array(ratios, np.float64)])
    return completions


def _table(
    series: Sequence[Series],
    names: dict[int, str],
    type: AttributeType,
    completions: dict[tuple[int, int], np.ndarray] | None,
) -> pa.Table:
    counts = np.fromiter((len(s.steps) for s in series), np.int64, len(series))
    runs = list(dict.fromkeys(s.run for s in series))
    paths = list(dict.fromkeys(names[s.path] for s in series))
    # Long series are chunks of their own, without a copy; 10 million points would take 0.2 s.
    groups = _groups(series) if type is AttributeType.FLOAT_SERIES else [series]
    lengths = [sum(len(s.steps) for s in group) for group in groups]
    columns = {
        "run": _cut(_coded([s.run for s in series], runs, pa.int64(), counts), lengths),
        "path": _cut(_coded([names[s.path] for s in series], paths, pa.string(), counts), lengths),
        "step": _chunked([[s.steps for s in group] for group in groups], np.int64),
        "time": _chunked([[s.times for s in group] for group in groups], np.int64),
        "value": _chunked([[s.values for s in group] for group in groups], np.float64)
        if type is AttributeType.FLOAT_SERIES
        else _values([s.values for s in series], type),
    }
    if completions is not None:
        parts = [completions.get((s.run, s.path), np.full(len(s.steps), np.nan)) for s in series]
        columns["completion"] = pa.array(_joined(parts, np.float64), from_pandas=True)
    return pa.table(columns)


def _groups(series: Sequence[Series]) -> list[Sequence[Series]]:
    """Return neighbours together that make a chunk of a table."""
    groups: list[Sequence[Series]] = []
    first, length = 0, 0
    for number, one in enumerate(series, 1):
        length += len(one.steps)
        if length >= _CHUNK_ROWS or number == len(series):
            groups.append(series[first:number])
            first, length = number, 0
    return groups or [series]


def _chunked(groups: Sequence[Sequence[np.ndarray]], dtype: object) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(_joined(parts, dtype)) for parts in groups])


def _cut(column: pa.Array, lengths: Sequence[int]) -> pa.ChunkedArray:
    starts = np.cumsum([0, *lengths])
    return pa.chunked_array(
        [column.slice(start, length) for start, length in zip(starts, lengths, strict=False)]
    )


def _joined(parts: Sequence[np.ndarray], dtype: object) -> np.ndarray:
    if len(parts) == 1:
        return np.ascontiguousarray(parts[0])
    return np.concatenate(parts) if parts else np.empty(0, dtype)  # type: ignore[call-overload]


def _coded(
    values: Sequence[object], distinct: Sequence[object], type: pa.DataType, counts: np.ndarray
) -> pa.DictionaryArray:
    codes = {value: code for code, value in enumerate(distinct)}
    indices = np.fromiter((codes[value] for value in values), np.int32, len(values))
    return pa.DictionaryArray.from_arrays(
        pa.array(np.repeat(indices, counts)), pa.array(distinct, type)
    )


def _values(parts: Sequence[np.ndarray], type: AttributeType) -> pa.Array:
    values = [decode_cell(cell) for part in parts for cell in part]
    if type is AttributeType.STRING_SERIES:
        return pa.array(values, pa.string())
    if type is AttributeType.HISTOGRAM_SERIES:
        return pa.array(
            [{"kind": v.kind, "edges": v.edges, "values": v.values} for v in values], HISTOGRAM
        )
    return pa.array(
        [
            {
                "digest": v.digest,
                "size_bytes": v.size_bytes,
                "mime_type": v.mime_type,
                "name": v.name,
            }
            for v in values
        ],
        FILE,
    )
