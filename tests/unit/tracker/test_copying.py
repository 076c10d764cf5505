"""A copy adds what the target lacks, and nothing twice."""

from __future__ import annotations

import math
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mooring
from mooring.errors import AssetNotFound, InvalidInput, SegmentMissing, StoreNotFound, TableNotFound
from mooring.model import AttributeType, FileRef, Histogram
from mooring.store import open_store
from mooring.store.contract import EventTable, PathSelector, RunQuery, Store
from mooring.tracker import Reader, Tracker, copy
from mooring.tracker.copying import BATCH_ROWS, table_names


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.db"
    with Tracker(path, params={"model": "resnet18"}, track_id="ant") as tracker:
        tracker.log({"loss": 0.5, "epoch": 1})
        tracker.log({"loss": 0.4, "epoch": 2, "weights": np.arange(5)})
    with Tracker(path, track_id="bee") as tracker:
        tracker.log({"loss": 0.3, "note": "text"})
    with Tracker(path, table="predictions", track_id="ant") as tracker:
        tracker.log({"label": "cat"})
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target.db"


Rows = list[tuple[str, int, dict[str, Any]]]


def rows_of(path: Path, table: str = "events") -> Rows:
    """Rows as track id, time and the cells that are there."""
    with open_store(path, read_only=True) as store:
        events = store.read_events(f"local/{table}")
        return rows_in(store, events)


def rows_in(store: Store, events: EventTable) -> Rows:
    runs, times, columns = events.runs.tolist(), events.times.tolist(), events.columns
    names = {run.key: run.run_id for run in store.get_runs(sorted(set(runs)))}
    return [
        (
            names[runs[i]],
            times[i],
            {name: cells[i] for name, cells in columns.items() if cells[i] is not None},
        )
        for i in range(len(events))
    ]


def attributes_of(path: Path, table: str = "events") -> dict[str, dict[str, tuple[Any, Any]]]:
    with open_store(path, read_only=True) as store:
        runs = store.query_runs(RunQuery(project=f"local/{table}")).runs
        return {
            run.run_id: {
                column.path: (column.type, column.values[0])
                for column in store.read_attributes([run.key], PathSelector())
                if not column.path.startswith("sys/")
                or column.path in ("sys/tags", "sys/name", "sys/creation_time", "sys/owner")
            }
            for run in runs
        }


def test_everything_comes_over_and_only_once(source: Path, target: Path) -> None:
    before = source.read_bytes()
    assert copy(source, target) == 4
    for table in ("events", "predictions"):
        assert rows_of(target, table) == rows_of(source, table)
        assert attributes_of(target, table) == attributes_of(source, table)
    with Reader(target) as reader:
        assert reader.get("weights").tolist() == [0, 1, 2, 3, 4]
    assert mooring.copy(source, target) == 0
    assert rows_of(target) == rows_of(source)
    assert source.read_bytes() == before
    with open_store(target) as store:
        assert store.check().ok


def test_a_merge(source: Path, target: Path) -> None:
    with Tracker(target, track_id="bee", params={"owner": "target"}) as tracker:
        tracker.log({"loss": 0.9})
    with Tracker(target, track_id="cow") as tracker:
        tracker.log({"loss": 0.1, "own column": 1})
    assert copy(source, target) == 4
    rows = rows_of(target)
    assert [cells["loss"] for track_id, _, cells in rows if track_id == "bee"] == [0.9, 0.3]
    assert {track_id for track_id, *_ in rows} == {"ant", "bee", "cow"}
    with Tracker(source, track_id="bee") as tracker:
        tracker.log({"loss": 0.2})
    assert copy(source, target) == 1
    assert copy(target, source) == 2
    assert copy(target, source) == copy(source, target) == 0
    assert sorted(map(str, rows_of(source))) == sorted(map(str, rows_of(target)))


