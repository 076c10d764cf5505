"""A reader sees a table's rows, and creates nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.errors import ProjectNotFound, RunNotFound, StoreNotFound
from mooring.store import open_store
from mooring.store.contract import Store
from mooring.tracker import Reader, Tracker


@pytest.fixture
def store() -> Iterator[Store]:
    store = open_store(":memory:")
    with Tracker(store, track_id="zebra") as old, Tracker(store, track_id="ant") as new:
        old.log_batch([{"x": 1, "y": "a"}, {"x": 2}])
        new.log({"x": 3})
        old.log({"x": 4})
        new.log({"x": 5})
    yield store
    store.close()


def test_to_df(store: Store) -> None:
    reader = Reader(store)
    assert reader.to_df()["x"].tolist() == [1, 2, 3, 4, 5]
    assert reader.to_df(track_id="zebra")["x"].tolist() == [1, 2, 4]
    assert reader.to_df(head=2)["x"].tolist() == [1, 2]
    tail = reader.to_df(tail=2)
    assert tail["x"].tolist() == [4, 5]
    assert tail.index.tolist() == [0, 1]
    assert reader.to_df("ant", head=1, tail=1)["x"].tolist() == [3, 5]
    assert reader.to_df(head=1, tail=3)["x"].tolist() == [1]
    assert len(reader) == 5
    with pytest.raises(RunNotFound, match=r"'zebr'.*zebra"):
        reader.to_df("zebr")


def test_latest_is_the_run_that_logged_last(store: Store) -> None:
    frame = Reader(store).latest()
    assert frame["track_id"].tolist() == ["ant", "ant"]
    assert frame["x"].tolist() == [3, 5]
    assert "y" not in frame


def test_empty_table(store: Store) -> None:
    with Tracker(store, table="empty"):
        reader = Reader(store, table="empty")
        assert len(reader) == 0
        assert list(reader.to_df()) == ["track_id", "timestamp"]
        assert len(reader.latest()) == 0


def test_nothing_is_created(tmp_path: Path, store: Store) -> None:
    with pytest.raises(StoreNotFound):
        Reader(tmp_path / "typo" / "track.db")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProjectNotFound, match="evnts"):
        Reader(store, table="evnts").to_df()
    assert store.list_projects() == ["local/events"]


def test_a_read_only_file_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "track.db"
    with Tracker(path) as tracker:
        tracker.log({"x": 1})
        with Reader(path) as reader:
            assert reader.to_df()["x"].tolist() == [1]
            tracker.log({"x": 2})
            assert reader.to_df()["x"].tolist() == [1, 2]
    path.chmod(0o444)
    with Reader(str(path)) as reader:
        assert reader.to_df()["x"].tolist() == [1, 2]
        assert "track.db" in repr(reader)


def test_a_given_store_stays_open(store: Store) -> None:
    with Reader(store):
        pass
    assert store.list_projects() == ["local/events"]
