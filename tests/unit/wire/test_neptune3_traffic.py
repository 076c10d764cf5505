"""Bodies that Neptune's clients sent, read: nothing that they said is lost or misread."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from mooring.errors import InvalidInput
from mooring.model import AttributeType, Histogram
from mooring.query import And, Compare, Exists, Expression, Not, Operator, Or, parse
from mooring.wire.neptune3.buckets import decode_buckets
from mooring.wire.neptune3.ingest import Update, WireFile
from mooring.wire.neptune3.names import decode_exact_names, decode_names, decode_types
from mooring.wire.neptune3.points import FloatPoints, Layouts
from mooring.wire.neptune3.requests import Operation, decode_operation, decode_request_ids
from mooring.wire.neptune3.searching import Search, decode_search
from mooring.wire.neptune3.series import SeriesQuestion, decode_question
from mooring.wire.neptune3.storage import decode_requests
from mooring.wire.neptune3.types import types_of
from tests.unit.wire.neptune3_traffic import Captured, load

TRAFFIC = load()
BAD_QUERIES = [
    '((`sys/custom_run_id`:string MATCHES "("))',
    "((`sys/trashed`:bool = false) AND (() OR ()))",
]


def sent(ending: str, client: str | None = None) -> list[Captured]:
    """Return the requests to an endpoint."""
    found = [each for each in TRAFFIC if each.path.endswith(ending)]
    assert found, ending
    return [each for each in found if client in (None, each.client)]


# writing


def operations() -> list[Operation]:
    layouts = Layouts()
    return [decode_operation(each.body, layouts) for each in sent("/ingest")]


def updates() -> list[tuple[str, Update]]:
    return [
        (operation.run_id, update)
        for operation in operations()
        for update in operation.updates
        if isinstance(update, Update)
    ]


def plain(value: Any) -> Any:
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def test_runs_are_created_resumed_and_forked() -> None:
    made = [(each.run_id, each.create) for each in operations() if each.create is not None]
    assert {each.project for each in operations()} == {"team/written"}
    told = [
        (run, create.experiment, create.parent, create.fork_step, create.inherit_configs)
        for run, create in made
    ]
    assert told == [
        ("root", "alpha", None, None, True),
        ("fork", "alpha", "root", 1_000_000, True),
        ("fork", None, None, None, True),
    ]
    assert all(create.family == run for run, create in made)
    times = [create.created or 0 for _, create in made]
    assert times == sorted(times)
    assert times[0] > 1_700_000_000_000_000


def test_configs_of_each_type() -> None:
    held: dict[str, Any] = {}
    for run, update in updates():
        if run == "root":
            held.update(update.assign)
            assert not update.refused
    assert plain(held.pop("nan")) == "NaN"
    assert held.pop("model") == WireFile("my/model.pt", 7, "application/x-weights")
    assert held == {
        "int": "a text",
        "big": 2**40,
        "float": 0.5,
        "inf": -math.inf,
        "bool": True,
        "text": "héllo",
        "empty": "",
        "time": datetime(2024, 2, 29, 12, 30, 0, 123456, UTC),
        "set": frozenset({"a", "b"}),
        "nested/x/y": 1,
    }


def test_tags_are_added_and_removed() -> None:
    changes = [
        (way, path, members)
        for _, update in updates()
        for way, sets in (("add", update.add), ("remove", update.remove))
        for path, members in sets.items()
    ]
    assert changes == [
        ("add", "sys/tags", frozenset({"one", "two"})),
        ("add", "sys/group_tags", frozenset({"group"})),
        ("remove", "sys/tags", frozenset({"two"})),
    ]


def test_points_of_each_type() -> None:
    """Numbers are read by NumPy where an update has nothing else."""
    points: dict[str, dict[float, Any]] = {}
    previews = []
    for operation in operations():
        for update in operation.updates:
            rows: list[tuple[float, dict[str, Any]]]
            if isinstance(update, FloatPoints):
                assert update.whole is not None
                assert update.micro is not None
                rows = [
                    (step, dict(zip(update.layout.paths, values, strict=True)))
                    for step, values in zip(
                        (update.whole + update.micro / 1e6).tolist(),
                        update.values.tolist(),
                        strict=True,
                    )
                ]
            else:
                step, held = (update.step or 0) / 1e6, dict(update.append)
                previews += [(path, step, update.preview) for path in held if update.preview]
                rows = [(step, held)]
            for step, held in rows:
                for path, value in held.items():
                    points.setdefault(f"{operation.run_id}:{path}", {})[step] = plain(value)
    assert points["root:train/m0"] == {0: 1.0, 1: 1.0, 2.5: 2.5, 3: "NaN"}
    assert points["root:train/m1"] == {0: 1.0, 1: 2.0, 2.5: 3.5, 3: math.inf}
    assert points["root:train/m4"] == {0: 4.0, 1: 5.0, 2.5: 6.5}
    assert points["fork:train/m0"] == {2: 9.0, 3: 10.0}
    assert previews == [("late", 4.0, 0.25)]
    assert points["root:log"] == {step: f"line {step}" for step in range(3)}
    counts = Histogram((0.0, 1.0, 2.0), (2, 1))
    assert points["root:counts"][2] == counts
    assert points["root:densities"][0].values == (0.5, 1.5)
    images = points["root:images"]
    assert sorted(images) == [0, 1, 2]
    assert {(file.size_bytes, file.mime_type) for file in images.values()} == {(3, "image/png")}
    assert len({file.path for file in images.values()}) == 3


def test_ids_of_requests() -> None:
    for each in sent("/ingest/check"):
        assert each.query == "projectIdentifier=team%2Fwritten"
        ids = decode_request_ids(each.body)
        assert ids
        assert all(id.startswith("n3:") for id in ids)


# reading


def searches() -> list[tuple[Captured, Search]]:
    """Return the searches, less those that no server can answer."""
    good = [each for each in sent("/search/") if text_of(each) not in BAD_QUERIES]
    return [(each, decode_search(each.json)) for each in good]


def text_of(search: Captured) -> str:
    return (search.json.get("query") or {}).get("query") or ""


@pytest.mark.parametrize("text", BAD_QUERIES)
def test_queries_that_their_users_wrote_wrongly(text: str) -> None:
    (one, *_) = [each for each in sent("/search/") if text_of(each) == text]
    with pytest.raises(InvalidInput):
        decode_search(one.json)


def parts_of(expression: Expression | None) -> Iterator[Compare | Exists | Not]:
    match expression:
        case And(operands) | Or(operands):
            for operand in operands:
                yield from parts_of(operand)
        case Not(operand):
            yield expression
            yield from parts_of(operand)
        case Compare() | Exists():
            yield expression


@pytest.mark.parametrize("client", ["neptune_query", "neptune_fetcher"])
def test_searches(client: str) -> None:
    found = [(each, search) for each, search in searches() if each.client == client]
    seen: set[object] = set()
    for each, search in found:
        body = each.json
        assert search.projection == tuple(one["path"] for one in body.get("attributeFilters") or [])
        assert search.heads_only is bool(body.get("experimentLeader"))
        assert search.limit == body["pagination"]["limit"]
        assert search.offset == body["pagination"].get("offset", 0)
        text = text_of(each)
        assert (search.filter is None) == (text == "")
        if search.sort is not None:
            assert search.sort.field.path == body["sorting"]["sortBy"]["name"]
            assert search.sort.ascending is (body["sorting"]["dir"] == "ascending")
            assert search.sort.field.type in {None, *types_of([body["sorting"]["sortBy"]["type"]])}
        if search.filter is not None:
            assert parse(str(search.filter)) == search.filter
            for part in parts_of(search.filter):
                seen.add(part.operator if isinstance(part, Compare) else type(part))
                if not isinstance(part, Not):
                    assert f"`{part.field.path}`" in text or part.field.path in text
    wanted: set[object] = {Operator.EQ, Operator.MATCHES, Operator.CONTAINS, Operator.GT}
    assert seen >= wanted
    assert {search.heads_only for _, search in found} == {True, False}


def test_types_of_filters() -> None:
    types = {
        part.field.type
        for _, search in searches()
        for part in parts_of(search.filter)
        if not isinstance(part, Not)
    }
    assert types >= {
        AttributeType.BOOL,
        AttributeType.INT,
        AttributeType.FLOAT,
        AttributeType.STRING,
        AttributeType.DATETIME,
        AttributeType.STRING_SET,
        AttributeType.FLOAT_SERIES,
    }


def test_names_and_types_of_attributes() -> None:
    for each in [*sent("/definitions/query"), *sent("/leaderboard/attributes/query")]:
        body = each.json
        names = body.get("attributeNameFilter")
        chosen = decode_names(names)
        assert (chosen.choices is None) == (not names)
        for text in (names or {}).get("mustMatchRegexes") or []:
            if text.isalnum():
                assert chosen.accepts(text) or names.get("mustNotMatchRegexes")
        exact = decode_exact_names(body.get("attributeNamesFilter"), "names")
        if exact is not None:
            assert all(exact.accepts(name) for name in body["attributeNamesFilter"])
            assert not exact.accepts("none of them")
        types = decode_types(body.get("attributeFilter"))
        assert types is None or types_of(types) or "experimentState" in types


def questions(ending: str) -> list[tuple[Captured, SeriesQuestion]]:
    return [(each, decode_question(each.json)) for each in sent(ending)]


def test_series() -> None:
    lineages = set()
    for each, asked in [*questions("/series/float"), *questions("/attributes/series")]:
        body = each.json
        assert len(asked.requests) == len(body["requests"])
        assert asked.descending is (body["order"] == "descending")
        if body.get("perSeriesPointsLimit") is not None:
            assert asked.limit == body["perSeriesPointsLimit"]
        low = (body.get("stepRange") or {}).get("from")
        assert asked.step_from == (None if low is None else round(low * 1e6))
        for request, one in zip(asked.requests, body["requests"], strict=True):
            series = one["series"]
            assert request.id == one["requestId"]
            assert (request.path, request.holder) == (
                series["attribute"],
                series["holder"]["identifier"],
            )
            assert request.after == one.get("afterStep")
            assert request.previews is bool(series.get("includePreview"))
            assert request.token == (one.get("searchAfter") or {}).get("token", "")
            lineages.add((series.get("lineage"), series.get("lineageEntityType"), request.lineage))
    assert {one for one in lineages if one[0] is None} <= {(None, None, "full")}
    assert {(given, entity): told for given, entity, told in lineages}[("NONE", "RUN")] == "own"
    assert {given: told for given, _, told in lineages if given == "FULL"} == {"FULL": "full"}


def test_buckets() -> None:
    asked = [decode_buckets(each.body) for each in sent("/timeseries/buckets")]
    assert all(question.buckets >= 2 for question in asked)
    paths = {request.path for question in asked for request in question.requests}
    assert 'odd ${x}/\\{y} "z"' in paths  # the formula escapes it
    holders = {request.holder for question in asked for request in question.requests}
    assert all(holder.startswith("team/series/") for holder in holders)
    assert {request.lineage for question in asked for request in question.requests} <= {
        "full",
        "own",
        "experiment",
    }


def test_requests_for_links() -> None:
    (write,) = sent("/v1/signedUrl", "neptune_scale")
    files = decode_requests(write.json)
    assert all(file.write and file.project == "team/written" for file in files)
    assert ("my/model.pt", 7) in {(file.path, file.size_bytes) for file in files}
    for read in (*sent("/v1/signedUrl", "neptune_query"), *sent("/azure/signedUrl")):
        (file,) = decode_requests(read.json)
        assert (file.write, file.size_bytes) == (False, None)
