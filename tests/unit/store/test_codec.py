"""Every cell and value form comes back from the form that the store keeps."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import InvalidValue
from mooring.model import AttributeType, FileRef, Histogram
from mooring.store.cells import decode_cell, dumps, encode_cell, encode_point, loads, series_type
from mooring.store.sqlite.codec import column_value, encode_set, load_value, store_value, value_type

int64 = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]))
files = st.builds(FileRef, texts, st.integers(0, 2**62), texts, texts)
times = st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(fold=0))


@st.composite
def histograms(draw: st.DrawFn) -> Histogram:
    edges = sorted(draw(st.sets(st.floats(allow_nan=False), min_size=2, max_size=8)))
    values = draw(st.lists(st.floats(), min_size=len(edges) - 1, max_size=len(edges) - 1))
    kind = draw(st.sampled_from(["COUNTING", "DENSITY"]))
    return Histogram(tuple(edges), tuple(values), kind)


cells = st.none() | st.booleans() | int64 | st.floats() | texts | files | histograms()
values = st.booleans() | int64 | st.floats() | texts | files | times | st.frozensets(texts)


def _same(found: Any, expected: Any) -> None:
    # repr tells apart 1, 1.0 and True, and -0.0 and 0.0, and finds NaN equal to itself.
    if isinstance(expected, frozenset):
        assert found == expected
    else:
        assert repr(found) == repr(expected)


@given(cells)
def test_cells(cell: Any) -> None:
    _same(decode_cell(loads(dumps(encode_cell("x", cell)))), cell)


@given(cells)
def test_a_cell_tells_its_series(cell: Any) -> None:
    expected = None
    if isinstance(cell, (bool, int, float)):
        expected = AttributeType.FLOAT_SERIES
    elif isinstance(cell, str):
        expected = AttributeType.STRING_SERIES
    elif isinstance(cell, Histogram):
        expected = AttributeType.HISTOGRAM_SERIES
    elif isinstance(cell, FileRef):
        expected = AttributeType.FILE_SERIES
    assert series_type(loads(dumps(encode_cell("x", cell)))) is expected


@given(values)
def test_values(value: Any) -> None:
    type = value_type("x", value)
    stored = column_value(type, loads(dumps(store_value("x", type, value))))
    assert stored is None or isinstance(stored, (int, float, str))
    found = load_value(type, stored)
    if isinstance(value, float):
        assert isinstance(found, float)
        value = float(value)
    _same(found, value)


@given(st.frozensets(texts))
def test_sets_have_one_form(elements: frozenset[str]) -> None:
    assert encode_set(elements) == encode_set(sorted(elements, reverse=True))


@given(st.integers())
def test_integers_of_any_size_are_points(number: int) -> None:
    found = decode_cell(loads(dumps(encode_point("x", number))))
    assert float(found) == float(number)


def test_what_has_no_form() -> None:
    for bad in (object(), [1], 2**63, 1j, "\ud800"):
        with pytest.raises(InvalidValue, match="'x'"):
            encode_cell("x", bad)
    for bad in (object(), [1], b"x", None, 1j):
        with pytest.raises(InvalidValue, match="'x'"):
            value_type("x", bad)
    with pytest.raises(InvalidValue):
        encode_point("x", 10**400)


def test_nan_and_infinity_are_no_texts() -> None:
    assert math.isnan(load_value(AttributeType.FLOAT, None))
    assert load_value(AttributeType.STRING, store_value("x", AttributeType.STRING, "nan")) == "nan"
    assert load_value(AttributeType.STRING, store_value("x", AttributeType.STRING, "inf")) == "inf"
    assert decode_cell(encode_cell("x", "inf")) == "inf"


def test_zones_become_utc() -> None:
    moment = datetime.fromisoformat("2024-01-01T05:45:00.000001+05:45")
    stored = store_value("x", AttributeType.DATETIME, moment)
    assert load_value(AttributeType.DATETIME, stored).isoformat() == (
        "2024-01-01T00:00:00.000001+00:00"
    )
