"""Which values attributes take: what every writer of every back end asks before it writes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mooring.errors import InvalidPath, InvalidValue
from mooring.model import MAX_TIME, MIN_TIME, AttributeType, FileRef, micros_from_datetime
from mooring.store.cells import encode_text, file_cells, number_code, plain_number

WRITABLE_SYSTEM_PATHS = {
    "sys/name": AttributeType.STRING,
    "sys/description": AttributeType.STRING,
    "sys/failed": AttributeType.BOOL,
    "sys/archived": AttributeType.BOOL,
    "sys/tags": AttributeType.STRING_SET,
    "sys/group_tags": AttributeType.STRING_SET,
}
"""What users may set below `sys/`; the store keeps the rest."""


def value_type(path: str, value: object) -> AttributeType:
    """Return the type of an attribute that holds `value`; `InvalidValue` when there is none."""
    if isinstance(value, str):
        return AttributeType.STRING
    if isinstance(value, datetime):
        return AttributeType.DATETIME
    if isinstance(value, FileRef):
        return AttributeType.FILE
    if isinstance(value, (set, frozenset)):
        return AttributeType.STRING_SET
    code = number_code(value)
    if code is None:
        raise InvalidValue(
            f"attribute {path!r} cannot hold a {type(value).__module__}."
            f"{type(value).__qualname__}; give a number, text, bool, datetime, set of texts or file"
        )
    return {"?": AttributeType.BOOL, "q": AttributeType.INT, "d": AttributeType.FLOAT}[code]


def check_value(path: str, type: AttributeType, value: Any) -> Any:
    """Return a single value as Python's own type; `InvalidValue` for what cannot be stored."""
    match type:
        case AttributeType.STRING:
            return encode_text(path, value)
        case AttributeType.DATETIME:
            micros_from_datetime(value)
            return value if value.tzinfo else value.astimezone()
        case AttributeType.FILE:
            file_cells(path, value)
            return value
        case AttributeType.STRING_SET:
            if not all(isinstance(text, str) for text in value):
                raise InvalidValue(f"attribute {path!r}: a set holds texts only")
            return frozenset(encode_text(path, text) for text in value)
        case _:
            try:
                return plain_number(value)
            except InvalidValue as error:
                raise InvalidValue(f"attribute {path!r}: {error}") from None


def checked_time(time: Any) -> int:
    """Return a time as Python's own integer; `InvalidValue` for what no reader could take."""
    if number_code(time) != "q":
        raise InvalidValue(f"a time is an integer of microseconds since 1970, not {time!r}")
    if not MIN_TIME <= int(time) <= MAX_TIME:
        raise InvalidValue(f"time {time} is not within the years 1 to 9999, in microseconds")
    return int(time)


def check_loggable(path: str) -> None:
    """Refuse series below `sys/`."""
    if path.startswith("sys/"):
        raise InvalidPath(f"{path!r}: what lies below sys/ is no series")


def check_settable(path: str) -> None:
    """Refuse to set what the store keeps itself."""
    if path.startswith("sys/") and path not in WRITABLE_SYSTEM_PATHS:
        raise InvalidPath(f"{path!r} is kept by the store and cannot be set")
