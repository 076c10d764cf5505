"""ROI expressions on rows: every operation is one of NumPy on whole columns.

What is not defined is null: a division by zero, a logarithm of nothing, a root of less, a number
beyond the largest, a text that is no number where one is wanted. Null makes arithmetic null and
every comparison false, but for `= null` and `!= null`, which ask for it. As a condition null is
false, as are 0 and the empty text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mooring.hub.review.expressions import (
    Function,
    Literal,
    Node,
    Operation,
    Scalar,
    Selection,
    Variable,
)

Cell = str | int | float | bool | None
Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]
Column = Numbers | Flags | Texts


@dataclass(frozen=True, slots=True)
class ReviewRows:
    """Rows that were predicted, and what was true of them.

    Attributes
    ----------
    predictions, actuals : a cell for each row; None where nothing is known
    features : a column of cells for each feature
    """

    predictions: Sequence[Cell]
    actuals: Sequence[Cell]
    features: Mapping[str, Sequence[Cell]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.predictions)


_NULL = Literal(None)


class UnknownFeature(ValueError):
    """An expression names a feature that the rows do not have."""


def evaluate(node: Node, rows: ReviewRows, *, seed: int = 0) -> list[Cell]:
    """Return the value of an expression for each row; of a selection whether the row is in it.

    Parameters
    ----------
    seed : where `random` and `randint` start, so that an answer can be had again

    Raises
    ------
    UnknownFeature
        When the rows lack a feature.
    """
    found = _Evaluation(rows, seed).value(node)
    return [_cell(value) for value in found.tolist()]


def select(node: Node | None, rows: ReviewRows, *, seed: int = 0) -> list[int]:
    """Return the numbers of the rows that a filter keeps, in their order. None keeps all.

    Raises
    ------
    UnknownFeature
        When the rows lack a feature.
    """
    if node is None:
        return list(range(len(rows)))
    kept = _flags(_Evaluation(rows, seed).value(node))
    return [int(number) for number in np.flatnonzero(kept)]


def _cell(value: Any) -> Cell:
    if isinstance(value, float):
        return None if math.isnan(value) else value
    return value if isinstance(value, (str, bool)) else None


class _Evaluation:
    def __init__(self, rows: ReviewRows, seed: int) -> None:
        self._rows = rows
        self._random = np.random.default_rng(seed)
        self._groups: Sequence[npt.NDArray[np.intp]] = (np.arange(len(rows)),)
        """What `agg_max` and `agg_min` look over."""

    def value(self, node: Node) -> Column:
        match node:
            case Literal(value=value):
                return self._constant(value)
            case Variable():
                return self._variable(node)
            case Operation(operator="=" | "!=", operands=(left, right)) if _NULL in (left, right):
                null = _nulls(self.value(left)) & _nulls(self.value(right))
                return null if node.operator == "=" else ~null
            case Operation(operator=operator, operands=operands):
                return _operate(operator, [self.value(each) for each in operands])
            case Function():
                return self._function(node)
            case Selection():
                return self._select(node)

    def _constant(self, value: Cell) -> Column:
        if isinstance(value, bool):
            return np.full(len(self._rows), value, dtype=np.bool_)
        if isinstance(value, str):
            return np.full(len(self._rows), value, dtype=object)
        return np.full(len(self._rows), math.nan if value is None else value, dtype=np.float64)

    def _variable(self, node: Variable) -> Column:
        if not node.feature:
            rows = self._rows
            return _column(rows.predictions if node.name == "prediction" else rows.actuals)
        if node.name not in self._rows.features:
            raise UnknownFeature(f"there is no feature {node.name!r}")
        return _column(self._rows.features[node.name])

    def _function(self, node: Function) -> Column:
        if node.name in ("random", "randint"):
            return self._chance(node)
        if node.name in ("agg_max", "agg_min"):
            return self._aggregate(node)
        given = [self.value(each) for each in node.arguments]
        if node.name == "if":
            return _choose(_flags(given[0]), given[1], given[2])
        if node.name == "len":
            return np.array([_length(each) for each in given[0].tolist()], dtype=np.float64)
        if node.name in ("max", "min"):
            pick = np.fmax if node.name == "max" else np.fmin  # these pass over null
            made = _numbers(given[0])
            for each in given[1:]:
                made = pick(made, _numbers(each))
            return made
        return _finite(_FUNCTIONS[node.name], *(_numbers(each) for each in given))

    def _chance(self, node: Function) -> Numbers:
        count = len(self._rows)
        if node.name == "random":
            return self._random.random(count)
        first, last = (np.round(_numbers(self.value(each))) for each in node.arguments)
        drawn = self._random.random(count)
        return _finite(
            lambda a, b: np.where(b >= a, a + np.floor(drawn * (b - a + 1)), math.nan), first, last
        )

    def _aggregate(self, node: Function) -> Numbers:
        values = _numbers(self.value(node.arguments[0]))
        pick = np.nanmax if node.name == "agg_max" else np.nanmin
        made = np.full(len(self._rows), math.nan)
        for group in self._groups:
            if len(group) and not np.isnan(values[group]).all():
                made[group] = pick(values[group])
        return made

    # selections

    def _select(self, node: Selection) -> Flags:
        count = len(self._rows)
        kept = np.ones(count, dtype=np.bool_)
        if node.source is not None:
            kept &= self._select(node.source)
        outer = self._groups
        self._groups = (np.flatnonzero(kept),)
        if node.where is not None:
            kept &= _flags(self.value(node.where))
        self._groups = groups = self._grouped(node.per, kept)
        if node.having is not None:
            holds = _flags(self.value(node.having))
            groups = [group for group in groups if holds[group].all()]
        if node.by is not None:
            order = _numbers(self.value(node.by))
            groups = [_first(order, group, node) for group in groups]
        self._groups = outer
        chosen = np.zeros(count, dtype=np.bool_)
        for group in groups:
            chosen[group] = True
        return chosen

    def _grouped(self, per: Scalar | None, kept: Flags) -> Sequence[npt.NDArray[np.intp]]:
        """Return the rows that are kept, by what `per` is of them; null is a group as well."""
        if per is None:
            return (np.flatnonzero(kept),)
        held: dict[Cell, list[int]] = {}
        values = self.value(per).tolist()
        for number in np.flatnonzero(kept).tolist():
            held.setdefault(_cell(values[number]), []).append(number)
        return [np.array(numbers, dtype=np.intp) for numbers in held.values()]


def _first(order: Numbers, group: npt.NDArray[np.intp], node: Selection) -> npt.NDArray[np.intp]:
    """Return the first rows of a group; of equal ones those that come first. Null is never one."""
    group = group[~np.isnan(order[group])]
    keys = order[group] if node.kind == "bottom" else -order[group]
    return group[np.argsort(keys, kind="stable")[: node.count]]


# columns


def _column(cells: Sequence[Cell]) -> Column:
    """Return cells as numbers where they are numbers or null, as flags, else as texts."""
    known = [cell for cell in cells if cell is not None]
    if known and all(isinstance(cell, bool) for cell in known) and len(known) == len(cells):
        return np.array(cells, dtype=np.bool_)
    if all(isinstance(cell, (bool, int, float)) for cell in known):
        return np.array([_number(cell) for cell in cells], dtype=np.float64)
    texts = np.empty(len(cells), dtype=object)
    texts[:] = [None if cell is None else str(cell) for cell in cells]
    return texts


def _number(value: object) -> float:
    """Return a value as a finite number, or NaN."""
    if value is None:
        return math.nan
    try:
        number = float(value)  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _numbers(column: Column) -> Numbers:
    if column.dtype == object:
        return np.array([_number(each) for each in column.tolist()], dtype=np.float64)
    return column.astype(np.float64)


def _flags(column: Column) -> Flags:
    if column.dtype == object:
        return np.array([bool(each) for each in column.tolist()], dtype=np.bool_)
    if column.dtype == np.bool_:
        return column.astype(np.bool_)
    return np.asarray(~np.isnan(column.astype(np.float64)) & (column != 0), dtype=np.bool_)


def _nulls(column: Column) -> Flags:
    if column.dtype == object:
        return np.array([each is None for each in column.tolist()], dtype=np.bool_)
    return np.isnan(column.astype(np.float64))


def _length(value: object) -> float:
    return math.nan if _cell(value) is None else float(len(str(value)))


def _choose(condition: Flags, one: Column, other: Column) -> Column:
    if one.dtype == other.dtype:
        return np.where(condition, one, other)
    if object in (one.dtype, other.dtype):
        return np.where(condition, _texts(one), _texts(other))
    return np.where(condition, _numbers(one), _numbers(other))


def _texts(column: Column) -> Texts:
    made = np.empty(len(column), dtype=object)
    made[:] = [_text(each) for each in column.tolist()]
    return made


def _text(value: object) -> str | None:
    """Return a value as a text, numbers without a needless `.0`, flags as `true` and `false`."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    number = _number(value)
    return None if math.isnan(number) else f"{number:.15g}"


