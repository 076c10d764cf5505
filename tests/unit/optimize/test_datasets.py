"""Data sets described by numbers, and which are alike."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mooring.errors import InvalidInput
from mooring.optimize.datasets import describe, nearest

KNOWN = {
    "iris": {"rows": 150, "columns": 4, "classes": 3},
    "wine": {"rows": 178, "columns": 13, "classes": 3},
    "adult": {"rows": 48_842, "columns": 14, "classes": 2},
    "covertype": {"rows": 581_012, "columns": 54, "classes": 7},
}


def ids(described: dict[str, Any], known: Any = KNOWN, limit: int = 10) -> list[Any]:
    return [id for id, _ in nearest(described, known, limit)]


def test_the_same_data_set_is_nearest_at_no_distance() -> None:
    for name, features in KNOWN.items():
        (id, distance), *rest = nearest(features, KNOWN, 4)
        assert (id, distance) == (name, 0.0)
        assert [other for _, other in rest] == sorted(other for _, other in rest)


def test_sizes_count_by_their_magnitude() -> None:
    assert ids({"rows": 40_000, "columns": 20, "classes": 2})[0] == "adult"
    assert ids({"rows": 200, "columns": 10, "classes": 3})[:2] == ["wine", "iris"]


def test_only_so_many_are_returned() -> None:
    assert len(nearest({"rows": 1}, KNOWN, 2)) == 2
    with pytest.raises(InvalidInput, match="limit is 1 or more"):
        nearest({"rows": 1}, KNOWN, 0)


def test_a_feature_that_is_missing_counts_as_one_that_could_be_anything() -> None:
    known = {"same": {"a": 1, "b": 1}, "lacks": {"a": 1}, "other": {"a": 9, "b": 900}}
    assert ids({"a": 1, "b": 1}, known) == ["same", "lacks", "other"]


@pytest.mark.parametrize("odd", [math.nan, math.inf, None, "many", [1], {}])
def test_what_is_no_finite_number_counts_as_missing(odd: Any) -> None:
    assert nearest({"rows": 150, "x": odd}, KNOWN, 9) == nearest({"rows": 150}, KNOWN, 9)
    known: dict[str, dict[str, Any]] = {"odd": {"rows": 150, "x": odd}, "lacks": {"rows": 150}}
    distances = [distance for _, distance in nearest({"rows": 150, "x": 1}, known, 9)]
    assert distances[0] == distances[1]
    assert math.isfinite(distances[0])


def test_data_sets_that_share_no_feature_are_left_out() -> None:
    assert ids({"rows": 5}, {"empty": {}, "other": {"columns": 5}, "shares": {"rows": 9}}) == [
        "shares"
    ]
    assert ids({}) == ids({"rows": "many"}) == ids({"rows": 5}, {}) == []


def test_one_known_data_set_and_huge_numbers_have_a_distance() -> None:
    ((_, distance),) = nearest({"rows": 10**400}, {"one": {"rows": 3}}, 1)
    assert 0 < distance < math.inf


def test_of_equal_ones_the_first_known_comes_first() -> None:
    assert ids({"a": 0}, {"b": {"a": 1}, "a": {"a": 1}, "c": {"a": -1}}) == ["b", "a", "c"]


def test_a_manifest_is_described_by_its_metafeatures_and_statistics() -> None:
    manifest = {
        "id": "iris",
        "metafeatures": {"skewness": 0.5, "flag": True, "name": "iris", "none": None},
        "statistics": {
            "count": 100,
            "columns_count": 3,
            "stat_data": [
                {"column_name": "width", "datatype": "double", "missing_values": 30},
                {"column_name": "colour", "datatype": "categorical", "missing_values": 0},
                {
                    "column_name": "species",
                    "datatype": "categorical",
                    "isTarget": True,
                    "unique_values": 2,
                    "value_counts": {"a": 50, "b": 50},
                },
            ],
        },
    }
    assert describe(manifest) == pytest.approx(
        {
            "skewness": 0.5,
            "flag": 1.0,
            "data/rows": 100,
            "data/columns": 3,
            "data/categorical": 2 / 3,
            "data/missing": 0.1,
            "data/classes": 2,
            "data/entropy": 1.0,
        }
    )


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"metafeatures": None, "statistics": None},
        {"metafeatures": [1], "statistics": "none"},
        {"statistics": {"stat_data": [None, 1, "x"]}},
        {"statistics": {"stat_data": {"a": 1}, "count": "many"}},
    ],
)
def test_a_manifest_that_says_nothing_has_no_description(manifest: dict[str, Any]) -> None:
    assert describe(manifest) == {}


def test_odd_statistics_of_a_target_do_no_harm() -> None:
    target = {"isTarget": True, "value_counts": {"a": -1, "b": "x", "c": None}}
    described = describe({"statistics": {"count": 0, "stat_data": [target]}})
    assert all(math.isfinite(value) for value in described.values())
