"""Columns of a frame have the narrowest type that holds their cells exactly."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mooring.store.contract import EventTable
from mooring.store.tables import column_of, empty
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
    series = _series(values)
    assert series.dtype == dtype
    kept = [None if pd.isna(value) else value for value in series.tolist()]
    assert kept == [None if value is None or value != value else value for value in values]


def test_texts() -> None:
    series = _series(["a", None, ""])
    assert series[0] == "a"
    assert pd.isna(series[1])
    assert series[2] == ""


def _series(values: list[Any]) -> pd.Series:
    field, column = column_of("x", [["n", "nan"] if v != v else v for v in values])
    return to_series(field, pa.chunked_array([column]))


def test_frame_and_row() -> None:
    built = [
        column_of(name, cells)
        for name, cells in {"b": [1.0, None], "a": [math.nan, 2], "track_id": ["x", "y"]}.items()
    ]
    cells = pa.table([column for _, column in built], schema=pa.schema([f for f, _ in built]))
    table = EventTable(
        sequence=np.array([1, 2]), runs=np.array([7, 8]), times=np.array([0, 1]), cells=cells
    )
    ids = {7: "one", 8: "two"}
    frame = to_frame(table, ids)
    assert list(frame.columns) == ["track_id", "timestamp", "b", "a"]
    assert frame["track_id"].tolist() == ["one", "two"]
    row = to_row(table, ids, 1)
    assert list(row) == ["a", "timestamp", "track_id"]
    assert row["track_id"] == "two"


def test_no_rows() -> None:
    none = np.empty(0, np.int64)
    frame = to_frame(EventTable(sequence=none, runs=none, times=none, cells=empty(0)), {})
    assert list(frame.columns) == ["track_id", "timestamp"]
    assert len(frame) == 0
