"""Runs made by applying updates."""

from __future__ import annotations

import math

import pytest

from mooring.errors import InvalidInput, InvalidPath, InvalidStep, InvalidValue, TypeConflict
from mooring.exchange.reading.replay import RunReplay, micros_of_seconds, micros_of_step
from mooring.exchange.source import SourceSeries
from mooring.model import AttributeType

FLOATS, TEXTS = AttributeType.FLOAT_SERIES, AttributeType.STRING_SERIES


def test_steps_left_open_are_the_next_whole_ones() -> None:
    run = RunReplay()
    for step in (None, None, 2_500_000, None, 1_000_000, None):
        run.append("loss", FLOATS, step, 0, 1.0)
    assert run.read_points(FLOATS)["step"].to_pylist() == [0, 1e6, 2.5e6, 3e6, 4e6]
    assert run.list_series() == [SourceSeries("loss", FLOATS, 5)]


def test_later_point_of_a_step_counts_and_equal_ones_are_no_loss() -> None:
    run = RunReplay()
    for step, value in ((0, 1.0), (1, math.nan), (0, 2.0), (1, math.nan), (2, 3.0)):
        run.append("loss", FLOATS, step, 0, value)
        run.append("text", TEXTS, step, 0, "same")
    assert run.read_points(FLOATS, ["loss"])["value"].to_pylist()[0] == 2.0
    assert [*run.iter_replaced()] == [("loss", 1)]
    assert [each.count for each in run.list_series()] == [3, 3]


def test_type_stays_until_the_attribute_is_deleted() -> None:
    run = RunReplay()
    run.append("a", FLOATS, 0, 0, 1.0)
    with pytest.raises(TypeConflict):
        run.assign("a", 1)
    with pytest.raises(TypeConflict):
        run.append("a", TEXTS, 0, 0, "x")
    run.clear("a", FLOATS)
    assert run.list_series() == []
    with pytest.raises(TypeConflict):
        run.assign("a", 1)
    run.delete("a")
    run.assign("a", 1)
    assert run.values == {"a": 1}


def test_sets() -> None:
    run = RunReplay()
    run.change_set("tags", add=["a", "b"])
    run.change_set("tags", add=["c"], remove=["a", "z"])
    assert run.values == {"tags": frozenset("bc")}
    run.clear("tags", AttributeType.STRING_SET)
    assert run.values == {"tags": frozenset()}


def test_what_cannot_be_held_changes_nothing() -> None:
    run = RunReplay()
    with pytest.raises(InvalidPath):
        run.assign("", 1)
    with pytest.raises(InvalidPath):
        run.append("a\nb", FLOATS, 0, 0, 1.0)
    with pytest.raises(InvalidValue, match="64 bits"):
        run.assign("big", 2**63)
    with pytest.raises(InvalidStep):
        run.append("loss", FLOATS, 2 * 10**18, 0, 1.0)
    with pytest.raises(InvalidValue, match="years 1 to 9999"):
        run.append("loss", FLOATS, 0, 10**18, 1.0)
    assert (run.values, run.list_series()) == ({}, [])


@pytest.mark.parametrize("seconds", [None, "1", math.nan, math.inf])
def test_times_that_are_none(seconds: object) -> None:
    with pytest.raises(InvalidInput):
        micros_of_seconds(seconds)


@pytest.mark.parametrize("step", [math.nan, math.inf, "x", True, 1e13])
def test_steps_that_are_none(step: object) -> None:
    with pytest.raises(InvalidStep):
        micros_of_step(step)
