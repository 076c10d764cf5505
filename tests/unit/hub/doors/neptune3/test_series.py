"""What the door answers about series: orders, pages, tokens, buckets, and bad questions."""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mooring import Run
from mooring.hub.doors.neptune3 import buckets as door_buckets
from mooring.hub.doors.neptune3 import points
from mooring.hub.doors.neptune3 import series as door_series
from mooring.wire.neptune3.schema import message
from tests.serving import HubThread

PROJECT = "team/nets"
SERIES = "/api/leaderboard/v1/proto/attributes/series"
FLOATS = f"{SERIES}/float"
BUCKETS = "/api/leaderboard/v1/proto/attributes/timeseries/buckets"
STEPS = 30


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubThread]:
    started = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    store = started.hub.store
    for name in ("a", "b"):
        with Run(PROJECT, store=store, run_id=name) as run:
            for step in range(STEPS):
                run.log({"loss": float(step), "odd": value_of(step)}, step=step / 2)
                run.log({"text": f"{name}{step}"}, step=step)
    with Run(PROJECT, store=store, run_id="big") as run:
        for step in range(5):
            run.log({"text": "x" * (6 << 20)}, step=step)
    with Run("hidden/nets", store=store, run_id="a") as run:
        run.log({"loss": 1.0, "text": "secret"}, step=1)
    yield started
    started.stop()


def value_of(step: int) -> float:
    return {3: math.nan, 4: math.inf, 5: -math.inf, 6: math.nan}.get(step, float(step % 7))


@pytest.fixture(scope="module")
def ask(hub: HubThread):
    """Return what asks the hub as a user who sees one of its projects."""
    accounts = hub.hub.accounts
    token = hub.token("kim")
    accounts.grant(PROJECT, "kim", "viewer")
    request = urllib.request.Request(f"{hub.address}/api/backend/v1/authorization/oauth-token")
    request.add_header("X-Neptune-Api-Token", token)
    with urllib.request.urlopen(request) as answer:
        access = json.load(answer)["accessToken"]

    def ask(path: str, body: object) -> bytes:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(hub.address + path, data, method="POST")
        request.add_header("Authorization", f"Bearer {access}")
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    return ask


def series(run: str, path: str, id: str = "0", project: str = PROJECT, **more: object) -> dict:
    holder = {"identifier": f"CUSTOM/{project}/{run}", "type": "experiment"}
    return {"requestId": id, "series": {"attribute": path, "holder": holder}, **more}


def floats(ask, requests, **more):
    answer = message("ProtoFloatSeriesValuesResponseDTO").FromString(
        ask(FLOATS, {"requests": requests, **more})
    )
    return {
        each.requestId: [(point.step, point.value) for point in each.series.values]
        for each in answer.series
    }


def others(ask, requests, **more):
    answer = ask(f"{SERIES}?useDeprecatedStringFields=false", {"requests": requests, **more})
    return message("ProtoSeriesValuesResponseDTO").FromString(answer).series


def status_of(ask, path: str, body: object) -> tuple[int, dict]:
    with pytest.raises(urllib.error.HTTPError) as raised:
        ask(path, body)
    with raised.value as error:
        return error.code, json.load(error)


EVERY = [(step / 2, float(step)) for step in range(STEPS)]


def test_every_series_is_answered_in_the_order_of_the_requests(ask):
    asked = [
        series("b", "loss", "z"),
        series("nobody", "loss", "y"),
        series("a", "none", "x"),
        series("a", "text", "w"),
        series("a", "loss", "v", project="hidden/nets"),
        series("a", "loss", "u", project="no project"),
        series("a", "loss", "t"),
    ]
    told = floats(ask, asked)
    assert list(told) == list("zyxwvut")
    assert told["z"] == told["t"] == EVERY
    assert not any(told[id] for id in "yxwvu")


