"""Attributes of many runs, listed and read by column."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from mooring.errors import ProjectNotFound, QueryError
from mooring.model import AttributeType, FileRef, Histogram, RunInfo, RunSpec
from mooring.query import Aggregate, Field
from mooring.store import PathSelector, Store
from tests.conformance.store.reading import NAN, column, in_every_state, plain

TIME = datetime(2024, 1, 1, tzinfo=UTC)


def users(store: Store, keys: list[int] | None, **select: object) -> list[tuple[str, str]]:
    """Return the listed attributes that are not the store's own."""
    chosen = PathSelector(**select)  # type: ignore[arg-type]
    listed = store.list_attributes(keys, chosen, project="p" if keys is None else None)
    assert list(listed) == sorted(listed)
    return [(path, str(type)) for path, type in listed if not path.startswith("sys/")]


def columns(store: Store, keys: list[int], **select: object) -> dict[tuple[str, str], dict]:  # type: ignore[type-arg]
    """Return the columns by path and type: value by position of the run."""
    result = {}
    read = store.read_attributes(keys, PathSelector(**select))  # type: ignore[arg-type]
    for each in read:
        rows = [int(row) for row in each.rows]
        assert rows == sorted(rows)
        assert len(rows) == len(each.values)
        if not each.path.startswith("sys/"):
            result[each.path, str(each.type)] = dict(
                zip(rows, map(plain, each.values), strict=True)
            )
    listed = [(each.path, each.type) for each in read]
    assert listed == sorted(listed)
    return result


@pytest.fixture
def runs(store: Store) -> list[RunInfo]:
    """Three runs that differ in what they have."""
    made = [store.create_run(RunSpec(project="p", run_id=str(i))) for i in range(3)]
    writer = store.open_writer(made[0].key)
    writer.assign({"lr": 0.1, "n": 1, "mixed": 1, "when": TIME, "flag": True, "tags": {"a"}})
    writer.log({"loss": 1.0, "text": "a", "hist": Histogram((0, 1), (2,))})
    writer = store.open_writer(made[1].key)
    writer.assign({"lr": math.nan, "n": 2**60, "mixed": "text"})
    writer.log({"loss": math.nan})
    store.open_writer(made[2].key).log({"loss": 3.0, "mixed": 0.5})
    return made


LISTED = [
    ("flag", "bool"),
    ("hist", "histogram_series"),
    ("loss", "float_series"),
    ("lr", "float"),
    ("mixed", "float_series"),
    ("mixed", "int"),
    ("mixed", "string"),
    ("n", "int"),
    ("tags", "string_set"),
    ("text", "string_series"),
    ("when", "datetime"),
]


def test_lists(store: Store, runs: list[RunInfo]) -> None:
    keys = [run.key for run in runs]

    def check() -> None:
        assert users(store, keys) == LISTED
        assert users(store, None) == LISTED
        assert users(store, keys[2:]) == [("loss", "float_series"), ("mixed", "float_series")]
        assert users(store, []) == []
        assert users(store, keys, paths=("lr", "none")) == [("lr", "float")]
        assert users(store, keys, paths=()) == []
        assert users(store, keys, patterns=("^l",)) == [("loss", "float_series"), ("lr", "float")]
        assert users(store, keys, patterns=("^l", "^n$"), paths=("when",)) == [
            ("loss", "float_series"), ("lr", "float"), ("n", "int"), ("when", "datetime")
        ]  # fmt: skip
        ints = frozenset({AttributeType.INT})
        assert users(store, keys, types=ints) == [("mixed", "int"), ("n", "int")]
        assert users(store, keys, types=ints, patterns=("mix",)) == [("mixed", "int")]
        assert users(store, keys, types=frozenset()) == []

    in_every_state(store, check)


@pytest.mark.parametrize("others", [0, 40])
def test_lists_of_many_names(store: Store, runs: list[RunInfo], others: int) -> None:
    """More names than are bound one by one, of a run and of many."""
    names = [f"many/{number}" for number in range(700)]
    store.open_writer(runs[0].key).assign(dict.fromkeys(names, 1))
    store.open_writer(runs[1].key).assign({"many/0": 0.5, "many/700": 1})
    more = [store.create_run(RunSpec(project="p")).key for _ in range(others)]
    keys = [run.key for run in runs]
    all_of_first = sorted((name, "int") for name in names)

    def check() -> None:
        chosen = names[:650]
        assert users(store, keys[:1], patterns=("^many/",)) == all_of_first
        assert users(store, keys[:1], paths=tuple(chosen)) == sorted((n, "int") for n in chosen)
        found = users(store, [*keys, *more], patterns=("^many/",))
        assert found == sorted([*all_of_first, ("many/0", "float"), ("many/700", "int")])
        floats = frozenset({AttributeType.FLOAT})
        assert users(store, keys, types=floats, patterns=("^many/",)) == [("many/0", "float")]

    in_every_state(store, check)


