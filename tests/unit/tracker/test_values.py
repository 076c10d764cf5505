"""What users hand over becomes what the store holds, or an error that names it."""

from __future__ import annotations

import json
import math
from collections import OrderedDict, namedtuple
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from pathlib import Path
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from mooring.errors import InvalidValue
from mooring.model import FileRef, Histogram
from mooring.tracker.values import convert, to_attribute, to_cell, to_json, to_point


class Color(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Named(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (1, 1),
        (2**53 + 1, 2**53 + 1),
        (-(2**63), -(2**63)),
        (2**70, 2.0**70),
        (0.1, 0.1),
        (True, True),
        ("", ""),
        ("naïve ∞", "naïve ∞"),
        (None, None),
        (np.float32(0.5), 0.5),
        (np.float64(0.1), 0.1),
        (np.int8(-3), -3),
        (np.uint64(2**63), 2.0**63),
        (np.bool_(True), True),
        (np.str_("text"), "text"),
        (np.array(7), 7),
        (np.datetime64("2026-01-02T03:04:05.123456789"), "2026-01-02 03:04:05.123456+00:00"),
        (np.timedelta64(1500, "ms"), 1.5),
        (Decimal("0.25"), 0.25),
        (Fraction(1, 4), 0.25),
        (Color.RED, "red"),
        (Level.HIGH, 3),
        (Named("sub"), "sub"),
        (Path("a") / "b", "a/b"),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (datetime(2026, 1, 2, 3, 4, 5, 6), "2026-01-02 03:04:05.000006"),  # noqa: DTZ001
        (datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2026-01-02 00:00:00+02:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (timedelta(minutes=1), 60.0),
        (pd.Timestamp("2026-01-02"), "2026-01-02 00:00:00"),
        (pd.NaT, None),
        ([1, "a", None], '[1, "a", null]'),
        ((1, 2), "[1, 2]"),
        ({"a": {"b": [True]}}, '{"a": {"b": [true]}}'),
        (OrderedDict(a=1), '{"a": 1}'),
        (namedtuple("Point", "x y")(1, 2), "[1, 2]"),
        ({"b", "a"}, '["a", "b"]'),
        ([np.float32(0.5), Color.RED, Path("x")], '[0.5, "red", "x"]'),
    ],
)
def test_cells(value: object, cell: object) -> None:
    got = to_cell("key", value)
    assert got == cell
    assert type(got) is type(cell)


@pytest.mark.parametrize("value", [math.nan, np.float32("nan"), Decimal("NaN")])
def test_nan_is_a_number_and_not_a_missing_cell(value: object) -> None:
    cell = to_cell("key", value)
    assert isinstance(cell, float)
    assert math.isnan(cell)


def test_nan_survives_in_json() -> None:
    assert json.loads(to_json("key", [math.nan, math.inf])) == [
        pytest.approx(math.nan, nan_ok=True),
        math.inf,
    ]


@pytest.mark.parametrize(
    "value",
    [
        object(),
        lambda: None,
        1j,
        np.zeros(3),
        np.zeros((2, 2)),
        int,
        Decimal("sNaN"),
        "\ud800",
        Fraction(10**400),
        [object()],
        {(1, 2): 3},
        Histogram(edges=(0.0, 1.0), values=(1.0,)),
    ],
)
def test_what_a_row_cannot_hold_is_named(value: object) -> None:
    with pytest.raises(InvalidValue, match="'my key'"):
        to_cell("my key", value)


def test_a_list_that_contains_itself_is_refused() -> None:
    ring: list[object] = []
    ring.append(ring)
    with pytest.raises(InvalidValue, match="'ring'"):
        to_cell("ring", ring)


def test_an_array_is_refused_with_its_shape() -> None:
    with pytest.raises(InvalidValue, match=r"numpy.ndarray of shape \(2, 3\)"):
        to_point("loss", np.zeros((2, 3)))


def test_points() -> None:
    histogram = Histogram(edges=(0.0, 1.0), values=(1.0,))
    file = FileRef(digest="ab", size_bytes=1)
    assert to_point("h", histogram) is histogram
    assert to_point("f", file) is file
    assert to_point("loss", np.float16(0.5)) == 0.5
    assert to_point("text", Color.RED) == "red"
    for value in (None, [1, 2], {"a": 1}, {"a"}, b""):
        with pytest.raises(InvalidValue, match="'x'"):
            to_point("x", value)


def test_attributes() -> None:
    instant = datetime(2026, 1, 2, tzinfo=UTC)
    assert to_attribute("when", instant) is instant
    assert to_attribute("tags", ("a", "b", "a")) == frozenset({"a", "b"})
    assert to_attribute("tags", []) == frozenset()
    assert to_attribute("tags", np.array("one")) == "one"
    assert to_attribute("layers", [64, 32]) == "[64, 32]"
    assert to_attribute("mixed", ["a", 1, None]) == '["a", 1, null]'
    assert to_attribute("path", Path("x")) == "x"
    for value in (None, object(), np.zeros(2)):
        with pytest.raises(InvalidValue, match="'x'"):
            to_attribute("x", value)


def test_convert_keeps_the_good_and_names_the_bad() -> None:
    class Bad:
        shape = ()

        def item(self) -> float:
            raise RuntimeError("device lost")

    values, refused = convert([("a", 1), ("b", object()), ("c", Bad())], to_cell)
    assert values == {"a": 1}
    assert set(refused) == {"b", "c"}
    assert all(isinstance(error, InvalidValue) for error in refused.values())
    assert "device lost" in str(refused["c"])