@pytest.mark.parametrize("order", ["ascending", "descending"])
@pytest.mark.parametrize("limit", [1, 7, 30, 100.0])
def test_pages_are_full_until_the_last(ask, order, limit):
    read, after = [], None
    while True:
        more = {"perSeriesPointsLimit": limit, "order": order}
        page = floats(ask, [series("a", "loss", afterStep=after)], **more)["0"]
        read += page
        if len(page) < limit:
            break
        after = page[-1][0]
    assert read == (EVERY if order == "ascending" else EVERY[::-1])


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_each_series_goes_on_at_its_own_step(ask, order):
    asked = [series("a", "loss", str(n), afterStep=n / 2) for n in range(STEPS)]
    told = floats(ask, asked, perSeriesPointsLimit=3, order=order)
    for n in range(STEPS):
        later = EVERY[n + 1 :] if order == "ascending" else EVERY[:n][::-1]
        assert told[str(n)] == later[:3]


def test_ranges_hold_in_every_page(ask):
    asked = [series("a", "loss", afterStep=3.5)]
    told = floats(ask, asked, stepRange={"from": 2.2, "to": 4.5})
    assert [step for step, _ in told["0"]] == [4.0, 4.5]
    told = floats(ask, asked, stepRange={"from": 2.2, "to": 4.5}, order="descending")
    assert [step for step, _ in told["0"]] == [3.0, 2.5]
    assert floats(ask, asked, stepRange={"from": 5, "to": 4}) == {"0": []}


def test_an_empty_question_has_an_empty_answer(ask):
    assert floats(ask, []) == {}
    assert list(others(ask, [])) == []


def test_too_many_points_are_refused_and_not_cut(ask, monkeypatch):
    monkeypatch.setattr(door_series, "_MAX_POINTS", 100)
    assert len(floats(ask, [series("a", "loss", str(n)) for n in range(3)])) == 3
    asked = [series("a", "loss", str(n)) for n in range(4)]
    code, told = status_of(ask, FLOATS, {"requests": asked})
    assert code == 400
    assert "perSeriesPointsLimit" in told["message"]


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_texts_end_with_the_limit_or_the_series(ask, order):
    asked = [series("a", "text", "0"), series("a", "none", "1"), series("b", "loss", "2")]
    (told,) = others(ask, asked, order=order, perSeriesPointsLimit=4)
    assert told.requestId == "0"
    assert told.searchAfter.finished
    texts = [point.object.stringValue for point in told.seriesValues.values]
    every = [f"a{step}" for step in range(STEPS)]
    assert texts == (every if order == "ascending" else every[::-1])[:4]
    (told,) = others(ask, asked, order=order, perSeriesPointsLimit=0)
    assert told.searchAfter.finished
    assert not told.seriesValues.values


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_what_does_not_fit_comes_with_the_next_page(ask, order):
    asked = {id: series(run, "text", id) for id, run in zip("012", ("a", "big", "b"), strict=True)}
    read: dict[str, list[float]] = {id: [] for id in asked}
    pages = 0
    while asked:
        told = {each.requestId: each for each in others(ask, list(asked.values()), order=order)}
        pages += 1
        assert set(told) == set(asked)
        assert any(each.HasField("searchAfter") for each in told.values())
        for id, each in told.items():
            read[id] += [point.step for point in each.seriesValues.values]
            if each.HasField("searchAfter"):
                token = {"finished": False, "token": each.searchAfter.token}
                assert token["token"]
                asked[id]["searchAfter"] = token
                if each.searchAfter.finished:
                    del asked[id]
            else:
                assert not each.seriesValues.values
    assert pages == 2
    expected = {"0": [*range(STEPS)], "1": [*range(5)], "2": [*range(STEPS)]}
    for id, steps in expected.items():
        assert read[id] == (steps if order == "ascending" else steps[::-1])


