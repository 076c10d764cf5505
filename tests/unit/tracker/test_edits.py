"""What is logged can be changed: cells, runs, the run that a tracker writes to."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mooring
from mooring.errors import (
    InvalidInput,
    InvalidPath,
    InvalidValue,
    RunNotFound,
    StoreNotFound,
    StoreReadOnly,
)
from mooring.store import open_store
from mooring.tracker import Reader, Tracker


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with two runs of three rows."""
    path = tmp_path / "runs.db"
    for track_id in ("ant", "bee"):
        with Tracker(path, track_id=track_id, params={"model": "m"}, on_error="raise") as tracker:
            for n in range(3):
                tracker.log({"n": n, "text": f"t{n}"})
    return path


@pytest.fixture
def reader(path: Path) -> Iterator[Reader]:
    with Reader(path) as reader:
        yield reader


@pytest.fixture
def tracker(path: Path) -> Iterator[Tracker]:
    with Tracker(path, track_id="ant", on_error="raise") as tracker:
        yield tracker


def cells(reader: Reader, key: str, track_id: str | None = None) -> list[object]:
    frame = reader.to_df(track_id)
    if key not in frame:
        return [None] * len(frame)
    return [None if pd.isna(cell) else cell for cell in frame[key].tolist()]


# cells


def test_tracker_set_where(tracker: Tracker, reader: Reader) -> None:
    assert tracker.set_where("best", True, "n", 1) == 1
    assert cells(reader, "best", "ant") == [None, True, None]
    assert cells(reader, "best", "bee") == [None] * 3
    assert tracker.set_where("text", "new", "text", "t2") == 1
    assert cells(reader, "text", "ant") == ["t0", "t1", "new"]
    assert tracker.set_where("n", 7, "model", "other") == 0
    assert tracker.set_where("missing", 1, "no such column", 1) == 0
    assert tracker.set_where("empty", 1, "best", None) == 2
    assert tracker.set_where("n", np.int32(9), "track_id", "ant") == 3
    assert tracker.set_where("n", 5, "track_id", "bee") == 0
    assert cells(reader, "n") == [9, 9, 9, 0, 1, 2]


def test_latest_follows_edits(tracker: Tracker) -> None:
    tracker.log({"n": 3})
    tracker.set_where("n", 4, "n", 0)
    assert tracker.latest["n"] == 3
    tracker.set_where("n", 4, "n", 3)
    assert tracker.latest["n"] == 4


@pytest.mark.parametrize("where_key", ["1=1 OR n", "n; DROP TABLE log", 'n" OR "a"="a', "n'"])
def test_names_are_only_names(tracker: Tracker, reader: Reader, where_key: str) -> None:
    assert tracker.set_where("n", 99, where_key, 1) == 0
    assert reader.set_where("n", 99, where_key, 1) == 0
    assert reader.set_where(where_key, "x' OR '1'='1", "n", 1) == 2
    assert cells(reader, where_key) == [None, "x' OR '1'='1", None] * 2
    assert cells(reader, "n") == [0, 1, 2] * 2


def test_reader_set_value(reader: Reader) -> None:
    assert reader.set_value("score", 0.5) == 6
    assert cells(reader, "score") == [0.5] * 6
    assert reader.set_value("score", math.inf, track_id="bee") == 3
    assert cells(reader, "score") == [0.5] * 3 + [math.inf] * 3
    assert reader.set_value("n", "text", "ant") == 3
    assert cells(reader, "n") == ["text"] * 3 + [0, 1, 2]
    project = mooring.ReadOnlyProject("local/events", store=reader.store)
    assert project.fetch_runs_df(columns=["score"])["score"].tolist() == [math.inf, 0.5]


def test_an_attribute_follows_a_value_of_another_type(reader: Reader, tracker: Tracker) -> None:
    for value in ("text", 1, 0.5, True):
        reader.set_value("note", value, "ant")
        assert cells(reader, "note", "ant") == [value] * 3
        run = mooring.ReadOnlyRun(
            mooring.ReadOnlyProject("local/events", store=reader.store), custom_id="ant"
        )
        assert run["note"].fetch() == value
        assert type(run["note"].fetch()) is type(value)


