"""A tracker's rows: what goes in comes out, with params, in a run of its own."""

from __future__ import annotations

import logging
import math
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mooring.errors import (
    AttributeNotFound,
    InvalidInput,
    InvalidName,
    InvalidPath,
    InvalidValue,
    StoreClosed,
)
from mooring.model import AttributeType
from mooring.store import open_store
from mooring.store.contract import PathSelector, Store
from mooring.tracker import Reader, Tracker


@pytest.fixture
def store() -> Iterator[Store]:
    store = open_store(":memory:")
    yield store
    store.close()


@pytest.fixture
def tracker(store: Store) -> Iterator[Tracker]:
    with Tracker(store, params={"model": "resnet18"}, on_error="raise") as tracker:
        yield tracker


def attributes(tracker: Tracker) -> dict[str, tuple[AttributeType, object]]:
    key = tracker.store.find_run("local/events", run_id=tracker.track_id)
    assert key is not None
    columns = tracker.store.read_attributes([key.key], PathSelector(patterns=("^(?!sys/)",)))
    return {column.path: (column.type, column.values[0]) for column in columns}


def test_log_returns_the_row(tracker: Tracker) -> None:
    assert tracker.latest == {}
    row = tracker.log({"accuracy": 0.9, "loss": 0.1, "epoch": 1})
    assert list(row) == ["accuracy", "loss", "epoch", "model", "timestamp", "track_id"]
    assert row["model"] == "resnet18"
    assert row["track_id"] == tracker.track_id
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", str(row["timestamp"]))
    assert tracker.latest == row
    row["loss"] = 5
    assert tracker.latest["loss"] == 0.1


def test_frame(tracker: Tracker, store: Store) -> None:
    first = tracker.log({"accuracy": 0.9, "epoch": 1})
    tracker.set_params({"dataset": "cifar10"})
    second = tracker.log({"accuracy": 0.95, "epoch": 2})
    frame = tracker.to_df()
    assert list(frame) == ["track_id", "timestamp", "accuracy", "epoch", "model", "dataset"]
    assert frame["timestamp"].tolist() == [first["timestamp"], second["timestamp"]]
    assert frame["epoch"].tolist() == [1, 2]
    assert pd.isna(frame["dataset"][0])
    assert frame["dataset"][1] == "cifar10"
    with Tracker(store) as other:
        other.log({"accuracy": 1.0})
        assert len(other.to_df()) == 1
        both = other.to_df(all=True)
        assert both["track_id"].tolist() == [tracker.track_id] * 2 + [other.track_id]
    assert len(tracker.to_df()) == 2


def test_data_wins_over_params(tracker: Tracker) -> None:
    assert tracker.log({"model": "other"})["model"] == "other"
    assert tracker.log({"x": 1})["model"] == "resnet18"


def test_set_value_goes_back_in_time(tracker: Tracker, store: Store) -> None:
    with Tracker(store) as other:
        other.log({"loss": 1.0})
        tracker.log({"loss": 0.5})
        tracker.log({"loss": 0.4})
        assert tracker.set_value("test_accuracy", np.float32(0.5)) == 2
        assert tracker.latest["test_accuracy"] == 0.5
        tracker.log({"loss": 0.3})
        assert tracker["test_accuracy"].tolist()[:2] == [0.5, 0.5]
        assert pd.isna(tracker["test_accuracy"][2])
        assert "test_accuracy" not in other.to_df()
    assert attributes(tracker)["test_accuracy"] == (AttributeType.FLOAT, 0.5)


def test_set_value_of_what_is_logged(tracker: Tracker) -> None:
    tracker.log({"loss": 0.5})
    tracker.log({"loss": 0.4})
    assert tracker.set_value("loss", "gone") == 2
    assert tracker["loss"].tolist() == ["gone", "gone"]
    tracker.set_value("loss", None)
    assert pd.isna(tracker["loss"]).all()


def test_params_are_attributes_of_the_run(tracker: Tracker) -> None:
    tracker.set_params({"lr": 0.1, "layers": [64, 32], "debug": True, "note": None})
    tracker.log({"loss": 1.0})
    assert attributes(tracker) == {
        "model": (AttributeType.STRING, "resnet18"),
        "lr": (AttributeType.FLOAT, 0.1),
        "layers": (AttributeType.STRING, "[64, 32]"),
        "debug": (AttributeType.BOOL, True),
        "loss": (AttributeType.FLOAT_SERIES, 1.0),
    }
    assert dict(tracker.params) == {
        "model": "resnet18",
        "lr": 0.1,
        "layers": "[64, 32]",
        "debug": True,
        "note": None,
    }
    with pytest.raises(TypeError):
        tracker.params["lr"] = 1  # type: ignore[index]


