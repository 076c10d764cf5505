"""Rows of tracker's tables in the log: JSON, read as Arrow columns."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json as pj

from mooring.model import AttributeType
from mooring.store.cells import decode_cell, loads, series_type
from mooring.store.contract import EventTable
from mooring.store.sqlite.schema import LOG_EVENT
from mooring.store.sqlite.segments import object_array
from mooring.store.sqlite.views import BOOL, FLOAT, INT, TEXT, ViewColumn
from mooring.store.tables import column_of, empty, is_mixed, to_cells

_BLOCK_BYTES = 64 << 20
_BLOCK_ROWS = 200_000
_FIRST_BLOCK_ROWS = 2_000
_MAX_TYPED_COLUMNS = 500
"""Beyond it most cells are missing, and Arrow's parser would make room for each of them."""
_EXACT = 2**53
_FEW_ROWS = 64
"""Up to so many, setting up Arrow's parser takes longer than parsing."""

_ARROW_TYPES = {
    0: pa.null(),
    INT: pa.int64(),
    FLOAT: pa.float64(),
    INT | FLOAT: pa.float64(),
    BOOL: pa.bool_(),
    TEXT: pa.string(),
}


def read_log(
    connection: sqlite3.Connection, project: int, after: int, columns: Sequence[ViewColumn]
) -> Iterator[EventTable]:
    """Yield the rows of a table that lie in the log after a sequence number, block by block."""
    limit = _FIRST_BLOCK_ROWS
    while True:
        count, last, data, *numbers = connection.execute(
            "SELECT count(*), max(seq), CAST(group_concat(data, char(10)) AS BLOB), "
            "group_concat(seq), group_concat(run), group_concat(time) FROM ("
            f"SELECT seq, run, time, data FROM log WHERE seq > ? AND kind = {LOG_EVENT} "
            "AND run IN (SELECT id FROM runs WHERE project = ?) ORDER BY seq LIMIT ?)",
            (after, project, limit),
        ).fetchone()
        if not count:
            return
        sequence, runs, times = (np.fromstring(text, np.int64, sep=",") for text in numbers)
        yield EventTable(sequence, runs, times, parse(data, count, columns))
        if count < limit:
            return
        after = last
        limit = max(1, min(_BLOCK_ROWS, _BLOCK_BYTES * count // max(1, len(data))))


def from_records(
    rows: Sequence[tuple[int, int, int, str]], columns: Sequence[ViewColumn]
) -> EventTable:
    """Return rows given as (seq, run, time, JSON)."""
    sequence, runs, times = (
        np.fromiter((row[i] for row in rows), np.int64, len(rows)) for i in range(3)
    )
    data = "\n".join(row[3] for row in rows).encode()
    return EventTable(sequence, runs, times, parse(data, len(rows), columns))


def parse(data: bytes, count: int, columns: Sequence[ViewColumn]) -> pa.Table:
    """Return the cells of rows: JSON objects by path number, a line for each row."""
    table = _parse_typed(data, count, columns) if count > _FEW_ROWS else None
    if table is None:
        table = _parse_any(data, count, columns)
    return table


def _parse_typed(data: bytes, count: int, columns: Sequence[ViewColumn]) -> pa.Table | None:
    """Parse columns that are each of one kind; None when they are not, or cannot be."""
    if not 0 < len(columns) <= _MAX_TYPED_COLUMNS:
        return None
    types = [_ARROW_TYPES.get(column.kinds) for column in columns]
    if None in types:
        return None
    schema = pa.schema(
        [(str(column.path), type_) for column, type_ in zip(columns, types, strict=True)]
    )
    try:
        table = pj.read_json(
            pa.BufferReader(data),
            read_options=pj.ReadOptions(block_size=max(1 << 20, len(data) // 8)),
            parse_options=pj.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="error"
            ),
        )
    except pa.ArrowInvalid:
        return None  # NaN, a row longer than a block, a kind entered meanwhile
    if table.num_rows != count:
        return None
    for i, column in enumerate(columns):
        if column.kinds == INT | FLOAT and not _is_exact(table.column(i)):
            return None
    return table.rename_columns([column.name for column in columns])


def _is_exact(column: pa.ChunkedArray) -> bool:
    """Return whether no value is so large that it could be a whole number rounded to a double."""
    return all(
        not np.any(np.abs(chunk.to_numpy(zero_copy_only=False)) >= _EXACT)
        for chunk in column.chunks
    )


def _parse_any(data: bytes, count: int, columns: Sequence[ViewColumn]) -> pa.Table:
    names = {str(column.path): column.name for column in columns}
    cells: dict[str, list[Any]] = {}
    for i, record in enumerate(loads(b"[" + data.replace(b"\n", b",") + b"]")):
        for id, cell in record.items():
            column = cells.get(id)
            if column is None:
                column = cells[id] = []
            if len(column) < i:
                column.extend([None] * (i - len(column)))
            column.append(cell)
    for column in cells.values():
        column.extend([None] * (count - len(column)))
    built = [column_of(names[id], column) for id, column in cells.items() if id in names]
    if not built:
        return empty(count)
    return pa.table([array for _, array in built], schema=pa.schema([field for field, _ in built]))


def points(
    data: Sequence[str], columns: Sequence[ViewColumn], wanted: Collection[int] | None
) -> Iterator[tuple[int, AttributeType, np.ndarray, np.ndarray]]:
    """Yield the points that rows of a table are: path, type, which of the rows, values."""
    table = parse("\n".join(data).encode(), len(data), columns)
    paths = {column.name: column.path for column in columns}
    for field in table.schema:
        path = paths[field.name]
        if wanted is None or path in wanted:
            for type_ in _series_types(field):
                rows, values = points_of(field, table[field.name], type_)
                if len(rows):
                    yield path, type_, rows, values


def points_of(
    field: pa.Field, column: pa.ChunkedArray, type: AttributeType
) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows of a column are points of a series type, and their values."""
    if type is AttributeType.FLOAT_SERIES and _is_number(field):
        numbers: np.ndarray = column.drop_null().cast(pa.float64(), safe=False).to_numpy()
        return np.flatnonzero(column.is_valid().to_numpy()), numbers
    found = [(i, c) for i, c in enumerate(to_cells(field, column)) if series_type(c) is type]
    rows = np.fromiter((i for i, _ in found), np.int64, len(found))
    if type is AttributeType.FLOAT_SERIES:
        return rows, np.array([float(decode_cell(cell)) for _, cell in found], np.float64)
    return rows, object_array([cell for _, cell in found])


def _series_types(field: pa.Field) -> tuple[AttributeType, ...]:
    if is_mixed(field):
        return tuple(type for type in AttributeType if type.is_series)
    if _is_number(field):
        return (AttributeType.FLOAT_SERIES,)
    return (AttributeType.STRING_SERIES,) if pa.types.is_string(field.type) else ()


def _is_number(field: pa.Field) -> bool:
    return bool(
        pa.types.is_floating(field.type)
        or pa.types.is_integer(field.type)
        or pa.types.is_boolean(field.type)
    )
