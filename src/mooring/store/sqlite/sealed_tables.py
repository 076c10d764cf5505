"""Sealed rows of tracker's tables: Parquet files with a column for each name.

Columns: `track_id`, `timestamp` (UTC), the names, and for the store `mooring:project`,
`mooring:sequence` and `mooring:step`. A name that is one of these is `mooring:cell:NAME` there.
The file's metadata `mooring:mixed` lists the columns that hold JSON cells.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mooring.model import AttributeType
from mooring.store.cells import loads
from mooring.store.sqlite.rows import points_of
from mooring.store.sqlite.segments import MIXED_KEY, OpenSegment
from mooring.store.sqlite.series import Series
from mooring.store.tables import column_of, is_mixed, mixed_field, stack, take

TRACK_ID, TIMESTAMP = "track_id", "timestamp"
PROJECT, SEQUENCE, STEP = "mooring:project", "mooring:sequence", "mooring:step"
_CELL = "mooring:cell:"
_REPEATED = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True, slots=True)
class SealedRows:
    """Rows by run and sequence; `steps` in millionths, `times` in microseconds."""

    runs: np.ndarray
    sequence: np.ndarray
    steps: np.ndarray
    times: np.ndarray
    cells: pa.Table

    def __len__(self) -> int:
        return len(self.sequence)

    def take(self, order: np.ndarray) -> SealedRows:
        """Return the rows at these positions."""
        return SealedRows(
            self.runs[order],
            self.sequence[order],
            self.steps[order],
            self.times[order],
            take(self.cells, order),
        )

    def ranges(self) -> list[tuple[int, int, int]]:
        """Return (run, first row, number of rows) of each run."""
        if not len(self):
            return []
        starts = np.flatnonzero(np.concatenate(([True], self.runs[1:] != self.runs[:-1])))
        stops = np.append(starts[1:], len(self))
        return [
            (int(self.runs[start]), int(start), int(stop - start))
            for start, stop in zip(starts, stops, strict=True)
        ]


def join_rows(parts: Sequence[SealedRows]) -> SealedRows:
    """Return the rows of several parts, by run and sequence."""
    names = list(dict.fromkeys(name for part in parts for name in part.cells.column_names))
    runs, sequence, steps, times = (
        np.concatenate([getattr(part, name) for part in parts] or [np.empty(0, np.int64)])
        for name in ("runs", "sequence", "steps", "times")
    )
    rows = SealedRows(runs, sequence, steps, times, stack([p.cells for p in parts], names))
    order = np.lexsort((sequence, runs))
    if np.array_equal(order, np.arange(len(order))):
        return rows
    return rows.take(order)


def column_name(name: str) -> str:
    """Return the name of a column in the file.

    >>> column_name("loss"), column_name("timestamp")
    ('loss', 'mooring:cell:timestamp')
    """
    if name in (TRACK_ID, TIMESTAMP) or name.startswith("mooring:"):
        return f"{_CELL}{name}"
    return name


def to_file(rows: SealedRows, names: Mapping[int, tuple[str, str]]) -> pa.Table:
    """Return rows as the file's table; `names` maps a run's key to its project and run id."""
    runs, where = np.unique(rows.runs, return_inverse=True)
    codes = pa.array(where.astype(np.int32))
    projects, ids = (
        pa.DictionaryArray.from_arrays(
            codes, pa.array([names[run][i] for run in runs.tolist()], pa.string())
        )
        for i in (0, 1)
    )
    fields = [
        pa.field(TRACK_ID, _REPEATED),
        pa.field(TIMESTAMP, pa.timestamp("us", "UTC")),
        *(field.with_name(column_name(field.name)) for field in rows.cells.schema),
        pa.field(PROJECT, _REPEATED),
        pa.field(SEQUENCE, pa.int64()),
        pa.field(STEP, pa.int64()),
    ]
    return pa.table(
        [
            ids,
            pa.array(rows.times).view(pa.timestamp("us", "UTC")),
            *rows.cells.columns,
            projects,
            pa.array(rows.sequence),
            pa.array(rows.steps),
        ],
        schema=pa.schema(fields),
    )


def metadata(table: pa.Table) -> dict[str, str]:
    """Return the file's metadata for a table of `to_file`."""
    return {MIXED_KEY: json.dumps([field.name for field in table.schema if is_mixed(field)])}


