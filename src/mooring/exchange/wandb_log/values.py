"""What W&B's JSON of a logged value means."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from mooring.errors import InvalidValue
from mooring.model import Histogram


@dataclass(frozen=True, slots=True)
class MediaPaths:
    """Files of the run's folder that a logged value stands for, by their relative paths."""

    paths: Sequence[str]
    kind: str


def parse(text: str) -> Any:
    """Return the value of a JSON text; NaN and infinities are numbers.

    >>> parse("1"), parse("-Infinity"), parse('"a"')
    (1, -inf, 'a')
    """
    return json.loads(text)


def nest(items: Sequence[Any]) -> dict[str, Any]:
    """Return the items of a record as one mapping, nested as their keys tell."""
    found: dict[str, Any] = {}
    for item in items:
        put(found, item, parse(item.value_json) if item.value_json else _typed(item))
    return found


def put(target: dict[str, Any], item: Any, value: object) -> None:
    """Put a value where the keys of an item tell; what was in the way is replaced."""
    keys = list(item.nested_key) or [item.key]
    for key in keys[:-1]:
        below = target.get(key)
        if not isinstance(below, dict):
            below = target[key] = {}
        target = below
    target[keys[-1]] = value


def _typed(item: Any) -> Any:
    """Return the value of the typed form, which newer settings write beside the JSON."""
    kind = item.WhichOneof("value") if hasattr(item, "boolean") else None
    if kind in ("boolean", "integer", "number", "text"):
        return getattr(item, kind)
    return parse(item.json) if kind == "json" else None


def flatten(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a value; mappings with a `_type` are leaves.

    >>> list(flatten("a", {"b": 1, "c": {"d": 2}}))
    [('a/b', 1), ('a/c/d', 2)]
    """
    if isinstance(value, Mapping) and value and "_type" not in value:
        for name, inner in value.items():
            yield from flatten(f"{key}/{name}", inner)
    else:
        yield key, value


def histogram_of(value: Mapping[str, Any]) -> Histogram | str:
    """Return a histogram, or why it cannot be held."""
    try:
        counts = [float(count) for count in value.get("values", ())]
        if packed := value.get("packedBins"):
            low, size = float(packed["min"]), float(packed["size"])
            edges = [low + size * place for place in range(int(packed["count"]) + 1)]
        else:
            edges = [float(edge) for edge in value.get("bins", ())]
        if not all(math.isfinite(edge) for edge in edges):
            return "an edge is not a finite number"
        return Histogram(edges=tuple(edges), values=tuple(counts))
    except (InvalidValue, KeyError, TypeError, ValueError) as error:
        return str(error)


def media_of(value: Mapping[str, Any]) -> MediaPaths | str:
    """Return the files of a value with a `_type`, or why there are none."""
    kind = str(value.get("_type"))
    names = value.get("filenames")
    if names is None and isinstance(value.get("path"), str):
        names = [value["path"]]
    if not isinstance(names, list) or not names:
        return f"a value of type {kind!r} cannot be held"
    for name in names:
        if not isinstance(name, str) or not is_inside(name):
            return f"a value of type {kind!r} names a file outside the run: {name!r}"
    return MediaPaths(names, kind)


def is_inside(name: str) -> bool:
    """Return whether a relative path stays in its folder.

    >>> is_inside("media/a.png"), is_inside("../a"), is_inside("/a")
    (True, False, False)
    """
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\0" not in name