def test_a_param_may_change_its_type(tracker: Tracker) -> None:
    assert tracker.set_param("lr", "auto") == "lr"
    tracker.log({"loss": 1.0})
    tracker.set_param("lr", 0.1)
    tracker.log({"loss": 0.5})
    assert tracker["lr"].tolist() == ["auto", 0.1]
    assert attributes(tracker)["lr"] == (AttributeType.FLOAT, 0.1)


def test_a_param_named_as_a_metric_stays_a_cell(tracker: Tracker) -> None:
    tracker.log({"loss": 1.0})
    tracker.set_params({"loss": "none", "lr": 1})
    tracker.log({"epoch": 1})
    assert tracker["loss"].tolist() == [1.0, "none"]
    assert attributes(tracker)["loss"] == (AttributeType.FLOAT_SERIES, 1.0)
    assert attributes(tracker)["lr"] == (AttributeType.INT, 1)


def test_the_callers_dict_is_left_alone(store: Store) -> None:
    params = {"a": 1}
    with Tracker(store, params) as tracker:
        tracker.set_param("b", 2)
        params["c"] = 3
        data = {"x": 1}
        assert "c" not in tracker.log(data)
        assert data == {"x": 1}


@pytest.mark.parametrize(
    "key",
    [
        "order",
        "select",
        "a b",
        "loss/train",
        "é",
        "1abc",
        "default_lr",
        'a"b',
        "x; DROP TABLE log",
        "a" * 1024,
    ],
)
def test_any_name_is_kept(tracker: Tracker, key: str) -> None:
    assert tracker.log({key: 1})[key] == 1
    tracker.set_value(key, 2)
    assert tracker[key].tolist() == [2]
    assert key in tracker.to_df()


def test_names_that_resemble_each_other_stay_apart(tracker: Tracker) -> None:
    row = {"a b": 1, "a_b": 2, "A_B": 3, 5: 4, None: 5}
    tracker.log(row)  # type: ignore[arg-type]
    frame = tracker.to_df()
    assert [frame[key][0] for key in ("a b", "a_b", "A_B", "5", "None")] == [1, 2, 3, 4, 5]


def test_values_keep_their_types(tracker: Tracker) -> None:
    tracker.log(
        {
            "int": 2**60 + 1,
            "float": 0.1,
            "bool": True,
            "none": None,
            "nan": math.nan,
            "inf": -math.inf,
            "numpy": np.float32(0.5),
            "list": [1, {"a": None}],
            "path": Path("a/b"),
        }
    )
    row = tracker[1]
    assert row["int"] == 2**60 + 1
    assert type(row["int"]) is int
    assert row["bool"] is True
    assert "none" not in row
    assert math.isnan(row["nan"])
    assert row["inf"] == -math.inf
    assert (row["numpy"], row["list"], row["path"]) == (0.5, '[1, {"a": null}]', "a/b")


def test_a_column_may_change_its_type(tracker: Tracker) -> None:
    for value in (1, 2.5, "three", True, None, math.inf):
        tracker.log({"v": value, "i": 0})
    assert tracker["v"].tolist() == [1, 2.5, "three", True, None, math.inf]


def test_batch(tracker: Tracker) -> None:
    assert tracker.log_batch([]) == {}
    last = tracker.log_batch([{"x": 1}, {}, {"x": 2, "y": [1]}])
    assert last == tracker.latest
    assert last["x"] == 2
    assert last["model"] == "resnet18"
    assert tracker["x"].tolist() == [1, 2]
    with pytest.raises(InvalidValue, match="'x'"):
        tracker.log_batch([{"x": 3}, {"x": threading.Lock()}])
    assert len(tracker) == 2


def test_nothing_logged(tracker: Tracker) -> None:
    assert tracker.log({}) == {}
    assert len(tracker) == 0
    assert bool(tracker)
    assert list(tracker.to_df()) == ["track_id", "timestamp"]
    assert tracker[1] is None