def test_two_thousand_series_and_no_more(ask):
    asked = [series("a", "text", str(n)) for n in range(2_000)]
    told = others(ask, asked)
    assert len(told) == 2_000
    assert sum(each.searchAfter.finished for each in told) == 10_000 // STEPS
    code, _ = status_of(ask, SERIES, {"requests": [*asked, series("a", "text", "more")]})
    assert code == 400


@pytest.mark.parametrize(
    "token", ["x", "1", "1/", "/1", "1/x", "9" * 80 + "/1", "9" * 19 + "/1", "1_0/1"]
)
def test_tokens_of_others_are_refused(ask, token):
    asked = [series("a", "text", searchAfter={"finished": False, "token": token})]
    code, told = status_of(ask, SERIES, {"requests": asked})
    assert code == 400
    assert "token" in told["message"]


@pytest.mark.parametrize("path", [FLOATS, SERIES, BUCKETS])
@pytest.mark.parametrize("body", [b"\xff", b"[1]", b'{"requests": [{}]}'])
def test_what_is_no_question_is_refused(ask, path, body):
    assert status_of(ask, path, body)[0] == 400


# buckets


def buckets(ask, *asked: tuple[str, str], **view: object):
    expressions = [
        {"requestId": str(n), "runId": f"CUSTOM/{PROJECT}/{run}", "customYFormula": f"${{{path}}}"}
        for n, (run, path) in enumerate(asked)
    ]
    question = message("ProtoGetTimeseriesBucketsRequest")(expressions=expressions, view=view)
    answer = message("ProtoTimeseriesBucketsDTO").FromString(
        ask(BUCKETS, question.SerializeToString())
    )
    assert [entry.requestId for entry in answer.entries] == [str(n) for n in range(len(asked))]
    return [list(entry.bucket) for entry in answer.entries]


@pytest.mark.parametrize("count", [1, 2, 5, 8, 31, 1000])
@pytest.mark.parametrize("span", [{}, {"from": 3.0, "to": 9.0}, {"to": 7.0}, {"from": 99.0}])
def test_buckets_are_those_of_the_definition(ask, count, span):
    points = [(step / 2, value_of(step)) for step in range(STEPS)]
    low = span.get("from", 0.0)
    high = max(low, span.get("to", points[-1][0]))
    width = (high - low) / max(1, count - 1)
    bounds = [-math.inf, *(low + width * i for i in range(count)), math.inf]
    if low == high:
        bounds = [low, math.inf]
    (found,) = buckets(ask, ("a", "odd"), maxBuckets=count, **span)
    seen = []
    for index in range(len(bounds) - 1):
        inside = [
            (x, y)
            for x, y in points
            if bounds[index] < x <= bounds[index + 1] or (low == high and x == low)
        ]
        if not inside:
            continue
        seen.append(index)
        (told,) = [bucket for bucket in found if bucket.index == index]
        finite = [(x, y) for x, y in inside if math.isfinite(y)]
        values = [y for _, y in finite]
        assert (told.fromX, told.toX) == (bounds[index], bounds[index + 1])
        assert told.finitePointCount == len(finite)
        assert told.nanCount == sum(math.isnan(y) for _, y in inside)
        assert told.positiveInfCount == sum(y == math.inf for _, y in inside)
        assert told.negativeInfCount == sum(y == -math.inf for _, y in inside)
        parts = ("first", "last", "localMin", "localMax", "localSum")
        assert [told.HasField(part) for part in parts] == [bool(finite)] * 5
        if finite:
            assert ((told.first.x, told.first.y), (told.last.x, told.last.y)) == (
                finite[0],
                finite[-1],
            )
            assert (told.localMin, told.localMax) == (min(values), max(values))
            assert told.localSum == sum(values)
    assert [bucket.index for bucket in found] == seen


def test_the_range_is_that_of_all_series_together(ask):
    loss, text, nobody, hidden = buckets(
        ask, ("a", "loss"), ("b", "text"), ("nobody", "loss"), ("b", "none"), maxBuckets=3
    )
    assert (text, nobody, hidden) == ([], [], [])
    assert [(each.fromX, each.toX) for each in loss] == [(-math.inf, 0), (0, 7.25), (7.25, 14.5)]


