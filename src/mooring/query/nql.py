r"""Reads Neptune's query language (NQL), as its clients emit it and as its users write it.

::

    query     := "" | or
    or        := and ("OR" and)*
    and       := unary ("AND" unary)*
    unary     := "NOT" unary | "(" or ")" | clause | "TRUE" | "FALSE"
    clause    := operand operator value | operand ["NOT"] "EXISTS"
    operand   := attribute | aggregate "(" attribute ")"
    attribute := name [":" type ["." aggregate]]
    name      := "`" any character, ` doubled "`"  |  characters but space " ' ` ( ) : = ! < >
    type      := a name of Neptune's (floatSeries) or of ours (float_series), see TYPES
    aggregate := last first min max average variance sum count last_step
    operator  := == = != < <= > >= ["NOT"] "CONTAINS" | ["NOT"] "MATCHES"
    value     := text in " or ', in which \\ \" \' stand for \ " '
               | characters but space " ' ` ( ) = < > !  |  a number, space and a unit of size

Keywords and aggregates may be in any case; types may not. AND binds tighter than OR. In quoted
text any other backslash is one, so that `"\d"` and `"\\d"` are the same pattern.

Ours, not Neptune's: the doubled back quote (Neptune cannot name such an attribute); the
suffix `.aggregate`, and the aggregates first, sum, count and last_step; `TRUE` and `FALSE`, as
which an empty `And` and an empty `Or` are printed inside other filters.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from mooring.errors import QueryError, closest
from mooring.model import AttributeType
from mooring.query.ast import (
    SERIES_NUMBERS,
    Aggregate,
    And,
    Compare,
    Exists,
    Expression,
    Field,
    Literal,
    Not,
    Operator,
    Or,
)
from mooring.query.literals import find_number, read_literal
from mooring.query.patterns import compile_pattern

TYPES: dict[str, AttributeType] = {type.value: type for type in AttributeType} | {
    "integer": AttributeType.INT,
    "stringSet": AttributeType.STRING_SET,
    "fileRef": AttributeType.FILE,
    "floatSeries": AttributeType.FLOAT_SERIES,
    "stringSeries": AttributeType.STRING_SERIES,
    "histogramSeries": AttributeType.HISTOGRAM_SERIES,
    "fileRefSeries": AttributeType.FILE_SERIES,
    "imageSeries": AttributeType.FILE_SERIES,
    "fileSet": AttributeType.FILE_SET,
    "gitRef": AttributeType.GIT_REF,
    "experimentState": AttributeType.RUN_STATE,
    "notebookRef": AttributeType.NOTEBOOK_REF,
}
"""Every name of an attribute type that a filter may use."""

MAX_DEPTH = 100
"""Levels of NOT, and of AND and OR inside each other, that a filter may have."""

_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"[^\s\"'`():=!<>]+")
_QUOTED_NAME = re.compile(r"`((?:[^`]|``)*)`")
_TYPE_WORD = re.compile(r"[^\W\d]\w*")
_CONSTANT = re.compile(r"(TRUE|FALSE)(?=\s*(?:\)|\Z)|\s+(?:AND|OR)\b)", re.IGNORECASE)
_SYMBOL = re.compile(r"[=!<>]+")
_QUOTED_VALUE = re.compile(r"\"([^\"\\]*(?:\\.[^\"\\]*)*)\"|'([^'\\]*(?:\\.[^'\\]*)*)'", re.DOTALL)
_BARE_VALUE = re.compile(
    r"[0-9]+(?:\.[0-9]+)?\s+[kmgtp]i?b(?![^\s)])|[^\s\"'`()=<>!]+", re.IGNORECASE
)
_ESCAPE = re.compile(r"\\([\\\"'])")
_EXCERPT = re.compile(r"[^\s()]{1,30}|.", re.DOTALL)

_SYMBOLS = {"==": Operator.EQ} | {
    operator.value: operator for operator in Operator if not operator.isupper()
}
_TEXT_OPERATORS = {
    "CONTAINS": (Operator.CONTAINS, Operator.NOT_CONTAINS),
    "MATCHES": (Operator.MATCHES, Operator.NOT_MATCHES),
}
_AGGREGATES = {aggregate.value: aggregate for aggregate in Aggregate}
_NO_TEXT = frozenset(
    {AttributeType.INT, AttributeType.FLOAT, AttributeType.BOOL, AttributeType.DATETIME}
)


def parse(text: str, *, now: datetime | None = None) -> Expression:
    """Read a filter; empty text is the one that every run passes.

    Parameters
    ----------
    text : the filter, in NQL
    now : what relative times such as `-2h` count from (default: the present)

    Raises `QueryError`, with the position, for text that is malformed, names no known type, or
    compares with a value that its type cannot have.

    Nested groups of one kind become one group, so `(a AND b) AND c` is `And((a, b, c))`, and
    redundant parentheses vanish, however many. What is nested deeper than `MAX_DEPTH` levels
    after that is refused.

    >>> parse('(`loss`:floatSeries < "0.5") AND sys/tags:stringSet CONTAINS best').operands[0]
    ... # doctest: +NORMALIZE_WHITESPACE
    Compare(field=Field(path='loss', type=<AttributeType.FLOAT_SERIES: 'float_series'>,
            aggregate=None), operator=<Operator.LT: '<'>, value=0.5)
    >>> print(parse("min(loss:floatSeries) < 1 and not (lr:float = 0.1 or lr:float = 0.2)"))
    ((`loss`:float_series.min < 1.0) AND (NOT ((`lr`:float = 0.1) OR (`lr`:float = 0.2))))
    """
    if not isinstance(text, str):
        raise QueryError(f"a filter is text, not {type(text).__name__}")
    return _Parser(text, now or datetime.now(UTC)).parse()


class _Group:
    """What is read of one pair of parentheses: operands with their depth, and pending NOTs."""

    __slots__ = ("alternatives", "conjuncts", "negations", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.alternatives: list[tuple[Expression, int]] = []
        self.conjuncts: list[tuple[Expression, int]] = []
        self.negations = 0

    def add(self, expression: Expression, depth: int) -> int:
        depth += self.negations
        if depth <= MAX_DEPTH:
            for _ in range(self.negations):
                expression = Not(expression)
        self.negations = 0
        self.conjuncts.append((expression, depth))
        return depth

    def end_alternative(self) -> None:
        self.alternatives.append(_combine(And, self.conjuncts))
        self.conjuncts = []

    def finish(self) -> tuple[Expression, int]:
        self.end_alternative()
        return _combine(Or, self.alternatives)


def _combine(
    kind: type[And | Or], operands: list[tuple[Expression, int]]
) -> tuple[Expression, int]:
    if len(operands) == 1:
        return operands[0]
    flat: list[Expression] = []
    depth = 0
    for operand, operand_depth in operands:
        if isinstance(operand, kind):
            flat.extend(operand.operands)
            depth = max(depth, operand_depth)
        else:
            flat.append(operand)
            depth = max(depth, operand_depth + 1)
    return (flat[0] if len(flat) == 1 else kind(tuple(flat))), depth


class _Parser:
    """One reading of one text. Groups are on a stack of its own, not on Python's."""

    __slots__ = ("_now", "_position", "_text")

    def __init__(self, text: str, now: datetime) -> None:
        self._text = text
        self._now = now
        self._position = 0
        self._skip_space()

    def parse(self) -> Expression:
        if self._at_end():
            return And(())
        groups = [_Group(-1)]
        while True:
            start = self._position
            if self._take_keyword("NOT"):
                groups[-1].negations += 1
            elif self._take("("):
                groups.append(_Group(start))
            else:
                self._add(groups[-1], self._read_unit(), 0)
                if self._end_groups(groups):
                    expression, depth = groups[0].finish()
                    self._check_depth(depth)
                    return expression

    def _end_groups(self, groups: list[_Group]) -> bool:
        """Read what may follow an operand, up to the next one. Return True at the end."""
        while True:
            group = groups[-1]
            start = self._position
            if self._at_end():
                if len(groups) > 1:
                    raise self._expected(f"AND, OR or the ) of the ( at position {group.start}")
                return True
            if self._take_keyword("AND"):
                return False
            if self._take_keyword("OR"):
                group.end_alternative()
                return False
            if not self._take(")"):
                raise self._expected(f"AND, OR or {')' if len(groups) > 1 else 'the end'}")
            groups.pop()
            if not groups:
                raise self._error("unexpected ), which closes nothing", start)
            self._add(groups[-1], *group.finish())

    def _add(self, group: _Group, expression: Expression, depth: int) -> None:
        self._check_depth(group.add(expression, depth))

    def _check_depth(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise self._error(f"the filter is nested deeper than {MAX_DEPTH} levels up to here")

    def _read_unit(self) -> Expression:
        if constant := _CONSTANT.match(self._text, self._position):
            self._move(constant.end())
            return And(()) if constant[1].upper() == "TRUE" else Or(())
        field = self._read_operand()
        start = self._position
        negated = self._take_keyword("NOT")
        if self._take_keyword("EXISTS"):
            return Not(Exists(field)) if negated else Exists(field)
        for word, operators in _TEXT_OPERATORS.items():
            if self._take_keyword(word):
                if field.value_type in _NO_TEXT:
                    raise self._error(
                        f"{word} is for text and sets, not for {field.value_type}", start
                    )
                return Compare(field, operators[negated], self._read_text(word))
        if negated:
            raise self._expected("CONTAINS, MATCHES or EXISTS after NOT")
        symbol = _SYMBOL.match(self._text, start)
        if not symbol or symbol.group() not in _SYMBOLS:
            raise self._expected(
                "an operator (= == != < <= > >= EXISTS, CONTAINS or MATCHES, or one of these "
                "three after NOT)"
            )
        self._move(symbol.end())
        return Compare(field, _SYMBOLS[symbol.group()], self._read_value(field.value_type))

    def _read_operand(self) -> Field:
        start = self._position
        word = _WORD.match(self._text, start)
        after = self._skip_from(word.end()) if word else start
        if not word or not self._text.startswith("(", after):
            return self._checked(self._read_attribute(), start)
        aggregate = _AGGREGATES.get(word.group().lower())
        if not aggregate:
            raise self._unknown("aggregate", word.group(), _AGGREGATES, start)
        self._move(after + 1)
        field = self._read_attribute()
        if field.aggregate:
            raise self._error("the attribute has a second aggregate", start)
        if not self._take(")"):
            raise self._expected(f"the ) of {word.group()}(")
        return self._checked(Field(field.path, field.type, aggregate), start)

    def _read_attribute(self) -> Field:
        path = self._read_name()
        if not self._take(":"):
            return Field(path)
        start = self._position
        word = _TYPE_WORD.match(self._text, start)
        if not word:
            raise self._expected("an attribute type")
        if word.group() not in TYPES:
            raise self._unknown("attribute type", word.group(), TYPES, start)
        type, aggregate = TYPES[word.group()], None
        self._position = word.end()
        if self._text.startswith(".", self._position):
            self._position += 1
            suffix = _TYPE_WORD.match(self._text, self._position)
            if not suffix:
                raise self._expected("an aggregate")
            aggregate = _AGGREGATES.get(suffix.group().lower())
            if not aggregate:
                raise self._unknown("aggregate", suffix.group(), _AGGREGATES, self._position)
            self._position = suffix.end()
        self._skip_space()
        return Field(path, type, aggregate)

    def _read_name(self) -> str:
        start = self._position
        if self._text.startswith("`", start):
            quoted = _QUOTED_NAME.match(self._text, start)
            if not quoted:
                raise self._error("expected a closing ` after the attribute name", start)
            if not quoted[1]:
                raise self._error("expected an attribute name between the back quotes", start)
            self._move(quoted.end())
            return quoted[1].replace("``", "`")
        word = _WORD.match(self._text, start)
        if not word or word.group().upper() in ("AND", "OR"):
            raise self._expected("an attribute name, NOT or (")
        self._move(word.end())
        return word.group()

    def _checked(self, field: Field, position: int) -> Field:
        if field.aggregate and field.type:
            if not field.type.is_series:
                raise self._error(
                    f"{field.aggregate} is of series; {field.path!r} is asked for as {field.type}",
                    position,
                )
            if field.aggregate in SERIES_NUMBERS and field.type is not AttributeType.FLOAT_SERIES:
                raise self._error(
                    f"{field.aggregate} is of float_series, not {field.type}", position
                )
        return field

    def _read_text(self, operator: str) -> str:
        start = self._position
        text, _ = self._read_raw_value()
        if operator == "MATCHES":
            try:
                compile_pattern(text)
            except QueryError as error:
                raise self._error(str(error), start) from None
        return text

    def _read_value(self, type: AttributeType | None) -> Literal:
        start = self._position
        text, quoted = self._read_raw_value()
        if type is None:
            if quoted:
                return text
            number = find_number(text)
            if number is not None:
                return number
            return {"true": True, "false": False}.get(text.lower(), text)
        try:
            return read_literal(text, type, now=self._now)
        except QueryError as error:
            raise self._error(str(error), start) from None

    def _read_raw_value(self) -> tuple[str, bool]:
        """Return the text of a value, and whether it was quoted."""
        start = self._position
        quote = self._text[start : start + 1]
        if quote and quote in "\"'":
            quoted = _QUOTED_VALUE.match(self._text, start)
            if not quoted:
                raise self._error(f"expected a closing {quote} after the value", start)
            self._move(quoted.end())
            return _ESCAPE.sub(r"\1", quoted[1] if quoted[1] is not None else quoted[2]), True
        bare = _BARE_VALUE.match(self._text, start)
        if not bare or bare.group().upper() in ("AND", "OR", "NOT"):
            raise self._expected("a value")
        self._move(bare.end())
        return bare.group(), False

    def _take(self, symbol: str) -> bool:
        if not self._text.startswith(symbol, self._position):
            return False
        self._move(self._position + len(symbol))
        return True

    def _take_keyword(self, keyword: str) -> bool:
        word = _WORD.match(self._text, self._position)
        if not word or word.group().upper() != keyword:
            return False
        self._move(word.end())
        return True

    def _move(self, position: int) -> None:
        self._position = position
        self._skip_space()

    def _skip_space(self) -> None:
        self._position = self._skip_from(self._position)

    def _skip_from(self, position: int) -> int:
        found = _SPACE.match(self._text, position)
        return found.end() if found else position

    def _at_end(self) -> bool:
        return self._position == len(self._text)

    def _expected(self, what: str) -> QueryError:
        found = _EXCERPT.match(self._text, self._position)
        return self._error(f"expected {what}, found {repr(found.group()) if found else 'the end'}")

    def _unknown(
        self, what: str, name: str, known: dict[str, AttributeType] | dict[str, Aggregate], at: int
    ) -> QueryError:
        near = [key for key in known if key.lower() == name.lower()] or closest(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(sorted(known))}"
        return self._error(f"unknown {what} {name[:30]!r}; {hint}", at)

    def _error(self, message: str, position: int | None = None) -> QueryError:
        return QueryError(
            message, text=self._text, position=self._position if position is None else position
        )