def from_file(
    table: pa.Table, mixed: Sequence[str], ranges: Sequence[tuple[int, int, int]]
) -> SealedRows:
    """Return the rows of a file's table: ranges of (run, first row, number of rows)."""
    order = np.concatenate(
        [np.arange(first, first + count) for _, first, count in ranges] or [np.empty(0, np.int64)]
    )
    runs = np.repeat(
        np.array([run for run, _, _ in ranges], np.int64), [count for _, _, count in ranges]
    )
    if "data" in table.column_names and "time_us" in table.column_names:
        return _from_format_1(table, runs, order)
    fields, columns = [], []
    for field in table.schema:
        name = field.name
        if name in (TRACK_ID, TIMESTAMP, PROJECT, SEQUENCE, STEP):
            continue
        own = name.removeprefix(_CELL)
        fields.append(mixed_field(own) if name in mixed else field.with_name(own))
        columns.append(table[name])
    cells = stack([pa.table(columns, schema=pa.schema(fields))], [f.name for f in fields])
    if not columns:
        cells = stack([table.select([])], [])
    numbers = (
        table[SEQUENCE].to_numpy(),
        table[STEP].to_numpy(),
        table[TIMESTAMP].cast(pa.int64()).to_numpy(),
    )
    if len(order) == table.num_rows and np.array_equal(order, np.arange(len(order))):
        return SealedRows(runs, *numbers, cells)
    sequence, steps, times = (column[order] for column in numbers)
    return SealedRows(runs, sequence, steps, times, take(cells, order))


def _from_format_1(table: pa.Table, runs: np.ndarray, order: np.ndarray) -> SealedRows:
    """Return rows of the first format: all cells in a column of JSON objects by name."""
    table = take(table, order)
    cells: dict[str, list[object]] = {}
    for i, text in enumerate(table["data"].to_pylist()):
        for name, cell in loads(text).items():
            cells.setdefault(name, [None] * table.num_rows)[i] = cell
    built = [column_of(name, column) for name, column in cells.items()]
    columns = stack([table.select([])], [])
    if built:
        columns = pa.table(
            [array for _, array in built], schema=pa.schema([field for field, _ in built])
        )
    sequence, steps, times = (table[n].to_numpy() for n in ("sequence", "step", "time_us"))
    return SealedRows(runs, sequence, steps, times, columns)


Entry = tuple[int, int, int, int]
"""Run, path, first row, number of rows."""


def from_columns(
    segment: OpenSegment, entries: Sequence[Entry], names: Mapping[int, str], type: AttributeType
) -> Iterator[tuple[Entry, Series]]:
    """Yield the points of series that are columns of a segment's rows."""
    wanted = [column_name(name) for name in names.values()]
    read = segment.read([STEP, TIMESTAMP, *wanted], [(entry[2], entry[3]) for entry in entries])
    table = read.table
    steps, times = table[STEP].to_numpy(), table[TIMESTAMP].cast(pa.int64()).to_numpy()
    mixed = set(segment.mixed)
    columns: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for entry, at in zip(entries, read.starts, strict=True):
        run, path, _, count = entry
        if path not in columns:
            name = column_name(names[path])
            field = mixed_field(name) if name in mixed else table.schema.field(name)
            columns[path] = points_of(field, table[name], type)
        rows, values = columns[path]
        low, high = np.searchsorted(rows, (at, at + count))
        shown = rows[low:high]
        if len(shown):
            yield entry, Series(run, path, type, steps[shown], times[shown], values[low:high])
