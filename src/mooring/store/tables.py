"""Rows of tracker's tables as Arrow columns.

A column whose cells are of one kind has that type: `bool`, `int64`, `double`, `string`, `binary`.
Whole numbers among floats are floats where a double holds them exactly. A column of anything else,
of several kinds, is *mixed*: a string column of JSON cells (see `mooring.store.cells`), marked in
its field's metadata. A column without cells is of type `null`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mooring.errors import InvalidValue
from mooring.store.cells import SPECIAL, decode_cell, dumps, encode_cell, loads

_MIXED = {b"mooring": b"cells"}
_EXACT = 2**53
_NUMBERS = (int, float, list)


def is_mixed(field: pa.Field) -> bool:
    """Return whether a column holds JSON cells."""
    return field.metadata is not None and field.metadata.get(b"mooring") == b"cells"


def mixed_field(name: str) -> pa.Field:
    """Return the field of a column of JSON cells."""
    return pa.field(name, pa.string(), metadata=_MIXED)


def column_of(name: str, cells: Sequence[Any]) -> tuple[pa.Field, pa.Array]:
    """Return a column of JSON cells, of the narrowest type that holds them exactly.

    >>> field, column = column_of("x", [1, None, 2.5])
    >>> field.type, column.to_pylist()
    (DataType(double), [1.0, None, 2.5])
    """
    kinds = set(map(type, cells))
    kinds.discard(type(None))
    type_: pa.DataType | None = None
    if not kinds:
        type_ = pa.null()
    elif kinds == {str}:
        type_ = pa.string()
    elif kinds == {bool}:
        type_ = pa.bool_()
    elif kinds == {int}:
        type_ = pa.int64()
    elif kinds == {float} or (kinds == {int, float} and _are_exact(cells)):
        type_ = pa.float64()
    if type_ is not None:
        return pa.field(name, type_), pa.array(cells, type_)
    if list in kinds:
        tags = {cell[0] for cell in cells if type(cell) is list}
        if tags == {"n"} and kinds.issubset(_NUMBERS) and _are_exact(cells):
            numbers = [SPECIAL[cell[1]] if type(cell) is list else cell for cell in cells]
            return pa.field(name, pa.float64()), pa.array(numbers, pa.float64())
        if tags == {"b"} and kinds == {list}:
            return pa.field(name, pa.binary()), pa.array(
                [cell and bytes.fromhex(cell[1]) for cell in cells], pa.binary()
            )
    texts = [None if cell is None else dumps(cell).decode() for cell in cells]
    return mixed_field(name), pa.array(texts, pa.string())


def _are_exact(cells: Sequence[Any]) -> bool:
    return all(-_EXACT <= cell <= _EXACT for cell in cells if type(cell) is int)


def decode(field: pa.Field, column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """Return the cells of a column as Python values, None where there is none."""
    values: list[Any] = column.to_pylist()
    if is_mixed(field):
        return [None if text is None else decode_cell(loads(text)) for text in values]
    return values


def to_cells(field: pa.Field, column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """Return the JSON cells of a column, None where there is none."""
    values: list[Any] = column.to_pylist()
    if is_mixed(field):
        return [None if text is None else loads(text) for text in values]
    if pa.types.is_floating(field.type) or pa.types.is_binary(field.type):
        return [encode_cell(field.name, value) for value in values]
    return values


def check_cells(table: pa.Table) -> None:
    """Raise `InvalidValue` unless the mixed columns of a table hold JSON cells and nothing else."""
    for field in table.schema:
        if not is_mixed(field):
            continue
        for text in table[field.name].to_pylist():
            try:
                cell = loads(text or "null")
                kept = encode_cell(field.name, decode_cell(cell))
                if cell != kept and not (type(cell) is list and cell[:1] == ["j"]):
                    raise ValueError
                if type(cell) is list and cell[0] == "j" and list(map(type, cell)) != [str, str]:
                    raise ValueError
            except (ValueError, TypeError, LookupError):
                raise InvalidValue(f"column {field.name!r}: {text[:80]!r} is no cell") from None


def stack(tables: Sequence[pa.Table], names: Sequence[str]) -> pa.Table:
    """Return the rows of several tables, one after the other, with these columns.

    A table that lacks a column has no cells there. A column that has different types in the
    tables becomes one that holds all of them exactly.
    """
    fields, columns = [], []
    for name in names:
        field, column = _stack_column(name, tables)
        fields.append(field)
        columns.append(column)
    if not columns:
        return empty(sum(table.num_rows for table in tables))
    return pa.table(columns, schema=pa.schema(fields))


def empty(rows: int) -> pa.Table:
    """Return a table of so many rows without columns."""
    return pa.table({"": pa.nulls(rows)}).select([])


def take(table: pa.Table, rows: np.ndarray) -> pa.Table:
    """Return these rows of a table, which may have no columns."""
    if not table.num_columns:
        return empty(len(rows))
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and bool(np.all(rows[1:] > rows[:-1])):
        return table.slice(int(rows[0]), len(rows))
    return table.take(pa.array(rows))


def _stack_column(name: str, tables: Sequence[pa.Table]) -> tuple[pa.Field, pa.ChunkedArray]:
    parts: list[tuple[pa.Field | None, pa.ChunkedArray]] = []
    for table in tables:
        i = table.schema.get_field_index(name)
        if i < 0:
            parts.append((None, pa.chunked_array([pa.nulls(table.num_rows)])))
        else:
            parts.append((table.schema.field(i), table.column(i)))
    known = [field for field, _ in parts if field is not None and field.type != pa.null()]
    types = {field.type for field in known}
    mixed = any(is_mixed(field) for field in known)
    if not types:
        return pa.field(name, pa.null()), pa.chunked_array([pa.nulls(t.num_rows) for t in tables])
    if len(types) == 1 and (not mixed or all(is_mixed(field) for field in known)):
        return known[0], _joined(parts, known[0].type)
    if types == {pa.int64(), pa.float64()} and not mixed:
        try:
            return pa.field(name, pa.float64()), _joined(parts, pa.float64())
        except pa.ArrowInvalid:
            pass  # a whole number that no double holds exactly
    cells: list[Any] = []
    for field, part in parts:
        cells += [None] * len(part) if field is None else to_cells(field, part)
    field, column = column_of(name, cells)
    return field, pa.chunked_array([column])


def _joined(
    parts: Sequence[tuple[pa.Field | None, pa.ChunkedArray]], type_: pa.DataType
) -> pa.ChunkedArray:
    chunks: list[pa.Array] = []
    for field, part in parts:
        if field is not None and field.type == type_:
            chunks += part.chunks
        else:
            chunks += part.cast(type_).chunks
    return pa.chunked_array(chunks, type_)
