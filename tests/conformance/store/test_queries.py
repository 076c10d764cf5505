"""Filters, sorting and paging."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from mooring.errors import InvalidInput, QueryError
from mooring.model import AttributeType, FileRef, Histogram, RunSpec
from mooring.query import (
    Aggregate,
    And,
    Compare,
    Expression,
    Field,
    Not,
    Operator,
    Or,
    Sort,
    field,
    parse,
)
from mooring.store import RunQuery, Store
from tests.conformance.store.reading import in_every_state, run_ids

T0 = datetime(2024, 1, 1, tzinfo=UTC)
OPERATORS = {
    Operator.EQ: lambda a, b: a == b,
    Operator.NE: lambda a, b: a != b,
    Operator.LT: lambda a, b: a < b,
    Operator.LE: lambda a, b: a <= b,
    Operator.GT: lambda a, b: a > b,
    Operator.GE: lambda a, b: a >= b,
}


def fill(store: Store, path: str, values: dict[str, object]) -> None:
    """Create a run for each value, and one that has none."""
    for run_id, value in values.items():
        run = store.create_run(RunSpec(project="p", run_id=run_id))
        store.open_writer(run.key).assign({path: value})  # type: ignore[dict-item]
    store.create_run(RunSpec(project="p", run_id="without"))


def found(store: Store, filter: Expression | str | None) -> set[str]:
    """Return the ids that a filter selects; totals and pages have to agree."""
    if isinstance(filter, str):
        filter = parse(filter)
    page = store.query_runs(RunQuery(filter=filter))
    assert page.total == len(page.runs)
    assert store.query_runs(RunQuery(filter=filter, limit=1)).total == page.total
    return {run.run_id for run in page.runs}


@pytest.mark.parametrize(
    ("type", "values", "asked"),
    [
        (AttributeType.INT, [-5, 0, 2**53, 2**53 + 1, 2**63 - 1], [0, 2**53 + 1, 3, 0.5]),
        (
            AttributeType.FLOAT,
            [-math.inf, -1.5, 0.0, 0.1, math.inf, math.nan],
            [0.1, 0, math.inf, -math.inf],
        ),
        (AttributeType.BOOL, [False, True], [True, False]),
        (
            AttributeType.DATETIME,
            [T0, T0 + timedelta(microseconds=1), T0 - timedelta(days=9_000)],
            [T0, T0 + timedelta(hours=1)],
        ),
        (AttributeType.STRING, ["", "a", "B", "b", "é", "10", "9", "a'b"], ["a", "", "9", "a'b"]),
    ],
)
@pytest.mark.parametrize("typed", [True, False])
def test_comparisons(
    store: Store, type: AttributeType, values: list[object], asked: list[object], typed: bool
) -> None:
    runs = {str(i): value for i, value in enumerate(values)}
    fill(store, "x", runs)
    for operator, holds in OPERATORS.items():
        for value in asked:
            compare = Compare(Field("x", type if typed else None), operator, value)  # type: ignore[arg-type]
            expected = {run_id for run_id, held in runs.items() if holds(held, value)}
            if operator is Operator.NE:
                expected.add("without")
            assert found(store, compare) == expected, str(compare)
            everything = {*runs, "without"}
            assert found(store, Not(compare)) == everything - expected, str(compare)


def test_nan_is_found_by_equality(store: Store) -> None:
    fill(store, "x", {"nan": math.nan, "one": 1.0})
    assert found(store, field("x") == math.nan) == {"nan"}
    assert found(store, field("x").typed("float") == math.nan) == {"nan"}
    assert found(store, field("x") != math.nan) == {"one", "without"}
    assert found(store, field("x") < math.nan) == set()


def test_an_int_is_a_float_too(store: Store) -> None:
    fill(store, "x", {"int": 2, "float": 2.0, "text": "2", "bool": True})
    assert found(store, field("x") == 2) == {"int", "float"}
    assert found(store, field("x").typed("float") == 2.0) == {"int", "float"}
    assert found(store, field("x").typed("int") >= 2) == {"int", "float"}
    assert found(store, field("x").typed("string") == "2") == {"text"}
    assert found(store, 'x = "2"') == {"int", "float", "text"}
    assert found(store, "x = true") == {"bool"}
    assert found(store, field("x") == 1) == set()
    assert found(store, field("x").exists()) == {"int", "float", "text", "bool"}
    assert found(store, field("x").typed("int").exists()) == {"int"}
    assert found(store, "x NOT EXISTS") == {"without"}


def test_texts_and_sets(store: Store) -> None:
    fill(
        store,
        "x",
        {"t": "abc", "u": "xaBc%", "s": {"abc", "d"}, "e": set(), "n": 1, "j": '["abc"]'},
    )
    for expression, expected in {
        field("x").contains("abc"): {"t", "s", "j"},
        field("x").contains("b"): {"t", "j"},
        field("x").contains("%"): {"u"},
        field("x").contains(""): {"t", "u", "j"},
        field("x").typed("string_set").contains("abc"): {"s"},
        field("x").typed("string").contains("abc"): {"t", "j"},
        field("x").matches("b.$"): {"t", "u", "s"} - {"u"},
        field("x").matches("^abc$"): {"t", "s"},
        field("x").matches("[[:upper:]]"): {"u"},
        field("x").matches(r"[[:punct:]]\z"): {"u", "j"},
        field("x").matches("d"): {"s"},
        field("x").matches(""): {"t", "u", "s", "j"},
        parse("x NOT CONTAINS abc"): {"u", "e", "n", "without"},
        parse('x NOT MATCHES "^a"'): {"u", "e", "n", "j", "without"},
        parse('x:stringSet NOT CONTAINS "d"'): {"t", "u", "e", "n", "j", "without"},
    }.items():
        assert found(store, expression) == expected, str(expression)


def test_a_bad_pattern_is_an_error(store: Store) -> None:
    fill(store, "x", {"a": "a"})
    with pytest.raises(QueryError, match="regular expression"):
        store.query_runs(RunQuery(filter=field("x").matches("(")))


def test_series(store: Store) -> None:
    for run_id, values in {"a": [3.0, 1.0, 2.0], "b": [math.nan, 5.0], "c": [math.nan]}.items():
        run = store.create_run(RunSpec(project="p", run_id=run_id))
        writer = store.open_writer(run.key)
        for step, value in enumerate(values):
            writer.log({"x": value, "t": f"{value}"}, step=step / 2)
    other = store.create_run(RunSpec(project="p", run_id="d"))
    store.open_writer(other.key).assign({"x": 2.0})
    x = field("x")

    def check() -> None:
        for expression, expected in {
            x.last == 2.0: {"a"},
            x.first == 3.0: {"a"},
            x.min <= 1: {"a"},
            x.max >= 3: {"a", "b"},
            x.average == 2.0: {"a"},
            x.average > 4: {"b"},
            x.sum == 6.0: {"a"},
            x.sum >= 5: {"a", "b"},
            x.variance < 0.1: {"b"},
            x.count == 2: {"b"},
            x.count >= 1: {"a", "b", "c"},
            x.last_step == 1.0: {"a"},
            x.last_step < 0.5: {"c"},
            x == 2.0: {"a", "d"},
            x.typed("float_series") == 2.0: {"a"},
            x.typed("float") == 2.0: {"d"},
            x.typed("float_series") == math.nan: {"c"},
            x.max != 3.0: {"b", "c", "d"},
            field("t") == "2.0": {"a"},
            field("t").typed("string_series").matches(r"^\d"): {"a", "b"},
            field("t").typed("string_series").contains("."): {"a", "b"},
            field("t").typed("string_series").count == 3: {"a"},
            Compare(Field("x", None, Aggregate.LAST), Operator.EQ, 2.0): {"a"},
            Compare(Field("x", None, Aggregate.COUNT), Operator.GE, 0): {"a", "b", "c"},
            parse("`x`:floatSeries < 3"): {"a"},
            parse("min(x) < 3 and count(t) > 1"): {"a"},
            x.exists(): {"a", "b", "c", "d"},
            x.typed("float_series").exists(): {"a", "b", "c"},
        }.items():
            assert found(store, expression) == expected, str(expression)

    in_every_state(store, check)


def test_states_and_times_of_runs(store: Store) -> None:
    runs = [
        store.create_run(RunSpec(project="p", run_id=str(i), created=i * 86_400_000_000))
        for i in range(3)
    ]
    store.open_writer(runs[1].key)
    assert found(store, "sys/state = running") == {"1"}
    assert found(store, 'sys/state:experimentState = "inactive"') == {"0", "2"}
    assert found(store, field("sys/state") == "active") == {"1"}
    assert found(store, 'sys/creation_time >= "1970-01-02"') == {"1", "2"}
    assert found(store, "sys/creation_time < -1d") == {"0", "1", "2"}
    assert found(store, field("sys/id") == runs[2].sys_id) == {"2"}
    assert found(store, 'sys/custom_run_id MATCHES "^[01]$"') == {"0", "1"}


def test_combinations(store: Store) -> None:
    fill(store, "x", {str(i): i for i in range(4)})
    x = field("x")
    everything = {"0", "1", "2", "3", "without"}
    for expression, expected in {
        And(()): everything,
        Or(()): set(),
        Not(And(())): set(),
        Not(Or(())): everything,
        (x > 0) & (x < 3): {"1", "2"},
        (x == 0) | (x == 3): {"0", "3"},
        ~(x > 0) & x.exists(): {"0"},
        ((x == 0) | (x == 1)) & ~(x == 1): {"0"},
        x.is_in([1, 2, 7]): {"1", "2"},
        x.is_in([]): set(),
        field("unknown") == 1: set(),
        field("unknown") != 1: everything,
        ~(field("unknown") == 1) & (x == 1): {"1"},
    }.items():
        assert found(store, expression) == expected, str(expression)
    assert found(store, "") == everything


def test_names_that_look_like_sql(store: Store) -> None:
    for path in ("x'; DROP TABLE runs; --", 'a"b', "per%", "back`quote", "a b"):
        run = store.create_run(RunSpec(project="p", run_id=path))
        store.open_writer(run.key).assign({path: "'; DELETE FROM runs; --"})
        expression = field(path) == "'; DELETE FROM runs; --"
        assert found(store, expression) == {path}
        assert found(store, str(expression)) == {path}
        assert run_ids(store, sort=Sort(Field(path)))[0] == path


def test_thousands_of_alternatives(store: Store) -> None:
    fill(store, "x", {str(i): f"v{i}" for i in range(5)})
    texts = [f"v{i}" for i in range(3, 2_500)]
    assert found(store, field("x").is_in(texts)) == {"3", "4"}
    assert found(store, field("x").typed("string").is_in(texts)) == {"3", "4"}
    assert found(store, And(tuple(field("x") != text for text in texts))) == {
        "0", "1", "2", "without"
    }  # fmt: skip


@pytest.mark.parametrize("type", ["file", "histogram_series", "file_series", "string_set"])
def test_what_cannot_be_compared(store: Store, type: str) -> None:
    digest, size = store.put_blob(b"")
    run = store.create_run(RunSpec(project="p", run_id="a"))
    writer = store.open_writer(run.key)
    writer.assign({"file": FileRef(digest, size), "string_set": {"a"}})
    writer.log({"histogram_series": Histogram((0, 1), (1,)), "file_series": FileRef(digest, size)})
    with pytest.raises(QueryError):
        store.query_runs(RunQuery(filter=field(type).typed(type) == "a"))
    assert found(store, field(type).typed(type).exists()) == {"a"}


def test_trash(store: Store) -> None:
    runs = [store.create_run(RunSpec(project="p", run_id=str(i))) for i in range(4)]
    store.trash_runs([runs[1].key, runs[3].key])
    store.trash_runs([runs[1].key])
    assert run_ids(store) == ["2", "0"]
    assert run_ids(store, trashed=True) == ["3", "1"]
    assert run_ids(store, trashed=None) == ["3", "2", "1", "0"]
    assert store.query_runs(RunQuery(trashed=True)).total == 2
    assert store.get_value(runs[1].key, "sys/trashed") == (AttributeType.BOOL, True)
    found_run = store.find_run("p", run_id="1")
    assert found_run is not None
    assert found_run.trashed
    store.restore_runs([runs[1].key])
    assert run_ids(store, trashed=True) == ["3"]
    assert run_ids(store) == ["2", "1", "0"]
    assert store.get_value(runs[1].key, "sys/trashed") == (AttributeType.BOOL, False)


def test_projects_are_apart(store: Store) -> None:
    for project in ("p", "q"):
        for run_id in ("a", "b"):
            store.create_run(RunSpec(project=project, run_id=run_id))
    assert run_ids(store, project="q") == ["b", "a"]
    assert store.query_runs(RunQuery(project="q", limit=1)).total == 2
    assert store.query_runs(RunQuery()).total == 4


class TestOrder:
    def test_newest_first(self, store: Store) -> None:
        for run_id, created in (("a", 5), ("b", 9), ("c", 5), ("d", 1)):
            store.create_run(RunSpec(project="p", run_id=run_id, created=created))
        assert run_ids(store) == ["b", "c", "a", "d"]

    @pytest.mark.parametrize(
        "values",
        [
            [3, 1, 2, 2**53 + 1, 2**53],
            [0.5, -math.inf, math.inf, -2.0, 0.0],
            ["b", "a", "", "B", "é"],
            [True, False],
            [T0, T0 - timedelta(days=40_000), T0 + timedelta(microseconds=1)],
        ],
        ids=["int", "float", "string", "bool", "datetime"],
    )
    def test_by_value(self, store: Store, values: list[object]) -> None:
        fill(store, "x", {str(i): value for i, value in enumerate(values)})
        order = sorted(range(len(values)), key=lambda i: values[i])  # type: ignore[arg-type, return-value]
        ascending = [str(i) for i in order]
        by = Field("x")
        assert run_ids(store, sort=Sort(by)) == [*ascending, "without"]
        assert run_ids(store, sort=Sort(by, ascending=False)) == [*ascending[::-1], "without"]

    @pytest.mark.parametrize("ascending", [True, False])
    def test_ties_are_newest_first_and_missing_last(self, store: Store, ascending: bool) -> None:
        values: dict[str, object] = {
            "a": 1.0, "b": math.nan, "c": 1.0, "d": 2.0, "e": 1.0, "f": math.nan
        }  # fmt: skip
        fill(store, "x", values)
        ones, twos = ["e", "c", "a"], ["d"]
        expected = [*ones, *twos] if ascending else [*twos, *ones]
        expected += ["without", "f", "b"]
        assert run_ids(store, sort=Sort(Field("x"), ascending)) == expected
        assert run_ids(store, sort=Sort(Field("unknown"), ascending)) == [
            "without", "f", "e", "d", "c", "b", "a"
        ]  # fmt: skip

    def test_by_aggregates(self, store: Store) -> None:
        series = {"a": [3.0, 1.0, 2.0], "b": [9.0, 9.0], "c": [0.0, 0.0, 0.0, 4.0], "d": [math.nan]}
        for run_id, values in series.items():
            run = store.create_run(RunSpec(project="p", run_id=run_id))
            writer = store.open_writer(run.key)
            for value in values:
                writer.log({"x": value})
        other = store.create_run(RunSpec(project="p", run_id="e"))
        store.open_writer(other.key).assign({"x": 5})
        expected = {
            Aggregate.LAST: ["a", "c", "b", "e", "d"],
            Aggregate.FIRST: ["c", "a", "b", "e", "d"],
            Aggregate.MIN: ["c", "a", "b", "e", "d"],
            Aggregate.MAX: ["a", "c", "b", "e", "d"],
            Aggregate.AVERAGE: ["c", "a", "b", "e", "d"],
            Aggregate.VARIANCE: ["b", "a", "c", "e", "d"],
            Aggregate.SUM: ["c", "a", "b", "e", "d"],
            Aggregate.COUNT: ["d", "b", "a", "c", "e"],
            Aggregate.LAST_STEP: ["d", "b", "a", "c", "e"],
        }

        def check() -> None:
            for aggregate, order in expected.items():
                found = run_ids(store, sort=Sort(Field("x", None, aggregate)))
                assert found == order, aggregate
                missing = [run_id for run_id in ("e", "d") if order.index(run_id) > 2]
                present = [run_id for run_id in order if run_id not in missing]
                found = run_ids(store, sort=Sort(Field("x", None, aggregate), False))
                assert found == [*present[::-1], *missing], aggregate

        in_every_state(store, check)

    def test_by_type(self, store: Store) -> None:
        fill(store, "x", {"int": 5, "text": "a", "float": 1.0})
        assert run_ids(store, sort=Sort(Field("x", AttributeType.STRING)))[0] == "text"
        assert set(run_ids(store, sort=Sort(Field("x")))) == {"int", "text", "float", "without"}


class TestPages:
    @pytest.mark.parametrize(
        "sort",
        [None, Sort(Field("x")), Sort(Field("x"), False), Sort(Field("none")), Sort(Field("s"))],
        ids=str,
    )
    @pytest.mark.parametrize("size", [1, 3, 7, 100])
    def test_pages_cover_every_run_once(self, store: Store, sort: Sort | None, size: int) -> None:
        for i in range(23):
            run = store.create_run(RunSpec(project="p", run_id=str(i), created=i // 4))
            if i % 3:
                store.open_writer(run.key).assign({"x": [1.0, math.nan, 2.0][i % 3]})
            if i % 5 == 0:
                store.open_writer(run.key).log({"s": i % 2})
        whole = run_ids(store, sort=sort)
        assert len(set(whole)) == 23
        pages = []
        for offset in range(0, 30, size):
            page = store.query_runs(RunQuery(sort=sort, limit=size, offset=offset))
            assert page.total == 23
            pages += [run.run_id for run in page.runs]
        assert pages == whole

    def test_edges(self, store: Store) -> None:
        for i in range(3):
            store.create_run(RunSpec(project="p", run_id=str(i)))
        assert run_ids(store, limit=0) == []
        assert run_ids(store, offset=2) == ["0"]
        assert run_ids(store, offset=3) == []
        assert run_ids(store, offset=99, limit=5, sort=Sort(Field("x"))) == []
        for bad in ({"limit": -1}, {"offset": -1}, {"limit": -7, "offset": -1}):
            with pytest.raises(InvalidInput):
                store.query_runs(RunQuery(**bad))  # type: ignore[arg-type]

    def test_a_filter_and_an_order(self, store: Store) -> None:
        fill(store, "x", {str(i): i for i in range(9)})
        query = {"filter": field("x") != 4, "sort": Sort(Field("x"), ascending=False)}
        assert run_ids(store, **query) == ["8", "7", "6", "5", "3", "2", "1", "0", "without"]  # type: ignore[arg-type]
        assert run_ids(store, **query, limit=2, offset=3) == ["5", "3"]  # type: ignore[arg-type]
        assert run_ids(store, **query, limit=5, offset=7) == ["0", "without"]  # type: ignore[arg-type]
