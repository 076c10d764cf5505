"""Frames of points: types, labels, step ranges, buckets."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mooring.errors import InvalidInput, InvalidStep
from mooring.fetch.formats import FrameFormat
from mooring.fetch.points import buckets_frame, metrics_frame, parse_step_range, series_frame
from mooring.model import FileRef, Histogram

PANDAS, POLARS, ARROW = FrameFormat.PANDAS, FrameFormat.POLARS, FrameFormat.ARROW
NAMES = {7: "run-a", 3: "run-b"}


def table(rows, value_type=None, completion=None):
    """Return points as a store does, from (run, path, step, time, value)."""
    runs, paths, steps, times, values = map(list, zip(*rows, strict=True)) if rows else [[]] * 5
    columns = {
        "run": pa.array(runs, pa.int64()).dictionary_encode(),
        "path": pa.array(paths, pa.string()).dictionary_encode(),
        "step": pa.array([round(step * 1e6) for step in steps], pa.int64()),
        "time": pa.array(times, pa.int64()),
        "value": pa.array(values, value_type or pa.float64()),
    }
    if completion is not None:
        columns["completion"] = pa.array(completion, pa.float32())
    return pa.table(columns)


ROWS = [
    (7, "loss", 0.5, 1_700_000_000_000_001, 1.0),
    (7, "loss", 1.0, 1_700_000_000_000_002, math.nan),
    (7, "acc", 1.0, 1_700_000_000_000_003, 0.25),
    (3, "loss", -2.0, 1_700_000_000_000_004, math.inf),
]


def test_metrics_are_long_with_categories():
    frame = metrics_frame(table(ROWS), NAMES, PANDAS)
    assert [(name, str(dtype)) for name, dtype in frame.dtypes.items()] == [
        ("run", "category"),
        ("path", "category"),
        ("step", "float64"),
        ("timestamp", "datetime64[us, UTC]"),
        ("value", "float64"),
    ]
    assert frame["run"].tolist() == ["run-a", "run-a", "run-a", "run-b"]
    assert frame["run"].cat.categories.tolist() == ["run-a", "run-b"]
    assert frame["path"].tolist() == ["loss", "loss", "acc", "loss"]
    assert frame["path"].cat.categories.tolist() == ["acc", "loss"]
    assert frame["step"].tolist() == [0.5, 1.0, 1.0, -2.0]
    assert frame["timestamp"][0] == pd.Timestamp(1_700_000_000_000_001, unit="us", tz="UTC")
    assert frame["value"].tolist()[2:] == [0.25, math.inf]
    assert math.isnan(frame["value"][1])


def test_points_in_several_chunks_with_dictionaries_of_their_own():
    points = pa.concat_tables([table(ROWS[:2]), table(ROWS[2:])])
    assert points.column("path").num_chunks == 2
    frame = metrics_frame(points, NAMES, PANDAS)
    assert frame["path"].tolist() == ["loss", "loss", "acc", "loss"]


def test_labels_hold_only_what_points_have():
    frame = metrics_frame(table(ROWS).slice(3), NAMES, PANDAS)
    assert frame["run"].cat.categories.tolist() == ["run-b"]
    assert frame["path"].cat.categories.tolist() == ["loss"]


@pytest.mark.parametrize("count", [1, 127, 128, 129, 300])
def test_any_number_of_runs_and_paths(count):
    rows = [(run, f"p{run:03}", 0, 0, 0.0) for run in range(count)]
    frame = metrics_frame(table(rows), {run: f"r{run}" for run in range(count)}, PANDAS)
    assert frame["run"].tolist() == [f"r{run}" for run in range(count)]
    assert frame["path"].tolist() == [f"p{run:03}" for run in range(count)]


@pytest.mark.parametrize("rows", [ROWS, []])
def test_every_format_has_the_same_columns(rows):
    frames = [metrics_frame(table(rows), NAMES, each) for each in FrameFormat]
    assert isinstance(frames[1], pl.DataFrame)
    assert isinstance(frames[2], pa.Table)
    assert frames[2].schema.field("timestamp").type == pa.timestamp("us", tz="UTC")
    names = ["run", "path", "step", "timestamp", "value"]
    for frame in frames:
        assert len(frame) == len(rows)
        columns = frame.column_names if isinstance(frame, pa.Table) else list(frame.columns)
        assert columns == names
    assert frames[1]["run"].to_list() == frames[0]["run"].tolist()
    assert frames[2]["step"].to_pylist() == frames[0]["step"].tolist()


def test_frames_can_be_changed_without_changing_the_store():
    points = table(ROWS)
    frame = metrics_frame(points, NAMES, PANDAS)
    frame.loc[0, "value"] = 5.0
    frame.loc[0, "step"] = 5.0
    frame.loc[0, "timestamp"] = frame.loc[1, "timestamp"]
    assert points["value"][0].as_py() == 1.0
    assert points["time"][0].as_py() == 1_700_000_000_000_001


def test_one_series_has_step_value_and_timestamp():
    points = table(ROWS[:2])
    assert list(series_frame(points, PANDAS).columns) == ["step", "value", "timestamp"]
    assert list(series_frame(points, PANDAS, include_timestamp=False)) == ["step", "value"]
    empty = series_frame(points.slice(0, 0), PANDAS)
    assert list(empty.columns) == ["step", "value", "timestamp"]
    assert empty["value"].dtype == "float64"


def test_previews_show_how_complete_they_are():
    points = table(ROWS[:2], completion=[None, 0.5])
    frame = series_frame(points, PANDAS, include_previews=True)
    assert list(frame.columns) == ["step", "value", "timestamp", "preview", "completion_ratio"]
    assert frame["preview"].tolist() == [False, True]
    assert frame["completion_ratio"].tolist() == [1.0, 0.5]
    long = metrics_frame(points, NAMES, POLARS, include_previews=True)
    assert long["preview"].to_list() == [False, True]


def test_values_of_other_series_are_texts_and_objects():
    texts = series_frame(table([(7, "out", 0, 0, "line")], pa.string()), PANDAS)
    assert texts["value"].tolist() == ["line"]
    file_type = pa.struct(
        [
            ("digest", pa.string()),
            ("size_bytes", pa.int64()),
            ("mime_type", pa.string()),
            ("name", pa.string()),
        ]
    )
    file = {"digest": "ab", "size_bytes": 3, "mime_type": "image/png", "name": "a.png"}
    files = series_frame(table([(7, "f", 0, 0, file)], file_type), PANDAS)
    assert files["value"].tolist() == [FileRef("ab", 3, "image/png", "a.png")]
    histogram_type = pa.struct(
        [
            ("kind", pa.string()),
            ("edges", pa.list_(pa.float64())),
            ("values", pa.list_(pa.float64())),
        ]
    )
    histogram = {"kind": "DENSITY", "edges": [0.0, 1.0], "values": [1.0]}
    rows = [(7, "h", 0, 0, histogram)]
    histograms = series_frame(table(rows, histogram_type), PANDAS)
    assert histograms["value"].tolist() == [Histogram((0.0, 1.0), (1.0,), "DENSITY")]
    assert series_frame(table(rows, histogram_type), ARROW)["value"].to_pylist() == [histogram]


def test_buckets_are_one_row_a_run_path_and_bucket():
    rows = [(7, "loss", step, 0, float(step)) for step in range(10)]
    rows += [(3, "loss", step, 0, -1.0) for step in (0, 9)]
    frame = buckets_frame(table(rows), NAMES, PANDAS, buckets=3, low=None, high=None)
    assert frame["run"].tolist() == ["run-a"] * 3 + ["run-b"] * 2
    assert frame["bucket"].tolist() == [0, 1, 2, 0, 2]
    assert frame["step_from"].tolist() == [0, 3, 6, 0, 6]
    assert frame["step_to"].tolist() == [3, 6, 9, 3, 9]
    assert frame["count"].tolist() == [3, 3, 4, 1, 1]
    assert frame["max"].tolist() == [2, 5, 9, -1, -1]
    assert frame["max_step"].tolist() == [2, 5, 9, 0, 9]
    assert frame["mean"].tolist() == [1, 4, 7.5, -1, -1]


def test_buckets_of_a_given_range_do_not_depend_on_the_points():
    frame = buckets_frame(
        table([(7, "loss", 5, 0, 1.0)]), NAMES, PANDAS, buckets=4, low=0, high=8_000_000
    )
    assert frame[["bucket", "step_from", "step_to"]].values.tolist() == [[2, 4.0, 6.0]]


def test_buckets_without_a_finite_point_say_so():
    frame = buckets_frame(table(ROWS), NAMES, PANDAS, buckets=1, low=None, high=None)
    last = frame.iloc[-1]
    assert (last["run"], last["count"], last["positive_inf_count"]) == ("run-b", 1, 1)
    assert np.isnan(last[["min", "min_step", "max", "max_step", "mean"]].astype(float)).all()
    assert last["first"] == math.inf


@pytest.mark.parametrize("format", list(FrameFormat))
def test_buckets_without_points_are_an_empty_frame(format):
    frame = buckets_frame(table([]), {}, format, buckets=3, low=None, high=None)
    assert len(frame) == 0


def test_step_ranges():
    assert parse_step_range(None) == (None, None)
    assert parse_step_range((0.1, None)) == (100_000, None)
    assert parse_step_range([None, 2]) == (None, 2_000_000)
    with pytest.raises(InvalidInput, match="pair"):
        parse_step_range((1, 2, 3))
    with pytest.raises(InvalidInput, match="ends before it begins"):
        parse_step_range((2, 1))
    with pytest.raises(InvalidStep):
        parse_step_range((math.nan, None))
