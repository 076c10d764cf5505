"""A tracker's rows as a DataFrame. Loads pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mooring.store.contract import EventTable, Store
from mooring.tracker.times import local_text

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

TRACK_ID = "track_id"
TIMESTAMP = "timestamp"
RESERVED = frozenset({TRACK_ID, TIMESTAMP})
"""Columns that the tracker fills in itself."""

_EXACT = 2**53
_QUARTER_HOUR = 15 * 60 * 1_000_000
_MISSING = type(None)


def run_ids(store: Store, table: EventTable) -> Mapping[int, str]:
    """Return the track id of each run that has rows in the table."""
    keys = list(dict.fromkeys(table.runs))
    return {run.key: run.run_id for run in store.get_runs(keys)} if keys else {}


def to_frame(table: EventTable, ids: Mapping[int, str]) -> pd.DataFrame:
    """Return one row for each event: `track_id`, `timestamp`, then keys as they appeared.

    Timestamps are local time as text. A column of whole numbers stays whole (`Int64` where cells
    are missing), one of numbers is `float64`, one of bools `bool` (`boolean` where cells are
    missing), one of texts `str`; a column of mixed types keeps its objects.
    """
    import pandas as pd

    columns: dict[str, Any] = {
        TRACK_ID: to_series([ids[key] for key in table.runs]),
        TIMESTAMP: pd.Series(_local_texts(table.times)),
    }
    for name, values in table.columns.items():
        if name not in RESERVED:
            columns[name] = to_series(values)
    return pd.DataFrame(columns)


def to_row(table: EventTable, ids: Mapping[int, str], index: int) -> dict[str, Any]:
    """Return one event as a dict; cells that it lacks are left out."""
    row = {
        name: values[index]
        for name, values in table.columns.items()
        if values[index] is not None and name not in RESERVED
    }
    row[TIMESTAMP] = local_text(table.times[index])
    row[TRACK_ID] = ids[table.runs[index]]
    return row


def to_series(values: Sequence[Any]) -> pd.Series:
    """Return the cells of one column with the narrowest type that holds them exactly."""
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


def _local_texts(times: Sequence[int]) -> Any:
    """Return instants as `local_text` does, for millions at a time.

    The offset from UTC is asked once for each quarter of an hour, in which it cannot change.
    """
    import numpy as np
    import pyarrow as pa

    micros = np.asarray(times, dtype=np.int64)
    quarters, where = np.unique(micros // _QUARTER_HOUR, return_inverse=True)
    offsets = np.array([_utc_offset(quarter) for quarter in quarters.tolist()], dtype=np.int64)
    local = micros + offsets[where] if micros.size else micros
    return _as_text(pa.array(local, pa.timestamp("us")).cast(pa.string()))


def _as_text(array: Any) -> np.ndarray:
    return array.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _utc_offset(quarter: int) -> int:
    from datetime import datetime

    offset = datetime.fromtimestamp(quarter * _QUARTER_HOUR // 1_000_000).astimezone().utcoffset()
    return 0 if offset is None else round(offset.total_seconds()) * 1_000_000