def test_head_and_tail(tracker: Tracker) -> None:
    tracker.log_batch([{"x": n} for n in range(10)])
    assert tracker.head()["x"].tolist() == [0, 1, 2, 3, 4]
    assert tracker.tail(3)["x"].tolist() == [9, 8, 7]
    assert len(tracker) == 10
    assert "resnet18" in str(tracker)


def test_items(tracker: Tracker, store: Store) -> None:
    with Tracker(store) as other:
        other.log({"x": 1})
    tracker.log({"x": 2})
    assert tracker["x"].tolist() == [2]
    assert tracker["x"].name == "x"
    assert tracker["track_id"].tolist() == [tracker.track_id]
    assert tracker[1]["track_id"] == other.track_id
    assert tracker[2] == tracker.latest
    assert tracker[3] is None
    for bad in (0, -1, 1.5, True):
        with pytest.raises(InvalidInput):
            tracker[bad]  # type: ignore[index]
    with pytest.raises(AttributeNotFound, match=r"'modle'.*closest: model"):
        tracker["modle"]
    with pytest.raises(TypeError):
        iter(tracker)  # type: ignore[call-overload]


def test_track_id_resumes(store: Store) -> None:
    with Tracker(store, track_id="mine") as tracker:
        tracker.log({"x": 1})
    with Tracker(store, track_id="mine") as tracker:
        tracker.log({"x": 2})
        assert tracker.track_id == "mine"
        assert tracker["x"].tolist() == [1, 2]


def test_tables_and_reset(store: Store) -> None:
    with Tracker(store, table="steps") as one, Tracker(store) as two:
        one.log({"x": 1})
        two.log({"x": 2})
        assert one.to_df(all=True)["x"].tolist() == [1]
        assert one.table == one.table_name == "steps"
    with Tracker(store, table="steps", reset=True) as fresh:
        assert len(fresh.to_df(all=True)) == 0
    assert Reader(store).to_df()["x"].tolist() == [2]
    with Tracker(store, table="other", reset=True):
        pass
    with Tracker(store, table="team/steps") as full:
        full.log({"x": 3})
    assert Reader(store, table="team/steps").to_df()["x"].tolist() == [3]
    with pytest.raises(InvalidName):
        Tracker(store, table="a/b/c")


def test_default_is_another_name_of_events(store: Store) -> None:
    with Tracker(store, table="default") as one, Tracker(store) as two:
        one.log({"x": 1})
        assert two.to_df(all=True)["x"].tolist() == [1]
    assert Reader(store, table="default").to_df()["x"].tolist() == [1]


def test_repr(tracker: Tracker) -> None:
    assert repr(tracker).startswith("Tracker('")
    assert tracker.track_id in repr(tracker)


def test_raise_writes_nothing(tracker: Tracker) -> None:
    for row, error in (
        ({"x": 1, "y": threading.Lock()}, InvalidValue),
        ({"x": 1, "": 2}, InvalidPath),
        ("text", InvalidInput),
        (5, InvalidInput),
    ):
        with pytest.raises(error):
            tracker.log(row)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="'bad'"):
        tracker.set_params({"good": 1, "bad": threading.Lock()})
    with pytest.raises(InvalidPath):
        tracker.set_params({"good": 1, "": 2})
    with pytest.raises(InvalidInput):
        tracker.set_params([1])  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="'bad'"):
        tracker.set_value("bad", threading.Lock())
    with pytest.raises(InvalidInput, match="timestamp"):
        tracker.set_value("timestamp", 1)
    with pytest.raises(InvalidPath):
        tracker.set_value("", 1)
    assert len(tracker) == 0
    assert dict(tracker.params) == {"model": "resnet18"}


