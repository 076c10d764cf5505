"""From whatever a training script holds to what the store holds.

Three forms: a *cell* of a tracker's row, a *point* of a series, the value of an *attribute*.
No library is imported here to recognise its types: a zero-dimensional array or tensor is known
by its `shape` and gives its number by `item()`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any, TypeVar
from uuid import UUID

from mooring.errors import InvalidInput, InvalidValue
from mooring.model import FileRef, Histogram, Value

Cell = int | float | str | bool | bytes | None
"""What a cell of a tracker's row holds. None is a missing cell."""

Point = int | float | str | Histogram | FileRef
"""What a point of a series holds."""

PLAIN_TYPES = frozenset({float, int, str, bool, type(None)})
"""Types that are cells as they are (exactly these, not their subclasses)."""

_T = TypeVar("_T")
_INT64 = range(-(2**63), 2**63)


def to_cell(name: str, value: object) -> Cell:
    """Return the cell that holds `value`, or raise `InvalidValue` that says `name`.

    Numbers stay numbers, also those of NumPy, PyTorch, `decimal` and `fractions`; dates and times
    become text; lists, tuples, sets and dicts become JSON text, in which NaN is written `NaN`.

    >>> to_cell("shape", (3, 224)), to_cell("optimizer", Decimal("0.5"))
    ('[3, 224]', 0.5)
    """
    plain = to_plain(name, value)
    if isinstance(plain, (list, tuple, Mapping, AbstractSet)):
        return to_json(name, plain)
    if isinstance(plain, datetime):
        return plain.isoformat(sep=" ")
    if isinstance(plain, (bytes, bytearray, memoryview)):
        return bytes(plain)
    if type(plain) in PLAIN_TYPES:
        return plain  # type: ignore[return-value]
    raise refusal(name, value, "a row cannot hold it; log a number, a text, a list or a dict")


def to_point(name: str, value: object) -> Point:
    """Return the point that holds `value`, or raise `InvalidValue` that says `name`."""
    plain = to_plain(name, value)
    if isinstance(plain, (Histogram, FileRef)):
        return plain
    if isinstance(plain, datetime):
        return plain.isoformat(sep=" ")
    if plain is not None and type(plain) in PLAIN_TYPES:
        return plain  # type: ignore[return-value]
    raise refusal(name, value, "a point is a number, a text, a Histogram or a File")


def to_attribute(name: str, value: object) -> Value:
    """Return the attribute value that holds `value`, or raise `InvalidValue` that says `name`.

    A set, list or tuple of texts is a string set; other lists become JSON text.

    >>> sorted(to_attribute("tags", ["b", "a", "b"])), to_attribute("layers", [64, 64])
    (['a', 'b'], '[64, 64]')
    """
    plain = to_plain(name, value)
    if isinstance(plain, (list, tuple, AbstractSet)):
        items = [to_plain(name, item) for item in plain]
        if all(isinstance(item, str) for item in items):
            return frozenset(items)  # type: ignore[arg-type]
        return to_json(name, plain)
    if isinstance(plain, (datetime, FileRef)):
        return plain
    if plain is not None and type(plain) in PLAIN_TYPES:
        return plain  # type: ignore[return-value]
    raise refusal(
        name, value, "assign a number, text, bool, datetime, set of texts or File, or str() of it"
    )


def to_json(name: str, value: object) -> str:
    """Return `value` as JSON text. NaN and infinities are written as Python's `json` does."""
    try:
        return json.dumps(value, ensure_ascii=False, default=lambda part: _json_part(name, part))
    except InvalidInput:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidValue(f"{name!r} cannot be written as JSON: {error}") from None


def convert(
    leaves: Iterable[tuple[str, object]], to_value: Callable[[str, Any], _T]
) -> tuple[dict[str, _T], dict[str, Exception]]:
    """Convert each value; return those that could be, and the errors of those that could not."""
    values: dict[str, _T] = {}
    refused: dict[str, Exception] = {}
    for path, leaf in leaves:
        try:
            values[path] = to_value(path, leaf)
        except InvalidInput as error:
            refused[path] = error
        except Exception as error:  # noqa: BLE001 - a value's own __float__ may raise anything
            refused[path] = InvalidValue(
                f"{path!r}: reading a {type(leaf).__name__} failed with "
                f"{type(error).__name__}: {error}"
            )
    return values, refused


def refusal(name: str, value: object, advice: str) -> InvalidValue:
    """Return the error for a value that nothing can hold."""
    kind = type(value)
    what = "None" if value is None else f"a {kind.__module__}.{kind.__qualname__}"
    shape = getattr(value, "shape", None)
    if shape:
        what += f" of shape {tuple(shape)}"
    return InvalidValue(f"{name!r} is {what.replace('a builtins.', 'a ')}: {advice}")


def to_plain(name: str, value: object) -> object:
    """Return a value of a builtin type that equals `value`, where there is one, else `value`.

    >>> to_plain("lr", Decimal("0.5")), to_plain("loss", {"train": 1})
    (0.5, {'train': 1})
    """
    if type(value) is str:
        return _text(name, value)
    if type(value) is int:
        return value if value in _INT64 else _float(name, value)
    if type(value) in PLAIN_TYPES:
        return value
    if isinstance(value, Enum):
        return to_plain(name, value.value)
    if isinstance(value, str):
        return _text(name, str.__str__(value))
    if isinstance(value, int):
        return to_plain(name, int(value))
    if isinstance(value, (float, Decimal, Fraction)):
        return _float(name, value)
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (PurePath, UUID)):
        return _text(name, str(value))
    if getattr(value, "shape", None) == () and callable(item := getattr(value, "item", None)):
        return to_plain(name, _item(value, item))
    return value


def _text(name: str, value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise InvalidValue(f"{name!r} is a text that UTF-8 cannot hold: {error}") from None
    return value


def _float(name: str, value: float | Decimal | Fraction) -> float:
    try:
        return float(value)
    except (OverflowError, ValueError) as error:
        raise InvalidValue(f"{name!r}: {error}") from None


def _instant(value: datetime) -> datetime | None:
    # pandas.NaT is a datetime that equals nothing, itself included
    return value if value == value else None


def _item(value: Any, item: Callable[[], object]) -> object:
    if getattr(getattr(value, "dtype", None), "kind", "") == "M":
        # finer than microseconds, item() would give a bare integer; NumPy's instants are UTC
        instant = value.astype("datetime64[us]").item()
        return instant.replace(tzinfo=UTC) if isinstance(instant, datetime) else instant
    if getattr(getattr(value, "dtype", None), "kind", "") == "m":
        return value.astype("timedelta64[us]").item()
    return item()


def _json_part(name: str, part: object) -> object:
    plain = to_plain(name, part)
    if isinstance(plain, datetime):
        return plain.isoformat(sep=" ")
    if isinstance(plain, AbstractSet):
        return sorted(plain, key=str)
    if isinstance(plain, Mapping):
        return dict(plain)
    if type(plain) in PLAIN_TYPES:
        return plain
    raise refusal(name, part, "JSON cannot hold it")