def test_reader_set_where(reader: Reader) -> None:
    assert reader.set_where("n", 10, "text", "t1") == 2
    assert cells(reader, "n") == [0, 10, 2] * 2
    assert reader.set_where("n", -1, "model", "m", track_id="bee") == 3
    assert cells(reader, "n") == [0, 10, 2] + [-1] * 3
    assert reader.set_where("n", 5, "track_id", "ant") == 3
    assert cells(reader, "n") == [5] * 3 + [-1] * 3


def test_an_object_can_be_set(reader: Reader) -> None:
    assert reader.set_where("weights", np.arange(2), "n", 0, "ant") == 1
    assert reader.get("weights").tolist() == [0, 1]
    assert reader.set_value("weights", np.arange(3), "bee") == 3
    assert len(reader.assets) == 2


def test_what_cannot_be_set(tracker: Tracker, reader: Reader) -> None:
    for edit in (tracker.set_where, reader.set_where):
        with pytest.raises(InvalidInput, match="track_id"):
            edit("track_id", 1, "n", 1)
        with pytest.raises(InvalidInput, match="timestamp"):
            edit("n", 1, "timestamp", "2026-01-01 00:00:00.000000")
        with pytest.raises(InvalidPath):
            edit("", 1, "n", 1)
        with pytest.raises(InvalidPath):
            edit("n", 1, "\n", 1)
        with pytest.raises(InvalidValue):
            edit("n", (n for n in "ab"), "n", 1)
    with pytest.raises(InvalidInput):
        reader.set_value("timestamp", 1)
    with pytest.raises(RunNotFound, match="closest: ant"):
        reader.set_value("n", 1, "an")
    with pytest.raises(RunNotFound):
        reader.set_where("n", 1, "n", 1, "an")
    assert cells(reader, "n") == [0, 1, 2] * 2


def test_failing_edits_are_counted(path: Path) -> None:
    with Tracker(path, track_id="ant") as tracker:
        assert tracker.set_where("timestamp", 1, "n", 1) == 0
        assert tracker.set_where("n", 1, "timestamp", 1) == 0
        assert tracker.set_value("track_id", 1) == 0
        assert tracker.failures == {"InvalidInput": 3}


def test_a_live_tracker_logs_what_a_reader_added(tracker: Tracker, reader: Reader) -> None:
    reader.set_value("score", 0.5)
    tracker.log({"score": 1, "n": 3})
    tracker.log({"score": "text"})
    assert cells(reader, "score", "ant") == [0.5] * 3 + [1, "text"]


def test_a_reader_of_a_read_only_store_changes_nothing(path: Path) -> None:
    with open_store(str(path), read_only=True) as store:
        reader = Reader(store)
        for edit in (
            lambda: reader.set_value("n", 1),
            lambda: reader.set_where("n", 1, "n", 1),
            lambda: reader.delete_run("ant"),
        ):
            with pytest.raises(StoreReadOnly):
                edit()
        assert cells(reader, "n") == [0, 1, 2] * 2


def test_a_store_that_is_gone_is_not_created_by_an_edit(path: Path) -> None:
    with Reader(path) as reader:
        for file in path.parent.glob("runs.db*"):
            if file.is_file():
                file.unlink()
        with pytest.raises(StoreNotFound):
            reader.set_value("n", 1)
        assert not path.exists()


# runs


def test_delete_and_restore(reader: Reader, path: Path) -> None:
    assert reader.delete_run("ant") is True
    assert set(reader.to_df()["track_id"]) == {"bee"}
    assert len(reader) == 3
    with pytest.raises(RunNotFound, match="trash"):
        reader.to_df("ant")
    with pytest.raises(RunNotFound, match="trash"):
        reader.set_value("n", 1, "ant")
    with pytest.raises(InvalidInput, match="trash"):
        Tracker(path, track_id="ant")
    assert reader.delete_run("ant") is True
    assert reader.restore_run("ant") is True
    assert cells(reader, "n") == [0, 1, 2] * 2


def test_delete_for_good(reader: Reader) -> None:
    assert reader.delete_run("ant", for_good=True) is True
    reader.delete_run("bee")
    assert reader.delete_run("bee", for_good=True) is True
    assert len(reader) == 0
    for gone in ("ant", "bee"):
        with pytest.raises(RunNotFound):
            reader.restore_run(gone)


def test_delete_names_the_closest(reader: Reader) -> None:
    for delete in (reader.delete_run, reader.restore_run):
        with pytest.raises(RunNotFound, match=r"'bees'.*closest: bee"):
            delete("bees")
    with pytest.raises(RunNotFound):
        reader.delete_run("' OR 1=1 --", for_good=True)
    assert len(reader) == 6


