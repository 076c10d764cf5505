"""Plain HTTP to the hub's door for Neptune's clients: bodies and requests that they have made."""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.peers.protocol import Task, serve_tasks, wait_for_go

PROJECT = "local/bench"
CREATION = "00000"
"""The body of a run that creates it; those that follow are numbered from 1 on."""
_CHANGED = 20
"""Runs that are changed in turn."""


def _connect(task: Mapping[str, Any]) -> tuple[http.client.HTTPConnection, dict[str, str]]:
    address = urlsplit(task["address"])
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=600)
    given = {"X-Neptune-Api-Token": task["token"]}
    connection.request("GET", "/api/backend/v1/authorization/oauth-token", headers=given)
    access = json.loads(connection.getresponse().read())["accessToken"]
    return connection, {"Authorization": f"Bearer {access}"}


def create(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Create the runs whose bodies are in these folders: {"bodies"}."""
    submit = _submitting(task)
    for folder in task["bodies"]:
        submit((Path(folder) / CREATION).read_bytes())
    return {}


def send(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Send the updates of a run, one after the other, as its sender does: {"bodies"}."""
    submit = _submitting(task)
    _, *bodies = [file.read_bytes() for file in sorted(Path(task["bodies"]).iterdir())]
    wait_for_go()
    taken = []
    start = end = time.monotonic()
    for body in bodies:
        before = end
        submit(body)
        end = time.monotonic()
        taken.append(end - before)
    return {"taken_s": taken, "started": start, "ended": end}


def _submitting(task: Mapping[str, Any]) -> Callable[[bytes], None]:
    """Return what sends a body; it raises where an operation was not taken."""
    from mooring.wire.neptune3.requests import Code, verdict_of
    from mooring.wire.neptune3.schema import message

    connection, headers = _connect(task)
    headers["Content-Type"] = "application/octet-stream"
    submitted = message("SubmitResponse")

    def submit(body: bytes) -> None:
        connection.request("POST", "/api/client/v1/ingest", body, headers)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content[:300]
        told = verdict_of(submitted.FromString(content).request_ids[-1])
        assert told.keys() == {Code.OK}, told

    return submit


def repeat(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Send one request of a client again and again.

    {"method", "path", "body" in base64, "headers", "repeats", "changes"}: with `changes` a point is
    logged to a run before each, by another connection.
    """
    import mooring

    connection, headers = _connect(task)
    headers = {**task["headers"], **headers}
    body = base64.b64decode(task["body"])
    taken, lengths = [], set()
    with closing(mooring.open_store(task["address"], api_token=task["token"])) as store:
        writers: list[Any] = []
        first_step = 100 * int(time.time())  # after those of an earlier round
        if task["changes"]:
            runs = [store.find_run(PROJECT, run_id=f"run-{i}") for i in range(_CHANGED)]
            writers = [store.open_writer(run.key) for run in runs]
        for number in range(task["repeats"]):
            if writers:
                values = {"accuracy": 0.4 + number * 1e-6}
                writers[number % _CHANGED].log(values, step=first_step + number)
            start = time.perf_counter()
            connection.request(task["method"], task["path"], body, headers)
            answer = connection.getresponse()
            content = answer.read()
            taken.append(time.perf_counter() - start)
            assert answer.status == 200, content[:300]
            lengths.add(len(content))
        for writer in writers:
            writer.close()
    return {"taken_s": taken, "bytes": max(lengths)}


TASKS: Mapping[str, Task] = {"create": create, "send": send, "repeat": repeat}

if __name__ == "__main__":
    serve_tasks(TASKS, package="mooring")
