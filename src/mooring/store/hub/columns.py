"""Columns of points on their way to a hub: checked for what a local store would refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from mooring.errors import InvalidInput
from mooring.model import now_micros


def points_table(path: str, *, steps: Any, values: Any, times: Any) -> pa.Table:
    """Return points of one series as `Store.write_table` takes them."""
    columns = [_array(steps), _array(values)]
    count = len(columns[1])
    if times is None or isinstance(times, int):
        moment = now_micros() if times is None else times
        columns.append(pa.array([moment] * count if count else [], pa.int64()))
    else:
        columns.append(_array(times))
    if len({len(column) for column in columns}) > 1:
        lengths = ", ".join(str(len(column)) for column in columns)
        raise InvalidInput(f"steps, values and times differ in length: {lengths}")
    coded = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(count, np.int32)), pa.array([path], pa.string())
    )
    return pa.table(dict(zip(("path", "step", "value", "time"), [coded, *columns], strict=True)))


def _array(values: Any) -> Any:
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values
    array = np.asarray(values)
    if array.ndim != 1:
        raise InvalidInput(f"points come as columns, not as an array of {array.ndim} dimensions")
    if array.dtype == object:
        raise InvalidInput("points come as columns of numbers, not of objects")
    return pa.array(array)


def check_table(table: Any) -> pa.Table:
    """Return a table of points; `InvalidInput` for what lacks a column."""
    missing = {"path", "step", "value"} - set(table.column_names)
    if missing:
        raise InvalidInput(f"the table lacks the column {sorted(missing)[0]!r}")
    return table
