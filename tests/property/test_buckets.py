"""Buckets against a plain model: every point in its bucket, exact extremes, nothing lost."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.fetch.buckets import bucket_edges, summarize_buckets

STEPS = st.one_of(
    st.integers(-50, 50),
    st.integers(-(10**18), 10**18),
    st.integers(0, 10).map(lambda step: step * 1_000_000),
)
VALUES = st.one_of(
    st.floats(),
    st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 1.7e308, -1.7e308, 5e-324]),
)
SERIES = st.lists(st.dictionaries(STEPS, VALUES, min_size=1, max_size=30), max_size=5)


def model(series, low, high, buckets):
    """Return the summary of each (series, bucket) by the definition, one point at a time."""
    count = 1 if low == high else buckets
    groups = {}
    for number, points in enumerate(series):
        for step in sorted(points):
            if not low <= step <= high:
                continue
            index = 0 if low == high else min((step - low) * count // (high - low), count - 1)
            groups.setdefault((number, index), []).append((step, points[step]))
    return dict(sorted(groups.items()))


def same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right))


@given(SERIES, st.integers(1, 40), st.data())
def test_buckets_are_those_of_the_definition(series, buckets, data):
    every = sorted({step for points in series for step in points})
    low, high = (every[0], every[-1]) if every else (0, 0)
    if every and data.draw(st.booleans(), "wider range"):
        low, high = low - data.draw(st.integers(0, 10**6)), high + data.draw(st.integers(0, 10**6))
    flat = [(n, step, points[step]) for n, points in enumerate(series) for step in sorted(points)]
    cut = summarize_buckets(
        np.array([n for n, _, _ in flat], np.int64),
        np.array([step for _, step, _ in flat], np.int64),
        np.array([value for _, _, value in flat], np.float64),
        low=low,
        high=high,
        buckets=buckets,
    )
    expected = model(series, low, high, buckets)
    assert list(zip(cut.series.tolist(), cut.bucket.tolist(), strict=True)) == list(expected)
    assert cut.count.sum() == len(flat)
    for row, points in enumerate(expected.values()):
        values = [value for _, value in points]
        finite = [(step, value) for step, value in points if math.isfinite(value)]
        assert cut.count[row] == len(points)
        assert cut.finite_count[row] == len(finite)
        assert cut.nan_count[row] == sum(map(math.isnan, values))
        assert cut.positive_inf_count[row] == values.count(math.inf)
        assert cut.negative_inf_count[row] == values.count(-math.inf)
        assert same(cut.first[row], values[0])
        assert same(cut.last[row], values[-1])
        assert cut.step_from[row] <= points[0][0]
        assert points[-1][0] <= cut.step_to[row]
        if not finite:
            assert all(math.isnan(column[row]) for column in (cut.minimum, cut.maximum, cut.mean))
            continue
        lowest, highest = min(v for _, v in finite), max(v for _, v in finite)
        assert cut.minimum[row] == lowest
        assert cut.maximum[row] == highest
        assert cut.minimum_step[row] == next(step for step, value in finite if value == lowest)
        assert cut.maximum_step[row] == next(step for step, value in finite if value == highest)
        mean = sum(Fraction(value) for _, value in finite) / len(finite)
        size = float(max(abs(lowest), abs(highest)))
        assert lowest <= cut.mean[row] <= highest
        assert abs(Fraction(float(cut.mean[row])) - mean) <= Fraction(size) / 10**12 + Fraction(
            5e-324
        ) * len(finite)


@given(st.integers(-(10**18), 10**18), st.integers(1, 10**18), st.integers(1, 200), st.data())
def test_a_boundary_belongs_to_the_bucket_that_begins_there(low, span, buckets, data):
    edges = bucket_edges(low, low + span, buckets)
    assert edges[0] == low
    assert edges[-1] == low + span
    index = data.draw(st.integers(0, buckets - 1))
    edge = int(edges[index])
    cut = summarize_buckets(
        np.zeros(1, np.int64),
        np.array([edge], np.int64),
        np.ones(1),
        low=low,
        high=low + span,
        buckets=buckets,
    )
    held = int(cut.bucket[0])
    assert edges[held] == edge  # where buckets are narrower than a millionth, several begin there
    assert held >= index


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_no_spike_vanishes(size):
    values = np.zeros(size)
    values[size // 2] = 1e9
    steps = np.arange(size, dtype=np.int64)
    for buckets in (1, 2, 3, 7, 500):
        cut = summarize_buckets(
            np.zeros(size, np.int64), steps, values, low=0, high=size - 1, buckets=buckets
        )
        assert cut.maximum.max() == 1e9
        assert cut.maximum_step[cut.maximum.argmax()] == size // 2
