"""The syntax tree of filters, and the way to write one in Python.

`str()` of a filter is text that `mooring.query.parse` reads back to an equal tree, but for what
parsing simplifies without a change of meaning: And in And and Or in Or become one, a group of
one becomes its operand, an untyped field compared with a time gets the type `datetime`.

>>> from mooring.query import field
>>> condition = (field("metrics/loss").last < 0.1) & field("sys/tags").contains("best")
>>> print(condition)
((`metrics/loss`:float_series.last < 0.1) AND (`sys/tags` CONTAINS "best"))
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NoReturn

from mooring.errors import QueryError
from mooring.model import AttributeType

Literal = int | float | str | bool | datetime


class Operator(StrEnum):
    """How a field is compared with a value."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    MATCHES = "MATCHES"
    NOT_MATCHES = "NOT MATCHES"
    CONTAINS = "CONTAINS"
    NOT_CONTAINS = "NOT CONTAINS"


class Aggregate(StrEnum):
    """What of a series is compared or sorted by."""

    LAST = "last"
    FIRST = "first"
    MIN = "min"
    MAX = "max"
    AVERAGE = "average"
    VARIANCE = "variance"
    SUM = "sum"
    COUNT = "count"
    LAST_STEP = "last_step"


SERIES_NUMBERS = frozenset(
    {Aggregate.MIN, Aggregate.MAX, Aggregate.AVERAGE, Aggregate.VARIANCE, Aggregate.SUM}
)
"""Aggregates that only a float series has."""


class _Combine:
    """Operators of expressions. Chains of one operator give one flat group."""

    __slots__ = ()

    def __and__(self, other: Expression) -> And:
        return And(_chain(And, self, other))

    def __or__(self, other: Expression) -> Or:
        return Or(_chain(Or, self, other))

    def __invert__(self) -> Not:
        return Not(self)  # type: ignore[arg-type]

    def __bool__(self) -> NoReturn:
        # `a and b` and `1 < field < 2` would drop one of the two conditions without a word.
        raise QueryError(
            "a filter is neither true nor false; combine filters with & | ~ in place of "
            "and, or, not, and write a range as (field > low) & (field < high)"
        )


@dataclass(frozen=True, slots=True)
class Field:
    """An attribute in a filter: its path, and optionally its type and the aggregate of a series.

    `type` None means: whatever type the run's attribute has, if that has the aggregate.
    `aggregate` None means: the value itself, or the last value of a series.
    """

    path: str
    type: AttributeType | None = None
    aggregate: Aggregate | None = None

    def __str__(self) -> str:
        name = "`" + self.path.replace("`", "``") + "`"
        if self.type is None:
            return f"{self.aggregate}({name})" if self.aggregate else name
        return f"{name}:{self.type}" + (f".{self.aggregate}" if self.aggregate else "")

    @property
    def value_type(self) -> AttributeType | None:
        """Type of what is compared: an attribute's value, an aggregate, a series' last value.

        >>> field("loss").max.target.value_type
        <AttributeType.FLOAT: 'float'>
        """
        if self.aggregate is Aggregate.COUNT:
            return AttributeType.INT
        if self.aggregate is Aggregate.LAST_STEP or self.aggregate in SERIES_NUMBERS:
            return AttributeType.FLOAT
        if self.type is AttributeType.FLOAT_SERIES:
            return AttributeType.FLOAT
        if self.type is AttributeType.STRING_SERIES:
            return AttributeType.STRING
        return self.type


@dataclass(frozen=True, slots=True)
class Compare(_Combine):
    """`field operator value`. False where the run lacks the attribute, or it has another type.

    Exceptions: `!=`, `NOT MATCHES` and `NOT CONTAINS` are true there.

    `value` has the type that `field.value_type` names: int or float for the numbers, an aware
    datetime, a bool, else str; the pattern or part of MATCHES and CONTAINS is always str. States
    of runs are `"active"` and `"inactive"`.

    Where `field.value_type` is None, the type of the run's attribute decides, and the one who
    evaluates resolves it: a str that came from text (quoted, or a word such as `-2h` or `50MB`)
    is read with `mooring.query.read_literal(value, type)`; where that raises `QueryError`, the
    attribute counts as one of another type. Unquoted numbers and `true` / `false` came as int,
    float and bool.
    """

    field: Field
    operator: Operator
    value: Literal

    def __str__(self) -> str:
        field = self.field
        if isinstance(self.value, datetime) and not (field.type or field.aggregate):
            field = replace(field, type=AttributeType.DATETIME)
        return f"({field} {self.operator} {_quote(self.value)})"


@dataclass(frozen=True, slots=True)
class Exists(_Combine):
    """True where the run has the attribute (of the field's type, when one is given)."""

    field: Field

    def __str__(self) -> str:
        return f"({self.field} EXISTS)"


@dataclass(frozen=True, slots=True)
class Not(_Combine):
    """True where `operand` is false."""

    operand: Expression

    def __str__(self) -> str:
        return f"(NOT {_nested(self.operand)})"


