"""`mooring hub` as its users start it."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from mooring.client.token import ApiToken
from mooring.store.hub.messages import ROOT
from tests.serving import HubProcess, clean_environment

Start = Callable[..., HubProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[HubProcess] = []

    def begin(*options: str, **more: object) -> HubProcess:
        hub = HubProcess(tmp_path / "runs.db", *options, **more)  # type: ignore[arg-type]
        started.append(hub)
        return hub

    yield begin
    for hub in started:
        hub.stop()


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_the_token_is_told_at_the_first_start_only(start: Start) -> None:
    hub = start()
    token = hub.admin
    assert ApiToken.parse(token).address == hub.address
    assert sum("MOORING_API_TOKEN" in line for line in hub.lines) == 1
    assert hub.stop() == 0
    hub.lines.clear()
    hub.start()
    assert not any("MOORING_API_TOKEN" in line for line in hub.lines)
    answer = httpx.get(hub.address + ROOT, headers=_bearer(token))
    assert answer.json()["user"] == "admin"
    hub.stop()
    assert ApiToken.parse(token).secret not in "".join(hub.lines)
    kept = b"".join(file.read_bytes() for file in hub.store.parent.rglob("*") if file.is_file())
    assert ApiToken.parse(token).secret.encode() not in kept


def test_requests_are_lines_of_json(start: Start) -> None:
    hub = start()
    httpx.get(hub.address + ROOT, headers=_bearer(hub.admin))
    httpx.get(f"{hub.address}/nothing?secret=x")
    httpx.get(f"{hub.address}/health")
    hub.stop()
    known, unknown = hub.requests
    assert (known["route"], known["status"], known["user"]) == (ROOT, 200, "admin")
    assert (unknown["route"], unknown["status"], unknown["user"]) == ("other", 404, None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(known["time"]))
    assert "secret" not in json.dumps(hub.requests)


def test_metrics_are_those_of_all_workers(start: Start) -> None:
    hub = start("--workers", "2")
    for _ in range(40):  # each on a connection of its own, so that both workers have some
        assert httpx.get(hub.address + ROOT, headers=_bearer(hub.admin)).status_code == 200
    metrics = httpx.get(f"{hub.address}/metrics", headers=_bearer(hub.admin)).text
    counted = re.search(
        r'mooring_requests_total\{door="native",method="GET",route="/api/mooring/v1",status="200"\}'
        r" ([\d.]+)", metrics,
    )  # fmt: skip
    assert counted is not None, metrics
    assert float(counted[1]) == 40
    assert hub.stop() == 0
    assert len(hub.requests) == 40


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stop_finishes_what_is_being_answered(start: Start, workers: str) -> None:
    hub = start("--workers", workers)
    token = _bearer(hub.admin)
    body = bytes(1 << 16)
    begun, go_on = threading.Event(), threading.Event()

    def pieces() -> Iterator[bytes]:
        yield body
        begun.set()
        go_on.wait(30)
        yield body

    answers: list[httpx.Response] = []

    def send() -> None:
        url = f"{hub.address}{ROOT}/blobs"
        answers.append(httpx.post(url, content=pieces(), headers=token, timeout=60))

    thread = threading.Thread(target=send)
    thread.start()
    assert begun.wait(30)
    hub.process.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        hub.process.wait(1.0)  # it waits for the request
    go_on.set()
    thread.join()
    assert hub.stop() == 0
    assert answers[0].status_code == 200
    assert answers[0].json()["size_bytes"] == 2 * len(body)


def test_workers_end_with_the_process_that_started_them(start: Start) -> None:
    hub = start("--workers", "2")
    hub.process.kill()
    hub.process.wait()
    while not _is_free(hub.port):  # else nobody could start it again there
        time.sleep(0.02)
    hub.start()
    assert httpx.get(hub.address + ROOT, headers=_bearer(hub.admin)).status_code == 200


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "mooring", "hub", "--port", port]
        command += ["--store", str(tmp_path / "runs.db")]
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=60, env=clean_environment()
        )
    assert ended.returncode == 1
    assert "cannot listen" in ended.stderr
    assert port in ended.stderr
    assert "Traceback" not in ended.stderr
