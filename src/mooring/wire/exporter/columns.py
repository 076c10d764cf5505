"""Arrow columns of an export's files, and how they are encoded.

Measured on 1 M points of 50 series: step and time almost vanish with delta coding, values lose
their exponent bytes with split streams; large pages let zstd see that the times of one series are
those of the next (9.3 bytes a point with pages of 20,000 rows, 7.4 without).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mooring.wire.exporter.schema import SCHEMA

ROW_GROUP = 131_072
"""Rows of a row group: what reading one short series has to decode at least."""

_STEP_WRITTEN = pa.decimal64(18, 6)
_REPEATED = pa.dictionary(pa.int32(), pa.string())
_REPEATED_COLUMNS = ("project_id", "run_id", "attribute_path", "attribute_type")

WRITTEN_SCHEMA = pa.schema(
    [
        field.with_type(
            _REPEATED
            if field.name in _REPEATED_COLUMNS
            else _STEP_WRITTEN
            if field.name == "step"
            else field.type
        )
        for field in SCHEMA
    ]
)
"""The same file, from arrays that are faster to make."""

PARQUET_OPTIONS: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 3,
    "store_schema": False,
    "store_decimal_as_integer": True,
    "use_dictionary": [*_REPEATED_COLUMNS, "timestamp_us"],
    "data_page_size": 4 << 20,
    "max_rows_per_page": 1 << 20,
}
POINTS_ENCODING = {
    "step": "DELTA_BINARY_PACKED",
    "timestamp": "DELTA_BINARY_PACKED",
    "float_value": "BYTE_STREAM_SPLIT",
}


def micros_of_decimals(column: pa.ChunkedArray) -> np.ndarray:
    """Return decimal128(18, 6) as integers of millionths."""
    # decimal128 is two little-endian 64-bit words, of which the lower holds all 18 digits.
    parts = [
        np.frombuffer(chunk.buffers()[1], np.int64)[
            2 * chunk.offset : 2 * (chunk.offset + len(chunk)) : 2
        ]
        for chunk in column.chunks
    ]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def decimal_steps(micros: np.ndarray) -> pa.Array:
    """Return steps in millionths as decimals; a file of them reads as decimal128(18, 6)."""
    buffer = pa.py_buffer(np.ascontiguousarray(micros, np.int64))
    return pa.Array.from_buffers(_STEP_WRITTEN, len(micros), [None, buffer])


def repeated(texts: Sequence[str], counts: np.ndarray) -> pa.Array | pa.ChunkedArray:
    """Return each text as often as its count says."""
    distinct = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    if len(distinct) == 1:
        zeros = pa.array(np.zeros(ROW_GROUP, np.int32))
        return _chunks(
            pa.DictionaryArray.from_arrays(zeros, pa.array(list(distinct), pa.string())),
            int(counts.sum()),
        )
    codes = np.fromiter((distinct[text] for text in texts), np.int32, len(texts))
    return pa.DictionaryArray.from_arrays(
        pa.array(np.repeat(codes, counts)), pa.array(list(distinct), pa.string())
    )


def missing(type: pa.DataType, count: int) -> pa.ChunkedArray:
    """Return a column without values that takes no more memory than one row group of it."""
    return _chunks(pa.nulls(ROW_GROUP, type), count)


def millis_and_rest(micros: np.ndarray) -> tuple[pa.Array, pa.Array]:
    """Return times as the columns `timestamp` and `timestamp_us`."""
    millis = micros // 1000
    return (
        pa.array(millis).view(pa.timestamp("ms", "UTC")),
        pa.array((micros - millis * 1000).astype(np.int16)),
    )


def _chunks(part: pa.Array, count: int) -> pa.ChunkedArray:
    """Return `count` values of a constant array of one row group."""
    whole, rest = divmod(count, len(part))
    return pa.chunked_array([part] * whole + ([part.slice(0, rest)] if rest else []), part.type)
