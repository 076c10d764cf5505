"""The language of ROI expressions: from text to a tree. Nothing is ever evaluated as Python.

    selection   ("top" | "bottom") N "by" scalar [per] [where] [from]  |  "all" [per] [where] [from]
    per         "per" scalar ["having" scalar]
    where       "where" scalar          from    "from" "(" selection ")"
    scalar      numbers, texts, true, false, null, money ($12.5), P, A, $feature, $"any feature",
                + - * / // % **, = == != <> < <= > >=, and or not (&& || !),
                if(c, a, b) and other functions, each with an optional @ before its name

Keywords and functions are read in any case; `P`, `A` and features as they are written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

MAX_LENGTH = 4000
MAX_DEPTH = 60


class ExpressionInvalid(ValueError):
    """An expression that is none. `position` counts characters, from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"{message} at position {position + 1}")
        self.position = position


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, text, flag or null."""

    value: float | str | bool | None
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Variable:
    """A column: `P`, `A`, or a feature."""

    name: str
    feature: bool
    position: int
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator on one or two operands."""

    operator: str
    operands: tuple[Scalar, ...]
    depth: int


@dataclass(frozen=True, slots=True)
class Function:
    """A function on its arguments."""

    name: str
    arguments: tuple[Scalar, ...]
    depth: int


Scalar = Literal | Variable | Operation | Function


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows: the first `count` of each group, by falling (`top`) or rising (`bottom`) `by`."""

    kind: str
    count: int | None = None
    by: Scalar | None = None
    per: Scalar | None = None
    having: Scalar | None = None
    where: Scalar | None = None
    source: Selection | None = None


Node = Scalar | Selection

FUNCTIONS = {
    "abs": (1, 1),
    "agg_max": (1, 1),
    "agg_min": (1, 1),
    "ceil": (1, 1),
    "cos": (1, 1),
    "exp": (1, 1),
    "floor": (1, 1),
    "if": (3, 3),
    "len": (1, 1),
    "log": (1, 2),
    "log10": (1, 1),
    "log2": (1, 1),
    "max": (1, 20),
    "min": (1, 20),
    "randint": (2, 2),
    "random": (0, 0),
    "round": (1, 2),
    "sin": (1, 1),
    "sqrt": (1, 1),
    "tan": (1, 1),
}
"""Names of functions, each with the fewest and most arguments."""

_VARIABLES = {"P": "prediction", "prediction": "prediction", "A": "actual", "actual": "actual"}
_WORDS = {"true": True, "false": False, "null": None, "none": None}
_CLAUSES = frozenset({"by", "per", "having", "where", "from", "top", "bottom", "all"})
_LOGIC = {"&&": "and", "||": "or", "!": "not", "==": "=", "<>": "!="}
# How tightly a binary operator binds: weakest first.
_BINDS = {"or": 1, "and": 2}
_BINDS |= dict.fromkeys(("=", "!=", "<", "<=", ">", ">="), 4)
_BINDS |= {"+": 5, "-": 5, "*": 6, "/": 6, "//": 6, "%": 6, "**": 8}
_NOT, _COMPARES, _SIGN, _POWER = 3, 4, 7, 8

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<money>\$(?:\d+\.?\d*|\.\d+))
    | (?P<feature>\$[^\W\d][\w.]*)
    | (?P<quoted>\$(?:"[^"]*"|'[^']*'))
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<name>@?[^\W\d]\w*)
    | (?P<sign>\*\*|//|<=|>=|==|!=|<>|&&|\|\||[-+*/%=<>!(),])
    | (?P<end>$)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int

    @property
    def word(self) -> str:
        """The token as keywords and operators are compared."""
        return self.text.lower() if self.kind == "name" else self.text


def parse(text: str) -> Node:
    """Return the tree of an expression.

    Raises
    ------
    ExpressionInvalid
        With the place of what is wrong.

    >>> parse("P = true").operator
    '='
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionInvalid(f"longer than {MAX_LENGTH} characters", MAX_LENGTH)
    parser = _Parser(list(_tokens(text)))
    node = parser.expression()
    parser.expect_end()
    return node


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while True:
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            if text[at] in "\"'":
                raise ExpressionInvalid("a text without an end", at)
            raise ExpressionInvalid(f"unexpected {text[at]!r}", at)
        kind = found.lastgroup
        yield _Token(kind, found[kind], found.start(kind))
        if kind == "end":
            return
        at = found.end()


