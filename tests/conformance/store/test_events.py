"""A tracker's table: rows of events, exact cells, changes back in time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from mooring.errors import InvalidValue
from mooring.model import AttributeType, FileRef, Histogram, RunInfo, RunSpec
from mooring.store import Store
from tests.conformance.store.reading import (
    FLOATS,
    NAN,
    STRINGS,
    attributes,
    in_every_state,
    plain,
    points,
)


def rows(store: Store, keys: list[int] | None = None) -> list[dict[str, Any]]:
    """Return the rows of the table of `local/p`, each with its cells that are there."""
    found = store.read_events("p", keys)
    assert list(found.sequence) == sorted(set(found.sequence))
    count = len(found.sequence)
    assert len(found.runs) == len(found.times) == count
    assert all(len(column) == count for column in found.columns.values())
    return [
        {name: plain(column[i]) for name, column in found.columns.items() if column[i] is not None}
        for i in range(count)
    ]


def test_cells_come_back_as_they_were(store: Store, run: RunInfo) -> None:
    histogram = Histogram((0.0, 1.0), (2.0,))
    cells: dict[str, object] = {
        "int": 2**53 + 1,
        "max": 2**63 - 1,
        "min": -(2**63),
        "float": 0.1,
        "whole": 2.0,
        "nan": math.nan,
        "inf": math.inf,
        "-inf": -math.inf,
        "true": True,
        "false": False,
        "text": "日本 '\"\\ \0",
        "empty": "",
        "numpy": np.int64(7),
        "numpy float": np.float32(0.5),
        "histogram": histogram,
        "bytes": b"\0\xff",
        "'; DROP TABLE log; --": 1,
    }
    digest, size = store.put_blob(b"abc")
    cells["file"] = FileRef(digest, size, "text/plain", "a.txt")
    store.open_writer(run.key).log_event({**cells, "none": None}, time=5)
    expected = {name: plain(value) for name, value in cells.items()}
    expected["numpy"], expected["numpy float"] = 7, 0.5

    def check() -> None:
        (found,) = rows(store)
        assert found == expected
        assert {name: type(cell) for name, cell in found.items() if name != "nan"} == {
            name: type(cell) for name, cell in expected.items() if name != "nan"
        }
        table = store.read_events("p")
        assert list(table.columns) == [*(name for name in cells if name != "file"), "file", "none"]
        assert list(table.times) == [5]
        assert list(table.runs) == [run.key]
        assert table.columns["none"] == [None]

    in_every_state(store, check)


def test_columns_come_in_order_of_appearance(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    writer.log_events([({"b": 1}, 30), ({"a": 2}, 10), ({"c": 3, "b": 4}, 20)])

    def check() -> None:
        found = store.read_events("p")
        assert {name: list(column) for name, column in found.columns.items()} == {
            "b": [1, None, 4],
            "a": [None, 2, None],
            "c": [None, None, 3],
        }
        assert list(found.columns) == ["b", "a", "c"]
        assert list(found.times) == [30, 10, 20]

    in_every_state(store, check)


def test_every_event_stays(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    for i in range(5):
        writer.log_event({"x": 1.0, "i": i}, time=1)
    store.compact(events=True)
    for i in range(5, 8):
        writer.log_event({"x": 1.0, "i": i}, time=1)
    in_every_state(store, lambda: _equal([row["i"] for row in rows(store)], list(range(8))))


def test_numbers_and_texts_are_series_too(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    writer.log_event({"x": 1, "t": "a", "b": True, "n": None})
    writer.log_event({"x": 2.5, "t": "b", "n": math.nan})
    writer.log({"x": 7.0})

    def check() -> None:
        assert points(store, run.key, "x") == [(0, 1.0), (1, 2.5), (2, 7.0)]
        assert points(store, run.key, "t", STRINGS) == [(0, "a"), (1, "b")]
        assert points(store, run.key, "b") == [(0, 1.0)]
        assert points(store, run.key, "n") == [(1, NAN)]
        assert store.get_stats(run.key, "x").sum == 10.5
        assert len(rows(store)) == 2

    in_every_state(store, check)


def test_an_attribute_stays_a_cell(store: Store, run: RunInfo) -> None:
    """What is a parameter of the run is in every row, and remains a parameter."""
    writer = store.open_writer(run.key)
    writer.assign({"lr": 0.1, "model": "cnn"})
    for i in range(3):
        writer.log_event({"lr": 0.1, "model": "cnn", "loss": i})

    def check() -> None:
        assert attributes(store, run.key) == {"lr": 0.1, "model": "cnn", "loss": 2.0}
        assert store.get_value(run.key, "lr")[0] is AttributeType.FLOAT
        assert rows(store) == [{"lr": 0.1, "model": "cnn", "loss": i} for i in range(3)]
        assert points(store, run.key, "lr") == []
        assert store.check().findings == ()

    in_every_state(store, check)


def test_a_column_of_several_types_keeps_its_cells(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    cells = [1, "a", 2.5, None, "b", True]
    for cell in cells:
        writer.log_event({"x": cell, "y": 0})

    def check() -> None:
        assert list(store.read_events("p").columns["x"]) == cells
        assert points(store, run.key, "x") == [(0, 1.0), (2, 2.5), (5, 1.0)]

    in_every_state(store, check)


def test_several_rows_at_once_are_all_or_none(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    with pytest.raises(InvalidValue):
        writer.log_events([({"x": 1}, None), ({"x": object()}, None)])
    assert rows(store) == []
    writer.log_events([])
    writer.log_events([({"x": i}, i) for i in range(3)])
    assert rows(store) == [{"x": 0}, {"x": 1}, {"x": 2}]


def test_an_event_without_cells_is_a_row(store: Store, run: RunInfo) -> None:
    store.open_writer(run.key).log_event({}, time=3)
    in_every_state(store, lambda: _equal(rows(store), [{}]))


@pytest.mark.parametrize("bad", [object(), [1], {"a": 1}, 2**63, 1j, {"a"}, "\ud800"], ids=repr)
def test_cells_that_cannot_be(store: Store, run: RunInfo, bad: object) -> None:
    writer = store.open_writer(run.key)
    with pytest.raises(InvalidValue, match="'bad'"):
        writer.log_event({"good": 1, "bad": bad})
    assert rows(store) == []


def test_which_runs_are_shown(store: Store, run: RunInfo) -> None:
    other = store.create_run(RunSpec(project="p", run_id="b"))
    elsewhere = store.create_run(RunSpec(project="q", run_id="a"))
    gone = store.create_run(RunSpec(project="p", run_id="c"))
    for i, each in enumerate((run, other, elsewhere, gone, run)):
        store.open_writer(each.key).log_event({"i": i})
    store.trash_runs([gone.key])

    def check() -> None:
        assert [row["i"] for row in rows(store)] == [0, 1, 4]
        assert [row["i"] for row in rows(store, [other.key])] == [1]
        assert [row["i"] for row in rows(store, [gone.key, run.key])] == [0, 3, 4]
        assert rows(store, []) == []
        assert list(store.read_events("q").runs) == [elsewhere.key]

    in_every_state(store, check)


class TestSetEvents:
    @pytest.fixture
    def key(self, store: Store, run: RunInfo) -> int:
        writer = store.open_writer(run.key)
        for i in range(4):
            writer.log_event({"i": i, "even": i % 2 == 0, "t": "ab"[i % 2]}, time=i)
        other = store.create_run(RunSpec(project="p", run_id="b"))
        store.open_writer(other.key).log_event({"i": 9})
        return run.key

    @pytest.mark.parametrize("sealed", [False, True])
    def test_all_rows_of_the_run(self, store: Store, key: int, sealed: bool) -> None:
        if sealed:
            store.compact(events=True)
        assert store.set_events(key, "note", "late") == 4
        assert store.set_events(key, "i", 2**53 + 1) == 4

        def check() -> None:
            found = rows(store)
            assert [row.get("note") for row in found] == ["late"] * 4 + [None]
            assert [row["i"] for row in found] == [2**53 + 1] * 4 + [9]
            assert [row["t"] for row in found[:4]] == ["a", "b", "a", "b"]
            assert list(store.read_events("p").times)[:4] == [0, 1, 2, 3]

        in_every_state(store, check)

    @pytest.mark.parametrize("sealed", [False, True])
    def test_where(self, store: Store, key: int, sealed: bool) -> None:
        if sealed:
            store.compact(events=True)
        assert store.set_events(key, "i", -1, where=("even", 1)) == 0
        assert store.set_events(key, "i", 100, where=("even", True)) == 2
        assert store.set_events(key, "i", 101, where=("t", "b")) == 2
        assert store.set_events(key, "i", -1, where=("t", "c")) == 0
        assert store.set_events(key, "i", -1, where=("unknown", 1)) == 0
        assert store.set_events(key, "x", math.nan, where=("i", 101)) == 2

        def check() -> None:
            assert [row["i"] for row in rows(store)] == [100, 101, 100, 101, 9]
            assert [row.get("x") for row in rows(store)] == [None, NAN, None, NAN, None]

        in_every_state(store, check)

    @pytest.mark.parametrize("sealed", [False, True])
    def test_the_series_follow(self, store: Store, key: int, sealed: bool) -> None:
        if sealed:
            store.compact(events=True)
        store.set_events(key, "i", 5, where=("i", 1))
        store.set_events(key, "new", 0.5)
        store.set_events(key, "word", "w", where=("i", 2))

        def check() -> None:
            assert points(store, key, "i") == [(0, 0.0), (1, 5.0), (2, 2.0), (3, 3.0)]
            assert store.get_stats(key, "i").maximum == 5.0
            assert points(store, key, "new") == [(i, 0.5) for i in range(4)]
            assert store.get_stats(key, "new").count == 4
            assert points(store, key, "word", STRINGS) == [(2, "w")]
            assert store.get_value(key, "word") == (STRINGS, "w")

        in_every_state(store, check)
        store.open_writer(key).log_event({"new": 1.0})
        assert store.get_stats(key, "new").sum == 3.0
        assert store.get_value(key, "new") == (FLOATS, 1.0)

    def test_none_takes_a_cell_away(self, store: Store, key: int) -> None:
        assert store.set_events(key, "i", None, where=("t", "a")) == 2
        assert store.set_events(key, "t", None) == 4

        def check() -> None:
            assert [row.get("i") for row in rows(store)] == [None, 1, None, 3, 9]
            assert points(store, key, "i") == [(1, 1.0), (3, 3.0)]
            assert store.get_stats(key, "i").count == 2
            assert points(store, key, "t", STRINGS) == []
            assert "t" not in attributes(store, key)

        in_every_state(store, check)

    def test_another_type(self, store: Store, key: int) -> None:
        assert store.set_events(key, "i", "text") == 4

        def check() -> None:
            assert [row["i"] for row in rows(store, [key])] == ["text"] * 4
            assert points(store, key, "i") == []
            assert points(store, key, "i", STRINGS) == [(step, "text") for step in range(4)]
            assert store.get_value(key, "i") == (STRINGS, "text")

        in_every_state(store, check)

    def test_a_run_without_rows(self, store: Store, key: int) -> None:
        empty = store.create_run(RunSpec(project="p", run_id="empty"))
        assert store.set_events(empty.key, "x", 1) == 0
        assert attributes(store, empty.key) == {}

    def test_bad_cells(self, store: Store, key: int) -> None:
        with pytest.raises(InvalidValue):
            store.set_events(key, "x", object())
        assert store.read_events("p").columns.get("x") is None

    def test_rows_logged_later_stay(self, store: Store, key: int) -> None:
        store.set_events(key, "i", 0)
        store.open_writer(key).log_event({"i": 7, "t": "c"})
        in_every_state(store, lambda: _equal([r["i"] for r in rows(store)], [0, 0, 0, 0, 9, 7]))


def test_points_in_bulk_come_after_the_rows_so_far(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    for i in range(3):
        writer.log_event({"x": i})
    store.write_points(run.key, "x", steps=[1], values=[50.0])
    writer.log({"x": 60.0}, step=2)

    def check() -> None:
        assert points(store, run.key, "x") == [(0, 0.0), (1, 50.0), (2, 60.0)]
        assert store.get_stats(run.key, "x").sum == 110.0
        assert [row["x"] for row in rows(store)] == [0, 1, 2]

    in_every_state(store, check)


def test_deletion_takes_points_but_no_cells(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    writer.log_event({"x": 1, "y": 1})
    writer.delete("x")
    writer.log_event({"x": 2, "y": 2})

    def check() -> None:
        assert [row["x"] for row in rows(store)] == [1, 2]
        assert points(store, run.key, "x") == [(1, 2.0)]
        assert points(store, run.key, "y") == [(0, 1.0), (1, 2.0)]

    in_every_state(store, check)


def _equal(found: object, expected: object) -> None:
    assert found == expected
