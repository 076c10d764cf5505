"""Instants as users give them and as a tracker's rows show them."""

from __future__ import annotations

from datetime import datetime

from mooring.errors import InvalidValue
from mooring.model import micros_from_datetime

Timestamp = datetime | float | int


def to_micros(timestamp: Timestamp | None) -> int | None:
    """Return an instant in microseconds since 1970.

    It is a `datetime` (without a time zone: local time) or a number of seconds since 1970.
    """
    if timestamp is None:
        return None
    if isinstance(timestamp, datetime):
        return micros_from_datetime(timestamp)
    if isinstance(timestamp, bool) or not isinstance(timestamp, (int, float)):
        raise InvalidValue(
            f"a timestamp is a datetime or seconds since 1970, not a {type(timestamp).__name__}"
        )
    try:
        return round(timestamp * 1_000_000)
    except (OverflowError, ValueError):
        raise InvalidValue(f"timestamp {timestamp} is not a finite number") from None


def local_text(micros: int) -> str:
    """Return an instant as `YYYY-MM-DD HH:MM:SS.ffffff`, local time."""
    local = datetime.fromtimestamp(micros / 1_000_000)  # noqa: DTZ006 - local time is meant
    return local.isoformat(" ", "microseconds")
