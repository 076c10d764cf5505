"""What a peer's process does, and how it reports: the standard library only.

The benchmark starts `python -m benchmarks.peers.<peer> '<task as JSON>'` with the interpreter of
the peer's own environment. The process answers on its standard output, one JSON object a line;
whatever the peer prints itself goes to the standard error.
"""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

Values = Mapping[str, float]
Log = Callable[[Values, int], None]
Task = Callable[[Mapping[str, Any]], Mapping[str, Any]]

WARM_UP_CALLS = 10


class Peer(ABC):
    """One tracker. `folder` is where all that it writes goes; a process opens one run at a time."""

    package: str

    @abstractmethod
    def open(self, folder: Path, run: str) -> Log:
        """Start a run and return what logs a dict of floats at a step."""

    @abstractmethod
    def close(self) -> None:
        """End the run in the way that its users do, and wait until that is done."""

    @abstractmethod
    def count_points(self, folder: Path) -> Mapping[str, int]:
        """Return how many points of each metric a new process finds, over all runs."""

    def other_tasks(self) -> Mapping[str, Task]:
        """Return tasks that only this peer has, by name."""
        return {}


def serve(peer: Peer) -> None:
    """Do the task of the command line with a peer, and report it."""
    serve_tasks(
        {
            "log": lambda task: _log(peer, task),
            "kill": lambda task: _kill(peer, task),
            "first": lambda task: _first(peer, task),
            "worker": lambda task: _worker(peer, task),
            "count": lambda task: _count(peer, task),
            "points": lambda task: {"points": dict(peer.count_points(Path(task["folder"])))},
            "size": lambda task: _size(peer, task),
            **peer.other_tasks(),
        },
        package=peer.package,
    )


def serve_tasks(tasks: Mapping[str, Task], *, package: str) -> None:
    """Do one of the tasks, as the command line says, and report it with the package's version."""
    _own_standard_output()
    task = json.loads(sys.argv[1])
    answer = tasks[task["task"]](task)
    say({"version": _version(package), **answer})
    # Some peers keep threads or services that outlive the run; what was asked for is done.
    os._exit(0)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a tree of sources on the import path
        return "not installed"


def say(answer: Mapping[str, Any]) -> None:
    """Write one line of the answer."""
    _answers.write(json.dumps(answer) + "\n")
    _answers.flush()


def wait_for_go() -> None:
    """Say that this process is ready, and wait until all are to begin."""
    say({"ready": True})
    sys.stdin.readline()


def metric_names(count: int) -> list[str]:
    """Return names that every peer takes unchanged."""
    return [f"metric_{index:04d}" for index in range(count)]


def made_up_rows(metrics: int, calls: int) -> list[dict[str, float]]:
    """Return what is logged where only the time counts: random doubles, the same for all."""
    values = random.Random(metrics)
    names = metric_names(metrics)
    return [{name: values.random() for name in names} for _ in range(calls)]


def folder_bytes(folder: Path) -> int:
    """Return the size of all files under a folder."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files)


def random_runs(count: int) -> Iterator[dict[str, Any]]:
    """Yield parameters and a result of runs that are searched, the same for all."""
    chance = random.Random(0)
    for _ in range(count):
        yield {
            "lr": 10 ** chance.uniform(-5, -1),
            "layers": chance.randrange(1, 9),
            "optimizer": chance.choice(["adam", "sgd", "lamb", "lion"]),
            "accuracy": chance.random(),
        }


def _log(peer: Peer, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Time every call, for each number of metrics: {"sizes": [{metrics, calls}], "seconds"}."""
    sizes = []
    for size in task["sizes"]:
        metrics = size["metrics"]
        rows = made_up_rows(metrics, size["calls"] + WARM_UP_CALLS)
        log = peer.open(Path(task["folder"]), f"m{metrics}")
        for step in range(WARM_UP_CALLS):
            log(rows[step], step)
        taken = timed_calls(log, rows, WARM_UP_CALLS, task["seconds"])
        start = time.perf_counter()
        peer.close()
        closed = time.perf_counter() - start
        sizes.append({"metrics": metrics, "taken_ns": taken, "close_s": closed})
    return {"sizes": sizes}


def timed_calls(log: Log, rows: Sequence[Values], first: int, seconds: float) -> list[int]:
    """Log rows until they or the time run out; return nanoseconds of each call."""
    taken: list[int] = []
    clock = time.perf_counter_ns
    gc.collect()
    gc.freeze()  # the rows to come are no garbage of the peer's
    deadline = clock() + int(seconds * 1e9)
    for step in range(first, len(rows)):
        start = clock()
        log(rows[step], step)
        end = clock()
        taken.append(end - start)
        if end > deadline:
            break
    gc.unfreeze()
    return taken


def _kill(peer: Peer, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Log, and be killed as soon as the last call has returned."""
    rows = made_up_rows(task["metrics"], task["calls"])
    log = peer.open(Path(task["folder"]), "killed")
    for step, row in enumerate(rows):
        log(row, step)
    if task["group"]:
        os.killpg(os.getpgid(0), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def _first(peer: Peer, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Make the files: one call of this many metrics, or of one that nobody else logs."""
    log = peer.open(Path(task["folder"]), "first")
    log(made_up_rows(task["metrics"], 1)[0] or {"first": 1.0}, 0)
    peer.close()
    return {}


def _worker(peer: Peer, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Log for some seconds beside others, from the moment that a line arrives."""
    rows = made_up_rows(task["metrics"], 100)
    log = peer.open(Path(task["folder"]), task["run"])
    wait_for_go()
    calls, errors, message, slowest = 0, 0, "", 0.0
    start = now = time.monotonic()
    while now < start + task["seconds"]:
        try:
            log(rows[calls % len(rows)], calls)
        except Exception as error:  # noqa: BLE001 - what a training has to survive is counted
            errors += 1
            message = f"{type(error).__name__}: {error}"
        else:
            calls += 1
        before, now = now, time.monotonic()
        slowest = max(slowest, now - before)
    peer.close()
    return {
        "calls": calls,
        "errors": errors,
        "error": message[:200],
        "slowest_s": slowest,
        "started": start,
        "ended": now,
    }


def _count(peer: Peer, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how many calls can be read back whole."""
    points = peer.count_points(Path(task["folder"]))
    return {"calls": min(points.get(name, 0) for name in metric_names(task["metrics"]))}


def _size(peer: Peer, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Log the rows of a file (one JSON object a line), close, and weigh what was written."""
    folder = Path(task["folder"])
    log = peer.open(folder, "curves")
    points = 0
    with Path(task["rows"]).open() as lines:
        for step, line in enumerate(lines):
            row = json.loads(line)
            log(row, step)
            points += len(row)
    peer.close()
    parquet = sum(file.stat().st_size for file in folder.rglob("*.parquet"))
    return {"points": points, "bytes": folder_bytes(folder), "parquet_bytes": parquet}


_answers: IO[str] = sys.stdout


def _own_standard_output() -> None:
    """Keep the standard output for answers, and send what others print to the standard error."""
    global _answers
    _answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
