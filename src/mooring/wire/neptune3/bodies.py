"""JSON bodies of requests: fields of the type they should have, or `InvalidInput`.

Clients leave a field out or send null for the same thing; so both are the default here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mooring.errors import InvalidInput

MAX_LIMIT = 1_000_000
"""The longest page that may be asked for."""


def read_object(value: object, what: str) -> Mapping[str, Any]:
    """Return a JSON object; an empty one for null."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInput(f"{what} is a JSON object, not {_kind(value)}")
    return value


def read_objects(value: object, what: str) -> list[Mapping[str, Any]] | None:
    """Return a list of JSON objects, or None for null."""
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise InvalidInput(f"{what} is a list of JSON objects")
    return value


def read_texts(value: object, what: str) -> tuple[str, ...] | None:
    """Return a list of texts, or None for null."""
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InvalidInput(f"{what} is a list of texts")
    return tuple(value)


def read_text(value: object, what: str) -> str | None:
    """Return a text, or None for null."""
    if value is None or isinstance(value, str):
        return value
    raise InvalidInput(f"{what} is a text, not {_kind(value)}")


def read_count(value: object, what: str, *, default: int, most: int = MAX_LIMIT) -> int:
    """Return a whole number from 0 to `most`; some clients write it as `100.0`."""
    if value is None:
        return default
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise InvalidInput(f"{what} is a whole number from 0 to {most}")
    return value


def read_flag(value: object, what: str) -> bool:
    """Return true or false; false for null."""
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InvalidInput(f"{what} is true or false, not {_kind(value)}")


def _kind(value: object) -> str:
    return {list: "a list", str: "a text", bool: "true or false"}.get(type(value), "a number")
