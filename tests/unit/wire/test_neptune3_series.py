"""Points and buckets as bytes are the messages that they stand for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import InvalidInput
from mooring.wire.neptune3.buckets import bucket_bounds, bucket_of, decode_buckets, decode_formula
from mooring.wire.neptune3.packed import pack_records
from mooring.wire.neptune3.schema import message
from mooring.wire.neptune3.series import (
    decode_question,
    encode_float_answer,
    encode_points,
)
from mooring.wire.neptune3.steps import first_from, last_to, shown

MICROS = st.integers(-(10**18), 10**18)
INT64 = st.integers(-(2**63), 2**63 - 1)


@given(
    st.lists(
        st.tuples(MICROS, INT64, st.floats(), st.none() | st.floats(0, 1, width=32)), max_size=9
    )
)
def test_points_are_the_messages_they_stand_for(points):
    steps, times, values, ratios = (
        (list(part) for part in zip(*points, strict=True)) if points else ([],) * 4
    )
    previews = any(ratio is not None for ratio in ratios)
    rows = encode_points(
        np.array(steps, np.int64),
        np.array(times, np.int64),
        np.array(values, np.float64),
        np.array([math.nan if r is None else r for r in ratios], float) if previews else None,
    )
    data = encode_float_answer([("a", 12, rows), ("ü", 0, rows[:0])])
    first, second = message("ProtoFloatSeriesValuesResponseDTO").FromString(data).series
    assert (first.requestId, first.series.total_item_count) == ("a", 12)
    assert (second.requestId, len(second.series.values)) == ("ü", 0)
    assert len(first.series.values) == len(points)
    for told, (step, time, value, ratio) in zip(first.series.values, points, strict=True):
        assert told.timestamp_millis == time // 1000
        assert told.step == step / 1e6
        assert told.value == value or (math.isnan(told.value) and math.isnan(value))
        assert told.is_preview == (ratio is not None)
        assert told.completion_ratio == (1.0 if ratio is None else ratio)


@given(st.lists(INT64, min_size=1, max_size=6), st.booleans())
def test_whole_numbers_of_every_length(numbers, last):
    columns = [(1, np.array(numbers))] + ([] if last else [(2, np.zeros(len(numbers)))])
    rows = pack_records(columns, len(numbers))
    read = message("ProtoFloatPointValueDTO")
    assert [read.FromString(row.tobytes()).timestamp_millis for row in rows] == numbers


def test_many_points_are_packed_in_parts():
    count = 70_000
    rows = encode_points(np.arange(count) * 10**6, np.arange(count) * 1000, np.arange(count) / 2)
    read = message("ProtoFloatSeriesValuesResponseDTO")
    values = read.FromString(encode_float_answer([("", count, rows)])).series[0].series.values
    assert [point.step for point in values] == list(range(count))
    assert [point.timestamp_millis for point in values] == list(range(count))


@given(MICROS, st.integers(-300, 300))
def test_bounds_are_exact_for_what_readers_see(micros, apart):
    step, other = shown(micros), micros + apart
    if abs(other) <= 10**18:
        assert (other >= first_from(step)) == (shown(other) >= step)
        assert (other >= first_from(step, exclusive=True)) == (shown(other) > step)
        assert (other <= last_to(step)) == (shown(other) <= step)
        assert (other <= last_to(step, exclusive=True)) == (shown(other) < step)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"requests": {}},
        {"requests": [1]},
        {"requests": [{"requestId": "1"}]},
        {
            "requests": [
                {"requestId": 1, "series": {"attribute": "a", "holder": {"identifier": "b"}}}
            ]
        },
        {"requests": [{"requestId": "1", "series": {"attribute": "a", "holder": "b"}}]},
        {"order": "sideways"},
        {"order": []},
        {"stepRange": {"from": "1"}},
        {"stepRange": [1]},
        {"perSeriesPointsLimit": -1},
        {"perSeriesPointsLimit": 1.5},
    ],
)
def test_what_is_no_question_is_refused(body):
    with pytest.raises(InvalidInput):
        decode_question(body)


@pytest.mark.parametrize("lineage", ["SOME", 3, ["FULL"]])
def test_unknown_lineages_are_refused(lineage):
    series = {"attribute": "a", "holder": {"identifier": "b"}, "lineage": lineage}
    with pytest.raises(InvalidInput, match="lineage"):
        decode_question({"requests": [{"requestId": "1", "series": series}]})


@given(st.text(min_size=1))
def test_formulas_name_any_path(path):
    escaped = path.translate({ord(mark): f"\\{mark}" for mark in "\\${}"})
    assert decode_formula("${" + escaped + "}") == path


@pytest.mark.parametrize("formula", ["", "loss", "${}", "${a} + 1", "${a${b}}", "${a\\n}"])
def test_other_formulas_are_refused(formula):
    with pytest.raises(InvalidInput):
        decode_formula(formula)


@given(
    st.floats(-1e12, 1e12), st.floats(0, 1e6), st.integers(2, 30), st.lists(st.floats(-1e12, 1e12))
)
def test_buckets_are_closed_on_the_right(low, span, count, steps):
    bounds = bucket_bounds(low, low + span, count)
    steps = [*steps, low, low + span]
    for step, index in zip(steps, bucket_of(np.array(steps), bounds).tolist(), strict=True):
        if len(bounds) == 2:
            assert index == (0 if step >= low else -1)
        else:
            assert bounds[index] < step <= bounds[index + 1]


@pytest.mark.parametrize(
    "view",
    [
        {"maxBuckets": 0},
        {"maxBuckets": 20_000},
        {"maxBuckets": 5, "from": math.nan},
        {"maxBuckets": 5, "to": math.inf},
        {"maxBuckets": 5, "from": 3.0, "to": 2.0},
        {"maxBuckets": 5, "xScale": 1},
        {"maxBuckets": 5, "xAxis": {"epochMillis": {}}},
    ],
)
def test_views_that_are_none_are_refused(view):
    asked = message("ProtoGetTimeseriesBucketsRequest")(view=view)
    with pytest.raises(InvalidInput):
        decode_buckets(asked.SerializeToString())
    with pytest.raises(InvalidInput, match="no request"):
        decode_buckets(b"\xff\xff")
