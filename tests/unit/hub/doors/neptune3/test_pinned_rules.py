"""Rules that Neptune's own suites pin, written and read over the wire, by the numbers.

Runs fork in a chain: `a` and `b` are of the experiment `one`, `c` and `d` of `two`. Each inherits
at the last but one step of its parent, so that what is at the fork is told from what is after it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest

from mooring.wire.neptune3.requests import Code
from mooring.wire.neptune3.schema import message
from tests.serving import HubThread
from tests.unit.hub.doors.neptune3.writing import PROJECT, Writer, batch, configs, points

_API = "/api/leaderboard/v1"
SEARCH = f"{_API}/proto/leaderboard/entries/search/?projectIdentifier={PROJECT}&type=run"
DEFINITIONS = f"{_API}/leaderboard/attributes/definitions/query"
VALUES = f"{_API}/proto/leaderboard/attributes/query?projectIdentifier={PROJECT}"
SERIES = f"{_API}/proto/attributes/series"
BUCKETS = f"{_API}/proto/attributes/timeseries/buckets"

CHAIN = {"a": (None, "one"), "b": ("a", "one"), "c": ("b", "two"), "d": ("c", "two")}
OWN = {
    "a": [(0, 1.0), (1, math.inf), (2, 3.0), (3, 90.0)],
    "b": [(3, 4.0), (4, 6.0), (5, 91.0)],
    "c": [(5, 8.0), (6, 10.0), (7, 92.0)],
    "d": [(7, 12.0), (8, 14.0)],
}
FORKS = {"b": 2, "c": 4, "d": 6}


def _inherited(*runs: str) -> list[tuple[int, float]]:
    """Return the points of runs that fork from each other, each cut at the next one's fork."""
    cuts = [*(FORKS[run] for run in runs[1:]), 99]
    return [
        point for run, cut in zip(runs, cuts, strict=True) for point in OWN[run] if point[0] <= cut
    ]


FULL = {run: _inherited(*"abcd"[: "abcd".index(run) + 1]) for run in CHAIN}
EXPERIMENT = {
    "a": _inherited("a"),
    "b": _inherited("a", "b"),
    "c": _inherited("c"),
    "d": _inherited("c", "d"),
}


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Writer]:
    hub = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    client = Writer(hub, hub.admin)
    for run_id, (parent, experiment) in CHAIN.items():
        told = client.create(
            run_id, parent=parent, step=FORKS.get(run_id), experiment_id=experiment
        )
        assert told == {Code.OK: 1}
        series = [
            points(step, {"loss": value, "text": f"{run_id}{step}", "file": ("file", str(step))})
            for step, value in OWN[run_id]
        ]
        told = client.told(batch(*series, run_id=run_id))
        assert told == {Code.OK: 3 * len(series)}
    client.told(batch(points(20, {"loss": 1_000.0}, preview=0.5), run_id="b"))
    client.told(batch(configs({"lr": 0.1, "opt": "adam 2", "set": {"x"}}), run_id="a"))
    client.told(batch(configs({"opt": "sgd"}), run_id="c"))
    run = hub.hub.store.find_run(PROJECT, run_id="a")
    assert run is not None
    hub.hub.store.open_writer(run.key).change_set("sys/tags", add=["good"])
    yield client
    hub.stop()


def _read(writer: Writer, path: str, body: object) -> bytes:
    return writer.post(path, json.dumps(body).encode())


def _asked(run: str, path: str, **more: str) -> dict[str, Any]:
    holder = {"identifier": f"CUSTOM/{PROJECT}/{run}", "type": "experiment"}
    return {"requestId": run, "series": {"attribute": path, "holder": holder, **more}}


def _floats(writer: Writer, **more: str) -> dict[str, list[tuple[float, float]]]:
    body = {"requests": [_asked(run, "loss", **more) for run in CHAIN]}
    read = message("ProtoFloatSeriesValuesResponseDTO").FromString(
        _read(writer, f"{SERIES}/float", body)
    )
    return {
        each.requestId: [(point.step, point.value) for point in each.series.values]
        for each in read.series
    }


def _others(writer: Writer, path: str, **more: str) -> dict[str, list[Any]]:
    body = {"requests": [_asked(run, path, **more) for run in CHAIN]}
    read = message("ProtoSeriesValuesResponseDTO").FromString(
        _read(writer, f"{SERIES}?useDeprecatedStringFields=false", body)
    )
    return {
        each.requestId: [
            point.object.stringValue if path == "text" else point.step
            for point in each.seriesValues.values
        ]
        for each in read.series
    }


