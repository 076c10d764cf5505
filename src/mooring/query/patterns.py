"""Regular expressions of `MATCHES`: Python's `re`, with what RE2's users also write.

Some patterns take `re` a time that doubles with each character of a text, and whoever may ask a
question could hold a process with one for ever. These are searched by RE2, which PyArrow has: its
time grows with the text and no faster. Others are too, in texts that are long for them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
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
_STEPS = 100_000_000
"""So many steps of `re` are taken in one text at most, about a second."""
_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?(?:P<\w+>|[a-zA-Z-]*:|<?[=!]|P=\w+))?|"
    r"\{\d*,?\d*\}[?+]?|[*+][?+]?|.",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern.

    Attributes
    ----------
    pattern : its text in the syntax of Python's `re`
    source : its text as it was given
    longest : of longer texts `re` might take too long
    """

    pattern: str
    source: str
    longest: int
    _quick: re.Pattern[str]

    def search(self, text: str) -> bool:
        """Return whether the pattern is found in a text."""
        if len(text) <= self.longest:
            return self._quick.search(text) is not None
        return self.search_all([text])[0]

    def search_all(self, texts: Sequence[str]) -> list[bool]:
        """Return of each text whether the pattern is found in it, as `search` does."""
        quick, linear = self._quick.search, None
        if max(map(len, texts), default=0) > self.longest:
            linear = _for_re2(self.source)
        if linear is None:
            return [quick(text) is not None for text in texts]
        long = [text for text in texts if len(text) > self.longest]
        found = iter(_search_linear(linear, long))
        return [
            next(found) if len(text) > self.longest else quick(text) is not None for text in texts
        ]


def _search_linear(pattern: str, texts: Sequence[str]) -> list[bool]:
    import pyarrow as pa
    import pyarrow.compute as pc

    # A lone surrogate is no text there, and no pattern can hold one.
    known = pa.array([text.encode("utf-8", "replace").decode() for text in texts], pa.string())
    found: list[bool] = pc.match_substring_regex(known, pattern=pattern).to_pylist()
    return found


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Pattern:
    r"""Compile the pattern of a `MATCHES`, to be used with `search`.

    The syntax is that of Python's `re`, case-sensitive, plus POSIX classes (`[[:digit:]]`,
    `[[:^space:]]`, ASCII as in RE2) and `\z` for the end of the text. Where RE2 searches, `\d`,
    `\w` and `\s` are ASCII too, and `$` is the end of the text.

    Raises `QueryError` for a pattern that cannot be compiled, or that nests repeats and holds what
    RE2 does not know (look-around, back-references).

    >>> compile_pattern("^run-[[:digit:]]+$").search("run-12")
    True
    """
    try:
        quick = re.compile(_translate(pattern))
    except (re.error, OverflowError, RecursionError) as error:
        reason = error.msg if isinstance(error, re.error) else str(error)
        raise QueryError(f"{_shown(pattern)} is no regular expression: {reason}") from None
    repeats, nested = _count_repeats(quick.pattern)
    if not repeats:
        return Pattern(quick.pattern, pattern, sys.maxsize, quick)
    if nested and _for_re2(pattern) is None:
        raise QueryError(
            f"{_shown(pattern)} repeats what repeats, and a search for it might never end; "
            "write it without look-around, back-references and repeats above 1,000"
        )
    longest = 0 if nested else round(_STEPS ** (1 / (repeats + 1)))
    return Pattern(quick.pattern, pattern, longest, quick)


def _shown(pattern: str) -> str:
    return repr(pattern if len(pattern) <= 60 else f"{pattern[:60]}…")


def _count_repeats(pattern: str) -> tuple[int, bool]:
    """Return how many parts repeat, and whether one repeats what repeats or has alternatives."""
    groups, repeats, nested = [False], 0, False
    closed = False
    """Whether what stands before is a group that repeats something or has alternatives."""
    for found in _TOKEN.finditer(pattern):
        token = found[0]
        if token[0] == "(":
            groups.append(False)
        elif token == ")" and len(groups) > 1:
            closed = groups.pop()
            groups[-1] |= closed
            continue
        elif token == "|":
            groups[-1] = True
        elif token[0] in "*+" or (token[0] == "{" and len(token) > 2):
            repeats += 1
            nested |= closed
            groups[-1] = True
        closed = False
    return repeats, nested


@lru_cache(maxsize=1024)
def _for_re2(pattern: str) -> str | None:
    """Return a pattern as RE2 takes it; None where it does not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = re.sub(
        r"\\(.)", lambda found: r"\z" if found[1] == "Z" else found[0], pattern, flags=re.DOTALL
    )
    try:
        pc.match_substring_regex(pa.scalar(""), pattern=text)
    except pa.ArrowInvalid:
        return None
    return text


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
