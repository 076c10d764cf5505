"""Servers that are measured: started with new files, asked from the same machine, and weighed."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import TaskFailed, environment_of

STARTS_WITHIN_S = 120.0
ENDS_WITHIN_S = 30.0
_TOLD = re.compile(r" at (http://\S+);.*?MOORING_API_TOKEN=(\S+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Memory:
    """What the processes of a server hold, in millions of bytes.

    `resident` counts what they share once for each, `proportional` divides it among them.
    """

    resident: float
    proportional: float
    processes: int


class Server:
    """A running server. `ready_s` is the time from its start until it answered `/health`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.token = ""
        self.ready_s = 0.0
        self.log = log
        self._process = process
        self._port = port

    @property
    def facts(self) -> Mapping[str, str]:
        """What a client's task is given."""
        return {"address": self.address, "token": self.token}

    def wait(self, started: float) -> None:
        """Wait until it answers."""
        while not _is_healthy(self._port):
            if self._process.poll() is not None or time.perf_counter() - started > STARTS_WITHIN_S:
                raise TaskFailed(f"the server did not start: {_last_line(self.log)}")
            time.sleep(0.01)
        self.ready_s = time.perf_counter() - started

    def memory(self) -> Memory:
        """Weigh it with all processes that it has started."""
        found = [_weigh(pid) for pid in _family(self._process.pid)]
        return Memory(sum(r for r, _ in found), sum(p for _, p in found), len(found))

    def cpu_s(self) -> float:
        """Return the seconds of CPU that it has used, all its processes together."""
        return sum(_cpu_s(pid) for pid in _family(self._process.pid))

    def kill(self) -> None:
        """End it by SIGKILL, children and all."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it in the way that its users do; by force where that does not help."""
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(ENDS_WITHIN_S)
        self.kill()


@contextmanager
def mooring_hub(folder: Path, store: Path | None = None) -> Iterator[Server]:
    """Run `mooring hub` with one worker, on a store that is made when it is missing."""
    store = store or folder / "bench.db"
    command = [sys.executable, "-m", "mooring", "hub", "--store", str(store)]
    with _serving(command, folder, own=True) as server:
        # What only the first start tells is told when it is ready.
        deadline = time.monotonic() + STARTS_WITHIN_S
        while (told := _TOLD.search(server.log.read_text())) is None:
            if time.monotonic() > deadline:
                raise TaskFailed("the hub told no token")
            time.sleep(0.01)
        server.address, server.token = told.groups()
        yield server


@contextmanager
def mlflow_server(python: Path, folder: Path, database: Path | None = None) -> Iterator[Server]:
    """Run MLflow's tracking server with one worker, on a SQLite file."""
    database = database or folder / "mlflow.db"
    command = [str(python), "-m", "mlflow", "server", "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{database}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with _serving(command, folder, own=False) as server:
        yield server


@contextmanager
def _serving(command: Sequence[str], folder: Path, *, own: bool) -> Iterator[Server]:
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    log = folder / "server.txt"
    with log.open("wb") as written:
        started = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            cwd=folder,
            env=environment_of(folder, own=own),
            start_new_session=True,
        )
    server = Server(process, port, log)
    try:
        server.wait(started)
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _is_healthy(port: int) -> bool:
    """Ask by a socket: what the benchmark imports for it would be no part of a start."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "no word")


def _family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _weigh(pid: int) -> tuple[float, float]:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = dict(re.findall(r"^(Rss|Pss):\s+(\d+) kB", text, re.MULTILINE))
    return int(found["Rss"]) * 1024 / 1e6, int(found["Pss"]) * 1024 / 1e6
