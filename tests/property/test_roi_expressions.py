"""ROI expressions against Python: the same text means the same, and rows do not see each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mooring.hub.review import Cell, ReviewRows, evaluate, parse, select

ONE_ROW = ReviewRows([None], [None])


def value(text: str) -> Cell:
    return evaluate(parse(text), ONE_ROW)[0]


# The same text in both languages: what binds how tightly. Literals are floats, as all numbers are.

_DIGITS = st.integers(0, 9).map(lambda digit: f"{float(digit)}")
_SIGNED = st.tuples(st.sampled_from(["", "", "-", "+", "--"]), _DIGITS).map("".join)


def _chain(operands: st.SearchStrategy[str], signs: Sequence[str]) -> st.SearchStrategy[str]:
    more = st.lists(st.tuples(st.sampled_from(signs), operands), max_size=4)
    return st.tuples(operands, more).map(
        lambda parts: parts[0] + "".join(f" {sign} {operand}" for sign, operand in parts[1])
    )


def _bracketed(inner: st.SearchStrategy[str], *more: str) -> st.SearchStrategy[str]:
    return st.tuples(st.sampled_from(["(", "-(", *more]), inner).map(lambda p: f"{p[0]}{p[1]})")


_EXACT = st.recursive(
    _SIGNED,
    lambda inner: _chain(inner | _bracketed(inner, "abs("), ["+", "-", "*", "/", "//", "%"]),
)
# A root of less than nothing is complex in Python, and stays so without `abs`.
_POWERS = st.recursive(
    _SIGNED, lambda inner: _chain(inner | _bracketed(inner), ["+", "-", "*", "**"])
)
_COMPARED = st.tuples(
    st.sampled_from(["", "not "]), _chain(_EXACT, ["==", "!=", "<", "<=", ">", ">="])
).map("".join)
_LOGIC = _chain(_COMPARED, ["and", "or"])


def _python(text: str) -> object:
    """Return what Python makes of a text that this file has made."""
    try:
        return eval(text, {"__builtins__": {}, "abs": abs})
    except (ZeroDivisionError, OverflowError):
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)


@given(_EXACT)
def test_arithmetic_is_pythons(text: str) -> None:
    wanted = _python(text)
    assert value(text) == (wanted if _is_number(wanted) else None)


@given(_POWERS)
def test_powers_bind_as_pythons(text: str) -> None:
    wanted = _python(text)
    assume(_is_number(wanted) and abs(float(str(wanted))) < 1e100)
    assert value(text) == pytest.approx(wanted, rel=1e-9)


@given(_LOGIC)
def test_comparisons_and_logic_are_pythons(text: str) -> None:
    wanted = _python(text)
    assume(wanted is not None)
    assert bool(value(text)) is bool(wanted)


@given(_COMPARED, _EXACT, _EXACT)
def test_if_chooses(condition: str, one: str, other: str) -> None:
    chosen = one if value(condition) else other
    for text in (f"if({condition}, {one}, {other})", f"@IF({condition}, {one}, {other})"):
        assert value(text) == value(chosen)


# Rows, and selections of them, against a loop.

_CELLS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b", "1", ""])
_ROWS = st.lists(st.tuples(_CELLS, _CELLS, st.integers(0, 2) | st.none()), min_size=1, max_size=8)
_OF_A_ROW = st.sampled_from(
    ["P = A", "P != A", "P < A", "A = null", "P != null", "not A", "P + A", "if(A, P, 0) = 1"]
)


@given(st.lists(st.integers(-3, 3) | st.none(), min_size=1, max_size=8), _OF_A_ROW, st.data())
def test_a_row_means_the_same_among_others(
    predictions: list[Cell], text: str, data: st.DataObject
) -> None:
    size = len(predictions)
    cells = st.integers(-3, 3) | st.none()
    actuals = data.draw(st.lists(cells, min_size=size, max_size=size))
    together = evaluate(parse(text), ReviewRows(predictions, actuals))
    alone = [
        evaluate(parse(text), ReviewRows([p], [a]))[0]
        for p, a in zip(predictions, actuals, strict=True)
    ]
    assert together == alone


@given(_ROWS)
def test_any_types_of_cells_compare(rows: list[tuple[Cell, Cell, int | None]]) -> None:
    table = ReviewRows([p for p, _, _ in rows], [a for _, a, _ in rows])
    for text in ("P = A", "P != A", "P < A", "P >= A", "P and A", "P + A", "len(P)"):
        assert len(evaluate(parse(text), table)) == len(rows)
    equal, unequal = (evaluate(parse(f"P {sign} A"), table) for sign in ("=", "!="))
    for (p, a, _), same, other in zip(rows, equal, unequal, strict=True):
        assert not (same and other)
        assert (same or other) is (p is not None and a is not None)


@given(
    st.lists(st.tuples(st.integers(-9, 9) | st.none(), st.integers(0, 2) | st.none()), max_size=12),
    st.integers(1, 4),
    st.sampled_from(["top", "bottom"]),
    st.integers(-9, 9),
)
def test_a_selection_is_what_a_loop_finds(
    rows: list[tuple[int | None, int | None]], count: int, kind: str, least: int
) -> None:
    table = ReviewRows([p for p, _ in rows], [None] * len(rows), {"g": [g for _, g in rows]})
    text = f"{kind} {count} by P per $g where P > {least}"
    groups: dict[int | None, list[int]] = {}
    for number, (p, group) in enumerate(rows):
        if p is not None and p > least:
            groups.setdefault(group, []).append(number)
    wanted: list[int] = []
    for numbers in groups.values():
        sign = -1 if kind == "top" else 1
        wanted += sorted(numbers, key=lambda n: (sign * (rows[n][0] or 0), n))[:count]
    assert select(parse(text), table) == sorted(wanted)
