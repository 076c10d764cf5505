"""Previews: provisional points, kept apart from final ones."""

from __future__ import annotations

import math

import pytest

from mooring.errors import AttributeNotFound, InvalidValue, TypeConflict
from mooring.model import AttributeType, RunInfo
from mooring.store import Store
from tests.conformance.store.reading import FLOATS, NAN, in_every_state, points, table


def previews(store: Store, key: int, **query: object) -> list[tuple[float, object, object]]:
    """Return (step, value, completion) of the series `x`."""
    found = table(store, [key], "x", include_previews=True, **query)
    rows = zip(
        points(store, key, "x", include_previews=True, **query),
        found["completion"].to_pylist(),
        strict=True,
    )
    return [(step, value, ratio) for (step, value), ratio in rows]


def test_they_are_seen_on_request_only(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    writer.log({"x": 1.0}, step=1)
    writer.log({"x": 2.0}, step=2, preview_completion=0.25, time=77)
    writer.log({"x": 3.0}, step=3, preview_completion=0.5)

    def check() -> None:
        assert points(store, run.key, "x") == [(1, 1.0)]
        assert previews(store, run.key) == [(1, 1.0, None), (2, 2.0, 0.25), (3, 3.0, 0.5)]
        assert previews(store, run.key, step_from=2_000_000, step_to=2_500_000) == [(2, 2.0, 0.25)]
        assert previews(store, run.key, tail=1) == [(3, 3.0, 0.5)]
        assert table(store, [run.key], "x", include_previews=True)["time"][1].as_py() == 77
        stats = store.get_stats(run.key, "x")
        assert (stats.count, stats.last, stats.maximum) == (1, 1.0, 1.0)
        assert store.get_value(run.key, "x") == (FLOATS, 1.0)

    in_every_state(store, check)


def test_the_last_preview_of_a_step_stands(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    for ratio in (0.1, 0.9, 0.4):
        writer.log({"x": ratio * 10}, step=1, preview_completion=ratio)
    expected = [(1, 4.0, 0.4)]
    in_every_state(store, lambda: _equal(previews(store, run.key), expected))


@pytest.mark.parametrize("first_read", [False, True])
def test_final_points_override(store: Store, run: RunInfo, first_read: bool) -> None:
    writer = store.open_writer(run.key)
    for step in (1, 2, 3):
        writer.log({"x": 0.0}, step=step, preview_completion=0.5)
    if first_read:
        assert len(previews(store, run.key)) == 3
    writer.log({"x": 9.0}, step=2)
    writer.log({"x": 1.0}, step=1.5, preview_completion=0.9)  # too late
    expected = [(2, 9.0, None), (3, 0.0, 0.5)]
    in_every_state(store, lambda: _equal(previews(store, run.key), expected))


def test_points_written_in_bulk_override(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    for step in (1, 2, 3):
        writer.log({"x": 0.0}, step=step, preview_completion=0.5)
    store.write_points(run.key, "x", steps=[0, 2], values=[5.0, 6.0])
    expected = [(0, 5.0, None), (2, 6.0, None), (3, 0.0, 0.5)]
    in_every_state(store, lambda: _equal(previews(store, run.key), expected))


def test_a_series_of_previews_alone(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    writer.log({"x": 1.0}, step=1, preview_completion=0)

    def check() -> None:
        assert points(store, run.key, "x") == []
        assert previews(store, run.key) == [(1, 1.0, 0.0)]
        assert store.get_value(run.key, "x") == (FLOATS, None)
        assert store.get_stats(run.key, "x").count == 0

    in_every_state(store, check)
    with pytest.raises(TypeConflict):
        writer.log({"x": "text"}, step=2)
    writer.log({"x": 2.0}, step=2)
    assert previews(store, run.key) == [(2, 2.0, None)]
    assert store.get_stats(run.key, "x").count == 1


@pytest.mark.parametrize(
    ("given", "kept"),
    [(0, 0.0), (1, 1.0), (-3, 0.0), (7.5, 1.0), (0.125, 0.125), (math.nan, 0.0), (math.inf, 1.0)],
)
def test_the_ratio_is_between_0_and_1(
    store: Store, run: RunInfo, given: float, kept: float
) -> None:
    store.open_writer(run.key).log({"x": 1.0}, step=1, preview_completion=given)
    assert previews(store, run.key) == [(1, 1.0, kept)]


def test_values_that_are_not_finite(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    for step, value in enumerate([math.nan, math.inf, -math.inf]):
        writer.log({"x": value}, step=step, preview_completion=0.5)
    expected = [(0, NAN, 0.5), (1, math.inf, 0.5), (2, -math.inf, 0.5)]
    in_every_state(store, lambda: _equal(previews(store, run.key), expected))


def test_only_numbers(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    with pytest.raises(InvalidValue):
        writer.log({"x": 1.0, "y": "text"}, step=1, preview_completion=0.5)
    writer.assign({"v": 1})
    with pytest.raises(TypeConflict):
        writer.log({"x": 1.0, "v": 1.0}, step=1, preview_completion=0.5)
    with pytest.raises(AttributeNotFound):
        store.get_value(run.key, "x")
    assert store.get_value(run.key, "v") == (AttributeType.INT, 1)


def test_they_take_no_step(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    writer.log({"x": 0.0}, step=0)
    writer.log({"x": 5.0}, step=5, preview_completion=0.5)
    writer.log({"x": 1.0})
    assert points(store, run.key, "x") == [(0, 0.0), (1, 1.0)]


def test_deletion_takes_them_along(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    writer.log({"x": 0.0}, step=0)
    writer.log({"x": 5.0}, step=5, preview_completion=0.5)
    writer.delete("x")
    assert previews(store, run.key) == []
    writer.log({"x": 7.0}, step=1)
    assert previews(store, run.key) == [(1, 7.0, None)]


def _equal(found: object, expected: object) -> None:
    assert found == expected
