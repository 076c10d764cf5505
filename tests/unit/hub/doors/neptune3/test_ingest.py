"""What writers of Neptune 3 are told of each operation, and what is in the store afterwards."""

from __future__ import annotations

import math
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from mooring.hub.accounts import Role
from mooring.model import AttributeType, FileRef
from mooring.store.appending import Assign, LogPoints
from mooring.store.contract import PathSelector, SeriesQuery
from mooring.store.sqlite.store import SqliteStore
from mooring.wire.neptune3.requests import Code
from mooring.wire.neptune3.schema import message
from tests.serving import HubThread
from tests.unit.hub.doors.neptune3.writing import (
    PROJECT,
    Writer,
    batch,
    configs,
    creation,
    points,
)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubThread]:
    hub = HubThread(tmp_path / "runs.db")
    yield hub
    hub.stop()


@pytest.fixture
def writer(hub: HubThread) -> Writer:
    return Writer(hub, hub.admin)


def series(hub: HubThread, path: str, run_id: str = "r", **query: Any) -> list[tuple[float, Any]]:
    """The points of a series, as (step, value)."""
    run = hub.hub.store.find_run(PROJECT, run_id=run_id)
    assert run is not None
    kind, _ = hub.hub.store.get_value(run.key, path)
    table = hub.hub.store.read_series(
        [run.key],
        PathSelector(paths=(path,), types=frozenset({kind})),
        SeriesQuery(**query),
    )
    steps = [step / 1e6 for step in table["step"].to_pylist()]
    return list(zip(steps, table["value"].to_pylist(), strict=True))


def value(hub: HubThread, path: str, run_id: str = "r") -> Any:
    run = hub.hub.store.find_run(PROJECT, run_id=run_id)
    assert run is not None
    return hub.hub.store.get_value(run.key, path)


def test_creation_resume_and_heads(hub: HubThread, writer: Writer) -> None:
    assert writer.create(experiment_id="exp") == {Code.OK: 1}
    assert writer.create(experiment_id="exp") == {Code.RUN_DUPLICATE: 1}
    assert writer.create("s", experiment_id="exp") == {Code.OK: 1}
    assert value(hub, "sys/experiment/is_head", "r")[1] is False
    assert value(hub, "sys/experiment/is_head", "s")[1] is True
    assert value(hub, "sys/name", "r")[1] == "exp"
    assert writer.create("s", experiment_id="other") == {Code.RUN_DUPLICATE: 1}
    assert value(hub, "sys/experiment/name", "s")[1] == "other"


def test_forks(hub: HubThread, writer: Writer) -> None:
    writer.create()
    writer.told(batch(configs({"lr": 0.1}), points(1, {"loss": 1.0}), points(2, {"loss": 2.0})))
    assert writer.create("f", parent="r", step=1, inherit_configs=True) == {Code.OK: 1}
    assert value(hub, "lr", "f")[1] == 0.1
    assert series(hub, "loss", "f") == [(1.0, 1.0)]
    assert writer.told(batch(points(2, {"loss": 5.0}), run_id="f")) == {Code.OK: 1}
    assert series(hub, "loss", "f") == [(1.0, 1.0), (2.0, 5.0)]
    # A resume sends no fork point; another one is a conflict.
    assert writer.create("f") == {Code.RUN_DUPLICATE: 1}
    assert writer.create("f", parent="r", step=1) == {Code.RUN_DUPLICATE: 1}
    assert writer.create("f", parent="r", step=2) == {Code.RUN_CONFLICTING: 1}
    assert writer.create("g", parent="nobody", step=2) == {Code.RUN_FORK_PARENT_NOT_FOUND: 1}
    assert writer.create("r", parent="f", step=2) == {Code.RUN_CONFLICTING: 1}


def test_names_that_cannot_be(writer: Writer) -> None:
    assert writer.create("a/b") == {Code.RUN_INVALID_CREATION_PARAMETERS: 1}
    assert writer.create("x" * 731) == {Code.RUN_INVALID_CREATION_PARAMETERS: 1}
    assert writer.create("") == {Code.RUN_INVALID_CREATION_PARAMETERS: 1}
    assert writer.create("r", "a/b/c") == {Code.PROJECT_INVALID_NAME: 1}
    assert writer.told(batch(points(1, {"a": 1.0}))) == {Code.PROJECT_NOT_FOUND: 1}
    writer.create()
    assert writer.told(batch(points(1, {"a": 1.0}), run_id="no")) == {Code.RUN_NOT_FOUND: 1}


