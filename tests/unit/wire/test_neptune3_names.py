"""Which attributes readers of Neptune 3 ask for."""

from __future__ import annotations

import re

import pytest

from mooring.errors import InvalidInput, QueryError
from mooring.wire.neptune3.names import decode_exact_names, decode_names, decode_types
from mooring.wire.neptune3.types import types_of

NAMES = ["a", "a-b", "loss", "train/loss", "train/acc", "weird (1) | $", "ü/1"]


def _accepted(value: object) -> list[str]:
    return [name for name in NAMES if decode_names(value).accepts(name)]


def test_nothing_said_is_everything() -> None:
    for value in (None, {}, {"mustMatchAny": None, "mustMatchRegexes": None}):
        assert _accepted(value) == NAMES
        assert decode_names(value).outline is None
    assert decode_exact_names(None, "names") is None
    assert decode_types(None) is None


def test_an_empty_list_of_alternatives_is_nothing() -> None:
    assert _accepted({"mustMatchAny": []}) == []
    assert decode_names({"mustMatchAny": []}).outline == ((), ())
    assert _accepted({"mustMatchAny": [{}]}) == NAMES


def test_patterns_are_searched_for_and_all_have_to_match() -> None:
    assert _accepted({"mustMatchRegexes": ["loss"]}) == ["loss", "train/loss"]
    assert _accepted({"mustMatchRegexes": ["loss", "^t"]}) == ["train/loss"]
    assert _accepted({"mustMatchRegexes": ["[[:digit:]]"]}) == ["weird (1) | $", "ü/1"]
    assert _accepted({"mustMatchRegexes": ["^t"], "mustNotMatchRegexes": ["acc"]}) == ["train/loss"]
    assert _accepted({"mustNotMatchRegexes": ["/", "^a"]}) == ["loss", "weird (1) | $"]
    assert _accepted({"attributeNameRegex": "^train"}) == ["train/loss", "train/acc"]


def test_alternatives() -> None:
    any_of = [{"mustMatchRegexes": ["^a$"]}, {"mustMatchRegexes": ["acc", "train"]}]
    assert _accepted({"mustMatchAny": any_of}) == ["a", "train/acc"]
    assert decode_names({"mustMatchAny": any_of}).outline == (("a",), ("acc",))
    assert _accepted({"mustMatchAny": any_of, "mustMatchRegexes": ["train"]}) == ["train/acc"]


def test_names_that_clients_escape_are_looked_up_as_they_are() -> None:
    joined = "|".join(map(re.escape, NAMES))
    for names, pattern in (
        (NAMES, f"^({joined})$"),
        *(([name], f"^{re.escape(name)}$") for name in NAMES),
    ):
        chosen = decode_names({"mustMatchRegexes": [pattern]})
        assert chosen.outline == (tuple(sorted(names)), ())
        assert chosen.is_outline
        assert _accepted({"mustMatchRegexes": [pattern]}) == names


@pytest.mark.parametrize(
    "pattern", ["^a|b$", "^a.b$", r"^\d$", "^(a|(b))$", r"^a\$", "^a", "a$", r"^\w+$", "^[a]$"]
)
def test_other_patterns_stay_patterns(pattern: str) -> None:
    chosen = decode_names({"mustMatchRegexes": [pattern]})
    assert chosen.outline == ((), (pattern,))
    assert _accepted({"mustMatchRegexes": [pattern]}) == [
        name for name in NAMES if re.search(pattern, name)
    ]


def test_exact_names_narrow_each_other() -> None:
    chosen = decode_names({"mustMatchRegexes": ["^(a|loss)$", "^(loss|x)$", "s$"]})
    assert chosen.outline == (("loss",), ())
    assert not chosen.is_outline
    assert chosen.accepts("loss")
    assert not chosen.accepts("a")


@pytest.mark.parametrize(
    "value",
    [
        [],
        "a",
        7,
        {"mustMatchRegexes": "a"},
        {"mustMatchRegexes": [1]},
        {"mustMatchAny": ["a"]},
        {"mustMatchAny": {}},
        {"mustNotMatchRegexes": {"a": "b"}},
        {"attributeNameRegex": 1},
        {"mustMatchRegexes": [f"a{i}" for i in range(1_001)]},
    ],
)
def test_what_is_no_filter(value: object) -> None:
    with pytest.raises(InvalidInput):
        decode_names(value)


@pytest.mark.parametrize("pattern", ["(", "[", "a**", "(?<x>a)", "\\"])
def test_bad_patterns(pattern: str) -> None:
    for key in ("mustMatchRegexes", "mustNotMatchRegexes"):
        with pytest.raises(QueryError, match="is no regular expression"):
            decode_names({key: [pattern]})


def test_types() -> None:
    assert decode_types([{"attributeType": "int"}]) == ("int",)
    assert types_of(["experimentState", "gitRef", "complex"]) == frozenset()
    with pytest.raises(InvalidInput, match="attribute type"):
        types_of(["float", "flot"])
    with pytest.raises(InvalidInput):
        decode_types(["int"])
