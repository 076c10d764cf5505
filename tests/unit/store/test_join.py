"""Pieces of a series are joined by step; the later one wins."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mooring.model import AttributeType
from mooring.store.sqlite.series import Series, join

points = st.lists(st.tuples(st.integers(-5, 5), st.floats()), min_size=1, max_size=8)


def piece(given: list[tuple[int, float]], run: int = 1, start: int = 0) -> Series:
    steps, values = zip(*given, strict=True)
    return Series(
        run,
        7,
        AttributeType.FLOAT_SERIES,
        np.array(steps, np.int64),
        np.arange(start, start + len(steps)),
        np.array(values, np.float64),
    )


@given(st.lists(points, min_size=1, max_size=5))
def test_the_last_at_a_step_wins(given: list[list[tuple[int, float]]]) -> None:
    pieces = [piece(each, start=100 * i) for i, each in enumerate(given)]
    before = [each.steps.copy() for each in pieces]
    joined = join(pieces, 2)
    expected: dict[int, tuple[int, float]] = {}
    for i, each in enumerate(given):
        for j, (step, value) in enumerate(each):
            expected[step] = (100 * i + j, value)
    assert (joined.run, joined.path) == (2, 7)
    assert joined.steps.tolist() == sorted(expected)
    assert joined.times.tolist() == [expected[step][0] for step in sorted(expected)]
    assert np.array_equal(
        joined.values, [expected[step][1] for step in sorted(expected)], equal_nan=True
    )
    assert all(np.array_equal(a, b.steps) for a, b in zip(before, pieces, strict=True))


def test_one_ordered_piece_is_not_copied() -> None:
    one = piece([(1, 1.0), (2, 2.0)])
    assert join([one], 1) is one
    assert join([one], 2).steps is one.steps


@given(points, st.none() | st.integers(-6, 6), st.none() | st.integers(-6, 6))
def test_ranges_include_both_ends(
    given: list[tuple[int, float]], low: int | None, high: int | None
) -> None:
    series = join([piece(given)], 1)
    expected = [
        step
        for step in series.steps.tolist()
        if (low is None or step >= low) and (high is None or step <= high)
    ]
    assert series.between(low, high).steps.tolist() == expected
    assert series.tail(2).steps.tolist() == series.steps.tolist()[-2:]
    assert series.tail(0).steps.tolist() == []
