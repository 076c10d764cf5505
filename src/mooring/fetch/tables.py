"""Attributes of many runs as a frame: one row a run, one column an attribute.

Columns are made whole from the store's columns; no Python runs for a cell, save for cells that
pandas has no type for (sets, files, histograms, a path of several types).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from mooring.fetch.formats import FrameFormat, to_polars
from mooring.model import AttributeType, FileRef, Histogram
from mooring.store.contract import AttributeColumn

_FILE = pa.struct(
    [
        ("digest", pa.string()),
        ("size_bytes", pa.int64()),
        ("mime_type", pa.string()),
        ("name", pa.string()),
    ]
)
_HISTOGRAM = pa.struct(
    [("kind", pa.string()), ("edges", pa.list_(pa.float64())), ("values", pa.list_(pa.float64()))]
)
_MICROS = pa.timestamp("us", tz="UTC")

_ARROW_TYPES: dict[AttributeType, pa.DataType] = {
    AttributeType.INT: pa.int64(),
    AttributeType.FLOAT: pa.float64(),
    AttributeType.FLOAT_SERIES: pa.float64(),
    AttributeType.BOOL: pa.bool_(),
    AttributeType.DATETIME: _MICROS,
    AttributeType.FILE: _FILE,
    AttributeType.FILE_SET: _FILE,
    AttributeType.ARTIFACT: _FILE,
    AttributeType.FILE_SERIES: _FILE,
    AttributeType.HISTOGRAM_SERIES: _HISTOGRAM,
}
"""How a cell is held; every other type is text."""

_EXACT_FLOAT = 2**53
"""Integers up to this size are the same as doubles."""


class RunTable:
    """Collects attribute columns, chunk of runs by chunk, and makes a frame of them.

    Parameters
    ----------
    length : number of runs
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._parts: dict[str, list[AttributeColumn]] = defaultdict(list)

    def add(self, columns: Iterable[AttributeColumn], *, offset: int = 0) -> None:
        """Take columns whose row 0 is row `offset` of the table."""
        for column in columns:
            rows = (
                column.rows if not offset else (np.asarray(column.rows, np.int64) + offset).tolist()
            )
            part = AttributeColumn(column.path, column.type, rows, column.values)
            self._parts[column.path].append(part)

    def to_frame(self, format: FrameFormat, columns: Sequence[str] = ()) -> Any:
        """Return the frame; each of `columns` is there even where no run has it.

        Order of columns: `sys/…` first, `monitoring/…` last, alphabetical within.
        """
        paths = sorted({*self._parts, *columns}, key=_column_order)
        cells = {path: _Cells(self._parts.get(path, ()), self._length) for path in paths}
        if format is FrameFormat.PANDAS:
            return pd.DataFrame(
                {path: column.to_pandas() for path, column in cells.items()},
                index=pd.RangeIndex(self._length),
                columns=pd.Index(paths, dtype=object if not paths else None),
            )
        table = pa.table({path: column.to_arrow() for path, column in cells.items()})
        return table if format is FrameFormat.ARROW else to_polars(table)


class _Cells:
    """The cells of one column: parts of one type or of several."""

    def __init__(self, parts: Sequence[AttributeColumn], length: int) -> None:
        self.parts = [part for part in parts if len(part.rows)]
        self.length = length

    def to_arrow(self) -> pa.Array:
        """Return the column; values of types that do not go together become text."""
        column = self._typed()
        if column is None:
            cells = self._objects()
            column = pa.array(
                [None if cell is None else _text(cell) for cell in cells], pa.string()
            )
        return column

    def to_pandas(self) -> Any:
        """Return the column in the plainest type that keeps every value."""
        column = self._typed()
        if column is None or pa.types.is_struct(column.type) or pa.types.is_null(column.type):
            return self._objects()
        if pa.types.is_integer(column.type):
            if not column.null_count:
                return column.to_numpy()
            numbers = column.drop_null().to_numpy()
            if numbers.min() < -_EXACT_FLOAT or numbers.max() > _EXACT_FLOAT:
                return self._objects()
            column = column.cast(pa.float64())
        if pa.types.is_floating(column.type):
            return column.to_numpy(zero_copy_only=False)
        return column.to_pandas().array

    def _typed(self) -> pa.Array | None:
        """Return the column as one Arrow type, or None where there is none for it."""
        types = {_ARROW_TYPES.get(part.type, pa.string()) for part in self.parts}
        if not types:
            return pa.nulls(self.length)
        if types == {pa.int64(), pa.float64()}:
            types = {pa.float64()}
        if len(types) > 1:
            return None
        type = types.pop()
        try:
            arrays = [_arrow_values(part, type) for part in self.parts]
        except (pa.ArrowInvalid, OverflowError):
            return None  # an integer that the type cannot hold exactly
        values = arrays[0] if len(arrays) == 1 else pa.concat_arrays(arrays)
        rows = np.concatenate([np.asarray(part.rows, np.int64) for part in self.parts])
        if len(rows) == self.length and (rows == np.arange(self.length)).all():
            return values
        places = np.full(self.length, -1, np.int64)
        places[rows] = np.arange(len(rows))
        return values.take(pa.array(places, mask=places < 0))

    def _objects(self) -> Any:
        cells = np.full(self.length, None, object)
        for part in self.parts:
            for row, value in zip(part.rows, part.values, strict=True):
                cells[row] = join_set(value) if isinstance(value, (set, frozenset)) else value
        return cells


def join_set(values: Iterable[str]) -> str:
    """Return a string set as Neptune's tables show it.

    >>> join_set({"b", "a"})
    'a,b'
    """
    return ",".join(sorted(values))


def _arrow_values(part: AttributeColumn, type: pa.DataType) -> pa.Array:
    values: Any = part.values
    if part.type is AttributeType.STRING_SET:
        values = [join_set(value) for value in values]
    elif pa.types.is_struct(type):
        values = [_struct(value) for value in values]
    elif pa.types.is_string(type) and part.type not in _TEXTS:
        values = [_text(value) for value in values]
    elif part.type is AttributeType.INT and pa.types.is_floating(type):
        integers = pa.array(values, pa.int64())
        return integers.cast(type)  # fails where an integer is beyond 2^53
    return pa.array(values, type)


_TEXTS = {AttributeType.STRING, AttributeType.STRING_SERIES, AttributeType.RUN_STATE}


def _struct(value: Any) -> dict[str, Any] | None:
    if isinstance(value, FileRef):
        return dict(zip(("digest", "size_bytes", "mime_type", "name"), astuple(value), strict=True))
    if isinstance(value, Histogram):
        return {"kind": value.kind, "edges": value.edges, "values": value.values}
    return None


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def _column_order(path: str) -> tuple[int, str]:
    room = path.partition("/")[0]
    return {"sys": 0, "monitoring": 2}.get(room, 1), path
