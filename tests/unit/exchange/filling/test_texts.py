"""Series as text: exact times, and JSON that every reader takes."""

from __future__ import annotations

import json
import math

import pytest

from mooring.exchange.filling.texts import histograms_json, iso_time, text_lines
from mooring.exchange.source import make_points
from mooring.model import MAX_TIME, MIN_TIME, AttributeType


@pytest.mark.parametrize("time", [MIN_TIME, -1, 0, 10, 100_000, 1_700_000_000_250_000, MAX_TIME])
def test_times_of_lines_are_those_of_python(time: int) -> None:
    points = make_points(AttributeType.STRING_SERIES, ["a"], [-1_500_000], [time], ["one\ntwo; 3"])
    assert list(text_lines(points)) == [f"-1.5; {iso_time(time)}; one\ntwo; 3\n"]


def test_steps_are_multiplied_exactly() -> None:
    points = make_points(AttributeType.STRING_SERIES, ["a"], [290_000], [0], ["x"])
    assert next(text_lines(points, 100)).startswith("29; ")


def test_what_json_has_no_number_for_is_text() -> None:
    value = {"kind": "DENSITY", "edges": [-math.inf, 0.0, math.inf], "values": [math.nan, 0.5]}
    points = make_points(AttributeType.HISTOGRAM_SERIES, ["h"], [500_000], [0], [value])

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    (record,) = json.loads("".join(histograms_json(points)), parse_constant=refuse)["histograms"]
    assert record["step"] == 0.5
    assert [float(edge) for edge in record["edges"]] == [-math.inf, 0.0, math.inf]
    assert record["values"] == ["nan", 0.5]


def test_a_series_without_points_is_a_document_too() -> None:
    points = make_points(AttributeType.HISTOGRAM_SERIES, [], [], [], [])
    assert json.loads("".join(histograms_json(points))) == {"histograms": []}