def test_configs_of_each_type(hub: HubThread, writer: Writer) -> None:
    writer.create()
    given = {
        "int": 3,
        "float": math.inf,
        "nan": math.nan,
        "bool": True,
        "text": "wörld",
        "set": {"a", "b"},
        "time": ("time", 86_400),
        "file": ("file", "some/where.txt"),
    }
    assert writer.told(batch(configs(given))) == {Code.OK: 8}
    assert value(hub, "int") == (AttributeType.INT, 3)
    assert value(hub, "float") == (AttributeType.FLOAT, math.inf)
    assert math.isnan(value(hub, "nan")[1])
    assert value(hub, "set") == (AttributeType.STRING_SET, frozenset({"a", "b"}))
    assert value(hub, "file")[1] == FileRef("", 3, "text/plain", "some/where.txt")
    # The type is fixed by the first; the rest of the snapshot is applied.
    wrong = configs({"int": 1.5, "text": "new", "bool": "x"})
    assert writer.told(batch(wrong)) == {Code.OK: 1, Code.FIELD_TYPE_CONFLICTING: 2}
    assert value(hub, "int") == (AttributeType.INT, 3)
    assert value(hub, "text")[1] == "new"


@pytest.mark.parametrize(
    ("update", "code"),
    [
        (configs({"": 1}), Code.FIELD_PATH_EMPTY),
        (configs({"x" * 1025: 1}), Code.FIELD_PATH_EXCEEDS_SIZE_LIMIT),
        (configs({"a\x00b": 1}), Code.FIELD_PATH_INVALID),
        (configs({"sys/id": "X-1"}), Code.FIELD_PATH_NON_WRITABLE),
        (configs({"sys/name": "X"}), Code.FIELD_PATH_NON_WRITABLE),
        (points(1, {"sys/loss": 1.0}), Code.FIELD_PATH_NON_WRITABLE),
        (configs({"sys/failed": "yes"}), Code.FIELD_TYPE_CONFLICTING),
        (points(1, {"a": True}), Code.FIELD_TYPE_UNSUPPORTED),
        (configs({"a": ("histogram", [0, 1], [1])}), Code.FIELD_TYPE_UNSUPPORTED),
        (configs({"a": ("time", -9_000_000_000)}), Code.DATETIME_VALUE_OUT_OF_RANGE),
        (configs({"a": ("time", 2**60)}), Code.DATETIME_VALUE_OUT_OF_RANGE),
        (configs({"a": "x" * (2**20 + 1)}), Code.STRING_VALUE_EXCEEDS_SIZE_LIMIT),
        (configs({"a": {"x" * 2**19, "y" * 2**19, "z"}}), Code.STRING_SET_EXCEEDS_SIZE_LIMIT),
        (configs({"a": ("file", "x" * 5000)}), Code.FILE_REF_EXCEEDS_SIZE_LIMIT),
        (points(10**12, {"a": 1.0}), Code.SERIES_STEP_TOO_LARGE),
        (points(2**63, {"a": 1.0}), Code.SERIES_STEP_TOO_LARGE),
        (
            points(1, {"a": ("histogram", [0, math.nan], [1])}),
            Code.HISTOGRAM_BIN_EDGES_CONTAINS_NAN,
        ),
        (
            points(1, {"a": ("histogram", list(range(514)), [1] * 513)}),
            Code.HISTOGRAM_TOO_MANY_BINS,
        ),
        (points(1, {"a": ("histogram", [1, 1], [1])}), Code.HISTOGRAM_BIN_EDGES_NOT_INCREASING),
        (
            points(1, {"a": ("histogram", [0, 1], [1, 2])}),
            Code.HISTOGRAM_VALUES_LENGTH_DOESNT_MATCH_BINS,
        ),
    ],
)
def test_what_is_refused_alone(hub: HubThread, writer: Writer, update: Any, code: Code) -> None:
    writer.create()
    assert writer.told(batch(update, points(1, {"good": 1.0}))) == {Code.OK: 1, code: 1}
    assert series(hub, "good") == [(1.0, 1.0)]


