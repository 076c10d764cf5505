"""A tracker's rows as a DataFrame. Loads pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mooring.store.contract import EventTable, Store
from mooring.tracker.times import local_text

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

TRACK_ID = "track_id"
TIMESTAMP = "timestamp"
RESERVED = frozenset({TRACK_ID, TIMESTAMP})
"""Columns that the tracker fills in itself."""

_EXACT = 2**53
_QUARTER_HOUR = 15 * 60 * 1_000_000
_MISSING = type(None)
_MANY_COLUMNS = 100


def run_ids(store: Store, table: EventTable) -> Mapping[int, str]:
    """Return the track id of each run that has rows in the table."""
    import numpy as np

    keys = np.unique(table.runs).tolist()
    return {run.key: run.run_id for run in store.get_runs(keys)} if keys else {}


def reversed_rows(table: EventTable) -> EventTable:
    """Return a table's rows, the newest first."""
    import numpy as np

    from mooring.store.tables import take

    last = np.arange(len(table))[::-1]
    return EventTable(
        table.sequence[last], table.runs[last], table.times[last], take(table.cells, last)
    )


def to_arrow(table: EventTable, ids: Mapping[int, str]) -> pa.Table:
    """Return one row for each event: `track_id`, `timestamp`, then the columns of the table.

    Timestamps are local time as text. Columns of mixed cells are JSON, as in `EventTable.cells`.
    """
    import pyarrow as pa

    fields = [pa.field(TRACK_ID, pa.string()), pa.field(TIMESTAMP, pa.string())]
    columns = [_texts_of_runs(table, ids), local_texts(table.times)]
    for field in table.cells.schema:
        if field.name not in RESERVED:
            fields.append(field)
            columns.append(table.cells[field.name])
    return pa.table(columns, schema=pa.schema(fields))


def track_ids(store: Store, table: EventTable) -> pa.Array:
    """Return the track id of each row."""
    return _texts_of_runs(table, run_ids(store, table))


def _texts_of_runs(table: EventTable, ids: Mapping[int, str]) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    runs, where = np.unique(table.runs, return_inverse=True)
    return pa.array([ids[run] for run in runs.tolist()], pa.string()).take(pa.array(where))


def to_frame(table: EventTable, ids: Mapping[int, str]) -> pd.DataFrame:
    """Return one row for each event: `track_id`, `timestamp`, then keys as they appeared.

    Timestamps are local time as text. A column of whole numbers stays whole (`Int64` where cells
    are missing), one of numbers is `float64`, one of bools `bool` (`boolean` where cells are
    missing), one of texts `str`; a column of mixed types keeps its objects.
    """
    return arrow_to_frame(to_arrow(table, ids))


def arrow_to_frame(arrow: pa.Table) -> pd.DataFrame:
    """Return a table as `to_arrow` makes it with the types that `to_frame` tells."""
    import pandas as pd
    import pyarrow as pa

    from mooring.store.tables import is_mixed

    mixed = [field for field in arrow.schema if is_mixed(field)]
    partial = [
        field.name
        for field in arrow.schema
        if field.type in (pa.int64(), pa.bool_()) and arrow[field.name].null_count
    ]
    apart = {*partial, *(field.name for field in mixed)}
    plain = [name for name in arrow.column_names if name not in apart]
    frame: pd.DataFrame = arrow.select(plain).to_pandas(split_blocks=len(plain) < _MANY_COLUMNS)
    if not apart:
        return frame
    types = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frames = [
        frame,
        arrow.select(partial).to_pandas(types_mapper=types.get),
        pd.DataFrame({field.name: to_series(field, arrow[field.name]) for field in mixed}),
    ]
    whole: pd.DataFrame = pd.concat(frames, axis=1).reindex(columns=arrow.column_names)
    return whole


def to_row(table: EventTable, ids: Mapping[int, str], index: int) -> dict[str, Any]:
    """Return one event as a dict; cells that it lacks are left out."""
    from mooring.store.tables import decode

    row: dict[str, Any] = {}
    for field in table.cells.schema:
        (cell,) = decode(field, table.cells[field.name].slice(index, 1))
        if cell is not None and field.name not in RESERVED:
            row[field.name] = cell
    row[TIMESTAMP] = local_text(int(table.times[index]))
    row[TRACK_ID] = ids[int(table.runs[index])]
    return row


def to_series(field: pa.Field, column: pa.ChunkedArray) -> pd.Series:
    """Return the cells of one column with the narrowest type that holds them exactly."""
    import pandas as pd
    import pyarrow as pa

    from mooring.store.tables import decode, is_mixed

    if is_mixed(field):
        return narrow(decode(field, column))
    if field.type == pa.float64():
        return pd.Series(column.to_numpy())  # a missing cell is NaN
    if field.type == pa.int64() and column.null_count:
        return column.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)  # type: ignore[no-any-return]
    if field.type == pa.bool_() and column.null_count:
        return column.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)  # type: ignore[no-any-return]
    if field.type == pa.null():
        return pd.Series([None] * len(column), dtype="object")
    return column.to_pandas()  # type: ignore[no-any-return]


def few_to_frame(table: EventTable, ids: Mapping[int, str]) -> pd.DataFrame:
    """Return what `to_frame` does, for a few rows in a third of the time: without Arrow."""
    import numpy as np
    import pandas as pd

    columns: dict[str, Any] = {
        TRACK_ID: [ids[run] for run in table.runs.tolist()],
        TIMESTAMP: list(map(local_text, table.times.tolist())),
    }
    for name, values in table.columns.items():
        if name in RESERVED:
            continue
        kinds = set(map(type, values))
        if kinds == {float}:
            columns[name] = np.array(values)
        elif kinds == {str} or kinds == {int} or kinds == {bool}:
            columns[name] = values
        else:
            columns[name] = narrow(values)
    return pd.DataFrame(columns)


def narrow(values: Sequence[Any]) -> pd.Series:
    """Return cells as a column of the narrowest type that holds them exactly."""
    import pandas as pd

    kinds = set(map(type, values))
    partial = _MISSING in kinds
    kinds.discard(_MISSING)
    if kinds == {int}:
        return pd.Series(values, dtype="Int64" if partial else "int64")
    if kinds == {bool}:
        return pd.Series(values, dtype="boolean" if partial else "bool")
    if kinds == {float} or (kinds == {int, float} and not _beyond_float(values)):
        return pd.Series(values, dtype="float64")
    if kinds == {str}:
        return pd.Series(values)
    return pd.Series(values, dtype="object")


def _beyond_float(values: Sequence[Any]) -> bool:
    return any(type(value) is int and not -_EXACT <= value <= _EXACT for value in values)


def local_texts(times: np.ndarray) -> pa.Array:
    """Return instants as `local_text` does, for millions at a time."""
    import pyarrow as pa

    return pa.array(local_micros(times), pa.timestamp("us")).cast(pa.string())


def local_micros(times: np.ndarray) -> np.ndarray:
    """Return what the local clock showed, in microseconds since 1970 on it.

    The offset from UTC is asked once for each quarter of an hour, in which it cannot change.
    """
    import numpy as np

    quarters, where = np.unique(times // _QUARTER_HOUR, return_inverse=True)
    offsets = np.array([_utc_offset(quarter) for quarter in quarters.tolist()], dtype=np.int64)
    return times + offsets[where] if times.size else times


def _utc_offset(quarter: int) -> int:
    from datetime import datetime

    offset = datetime.fromtimestamp(quarter * _QUARTER_HOUR // 1_000_000).astimezone().utcoffset()
    return 0 if offset is None else round(offset.total_seconds()) * 1_000_000
