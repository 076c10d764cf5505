"""Tables of attributes: the types of columns, what is missing, what does not go together."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mooring.errors import InvalidInput, MissingExtra
from mooring.fetch.formats import FrameFormat, parse_format
from mooring.fetch.tables import RunTable
from mooring.model import AttributeType, FileRef, Histogram
from mooring.store.contract import AttributeColumn

T = AttributeType
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def frame(length, *columns, format="pandas", ensure=()):
    table = RunTable(length)
    table.add(AttributeColumn(path, type, *cells) for path, type, cells in columns)
    return table.to_frame(FrameFormat(format), ensure)


def cells(*values):
    """Return rows and values of those that are not None."""
    held = [(row, value) for row, value in enumerate(values) if value is not None]
    return [row for row, _ in held], [value for _, value in held]


@pytest.mark.parametrize(
    ("type", "values", "dtype"),
    [
        (T.INT, (1, 2), "int64"),
        (T.INT, (2**53 + 1, -(2**63)), "int64"),
        (T.INT, (1, None), "float64"),
        (T.INT, (2**53 + 1, None), "object"),
        (T.FLOAT, (0.5, math.nan), "float64"),
        (T.FLOAT, (math.inf, None), "float64"),
        (T.FLOAT_SERIES, (0.5, None), "float64"),
        (T.BOOL, (True, False), "bool"),
        (T.BOOL, (True, None), "object"),
        (T.DATETIME, (NOON, NOON), "datetime64[us, UTC]"),
        (T.DATETIME, (NOON, None), "datetime64[us, UTC]"),
        (T.FILE, (FileRef("ab", 3), None), "object"),
        (T.HISTOGRAM_SERIES, (Histogram((0.0, 1.0), (3.0,)), None), "object"),
    ],
)
def test_pandas_gets_the_plainest_type_that_keeps_every_value(type, values, dtype):
    column = frame(2, ("x", type, cells(*values)))["x"]
    assert str(column.dtype) == dtype
    for value, cell in zip(values, column, strict=True):
        assert pd.isna(cell) if value is None or value != value else cell == value


def test_texts_are_pandas_texts():
    column = frame(3, ("x", T.STRING, cells("a", "", "ü")))["x"]
    assert column.dtype == pd.Series(["a"]).dtype
    assert column.tolist() == ["a", "", "ü"]
    assert frame(2, ("x", T.STRING, cells(None, "a")))["x"].isna().tolist() == [True, False]


def test_a_string_set_is_its_sorted_elements_joined_by_commas():
    column = frame(2, ("sys/tags", T.STRING_SET, cells(frozenset({"b", "a"}), frozenset())))
    assert column["sys/tags"].tolist() == ["a,b", ""]


def test_whole_numbers_and_numbers_of_one_path_become_one_column():
    table = frame(3, ("lr", T.INT, cells(1)), ("lr", T.FLOAT, cells(None, 0.5)))
    assert table["lr"].dtype == "float64"
    assert table["lr"].tolist()[:2] == [1.0, 0.5]
    assert pd.isna(table["lr"][2])


@pytest.mark.parametrize("whole", [2**53 + 1, -(2**63)])
def test_whole_numbers_that_a_float_cannot_hold_stay_exact(whole):
    table = frame(2, ("n", T.INT, cells(whole)), ("n", T.FLOAT, cells(None, 0.5)))
    assert table["n"].tolist() == [whole, 0.5]


def test_types_that_do_not_go_together_stay_what_they_are():
    parts = (
        ("x", T.INT, cells(1)),
        ("x", T.STRING, cells(None, "a")),
        (("x", T.BOOL, cells(None, None, True))),
    )
    assert frame(3, *parts)["x"].tolist() == [1, "a", True]
    assert frame(3, *parts, format="arrow")["x"].to_pylist() == ["1", "a", "true"]


def test_arrow_and_polars_tell_missing_from_nan():
    parts = ("x", T.FLOAT, cells(math.nan, None, 1.0))
    arrow = frame(3, parts, format="arrow")
    assert arrow["x"].type == pa.float64()
    assert arrow["x"].is_null().to_pylist() == [False, True, False]
    polars = frame(3, parts, format="polars")
    assert isinstance(polars, pl.DataFrame)
    assert polars["x"].is_null().to_list() == [False, True, False]
    assert polars["x"].is_nan().to_list() == [True, None, False]


def test_arrow_types():
    table = frame(
        1,
        ("a", T.INT, cells(2**63 - 1)),
        ("b", T.DATETIME, cells(NOON)),
        ("c", T.FILE, cells(FileRef("ab", 3, "image/png", "a.png"))),
        ("d", T.HISTOGRAM_SERIES, cells(Histogram((0.0, 1.0), (3.0,)))),
        ("e", T.STRING_SET, cells(frozenset({"t"}))),
        format="arrow",
        ensure=("f",),
    )
    assert table.to_pylist() == [
        {
            "a": 2**63 - 1,
            "b": NOON,
            "c": {"digest": "ab", "size_bytes": 3, "mime_type": "image/png", "name": "a.png"},
            "d": {"kind": "COUNTING", "edges": [0.0, 1.0], "values": [3.0]},
            "e": "t",
            "f": None,
        }
    ]


def test_columns_are_sorted_with_sys_first_and_monitoring_last():
    table = frame(
        1,
        ("monitoring/cpu", T.FLOAT, cells(1.0)),
        ("b", T.INT, cells(1)),
        ("sys/name", T.STRING, cells("n")),
        ("a/sys", T.INT, cells(1)),
        ensure=("sys/id", "nowhere"),
    )
    assert list(table.columns) == ["sys/id", "sys/name", "a/sys", "b", "nowhere", "monitoring/cpu"]
    assert table["nowhere"].tolist() == [None]


def test_chunks_of_runs_are_joined():
    table = RunTable(4)
    table.add([AttributeColumn("x", T.INT, [0, 1], [1, 2])], offset=0)
    table.add([AttributeColumn("x", T.INT, [0, 1], [3, 4])], offset=2)
    assert table.to_frame(FrameFormat.PANDAS)["x"].tolist() == [1, 2, 3, 4]


def test_a_table_without_runs_keeps_its_columns():
    table = frame(0, ensure=("sys/id", "x"))
    assert list(table.columns) == ["sys/id", "x"]
    assert len(table) == 0
    assert frame(0).empty


def test_frames_can_be_changed():
    table = frame(2, ("x", T.FLOAT, cells(1.0, 2.0)), ("n", T.INT, cells(1, 2)))
    table.loc[0, "x"] = 9.0
    table.loc[0, "n"] = 9
    assert table.loc[0].tolist() == [9.0, 9.0]


def test_formats_are_checked(monkeypatch):
    with pytest.raises(InvalidInput, match="'pandas', 'polars', 'arrow', not 'excel'"):
        parse_format("excel")
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(MissingExtra, match=r"mooring\[polars\]"):
        parse_format("polars")
