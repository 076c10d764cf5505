"""Points of string, histogram and file series as messages."""

from __future__ import annotations

from typing import Any

from mooring.model import STEP_SCALE, AttributeType, FileRef, Histogram
from mooring.wire.neptune3.values import fill_file, fill_histogram

_POINT_BYTES = 40


def fill_point(message: Any, type: AttributeType, step: int, time: int, value: Any) -> None:
    """Write a point into an empty `ProtoPointValueDTO`.

    The step is in millionths, the time in microseconds; `value` is a text, or a dict with the
    fields of a `Histogram` or a `FileRef`.
    """
    message.timestamp_millis = time // 1_000
    message.step = step / STEP_SCALE
    message.completion_ratio = 1.0
    if type is AttributeType.STRING_SERIES:
        message.object.stringValue = value
    elif type is AttributeType.HISTOGRAM_SERIES:
        told = Histogram(tuple(value["edges"]), tuple(value["values"]), value["kind"])
        fill_histogram(message.object.histogram, told)
    else:
        fill_file(message.object.fileRef, FileRef(**value))


def point_size(type: AttributeType, value: Any) -> int:
    """Return about how many bytes a point takes.

    >>> point_size(AttributeType.STRING_SERIES, "abc")
    43
    """
    if type is AttributeType.STRING_SERIES:
        return _POINT_BYTES + len(value)
    if type is AttributeType.HISTOGRAM_SERIES:
        return _POINT_BYTES + 16 * len(value["values"])
    return 2 * _POINT_BYTES + len(value["name"])
