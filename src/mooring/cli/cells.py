"""One value as text that is safe to show and cannot be taken for another value.

What does not print (control characters, and with them the escapes that a terminal obeys) is
written as JSON writes it, `\\u001b`, in every format that is not a file for machines. NaN is `NaN`,
infinities are `Infinity` and `-Infinity`, truth is `true` and `false`, bytes are SQL's `x'00ff'`,
and a missing value is nothing at all, where an empty text is `""`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, time
from typing import Any

_LOOKS_OTHERWISE = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|[+-]?inf(inity)?|true|false|none|null|x'.*'",
    re.IGNORECASE,
)

_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def plain(value: object) -> Any:
    """Return a value as JSON can hold it.

    >>> plain(float("nan")), plain(b"\\x00\\xff"), plain({"b", "a"})
    ('NaN', "x'00ff'", ['a', 'b'])
    """
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else number_text(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"x'{bytes(value).hex()}'"
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, AbstractSet):
        return sorted((plain(part) for part in value), key=str)
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    return str(value)


def number_text(value: float) -> str:
    """Return a number as text that gives the same number back.

    >>> number_text(0.1), number_text(float("-inf")), number_text(3)
    ('0.1', '-Infinity', '3')
    """
    text = str(value)
    return _NOT_FINITE.get(text, text)


def shown(value: object, *, beside_others: bool = False) -> str:
    """Return a value as one line for people to read.

    Parameters
    ----------
    beside_others
        Whether the column also holds values that are not text. A text that looks like one of
        them, such as `1` or `NaN`, is quoted then.

    >>> shown(None), shown(""), shown("a\\x1b[2J"), shown("1"), shown("1", beside_others=True)
    ('', '""', '"a\\\\u001b[2J"', '1', '"1"')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return number_text(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return str(plain(value))
    if not isinstance(value, str):
        value = plain(value)
        return value if isinstance(value, str) else to_json(value)
    if (
        not value
        or value[0] in '" '
        or value[-1] == " "
        or not value.isprintable()
        or (beside_others and looks_otherwise(value))
    ):
        return to_json(value)
    return str(value)


def looks_otherwise(text: str) -> bool:
    """Return whether a text reads like a number, a truth value or another that is no text.

    >>> looks_otherwise("1e3"), looks_otherwise("NaN"), looks_otherwise("resnet18")
    (True, True, False)
    """
    return _LOOKS_OTHERWISE.fullmatch(text) is not None


def to_json(value: object, *, indent: int | None = None) -> str:
    """Return JSON in which nothing stands that does not print, but for line ends of `indent`.

    >>> to_json({"text": "\\x9b2J", "value": float("inf")})
    '{"text": "\\\\u009b2J", "value": "Infinity"}'
    """
    text = json.dumps(plain(value), ensure_ascii=False, indent=indent)
    return escaped(text, keep="\n")


def escaped(text: str, *, keep: str = "") -> str:
    """Return a text in which characters that do not print are written as `\\\\uXXXX`.

    >>> escaped("a\\tb\\x1b[0m")
    'a\\\\u0009b\\\\u001b[0m'
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else _unicode_escape(char) for char in text
    )


def _unicode_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
