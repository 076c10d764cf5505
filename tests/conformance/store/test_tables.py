"""A tracker's table as columns: which, of which types, how many rows, from where."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest

from mooring.errors import AttributeNotFound, InvalidInput
from mooring.model import RunInfo, RunSpec
from mooring.store import Store
from tests.conformance.store.reading import in_every_state


@pytest.mark.parametrize(
    ("cells", "type_"),
    [
        ([1, None, 2], pa.int64()),
        ([1.5, 2, None, math.inf], pa.float64()),
        ([True, False], pa.bool_()),
        (["a", "", None], pa.string()),
        ([b"", b"\0\xff"], pa.binary()),
        ([None, None], pa.null()),
        ([1.5, 2**53 + 1], pa.string()),
        ([1, "a", True], pa.string()),
    ],
    ids=repr,
)
def test_types(store: Store, run: RunInfo, cells: list[Any], type_: pa.DataType) -> None:
    store.open_writer(run.key).log_events(
        [({"x": cell, "y": 0}, i) for i, cell in enumerate(cells)]
    )

    def check() -> None:
        table = store.read_events("p", columns=["x"])
        assert table.cells.schema.field("x").type == type_
        assert table.columns["x"] == cells

    in_every_state(store, check)


def test_nan_is_not_a_missing_cell(store: Store, run: RunInfo) -> None:
    store.open_writer(run.key).log_events([({"x": cell}, 0) for cell in (math.nan, None, 1.0)])

    def check() -> None:
        nan, missing, one = store.read_events("p").columns["x"]
        assert math.isnan(nan)
        assert missing is None
        assert one == 1.0

    in_every_state(store, check)


def test_texts_that_look_like_times_or_numbers_stay_texts(store: Store, run: RunInfo) -> None:
    cells = ["2026-01-02", "2026-01-02T03:04:05Z", "1", "nan", "null", "[1]", '{"a":1}', "a\nb"]
    store.open_writer(run.key).log_events([({"x": cell}, 0) for cell in cells])
    in_every_state(store, lambda: _equal(store.read_events("p").columns["x"], cells))


def test_some_columns_and_some_rows(store: Store, run: RunInfo) -> None:
    other = store.create_run(RunSpec(project="p", run_id="other"))
    store.open_writer(run.key).log_events([({"a": i, "b": str(i)}, i) for i in range(4)])
    store.open_writer(other.key).log_events([({"a": i, "c": 0.5}, i) for i in range(4, 7)])

    def check() -> None:
        assert store.read_events("p", columns=["b", "a"]).cells.column_names == ["b", "a"]
        assert store.read_events("p", first=2).columns["a"] == [0, 1]
        assert store.read_events("p", last=2).columns == {"a": [5, 6], "c": [0.5, 0.5]}
        assert store.read_events("p", [run.key], last=1).columns == {"a": [3], "b": ["3"]}
        assert store.read_events("p", [other.key], first=1).columns == {"a": [4], "c": [0.5]}
        assert store.read_events("p", [other.key], columns=["b"]).columns == {"b": [None] * 3}
        assert len(store.read_events("p", first=0)) == 0
        assert len(store.read_events("p", last=99)) == 7
        assert store.count_events("p") == 7
        assert store.count_events("p", [run.key]) == 4
        with pytest.raises(AttributeNotFound, match="'bb'"):
            store.read_events("p", columns=["bb"])
        with pytest.raises(InvalidInput, match="not both"):
            store.read_events("p", first=1, last=1)

    in_every_state(store, check)
    store.trash_runs([run.key])
    assert store.count_events("p") == len(store.read_events("p")) == 3
    store.delete_runs([other.key])
    assert store.count_events("p") == len(store.read_events("p")) == 0


def test_what_columns_there_are(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    writer.log_event({"loss": 1, "Loss": 0.5, "note": None, "timestamp": "x"})
    writer.log_event({"loss": "bad", "ok": True, "raw": b"x"})

    def check() -> None:
        found = [(c.name, c.kinds, c.sql_name, c.sql_type) for c in store.list_columns("p")]
        assert found == [
            ("loss", (int, str), "loss", "VARCHAR"),
            ("Loss", (float,), "Loss_2", "DOUBLE"),
            ("note", (), "note", "VARCHAR"),
            ("timestamp", (str,), "timestamp_2", "VARCHAR"),
            ("ok", (bool,), "ok", "BOOLEAN"),
            ("raw", (bytes,), "raw", "VARCHAR"),
        ]

    in_every_state(store, check)


def test_the_version_tells_whether_rows_are_the_same(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    versions = []

    def note() -> None:
        versions.append(store.read_events("p").version)
        assert store.read_events("p").version == versions[-1]

    writer.log_event({"x": 1})
    note()
    writer.log_event({"x": 2})
    note()
    store.set_events(run.key, "x", 3)
    note()
    store.trash_runs([run.key])
    note()
    assert len(set(versions)) == 4


def test_thousands_of_columns(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    wide = {f"metric/{i}": float(i) for i in range(3000)}
    writer.log_event(wide)
    writer.log_event({"metric/7": 0.5, "more": 1})

    def check() -> None:
        table = store.read_events("p")
        assert table.cells.num_columns == 3001
        assert table.columns["metric/2999"] == [2999.0, None]
        assert table.columns["metric/7"] == [7.0, 0.5]

    in_every_state(store, check)


def _equal(found: object, expected: object) -> None:
    assert found == expected


@pytest.mark.parametrize("folded", [False, True])
def test_the_newest_rows_of_a_run_between_those_of_others(
    store: Store, run: RunInfo, folded: bool
) -> None:
    other = store.create_run(RunSpec(project="p", run_id="other"))
    writers = [store.open_writer(key) for key in (run.key, other.key)]
    logged: list[int] = []
    for i in range(60):
        writers[i % 3 == 0].log_event({"x": i})
        if i % 3:
            logged.append(i)
        if i % 7 == 0:
            for count in (0, 1, 5, 100):
                found = store.read_events("p", [run.key], last=count).columns.get("x", [])
                assert found == logged[len(logged) - min(count, len(logged)) :]
                found = store.read_events("p", [run.key], first=count).columns.get("x", [])
                assert found == logged[:count]
        if folded and i % 11 == 0:
            store.get_stats(run.key, "x") if logged else None
    store.set_events(run.key, "x", -1, where=("x", logged[-2]))
    assert store.read_events("p", [run.key], last=3).columns["x"] == [logged[-3], -1, logged[-1]]
    store.compact(events=True)
    writers[0].log_event({"x": 99})
    assert store.read_events("p", [run.key], last=2).columns["x"] == [logged[-1], 99]
    store.delete_runs([run.key])
    assert len(store.read_events("p", [run.key], last=2)) == 0
