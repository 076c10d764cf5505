"""TensorBoard's histograms as ours."""

from __future__ import annotations

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.exchange.event_files.histograms import (
    NO_WIDTH,
    ONE_VALUE,
    OPEN_ENDS,
    Converted,
    from_bins,
    from_limits,
)
from mooring.model import Histogram

HUGE = sys.float_info.max


def test_bins_that_ascend_come_as_they_are() -> None:
    bins = [[-1.0, 0.0, 2.0], [0.0, 0.5, 0.0], [0.5, 3.0, 7.0]]
    assert from_bins(bins) == Converted([-1.0, 0.0, 0.5, 3.0], [2.0, 0.0, 7.0])


def test_equal_values_have_one_narrow_bin() -> None:
    bins = [[2.0, 2.0, 0.0]] * 29 + [[2.0, 2.0, 10.0]]
    assert from_bins(bins) == Converted([2.0, math.nextafter(2.0, 3.0)], [10.0], ONE_VALUE)


def test_counts_without_width_go_to_the_bin_beside() -> None:
    assert from_bins([[0.0, 0.0, 1.0], [0.0, 1.0, 2.0], [1.0, 1.0, 4.0]]) == Converted(
        [0.0, 1.0], [7.0], NO_WIDTH
    )
    assert from_bins([[0.0, 1.0, 0.0]]) == Converted([0.0, 1.0], [0.0])
    assert from_bins([[0.0, 0.0, 0.0], [0.0, 1.0, 2.0]]) == Converted([0.0, 1.0], [2.0])


def test_a_gap_is_an_empty_bin() -> None:
    assert from_bins([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]) == Converted(
        [0.0, 1.0, 3.0, 4.0], [2.0, 0.0, 5.0]
    )


@pytest.mark.parametrize(
    ("bins", "why"),
    [
        ([], "no values"),
        ([[0.0, 0.0, 0.0]], "no values"),
        ([[0.0, 2.0, 1.0], [1.0, 3.0, 1.0]], "overlap"),
        ([[2.0, 1.0, 1.0]], "ascend"),
        ([[0.0, math.inf, 1.0]], "finite"),
        ([[math.nan, 1.0, 1.0]], "finite"),
        ([[0.0, 1.0, -1.0]], "negative"),
    ],
)
def test_what_is_no_histogram_is_told(bins: list[list[float]], why: str) -> None:
    found = from_bins(bins)
    assert isinstance(found, str)
    assert why in found


def test_the_old_form_has_right_edges_only() -> None:
    # What TensorFlow writes: the first bin reaches down to -DBL_MAX, the last one up to DBL_MAX.
    assert from_limits([0.0, 1.0, 2.0], [0.0, 1.0, 2.0], 0.1, 2.0) == Converted(
        [0.0, 1.0, 2.0], [1.0, 2.0]
    )
    assert from_limits([-1.0, 1.0, HUGE], [3.0, 1.0, 2.0], -7.0, 9.0) == Converted(
        [-7.0, -1.0, 1.0, 9.0], [3.0, 1.0, 2.0], OPEN_ENDS
    )
    assert from_limits([1.0, HUGE], [4.0, 0.0], 0.5, 1.0) == Converted([0.5, 1.0], [4.0])
    assert from_limits([-HUGE, 1.0], [0.0, 4.0], 0.5, 1.0) == Converted(
        [0.5, 1.0], [4.0], OPEN_ENDS
    )


def test_the_old_form_of_equal_values() -> None:
    found = from_limits([2.0], [10.0], 2.0, 2.0)
    assert found == Converted([2.0, math.nextafter(2.0, 3.0)], [10.0], ONE_VALUE)


@pytest.mark.parametrize(("limits", "counts"), [([1.0], [1.0, 2.0]), ([], []), ([1.0], [0.0])])
def test_an_old_form_without_sense_is_told(limits: list[float], counts: list[float]) -> None:
    assert isinstance(from_limits(limits, counts, 0.0, 1.0), str)


NUMBERS = st.one_of(
    st.sampled_from([0.0, 1.0, 1.0, 2.0, HUGE, -HUGE, math.inf, -math.inf, math.nan, 5e-324]),
    st.floats(-10, 10),
)
COUNTS = st.sampled_from([0.0, 0.0, 1.0, 2.0, 0.5])


@given(st.lists(st.tuples(NUMBERS, COUNTS), max_size=6), NUMBERS, NUMBERS, st.booleans())
def test_what_comes_out_is_a_histogram_with_every_count(
    bins: list[tuple[float, float]], low: float, high: float, in_order: bool
) -> None:
    edges = [edge for edge, _ in bins]
    if in_order:
        edges.sort()
    counts = [count for _, count in bins]
    old = from_limits(edges, counts, low, high)
    new = from_bins([list(bin) for bin in zip(edges[:-1], edges[1:], counts[1:], strict=True)])
    for found, told in ((old, counts), (new, counts[1:])):
        if not isinstance(found, str):
            Histogram(edges=tuple(found.edges), values=tuple(found.counts))
            assert math.isclose(sum(found.counts), sum(told))
