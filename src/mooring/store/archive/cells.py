"""Steps, times and histograms of a part as a store has them, and which of them it cannot have."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mooring.model import MAX_STEP, MAX_TIME, MIN_TIME, STEP_SCALE
from mooring.wire.exporter.columns import micros_of_decimals

_PER_UNIT = {"s": 1_000_000, "ms": 1_000, "us": 1}
_STEP = pa.decimal128(18, 6)
_MAX_MICROS = MAX_STEP * STEP_SCALE


def read_steps(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Return steps in millionths, and which of them a store can have; the others are 0.

    >>> read_steps(pa.chunked_array([[0.5, 1e300]]))
    (array([500000,      0]), array([ True, False]))
    """
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        return _float_steps(column.cast(pa.float64(), safe=False).to_numpy())
    if column.type != _STEP:
        if column.type.scale != _STEP.scale:
            column = pc.round(column.cast(_widened(column.type)), _STEP.scale, "half_to_even")
        fits = pc.less_equal(pc.abs(column), MAX_STEP).combine_chunks()
        column = pc.if_else(fits, column, pa.scalar(0).cast(column.type))
        wide = pa.decimal128(38, _STEP.scale)  # rounded, so that nothing is lost
        steps = column.cast(wide).combine_chunks()
        at_limit = pc.equal(pc.abs(steps), MAX_STEP)
        if pc.any(at_limit).as_py():  # 19 digits, one more than the files of an export have
            micros = [int(one.scaleb(_STEP.scale)) for one in steps.to_pylist()]
            return np.array(micros, np.int64), _flags(fits)
        return micros_of_decimals(pa.chunked_array([steps.cast(_STEP)])), _flags(fits)
    return micros_of_decimals(column), np.ones(len(column), bool)


def _widened(type: pa.DataType) -> pa.DataType:
    return type if pa.types.is_decimal256(type) else pa.decimal128(38, type.scale)


def _float_steps(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    good = np.isfinite(numbers) & (np.abs(numbers) <= MAX_STEP)
    numbers = np.where(good, numbers, 0.0)
    whole = np.floor(numbers)
    micros: np.ndarray = np.rint((numbers - whole) * STEP_SCALE).astype(np.int64)
    micros += whole.astype(np.int64) * STEP_SCALE
    return micros, good & (np.abs(micros) <= _MAX_MICROS)


def read_times(
    column: pa.ChunkedArray, *, otherwise: int, zone: tzinfo | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return times in microseconds, and which of them a store can have.

    Parameters
    ----------
    otherwise : what stands for null
    zone : the times are local ones of this zone, though they claim to be UTC
    """
    valid = pc.is_valid(column).to_numpy()
    raw = column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
    numbers = pc.fill_null(raw.cast(pa.int64()), 0).to_numpy()
    unit = column.type.unit if pa.types.is_timestamp(column.type) else "us"
    if unit == "ns":
        micros, good = numbers // 1000, np.ones(len(numbers), bool)
    else:
        scale = _PER_UNIT[unit]
        good = (numbers >= -(-MIN_TIME // scale)) & (numbers <= MAX_TIME // scale)
        micros = np.where(good, numbers, 0) * scale
    if zone is not None:
        # A day at both ends, so that the shift stays within the years.
        good &= (micros > MIN_TIME + 86_400_000_000) & (micros < MAX_TIME - 86_400_000_000)
        naive = pa.array(np.where(good, micros, 0)).view(pa.timestamp("us"))
        shifted = pc.assume_timezone(naive, str(zone), ambiguous="earliest", nonexistent="latest")
        micros = shifted.cast(pa.int64()).to_numpy()
    return np.where(valid, micros, otherwise), good | ~valid


def rows_of_values(table: pa.Table) -> list[dict[str, Any]]:
    """Return rows of single values; times as microseconds, which Python may not have."""
    if "datetime_value" in table.column_names and table.num_rows:
        column = table["datetime_value"]
        times, good = read_times(column, otherwise=0)
        times = np.where(good, times, MAX_TIME + 1)
        nulls = pc.is_null(column).to_numpy()
        at = table.column_names.index("datetime_value")
        table = table.set_column(at, "datetime_value", pa.array(times, pa.int64(), mask=nulls))
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def are_histograms(column: pa.ChunkedArray) -> np.ndarray:
    """Return which values have edges, and one value less than edges."""
    edges, values = (
        pc.list_value_length(pc.struct_field(column, name)) for name in ("edges", "values")
    )
    return _flags(pc.fill_null(pc.equal(edges, pc.add(values, 1)), False))


def read_histograms(column: pa.ChunkedArray) -> pa.Array:
    """Return histograms as `RunImport.write_points` takes them."""
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks)
    kind = pc.fill_null(pc.struct_field(whole, "type").cast(pa.string()), "COUNTING")
    numbers = pa.list_(pa.float64())
    return pa.StructArray.from_arrays(
        [kind, *(pc.struct_field(whole, name).cast(numbers) for name in ("edges", "values"))],
        names=["kind", "edges", "values"],
    )


def _flags(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    flags: np.ndarray = column.to_numpy(zero_copy_only=False).astype(bool)
    return flags