# operators


def _finite(act: Callable[..., Any], *given: Numbers) -> Numbers:
    """Return what comes of numbers, with null for what is not defined."""
    with np.errstate(all="ignore"):
        made = np.asarray(act(*given), dtype=np.float64)
    return np.where(np.isfinite(made), made, math.nan)


def _operate(operator: str, given: Sequence[Column]) -> Column:
    if operator == "not":
        return ~_flags(given[0])
    if operator in ("and", "or"):
        left, right = _flags(given[0]), _flags(given[1])
        return left & right if operator == "and" else left | right
    if operator in _COMPARISONS:
        return _compare(operator, given[0], given[1])
    if len(given) == 1:
        return -_numbers(given[0]) if operator == "-" else _numbers(given[0])
    return _finite(_ARITHMETIC[operator], _numbers(given[0]), _numbers(given[1]))


def _compare(operator: str, left: Column, right: Column) -> Flags:
    known = ~(_nulls(left) | _nulls(right))
    if operator in ("=", "!="):
        same = _equal(left, right)
        return np.asarray((same if operator == "=" else ~same) & known, dtype=np.bool_)
    if left.dtype == object and right.dtype == object:
        pairs = zip(left.tolist(), right.tolist(), known.tolist(), strict=True)
        act = _COMPARISONS[operator]
        return np.array([both and bool(act(a, b)) for a, b, both in pairs], dtype=np.bool_)
    with np.errstate(all="ignore"):
        return np.asarray(_COMPARISONS[operator](_numbers(left), _numbers(right)), dtype=np.bool_)


