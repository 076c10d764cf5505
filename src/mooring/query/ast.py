"""The syntax tree of filters, and the way to write one in Python.

>>> from mooring.query import field
>>> condition = (field("metrics/loss").last < 0.1) & field("sys/tags").contains("best")
>>> print(condition)
((`metrics/loss`:float_series.last < 0.1) AND (`sys/tags` CONTAINS "best"))
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

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


class _Combine:
    __slots__ = ()

    def __and__(self, other: Expression) -> And:
        return And((self, other))  # type: ignore[arg-type]

    def __or__(self, other: Expression) -> Or:
        return Or((self, other))  # type: ignore[arg-type]

    def __invert__(self) -> Not:
        return Not(self)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Field:
    """An attribute in a filter: its path, and optionally its type and the aggregate of a series.

    `type` None means: whatever type the run's attribute has. `aggregate` None means: the value
    itself, or the last value of a series.
    """

    path: str
    type: AttributeType | None = None
    aggregate: Aggregate | None = None

    def __str__(self) -> str:
        suffix = f":{self.type}" if self.type else ""
        if self.aggregate:
            suffix = f":{self.type or AttributeType.FLOAT_SERIES}.{self.aggregate}"
        return f"`{self.path}`{suffix}"


@dataclass(frozen=True, slots=True)
class Compare(_Combine):
    """`field operator value`. False where the run lacks the attribute, or it has another type.

    Exceptions: `!=`, `NOT MATCHES` and `NOT CONTAINS` are true there.
    """

    field: Field
    operator: Operator
    value: Literal

    def __str__(self) -> str:
        return f"({self.field} {self.operator} {_quote(self.value)})"


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
        return f"(NOT {self.operand})"


@dataclass(frozen=True, slots=True)
class And(_Combine):
    """True where all operands are; an empty one is always true."""

    operands: tuple[Expression, ...]

    def __str__(self) -> str:
        return "(" + " AND ".join(map(str, self.operands)) + ")" if self.operands else ""


@dataclass(frozen=True, slots=True)
class Or(_Combine):
    """True where any operand is; an empty one is never true."""

    operands: tuple[Expression, ...]

    def __str__(self) -> str:
        return "(" + " OR ".join(map(str, self.operands)) + ")" if self.operands else "()"


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


def _quote(value: Literal) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return f'"{value}"'
    if isinstance(value, (int, float)):
        return repr(value)
    text = value.isoformat() if isinstance(value, datetime) else value
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
