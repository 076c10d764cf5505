"""Frames come in the library that was chosen, with the same cells."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mooring
from mooring.errors import AttributeNotFound, InvalidInput
from mooring.store import open_store
from mooring.store.contract import Store
from mooring.tracker import Reader, Tracker, get_backend, set_backend, use_backend
from mooring.tracker.backends import in_backend


@pytest.fixture(autouse=True)
def _pandas_again() -> Iterator[None]:
    yield
    set_backend("pandas")


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store(":memory:") as store:
        yield store


@pytest.fixture
def tracker(store: Store) -> Iterator[Tracker]:
    with Tracker(store, track_id="ant", on_error="raise") as tracker:
        tracker.log({"i": 1, "f": 0.5, "b": True, "t": "a", "late": None, "m": 1})
        tracker.log({"i": 2, "f": math.nan, "b": False, "t": "b", "m": "text", "half": 2})
        tracker.log({"i": 3, "f": 1, "b": True, "t": "c", "late": 2.5, "big": 2**60, "half": 2})
        tracker.log({"big": 0.5})
        yield tracker


def test_the_choice() -> None:
    assert get_backend() == "pandas"
    set_backend("polars")
    assert get_backend() == mooring.get_backend() == "polars"
    mooring.set_backend("auto")
    assert get_backend() == "pandas"
    for name in ("spark", "", None, "Pandas"):
        with pytest.raises(ValueError, match=r"^Unknown backend") as caught:
            set_backend(name)  # type: ignore[arg-type]
        assert isinstance(caught.value, InvalidInput)
    assert get_backend() == "pandas"


def test_every_thread_sees_the_choice() -> None:
    def in_thread() -> str:
        seen: list[str] = []
        thread = threading.Thread(target=lambda: seen.append(get_backend()))
        thread.start()
        thread.join()
        return seen[0]

    set_backend("polars")
    assert in_thread() == "polars"
    with use_backend("pandas"):
        assert get_backend() == "pandas"
        assert in_thread() == "polars"
        with use_backend("auto"):
            assert get_backend() == "pandas"
    assert get_backend() == "polars"
    with pytest.raises(RuntimeError), use_backend("pandas"):
        raise RuntimeError
    assert get_backend() == "polars"


def test_all_frames_are_polars(tracker: Tracker, store: Store, tmp_path: Path) -> None:
    reader = Reader(store)
    set_backend("polars")
    frames: dict[str, Any] = {
        "to_df": tracker.to_df(),
        "all": tracker.to_df(all=True),
        "head": tracker.head(2),
        "tail": tracker.tail(2),
        "reader": reader.to_df(),
        "reader head": reader.to_df(head=2),
        "reader tail": reader.to_df(tail=2),
        "reader run": reader.to_df("ant"),
        "latest": reader.latest(),
        "read_db": Reader.read_db(store),
    }
    for name, frame in frames.items():
        assert isinstance(frame, pl.DataFrame), name
    assert frames["head"]["i"].to_list() == [1, 2]
    assert frames["tail"]["i"].to_list() == [None, 3]
    assert frames["reader head"]["i"].to_list() == [1, 2]
    assert frames["reader tail"]["i"].to_list() == [3, None]
    assert isinstance(tracker["i"], pl.Series)
    assert tracker["i"].to_list() == [1, 2, 3, None]
    assert tracker["track_id"].to_list() == ["ant"] * 4
    assert tracker[1]["i"] == 1
    with pytest.raises(AttributeNotFound):
        tracker["no"]
    assert "shape: (4" in str(tracker)
    assert repr(Reader(store)).startswith("Reader(")


def test_cells_in_polars(tracker: Tracker) -> None:
    with use_backend("polars"):
        frame: Any = tracker.to_df()
    assert frame.schema == {
        "track_id": pl.String,
        "timestamp": pl.String,
        "i": pl.Int64,
        "f": pl.Float64,
        "b": pl.Boolean,
        "t": pl.String,
        "late": pl.Float64,
        "m": pl.Object,
        "half": pl.Int64,
        "big": pl.Object,
    }
    assert frame["f"][0] == 0.5
    assert math.isnan(frame["f"][1])
    assert frame["f"].is_null().to_list() == [False, False, False, True]
    assert frame["late"].to_list() == [None, None, 2.5, None]
    assert frame["m"].to_list() == [1, "text", None, None]
    assert frame["big"].to_list() == [None, None, 2**60, 0.5]
    assert frame["timestamp"].to_list() == tracker.to_df()["timestamp"].tolist()
    assert list(frame.columns) == list(tracker.to_df())


def test_many_rows_before_the_first_value(store: Store) -> None:
    with Tracker(store) as tracker, use_backend("polars"):
        tracker.log_batch([{"n": n} for n in range(500)])
        tracker.log({"late": 0.5, "text": "a"})
        frame: Any = tracker.to_df()
        assert frame["late"].drop_nulls().to_list() == [0.5]
        assert frame["text"].drop_nulls().to_list() == ["a"]


def test_bytes(store: Store) -> None:
    with Tracker(store) as tracker, use_backend("polars"):
        tracker.log_batch([{"b": b"\x00\xff"}, {"x": 1}])
        frame: Any = tracker.to_df()
        assert frame.schema["b"] == pl.Binary
        assert frame["b"].to_list() == [b"\x00\xff", None]


def test_empty_tables(store: Store) -> None:
    with Tracker(store) as tracker, use_backend("polars"):
        for frame in (tracker.to_df(), tracker.head(), Reader(store).to_df()):
            assert frame.columns == ["track_id", "timestamp"]
            assert len(frame) == 0


@pytest.mark.parametrize("backend", ["pandas", "polars"])
def test_files(tracker: Tracker, store: Store, tmp_path: Path, backend: Any) -> None:
    with Tracker(store) as other:
        other.log({"i": 9})
    with use_backend(backend):
        tracker.to_csv(tmp_path / "run.csv")
        tracker.to_csv(str(tmp_path / "all.csv"), all=True)
        tracker.to_parquet(tmp_path / "run.parquet")
        tracker.to_parquet(str(tmp_path / "all.parquet"), all=True)
    names = ["track_id", "timestamp", "i", "f", "b", "t", "late", "m", "half", "big"]
    for file, rows in (("run", 4), ("all", 5)):
        as_csv = pd.read_csv(tmp_path / f"{file}.csv")
        as_parquet = pd.read_parquet(tmp_path / f"{file}.parquet")
        for frame in (as_csv, as_parquet):
            assert sorted(frame) == sorted(names)
            assert len(frame) == rows
            assert frame["i"].dropna().tolist()[:3] == [1, 2, 3]
        assert as_parquet["m"].dropna().tolist() == ["1", "text"]


def test_a_pandas_frame_of_any_kind() -> None:
    frame = pd.DataFrame(
        {
            "i": [1, 2],
            "f": [math.nan, 0.5],
            "t": ["a", None],
            "o": [None, {"a": 1}],
            "n": pd.array([1, None], dtype="Int64"),
            7: [True, False],
        }
    )
    assert in_backend(frame) is frame
    with use_backend("polars"):
        there: Any = in_backend(frame)
    assert there.columns == ["i", "f", "t", "o", "n", "7"]
    assert math.isnan(there["f"][0])
    assert there["t"].to_list() == ["a", None]
    assert there["o"].to_list() == [None, {"a": 1}]
    assert there["n"].to_list() == [1, None]


def test_assets_in_polars(tracker: Tracker) -> None:
    with use_backend("polars"):
        row = tracker.log({"array": np.arange(2)})
        assert tracker["array"].to_list()[-1] == row["array"]
        assert tracker.get("array").tolist() == [0, 1]


def test_without_polars() -> None:
    code = """
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "polars" else find_spec(name)
import mooring
try:
    mooring.set_backend("polars")
except mooring.errors.MissingExtra as error:
    print(error)
mooring.set_backend("auto")
print(mooring.get_backend())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "polars is not installed; pip install 'mooring[polars]'",
        "pandas",
    ]
