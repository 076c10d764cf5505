"""Columns of points as arrays: what a bulk write of any back end takes, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from mooring.errors import InvalidStep, InvalidValue
from mooring.model import MAX_STEP, MAX_TIME, MIN_TIME, STEP_SCALE, now_micros
from mooring.wire.exporter.columns import micros_of_decimals


def _array(values: Any) -> np.ndarray:
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        if pa.types.is_timestamp(values.type):
            # What is finer than a microsecond is cut off; the zone does not change the instant.
            values = values.cast(pa.timestamp("us", values.type.tz), safe=False).cast(pa.int64())
        if not isinstance(values, pa.ChunkedArray):
            values = pa.chunked_array([values])
        values = values.to_numpy()
    return np.asarray(values)


def floats_of(values: Any, what: str) -> np.ndarray:
    """Return values as doubles; `InvalidValue` for what is no column of numbers."""
    array = _array(values)
    if array.ndim != 1 or array.dtype.kind not in "fiub":
        raise InvalidValue(f"{what} must be one column of numbers, not {array.dtype}")
    return np.ascontiguousarray(array, np.float64)


def steps_of(steps: Any) -> np.ndarray:
    """Return steps in millionths; `InvalidStep` for one that cannot be."""
    if isinstance(steps, (pa.Array, pa.ChunkedArray)) and pa.types.is_decimal(steps.type):
        if not isinstance(steps, pa.ChunkedArray):
            steps = pa.chunked_array([steps])
        if steps.null_count:
            raise InvalidStep("a step is missing")
        try:
            return micros_of_decimals(steps.cast(pa.decimal128(18, 6)))
        except pa.ArrowInvalid as error:
            raise InvalidStep(
                f"a step is beyond ±10^12 or has more than 6 places: {error}"
            ) from None
    array = _array(steps)
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise InvalidStep(f"steps must be one column of numbers, not {array.dtype}")
    if not len(array):
        return np.empty(0, np.int64)
    if array.dtype.kind == "f":
        array = array.astype(np.float64, copy=False)
        if not bool(np.isfinite(array).all()):
            raise InvalidStep("a step is NaN or infinite")
    if float(array.max()) > MAX_STEP or float(array.min()) < -MAX_STEP:
        raise InvalidStep("a step is beyond ±10^12")
    micros: np.ndarray
    if array.dtype.kind == "f":
        whole = np.floor(array)
        micros = np.rint((array - whole) * STEP_SCALE).astype(np.int64)
        micros += whole.astype(np.int64) * STEP_SCALE
    else:
        micros = array.astype(np.int64) * STEP_SCALE
    return micros


def times_of(times: Any, count: int) -> np.ndarray:
    """Return times in microseconds since 1970; `InvalidValue` for one that cannot be."""
    if times is None:
        times = now_micros()
    if isinstance(times, int):
        times = np.full(count, min(max(times, MIN_TIME - 1), MAX_TIME + 1), np.int64)
    array = _array(times)
    if array.dtype.kind == "M":
        array = array.astype("datetime64[us]").astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InvalidValue(f"times must be microseconds since 1970, not {array.dtype}")
    moments = np.ascontiguousarray(array, np.int64)
    if len(moments) and not MIN_TIME <= moments.min() <= moments.max() <= MAX_TIME:
        raise InvalidValue("a time is not within the years 1 to 9999, in microseconds")
    return moments