def _labels(expected: dict[str, list[tuple[int, float]]]) -> dict[str, list[str]]:
    by_point = {point: f"{run}{point[0]}" for run, own in OWN.items() for point in own}
    return {run: [by_point[point] for point in found] for run, found in expected.items()}


LINEAGES = [
    ({}, FULL),
    ({"lineage": "FULL", "lineageEntityType": "EXPERIMENT"}, FULL),
    ({"lineage": "NONE"}, OWN),
    ({"lineage": "NONE", "lineageEntityType": "RUN"}, OWN),
    ({"lineage": "NONE", "lineageEntityType": "EXPERIMENT"}, EXPERIMENT),
]


@pytest.mark.parametrize(("lineage", "expected"), LINEAGES)
def test_points_at_the_fork_are_inherited_and_those_after_are_not(
    writer: Writer, lineage: dict[str, str], expected: dict[str, list[tuple[int, float]]]
) -> None:
    assert _floats(writer, **lineage) == expected
    assert _others(writer, "text", **lineage) == _labels(expected)
    steps = {run: [step for step, _ in found] for run, found in expected.items()}
    assert _others(writer, "file", **lineage) == steps


@pytest.mark.parametrize(
    ("lineage", "entity", "expected"),
    [(0, 0, FULL), (0, 1, FULL), (1, 1, OWN), (1, 0, EXPERIMENT)],
)
def test_buckets_have_the_points_of_the_lineage(
    writer: Writer, lineage: int, entity: int, expected: dict[str, list[tuple[int, float]]]
) -> None:
    """Bounds lie at the whole steps 0 to 8, so each bucket has the one point on its right."""
    asked = [
        {
            "requestId": run,
            "runId": f"CUSTOM/{PROJECT}/{run}",
            "customYFormula": "${loss}",
            "lineage": lineage,
            "entityType": entity,
        }
        for run in CHAIN
    ]
    view = {"from": 0.0, "to": 8.0, "maxBuckets": 9}
    body = message("ProtoGetTimeseriesBucketsRequest")(expressions=asked, view=view)
    read = message("ProtoTimeseriesBucketsDTO").FromString(
        writer.post(BUCKETS, body.SerializeToString())
    )
    for entry in read.entries:
        points = expected[entry.requestId]
        assert [bucket.toX for bucket in entry.bucket] == [step for step, _ in points]
        finite = [bucket for bucket in entry.bucket if bucket.finitePointCount]
        assert [(each.last.x, each.last.y) for each in finite] == [
            point for point in points if math.isfinite(point[1])
        ]
        assert sum(bucket.positiveInfCount for bucket in entry.bucket) == sum(
            value == math.inf for _, value in points
        )


def _values(writer: Writer, **body: object) -> dict[str, dict[str, Any]]:
    read = message("ProtoQueryAttributesResultDTO").FromString(_read(writer, VALUES, body))
    return {
        entry.experimentShortId: {each.name: each for each in entry.attributes}
        for entry in read.entries
    }


def test_aggregates_are_of_all_points_that_are_final_and_finite(writer: Writer) -> None:
    found = _values(writer, attributeNamesFilter=["loss"])
    assert len(found) >= len(CHAIN)
    for number, run in enumerate(CHAIN, 1):
        series = found[f"DIG-{number}"]["loss"].float_series_properties
        finite = [value for _, value in FULL[run] if math.isfinite(value)]
        mean = sum(finite) / len(finite)
        assert (series.last_step, series.last) == FULL[run][-1]
        assert (series.min, series.max) == (min(finite), max(finite))
        assert series.average == pytest.approx(mean)
        # Of the whole population: divided by n, not by n - 1.
        variance = sum((value - mean) ** 2 for value in finite) / len(finite)
        assert series.variance == pytest.approx(variance)


@pytest.mark.parametrize("last", [math.nan, math.inf, -math.inf])
def test_the_last_value_may_be_no_number(writer: Writer, last: float) -> None:
    run_id = f"last {last}"
    writer.create(run_id, "team/last")
    updates = batch(points(1, {"x": 5.0}), points(2, {"x": last}), run_id=run_id)
    updates.project = "team/last"
    writer.told(updates)
    path = VALUES.replace(PROJECT, "team/last")
    read = message("ProtoQueryAttributesResultDTO").FromString(
        _read(writer, path, {"attributeNamesFilter": ["x"]})
    )
    shown = [entry.attributes[0].float_series_properties for entry in read.entries]
    assert repr(last) in [repr(series.last) for series in shown]
    assert {(series.min, series.max, series.last_step) for series in shown} == {(5.0, 5.0, 2.0)}


