"""Filters and sorting as SQL over the attributes table. Every name and value is bound."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeGuard

from mooring.errors import InvalidInput, QueryError
from mooring.model import AttributeType, micros_from_datetime
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
    compile_pattern,
    read_literal,
)
from mooring.store.computed import COMPUTED
from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.computed import expression
from mooring.store.sqlite.schema import TYPE_CODES

_FINITE = "nullif(count - nan - pinf - ninf, 0)"
AGGREGATES = {
    None: "value",
    Aggregate.LAST: "value",
    Aggregate.FIRST: "first",
    Aggregate.MIN: "min",
    Aggregate.MAX: "max",
    Aggregate.AVERAGE: f"sum / {_FINITE}",
    Aggregate.VARIANCE: f"max(0, sum_squares / {_FINITE} - (sum / {_FINITE}) * (sum / {_FINITE}))",
    Aggregate.SUM: f"CASE WHEN {_FINITE} IS NOT NULL THEN sum END",
    Aggregate.COUNT: "count",
    Aggregate.LAST_STEP: "last_step / 1e6",
}
"""What of a row of the attributes table an aggregate is."""

_NUMERIC = (AttributeType.INT, AttributeType.FLOAT, AttributeType.FLOAT_SERIES)
_TEXT = (AttributeType.STRING, AttributeType.STRING_SERIES)
_SERIES = tuple(type for type in AttributeType if type.is_series)
_KINDS = (
    (AttributeType.BOOL,),
    (AttributeType.DATETIME,),
    _NUMERIC,
    _TEXT,
    (AttributeType.RUN_STATE,),
)
"""Types that are compared alike; an untyped comparison is made with each kind that it fits."""
_POSITIVE = {
    Operator.NE: Operator.EQ,
    Operator.NOT_MATCHES: Operator.MATCHES,
    Operator.NOT_CONTAINS: Operator.CONTAINS,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on `runs.id`, and its parameters."""

    sql: str
    parameters: tuple[object, ...] = ()


