"""What the users of the real clients are told when they may not, and that nothing is lost by it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from mooring.client.token import ApiToken
from mooring.hub.accounts import Role
from mooring.model import AttributeType
from mooring.store.contract import PathSelector, SeriesQuery
from tests.e2e.exchange.peer import find_peer
from tests.serving import HubThread

PROJECT = "team/digits"
LOGGING = """
import json, sys, time
from pathlib import Path
from neptune_scale import Run

told = {}

def open_run(name, token, project, **given):
    told[name] = []
    return Run(
        project=project, api_token=token, run_id=name, enable_console_log_capture=False,
        source_tracking_config=None, log_directory=name,
        on_error_callback=lambda error, *_: told[name].append(type(error).__name__), **given,
    )

def end(run, name, *last):
    deadline = time.monotonic() + 60
    while not set(last) <= set(told[name]) and time.monotonic() < deadline:
        time.sleep(0.1)
    run.terminate() if last else run.close()

if __name__ == "__main__":
"""
READING = """
import json, sys
import neptune_query as nq
import neptune_query.runs as runs

def ask(token, project):
    nq.set_api_token(token)
    try:
        return "found " + ", ".join(runs.list_runs(project=project))
    except Exception as error:
        return type(error).__name__ + ": " + str(error).replace(project, "PROJECT")

told = {name: ask(*given) for name, given in json.loads(sys.argv[1]).items()}
print(json.dumps(told))
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubThread]:
    started = HubThread(tmp_path / "runs.db")
    started.hub.store.create_project(PROJECT)
    yield started
    started.stop()


def wrong_token(hub: HubThread) -> str:
    return ApiToken(hub.address, "mooring-0-" + "x" * 40).encode()


def test_writers_that_may_not(hub: HubThread, tmp_path: Path) -> None:
    viewer = hub.token("vera")
    hub.hub.accounts.grant(PROJECT, "vera", Role.VIEWER)
    tokens = {
        "wrong": (wrong_token(hub), PROJECT),
        "viewer": (viewer, PROJECT),
        "stranger": (hub.token("otto"), PROJECT),
        "elsewhere": (hub.token("otto"), "nobody/nothing"),
    }
    last = {
        "wrong": ["NeptuneInvalidCredentialsError", "NeptuneSynchronizationStopped"],
        "viewer": ["NeptuneUnauthorizedError", "NeptuneSynchronizationStopped"],
        "stranger": ["NeptuneProjectNotFound", "NeptuneSynchronizationStopped"],
        "elsewhere": ["NeptuneProjectNotFound", "NeptuneSynchronizationStopped"],
    }
    body = "".join(
        f"""
    run = open_run({name!r}, {token!r}, {project!r})
    run.log_metrics({{"loss": 1.0}}, step=1)
    end(run, {name!r}, *{last[name]!r})
"""
        for name, (token, project) in tokens.items()
    )
    printed = find_peer("neptune_scale").run(
        LOGGING + body + "    print(json.dumps(told))", cwd=tmp_path
    )
    told = json.loads(printed.splitlines()[-1])
    assert {name: sorted(set(errors)) for name, errors in told.items()} == {
        name: sorted(errors) for name, errors in last.items()
    }
    assert hub.hub.store.list_projects() == [PROJECT]
    assert all(hub.hub.store.find_run(PROJECT, run_id=name) is None for name in tokens)
    # What could not be sent is still there, and arrives with a token that may.
    (kept,) = (tmp_path / "viewer").rglob("*.sqlite3")
    sync = "import sys; from neptune_scale.cli.commands import main; main()"
    find_peer("neptune_scale").run(
        "if __name__ == '__main__':\n    " + sync,
        "sync",
        kept,
        cwd=tmp_path,
        NEPTUNE_API_TOKEN=hub.admin,
    )
    run = hub.hub.store.find_run(PROJECT, run_id="viewer")
    assert run is not None
    assert losses(hub, run.key) == [1.0]


def losses(hub: HubThread, key: int) -> list[float]:
    select = PathSelector(paths=("loss",), types=frozenset({AttributeType.FLOAT_SERIES}))
    values: list[float] = hub.hub.store.read_series([key], select, SeriesQuery())[
        "value"
    ].to_pylist()
    return values


def test_a_token_that_is_revoked_while_a_run_logs(hub: HubThread, tmp_path: Path) -> None:
    accounts = hub.hub.accounts
    token = hub.token("ann")
    accounts.grant(PROJECT, "ann", Role.CONTRIBUTOR)
    (made,) = accounts.list_tokens("ann")
    peer = find_peer("neptune_scale")
    body = f"""
    run = open_run("r", {token!r}, {PROJECT!r})
    run.log_metrics({{"loss": 1.0}}, step=1)
    assert run.wait_for_processing(timeout=60)
    Path("logged").touch()
    while not Path("revoked").exists():
        time.sleep(0.05)
    run.log_metrics({{"loss": 2.0}}, step=2)
    end(run, "r", "NeptuneSynchronizationStopped")
    print(json.dumps(told))
"""
    import threading
    import time

    def revoke() -> None:
        while not (tmp_path / "logged").exists():
            time.sleep(0.05)
        accounts.revoke_token(made.id)
        (tmp_path / "revoked").touch()

    revoking = threading.Thread(target=revoke, daemon=True)
    revoking.start()
    told = json.loads(peer.run(LOGGING + body, cwd=tmp_path).splitlines()[-1])
    revoking.join()
    assert set(told["r"]) == {"NeptuneUnauthorizedError", "NeptuneSynchronizationStopped"}
    run = hub.hub.store.find_run(PROJECT, run_id="r")
    assert run is not None
    assert losses(hub, run.key) == [1.0]


def test_readers_that_may_not(hub: HubThread, tmp_path: Path) -> None:
    revoked = hub.token("rita")
    hub.hub.accounts.grant(PROJECT, "rita", Role.VIEWER)
    (made,) = hub.hub.accounts.list_tokens("rita")
    hub.hub.accounts.revoke_token(made.id)
    stranger = hub.token("otto")
    claims = {"api_url": hub.address, "api_address": hub.address, "api_key": "none"}
    asked = {
        "admin": (hub.admin, PROJECT),
        "private": (stranger, PROJECT),
        "missing": (stranger, "nobody/nothing"),
        "wrong": (wrong_token(hub), PROJECT),
        "no secret": (base64.b64encode(json.dumps(claims).encode()).decode(), PROJECT),
        "revoked": (revoked, PROJECT),
    }
    peer = find_peer("neptune_query")
    told = json.loads(
        peer.run(READING, json.dumps(asked), cwd=tmp_path, NEPTUNE_QUERY_RETRY_SOFT_TIMEOUT="5")
    )
    assert told["admin"] == "found "
    assert told["private"] == told["missing"]
    assert told["missing"].startswith("NeptuneProjectInaccessible")
    refused = {name: told[name].partition(":")[0] for name in ("wrong", "no secret", "revoked")}
    assert refused == dict.fromkeys(refused, "NeptuneInvalidCredentialsError")
