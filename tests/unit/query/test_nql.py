"""What users write and clients emit, and what it means."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest

from mooring.errors import QueryError
from mooring.model import AttributeType as T
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
    field,
    parse,
    read_literal,
)
from mooring.query.nql import MAX_DEPTH

NOW = datetime(2024, 3, 31, 12, 0, tzinfo=UTC)
A, B, C = (Compare(Field(name), Operator.EQ, 1) for name in "abc")


@pytest.mark.parametrize("text", ["", "  ", "\n\t"])
def test_empty_text_is_passed_by_every_run(text: str) -> None:
    assert parse(text) == And(())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '(`sys/trashed`:bool = "False")',
            Compare(Field("sys/trashed", T.BOOL), Operator.EQ, False),
        ),
        (
            "(`sys/trashed`:bool = false)",
            Compare(Field("sys/trashed", T.BOOL), Operator.EQ, False),
        ),
        ('(`x`:float > "0.5")', Compare(Field("x", T.FLOAT), Operator.GT, 0.5)),
        ('`x`:float <= "1e-05"', Compare(Field("x", T.FLOAT), Operator.LE, 1e-05)),
        ('`x`:int == "3"', Compare(Field("x", T.INT), Operator.EQ, 3)),
        (
            '`sys/creation_time`:datetime > "2024-01-01T02:00:00.5+02:00"',
            Compare(
                Field("sys/creation_time", T.DATETIME),
                Operator.GT,
                datetime(2024, 1, 1, 0, 0, 0, 500000, tzinfo=UTC),
            ),
        ),
        (
            '`sys/tags`:stringSet NOT CONTAINS "x"',
            Compare(Field("sys/tags", T.STRING_SET), Operator.NOT_CONTAINS, "x"),
        ),
        (
            r'`note`:string == "say \"hi\" \\ bye"',
            Compare(Field("note", T.STRING), Operator.EQ, r'say "hi" \ bye'),
        ),
        (
            '(`sys/state`:experimentState = "idle")',
            Compare(Field("sys/state", T.RUN_STATE), Operator.EQ, "inactive"),
        ),
        (
            '(`a`:float == "1") AND (`b`:float == "2")',
            And(
                (
                    Compare(Field("a", T.FLOAT), Operator.EQ, 1.0),
                    Compare(Field("b", T.FLOAT), Operator.EQ, 2.0),
                )
            ),
        ),
        ("NOT (`x`:histogramSeries EXISTS)", Not(Exists(Field("x", T.HISTOGRAM_SERIES)))),
        (
            'average(`m/loss`:floatSeries) < "0.1"',
            Compare(Field("m/loss", T.FLOAT_SERIES, Aggregate.AVERAGE), Operator.LT, 0.1),
        ),
        (
            (
                '((`sys/name`:string MATCHES "ex") AND (`sys/name`:string NOT MATCHES "zz"))'
                ' OR (`sys/name`:string MATCHES "y")'
            ),
            Or(
                (
                    And(
                        (
                            Compare(Field("sys/name", T.STRING), Operator.MATCHES, "ex"),
                            Compare(Field("sys/name", T.STRING), Operator.NOT_MATCHES, "zz"),
                        )
                    ),
                    Compare(Field("sys/name", T.STRING), Operator.MATCHES, "y"),
                )
            ),
        ),
    ],
)
def test_what_clients_emit(text: str, expected: Expression) -> None:
    assert repr(parse(text)) == repr(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(key: float = 2.2)", Compare(Field("key", T.FLOAT), Operator.EQ, 2.2)),
        (
            "(sys/tags: stringSet CONTAINS 'tag')",
            Compare(Field("sys/tags", T.STRING_SET), Operator.CONTAINS, "tag"),
        ),
        (
            "(sys/state: experimentState = running)",
            Compare(Field("sys/state", T.RUN_STATE), Operator.EQ, "active"),
        ),
        ("a_b-c.d/e>=1", Compare(Field("a_b-c.d/e"), Operator.GE, 1)),
        ("x!=-1.5", Compare(Field("x"), Operator.NE, -1.5)),
        ("x:float_series.max > 1", field("x").max > 1.0),
        ("x : floatSeries.max > 1", field("x").max > 1.0),
        ("MAX ( `x` :floatSeries ) > 1", field("x").max > 1.0),
        ("last(x) > 1", Compare(Field("x", None, Aggregate.LAST), Operator.GT, 1)),
        ("last = 1", Compare(Field("last"), Operator.EQ, 1)),
        (
            "x:stringSeries.count = 2",
            Compare(Field("x", T.STRING_SERIES, Aggregate.COUNT), Operator.EQ, 2),
        ),
        ("x exists", Exists(Field("x"))),
        ("`x`:fileRef NOT EXISTS", Not(Exists(Field("x", T.FILE)))),
        ("x not contains y", Compare(Field("x"), Operator.NOT_CONTAINS, "y")),
        ("x CONTAINS 12", Compare(Field("x"), Operator.CONTAINS, "12")),
        (r"x MATCHES ^\d+$", Compare(Field("x"), Operator.MATCHES, r"^\d+$")),
        (r'x MATCHES "^\d+$"', Compare(Field("x"), Operator.MATCHES, r"^\d+$")),
        ("`a:b (c) \"d\" 'e'` = 1", Compare(Field("a:b (c) \"d\" 'e'"), Operator.EQ, 1)),
        ("`a``b` = 1", Compare(Field("a`b"), Operator.EQ, 1)),
        ("`żółw 🐢` = 1", Compare(Field("żółw 🐢"), Operator.EQ, 1)),
        ("TRUE", And(())),
        ("NOT FALSE", Not(Or(()))),
        ("true = 1", Compare(Field("true"), Operator.EQ, 1)),
    ],
)
def test_what_users_write(text: str, expected: Expression) -> None:
    assert repr(parse(text)) == repr(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1 OR b=1 AND c=1", Or((A, And((B, C))))),
        ("(a=1 OR b=1) AND c=1", And((Or((A, B)), C))),
        ("NOT a=1 AND b=1", And((Not(A), B))),
        ("not (a=1 and b=1)", Not(And((A, B)))),
        ("NOT NOT a=1", Not(Not(A))),
        ("(a=1 AND b=1) AND c=1", And((A, B, C))),
        ("a=1 OR (b=1 OR (c=1))", Or((A, B, C))),
        ("(a=1)AND(b=1)OR(c=1)", Or((And((A, B)), C))),
    ],
)
def test_precedence_and_grouping(text: str, expected: Expression) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1", 1),
        ("+1", 1),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-inf", -math.inf),
        ("true", True),
        ("False", False),
        ('"1"', "1"),
        ("'true'", "true"),
        ("running", "running"),
        ("-2h", "-2h"),
        ("50MB", "50MB"),
        ("50 MB", "50 MB"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ('""', ""),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", 2.0**63),
    ],
)
def test_values_of_untyped_attributes(value: str, expected: object) -> None:
    expression = parse(f"x = {value}")
    assert isinstance(expression, Compare)
    assert expression.value == expected
    assert type(expression.value) is type(expected)


@pytest.mark.parametrize(
    ("text", "type", "expected"),
    [
        ("50MB", T.INT, 50_000_000),
        ("50 mb", T.FLOAT, 50e6),
        ("1.5GiB", T.INT, 3 * 2**29),
        ("7B", T.INT, 7),
        ("0.5", T.INT, 0.5),
        ("9" * 5000, T.INT, math.inf),
        ("inf", T.FLOAT, math.inf),
        ("-Infinity", T.FLOAT_SERIES, -math.inf),
        ("TRUE", T.BOOL, True),
        ("1", T.STRING, "1"),
        ("active", T.RUN_STATE, "active"),
        ("inactive", T.RUN_STATE, "inactive"),
        ("Idle", T.RUN_STATE, "inactive"),
        ("2024-01-31", T.DATETIME, datetime(2024, 1, 31, tzinfo=UTC)),
        ("2024-01-31 10:00:00", T.DATETIME, datetime(2024, 1, 31, 10, tzinfo=UTC)),
        ("2024-01-31T10:00:00Z", T.DATETIME, datetime(2024, 1, 31, 10, tzinfo=UTC)),
        ("2024-01-31T10:00:00-02:00", T.DATETIME, datetime(2024, 1, 31, 12, tzinfo=UTC)),
        ("-30m", T.DATETIME, NOW - timedelta(minutes=30)),
        ("-2h", T.DATETIME, NOW - timedelta(hours=2)),
        ("-5d", T.DATETIME, NOW - timedelta(days=5)),
        ("-1w", T.DATETIME, NOW - timedelta(weeks=1)),
        ("-1M", T.DATETIME, datetime(2024, 2, 29, 12, tzinfo=UTC)),
        ("-3M", T.DATETIME, datetime(2023, 12, 31, 12, tzinfo=UTC)),
        ("-1y", T.DATETIME, datetime(2023, 3, 31, 12, tzinfo=UTC)),
    ],
)
def test_values_are_read_by_type(text: str, type: T, expected: object) -> None:
    value = read_literal(text, type, now=NOW)
    assert value == expected
    assert value.__class__ is expected.__class__
    assert parse(f'x:{type} = "{text}"', now=NOW) == Compare(Field("x", type), Operator.EQ, value)


def test_nan_is_a_value_of_floats() -> None:
    for text in ("`x`:float = nan", '`x`:float = "NaN"', "x = nan"):
        expression = parse(text)
        assert isinstance(expression, Compare)
        assert isinstance(expression.value, float)
        assert math.isnan(expression.value)


def test_relative_times_count_from_the_present() -> None:
    expression = parse("sys/creation_time:datetime > -2h")
    assert isinstance(expression, Compare)
    assert isinstance(expression.value, datetime)
    assert abs(datetime.now(UTC) - timedelta(hours=2) - expression.value) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("name", "type"),
    [
        ("float", T.FLOAT),
        ("int", T.INT),
        ("integer", T.INT),
        ("string", T.STRING),
        ("bool", T.BOOL),
        ("datetime", T.DATETIME),
        ("stringSet", T.STRING_SET),
        ("floatSeries", T.FLOAT_SERIES),
        ("stringSeries", T.STRING_SERIES),
        ("histogramSeries", T.HISTOGRAM_SERIES),
        ("file", T.FILE),
        ("fileRef", T.FILE),
        ("fileRefSeries", T.FILE_SERIES),
        ("experimentState", T.RUN_STATE),
        ("artifact", T.ARTIFACT),
        *((type.value, type) for type in T),
    ],
)
def test_type_names(name: str, type: T) -> None:
    assert parse(f"x: {name} EXISTS") == Exists(Field("x", type))


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("() OR ()", 1, "expected an attribute name, NOT or (, found ')'"),
        ("()", 1, "expected an attribute name"),
        ("a=1 OR", 6, "expected an attribute name, NOT or (, found the end"),
        ("AND a=1", 0, "expected an attribute name, NOT or (, found 'AND'"),
        ("`` = 1", 0, "expected an attribute name between the back quotes"),
        ("`a = 1", 0, "expected a closing ` after the attribute name"),
        ('"a" = 1', 0, "expected an attribute name"),
        ("a", 1, "expected an operator"),
        ("a LIKE 1", 2, "found 'LIKE'"),
        ("a => 1", 2, "expected an operator"),
        ("a NOT = 1", 6, "expected CONTAINS, MATCHES or EXISTS after NOT, found '='"),
        ("a =", 3, "expected a value, found the end"),
        ("key: float = (-_-)", 13, "expected a value, found '('"),
        ("a = AND b = 1", 4, "expected a value, found 'AND'"),
        ('a = "x', 4, 'expected a closing " after the value'),
        ("a = 'x\\'", 4, "expected a closing ' after the value"),
        ("a:flaot = 1", 2, "unknown attribute type 'flaot'; did you mean float?"),
        ("a:floatseries EXISTS", 2, "did you mean floatSeries?"),
        ("a:zzzzzz = 1", 2, "expected one of artifact, bool, datetime"),
        ("a: = 1", 3, "expected an attribute type, found '='"),
        ("a:floatSeries.maximum = 1", 14, "unknown aggregate 'maximum'"),
        ("a:floatSeries. = 1", 14, "expected an aggregate"),
        ("median(a) = 1", 0, "unknown aggregate 'median'"),
        ("max(a = 1", 6, "expected the ) of max(, found '='"),
        ("max(a:floatSeries.min) = 1", 0, "second aggregate"),
        ("max(a:int) = 1", 0, "max is of series; 'a' is asked for as int"),
        ("max(a:stringSeries) = 1", 0, "max is of float_series, not string_series"),
        ('a:float = "abc"', 10, "expected a number, found 'abc'"),
        ("a:int = 1_000", 8, "expected a number, found '1_000'"),
        ("a:float CONTAINS 1", 8, "CONTAINS is for text and sets, not for float"),
        ("a:floatSeries MATCHES x", 14, "MATCHES is for text and sets, not for float"),
        ("a:bool = maybe", 9, "expected true or false, found 'maybe'"),
        ("a:datetime > yesterday", 13, "expected a time such as 2024-01-31"),
        ("a:datetime > 2024-02-30", 13, "expected a time"),
        ("a:datetime > -999999999w", 13, "expected a time"),
        ("a:datetime > -99999y", 13, "expected a time"),
        ("a:datetime > 0001-01-01T00:00:00+05:00", 13, "expected a time"),
        ("a:experimentState = done", 20, "expected a state (active or running"),
        ("a MATCHES '('", 10, "'(' is no regular expression: missing ), unterminated"),
        ("a MATCHES '[[:digits:]]'", 10, "[:digits:] is no character class"),
        ("a = 1 b = 2", 6, "expected AND, OR or the end, found 'b'"),
        ("a = hello world", 10, "expected AND, OR or the end, found 'world'"),
        ("a = 1)", 5, "unexpected ), which closes nothing"),
        ("(a = 1", 6, "expected AND, OR or the ) of the ( at position 0, found the end"),
        ("(a = 1 b", 7, "expected AND, OR or ), found 'b'"),
    ],
)
def test_errors_say_where_and_what_was_expected(text: str, position: int, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert caught.value.position == position
    assert caught.value.text == text
    assert message in str(caught.value)


def test_errors_show_the_place_in_long_text() -> None:
    text = " OR\n".join(f"`sys/id`:string = 'RUN-{number}'" for number in range(1000)) + " OR )"
    with pytest.raises(QueryError) as caught:
        parse(text)
    _, shown, caret = str(caught.value).split("\n")
    assert len(shown) < 130
    assert shown[caret.index("^")] == ")"


@pytest.mark.parametrize("text", [None, 1, b"a = 1"])
def test_what_is_no_text(text: object) -> None:
    with pytest.raises(QueryError, match="a filter is text"):
        parse(text)  # type: ignore[arg-type]


def test_depth() -> None:
    assert parse("(" * 5000 + "a=1" + ")" * 5000) == A
    assert parse("(" * 2000 + "a=1" + " OR a=1)" * 2000) == Or((A,) * 2001)
    assert str(parse("NOT " * MAX_DEPTH + "a=1")).count("NOT") == MAX_DEPTH
    levels = MAX_DEPTH // 2
    deepest = "(" * levels + "a=1" + " OR b=1) AND c=1" * levels
    assert parse(str(parse(deepest))) == parse(deepest)
    for text in (
        f"NOT ({deepest})",
        f"d=1 OR {deepest}",
        "NOT " * 5000 + "a=1",
        "NOT (" * 5000 + "a=1" + ")" * 5000,
        "(" * 5000 + "a=1" + " OR b=1) AND c=1" * 5000,
    ):
        with pytest.raises(QueryError, match="nested deeper than 100 levels"):
            parse(text)
    with pytest.raises(QueryError, match="found the end"):
        parse("(" * 5000)


@pytest.mark.parametrize(
    ("pattern", "found", "missed"),
    [
        ("^[[:digit:]]+$", "123", "12a"),
        ("^[^[:digit:]]+$", "abc", "a1"),
        ("^[[:^digit:]]+$", "aż", "a1"),
        ("^[[:alpha:]_-]+$", "a_b-c", "a1"),
        ("^[[:punct:]]$", "]", "a"),
        ("^[[:space:][:upper:]]+$", "A B", "a b"),
        ("^[]a]+$", "]a", "b"),
        ("^[^]a]+$", "[b", "]"),
        ("^[[a]+$", "[a", "b"),
        ("^[--/]+$", "-./", "0"),
        ("^[a&&b||c~~]+$", "&|~abc", "d"),
        (r"^\[[:digit:]]$", "[d]", "[1]"),
        (r"^[\]\[]+$", "[]", "a"),
        (r"end\z", "the end", "the end\n"),
        ("(?i)LOSS", "train/loss", "acc"),
        ("b", "abc", "B"),
    ],
)
def test_patterns(pattern: str, found: str, missed: str) -> None:
    assert compile_pattern(pattern).search(found)
    assert not compile_pattern(pattern).search(missed)


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        "[",
        "[a",
        "[[",
        "[a-",
        "[[:digit:]",
        "[^",
        "[\\",
        "a{2,1}",
        "*",
        "\\",
        "[[:x:]]",
        "(" * 5000,
    ],
)
def test_patterns_that_cannot_be(pattern: str) -> None:
    with pytest.raises(QueryError):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "found", "missed"),
    [
        ("(a+)+$", "b" + "a" * 5_000, "a" * 5_000 + "b"),
        ("^(a|a)*$", "a" * 5_000, "a" * 5_000 + "b"),
        ("^(?:layers|blocks)*/[[:digit:]]+$", "layers/12", "layers/x"),
        (r"(x+x+)+y\Z", "x" * 5_000 + "y", "x" * 50_000),
        ("(.*)*end", "the end", "the en\ud800d"),
        (".*a.*b.*c", "1a2b3c", "a" * 1_000_000),
        ("(a{2,})+b", "aaab", "a" * 5_000),
        (r"(\w+\s?)+!", "so many words!", "word " * 2_000),
        (r"(\(+)+x", "((x", "(" * 5_000),
        ("([)*+]+)+x", ")*+x", ")" * 5_000),
    ],
)
def test_patterns_that_would_take_for_ever(pattern: str, found: str, missed: str) -> None:
    compiled = compile_pattern(pattern)
    assert compiled.search(found)
    assert not compiled.search(missed)
    assert compiled.search_all([found, missed, found]) == [True, False, True]


@pytest.mark.parametrize("pattern", [r"(a+)+\1$", "(?=x)(a|aa)+$", "(a+)+(?!b)", "(?:x{2000})+"])
def test_patterns_that_nothing_here_searches_in_time(pattern: str) -> None:
    with pytest.raises(QueryError, match="might never end"):
        compile_pattern(pattern)


def test_one_long_text_does_not_change_how_others_are_searched() -> None:
    compiled = compile_pattern(r"^\w+$")
    texts = ["ż" * 5, "ż" * 50_000]  # where RE2 searches, words are ASCII
    assert [compiled.search(text) for text in texts] == compiled.search_all(texts)
    assert compiled.search_all(texts)[0]


def test_look_around_is_searched() -> None:
    assert compile_pattern("^(?!val).*loss$").search("train/loss")
    assert not compile_pattern("^(?!val).*loss$").search("val/loss")


def test_printing() -> None:
    zone = timezone(timedelta(hours=2))
    assert str(parse("a=1 and not b:floatSeries.max>=nan")) == (
        "((`a` = 1) AND (NOT (`b`:float_series.max >= nan)))"
    )
    assert str(parse("variance(`a``b`) EXISTS")) == "(variance(`a``b`) EXISTS)"
    assert str(field("t") > datetime(2024, 1, 1, tzinfo=zone)) == (
        '(`t`:datetime > "2024-01-01T00:00:00+02:00")'
    )
    assert str(And(())) == ""
    assert str(Not(And((And(()),)))) == "(NOT TRUE)"
    assert str(field("a").is_in([])) == "FALSE"
    assert str(field("a").is_in(["x"])) == '(`a` = "x")'


def test_filters_chained_in_python_stay_flat() -> None:
    expression: Expression = A
    for _ in range(2000):
        expression = expression | B
    assert expression == Or((A, *[B] * 2000))
    assert parse(str(expression)) == expression


@pytest.mark.parametrize(
    "write",
    [
        lambda: (field("a") > 1) and (field("b") > 2),
        lambda: 1 < field("a") < 2,
        lambda: not A,
        lambda: bool(A | B),
    ],
)
def test_python_words_for_filters_are_refused(write: Callable[[], object]) -> None:
    with pytest.raises(QueryError, match="in place of and, or, not"):
        write()
