"""A filter that is printed and read again is the same filter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import QueryError
from mooring.model import AttributeType
from mooring.query import (
    Aggregate,
    And,
    Compare,
    Exists,
    Expression,
    Field,
    Not,
    Operator,
    Or,
    parse,
)
from mooring.query.ast import SERIES_NUMBERS

TEXT_OPERATORS = {
    Operator.MATCHES,
    Operator.NOT_MATCHES,
    Operator.CONTAINS,
    Operator.NOT_CONTAINS,
}
NUMBERS = (AttributeType.INT, AttributeType.FLOAT)

texts = st.text(st.characters() | st.sampled_from("\\\"'`()"))
times = st.datetimes(
    datetime(1, 1, 3),  # noqa: DTZ001 - hypothesis wants naive bounds
    datetime(9999, 12, 29),  # noqa: DTZ001
).map(lambda time: time.replace(tzinfo=UTC, fold=0))
patterns = st.sampled_from(["", "a.c", r"^\d+$", "[[:alpha:]\"']", "`", r"\\", r"\["])
integers = st.integers(-(2**63), 2**63 - 1)


@st.composite
def fields(draw: st.DrawFn) -> Field:
    type = draw(st.none() | st.sampled_from(AttributeType))
    aggregates: list[Aggregate | None] = [None]
    if type is None or type.is_series:
        aggregates += Aggregate
    if type not in (None, AttributeType.FLOAT_SERIES):
        aggregates = [one for one in aggregates if one not in SERIES_NUMBERS]
    return Field(draw(texts.filter(bool)), type, draw(st.sampled_from(aggregates)))


@st.composite
def comparisons(draw: st.DrawFn) -> Compare:
    field = draw(fields())
    type = field.value_type
    operators = set(Operator)
    if type in (*NUMBERS, AttributeType.BOOL, AttributeType.DATETIME):
        operators -= TEXT_OPERATORS
    operator = draw(st.sampled_from(sorted(operators)))
    values: dict[AttributeType | None, st.SearchStrategy[object]] = {
        None: st.one_of(texts, integers, st.floats(), st.booleans()),
        AttributeType.INT: integers,
        AttributeType.FLOAT: st.floats(),
        AttributeType.BOOL: st.booleans(),
        AttributeType.DATETIME: times,
        AttributeType.RUN_STATE: st.sampled_from(["active", "inactive"]),
    }
    value = values.get(type, texts)
    if operator in TEXT_OPERATORS:
        value = patterns if "MATCHES" in operator else texts
    return Compare(field, operator, draw(value))  # type: ignore[arg-type]


def _groups(children: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    operands = st.lists(children, max_size=4).map(tuple)
    return children.map(Not) | operands.map(And) | operands.map(Or)


filters: st.SearchStrategy[Expression] = st.recursive(
    comparisons() | fields().map(Exists), _groups, max_leaves=12
)


def _simplified(expression: Expression) -> Expression:
    if isinstance(expression, Not):
        return Not(_simplified(expression.operand))
    if isinstance(expression, (And, Or)):
        kind = type(expression)
        flat: list[Expression] = []
        if len(expression.operands) == 1:
            return _simplified(expression.operands[0])
        for operand in map(_simplified, expression.operands):
            flat.extend(operand.operands if isinstance(operand, kind) else [operand])
        return flat[0] if len(flat) == 1 else kind(tuple(flat))
    return expression


def _holds(expression: Expression, leaf: Callable[[Expression], bool]) -> bool:
    match expression:
        case Not(operand):
            return not _holds(operand, leaf)
        case And(operands):
            return all(_holds(operand, leaf) for operand in operands)
        case Or(operands):
            return any(_holds(operand, leaf) for operand in operands)
        case _:
            return leaf(expression)


@given(filters)
def test_what_is_printed_is_read_back(expression: Expression) -> None:
    """`repr` stands for equality: it tells 1 from 1.0 and True, and NaN is itself."""
    parsed = parse(str(expression))
    assert repr(parsed) == repr(_simplified(expression))
    assert repr(parse(str(parsed))) == repr(parsed)
    assert str(parse(str(parsed))) == str(parsed)


@given(filters, st.integers(0, 255))
def test_reading_keeps_the_meaning(expression: Expression, salt: int) -> None:
    def leaf(one: Expression) -> bool:
        return crc32(repr(one).encode(errors="surrogatepass"), salt) % 2 == 0

    assert _holds(parse(str(expression)), leaf) == _holds(expression, leaf)


@given(
    times,
    st.sampled_from(["", ":datetime"]),
    st.integers(-23, 23),
)
def test_times_keep_their_instant(time: datetime, suffix: str, hours: int) -> None:
    type = AttributeType.DATETIME if suffix else None
    zoned = time.astimezone(timezone(timedelta(hours=hours)))
    parsed = parse(str(Compare(Field("t", type), Operator.EQ, zoned)))
    assert parsed == Compare(Field("t", AttributeType.DATETIME), Operator.EQ, zoned)


FRAGMENTS = (
    "a `b`:float :int : last( max ( ) AND OR NOT EXISTS CONTAINS MATCHES = == > 1 -2h nan 'x' \" "
    "true FALSE ` . , \\ [ 50MB 2024-01-01"
)
fragments = st.sampled_from(FRAGMENTS.split())


@given(st.lists(fragments | st.text(max_size=3)).map(" ".join))
def test_any_text_is_a_filter_or_a_query_error(text: str) -> None:
    try:
        expression = parse(text)
    except QueryError as error:
        assert error.position is not None  # noqa: PT017 - either outcome is right
        assert 0 <= error.position <= len(text)  # noqa: PT017
    else:
        assert repr(parse(str(expression))) == repr(expression)