def _found(writer: Writer, query: str, *, heads: bool = False) -> list[str]:
    body = {
        "query": {"query": query},
        "experimentLeader": heads,
        "attributeFilters": [{"path": "sys/custom_run_id"}],
    }
    read = message("ProtoLeaderboardEntriesSearchResultDTO").FromString(_read(writer, SEARCH, body))
    found = {entry.attributes[0].string_properties.value for entry in read.entries}
    return sorted(found & CHAIN.keys())  # other tests make forks of their own


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        # All runs of an experiment keep its name, not only its head.
        ('`sys/name`:string == "one"', ["a", "b"]),
        ('`sys/name`:string MATCHES "^t"', ["c", "d"]),
        # A pattern is found anywhere, and knows the classes of POSIX.
        ('`opt`:string MATCHES "da"', ["a"]),
        ('`opt`:string MATCHES "[[:space:]][[:digit:]]$"', ["a"]),
        ('`opt`:string MATCHES "^[[:alpha:]]+$"', ["c"]),
        # What a run lacks contains nothing, and is not compared.
        ('`set`:stringSet NOT CONTAINS "x"', ["b", "c", "d"]),
        ('`opt`:string NOT CONTAINS "adam"', ["b", "c", "d"]),
        ('`opt`:stringSet NOT CONTAINS "adam"', ["a", "b", "c", "d"]),
        ('`set`:stringSet CONTAINS "x"', ["a"]),
        ('`opt`:string != "adam 2"', ["b", "c", "d"]),
        ('`opt`:string NOT MATCHES "adam"', ["b", "c", "d"]),
        ("`lr`:float < 1", ["a"]),
        ("`lr`:int EXISTS", []),
        # Aggregates are of inherited points too, and never of provisional ones.
        ("max(`loss`:floatSeries) >= 1000", []),
        ("min(`loss`:floatSeries) == 1", ["a", "b", "c", "d"]),
        ("last(`loss`:floatSeries) == 14", ["d"]),
    ],
)
def test_filters(writer: Writer, query: str, expected: list[str]) -> None:
    assert _found(writer, query) == expected


def test_heads(writer: Writer) -> None:
    assert _found(writer, "", heads=True) == ["b", "d"]
    assert _found(writer, '`sys/name`:string == "one"', heads=True) == ["b"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("os", ["loss"]), ("^[[:lower:]]{3}$", ["opt", "set"]), ("^l[^[:digit:]o]$", ["lr"])],
)
def test_names_are_found_by_a_part(writer: Writer, pattern: str, expected: list[str]) -> None:
    names = {"mustMatchRegexes": [pattern], "mustNotMatchRegexes": ["^sys/"]}
    body = {"projectIdentifiers": [PROJECT], "attributeNameFilter": names}
    entries = json.loads(_read(writer, DEFINITIONS, body))["entries"]
    assert [each["name"] for each in entries] == expected
    found = _values(writer, attributeNameFilter=names)
    assert {name for run in found.values() for name in run} == set(expected)


def _sys_id(writer: Writer, run_id: str) -> str:
    run = writer.hub.hub.store.find_run(PROJECT, run_id=run_id)  # type: ignore[union-attr]
    assert run is not None
    return run.sys_id


def test_a_fork_lists_series_that_it_only_inherits(writer: Writer) -> None:
    writer.create("bare", parent="a", step=0)
    sys_id = _sys_id(writer, "bare")
    body = {
        "projectIdentifiers": [PROJECT],
        "experimentIdsFilter": [f"{PROJECT}/{sys_id}"],
        "attributeNameFilter": {"mustMatchRegexes": ["^[^s]"]},
    }
    entries = json.loads(_read(writer, DEFINITIONS, body))["entries"]
    assert [each["name"] for each in entries] == ["file", "loss", "text"]
    shown = _values(writer, attributeNamesFilter=["loss"])[sys_id]["loss"]
    assert shown.float_series_properties.last == 1.0


@pytest.mark.parametrize(("inherit", "expected"), [(True, {"lr", "opt", "set"}), (False, set())])
def test_tags_are_inherited_and_configs_where_it_is_asked_for(
    writer: Writer, inherit: bool, expected: set[str]
) -> None:
    run_id = f"configs {inherit}"
    writer.create(run_id, parent="a", step=0, inherit_configs=inherit)
    found = _values(writer, attributeNamesFilter=["lr", "opt", "set", "sys/tags"])
    values = found[_sys_id(writer, run_id)]
    assert list(values.pop("sys/tags").string_set_properties.value) == ["good"]
    assert set(values) == expected
