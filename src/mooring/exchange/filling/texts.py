"""What trackers that know no such thing keep as text: points of text, histograms, values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from mooring.exchange.filling.steps import step_text
from mooring.exchange.source import SourceFile, SourceValue
from mooring.model import Typed, datetime_from_micros

if TYPE_CHECKING:
    import pyarrow as pa

PlainValue: TypeAlias = int | float | str | bool | datetime | frozenset[str]
"""A value with Python's own type."""


def plain_value(value: SourceValue) -> PlainValue:
    """Return a value that is no file as one of Python's own; a dict becomes JSON text.

    >>> from mooring.model import AttributeType
    >>> plain_value(Typed(AttributeType.RUN_STATE, "inactive"))
    'inactive'
    """
    if isinstance(value, SourceFile):
        raise TypeError("a file is no plain value")
    if not isinstance(value, Typed):
        return value
    if isinstance(value.value, str):
        return value.value
    return json.dumps(value.value, ensure_ascii=False, sort_keys=True, default=str)


def iso_time(time: int) -> str:
    """Return microseconds since 1970 as ISO text in UTC.

    >>> iso_time(1_500_000)
    '1970-01-01T00:00:01.500000+00:00'
    """
    return datetime_from_micros(time).isoformat()


def value_text(value: SourceValue) -> str:
    """Return a value that is no file as text, for trackers that know nothing else.

    Sets are joined by commas in order of their text, times are `2025-01-01 12:00:00+00:00`.

    >>> value_text(True), value_text(32), value_text(frozenset({"b", "a"}))
    ('True', '32', 'a,b')
    """
    plain = plain_value(value)
    return ",".join(sorted(plain)) if isinstance(plain, frozenset) else str(plain)


def text_line(step: int, time: int, value: str, multiplier: int = 1) -> str:
    """Return a point of a string series as a line: step times `multiplier`, time and value.

    >>> text_line(500_000, 0, "hello")
    '0.5; 1970-01-01T00:00:00+00:00; hello\\n'
    """
    return f"{step_text(step, multiplier)}; {iso_time(time)}; {value}\n"


def text_lines(points: pa.Table, multiplier: int = 1) -> Iterator[str]:
    """Yield the points of one string series as lines; a value with line breaks has several."""
    for batch in points.to_batches():
        columns = (batch.column(name).to_pylist() for name in ("step", "time", "value"))
        for step, time, value in zip(*columns, strict=True):
            yield text_line(step, time, value, multiplier)


def histogram_json(value: dict[str, object]) -> str:
    """Return a histogram as JSON: its type, edges and values, as numbers.

    >>> histogram_json({"kind": "COUNTING", "edges": [0.0, 1.0], "values": [2.0]})
    '{"type": "COUNTING", "edges": [0.0, 1.0], "values": [2.0]}'
    """
    return json.dumps(_histogram(value))


def histograms_json(points: pa.Table, multiplier: int = 1) -> Iterator[str]:
    """Yield the points of one histogram series as pieces of one JSON document.

    Its form is `{"histograms": [{"step", "type", "edges", "values", "timestamp"}, ...]}`; steps
    are numbers, times `multiplier`, and times ISO text.
    """
    yield '{"histograms": ['
    first = True
    for batch in points.to_batches(max_chunksize=1_000):
        columns = (batch.column(name).to_pylist() for name in ("step", "time", "value"))
        for step, time, value in zip(*columns, strict=True):
            yield "\n" if first else ",\n"
            first = False
            text = step_text(step, multiplier)
            number = float(text) if "." in text else int(text)
            yield json.dumps({"step": number, **_histogram(value), "timestamp": iso_time(time)})
    yield "]}\n"


def _histogram(value: dict[str, object]) -> dict[str, object]:
    return {"type": value["kind"], "edges": value["edges"], "values": value["values"]}


def is_finite(value: SourceValue) -> bool:
    """Return False for a number that is NaN or infinite.

    >>> is_finite(1.0), is_finite("nan"), is_finite(float("inf"))
    (True, True, False)
    """
    return not isinstance(value, float) or math.isfinite(value)