def _equal(left: Column, right: Column) -> Flags:
    if object not in (left.dtype, right.dtype):
        return np.asarray(_numbers(left) == _numbers(right), dtype=np.bool_)
    if left.dtype == right.dtype:
        return np.asarray(left == right, dtype=np.bool_)
    texts, others = (left, right) if left.dtype == object else (right, left)
    if others.dtype == np.bool_:
        lowered = [None if each is None else each.lower() for each in texts.tolist()]
        wanted = _texts(others).tolist()
        return np.array([a == b for a, b in zip(lowered, wanted, strict=True)], dtype=np.bool_)
    return np.asarray(_numbers(texts) == _numbers(others), dtype=np.bool_)


_ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "//": np.floor_divide,
    "%": np.mod,
    "**": np.power,
}
_COMPARISONS: Mapping[str, Callable[..., Any]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _logarithm(value: Numbers, base: Numbers | None = None) -> Any:
    return np.log(value) if base is None else np.log(value) / np.log(base)


def _rounded(value: Numbers, digits: Numbers | None = None) -> Any:
    if digits is None:
        return np.round(value)
    scale = np.power(10.0, np.clip(np.round(digits), -300, 300))
    return np.round(value * scale) / scale


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "cos": np.cos,
    "exp": np.exp,
    "floor": np.floor,
    "log": _logarithm,
    "log10": np.log10,
    "log2": np.log2,
    "round": _rounded,
    "sin": np.sin,
    "sqrt": np.sqrt,
    "tan": np.tan,
}