def test_values_of_any_type(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "source.db"
    values: dict[str, Any] = {
        "int": 2**63 - 1,
        "small": -(2**63),
        "float": 0.1 + 0.2,
        "nan": math.nan,
        "inf": -math.inf,
        "zero": -0.0,
        "text": "naïve 📁 \x00 \n",
        "empty": "",
        "bool": False,
        "bytes": b"\x00\xff",
        "histogram": Histogram(edges=(0.0, 1.0), values=(2.0,)),
        'name "with" quotes; --': 1,
    }
    with open_store(path) as store:
        with Tracker(store, track_id="ant") as tracker:
            tracker.log({"mixed": 1})
            tracker.log({"mixed": "text"})
            tracker.log({"only none": None})
        run = store.find_run("local/events", run_id="ant")
        assert run is not None
        digest, size = store.put_blob(b"a file")
        values["file"] = FileRef(digest, size, "text/plain", "a.txt")
        with closing(store.open_writer(run.key)) as writer:
            writer.log_event(values)
    assert copy(path, target) == 4
    rows = rows_of(target)
    assert repr(rows) == repr(rows_of(path))
    assert [type(value) for value in rows[-1][2].values()] == list(map(type, values.values()))
    with open_store(target) as store, store.open_blob(digest) as blob:
        assert blob.read() == b"a file"


def test_attributes(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "source.db"
    params = {"lr": 0.1, "layers": 3, "debug": True, "optimizer": "adam", "stage": "first"}
    with Tracker(path, track_id="ant", params=params) as tracker:
        tracker.log({"loss": 0.5})
        run = tracker.store.find_run("local/events", run_id="ant")
        assert run is not None
        with closing(tracker.store.open_writer(run.key)) as writer:
            writer.change_set("sys/tags", add=["best", "old"])
            writer.assign({"sys/description": "why", "names": frozenset({"a"}), "sys/failed": True})
            digest, size = tracker.store.put_blob(b"report")
            writer.assign({"report": FileRef(digest, size, "text/html", "report.html")})
    with Tracker(target, track_id="ant", params={"stage": "second"}) as tracker:
        run = tracker.store.find_run("local/events", run_id="ant")
        assert run is not None
        with closing(tracker.store.open_writer(run.key)) as writer:
            writer.change_set("sys/tags", add=["own"])
    assert copy(path, target) == 1
    found = attributes_of(target)["ant"]
    assert found["stage"] == (AttributeType.STRING, "second"), "what the target has stays"
    assert found["lr"] == (AttributeType.FLOAT, 0.1)
    assert found["layers"] == (AttributeType.INT, 3)
    assert found["debug"] == (AttributeType.BOOL, True)
    assert found["names"] == (AttributeType.STRING_SET, frozenset({"a"}))
    assert found["sys/tags"][1] == {"best", "old", "own"}
    assert found["loss"][0] is AttributeType.FLOAT_SERIES
    with open_store(target) as store:
        key = store.find_run("local/events", run_id="ant").key  # type: ignore[union-attr]
        assert store.get_value(key, "sys/failed")[1] is True
        assert store.get_value(key, "sys/description")[1] == "why"
        with store.open_blob(found["report"][1].digest) as blob:
            assert blob.read() == b"report"


def test_without_assets(source: Path, target: Path) -> None:
    copy(source, target, assets=False)
    assert rows_of(target) == rows_of(source)
    with Reader(target) as reader:
        assert len(reader.assets) == 0
        with pytest.raises(AssetNotFound):
            reader.get("weights")
    assert copy(source, target) == 0
    with Reader(target) as reader:
        assert reader.get("weights").tolist() == [0, 1, 2, 3, 4]


def test_rows_of_one_instant_are_all_kept(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "source.db"
    with Tracker(path, track_id="ant") as tracker, open_store(path) as store:
        key = store.find_run("local/events", run_id="ant").key  # type: ignore[union-attr]
        with closing(store.open_writer(key)) as writer:
            writer.log_events([({"n": n}, 1_767_614_400_000_000) for n in range(3)])
            assert copy(path, target) == 3
            writer.log_events([({"n": n}, 1_767_614_400_000_000) for n in range(3, 5)])
        assert len(tracker) == 5
    assert copy(path, target) == 2
    assert copy(path, target) == 0
    assert [cells["n"] for *_, cells in rows_of(target)] == [0, 1, 2, 3, 4]


def test_some_tables(source: Path, target: Path) -> None:
    assert copy(source, target, tables=["predictions"]) == 1
    with open_store(target) as store:
        assert table_names(store) == ["predictions"]
    assert copy(source, target, tables=["default", "events"]) == 3
    assert copy(source, target, tables=[]) == 0


def test_a_table_that_is_not_there(source: Path, target: Path) -> None:
    with pytest.raises(TableNotFound, match=r"'prediction'.*events, predictions") as caught:
        copy(source, target, tables=["events", "prediction"])
    assert caught.value.name == "prediction"
    assert not target.exists()
    with pytest.raises(InvalidInput, match=r"tables=\['events'\]"):
        copy(source, target, tables="events")


def test_a_source_that_is_not_there(tmp_path: Path, target: Path, source: Path) -> None:
    with pytest.raises(StoreNotFound):
        copy(tmp_path / "typo.db", target)
    assert not target.exists()
    assert not (tmp_path / "typo.db").exists()
    with pytest.raises(InvalidInput, match="into itself"):
        copy(source, source.parent / "." / "source.db")


def test_only_trackers_tables(source: Path, target: Path) -> None:
    with mooring.Run("digits", store=source) as run:
        run.log({"loss": 0.5}, step=1)
    with Tracker(source, table="empty"):
        pass
    assert copy(source, target) == 4
    with open_store(target) as store:
        assert store.list_projects() == ["local/events", "local/predictions"]


def test_trash(source: Path, target: Path) -> None:
    copy(source, target)
    with Reader(source) as there, Reader(target) as here:
        here.delete_run("ant")
        there.delete_run("bee")
        with Tracker(source, track_id="ant") as tracker:
            tracker.log({"loss": 0.0})
        assert copy(source, target) == 1
        assert sorted(here.to_df()["track_id"]) == ["ant"] * 3 + ["bee"]
        here.delete_run("bee", for_good=True)
        assert copy(source, target) == 0
        assert set(here.to_df()["track_id"]) == {"ant"}


def test_open_stores_stay_open(source: Path) -> None:
    with open_store(source) as one, open_store(":memory:") as other:
        assert copy(one, other) == 4
        assert len(rows_in(other, other.read_events("local/events"))) == 3
        assert table_names(one) == ["events", "predictions"]


def test_sealed_rows(source: Path, target: Path) -> None:
    with open_store(source) as store:
        store.compact(events=True)
    assert copy(source, target) == 4
    with open_store(target) as store:
        store.compact(events=True)
    assert copy(source, target) == 0
    assert rows_of(target) == rows_of(source)


def test_progress(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "source.db"
    total = BATCH_ROWS + 100
    with Tracker(path) as tracker:
        tracker.log_batch([{"n": n} for n in range(total)])
    told: list[tuple[int, int]] = []
    assert copy(path, target, progress=lambda done, of: told.append((done, of))) == total
    assert told == [(0, total), (BATCH_ROWS, total), (total, total)]
    told.clear()
    assert copy(path, target, progress=lambda done, of: told.append((done, of))) == 0
    assert told == [(total, total)]


def test_a_copy_that_stopped_is_completed(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "source.db"
    with Tracker(path, track_id="ant") as tracker:
        tracker.log_batch([{"n": n} for n in range(2 * BATCH_ROWS)])
        tracker.log({"array": np.arange(3)})

    def stop(done: int, of: int) -> None:
        if 0 < done < of:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(path, target, progress=stop)
    assert 0 < len(rows_of(target)) < 2 * BATCH_ROWS
    copy(path, target)
    assert rows_of(target) == rows_of(path)
    assert copy(path, target) == 0


def test_a_missing_file_of_the_source(source: Path, target: Path) -> None:
    (blob,) = source.parent.glob("source.db-data/blobs/*/*")
    content = blob.read_bytes()
    blob.unlink()
    with pytest.raises(SegmentMissing):
        copy(source, target)
    assert copy(source, target, assets=False) > 0
    blob.write_bytes(content)
    copy(source, target)
    with Reader(target) as reader:
        assert reader.get("weights").tolist() == [0, 1, 2, 3, 4]
