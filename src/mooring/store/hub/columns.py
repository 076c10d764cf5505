"""Columns of points on their way to a hub: checked for what a local store would refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from mooring.errors import InvalidInput
from mooring.store.points import floats_of, steps_of, times_of


def points_table(path: str, *, steps: Any, values: Any, times: Any) -> pa.Table:
    """Return points of one series as `Store.write_table` takes them."""
    numbers = floats_of(values, "values")
    micros = steps_of(steps)
    moments = times_of(times, len(numbers))
    if not len(numbers) == len(micros) == len(moments):
        raise InvalidInput(
            f"steps, values and times differ in length: {len(micros)}, {len(numbers)}, "
            f"{len(moments)}"
        )
    coded = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(len(numbers), np.int32)), pa.array([path], pa.string())
    )
    # Steps go as they came: they have been found good, and are read there in the same way.
    plain = steps if isinstance(steps, (pa.Array, pa.ChunkedArray)) else np.asarray(steps)
    return pa.table({"path": coded, "step": plain, "value": numbers, "time": moments})


def check_table(table: pa.Table) -> pa.Table:
    """Return a table of points; raises what a local store would, but for the run."""
    missing = {"path", "step", "value"} - set(table.column_names)
    if missing:
        raise InvalidInput(f"the table lacks the column {sorted(missing)[0]!r}")
    return table