class FilterCompiler:
    """Compiles filters against the paths that a store knows."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def compile(self, expression: Expression, *, by_run: bool = False) -> Condition:
        """Return the condition that selects the runs of an expression.

        It finds all runs that meet a comparison at once, which is best where all are wanted;
        `by_run` looks at one run after the other, which is best for the first few of many.
        """
        match expression:
            case And(operands):
                return _join([self.compile(o, by_run=by_run) for o in operands], " AND ", "1")
            case Or(operands):
                return self._any_of(operands, by_run)
            case Not(operand):
                inner = self.compile(operand, by_run=by_run)
                return Condition(f"NOT ({inner.sql})", inner.parameters)
            case Exists(field):
                return self._exists(field)
            case Compare():
                return self._compare(expression, by_run)

    def _any_of(self, operands: Sequence[Expression], by_run: bool) -> Condition:
        """Compile OR; equality of one text field with many texts becomes one look-up."""
        alternatives: dict[str, list[str]] = {}
        parts = []
        for operand in operands:
            if _is_text_equality(operand):
                alternatives.setdefault(operand.field.path, []).append(str(operand.value))
            else:
                parts.append(self.compile(operand, by_run=by_run))
        for path, texts in alternatives.items():
            id = self.path_id(path)
            if id is not None:
                sql = (
                    "runs.id IN (SELECT run FROM attributes WHERE path = ? AND "
                    f"{type_condition([AttributeType.STRING])} AND "
                    "value IN (SELECT value FROM json_each(?)))"
                )
                parts.append(Condition(sql, (id, json.dumps(texts))))
        return _join(parts, " OR ", "0")

    def path_id(self, path: str) -> int | None:
        """Return the number of a path, or None when nothing in the store has it."""
        return self._catalog.find_ids([path]).get(path)

    def _exists(self, field: Field) -> Condition:
        computed = COMPUTED.get(field.path)
        if computed is not None:
            fits = field.type in (None, computed.type)
            return self._exists(Field(computed.beside)) if fits else Condition("0")
        path = self.path_id(field.path)
        if path is None:
            return Condition("0")
        types = f" AND {type_condition([field.type])}" if field.type else ""
        return Condition(
            f"EXISTS (SELECT 1 FROM attributes WHERE path = ? AND run = runs.id{types})", (path,)
        )

    def _compare(self, compare: Compare, by_run: bool) -> Condition:
        operator = _POSITIVE.get(compare.operator, compare.operator)
        path = self.path_id(compare.field.path)
        if compare.field.path in COMPUTED:
            inner = _compare_computed(compare, operator)
        elif path is None:
            inner = Condition("0")
        else:
            groups = list(self._groups(compare, operator))
            if not groups:
                inner = Condition("0")
            else:
                condition = " OR ".join(f"({group.sql})" for group in groups)
                parameters = tuple(value for group in groups for value in group.parameters)
                rows = f"FROM attributes WHERE path = ? AND ({condition})"
                inner = Condition(
                    f"EXISTS (SELECT 1 {rows} AND run = runs.id)"
                    if by_run
                    else f"runs.id IN (SELECT run {rows})",
                    (path, *parameters),
                )
        if operator is not compare.operator:
            return Condition(f"NOT ({inner.sql})", inner.parameters)
        return inner

    def _groups(self, compare: Compare, operator: Operator) -> list[Condition]:
        """Return a condition for each kind of type that the comparison makes sense for."""
        field, value = compare.field, compare.value
        if operator in (Operator.MATCHES, Operator.CONTAINS):
            return self._text_groups(field, operator, str(value))
        column = AGGREGATES[field.aggregate]
        if field.aggregate in (Aggregate.COUNT, Aggregate.LAST_STEP):
            number = _as_literal(value, AttributeType.FLOAT)
            types = _SERIES if field.type is None else (field.type,)
            return [Condition(f"{type_condition(types)} AND {column} {operator} ?", (number,))]
        groups = []
        for types in _KINDS:
            if field.type is not None and field.type not in types:
                continue
            literal = _as_literal(value, types[0])
            if literal is None:
                continue
            wanted = types if field.type is None else _compatible(field.type)
            if field.aggregate is not None:
                wanted = tuple(type for type in wanted if type.is_series)
                if not wanted:
                    continue
            if isinstance(literal, float) and math.isnan(literal):
                if operator is Operator.EQ:
                    groups.append(
                        Condition(f"{type_condition(wanted)} AND value IS NULL AND count IS NOT 0")
                    )
                continue
            groups.append(
                Condition(f"{type_condition(wanted)} AND {column} {operator} ?", (literal,))
            )
        if field.type is not None and not any(field.type in types for types in _KINDS):
            raise QueryError(f"a {field.type} ({field.path!r}) cannot be compared with {operator}")
        return groups

    @staticmethod
    def _text_groups(field: Field, operator: Operator, text: str) -> list[Condition]:
        groups = []
        if operator is Operator.MATCHES:
            compile_pattern(text)
        sets = (AttributeType.STRING_SET,)
        texts = (*_TEXT, AttributeType.RUN_STATE)
        for types in (texts, sets):
            if field.type is not None and field.type not in types:
                continue
            wanted = types if field.type is None else (field.type,)
            test = {
                (texts, Operator.MATCHES): "matches(?, value)",
                (texts, Operator.CONTAINS): "instr(value, ?) > 0",
                (sets, Operator.MATCHES): "EXISTS (SELECT 1 FROM json_each(attributes.value) e "
                "WHERE matches(?, e.value))",
                (sets, Operator.CONTAINS): "EXISTS (SELECT 1 FROM json_each(attributes.value) e "
                "WHERE e.value = ?)",
            }[types, operator]
            # CASE keeps SQLite from reading a text as JSON before it has looked at the type.
            groups.append(Condition(f"CASE WHEN {type_condition(wanted)} THEN {test} END", (text,)))
        return groups


def _compare_computed(compare: Compare, operator: Operator) -> Condition:
    """Compare what is computed; unknown (NULL) counts as false."""
    field, value = compare.field, compare.value
    type = COMPUTED[field.path].type
    wanted = (type,) if field.type is None else _compatible(field.type)
    if type not in wanted or field.aggregate is not None:
        return Condition("0")
    told = expression(field.path)
    if operator in (Operator.MATCHES, Operator.CONTAINS):
        if type is not AttributeType.STRING:
            return Condition("0")
        if operator is Operator.MATCHES:
            compile_pattern(str(value))
        test = "matches(?, {0})" if operator is Operator.MATCHES else "instr({0}, ?) > 0"
        return Condition(f"coalesce({test.format(told)}, 0)", (str(value),))
    literal = _as_literal(value, type)
    if literal is None or (isinstance(literal, float) and math.isnan(literal)):
        return Condition("0")
    return Condition(f"coalesce({told} {operator} ?, 0)", (literal,))


def _join(parts: Sequence[Condition], word: str, empty: str) -> Condition:
    """Join conditions as a balanced tree: SQLite refuses expressions deeper than 1,000."""
    if not parts:
        return Condition(empty)
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    left, right = _join(parts[:middle], word, empty), _join(parts[middle:], word, empty)
    return Condition(f"({left.sql}){word}({right.sql})", left.parameters + right.parameters)


def _is_text_equality(expression: Expression) -> TypeGuard[Compare]:
    return (
        isinstance(expression, Compare)
        and expression.operator is Operator.EQ
        and expression.field.type is AttributeType.STRING
        and expression.field.aggregate is None
        and isinstance(expression.value, str)
    )


def type_condition(types: Sequence[AttributeType]) -> str:
    """Return the condition that a row of the attributes table has one of these types."""
    codes = sorted(TYPE_CODES[type] for type in types)
    if len(codes) == 1:
        return f"type = {codes[0]}"
    return f"type IN ({', '.join(map(str, codes))})"


def field_condition(field: Field) -> str:
    """Return the condition that a row is of the type that a field asks for, or empty text."""
    if field.type is not None:
        return f" AND {type_condition([field.type])}"
    # The last value shares its column with single values.
    return f" AND {type_condition(_SERIES)}" if field.aggregate is Aggregate.LAST else ""


def _compatible(type: AttributeType) -> tuple[AttributeType, ...]:
    """Return the types that a filter on `type` accepts: an int is also a float."""
    if type in (AttributeType.INT, AttributeType.FLOAT):
        return (AttributeType.INT, AttributeType.FLOAT)
    return (type,)


def _as_literal(value: object, type: AttributeType) -> int | float | str | None:
    """Return a value in the stored form of a type, or None when it cannot be of that type."""
    if isinstance(value, str):
        if type is AttributeType.STRING:
            return value
        try:
            value = read_literal(value, type)
        except QueryError:
            return None
    match type:
        case AttributeType.BOOL:
            return int(value) if isinstance(value, bool) else None
        case AttributeType.DATETIME:
            return micros_from_datetime(value) if isinstance(value, datetime) else None
        case AttributeType.STRING | AttributeType.RUN_STATE:
            return value if isinstance(value, str) else None
        case _:
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                return None
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                return float(value)
            return value


def sort_column(field: Field) -> str:
    """Return what of a row of the attributes table runs are sorted by."""
    if field.aggregate not in AGGREGATES:
        raise InvalidInput(f"cannot sort by {field.aggregate}")
    return AGGREGATES[field.aggregate]