def test_many_points_are_read_in_portions(ask, monkeypatch):
    asked = [("a", "loss"), ("a", "odd"), ("b", "loss"), ("b", "odd")]
    requests = [series(run, path, f"{run}{path}") for run, path in asked]
    whole = floats(ask, requests, order="descending"), buckets(ask, *asked, maxBuckets=9)
    assert whole[0]["bloss"] == EVERY[::-1]
    for most in (100, 40, 1):
        monkeypatch.setattr(points, "_MAX_POINTS", most)
        monkeypatch.setattr(door_buckets, "_MAX_KEPT", 0)
        read = floats(ask, requests, order="descending"), buckets(ask, *asked, maxBuckets=9)
        assert repr(read) == repr(whole)


def test_filters_leave_points_out(ask):
    (found,) = buckets(
        ask, ("a", "loss"), maxBuckets=2, pointFilters={"stepRange": {"from": 2.0, "to": 3.0}}
    )
    assert [(each.first.x, each.last.x) for each in found] == [(2.0, 2.0), (2.5, 3.0)]


# anything at all

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
)
NAMES = st.sampled_from(
    ["loss", "text", "FULL", "NONE", "RUN", "descending", f"CUSTOM/{PROJECT}/a", f"{PROJECT}/X-1"]
)
ODDS = SCALARS | NAMES | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(), SCALARS)
HOLDERS = st.fixed_dictionaries({}, optional={"identifier": ODDS, "type": ODDS}) | ODDS
ASKED = st.fixed_dictionaries(
    {},
    optional={
        "attribute": ODDS,
        "holder": HOLDERS,
        "lineage": ODDS,
        "lineageEntityType": ODDS,
        "includePreview": ODDS,
    },
)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "requestId": ODDS,
        "series": ASKED | ODDS,
        "afterStep": ODDS,
        "searchAfter": st.fixed_dictionaries({}, optional={"token": ODDS, "finished": ODDS}) | ODDS,
    },
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "requests": st.lists(REQUESTS, max_size=3) | ODDS,
        "order": ODDS,
        "perSeriesPointsLimit": ODDS,
        "stepRange": st.fixed_dictionaries({}, optional={"from": ODDS, "to": ODDS}) | ODDS,
    },
)


def answered(ask, path: str, body: object) -> None:
    code, told = 200, b"{}"
    try:
        ask(path, body)
    except urllib.error.HTTPError as error:
        with error:
            code, told = error.code, error.read()
    assert code == 200 or (code == 400 and json.loads(told)["message"]), (code, told)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([FLOATS, SERIES]), BODIES)
def test_any_body_is_answered_or_refused(ask, path, body):
    answered(ask, path, body)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(["loss", "odd", "text"]), st.integers(-1, 3)), max_size=3),
    st.none() | st.floats(),
    st.none() | st.floats(),
    st.integers(-(2**31), 2**31 - 1) | st.integers(1, 40),
    st.integers(0, 60),
    st.binary(max_size=2),
)
def test_any_view_is_answered_or_refused(ask, asked, low, high, count, cut, tail):
    view = {"maxBuckets": count}
    view |= {name: end for name, end in (("from", low), ("to", high)) if end is not None}
    expressions = [
        {
            "requestId": "0",
            "runId": f"CUSTOM/{PROJECT}/a",
            "customYFormula": f"${{{path}}}",
            "lineage": lineage,
            "entityType": lineage,
        }
        for path, lineage in asked
    ]
    body = message("ProtoGetTimeseriesBucketsRequest")(expressions=expressions, view=view)
    answered(ask, BUCKETS, body.SerializeToString())
    answered(ask, BUCKETS, body.SerializeToString()[: -cut or None] + tail)