@dataclass(frozen=True, slots=True)
class And(_Combine):
    """True where all operands are; an empty one is always true (`TRUE` inside other text)."""

    operands: tuple[Expression, ...]

    def __str__(self) -> str:
        return _join(self.operands, " AND ") if self.operands else ""


@dataclass(frozen=True, slots=True)
class Or(_Combine):
    """True where any operand is; an empty one is never true (`FALSE` in text)."""

    operands: tuple[Expression, ...]

    def __str__(self) -> str:
        return _join(self.operands, " OR ") if self.operands else "FALSE"


Expression = Compare | Exists | Not | And | Or


@dataclass(frozen=True, slots=True)
class Sort:
    """Order of runs. Those that lack the field, or hold NaN in it, come last either way."""

    field: Field
    ascending: bool = True


@dataclass(frozen=True, slots=True)
class FieldBuilder:
    """What `field()` returns: comparisons of it are filters."""

    target: Field

    def typed(self, type: AttributeType | str) -> FieldBuilder:
        """Compare only where the attribute has this type."""
        return FieldBuilder(replace(self.target, type=AttributeType(type)))

    def _aggregate(self, aggregate: Aggregate) -> FieldBuilder:
        return FieldBuilder(
            replace(
                self.target,
                aggregate=aggregate,
                type=self.target.type or AttributeType.FLOAT_SERIES,
            )
        )

    @property
    def first(self) -> FieldBuilder:
        """First value of a float series."""
        return self._aggregate(Aggregate.FIRST)

    @property
    def last(self) -> FieldBuilder:
        """Last value of a float series."""
        return self._aggregate(Aggregate.LAST)

    @property
    def min(self) -> FieldBuilder:
        """Smallest finite value of a float series."""
        return self._aggregate(Aggregate.MIN)

    @property
    def max(self) -> FieldBuilder:
        """Largest finite value of a float series."""
        return self._aggregate(Aggregate.MAX)

    @property
    def average(self) -> FieldBuilder:
        """Mean of the finite values of a float series."""
        return self._aggregate(Aggregate.AVERAGE)

    @property
    def variance(self) -> FieldBuilder:
        """Population variance of the finite values of a float series."""
        return self._aggregate(Aggregate.VARIANCE)

    @property
    def sum(self) -> FieldBuilder:
        """Sum of the finite values of a float series."""
        return self._aggregate(Aggregate.SUM)

    @property
    def count(self) -> FieldBuilder:
        """Number of points of a series (a float series unless `typed` says another)."""
        return self._aggregate(Aggregate.COUNT)

    @property
    def last_step(self) -> FieldBuilder:
        """Last step of a series (a float series unless `typed` says another)."""
        return self._aggregate(Aggregate.LAST_STEP)

    def __eq__(self, value: object) -> Compare:  # type: ignore[override]
        return Compare(self.target, Operator.EQ, value)  # type: ignore[arg-type]

    def __ne__(self, value: object) -> Compare:  # type: ignore[override]
        return Compare(self.target, Operator.NE, value)  # type: ignore[arg-type]

    def __lt__(self, value: Literal) -> Compare:
        return Compare(self.target, Operator.LT, value)

    def __le__(self, value: Literal) -> Compare:
        return Compare(self.target, Operator.LE, value)

    def __gt__(self, value: Literal) -> Compare:
        return Compare(self.target, Operator.GT, value)

    def __ge__(self, value: Literal) -> Compare:
        return Compare(self.target, Operator.GE, value)

    def matches(self, pattern: str) -> Compare:
        """True where the regular expression is found in the text."""
        return Compare(self.target, Operator.MATCHES, pattern)

    def contains(self, text: str) -> Compare:
        """True where a set has the element, or a text the part."""
        return Compare(self.target, Operator.CONTAINS, text)

    def exists(self) -> Exists:
        """True where the run has the attribute."""
        return Exists(self.target)

    def is_in(self, values: Iterable[Literal]) -> Or:
        """True where the field equals any of the values."""
        return Or(tuple(Compare(self.target, Operator.EQ, value) for value in values))

    __hash__ = None  # type: ignore[assignment]


def field(path: str) -> FieldBuilder:
    """Name an attribute in a filter.

    >>> print(field("params/lr") >= 0.01)
    (`params/lr` >= 0.01)
    """
    return FieldBuilder(Field(path))


def _chain(kind: type[And | Or], *operands: object) -> tuple[Expression, ...]:
    flat: list[Expression] = []
    for operand in operands:
        if isinstance(operand, kind):
            flat.extend(operand.operands)
        else:
            flat.append(operand)  # type: ignore[arg-type]
    return tuple(flat)


def _nested(expression: Expression) -> str:
    return str(expression) or "TRUE"


def _join(operands: tuple[Expression, ...], word: str) -> str:
    if len(operands) == 1:
        return str(operands[0])
    return "(" + word.join(map(_nested, operands)) + ")"


def _quote(value: Literal) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(value)  # that of numpy's subclass names the class
    if isinstance(value, datetime):
        # As in mooring.model.times, a time without a zone is local time.
        return f'"{(value if value.tzinfo else value.astimezone()).isoformat()}"'
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
