"""Values of attributes as readers take them: messages filled in place.

A message is made where it will lie, because to copy one into another takes as long as to fill it:
1 µs for an attribute.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from mooring.model import (
    STEP_SCALE,
    AttributeType,
    FileRef,
    Histogram,
    SeriesStats,
    micros_from_datetime,
)
from mooring.wire.neptune3.types import TYPE_NAMES


def file_path(file: FileRef) -> str:
    """Return where the content of a file is to be asked for: until it has come, by its upload.

    >>> file_path(FileRef("ab" * 32, 3, "text/plain", "notes.txt"))[-12:]
    'ab/notes.txt'
    >>> file_path(FileRef("", 3, "text/plain", "path/of/upload.txt"))
    'path/of/upload.txt'
    """
    if not file.has_content:
        return file.name
    return f"{file.digest}/{file.name}" if file.name else file.digest


def fill_attribute(message: Any, path: str, type: AttributeType, value: Any) -> None:
    """Write an attribute into an empty `ProtoAttributeDTO`.

    `type` is one of `TYPE_NAMES`; the value of a series is what is kept of it, a `SeriesStats`.
    """
    name = TYPE_NAMES[type]
    field, fill = _FILL[type]
    message.name = path
    message.type = name
    properties = getattr(message, field)
    properties.attribute_name = path
    properties.attribute_type = name
    fill(properties, value)


def fill_file(message: Any, file: FileRef) -> None:
    """Write a file into a `ProtoFileRef`, or whatever has its fields."""
    message.path = file_path(file)
    message.sizeBytes = file.size_bytes
    message.mimeType = file.mime_type


def fill_histogram(message: Any, histogram: Histogram) -> None:
    """Write a histogram into a `ProtoHistogram`."""
    message.type = histogram.kind
    message.edges.extend(histogram.edges)
    message.values.extend(histogram.values)


def _fill_value(properties: Any, value: Any) -> None:
    properties.value = value


def _fill_datetime(properties: Any, value: datetime) -> None:
    properties.value = micros_from_datetime(value) // 1_000


def _fill_set(properties: Any, value: frozenset[str]) -> None:
    # Readers show them joined, in the order given.
    properties.value.extend(sorted(value))


def _fill_file(properties: Any, value: FileRef) -> None:
    fill_file(properties, value)


def _fill_float_series(properties: Any, stats: SeriesStats) -> None:
    properties.config.SetInParent()
    properties.last_step = stats.last_step / STEP_SCALE
    properties.last = stats.last
    # Of a series without finite values these are left out.
    if stats.minimum is not None:
        properties.min = stats.minimum
        properties.max = stats.maximum
        properties.average = stats.average
        properties.variance = stats.variance


def _fill_string_series(properties: Any, stats: SeriesStats) -> None:
    properties.last_step = stats.last_step / STEP_SCALE
    properties.last = stats.last


def _fill_file_series(properties: Any, stats: SeriesStats) -> None:
    properties.last_step = stats.last_step / STEP_SCALE
    fill_file(properties.last, cast("FileRef", stats.last))


def _fill_histogram_series(properties: Any, stats: SeriesStats) -> None:
    properties.last_step = stats.last_step / STEP_SCALE
    fill_histogram(properties.last, cast("Histogram", stats.last))


_Fill = Callable[[Any, Any], None]

_FILL: dict[AttributeType, tuple[str, _Fill]] = {
    AttributeType.INT: ("int_properties", _fill_value),
    AttributeType.FLOAT: ("float_properties", _fill_value),
    AttributeType.STRING: ("string_properties", _fill_value),
    AttributeType.BOOL: ("bool_properties", _fill_value),
    AttributeType.DATETIME: ("datetime_properties", _fill_datetime),
    AttributeType.STRING_SET: ("string_set_properties", _fill_set),
    AttributeType.FILE: ("file_ref_properties", _fill_file),
    AttributeType.FILE_SET: ("file_ref_properties", _fill_file),
    AttributeType.ARTIFACT: ("file_ref_properties", _fill_file),
    AttributeType.FLOAT_SERIES: ("float_series_properties", _fill_float_series),
    AttributeType.STRING_SERIES: ("string_series_properties", _fill_string_series),
    AttributeType.HISTOGRAM_SERIES: ("histogram_series_properties", _fill_histogram_series),
    AttributeType.FILE_SERIES: ("file_ref_series_properties", _fill_file_series),
}
"""For each type the field of the message, and what writes into it."""
