"""A real MLflow server on a loopback port, from an environment of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conformance.targets.packages import require

ROOT = Path(__file__).parents[3]
ENVIRONMENT = ROOT / ".venv" / "peers" / "mlflow"
STARTS_WITHIN_S = 60.0


@dataclass(frozen=True)
class Server:
    """A tracking server with a database and artifacts of its own."""

    address: str
    port: int


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    require("mlflow", "mlflow")
    if not (ENVIRONMENT / ".installed").exists():
        reason = f"mlflow is not installed in {ENVIRONMENT}; run: make {ENVIRONMENT}/.installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    environment = {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # A sandbox or CI machine may lack git, which MLflow's server looks for.
        "GIT_PYTHON_REFRESH": "quiet",
    }
    environment.pop("PYTHONPATH", None)
    command = [
        str(ENVIRONMENT / "bin" / "python"),
        *("-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
        *("--artifacts-destination", str(folder / "artifacts"), "--workers", "1"),
    ]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(f"http://127.0.0.1:{port}/health", process, log)
        yield Server(f"http://127.0.0.1:{port}", port)
    finally:
        os.killpg(process.pid, 15)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text(errors="replace")
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server does not answer: {log.read_text(errors='replace')}")


LOAD = """
import os, sys
from pathlib import Path
from mooring.exchange.loading import load_runs
from mooring.exchange.loading import RetrySettings
from mooring.exchange.sources.store import StoreSource
from mooring.exchange.target import LoadSettings
from mooring.exchange.targets.mlflow import MlflowTarget
from mooring.store import open_store

file, uri, prefix, journal = sys.argv[1:]
store = open_store(file, read_only=True)
target = MlflowTarget(uri, LoadSettings(name_prefix=prefix))
print("begins", flush=True)
report = load_runs(
    StoreSource(store), target, journal=Path(journal),
    retry=RetrySettings(attempts=3, first_wait_s=0.05),
)
target.close()
for run in report.runs:
    print(run.status, run.project, run.run_id, *map(str, run.problems), flush=True)
print(report.outcome)
sys.exit(0 if report.is_complete else 3)
"""


def start_load(store: Path, uri: str, prefix: str, journal: Path) -> subprocess.Popen[str]:
    """Start a load in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", LOAD, str(store), uri, prefix, str(journal)],
        env={
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            "PYTHONPATH": str(ROOT / "src"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