def test_warn_writes_the_rest(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with Tracker(store) as tracker:
        assert tracker.log({"x": 1, "y": threading.Lock(), "": 3})["x"] == 1
        assert tracker.log({"y": threading.Lock()}) == {}
        assert tracker.log(5) == {}  # type: ignore[arg-type]
        assert tracker.log_batch([{"x": 2, "y": threading.Lock()}, {"x": 3, "\n": 1}])["x"] == 3
        tracker.set_params({"p": 1, "q": threading.Lock(), "": 2})
        assert tracker.log({"x": 4})["p"] == 1
        assert tracker["x"].tolist() == [1, 2, 3, 4]
        assert tracker.failures == {"InvalidValue": 4, "InvalidPath": 3, "InvalidInput": 1}
        assert tracker.set_value("z", threading.Lock()) == 0
        caplog.clear()
    assert len(caplog.messages) == 1
    assert "9 values were not written: 5 InvalidValue" in caplog.messages[0]


def test_reserved_names_are_the_trackers(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with Tracker(store) as tracker:
        row = tracker.log({"x": 1, "timestamp": "mine", "track_id": "mine"})
        assert row["track_id"] == tracker.track_id
        assert tracker[1] == row
        tracker.log({"x": 1, "timestamp": "mine"})
    assert sum("set by the tracker" in message for message in caplog.messages) == 2


def test_after_close(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    tracker = Tracker(store)
    tracker.close()
    tracker.close()
    assert tracker.log({"x": 1}) == {}
    assert tracker.log_batch([{"x": 1, "y": 2}, {"x": 3}]) == {}
    tracker.set_params({"p": 1})
    assert tracker.failures == {"StoreClosed": 5}
    strict = Tracker(store, on_error="raise")
    strict.close()
    with pytest.raises(StoreClosed):
        strict.log({"x": 1})
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_a_store_of_its_own_is_closed(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path / "track.db")
    store = tracker.store
    tracker.log({"x": 1})
    tracker.close()
    with pytest.raises(StoreClosed):
        store.list_projects()
    assert Reader.read_db(tmp_path / "track.db")["x"].tolist() == [1]


def test_default_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Tracker() as tracker:
        tracker.log({"x": 1})
    assert (tmp_path / "track.db").exists()
    monkeypatch.setenv("MOORING_STORE", str(tmp_path / "named.db"))
    with Tracker() as tracker:
        tracker.log({"x": 1})
    assert (tmp_path / "named.db").exists()
    assert len(Reader()) == 1


def test_missing_folders_are_made(tmp_path: Path) -> None:
    with Tracker(tmp_path / "a" / "b" / "track.db") as tracker:
        tracker.log({"x": 1})
    assert len(Reader(tmp_path / "a" / "b" / "track.db")) == 1


def test_memory_is_its_own() -> None:
    assert Tracker.IN_MEMORY == Tracker.IN_MEMROY == ":memory:"
    with Tracker(Tracker.IN_MEMORY) as one, Tracker(Tracker.IN_MEMORY) as two:
        one.log({"x": 1})
        assert len(two.to_df(all=True)) == 0


def test_skip_insert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Tracker(db=Tracker.SKIP_INSERT, params={"a": 1}) as tracker:
        assert tracker.log({"x": 1})["a"] == 1
        assert tracker.log_batch([{"x": 2}])["x"] == 2
        assert tracker.set_value("y", 3) == 0
        assert tracker.latest["x"] == 2
        assert len(tracker.to_df(all=True)) == 0
    assert list(tmp_path.iterdir()) == []


def test_an_exception_is_kept(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), Tracker(store, track_id="t") as tracker:
        tracker.log({"x": 1 / 0})
    run = store.find_run("local/events", run_id="t")
    assert run is not None
    assert store.get_value(run.key, "sys/failed") == (AttributeType.BOOL, True)
    assert "ZeroDivisionError" in store.get_value(run.key, "monitoring/traceback")[1]


def test_threads(tracker: Tracker) -> None:
    def work(worker: int) -> None:
        for n in range(100):
            tracker.log({"worker": worker, "n": n})

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    frame = tracker.to_df()
    assert len(frame) == 400
    for _, rows in frame.groupby("worker"):
        assert rows["n"].tolist() == list(range(100))


def test_statics() -> None:
    assert re.fullmatch(r"[a-z]+-[a-z]+-\d{4}", Tracker.generate_track_id())
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", Tracker.get_timestamp())


def test_on_error_is_checked() -> None:
    with pytest.raises(InvalidInput, match="on_error"):
        Tracker(":memory:", on_error="ignore")  # type: ignore[arg-type]


def test_a_text_that_is_no_unicode_costs_its_cell_only(store: Store) -> None:
    with Tracker(store) as tracker:
        row = tracker.log({"loss": 0.5, "text": "\ud800"})
        assert row["loss"] == 0.5
        assert "text" not in row
        assert tracker.failures == {"InvalidValue": 1}
        tracker.log_batch([{"loss": 1.5, "text": "\ud800"}, {"loss": 2.5}])
        assert tracker["loss"].tolist() == [0.5, 1.5, 2.5]
