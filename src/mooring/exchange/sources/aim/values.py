"""Aim's parameters and objects, as attributes and points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from mooring.errors import InvalidInput
from mooring.model import AttributeType, Histogram


def name_path(name: str, context: Mapping[str, Any]) -> str:
    """Return the path of a sequence: its context, sorted by key, then its name.

    >>> name_path("loss", {"subset": "train", "fold": 2})
    'fold=2,subset=train/loss'
    >>> name_path("loss", {})
    'loss'
    """
    if not context:
        return name
    told = (
        f"{key}={value if isinstance(value, str) else orjson.dumps(value).decode()}"
        for key, value in sorted(context.items())
    )
    return f"{','.join(told)}/{name}"


def iter_params(params: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield parameters by path; what is nested goes below, None and empty dicts are nothing."""
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from iter_params(value, f"{above}{name}/")
        elif value is not None:
            yield f"{above}{name}", value


def to_value(value: Any) -> bool | int | float | str:
    """Return a parameter; lists become JSON."""
    if isinstance(value, (bool, int, float, str)):
        return value
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        raise InvalidInput(f"a {type(value).__name__} cannot be an attribute") from None


def type_of(dtype: str) -> AttributeType | None:
    """Return the type that a sequence of one of Aim's types gets, None when it has none."""
    match dtype.removeprefix("list(").removesuffix(")"):
        case "float" | "float64" | "int" | "number":
            return AttributeType.FLOAT_SERIES
        case "aim.text" | "aim.log_line" | "str":
            return AttributeType.STRING_SERIES
        case "aim.distribution":
            return AttributeType.HISTOGRAM_SERIES
        case "aim.image" | "aim.audio" | "aim.figure":
            return AttributeType.FILE_SERIES
    return None


def to_point(type: AttributeType, value: Any, location: str, stem: str) -> object:
    """Return the value of a point; `location` and `stem` are for files."""
    match type:
        case AttributeType.STRING_SERIES:
            text = value if isinstance(value, str) else value.data
            if not isinstance(text, str):
                raise InvalidInput(f"a {text.__class__.__name__} is no text")
            return text
        case AttributeType.HISTOGRAM_SERIES:
            weights, edges = value.to_np_histogram()
            histogram = Histogram(
                edges=tuple(edges.tolist()),
                values=tuple(map(float, weights.tolist())),
                kind="COUNTING" if weights.dtype.kind in "iu" else "DENSITY",
            )
            return {
                "kind": histogram.kind,
                "edges": histogram.edges,
                "values": histogram.values,
            }
    extension = str(value.storage["format"]).lower()
    extension = "json" if extension == "raw_json" else extension
    return {
        "location": location,
        "name": f"{stem}.{extension if extension.isalnum() else 'bin'}",
        "mime_type": None,
        "size_bytes": None,
        "digest": None,
    }


def read_content(value: Any) -> bytes:
    """Return the bytes of an image, a sound or a figure."""
    data = value.storage["data"].load()
    return data.encode() if isinstance(data, str) else bytes(data)


def read_caption(value: Any) -> str:
    """Return the caption of an image or a sound; empty when it has none."""
    try:
        caption = value.storage["caption"]
    except (AttributeError, KeyError):
        return ""
    return caption if isinstance(caption, str) else ""