def test_order_of_points(hub: HubThread, writer: Writer) -> None:
    writer.create()
    told = writer.told(
        batch(
            points(1, {"a": 1.0, "b": math.nan}),
            points(2, {"a": 2.0, "b": math.nan}),
            points(2, {"a": 2.0, "b": math.nan}, time=2_000),
            points(2, {"a": 3.0}),
            points(1, {"a": 1.0, "c": -math.inf}),
            points(0.5, {"b": 1.0}),
        )
    )
    assert told == {
        Code.OK: 5,
        Code.SERIES_POINT_DUPLICATE: 2,
        Code.SERIES_STEP_NON_INCREASING: 3,
    }
    assert series(hub, "a") == [(1.0, 1.0), (2.0, 2.0)]
    assert series(hub, "c") == [(1.0, -math.inf)]
    assert [step for step, _ in series(hub, "b")] == [1.0, 2.0]


def test_many_steps_of_one_layout_in_a_request(hub: HubThread, writer: Writer) -> None:
    writer.create()
    rows = [points(step, {"a": step / 2, "b": 1.0}, time=step) for step in range(1, 9)]
    assert writer.told(batch(*rows[:4])) == {Code.OK: 8}
    # The first half comes again, one step with another value; the fifth follows the sixth again.
    again = [*rows[:3], points(4, {"a": 9.0, "b": 1.0}, time=4), *rows[4:6], rows[4], *rows[6:]]
    assert writer.told(batch(*again)) == {
        Code.OK: 8,
        Code.SERIES_POINT_DUPLICATE: 1,
        Code.SERIES_STEP_NON_INCREASING: 9,
    }
    assert series(hub, "a") == [(float(step), step / 2) for step in range(1, 9)]


def test_a_step_has_fewer_millionths_than_a_million(hub: HubThread, writer: Writer) -> None:
    writer.create()
    wrong = points(1, {"a": 1.0})
    wrong.step.micro = 1_000_000
    told = {Code.OK: 1, Code.SERIES_STEP_INVALID: 1}
    assert writer.told(batch(wrong, points(1, {"a": 2.0}))) == told
    assert series(hub, "a") == [(1.0, 2.0)]


@pytest.mark.parametrize("place", ["another process", "another door"])
def test_others_write_to_the_run(
    hub: HubThread, writer: Writer, tmp_path: Path, place: str
) -> None:
    writer.create()
    writer.told(batch(points(1, {"a": 1.0})))
    run = hub.hub.store.find_run(PROJECT, run_id="r")
    assert run is not None
    other = SqliteStore(tmp_path / "runs.db") if place == "another process" else hub.hub.store
    other.append_batch(run.key, "w", 1, [LogPoints({"a": 5.0}, 5_000_000, 1), Assign({"b": 1})])
    if other is not hub.hub.store:
        other.close()
    update = points(4, {"a": 4.0, "b": 1.0})
    assert writer.told(batch(update)) == {
        Code.SERIES_STEP_NON_INCREASING: 1,
        Code.FIELD_TYPE_CONFLICTING: 1,
    }


def test_previews(hub: HubThread, writer: Writer) -> None:
    writer.create()
    previews = batch(
        points(1, {"a": 1.0}),
        points(5, {"a": 5.0}, preview=0.5),
        points(3, {"a": 3.0}, preview=math.nan),
        points(1, {"a": 9.0}, preview=0.5),
        points(4, {"a": 4.0}),
    )
    assert writer.told(previews) == {
        Code.OK: 4,
        Code.SERIES_PREVIEW_STEP_NOT_AFTER_LAST_COMMITTED_STEP: 1,
    }
    assert series(hub, "a") == [(1.0, 1.0), (4.0, 4.0)]
    shown = series(hub, "a", include_previews=True)
    assert shown == [(1.0, 1.0), (4.0, 4.0), (5.0, 5.0)]


def test_other_series_take_any_order(hub: HubThread, writer: Writer) -> None:
    writer.create()
    told = writer.told(
        batch(
            points(3, {"text": "c", "file": ("file", "c"), "h": ("histogram", [0, 1], [3])}),
            points(1, {"text": "a", "file": ("file", "a")}),
            points(3, {"text": "d"}),
        )
    )
    assert told == {Code.OK: 6}
    assert series(hub, "text") == [(1.0, "a"), (3.0, "d")]
    assert [step for step, _ in series(hub, "file")] == [1.0, 3.0]


