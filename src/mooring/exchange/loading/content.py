"""Digests of what a run holds: the same content has the same digest, whatever it was read from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from mooring.exchange.points import rows_by_path
from mooring.exchange.selection import type_of
from mooring.exchange.source import SourceFile, SourceValue
from mooring.model import AttributeType, Typed, micros_from_datetime
from mooring.store.computed import COUNTERS, EXPERIMENT_TIME, POINTS, SIZE

if TYPE_CHECKING:
    import pyarrow as pa

RECORDS = frozenset(
    {
        *COUNTERS,
        EXPERIMENT_TIME,
        POINTS,
        SIZE,
        "sys/experiment/is_head",
        "sys/modification_time",
        "sys/monitoring_time",
        "sys/ping_time",
        "sys/running_time",
        "sys/running_time_seconds",
        "sys/state",
    }
)
"""What is noted about a run and goes on changing, also by what other runs do: not its content."""


def digest_value(value: SourceValue, *, content: str = "") -> str:
    """Return the digest of a single value; of a file, that of its `content` counts."""
    kind, held = type_of(value), value.value if isinstance(value, Typed) else value
    told: object
    match held:
        case SourceFile():
            told = [held.name, content]
        case float():
            told = held.hex()
        case datetime():
            told = micros_from_datetime(held)
        case frozenset():
            told = sorted(held)
        case _:
            told = held
    text = json.dumps([kind.value, told], sort_keys=True, default=str)
    return sha256(text.encode()).hexdigest()[:32]


def digest_points(
    type: AttributeType, points: pa.Table, *, seed: str = ""
) -> Iterator[tuple[str, int, str]]:
    """Yield path, number of points and digest of each series of a table of points."""
    for path, first, count in rows_by_path(points):
        series = points.slice(first, count)
        digest = sha256(f"{seed}{type.value}".encode())
        for name in ("step", "time", "value"):
            _feed(digest, series[name])
        yield path, count, digest.hexdigest()[:32]


def digest_run(parts: Mapping[str, str]) -> str:
    """Return the digest of a run from those of its attributes."""
    digest = sha256()
    for path in sorted(parts):
        digest.update(f"{len(path.encode())}:{path}{parts[path]}".encode())
    return digest.hexdigest()


def _feed(digest: Any, column: Any) -> None:
    """Add the content of an Arrow array to a digest: lengths and values, nothing of its layout."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    for array in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        kind = array.type
        if array.null_count:
            digest.update(np.packbits(array.is_valid().to_numpy(zero_copy_only=False)).tobytes())
        if pa.types.is_struct(kind):
            for child in array.flatten():
                _feed(digest, child)
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            lengths = pc.fill_null(pc.list_value_length(array), -1).cast(pa.int64())
            digest.update(lengths.to_numpy(zero_copy_only=False).tobytes())
            _feed(digest, array.flatten())
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
            lengths = pc.fill_null(pc.binary_length(array), -1).cast(pa.int64())
            digest.update(lengths.to_numpy(zero_copy_only=False).tobytes())
            whole = array.cast(pa.large_string())
            if whole.null_count:
                whole = whole.drop_null()
            if len(whole):
                offsets = np.frombuffer(whole.buffers()[1], np.int64)
                first, last = offsets[whole.offset], offsets[whole.offset + len(whole)]
                if last > first:
                    digest.update(memoryview(whole.buffers()[2])[first:last])
        else:
            if array.null_count:
                array = array.fill_null(0)
            digest.update(np.ascontiguousarray(array.to_numpy(zero_copy_only=False)).data)
