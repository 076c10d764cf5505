"""What is kept of each series."""

from __future__ import annotations

import math
import random

import pytest

from mooring.model import Histogram, RunInfo, SeriesStats
from mooring.query import Aggregate, Field
from mooring.store import Store
from tests.conformance.store.reading import NAN, column, in_every_state, plain


def stats_of(points: dict[float, float]) -> SeriesStats:
    """Return what has to be kept of points by step, computed the plain way."""
    steps = sorted(points)
    finite = [step for step in steps if math.isfinite(points[step])]
    low = min(finite, key=lambda step: points[step], default=None)
    high = max(finite, key=lambda step: points[step], default=None)
    return SeriesStats(
        count=len(steps),
        first_step=round(steps[0] * 1_000_000),
        last_step=round(steps[-1] * 1_000_000),
        first=plain(points[steps[0]]),
        last=plain(points[steps[-1]]),
        last_time=0,
        minimum=None if low is None else points[low],
        minimum_step=None if low is None else round(low * 1_000_000),
        maximum=None if high is None else points[high],
        maximum_step=None if high is None else round(high * 1_000_000),
        sum=pytest.approx(math.fsum(points[step] for step in finite), rel=1e-12, abs=1e-9),
        sum_squares=pytest.approx(
            math.fsum(points[step] * points[step] for step in finite), rel=1e-12
        ),
        nan_count=sum(math.isnan(value) for value in points.values()),
        positive_inf_count=sum(value == math.inf for value in points.values()),
        negative_inf_count=sum(value == -math.inf for value in points.values()),
    )


def kept(store: Store, key: int, path: str) -> SeriesStats:
    """Return what the store keeps, with NaN as text and the time left out."""
    found = store.get_stats(key, path)
    names = {name: plain(getattr(found, name)) for name in SeriesStats.__slots__}
    return SeriesStats(**{**names, "last_time": 0})


CASES = {
    "one": {3: 0.5},
    "one NaN": {3: math.nan},
    "one +Inf": {3: math.inf},
    "one -Inf": {3: -math.inf},
    "ascending": {0: 1.0, 1: 2.0, 2: 3.0},
    "NaN first and last": {0: math.nan, 1: 2.0, 2: -3.0, 3: math.nan},
    "Inf first and last": {0: math.inf, 1: 2.0, 2: -math.inf, 3: 7.0, 4: -math.inf},
    "nothing finite": {0: math.inf, 1: -math.inf, 2: math.nan, 3: math.nan},
    "equal extremes": {0: 1.0, 1: 5.0, 2: 5.0, 3: 1.0, 4: 1.0},
    "negative steps": {-2: 4.0, -1.5: -4.0, 0: 0.0},
    "zero": {0: 0.0, 1: 0.0},
    "huge": {0: 1e308, 1: -1e308},
}


@pytest.mark.parametrize("name", CASES)
def test_in_one_go_and_point_by_point(store: Store, run: RunInfo, name: str) -> None:
    writer = store.open_writer(run.key)
    for step, value in CASES[name].items():
        writer.log({"at once": value}, step=step)
    for step, value in CASES[name].items():
        writer.log({"one by one": value}, step=step)
        store.get_value(run.key, "one by one")
    expected = stats_of(CASES[name])
    if name == "huge":
        expected = SeriesStats(
            **{
                **{each: getattr(expected, each) for each in SeriesStats.__slots__},
                "sum": 0.0,
                "sum_squares": math.inf,
            }
        )

    def check() -> None:
        assert kept(store, run.key, "at once") == expected
        assert kept(store, run.key, "one by one") == expected

    in_every_state(store, check)


def test_points_out_of_order_and_twice(store: Store, run: RunInfo) -> None:
    """Replaced points count no more, neither in sums nor in extremes nor as NaN."""
    writer = store.open_writer(run.key)
    truth: dict[float, float] = {}
    chance = random.Random(7)
    for i in range(300):
        step = chance.randrange(40) / 4
        value = chance.choice([chance.gauss(0, 10), 1000.0, -1000.0, math.nan, math.inf, -math.inf])
        truth[step] = value
        writer.log({"x": value}, step=step)
        if i % 23 == 0:
            assert kept(store, run.key, "x") == stats_of(truth)
        if i % 71 == 0:
            store.compact()
    in_every_state(store, lambda: _equal(kept(store, run.key, "x"), stats_of(truth)))


