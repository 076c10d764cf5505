"""What trackio logs, as attributes and points."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import orjson

from mooring.errors import InvalidInput
from mooring.exchange.reading.files import size_of
from mooring.model import AttributeType, Histogram, micros_from_datetime

Point: TypeAlias = tuple[AttributeType, object]
SPECIAL: Mapping[str, float] = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""How JSON holds the numbers that it has no words for."""


def parse_object(text: str | bytes) -> dict[str, Any]:
    """Return what a column of JSON holds; `InvalidInput` when it is no object."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"it is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise InvalidInput("it is no JSON object")
    return found


def parse_time(text: str) -> int:
    """Return an instant in microseconds since 1970; without a zone it is UTC.

    >>> parse_time("1970-01-01T00:00:01+00:00")
    1000000
    """
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{text!r} is no time: {error}") from None
    return micros_from_datetime(time if time.tzinfo else time.replace(tzinfo=UTC))


def iter_leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield values by path; what is nested goes below, except what has a type of its own.

    >>> list(iter_leaves({"a": 1, "b": {"c": 2}}))
    [('a', 1), ('b/c', 2)]
    """
    for name, value in values.items():
        if isinstance(value, dict) and "_type" not in value and value:
            yield from iter_leaves(value, f"{above}{name}/")
        elif value is not None:
            yield f"{above}{name}", value


def to_value(value: Any) -> bool | int | float | str:
    """Return a value of a configuration; lists become JSON."""
    if isinstance(value, str):
        return SPECIAL.get(value, value)
    if isinstance(value, (bool, int, float)):
        return value
    return orjson.dumps(value).decode()


def to_point(value: Any, media: Path, known: AttributeType | None) -> Point:
    """Return type and value of a point; `known` is the type that its series has so far.

    Tables, lists and markdown become texts, images and other files a file series.
    """
    if isinstance(value, str):
        if value in SPECIAL and known is not AttributeType.STRING_SERIES:
            return AttributeType.FLOAT_SERIES, SPECIAL[value]
        return AttributeType.STRING_SERIES, value
    if isinstance(value, (bool, int, float)):
        return AttributeType.FLOAT_SERIES, float(value)
    if not isinstance(value, dict) or "_type" not in value:
        return AttributeType.STRING_SERIES, orjson.dumps(value).decode()
    if value["_type"] == "trackio.histogram":
        histogram = Histogram(
            edges=tuple(map(float, value["bins"])), values=tuple(map(float, value["values"]))
        )
        return AttributeType.HISTOGRAM_SERIES, {
            "kind": histogram.kind,
            "edges": histogram.edges,
            "values": histogram.values,
        }
    if "file_path" in value:
        return AttributeType.FILE_SERIES, _file(value["file_path"], media)
    shown = value.get("_value")
    text = shown if isinstance(shown, str) else orjson.dumps(shown).decode()
    return AttributeType.STRING_SERIES, text


def _file(path: Any, media: Path) -> dict[str, object]:
    file = media.joinpath(*PurePosixPath(str(path)).parts)
    if not file.resolve().is_relative_to(media.resolve()):
        raise InvalidInput(f"its file {path!r} lies outside of {media}")
    return {
        "location": str(file),
        "name": file.name,
        "mime_type": None,
        "size_bytes": size_of(file),
        "digest": None,
    }
