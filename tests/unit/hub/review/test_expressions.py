"""ROI expressions: what they mean, what is told of wrong ones, and that nothing else happens."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.hub.review import (
    Cell,
    ExpressionInvalid,
    ReviewRows,
    UnknownFeature,
    evaluate,
    parse,
    roi,
    select,
    validate_expression,
)
from mooring.hub.review.expressions import FUNCTIONS, MAX_LENGTH, Node

ROWS = ReviewRows(
    predictions=[True, False, True, True],
    actuals=[True, True, False, None],
    features={
        "price": [10, 20.5, None, 40],
        "kind": ["a", "b", "a", None],
        "petal length (cm)": [1, 2, 3, 4],
        "digits": ["1", "2", "x", None],
    },
)


def value(text: str, rows: ReviewRows = ROWS) -> list[Cell]:
    return evaluate(parse(text), rows)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("P = true", [True, False, True, True]),
        ("prediction == A", [True, False, False, False]),
        ("P != actual", [False, True, True, False]),
        ("A = null", [False, False, False, True]),
        ("A <> None", [True, True, True, False]),
        ("$price * 2", [20.0, 41.0, None, 80.0]),
        ("$12.5 + $price", [22.5, 33.0, None, 52.5]),
        ("$price > 15", [False, True, False, True]),
        ("15 < $price < 30", [False, True, False, False]),
        ("not $price > 15", [True, False, True, False]),
        ("@if(P = true, $100, -1)", [100.0, -1.0, 100.0, 100.0]),
        ("if($kind = 'a', 1, 0)", [1.0, 0.0, 1.0, 0.0]),
        ("IF($kind = \"a\" AND P, $kind, 'other')", ["a", "other", "a", "other"]),
        ("$kind != 'a'", [False, True, False, False]),
        ("$kind < 'b'", [True, False, True, False]),
        ("if(P, 'yes', 3)", ["yes", "3", "yes", "yes"]),
        ('$"petal length (cm)" % 2', [1.0, 0.0, 1.0, 0.0]),
        ("$digits + 1", [2.0, 3.0, None, None]),
        ("$digits = 2", [False, True, False, False]),
        ("$digits < 2", [True, False, False, False]),
        ("P + P", [2.0, 0.0, 2.0, 2.0]),
        ("len($kind)", [1.0, 1.0, 1.0, None]),
        ("max($price, 15)", [15.0, 20.5, 15.0, 40.0]),
        ("min($price, 15, 12)", [10.0, 12.0, 12.0, 12.0]),
        ("agg_max($price) - agg_min($price)", [30.0] * 4),
        ("$price / 0", [None] * 4),
        ("0 / 0", [None] * 4),
        ("5 % 0", [None] * 4),
        ("5 // 0", [None] * 4),
        ("log(0)", [None] * 4),
        ("sqrt(-1)", [None] * 4),
        ("exp(1000)", [None] * 4),
        ("(-8) ** 0.5", [None] * 4),
        ("2 ** 3 ** 2", [512.0] * 4),
        ("-2 ** 2", [-4.0] * 4),
        ("7 // 2 - -7 // 2 + -7 % 3", [9.0] * 4),
        ("round(2.345, 2) + round(2.5) + floor(1.9) + ceil(1.1)", [2.35 + 2 + 1 + 2] * 4),
        ("log(8, 2) + log2(8) + log10(100)", [8.0] * 4),
        ("1 || 0 && 0", [True] * 4),
        ("!(1 = 1)", [False] * 4),
        ("null + 1", [None] * 4),
        ("null", [None] * 4),
        ("null = null", [True] * 4),
        ("1 / 0 != 1", [False] * 4),
        ("1 / 0 = 0 / 0", [False] * 4),
    ],
)
def test_what_an_expression_means(text: str, wanted: list[Cell]) -> None:
    found = value(text)
    assert [None if each is None else type(each) for each in found] == [
        None if each is None else type(each) for each in wanted
    ]
    for each, cell in zip(found, wanted, strict=True):
        assert each == (pytest.approx(cell) if isinstance(cell, float) else cell)


SALES = ReviewRows(
    predictions=[0.9, 0.8, 0.7, 0.6, 0.5, None],
    actuals=[1, 0, 1, 0, 1, 1],
    features={
        "shop": ["x", "x", "y", "y", "z", "z"],
        "price": [10, 20, 30, 40, 50, 60],
    },
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("top 2 by P", [0, 1]),
        ("bottom 2 by P", [3, 4]),
        ("TOP 1 BY $price PER $shop", [1, 3, 5]),
        ("bottom 1 by $price per $shop", [0, 2, 4]),
        ("top 1 by P per $shop having agg_max(P) > 0.6", [0, 2]),
        ("top 2 by $price where A = 1", [4, 5]),
        ("top 1 by $price from (bottom 3 by $price)", [2]),
        ("top 9 by P", [0, 1, 2, 3, 4]),
        ("all", [0, 1, 2, 3, 4, 5]),
        ("all where $price > 25 and P", [2, 3, 4]),
        ("all per $shop having agg_min($price) >= 30", [2, 3, 4, 5]),
        ("all where $price < agg_max($price) from (bottom 3 by $price)", [0, 1]),
        ("P > 0.65", [0, 1, 2]),
    ],
)
def test_what_a_selection_keeps(text: str, kept: list[int]) -> None:
    assert select(parse(text), SALES) == kept


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("P +", "expected a value, found the end at position 4"),
        ("(P", "expected ')', found the end at position 3"),
        ("P P", "expected an operator or the end, found 'P' at position 3"),
        ("$price > 'a", "a text without an end at position 10"),
        ("P # 1", "unexpected '#' at position 3"),
        ("price > 1", "there is no name 'price': a feature is written $price at position 1"),
        ("open('x')", "there is no function 'open' at position 1"),
        ("@P", "there is no function '@P' at position 1"),
        ("P.__class__", "unexpected '.' at position 2"),
        ("abs", "abs wants its arguments in brackets at position 1"),
        ("1 + abs(1, 2)", "abs takes 1 arguments, and has 2 at position 5"),
        ("log()", "log takes 1 to 2 arguments, and has 0 at position 1"),
        ("top x by P", "expected how many after 'top', found 'x' at position 5"),
        ("top 0 by P", "expected how many after 'top', found '0' at position 5"),
        ("top 1.5 by P", "expected how many after 'top', found '1.5' at position 5"),
        ("top 3", "expected 'by', found the end at position 6"),
        ("all from (P)", "expected top, bottom or all, found 'P' at position 11"),
        ("1 + top 3 by P", "expected a value, found 'top' at position 5"),
        ("$nothing", "there is no feature 'nothing' at position 1"),
        ("$", "unexpected '$' at position 1"),
        ("1 - 1e999", "a number beyond the largest at position 5"),
        ("$" + "9" * 400, "a number beyond the largest at position 1"),
        ("(" * 500 + "1", "nested too deep at position 61"),
        ("-" * 500 + "1", "nested too deep at position 61"),
        ("1" + "+1" * 500, "too many operators in a row at position 480"),
        ("1" * (MAX_LENGTH + 1), "longer than 4000 characters at position 4001"),
    ],
)
def test_what_is_told_of_a_wrong_expression(text: str, error: str) -> None:
    check = validate_expression(text, ["price"])
    assert (check.expression, check.is_valid, check.warning) == (text, False, None)
    assert check.error == error


def test_what_is_valid() -> None:
    for text in (None, "", "  "):
        assert validate_expression(text).is_valid
    assert validate_expression("$anything + 1").is_valid
    assert validate_expression("$price", ["price"]).error is None
    assert validate_expression("1 + 1").warning == "it is the same for every row"
    assert validate_expression("all").warning is None
    assert validate_expression("P").warning is None


@pytest.mark.parametrize("text", ["A != true", "A = P", "A < 1", "A = A"])
def test_a_comparison_with_what_is_not_known_is_false(text: str) -> None:
    assert value(text, ReviewRows([True, None], [None, None])) == [False, False]
    assert value(text, ReviewRows([True, None, False], [None, None, 1]))[:2] == [False, False]


def test_an_unknown_feature_is_told_of_rows_too() -> None:
    with pytest.raises(UnknownFeature, match="there is no feature 'nothing'"):
        value("$nothing")


def test_chance_is_the_same_for_the_same_seed() -> None:
    rows = ReviewRows([0] * 200, [0] * 200)
    first = evaluate(parse("randint(1, 3)"), rows)
    assert first == evaluate(parse("randint(1, 3)"), rows)
    assert first != evaluate(parse("randint(1, 3)"), rows, seed=1)
    assert set(first) == {1.0, 2.0, 3.0}
    assert evaluate(parse("randint(3, 1)"), rows)[0] is None
    drawn = evaluate(parse("random()"), rows)
    assert all(isinstance(each, float) and 0 <= each < 1 for each in drawn)


def test_roi_is_what_kept_rows_brought_over_what_they_cost() -> None:
    found = roi("P >= 0.7", "$10", "if(A = 1, $price, 0)", SALES)
    assert (found.count, found.investment, found.revenue) == (3, 30.0, 40.0)
    assert found.roi == pytest.approx(1 / 3)
    assert roi(None, None, "1", SALES).roi is None
    assert roi("top 1 by P", "P / 0", "$price", SALES).investment == 0
    huge = roi("", "1", "10 ** 308", SALES)
    assert (huge.revenue, huge.roi) == (None, None)
    with pytest.raises(ExpressionInvalid, match="an amount is wanted"):
        roi(None, "all", None, SALES)


# properties

NUMBERS = st.integers(-1000, 1000).map(float) | st.floats(-1e6, 1e6)
WORDS = st.sampled_from(
    ["P", "A", "$x", "$y", "(", ")", ",", "+", "-", "**", "/", "=", "<", "and", "not", "1", "2.5"]
    + ["'t'", "null", "true", "top", "by", "per", "where", "from", "having", "all", "$3", "%"]
    + [f"{name}(" for name in FUNCTIONS]
)


def tree_of(text: str) -> Node | None:
    try:
        return parse(text)
    except ExpressionInvalid as error:
        if not 0 <= error.position <= len(text):
            raise AssertionError("a place outside of the text") from error
        return None


@given(st.text() | st.lists(WORDS, max_size=30).map(" ".join))
def test_any_text_is_a_tree_or_an_error_with_its_place(text: str) -> None:
    node = tree_of(text)
    if node is None:
        return
    rows = ReviewRows([1, "a", None], [True, None, 2.5], {"x": [1, 2, 3], "y": ["1", None, "b"]})
    try:
        found = evaluate(node, rows)
    except UnknownFeature:
        return
    assert len(found) == 3
    assert all(not isinstance(each, float) or math.isfinite(each) for each in found)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=5), st.sampled_from(["+", "-", "*", "/"]))
def test_arithmetic_is_that_of_floats(pairs: Sequence[tuple[float, float]], sign: str) -> None:
    rows = ReviewRows([a for a, _ in pairs], [b for _, b in pairs])
    act = {
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "*": lambda a, b: a * b,
        "/": lambda a, b: a / b if b else None,
    }[sign]
    wanted = [act(a, b) for a, b in pairs]
    wanted = [each if each is not None and math.isfinite(each) else None for each in wanted]
    assert evaluate(parse(f"P {sign} A"), rows) == wanted


@given(st.lists(NUMBERS | st.none(), max_size=20), st.integers(1, 25))
def test_top_and_bottom_are_the_ends_of_the_order(
    values: Sequence[float | None], count: int
) -> None:
    rows = ReviewRows(values, [None] * len(values))
    known = sorted(each for each in values if each is not None)
    top = [values[number] for number in select(parse(f"top {count} by P"), rows)]
    bottom = [values[number] for number in select(parse(f"bottom {count} by P"), rows)]
    assert sorted(each for each in top if each is not None) == known[-count:]
    assert sorted(each for each in bottom if each is not None) == known[:count]
    assert None not in top + bottom
