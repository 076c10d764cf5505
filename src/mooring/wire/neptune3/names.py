"""Which attributes a reader asks for: by exact names, or by regular expressions over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mooring.errors import InvalidInput
from mooring.query import compile_pattern
from mooring.wire.neptune3.bodies import read_object, read_objects, read_text, read_texts

_MAX_PATTERNS = 1_000
_SPECIAL = frozenset("^$.*+?()[]{}|\\")


@dataclass(frozen=True, slots=True)
class NameChoice:
    """One alternative: names that are among these, match all of some and none of other patterns.

    `exact` None: any name.
    """

    exact: frozenset[str] | None = None
    must: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()

    def accepts(self, name: str) -> bool:
        """Return whether the alternative has this name."""
        return (
            (self.exact is None or name in self.exact)
            and all(compile_pattern(pattern).search(name) for pattern in self.must)
            and not any(compile_pattern(pattern).search(name) for pattern in self.must_not)
        )


@dataclass(frozen=True, slots=True)
class NameFilter:
    """Names that any of the alternatives accepts; every name when it is None."""

    choices: tuple[NameChoice, ...] | None = None

    def accepts(self, name: str) -> bool:
        """Return whether the filter lets a name pass."""
        return self.choices is None or any(choice.accepts(name) for choice in self.choices)

    @property
    def outline(self) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        """Names and patterns: who passes is one of these or matches one of those. None: anyone."""
        if self.choices is None:
            return None
        names: set[str] = set()
        patterns: dict[str, None] = {}
        for choice in self.choices:
            if choice.exact is not None:
                names |= choice.exact
            elif choice.must:
                patterns[choice.must[0]] = None
            else:
                return None
        return tuple(sorted(names)), tuple(patterns)

    @property
    def is_outline(self) -> bool:
        """Whether everybody whom the outline describes passes."""
        return self.choices is None or all(
            not choice.must_not and len(choice.must) + (choice.exact is not None) <= 1
            for choice in self.choices
        )


def decode_names(value: object) -> NameFilter:
    r"""Read an `attributeNameFilter`.

    Raises
    ------
    InvalidInput
        When it is none, or a pattern cannot be compiled.

    >>> chosen = decode_names({"mustMatchAny": [{"mustMatchRegexes": [r"^(a\-b|c)$"]}]})
    >>> chosen.outline, chosen.accepts("a-b"), chosen.accepts("cc")
    ((('a-b', 'c'), ()), True, False)
    """
    given = read_object(value, "attributeNameFilter")
    any_of = read_objects(given.get("mustMatchAny"), "mustMatchAny")
    choices = None if any_of is None else [_choice(each) for each in any_of]
    whole = _choice(given)
    if whole != NameChoice():
        choices = [whole] if choices is None else [_both(whole, each) for each in choices]
    if choices is None:
        return NameFilter()
    if sum(len(choice.must) + len(choice.must_not) for choice in choices) > _MAX_PATTERNS:
        raise InvalidInput(f"more than {_MAX_PATTERNS} regular expressions in one question")
    return NameFilter(tuple(choices))


def decode_exact_names(value: object, what: str) -> NameFilter | None:
    """Read a list of names, or None for null."""
    names = read_texts(value, what)
    return None if names is None else NameFilter((NameChoice(frozenset(names)),))


def decode_types(value: object) -> tuple[str, ...] | None:
    """Read an `attributeFilter`: the names of the types, or None for all."""
    given = read_objects(value, "attributeFilter")
    if given is None:
        return None
    return tuple(read_text(each.get("attributeType"), "attributeType") or "" for each in given)


def _choice(given: Mapping[str, Any]) -> NameChoice:
    texts = read_texts(given.get("mustMatchRegexes"), "mustMatchRegexes") or ()
    legacy = read_text(given.get("attributeNameRegex"), "attributeNameRegex")
    must_not = read_texts(given.get("mustNotMatchRegexes"), "mustNotMatchRegexes") or ()
    exact: frozenset[str] | None = None
    must = []
    for text in (*texts, *([] if legacy is None else [legacy])):
        names = _exact_names(text)
        if names is None:
            must.append(text)
        else:
            exact = names if exact is None else exact & names
    for text in (*must, *must_not):
        compile_pattern(text)
    return NameChoice(exact, tuple(must), must_not)


def _both(one: NameChoice, other: NameChoice) -> NameChoice:
    exact = one.exact if other.exact is None else other.exact
    if one.exact is not None and other.exact is not None:
        exact = one.exact & other.exact
    return NameChoice(exact, one.must + other.must, one.must_not + other.must_not)


def _exact_names(pattern: str) -> frozenset[str] | None:
    """Return the names that `^name$` or `^(name|name)$` stands for, or None for other patterns.

    Clients write lists of thousands of names like this; to look them up takes no time.
    """
    if not (pattern.startswith("^") and pattern.endswith("$")):
        return None
    inner = pattern[1:-1]
    grouped = inner.startswith("(") and inner.endswith(")")
    if grouped:
        inner = inner[1:-1]
    names: list[str] = []
    name: list[str] = []
    characters = iter(inner)
    for character in characters:
        if character == "\\":
            character = next(characters, "")
            # Of a letter, a digit or a letter of another script it would mean something else.
            if not character or character.isalnum() or character == "_":
                return None
        elif character == "|" and grouped:
            names.append("".join(name))
            name = []
            continue
        elif character in _SPECIAL:
            return None
        name.append(character)
    return frozenset([*names, "".join(name)])
