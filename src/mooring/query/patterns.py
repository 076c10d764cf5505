"""Regular expressions of `MATCHES`: Python's `re`, with what RE2's users also write."""

from __future__ import annotations

import re
import sys
from functools import lru_cache

from mooring.errors import QueryError

_POSIX_CLASSES = {
    "alnum": "09AZaz",
    "alpha": "AZaz",
    "ascii": "\0\x7f",
    "blank": "\t\t  ",
    "cntrl": "\0\x1f\x7f\x7f",
    "digit": "09",
    "graph": "!~",
    "lower": "az",
    "print": " ~",
    "punct": "!/:@[`{~",
    "space": "\t\r  ",
    "upper": "AZ",
    "word": "09AZ__az",
    "xdigit": "09AFaf",
}
"""Ascending ranges: first and last character of each."""

_POSIX_CLASS = re.compile(r"\[:(\^?)([a-z]+):\]")


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    r"""Compile the pattern of a `MATCHES`, to be used with `search`.

    The syntax is that of Python's `re`, case-sensitive, plus POSIX classes (`[[:digit:]]`,
    `[[:^space:]]`, ASCII as in RE2) and `\z` for the end of the text.

    Raises `QueryError` for a pattern that cannot be compiled.

    >>> bool(compile_pattern("^run-[[:digit:]]+$").search("run-12"))
    True
    """
    try:
        return re.compile(_translate(pattern))
    except (re.error, OverflowError, RecursionError) as error:
        reason = error.msg if isinstance(error, re.error) else str(error)
        shown = pattern if len(pattern) <= 60 else f"{pattern[:60]}…"
        raise QueryError(f"{shown!r} is no regular expression: {reason}") from None


def _translate(pattern: str) -> str:
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        if char == "\\":
            escape = pattern[position : position + 2]
            parts.append(r"\Z" if escape == r"\z" else escape)
            position += 2
        elif char == "[":
            part, position = _translate_set(pattern, position)
            parts.append(part)
        else:
            parts.append(char)
            position += 1
    return "".join(parts)


def _translate_set(pattern: str, start: int) -> tuple[str, int]:
    """Return a bracket expression in Python's syntax, and the position after it.

    Literal `[ - & | ~` are escaped: `re` warns that some of their pairs may change meaning.
    """
    position = start + 1
    parts = ["["]
    if pattern.startswith("^", position):
        parts.append("^")
        position += 1
    first = position
    while position < len(pattern):
        if pattern[position] == "]" and position > first:
            return "".join([*parts, "]"]), position + 1
        item, position = _translate_item(pattern, position)
        parts.append(item)
        if pattern.startswith("-", position) and pattern[position + 1 : position + 2] not in "]":
            item, position = _translate_item(pattern, position + 1)
            parts.append(f"-{item}")
    raise re.error("unterminated character set")


def _translate_item(pattern: str, position: int) -> tuple[str, int]:
    char = pattern[position]
    if char == "\\":
        return pattern[position : position + 2], position + 2
    if found := _POSIX_CLASS.match(pattern, position):
        negated, name = found.groups()
        if name not in _POSIX_CLASSES:
            known = " ".join(f"[:{each}:]" for each in _POSIX_CLASSES)
            raise re.error(f"{found.group()} is no character class (known: {known})")
        return _ranges(_POSIX_CLASSES[name], bool(negated)), found.end()
    return (f"\\{char}" if char in "[-&|~" else char), position + 1


def _ranges(bounds: str, negated: bool) -> str:
    codes = [ord(char) for char in bounds]
    if negated:
        lows = [0, *(code + 1 for code in codes[1::2])]
        highs = [*(code - 1 for code in codes[::2]), sys.maxunicode]
    else:
        lows, highs = codes[::2], codes[1::2]
    return "".join(
        f"\\U{low:08x}-\\U{high:08x}" for low, high in zip(lows, highs, strict=True) if low <= high
    )
