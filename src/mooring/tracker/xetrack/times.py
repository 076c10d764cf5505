"""Timestamps of xetrack: naive local texts, which this computer's time zone makes instants of."""

from __future__ import annotations

import re
from datetime import datetime

from mooring.errors import InvalidValue

_DAY_FIRST = re.compile(r"(\d\d)-(\d\d)-(\d{4})(.*)", re.DOTALL)


def parse_timestamp(text: object, *, not_before: int | None = None) -> int:
    """Return the instant of a timestamp, in microseconds since 1970.

    A text that names a time zone is that instant. One without is local time: of the two instants
    of an hour that a clock repeats it is the first, or the second when the first would lie before
    `not_before`. An hour that a clock skips is counted on from the hour before it.

    Raises
    ------
    InvalidValue
        When it is no timestamp. Day-first dates, which the oldest files have, are.

    Examples
    --------
    >>> parse_timestamp("1970-01-01 00:00:01.000002+00:00")
    1000002
    """
    local = _datetime(text)
    try:
        micros = _micros(local)
        if not_before is not None and micros < not_before and local.tzinfo is None:
            later = _micros(local.replace(fold=1))
            # In a skipped hour the later reading of the text is the earlier instant.
            if later > micros:
                return later
    except (OverflowError, OSError, ValueError) as error:
        raise InvalidValue(f"{text!r} is no timestamp: {error}") from None
    return micros


def _datetime(text: object) -> datetime:
    if not isinstance(text, str):
        raise InvalidValue(f"{text!r} is no timestamp")
    if text[:4].isascii() and text[:4].isdigit():
        iso = text
    elif found := _DAY_FIRST.fullmatch(text):
        day, month, year, rest = found.groups()
        iso = f"{year}-{month}-{day}{rest}"
    else:
        raise InvalidValue(f"{text!r} is no timestamp")
    try:
        return datetime.fromisoformat(iso)
    except ValueError:
        raise InvalidValue(f"{text!r} is no timestamp") from None


def _micros(local: datetime) -> int:
    # timestamp() is a double: exact to the microsecond only when whole seconds are asked of it.
    return round(local.replace(microsecond=0).timestamp()) * 1_000_000 + local.microsecond