def test_points_without_a_step_follow_the_highest(hub: HubThread, writer: Writer) -> None:
    writer.create()
    writer.told(batch(points(None, {"a": 1.0}), points(2.5, {"a": 2.0}), points(None, {"a": 3.0})))
    assert series(hub, "a") == [(0.0, 1.0), (2.5, 2.0), (3.0, 3.0)]


def test_sets_are_changed(hub: HubThread, writer: Writer) -> None:
    writer.create()
    update = message("UpdateRunSnapshot")()
    update.modify_sets["sys/tags"].string.values["a"] = 1
    update.modify_sets["sys/tags"].string.values["b"] = 1
    assert writer.told(batch(update)) == {Code.OK: 1}
    update.modify_sets["sys/tags"].string.values["a"] = 2
    update.modify_sets["sys/id"].string.values["a"] = 1
    assert writer.told(batch(update)) == {Code.OK: 1, Code.FIELD_PATH_NON_WRITABLE: 1}
    assert value(hub, "sys/tags")[1] == frozenset({"b"})


def test_a_request_sent_again_changes_nothing_and_is_told_the_same(
    tmp_path: Path,
) -> None:
    hub = HubThread(tmp_path / "runs.db")
    writer = Writer(hub, hub.admin)
    writer.create()
    sent = batch(
        points(1, {"a": 1.0}),
        points(1, {"a": 2.0}),
        points(2, {"a": 2.0}),
        points(None, {"b": 1.0}),
    )
    first = writer.submit(sent)
    told = {Code.OK: 3, Code.SERIES_STEP_NON_INCREASING: 1}
    writer.told(batch(points(7, {"a": 7.0, "b": 7.0})))
    again = writer.submit(sent)
    assert writer.check(first, again, "unknown", "") == [told, told, {Code.OK: 1}, {Code.OK: 1}]
    assert series(hub, "b") == [(0.0, 1.0), (7.0, 7.0)]
    hub.stop()
    hub = HubThread(tmp_path / "runs.db")
    try:
        writer = Writer(hub, hub.token("admin"))
        assert writer.check(first) == [told]
        assert writer.told(sent) == told
        assert writer.told(batch(points(7, {"a": 7.0}))) == {Code.SERIES_POINT_DUPLICATE: 1}
    finally:
        hub.stop()


def test_who_may_not_write(hub: HubThread, writer: Writer) -> None:
    writer.create()
    accounts = hub.hub.accounts
    viewer = Writer(hub, hub.token("vera"))
    stranger = Writer(hub, hub.token("otto"))
    accounts.grant(PROJECT, "vera", Role.VIEWER)
    for operation in (creation("new"), creation(), batch(points(1, {"a": 1.0}))):
        with pytest.raises(urllib.error.HTTPError) as error:
            viewer.submit(operation)
        assert error.value.code == 403
        error.value.close()
    assert stranger.told(batch(points(1, {"a": 1.0}))) == {Code.PROJECT_NOT_FOUND: 1}
    assert hub.hub.store.find_run(PROJECT, run_id="new") is None
    assert stranger.create("mine", "otto/own") == {Code.OK: 1}


@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"\x0a\xff", b"\x42\x05\x0a\x0aabc"])
def test_bytes_that_are_no_message(writer: Writer, body: bytes) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        writer.post("/api/client/v1/ingest", body)
    assert error.value.code == 400
    error.value.close()


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_bytes_of_any_kind_change_nothing(hub: HubThread, writer: Writer, body: bytes) -> None:
    before, codes = hub.hub.store.list_projects(), {200}
    for path in ("/api/client/v1/ingest", "/api/client/v1/ingest/check"):
        try:
            writer.post(path, body)
        except urllib.error.HTTPError as error:
            codes.add(error.code)
            error.close()
    assert codes <= {200, 400}
    assert hub.hub.store.list_projects() == before


def test_a_body_without_a_token(hub: HubThread) -> None:
    request = urllib.request.Request(hub.address + "/api/client/v1/ingest", data=b"")
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=30)
    assert error.value.code == 401
    error.value.close()


def test_a_long_body_is_not_read_of_strangers(hub: HubThread) -> None:
    with socket.create_connection(("127.0.0.1", int(hub.address.rpartition(":")[2]))) as client:
        client.sendall(
            b"POST /api/client/v1/ingest HTTP/1.1\r\nhost: hub\r\n"
            b"content-length: 16000000\r\nauthorization: Bearer x\r\n\r\n"
        )
        client.settimeout(10)
        assert client.recv(12) == b"HTTP/1.1 401"
