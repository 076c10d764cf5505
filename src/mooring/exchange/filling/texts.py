"""Series as text, for trackers that know no such thing: lines of strings, histograms as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mooring.exchange.filling.steps import step_text
from mooring.model import datetime_from_micros

if TYPE_CHECKING:
    import pyarrow as pa

_LINES_AT_ONCE = 65_536
_HISTOGRAMS_AT_ONCE = 1_000


def iso_time(time: int) -> str:
    """Return microseconds since 1970 as ISO text in UTC.

    >>> iso_time(1_500_000)
    '1970-01-01T00:00:01.500000+00:00'
    """
    return datetime_from_micros(time).isoformat()


def text_lines(points: pa.Table, multiplier: int = 1) -> Iterator[str]:
    """Yield the points of one string series as lines; a value with line breaks has several.

    A line has the step times `multiplier`, the time as `iso_time` writes it, and the value.

    >>> from mooring.exchange.source import make_points
    >>> from mooring.model import AttributeType
    >>> points = make_points(
    ...     AttributeType.STRING_SERIES, ["a", "a"], [500_000, 1_000_000], [0, 1], ["hello", "you"]
    ... )
    >>> list(text_lines(points))
    ['0.5; 1970-01-01T00:00:00+00:00; hello\\n', '1; 1970-01-01T00:00:00.000001+00:00; you\\n']
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for batch in points.to_batches(max_chunksize=_LINES_AT_ONCE):
        steps = [step_text(step, multiplier) for step in batch.column("step").to_pylist()]
        instants = batch.column("time").cast(pa.timestamp("us", tz="UTC"))
        times = pc.replace_substring_regex(
            pc.strftime(instants, format="%Y-%m-%dT%H:%M:%S"), r"\.0+$", ""
        )
        ends = pc.binary_join_element_wise(times, batch.column("value"), "+00:00; ")
        lines = pc.binary_join_element_wise(pa.array(steps, pa.string()), ends, "; ")
        for line in lines.to_pylist():
            yield f"{line}\n"


def has_line_breaks(points: pa.Table) -> bool:
    """Return whether a value has line breaks: its lines could be taken for points of their own."""
    import pyarrow.compute as pc

    return bool(pc.any(pc.match_substring_regex(points["value"], r"[\n\r]")).as_py())


def histogram_json(value: Mapping[str, Any]) -> str:
    """Return a histogram as JSON: its type, edges and values, as numbers.

    What JSON has no number for (NaN, infinities) is text.

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
    separator = "\n"
    for batch in points.to_batches(max_chunksize=_HISTOGRAMS_AT_ONCE):
        columns = (batch.column(name).to_pylist() for name in ("step", "time", "value"))
        for step, time, value in zip(*columns, strict=True):
            text = step_text(step, multiplier)
            number = float(text) if "." in text else int(text)
            record = {"step": number, **_histogram(value), "timestamp": iso_time(time)}
            yield separator + json.dumps(record)
            separator = ",\n"
    yield "\n]}\n"


def write_text(file: Path, pieces: Iterable[str]) -> None:
    """Write pieces of a text to a file, in UTF-8, with line breaks as they are."""
    with file.open("w", encoding="utf-8", newline="") as text:
        text.writelines(pieces)


def _histogram(value: Mapping[str, Any]) -> dict[str, object]:
    return {
        "type": value["kind"],
        "edges": [_finite(number) for number in value["edges"]],
        "values": [_finite(number) for number in value["values"]],
    }


def _finite(number: float) -> float | str:
    return number if math.isfinite(number) else str(number)
