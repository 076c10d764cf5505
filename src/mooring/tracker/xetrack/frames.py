"""Rows of a xetrack file as frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mooring.tracker.xetrack.tables import TIMESTAMP, TRACK_ID

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_MISSING = type(None)
_ONE_KIND = frozenset({int, float, str})


def to_arrow(columns: Mapping[str, Sequence[Any]], *, by_time: bool = False) -> pa.Table:
    """Return columns of SQLite's values as Arrow: `track_id`, `timestamp`, then as in the file.

    Types are those of `mooring.store.tables`. `by_time` sorts by the text of the timestamp; rows
    that have the same one stay in their order.
    """
    import pyarrow as pa

    from mooring.store.cells import encode_cell
    from mooring.store.tables import column_of

    order = None
    if by_time:
        times = columns[TIMESTAMP]
        order = sorted(range(len(times)), key=lambda row: str(times[row] or ""))
    fields, arrays = [], []
    for name in dict.fromkeys((TRACK_ID, TIMESTAMP, *columns)):
        values = columns[name]
        kinds = set(map(type, values)) - {_MISSING}
        cells = values
        if len(kinds) > 1 or not kinds <= _ONE_KIND:
            cells = [encode_cell(name, value) for value in values]
        field, array = column_of(name, cells)
        fields.append(field)
        arrays.append(array)
    table = pa.table(arrays, schema=pa.schema(fields))
    return table if order is None or order == sorted(order) else table.take(order)


def to_frame(columns: Mapping[str, Sequence[Any]], *, by_time: bool = False) -> pd.DataFrame:
    """Return columns of SQLite's values in the frame library in use; see `to_arrow`."""
    from mooring.tracker.backends import arrow_frame

    return arrow_frame(to_arrow(columns, by_time=by_time))
