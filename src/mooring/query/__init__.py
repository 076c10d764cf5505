"""Filters: one syntax tree, written in Python or read from Neptune's query language."""

from mooring.query.ast import (
    Aggregate,
    And,
    Compare,
    Exists,
    Expression,
    Field,
    Not,
    Operator,
    Or,
    Sort,
    field,
)
from mooring.query.nql import parse

__all__ = [
    "Aggregate",
    "And",
    "Compare",
    "Exists",
    "Expression",
    "Field",
    "Not",
    "Operator",
    "Or",
    "Sort",
    "field",
    "parse",
]