class _Parser:
    """A recursive descent through tokens; `_nested` bounds how deep."""

    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._nested = 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, word: str) -> bool:
        token = self._next
        if token.kind in ("name", "sign") and token.word == word:
            self._at += 1
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._take(word):
            self._fail(f"expected {word!r}")

    def _fail(self, message: str) -> NoReturn:
        token = self._next
        found = "the end" if token.kind == "end" else repr(token.text)
        raise ExpressionInvalid(f"{message}, found {found}", token.position)

    def _deeper(self) -> None:
        self._nested += 1
        if self._nested > MAX_DEPTH:
            raise ExpressionInvalid("nested too deep", self._next.position)

    def expect_end(self) -> None:
        if self._next.kind != "end":
            self._fail("expected an operator or the end")

    # selections

    def expression(self) -> Node:
        token = self._next
        if token.kind == "name" and token.word in ("top", "bottom", "all"):
            return self._selection()
        return self._scalar()

    def _selection(self) -> Selection:
        self._deeper()
        kind = self._next.word
        self._at += 1
        count: int | None = None
        by: Scalar | None = None
        if kind != "all":
            token = self._next
            if token.kind != "number" or not token.text.isdecimal() or int(token.text) < 1:
                self._fail(f"expected how many after {kind!r}")
            count = int(token.text)
            self._at += 1
            self._expect("by")
            by = self._scalar()
        per = having = where = None
        source = None
        if self._take("per"):
            per = self._scalar()
            having = self._scalar() if self._take("having") else None
        if self._take("where"):
            where = self._scalar()
        if self._take("from"):
            self._expect("(")
            if self._next.word not in ("top", "bottom", "all"):
                self._fail("expected top, bottom or all")
            source = self._selection()
            self._expect(")")
        self._nested -= 1
        return Selection(kind, count, by, per, having, where, source)

    # scalars

    def _scalar(self, tightest: int = 1) -> Scalar:
        """Read operands and operators that bind at least as tightly."""
        self._deeper()
        left = self._operand()
        while True:
            token = self._next
            operator = _LOGIC.get(token.word, token.word) if token.kind in _OPERATORS else ""
            binds = _BINDS.get(operator, 0)
            if not binds or binds < tightest:
                break
            self._at += 1
            # A power binds its right side first: 2 ** 3 ** 2 is 2 ** 9.
            right = self._scalar(binds if binds == _POWER else binds + 1)
            made = self._operation(operator, (left, right), token)
            if binds == _COMPARES:
                made = self._chained(made, right)
            left = made
        self._nested -= 1
        return left

    def _chained(self, first: Operation, middle: Scalar) -> Operation:
        """Read what a comparison goes on with: `1 < P < 5` is `1 < P and P < 5`."""
        made = first
        while True:
            token = self._next
            operator = _LOGIC.get(token.word, token.word) if token.kind in _OPERATORS else ""
            if _BINDS.get(operator) != _COMPARES:
                return made
            self._at += 1
            right = self._scalar(_COMPARES + 1)
            also = self._operation(operator, (middle, right), token)
            made = self._operation("and", (made, also), token)
            middle = right

    def _operand(self) -> Scalar:
        token = self._next
        if self._take("not") or self._take("!"):
            return self._operation("not", (self._scalar(_NOT),), token)
        if self._take("-"):
            return self._operation("-", (self._scalar(_SIGN),), token)
        if self._take("+"):
            return self._operation("+", (self._scalar(_SIGN),), token)
        if self._take("("):
            inner = self._scalar()
            self._expect(")")
            return inner
        if token.kind in ("sign", "end") or token.word in _CLAUSES:
            self._fail("expected a value")
        self._at += 1
        return self._value(token)

    def _value(self, token: _Token) -> Scalar:
        match token.kind:
            case "number" | "money":
                number = float(token.text.removeprefix("$"))
                if math.isinf(number):
                    raise ExpressionInvalid("a number beyond the largest", token.position)
                return Literal(number)
            case "text":
                return Literal(re.sub(r"\\(.)", r"\1", token.text[1:-1]))
            case "feature":
                return Variable(token.text[1:], True, token.position)
            case "quoted":
                return Variable(token.text[2:-1], True, token.position)
        return self._named(token)

    def _named(self, token: _Token) -> Scalar:
        name = token.word.removeprefix("@")
        called = self._next.kind == "sign" and self._next.text == "("
        if called and name in FUNCTIONS:
            return self._call(name, token)
        if called or token.text.startswith("@"):
            raise ExpressionInvalid(f"there is no function {token.text!r}", token.position)
        if token.text in _VARIABLES:
            return Variable(_VARIABLES[token.text], False, token.position)
        if name in _WORDS:
            return Literal(_WORDS[name])
        if name in FUNCTIONS:
            raise ExpressionInvalid(f"{name} wants its arguments in brackets", token.position)
        raise ExpressionInvalid(
            f"there is no name {token.text!r}: a feature is written ${token.text}", token.position
        )

    def _call(self, name: str, token: _Token) -> Function:
        self._expect("(")
        arguments: list[Scalar] = []
        if not self._take(")"):
            arguments.append(self._scalar())
            while self._take(","):
                arguments.append(self._scalar())
            self._expect(")")
        fewest, most = FUNCTIONS[name]
        if not fewest <= len(arguments) <= most:
            wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
            raise ExpressionInvalid(
                f"{name} takes {wanted} arguments, and has {len(arguments)}", token.position
            )
        return Function(name, tuple(arguments), self._depth(arguments, token))

    def _operation(self, operator: str, operands: tuple[Scalar, ...], token: _Token) -> Operation:
        return Operation(operator, operands, self._depth(operands, token))

    @staticmethod
    def _depth(parts: Sequence[Scalar], token: _Token) -> int:
        """Return the height of a tree: a long chain of operators is one as well."""
        depth = 1 + max((part.depth for part in parts), default=0)
        if depth > 4 * MAX_DEPTH:
            raise ExpressionInvalid("too many operators in a row", token.position)
        return depth


_OPERATORS = ("name", "sign")


def variables_of(node: Node) -> Iterator[Variable]:
    """Return the columns that an expression names."""
    match node:
        case Variable():
            yield node
        case Operation(operands=parts) | Function(arguments=parts):
            for part in parts:
                yield from variables_of(part)
        case Selection():
            for clause in (node.by, node.per, node.having, node.where, node.source):
                if clause is not None:
                    yield from variables_of(clause)
