"""Loads into a real server: whole, killed at any instant, and over a connection that breaks."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mooring import Run, open_store
from mooring.exchange.loading import RetrySettings, RunStatus, load_runs
from mooring.exchange.sources.store import StoreSource
from mooring.exchange.target import LoadSettings
from tests.conformance.targets.packages import MLFLOW_WARNS
from tests.conformance.targets.sample import make_store
from tests.e2e.exchange.conftest import Server, start_load

pytestmark = MLFLOW_WARNS


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sample") / "runs.db"
    store = make_store(file)
    with Run("team/digits", store=store, run_id="long", name="baseline") as run:
        for step in range(3_000):
            run.log({f"m{number}": step / (number + 1) for number in range(4)}, step=step)
    store.close()
    return file


@pytest.fixture(scope="module")
def whole(server: Server, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a load that nothing disturbs leaves in MLflow."""
    journal = tmp_path_factory.mktemp("whole") / "journal.jsonl"
    process = start_load(sample, server.address, "whole", journal)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, output + errors
    return contents(server, "whole")


def contents(server: Server, prefix: str) -> dict[tuple[str, str], Any]:
    """Everything that MLflow holds of the runs of a load, by MLflow's own client."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(server.address)
    found: dict[tuple[str, str], Any] = {}
    experiments = [
        experiment.experiment_id
        for experiment in client.search_experiments()
        if experiment.name.startswith(f"{prefix}/")
    ]
    for run in client.search_runs(experiments) if experiments else ():
        tags = {
            key: value
            for key, value in run.data.tags.items()
            if key != "mlflow.parentRunId" and not key.startswith("mlflow.user")
        }
        metrics = {
            name: sorted(
                (point.step, point.timestamp, repr(point.value))
                for point in client.get_metric_history(run.info.run_id, name)
            )
            for name in run.data.metrics
        }
        files = sorted(artifacts(client, run.info.run_id, None))
        key = (tags["mooring.project"], tags["mooring.run_id"])
        assert key not in found, f"{key} is there twice"
        found[key] = (run.data.params, tags, metrics, files, run.info.end_time, run.info.status)
    return found


def artifacts(client: Any, run_id: str, folder: str | None) -> Iterator[tuple[str, int]]:
    for entry in client.list_artifacts(run_id, folder):
        if entry.is_dir:
            yield from artifacts(client, run_id, entry.path)
        else:
            yield entry.path, entry.file_size


def test_everything_arrives(whole: dict[tuple[str, str], Any]) -> None:
    params, tags, metrics, files, _, status = whole[("team/digits", "root")]

    assert params["params/lr"] == "0.1"
    assert params["params/big"] == str(2**60)
    assert params["params/when"] == "2025-01-01 12:00:00.123456+00:00"
    assert len(params["params/long"]) == 6_000
    assert tags["good"] == "true"
    assert tags["mlflow.note.content"] == "what it is\nabout"
    assert tags["mooring.complete"] == "true"
    assert len(metrics["train/loss"]) == 50
    assert [step for step, _, _ in metrics["odd"]] == [-2, -1, 0, 1, 2]
    assert ("params/long/value.txt", 9_000) in files
    assert ("model/.._we ird_.bin", 5_000) in files
    assert {"words/series.txt", "hist/histograms.json"} <= {path for path, _ in files}
    assert status == "FINISHED"
    fork = whole[("team/digits", "fork")]
    assert fork[1]["mooring.fork_step"] == "20"
    assert fork[1]["mooring.parent"] == "root"
    assert whole[("team/other", "root")][-1] == "FAILED"


@pytest.mark.parametrize("seed", range(3))
def test_a_load_that_is_killed_goes_on(
    server: Server, sample: Path, tmp_path: Path, seed: int, whole: Any
) -> None:
    """SIGKILL at random instants, then the same again: as if nothing had happened."""
    instants, prefix = random.Random(seed), f"killed{seed}"
    journal = tmp_path / "journal.jsonl"
    kills = 0
    while kills < 4:
        process = start_load(sample, server.address, prefix, journal)
        assert process.stdout is not None
        assert process.stdout.readline() == "begins\n"
        time.sleep(instants.uniform(0.05, 1.2))
        if process.poll() is not None:
            process.communicate()
            break
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        kills += 1
    process = start_load(sample, server.address, prefix, journal)
    output, errors = process.communicate(timeout=120)

    assert process.returncode == 0, output + errors
    assert kills
    assert contents(server, prefix) == whole


@contextmanager
def proxy(port: int, misbehave: Any) -> Iterator[str]:
    """Forward connections to a port; `misbehave(number, request)` says what is done with one.

    None: it is forwarded. Bytes: they are the answer. "drop": the connection is broken off.
    "half": it is forwarded, and broken off in the answer.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()
    number = 0

    def serve(client: socket.socket) -> None:
        nonlocal number
        with client:
            client.settimeout(30)
            while not stop.is_set():
                request = read_message(client)
                if not request:
                    return
                number += 1
                verdict = misbehave(number, request)
                if verdict == "drop":
                    return
                if isinstance(verdict, bytes):
                    client.sendall(verdict)
                    return
                with socket.create_connection(("127.0.0.1", port), 30) as upstream:
                    upstream.sendall(request)
                    answer = read_message(upstream)
                if verdict == "half":
                    client.sendall(answer[: len(answer) // 2])
                    return
                client.sendall(answer)

    def accept() -> None:
        while not stop.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=guarded, args=(client,), daemon=True).start()

    def guarded(client: socket.socket) -> None:
        try:
            serve(client)
        except OSError:
            client.close()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def read_message(connection: socket.socket) -> bytes:
    """Read one HTTP message, whose length its header tells."""
    data = b""
    while b"\r\n\r\n" not in data:
        block = connection.recv(65_536)
        if not block:
            return b""
        data += block
    head, _, body = data.partition(b"\r\n\r\n")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        while not body.endswith(b"0\r\n\r\n"):
            body += connection.recv(65_536)
    else:
        length = int(headers.get(b"content-length", b"0"))
        while len(body) < length:
            block = connection.recv(65_536)
            if not block:
                break
            body += block
    return head + b"\r\n\r\n" + body


ERROR_500 = (
    b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\nconnection: close\r\n\r\noops"
)


@pytest.mark.parametrize("seed", range(3))
def test_a_connection_that_breaks_costs_nothing(
    server: Server, sample: Path, tmp_path: Path, seed: int, whole: Any
) -> None:
    """One request in 25 fails, before it reaches the server, or after."""
    dice = random.Random(seed)

    def misbehave(number: int, request: bytes) -> Any:
        return dice.choice([None] * 72 + [ERROR_500, "drop", "half"])

    prefix, journal = f"broken{seed}", tmp_path / "journal.jsonl"
    with proxy(server.port, misbehave) as uri:
        for _ in range(30):
            process = start_load(sample, uri, prefix, journal)
            output, errors = process.communicate(timeout=120)
            if process.returncode == 0:
                break
            assert process.returncode == 3, output + errors
        else:
            pytest.fail(output + errors)

    assert contents(server, prefix) == whole


def test_a_request_that_always_fails_costs_one_attribute(
    server: Server, sample: Path, tmp_path: Path, whole: Any
) -> None:
    """The other attributes and runs arrive, and nothing is marked that is not complete."""
    poison = b'"m2"'

    def misbehave(number: int, request: bytes) -> Any:
        return ERROR_500 if b"/log-batch" in request and poison in request else None

    prefix, journal = "poison", tmp_path / "journal.jsonl"
    with proxy(server.port, misbehave) as uri:
        process = start_load(sample, uri, prefix, journal)
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 3, output + errors
    assert "partial team/digits long m2" in output, output
    assert output.count("loaded ") == 6, output
    held = contents(server, prefix)
    assert held[("team/digits", "long")][1]["mooring.complete"] == "false"
    assert len(held[("team/digits", "long")][2]["m3"]) == 3_000

    process = start_load(sample, server.address, prefix, tmp_path / "other.jsonl")
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, output + errors
    assert contents(server, prefix) == whole


def test_a_server_that_is_gone_ends_the_load(sample: Path, tmp_path: Path, server: Server) -> None:
    from mooring.exchange.targets.mlflow import MlflowTarget

    with proxy(server.port, lambda number, request: "drop") as uri:
        target = MlflowTarget(uri, LoadSettings(name_prefix="gone"))
        store = open_store(sample, read_only=True)
        report = load_runs(
            StoreSource(store),
            target,
            journal=tmp_path / "journal.jsonl",
            retry=RetrySettings(attempts=1, first_wait_s=0.01, give_up_after=2),
        )
        target.close()
        store.close()

    assert {run.status for run in report.runs} == {RunStatus.FAILED, RunStatus.NOT_REACHED}
    assert report.outcome == "not completed"
    assert "does not answer" in str(report.problems[0])
