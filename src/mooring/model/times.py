"""Instants: UTC, held as an integer number of microseconds since 1970."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

MIN_TIME, MAX_TIME = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The years 1 to 9999, in microseconds since 1970: what a `datetime` can hold."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def now_micros() -> int:
    """Return the present instant in microseconds since 1970."""
    return time.time_ns() // 1000


def micros_from_datetime(value: datetime) -> int:
    """Return the instant of `value`; one without a time zone is local time.

    >>> micros_from_datetime(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    if value.tzinfo is None:
        value = value.astimezone()
    return (value - _EPOCH) // _MICROSECOND


def datetime_from_micros(micros: int) -> datetime:
    """Return the instant as a `datetime` in UTC.

    >>> datetime_from_micros(1_000_000)
    datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=datetime.timezone.utc)
    """
    return _EPOCH + timedelta(microseconds=micros)