def test_lists_of_one_project(store: Store, runs: list[RunInfo]) -> None:
    other = store.create_run(RunSpec(project="q"))
    store.open_writer(other.key).assign({"other": 1})
    assert users(store, None) == LISTED
    everything = store.list_attributes(None, PathSelector(paths=("other", "lr")))
    assert [path for path, _ in everything] == ["lr", "other"]
    with pytest.raises(ProjectNotFound):
        store.list_attributes(None, PathSelector(), project="unknown")


def test_a_bad_pattern(store: Store, runs: list[RunInfo]) -> None:
    with pytest.raises(QueryError):
        users(store, None, patterns=("(",))


@pytest.mark.parametrize("padding", [0, 40])
def test_columns(store: Store, runs: list[RunInfo], padding: int) -> None:
    keys = [run.key for run in runs]
    for _ in range(padding):  # other ways through the tables are taken for many runs
        keys.append(store.create_run(RunSpec(project="p")).key)

    def check() -> None:
        assert columns(store, keys) == {
            ("flag", "bool"): {0: True},
            ("hist", "histogram_series"): {0: Histogram((0.0, 1.0), (2.0,))},
            ("loss", "float_series"): {0: 1.0, 1: NAN, 2: 3.0},
            ("lr", "float"): {0: 0.1, 1: NAN},
            ("mixed", "float_series"): {2: 0.5},
            ("mixed", "int"): {0: 1},
            ("mixed", "string"): {1: "text"},
            ("n", "int"): {0: 1, 1: 2**60},
            ("tags", "string_set"): {0: frozenset({"a"})},
            ("text", "string_series"): {0: "a"},
            ("when", "datetime"): {0: TIME},
        }
        turned = [keys[2], *keys[3:], keys[0], keys[1]]
        last = len(keys) - 1
        assert columns(store, turned, paths=("loss", "n")) == {
            ("loss", "float_series"): {0: 3.0, last - 1: 1.0, last: NAN},
            ("n", "int"): {last - 1: 1, last: 2**60},
        }
        assert columns(store, keys, patterns=("^n$",)) == {("n", "int"): {0: 1, 1: 2**60}}
        assert columns(store, keys, types=frozenset({AttributeType.BOOL})) == {
            ("flag", "bool"): {0: True}
        }
        assert columns(store, keys, types=frozenset()) == {}
        assert columns(store, keys, paths=()) == {}
        assert columns(store, [], paths=("lr",)) == {}
        system = store.read_attributes(keys, PathSelector(paths=("sys/id",)))
        assert list(system[0].values)[:3] == [run.sys_id for run in runs]

    in_every_state(store, check)


def test_aggregates(store: Store, runs: list[RunInfo]) -> None:
    keys = [run.key for run in runs][::-1]

    def check() -> None:
        assert column(store, keys, Field("loss", None, Aggregate.MAX)) in (
            {0: 3.0, 2: 1.0},
            {0: 3.0, 1: NAN, 2: 1.0},
        )
        assert column(store, keys, Field("loss", None, Aggregate.COUNT)) == {0: 1, 1: 1, 2: 1}
        assert column(store, keys, Field("loss")) == {0: 3.0, 1: NAN, 2: 1.0}
        assert column(store, keys, Field("n")) == {1: 2**60, 2: 1}
        assert column(store, keys, Field("none", None, Aggregate.MIN)) == {}
        assert column(store, keys, Field("mixed", AttributeType.STRING)) == {1: "text"}
        fields = [Field("n"), Field("none"), Field("loss", None, Aggregate.SUM), Field("n")]
        found = store.read_aggregates(keys, fields)
        assert [each.path for each in found] == ["n", "none", "loss", "n"]
        assert store.read_aggregates(keys, []) == []

    in_every_state(store, check)


def test_files_by_column(store: Store) -> None:
    made = [store.create_run(RunSpec(project="p")) for _ in range(2)]
    digest, size = store.put_blob(b"abc")
    for i, run in enumerate(made):
        writer = store.open_writer(run.key)
        writer.assign({"file": FileRef(digest, size, name=str(i))})
        writer.log({"files": FileRef(digest, size, name=str(i))})
    keys = [run.key for run in made]

    def check() -> None:
        expected = {i: FileRef(digest, size, name=str(i)) for i in range(2)}
        assert columns(store, keys) == {
            ("file", "file"): expected,
            ("files", "file_series"): expected,
        }

    in_every_state(store, check)
