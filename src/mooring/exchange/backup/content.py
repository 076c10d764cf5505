"""What a run holds, as digests: equal exactly when type, steps, times, values and files are equal.

A backup knows by them what has changed since the last one.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mooring.exchange.selection import type_of
from mooring.exchange.source import SourceFile, SourceValue
from mooring.model import (
    AttributeType,
    Typed,
    datetime_from_micros,
    micros_from_datetime,
)


def to_json(value: SourceValue) -> Any:
    """Return a value that is no file as JSON can say it; `from_json` gives it back."""
    match value:
        case Typed():
            return value.value
        case float():
            return value if math.isfinite(value) else repr(value)
        case datetime():
            return micros_from_datetime(value)
        case frozenset() | set():
            return sorted(value)
    return value


def from_json(type: AttributeType, stored: Any) -> SourceValue:
    """Return the value that `to_json` stored."""
    match type:
        case AttributeType.FLOAT:
            return float(stored)
        case AttributeType.DATETIME:
            return datetime_from_micros(stored)
        case AttributeType.STRING_SET:
            return frozenset(stored)
        case AttributeType.INT | AttributeType.BOOL | AttributeType.STRING:
            return stored  # type: ignore[no-any-return]
    return Typed(type, stored)


def digest_value(value: SourceValue) -> str:
    """Return the digest of a value that is no file."""
    return _digest(_text([type_of(value), to_json(value)]))


def digest_file(type: AttributeType, file: SourceFile, content: str) -> str:
    """Return the digest of a file as an attribute; `content` is the SHA-256 of what it holds."""
    return _digest(_text([type, content, file.name, file.mime_type]))


def digest_facts(facts: Mapping[str, Any]) -> str:
    """Return the digest of anything that is JSON."""
    return _digest(_text(facts))


def digest_points(type: AttributeType, points: pa.Table) -> str:
    """Return the digest of the points of one series, as `Source.read_points` returns them."""
    hasher = hashlib.blake2b(type.encode(), digest_size=16)
    for name in ("step", "time"):
        hasher.update(points[name].combine_chunks().cast(pa.int64()).to_numpy().tobytes())
    for part in _value_parts(type, points["value"]):
        hasher.update(part)
    return hasher.hexdigest()


def digest_table(table: pa.Table | None) -> str:
    """Return the digest of a table of extras; empty for none."""
    if table is None or not table.num_rows:
        return ""
    plain = [
        column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in table.columns
    ]
    fields = [
        field.with_type(column.type) for field, column in zip(table.schema, plain, strict=True)
    ]
    whole = pa.table(plain, schema=pa.schema(fields)).combine_chunks()
    hasher = hashlib.blake2b(digest_size=16)
    for field, column in zip(whole.schema, whole.columns, strict=True):
        metadata = sorted((field.metadata or {}).items())
        hasher.update(_text([field.name, str(field.type), repr(metadata)]).encode())
        for chunk in column.chunks:
            for part in _array_parts(chunk):
                hasher.update(part)
    return hasher.hexdigest()


def _array_parts(array: pa.Array) -> Iterator[bytes]:
    """Yield the bytes of any column of a table: which cells there are, and what they hold."""
    yield np.asarray(pc.is_valid(array).to_numpy(zero_copy_only=False), np.uint8).tobytes()
    kind = array.type
    if pa.types.is_null(kind):
        return
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        yield from _text_parts(pc.fill_null(array, ""))
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        yield from _text_parts(pc.fill_null(array, b""))
    elif pa.types.is_floating(kind):
        filled = pc.fill_null(array, pa.scalar(0.0, kind)).to_numpy(zero_copy_only=False)
        yield from _float_parts(filled.astype(np.float64))
    elif pa.types.is_boolean(kind):
        yield pc.fill_null(array, False).to_numpy(zero_copy_only=False).tobytes()
    elif pa.types.is_integer(kind):
        filled = pc.fill_null(array, pa.scalar(0, kind))
        yield filled.cast(pa.int64()).to_numpy(zero_copy_only=False).tobytes()
    elif pa.types.is_timestamp(kind):
        yield from _array_parts(array.cast(pa.int64()))
    else:
        yield _text(array.to_pylist()).encode()


def _value_parts(type: AttributeType, values: pa.ChunkedArray) -> Iterator[bytes]:
    match type:
        case AttributeType.FLOAT_SERIES:
            yield from _float_parts(values.to_numpy())
        case AttributeType.STRING_SERIES:
            yield from _text_parts(values)
        case AttributeType.HISTOGRAM_SERIES:
            yield from _text_parts(pc.struct_field(values, "kind").cast(pa.string()))
            for name in ("edges", "values"):
                numbers = pc.struct_field(values, name)
                yield pc.list_value_length(numbers).to_numpy().astype(np.int64).tobytes()
                yield from _float_parts(pc.list_flatten(numbers).to_numpy())
        case _:
            for name in ("digest", "name", "mime_type"):
                yield from _text_parts(
                    pc.fill_null(pc.struct_field(values, name).cast(pa.string()), "")
                )


def _float_parts(values: np.ndarray) -> Iterator[bytes]:
    # every NaN is the same one
    yield np.where(np.isnan(values), np.nan, values).tobytes()


def _text_parts(texts: pa.ChunkedArray | pa.Array) -> Iterator[bytes]:
    yield pc.binary_length(texts).to_numpy(zero_copy_only=False).astype(np.int64).tobytes()
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        _, offsets, data = chunk.buffers()
        if data is not None and len(chunk):
            wide = pa.types.is_large_string(chunk.type) or pa.types.is_large_binary(chunk.type)
            places = np.frombuffer(offsets, np.int64 if wide else np.int32)
            first, last = int(places[chunk.offset]), int(places[chunk.offset + len(chunk)])
            yield data.slice(first, last - first).to_pybytes()


def _text(facts: Any) -> str:
    return json.dumps(facts, sort_keys=True, ensure_ascii=True, default=str)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
