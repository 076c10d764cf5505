"""Columns of a frame have the narrowest type that holds their cells exactly."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from mooring.store.contract import EventTable
from mooring.tracker.frames import to_frame, to_row, to_series


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2], "int64"),
        ([1, None], "Int64"),
        ([2**62 + 1, None], "Int64"),
        ([1, 2.5], "float64"),
        ([1.0, None, math.nan], "float64"),
        ([True, False], "bool"),
        ([True, None], "boolean"),
        ([True, 1], "object"),
        ([2**62 + 1, 0.5], "object"),
        ([1, "a"], "object"),
        ([None, None], "object"),
        ([], "object"),
    ],
)
def test_types(values: list[Any], dtype: str) -> None:
    series = to_series(values)
    assert series.dtype == dtype
    kept = [None if pd.isna(value) else value for value in series.tolist()]
    assert kept == [None if value is None or value != value else value for value in values]


def test_texts() -> None:
    series = to_series(["a", None, ""])
    assert series[0] == "a"
    assert pd.isna(series[1])
    assert series[2] == ""


def test_frame_and_row() -> None:
    table = EventTable(
        sequence=[1, 2],
        runs=[7, 8],
        times=[0, 1],
        columns={"b": [1.0, None], "a": [math.nan, 2], "track_id": ["x", "y"]},
    )
    ids = {7: "one", 8: "two"}
    frame = to_frame(table, ids)
    assert list(frame.columns) == ["track_id", "timestamp", "b", "a"]
    assert frame["track_id"].tolist() == ["one", "two"]
    row = to_row(table, ids, 1)
    assert list(row) == ["a", "timestamp", "track_id"]
    assert row["track_id"] == "two"


def test_no_rows() -> None:
    frame = to_frame(EventTable(sequence=[], runs=[], times=[], columns={}), {})
    assert list(frame.columns) == ["track_id", "timestamp"]
    assert len(frame) == 0