def test_another_run_on_a_live_tracker(path: Path, reader: Reader) -> None:
    with Tracker(path, track_id="cow", params={"model": "p"}) as tracker:
        tracker.log({"n": 1})
        tracker.track_id = "ant"
        assert tracker.track_id == "ant"
        assert tracker.log({"n": 3})["track_id"] == "ant"
        assert len(tracker) == 4
        tracker.track_id = "new"
        tracker.log({"n": 5})
        tracker.track_id = "new"
        tracker.log({"n": 6})
        with pytest.raises(InvalidInput):
            tracker.track_id = ""
        tracker.log({"n": 7})
        assert cells(reader, "n", "new") == [5, 6, 7]
        assert cells(reader, "model", "new") == ["p"] * 3
        assert cells(reader, "n", "cow") == [1]
        states = mooring.ReadOnlyProject("local/events", store=reader.store).fetch_runs_df(
            columns=["sys/custom_run_id", "sys/state", "model"]
        )
        states = states.set_index("sys/custom_run_id")
        assert states["sys/state"].to_dict() == {
            "ant": "inactive",
            "bee": "inactive",
            "cow": "inactive",
            "new": "active",
        }
        assert states["model"].to_dict() == {"ant": "p", "bee": "m", "cow": "p", "new": "p"}
    with Reader(path) as after:
        frame = mooring.ReadOnlyProject("local/events", store=after.store).fetch_runs_df(
            columns=["sys/state"]
        )
        assert set(frame["sys/state"]) == {"inactive"}


# what a table is


def test_columns_and_types(path: Path) -> None:
    with Tracker(path, track_id="new", on_error="raise") as tracker:
        tracker.log_batch([{"f": 1}, {"f": 0.5}, {"b": True}, {"mixed": 1}, {"mixed": "a"}])
        tracker.log({"none": None, "array": np.arange(2)})
        types = {
            "track_id": str,
            "timestamp": str,
            "n": int,
            "text": str,
            "model": str,
            "f": float,
            "b": bool,
            "mixed": object,
            "none": type(None),
            "array": str,
        }
        with Reader(path) as reader:
            for table in (tracker, reader):
                assert table.dtypes == types
                assert table.columns == set(types)


def test_add_column(tracker: Tracker, reader: Reader) -> None:
    tracker.add_column("later", 0.5)
    assert "later" in tracker.columns
    assert "later" in reader.columns
    assert cells(reader, "later") == [None] * 6
    tracker.add_column("n", "text")
    assert cells(reader, "n", "ant") == [0, 1, 2]
    tracker.log({"later": 1.5})
    assert tracker.dtypes["later"] is float
    with Tracker(reader.db, table="empty") as empty:
        empty.add_column("first", 1)
        assert empty.dtypes == {"track_id": str, "timestamp": str, "first": int}
        assert empty.columns == {"track_id", "timestamp", "first"}
    with pytest.raises(InvalidInput):
        tracker.add_column("timestamp", 1)


def test_counts(tracker: Tracker, reader: Reader) -> None:
    assert (tracker.count_run(), tracker.count_all(), len(tracker), len(reader)) == (3, 6, 3, 6)


def test_names_of_the_store(path: Path) -> None:
    with Tracker(path) as tracker, Reader(path, "duckdb", "events") as reader:
        assert tracker.db == reader.db == str(path)
        assert tracker.table_name == reader.table_name == "events"
        assert (tracker.engine, reader.engine) == ("sqlite", "duckdb")
        assert not tracker.skip_insert
        assert len(Reader.read_db(path, "sqlite", "default", head=2)) == 2
    with Tracker(Tracker.SKIP_INSERT, engine="duckdb") as skipping:
        assert skipping.skip_insert
        assert skipping.db == ":memory:"
        assert skipping.engine == "duckdb"
    for make in (Tracker, Reader):
        with pytest.raises(InvalidInput, match="'sqlite' or 'duckdb', not 'mysql'"):
            make(path, engine="mysql")


def test_sql_types() -> None:
    given = [True, 1, 0.5, "a", b"a", bytearray(b"a"), None, np.float32(1), [1], np.arange(3)]
    assert [Tracker.to_sql_type(value) for value in given] == [
        *("BOOLEAN", "INTEGER", "REAL", "TEXT", "BLOB", "BLOB", "TEXT", "REAL", "TEXT", "TEXT")
    ]
