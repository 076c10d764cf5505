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
from mooring.query.literals import read_literal
from mooring.query.nql import parse
from mooring.query.patterns import compile_pattern

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
    "compile_pattern",
    "field",
    "parse",
    "read_literal",
]