def test_a_replaced_extreme_is_forgotten(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    for step, value in ((0, 1.0), (1, 99.0), (2, math.nan), (3, -99.0), (4, 2.0)):
        writer.log({"x": value}, step=step)
    assert store.get_stats(run.key, "x").maximum == 99.0
    for step, value in ((1, 3.0), (2, 4.0), (3, 5.0)):
        writer.log({"x": value}, step=step)
    truth = {0: 1.0, 1: 3.0, 2: 4.0, 3: 5.0, 4: 2.0}
    in_every_state(store, lambda: _equal(kept(store, run.key, "x"), stats_of(truth)))


def test_equal_values_name_the_first_step(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    for step in range(4):
        writer.log({"x": 1.0}, step=step)
        store.get_value(run.key, "x")
    stats = store.get_stats(run.key, "x")
    assert (stats.minimum_step, stats.maximum_step) == (0, 0)


def test_large_series(store: Store, run: RunInfo) -> None:
    values = [math.sin(i / 100) * 1e6 for i in range(2_000)]
    values[777] = math.nan
    writer = store.open_writer(run.key)
    for i, value in enumerate(values):
        writer.log({"x": value}, step=i)
        if i == 999:
            store.compact()
    expected = stats_of(dict(enumerate(values)))
    in_every_state(store, lambda: _equal(kept(store, run.key, "x"), expected))


def test_other_series_keep_what_they_can(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    first, last = Histogram((0.0, 1.0), (1.0,)), Histogram((0.0, 1.0), (2.0,))
    for step, (text, histogram) in enumerate([("b", first), ("z", last), ("a", last)]):
        writer.log({"s": text, "h": histogram}, step=step, time=step)
    writer.log({"s": "c"}, step=1, time=9)

    def check() -> None:
        stats = store.get_stats(run.key, "s")
        assert stats == SeriesStats(
            count=3, first_step=0, last_step=2_000_000, first="b", last="a", last_time=2
        )
        stats = store.get_stats(run.key, "h")
        assert (stats.count, stats.first, stats.last, stats.minimum) == (3, first, last, None)

    in_every_state(store, check)


def test_derived_numbers(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    for step, value in enumerate([1.0, 2.0, math.nan, 6.0, math.inf]):
        writer.log({"x": value, "n": math.nan}, step=step)
    stats = store.get_stats(run.key, "x")
    assert (stats.finite_count, stats.average) == (3, 3.0)
    assert stats.variance == pytest.approx(14 / 3)
    assert stats.deviation == pytest.approx(math.sqrt(14 / 3))
    stats = store.get_stats(run.key, "n")
    assert (stats.finite_count, stats.average, stats.variance) == (0, None, None)


def test_aggregates_by_column(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    for step, value in enumerate([1.0, 2.0, math.nan, 6.0, math.inf, -4.0]):
        writer.log({"x": value, "n": math.nan, "t": str(step)}, step=step / 2)
    expected = {
        Aggregate.FIRST: 1.0,
        Aggregate.LAST: -4.0,
        Aggregate.MIN: -4.0,
        Aggregate.MAX: 6.0,
        Aggregate.SUM: 5.0,
        Aggregate.AVERAGE: 1.25,
        Aggregate.VARIANCE: pytest.approx(57 / 4 - 1.25**2),
        Aggregate.COUNT: 6,
        Aggregate.LAST_STEP: 2.5,
        None: -4.0,
    }

    def check() -> None:
        for aggregate, value in expected.items():
            assert column(store, [run.key], Field("x", None, aggregate)) == {0: value}, aggregate
        for aggregate in (Aggregate.FIRST, Aggregate.LAST):
            assert column(store, [run.key], Field("n", None, aggregate)) == {0: NAN}
        assert column(store, [run.key], Field("t", None, Aggregate.COUNT)) == {0: 6}
        assert column(store, [run.key], Field("t", None, Aggregate.FIRST)) == {0: "0"}

    in_every_state(store, check)


def _equal(found: object, expected: object) -> None:
    assert found == expected
