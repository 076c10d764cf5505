"""Ingestion: what is applied, what is told of what is not, and that nothing ends in a 500."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mooring.hub.accounts import Role
from mooring.model import AttributeType
from mooring.store.contract import PathSelector, SeriesQuery
from mooring.wire.neptune3 import statuses
from mooring.wire.neptune3.schema import message
from mooring.wire.neptune3.statuses import IngestCode
from tests.serving import HubThread

PROJECT = "ann/digits"


class Client:
    """Sends what a client sends, and asks what became of it."""

    def __init__(self, hub: HubThread, token: str) -> None:
        self.http = httpx.Client(base_url=hub.address)
        exchanged = self.http.get(
            "/api/backend/v1/authorization/oauth-token", headers={"X-Neptune-Api-Token": token}
        )
        self.http.headers["authorization"] = f"Bearer {exchanged.json()['accessToken']}"

    def send(self, operation: Any) -> httpx.Response:
        return self.http.post("/api/client/v1/ingest", content=operation.SerializeToString())

    def outcome(self, operation: Any) -> dict[int, int]:
        """Send an operation, and return the codes that the status check tells, with counts."""
        answer = self.send(operation)
        assert answer.status_code == 200, answer.text
        ids = message("SubmitResponse").FromString(answer.content).request_ids
        asked = message("RequestIdList")(ids=[message("RequestId")(value=id) for id in ids])
        checked = self.http.post(
            "/api/client/v1/ingest/check",
            params={"projectIdentifier": PROJECT},
            content=asked.SerializeToString(),
        )
        (status,) = message("BulkRequestStatus").FromString(checked.content).statuses
        return {each.detail: each.count for each in status.code_by_count}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubThread]:
    started = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    yield started
    started.stop()


@pytest.fixture(scope="module")
def client(hub: HubThread) -> Iterator[Client]:
    made = Client(hub, hub.token("ann"))
    yield made
    made.http.close()


def create(run_id: str, project: str = PROJECT, **fields: Any) -> Any:
    run = message("Run")(**fields)
    return message("RunOperation")(project=project, run_id=run_id, create=run)


def value(given: Any) -> Any:
    kinds = {bool: "bool", int: "int64", float: "float64", str: "string"}
    return message("Value")(**{kinds[type(given)]: given})


def snapshot(
    step: float | None = None,
    *,
    assign: dict[str, Any] | None = None,
    append: dict[str, Any] | None = None,
    preview: float | None = None,
) -> Any:
    made = message("UpdateRunSnapshot")()
    if step is not None:
        whole, micro = divmod(round(step * 1_000_000), 1_000_000)
        made.step.CopyFrom(message("Step")(whole=whole, micro=micro))
    made.timestamp.seconds = 1_770_000_000
    for path, each in (assign or {}).items():
        made.assign[path].CopyFrom(value(each))
    for path, each in (append or {}).items():
        made.append[path].CopyFrom(value(each))
    if preview is not None:
        made.preview.is_preview = True
        made.preview.completion_ratio = preview
    return made


def update(run_id: str, *snapshots: Any, project: str = PROJECT) -> Any:
    batch = message("UpdateRunSnapshots")(snapshots=snapshots)
    return message("RunOperation")(project=project, run_id=run_id, update_batch=batch)


def floats(hub: HubThread, run_id: str, path: str) -> list[tuple[float, float]]:
    run = hub.hub.store.find_run(PROJECT, run_id=run_id)
    assert run is not None
    table = hub.hub.store.read_series(
        [run.key],
        PathSelector(paths=(path,), types=frozenset({AttributeType.FLOAT_SERIES})),
        SeriesQuery(),
    )
    steps = (step / 1e6 for step in table["step"].to_pylist())
    return list(zip(steps, table["value"].to_pylist(), strict=True))


def test_a_batch_is_applied_and_a_replay_changes_nothing(hub: HubThread, client: Client) -> None:
    assert client.outcome(create("replayed", experiment_id="exp")) == {IngestCode.OK: 1}
    batch = update(
        "replayed",
        snapshot(assign={"lr": 0.1, "n": 3}),
        *(snapshot(step, append={"a": step * 2, "b": math.nan}) for step in (0.5, 1.0, 2.0)),
    )
    assert client.outcome(batch) == {IngestCode.OK: 8}
    before = floats(hub, "replayed", "a")
    assert before == [(0.5, 1.0), (1.0, 2.0), (2.0, 4.0)]
    again = client.outcome(batch)
    assert again == {
        IngestCode.OK: 2,
        IngestCode.SERIES_POINT_DUPLICATE: 2,
        IngestCode.SERIES_STEP_NON_INCREASING: 4,
    }
    assert floats(hub, "replayed", "a") == before
    assert client.outcome(create("replayed", experiment_id="exp")) == {IngestCode.RUN_DUPLICATE: 1}


def test_the_rest_of_a_snapshot_is_applied(hub: HubThread, client: Client) -> None:
    client.outcome(create("mixed"))
    client.outcome(update("mixed", snapshot(1, assign={"v": 1}, append={"x": 1.0})))
    outcome = client.outcome(
        update(
            "mixed",
            snapshot(
                2,
                assign={"v": "text", "x": 5, "": 1, "sys/id": "X-1", "a" * 1025: 1, "good": True},
                append={"v": 1.0, "x": 2.0, "sys/y": 1.0},
            ),
        )
    )
    assert outcome == {
        IngestCode.OK: 2,
        IngestCode.FIELD_PATH_EXCEEDS_SIZE_LIMIT: 1,
        IngestCode.FIELD_PATH_EMPTY: 1,
        IngestCode.FIELD_PATH_NON_WRITABLE: 2,
        IngestCode.FIELD_TYPE_CONFLICTING: 3,
    }
    assert floats(hub, "mixed", "x") == [(1.0, 1.0), (2.0, 2.0)]


def test_previews_give_way_and_come_after_what_is_final(client: Client) -> None:
    client.outcome(create("previewed"))
    outcomes = [
        client.outcome(update("previewed", snapshot(step, append={"x": 1.0}, preview=preview)))
        for step, preview in ((1, None), (3, 0.5), (2, 0.5), (1, 0.5), (3, None))
    ]
    refused = {IngestCode.SERIES_PREVIEW_STEP_NOT_AFTER_LAST_COMMITTED_STEP: 1}
    assert outcomes == [{0: 1}, {0: 1}, {0: 1}, refused, {0: 1}]


def test_a_step_that_is_not_told_is_the_next_whole_one(hub: HubThread, client: Client) -> None:
    client.outcome(create("stepless"))
    client.outcome(update("stepless", snapshot(None, append={"x": 1.0})))
    client.outcome(update("stepless", snapshot(4.5, append={"x": 2.0})))
    client.outcome(update("stepless", snapshot(None, append={"x": 3.0})))
    assert floats(hub, "stepless", "x") == [(0.0, 1.0), (4.5, 2.0), (5.0, 3.0)]


def test_texts_may_come_in_any_order(client: Client) -> None:
    client.outcome(create("captured"))
    lines = [snapshot(step, append={"out": f"line {step}"}) for step in (3, 1, 1, 2)]
    assert client.outcome(update("captured", *lines)) == {IngestCode.OK: 4}


def test_what_is_not_there(hub: HubThread, client: Client) -> None:
    nothing = update("nobody", snapshot(1, append={"x": 1.0}))
    assert client.outcome(nothing) == {IngestCode.RUN_NOT_FOUND: 1}
    elsewhere = update("nobody", snapshot(1, append={"x": 1.0}), project="ann/nowhere")
    assert client.outcome(elsewhere) == {IngestCode.PROJECT_NOT_FOUND: 1}
    fork = message("ForkPoint")(parent_run_id="nobody")
    orphan = create("orphan", fork_point=fork)
    assert client.outcome(orphan) == {IngestCode.RUN_FORK_PARENT_NOT_FOUND: 1}
    assert hub.hub.store.find_run(PROJECT, run_id="orphan") is not None


def test_others_see_no_project_and_viewers_may_not_write(hub: HubThread, client: Client) -> None:
    client.outcome(create("private"))
    eve = Client(hub, hub.token("eve"))
    operation = update("private", snapshot(1, append={"x": 1.0}))
    assert eve.outcome(operation) == {IngestCode.PROJECT_NOT_FOUND: 1}
    assert eve.outcome(create("intruder")) == {IngestCode.PROJECT_NOT_FOUND: 1}
    hub.hub.accounts.grant(PROJECT, "eve", Role.VIEWER)
    for refused in (eve.send(operation), eve.send(create("intruder"))):
        assert refused.status_code == 403
        assert refused.json()["errorType"] == "ACCESS_DENIED"
    assert hub.hub.store.find_run(PROJECT, run_id="intruder") is None
    eve.http.close()


def test_ids_are_known_to_any_hub() -> None:
    id = statuses.make_id({IngestCode.OK: 5, IngestCode.RUN_DUPLICATE: 1})
    assert statuses.read_id(id) == {0: 5, 11: 1}
    for foreign in ("", "x", id + "x", "0" * 32 + ".9999-1", "0" * 32):
        assert statuses.read_id(foreign) == {}


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_bytes_of_any_kind_change_nothing(hub: HubThread, client: Client, body: bytes) -> None:
    before = hub.hub.store.list_projects()
    for path in ("/api/client/v1/ingest", "/api/client/v1/ingest/check"):
        answer = client.http.post(path, content=body)
        assert answer.status_code in (200, 400)
    assert hub.hub.store.list_projects() == before


def test_a_body_without_a_token(hub: HubThread) -> None:
    answer = httpx.post(hub.address + "/api/client/v1/ingest", content=b"")
    assert answer.status_code == 401
