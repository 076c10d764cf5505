"""Runs loaded into MLflow, beside a bare loop over its batch API: the same points, one interpreter.

The environment is MLflow's, and Mooring is imported from the tree of sources that this file is in.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.protocol import metric_names, serve_tasks

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

A_REQUEST = 1_000
"""Metrics that MLflow takes in one request."""
SERVER_STARTS_WITHIN_S = 120.0


def load(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Load all runs of a store; the run is read back and compared, as always."""
    import mooring
    from mooring import exchange
    from mooring.exchange.targets.mlflow import MlflowTarget

    folder = Path(task["folder"])
    with _tracking(task) as uri:
        spent = _watch_client() if not task["server"] else {}
        with closing(mooring.open_store(task["source"])) as store:
            start = time.perf_counter()
            target = MlflowTarget(uri)
            report = exchange.load_runs(
                exchange.StoreSource(store), target, journal=folder / "journal.jsonl"
            )
            taken = time.perf_counter() - start
            target.close()
        lacking = [run for run in report.runs if run.problems or run.status != "loaded"]
        assert not lacking, lacking[:1]
        return {"seconds": taken, "points": _count(task), "parts": spent}


def bare(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Send the same points by a loop over `MlflowClient.log_batch`, and do nothing else."""
    from mlflow.entities import Metric, Param

    from benchmarks.jobs.exchange import STARTED, _values

    runs = [
        _values(task["metrics"], task["points"], number).tolist() for number in range(task["runs"])
    ]
    names = metric_names(task["metrics"])
    times = [STARTED // 1_000 + 1_000 * step for step in range(task["points"])]
    with _tracking(task) as uri:
        client = _client(uri)
        start = time.perf_counter()
        experiment = client.create_experiment("bare")
        for number, values in enumerate(runs):
            run = client.create_run(experiment, run_name=f"run-{number:05d}").info.run_id
            client.log_batch(run, params=[Param(f"p{i:02d}", str(i)) for i in range(20)])
            for name, column in zip(names, values, strict=True):
                for first in range(0, len(column), A_REQUEST):
                    rows = range(first, min(first + A_REQUEST, len(column)))
                    client.log_batch(
                        run, metrics=[Metric(name, column[i], times[i], i) for i in rows]
                    )
            client.set_terminated(run)
        taken = time.perf_counter() - start
        return {"seconds": taken, "points": _count(task), "parts": {}}


@contextmanager
def _tracking(task: Mapping[str, Any]) -> Iterator[str]:
    """Yield the URI of a new database, or of a server over one; what is made once is made."""
    folder = Path(task["folder"])
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    if not task["server"]:
        _client(uri).search_experiments()
        yield uri
        return
    with _server(folder, uri) as address:
        _client(address).search_experiments()
        yield address


@contextmanager
def _server(folder: Path, uri: str) -> Iterator[str]:
    """Run MLflow's own server on this machine, with one worker."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    command += ["--artifacts-destination", str(folder / "artifacts"), "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with (folder / "server.txt").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/health", process)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SERVER_STARTS_WITHIN_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise TimeoutError(f"no server at {address} within {SERVER_STARTS_WITHIN_S:.0f} s")


def _client(uri: str) -> Any:
    import mlflow

    return mlflow.MlflowClient(uri, uri)


def _watch_client() -> dict[str, float]:
    """Sum the seconds that the loader spends inside two calls of MLflow's client."""
    import mlflow

    spent: dict[str, float] = {}

    def watched(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*arguments, **named)
            finally:
                spent[name] = spent.get(name, 0.0) + time.perf_counter() - start

        return timed

    for name in ("log_batch", "get_metric_history"):
        setattr(mlflow.MlflowClient, name, watched(name, getattr(mlflow.MlflowClient, name)))
    return spent


def _count(task: Mapping[str, Any]) -> int:
    """Return how many points the tables of MLflow hold, which has to be all."""
    import sqlite3

    with closing(sqlite3.connect(Path(task["folder"]) / "mlflow.db")) as connection:
        (points,) = connection.execute("SELECT count(*) FROM metrics").fetchone()
    wanted = task["runs"] * task["metrics"] * task["points"]
    assert points == wanted, (points, wanted)
    return int(points)


if __name__ == "__main__":
    serve_tasks({"load": load, "bare": bare}, package="mlflow")
