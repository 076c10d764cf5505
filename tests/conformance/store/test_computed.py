"""What is computed when it is asked for agrees with what was logged, in values, filters, sorts."""

from __future__ import annotations

import pytest

from mooring.model import AttributeType, FileRef, Histogram, RunSpec
from mooring.query import Expression, Field, Sort, field
from mooring.store import PathSelector, RunQuery, Store
from mooring.store.computed import (
    COMPUTED,
    EXPERIMENT_TIME,
    POINTS,
    RELATIVE_CREATION,
    REQUESTED_PARENT,
    SIZE,
    ComputesAttributes,
)
from tests.conformance.store.reading import in_every_state

_COUNTS = "sys/diagnostics/attributes"
_START = 1_700_000_000_000_000


@pytest.fixture
def computing(store: Store) -> Store:
    if not isinstance(store, ComputesAttributes):
        pytest.skip("this back end computes no attributes (mooring.store.computed)")
    return store


def _read(store: Store, keys: list[int], *paths: str) -> dict[str, dict[int, object]]:
    assert isinstance(store, ComputesAttributes)
    columns = store.read_computed(keys, paths)
    for column in columns:
        assert column.type is COMPUTED[column.path].type
        assert list(column.rows) == sorted(column.rows)
    return {column.path: dict(zip(column.rows, column.values, strict=True)) for column in columns}


def _found(store: Store, filter: Expression | None, sort: Sort | None = None) -> list[str]:
    query = RunQuery(project="local/p", filter=filter, sort=sort)
    whole = [run.run_id for run in store.query_runs(query).runs]
    paged = []
    for offset in range(0, len(whole) + 1, 2):
        page = store.query_runs(
            RunQuery(project="local/p", filter=filter, sort=sort, limit=2, offset=offset)
        )
        assert page.total == len(whole)
        paged += [run.run_id for run in page.runs]
    assert paged == whole
    return whole


def _log(store: Store) -> list[int]:
    """Log a run with one attribute of each type, a fork of it, and one without anything."""
    root = store.create_run(RunSpec(project="local/p", run_id="root", name="exp", created=_START))
    writer = store.open_writer(root.key)
    digest, size = store.put_blob(b"x" * 5000)
    writer.assign({"a": 1, "b": 0.5, "c": "text", "d": True, "f": FileRef(digest, size)})
    writer.change_set("e", add=["one"])
    for step in range(3):
        writer.log({"loss": 1.0, "acc": 2.0, "text": "t", "bins": Histogram((0.0, 1.0), (1,))})
        writer.log({"file": FileRef(digest, size)}, step=step)
    writer.log({"loss": 9.0}, preview_completion=0.5)
    writer.close()
    fork = store.create_run(
        RunSpec(
            project="local/p",
            run_id="fork",
            parent=root.key,
            fork_step=1_000_000,
            created=_START + 2_500_000,
        )
    )
    writer = store.open_writer(fork.key)
    writer.assign({"own": 1})
    writer.log({"loss": 5.0}, step=7)
    writer.close()
    empty = store.create_run(RunSpec(project="local/p", run_id="empty", created=_START + 9_000_000))
    return [root.key, fork.key, empty.key]


def test_counters_are_those_of_the_attributes(computing: Store) -> None:
    keys = _log(computing)
    paths = [path for path in COMPUTED if path.startswith(_COUNTS)]
    types = {
        "bool": {AttributeType.BOOL},
        "file_ref": {AttributeType.FILE},
        "file_ref_series": {AttributeType.FILE_SERIES},
        "float": {AttributeType.FLOAT},
        "float_series": {AttributeType.FLOAT_SERIES},
        "histogram": set(),
        "histogram_series": {AttributeType.HISTOGRAM_SERIES},
        "int": {AttributeType.INT},
        "string": {AttributeType.STRING},
        "string_series": {AttributeType.STRING_SERIES},
        "string_set": {AttributeType.STRING_SET},
        "total": set(AttributeType),
    }

    def check() -> None:
        told = _read(computing, keys, *paths)
        assert set(told) == set(paths)
        for row, key in enumerate(keys):
            held = [
                (path, type)
                for path, type in computing.list_attributes([key], PathSelector())
                if not path.startswith("sys/")
            ]
            for kind, wanted in types.items():
                count = sum(type in wanted for _, type in held)
                path = f"{_COUNTS}/{kind}_count"
                assert told[path][row] == count, (path, row)
                number = field(path).typed("int")
                assert (computing_id(row) in _found(computing, number == count)) is True
                assert computing_id(row) not in _found(computing, number != count)
            points = sum(
                computing.get_stats(key, path).count for path, type in held if type.is_series
            )
            assert told[POINTS][row] == points
        assert told[POINTS][0] > told[POINTS][1] > told[POINTS][2] == 0

    def computing_id(row: int) -> str:
        return ("root", "fork", "empty")[row]

    in_every_state(computing, check)


def test_what_only_some_runs_have(computing: Store) -> None:
    keys = _log(computing)
    told = _read(computing, keys, REQUESTED_PARENT, EXPERIMENT_TIME, RELATIVE_CREATION)
    assert told[REQUESTED_PARENT] == {1: "root"}
    assert list(told[EXPERIMENT_TIME]) == [0]
    assert told[RELATIVE_CREATION] == {0: 0, 1: 2500, 2: 0}
    parent = field(REQUESTED_PARENT)
    assert _found(computing, parent.exists()) == ["fork"]
    assert _found(computing, parent == "root") == ["fork"]
    assert _found(computing, parent.matches("^r")) == ["fork"]
    assert _found(computing, parent.contains("x")) == []
    assert _found(computing, parent != "root") == ["empty", "root"]
    assert _found(computing, ~parent.exists()) == ["empty", "root"]
    assert _found(computing, parent.typed("int").exists()) == []
    assert _found(computing, field(EXPERIMENT_TIME) >= 0) == ["root"]
    assert _found(computing, field(RELATIVE_CREATION).typed("int") > 2499) == ["fork"]
    assert _found(computing, field(RELATIVE_CREATION).typed("string") == "0") == []
    assert _found(computing, field(SIZE) == float("nan")) == []
    assert _found(computing, None, Sort(Field(REQUESTED_PARENT))) == ["fork", "empty", "root"]


def test_the_size_grows_with_what_is_stored(computing: Store) -> None:
    keys = _log(computing)

    def check() -> None:
        sizes = _read(computing, keys, SIZE)[SIZE]
        assert sizes[0] > 5000 > sizes[1] > sizes[2] == 0
        assert _found(computing, field(SIZE).typed("int") > 5000) == ["root"]
        assert _found(computing, None, Sort(Field(SIZE))) == ["empty", "fork", "root"]
        assert _found(computing, None, Sort(Field(SIZE), ascending=False))[0] == "root"

    in_every_state(computing, check)


def test_only_what_is_asked_for_is_told(computing: Store) -> None:
    keys = _log(computing)
    listed = {path for path, _ in computing.list_attributes(keys, PathSelector())}
    assert listed.isdisjoint(COMPUTED)
    assert _read(computing, keys) == {}
    assert _read(computing, [], SIZE) == {}
