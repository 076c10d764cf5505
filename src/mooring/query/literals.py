"""Values written as text, read by the type they are compared with."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from mooring.errors import QueryError
from mooring.model import AttributeType

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"([+-]?)(?:(nan)|inf(?:inity)?)", re.IGNORECASE)
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)\s*(?:([kmgtp])(i?))?b", re.IGNORECASE)
_RELATIVE = re.compile(r"-\s*([0-9]{1,9})\s*([mhdwMy])")

_PREFIXES = ("", "k", "m", "g", "t", "p")
_UNITS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_MONTHS = {"M": 1, "y": 12}
_STATES = {
    "running": "active",
    "active": "active",
    "idle": "inactive",
    "inactive": "inactive",
}
_INT64 = range(-(2**63), 2**63)


def read_literal(
    text: str, type: AttributeType, *, now: datetime | None = None
) -> int | float | str | bool | datetime:
    """Read a value that is compared with an attribute of `type`.

    =====================  =================================================================
    type                   text
    =====================  =================================================================
    int, float             a number, `nan`, `inf`, or a size with a unit: `50MB` is 50·10^6
                           (kB MB GB TB PB), `50MiB` is 50·2^20
    bool                   `true` or `false`, in any case
    datetime               ISO 8601, in UTC where it names no zone; or a time before `now`
                           (default: the present) in minutes, hours, days, weeks, months or
                           years: `-30m -2h -5d -1w -3M -1y`
    run_state              `active` or `running`, `inactive` or `idle`; read as `active` and
                           `inactive`
    float_series           as float
    others                 any text, as it is
    =====================  =================================================================

    An int is read as float where it has a decimal point, or does not fit 64 bits.

    Raises `QueryError` for text that is none of these.

    >>> read_literal("50MB", AttributeType.INT), read_literal("1e-05", AttributeType.FLOAT)
    (50000000, 1e-05)
    >>> read_literal("-1M", AttributeType.DATETIME, now=datetime(2024, 3, 31, tzinfo=UTC))
    datetime.datetime(2024, 2, 29, 0, 0, tzinfo=datetime.timezone.utc)
    """
    match type:
        case AttributeType.INT:
            return _read_number_or_size(text)
        case AttributeType.FLOAT | AttributeType.FLOAT_SERIES:
            return float(_read_number_or_size(text))
        case AttributeType.BOOL:
            return _read_bool(text)
        case AttributeType.DATETIME:
            return _read_datetime(text, now)
        case AttributeType.RUN_STATE:
            return _read_state(text)
        case _:
            return text


def find_number(text: str) -> int | float | None:
    """Return the number that `text` is, or None.

    >>> find_number("1e3"), find_number("-inf"), find_number("12"), find_number("12a")
    (1000.0, -inf, 12, None)
    """
    if _NUMBER.fullmatch(text):
        # int() refuses thousands of digits; nothing above 19 of them fits 64 bits anyway.
        if text.lstrip("+-").isdigit() and len(text) <= 20 and (whole := int(text)) in _INT64:
            return whole
        return float(text)
    if found := _NOT_FINITE.fullmatch(text):
        if found[2]:
            return math.nan
        return -math.inf if found[1] == "-" else math.inf
    return None


def _read_number_or_size(text: str) -> int | float:
    text = text.strip()
    number = find_number(text)
    if number is not None:
        return number
    if found := _SIZE.fullmatch(text):
        digits, prefix, binary = found.groups()
        scale = (1024 if binary else 1000) ** _PREFIXES.index((prefix or "").lower())
        size = (float(digits) if "." in digits else int(digits)) * scale
        return int(size) if int(size) in _INT64 and size == int(size) else float(size)
    raise QueryError(f"expected a number, found {_shown(text)}")


def _read_bool(text: str) -> bool:
    value = {"true": True, "false": False}.get(text.strip().lower())
    if value is None:
        raise QueryError(f"expected true or false, found {_shown(text)}")
    return value


def _read_state(text: str) -> str:
    state = _STATES.get(text.strip().lower())
    if state is None:
        raise QueryError(
            f"expected a state (active or running, inactive or idle), found {_shown(text)}"
        )
    return state


def _read_datetime(text: str, now: datetime | None) -> datetime:
    try:
        if found := _RELATIVE.fullmatch(text.strip()):
            return _before(now or datetime.now(UTC), int(found[1]), found[2])
        value = datetime.fromisoformat(text.strip())
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise QueryError(
            f"expected a time such as 2024-01-31, 2024-01-31T12:00:00Z, -2h or -3M, "
            f"found {_shown(text)}"
        ) from None


def _before(now: datetime, amount: int, unit: str) -> datetime:
    now = now.astimezone(UTC)
    if unit in _UNITS:
        return now - amount * _UNITS[unit]
    year, month = divmod(now.year * 12 + now.month - 1 - amount * _MONTHS[unit], 12)
    first = now.replace(year=year, month=month + 1, day=1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return first.replace(day=min(now.day, last.day))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")
