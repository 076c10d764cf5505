"""Return on investment of predictions: expressions checked, and applied to rows."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from mooring.hub.review.evaluation import ReviewRows, evaluate, select
from mooring.hub.review.expressions import (
    ExpressionInvalid,
    Node,
    Operation,
    Selection,
    parse,
    variables_of,
)


@dataclass(frozen=True, slots=True)
class ExpressionCheck:
    """What is to be said of an expression."""

    expression: str | None
    is_valid: bool
    error: str | None = None
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Roi:
    """What predictions cost and brought.

    Attributes
    ----------
    count : rows that the filter kept
    investment, revenue : sums over them, where a row without a value adds nothing; None for a sum
        beyond the largest number
    roi : (revenue - investment) / investment, or None where nothing was invested
    """

    count: int
    investment: float | None
    revenue: float | None
    roi: float | None


def validate_expression(
    text: str | None, features: Collection[str] | None = None
) -> ExpressionCheck:
    """Check an expression; null and empty ones are valid.

    Parameters
    ----------
    features : names of the features that there are; None: they are not known, so any may be named

    >>> validate_expression("$price > 2", ["prize"]).error
    "there is no feature 'price' at position 1"
    """
    if text is None or not text.strip():
        return ExpressionCheck(text, True)
    try:
        node = parse(text)
        named = list(variables_of(node))
        for variable in named:
            if variable.feature and features is not None and variable.name not in features:
                raise ExpressionInvalid(f"there is no feature {variable.name!r}", variable.position)
    except ExpressionInvalid as error:
        return ExpressionCheck(text, False, error=str(error))
    warning = None
    if not named and not isinstance(node, Selection):
        warning = "it is the same for every row"
    return ExpressionCheck(text, True, warning=warning)


def roi(filter: str | None, investment: str | None, revenue: str | None, rows: ReviewRows) -> Roi:
    """Return what the rows that a filter keeps cost and brought. An empty amount is 0.

    Raises
    ------
    ExpressionInvalid
        When an expression is none, or an amount is a selection.
    UnknownFeature
        When the rows lack a feature that is named.
    """
    kept = select(_parsed(filter), rows)
    spent = _sum(_parsed(investment), rows, kept)
    earned = _sum(_parsed(revenue), rows, kept)
    gain = (earned - spent) / spent if spent and earned is not None else None
    if gain is not None and not math.isfinite(gain):
        gain = None
    return Roi(len(kept), spent, earned, gain)


def _parsed(text: str | None) -> Node | None:
    return None if text is None or not text.strip() else parse(text)


def _sum(node: Node | None, rows: ReviewRows, kept: list[int]) -> float | None:
    if node is None:
        return 0.0
    if isinstance(node, Selection):
        raise ExpressionInvalid("an amount is wanted, not a selection of rows", 0)
    amounts = evaluate(Operation("+", (node,), node.depth + 1), rows)  # texts as their numbers
    try:
        return math.fsum(float(amounts[number] or 0.0) for number in kept)
    except OverflowError:
        return None
