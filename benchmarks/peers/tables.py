"""What only trackers are asked: peers whose runs are rows of one table.

They have the same calls (`log_batch`, `to_df`, `latest`, `tail`, `track`, SQL by `conn`), so a peer
says how its file is opened, and the tasks are the same for all.
"""

from __future__ import annotations

import random
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.protocol import (
    WARM_UP_CALLS,
    Log,
    Peer,
    Task,
    Values,
    metric_names,
    timed_calls,
    wait_for_go,
)

COLUMNS = ("accuracy", "loss", "f1", "grad_norm", "lr")
IN_MEMORY = ":memory:"
QUESTIONS = ("all", "run", "latest", "tail", "last", "sql")
ASKED_OF_READER = frozenset({"latest", "last"})
TAIL = 5


class TablePeer(Peer):
    """A tracker. `file` is what it writes, `sql_table` what its table is called in SQL."""

    file: str
    sql_table: str
    _tracker: Any = None

    @abstractmethod
    def open_tracker(self, db: str, run: str) -> Any:
        """Open a tracker of one run."""

    @abstractmethod
    def open_reader(self, db: str) -> Any:
        """Open a reader of all runs."""

    def end(self, opened: Any) -> None:
        """Close a tracker or a reader; not all have a close."""

    def open(self, folder: Path, run: str) -> Log:
        """Open the one file; a tracker knows no steps, so none is logged."""
        self._tracker = self.open_tracker(str(folder / self.file), run)
        tracker_log = self._tracker.log

        def log(values: Values, step: int) -> None:
            tracker_log(values)

        return log

    def close(self) -> None:
        """End the tracker."""
        self.end(self._tracker)

    def other_tasks(self) -> Mapping[str, Task]:
        """Return what only trackers do."""
        return {
            "write_rows": lambda task: _write_rows(self, task),
            "read_rows": lambda task: _read_rows(self, task),
            "track": lambda task: _track(self, task),
            "new_columns": lambda task: _new_columns(self, task),
            "many_names": lambda task: _many_names(self, task),
            "found_names": lambda task: _found_names(self, task),
            "read_again": lambda task: _read_again(self, task),
        }

    def db(self, task: Mapping[str, Any]) -> str:
        """Return the file of a task."""
        return str(Path(task["folder"]) / self.file)


def run_name(number: int) -> str:
    """Return the name of a run; the last one is also the last by its letters."""
    return f"run-{number:04d}"


def _made_up_run(number: int, rows: int) -> list[dict[str, float]]:
    values = random.Random(number)
    return [{name: values.random() for name in COLUMNS} for _ in range(rows)]


def _write_rows(peer: TablePeer, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write runs of as many rows, a tracker and a `log_batch` for each.

    Returns the time without making up the rows, and what the question in SQL has to find.
    """
    seconds, total, count = 0.0, 0.0, 0
    for number in range(task["runs"]):
        rows = _made_up_run(number, task["rows"])
        start = time.perf_counter()
        tracker = peer.open_tracker(peer.db(task), run_name(number))
        tracker.log_batch(rows)
        peer.end(tracker)
        seconds += time.perf_counter() - start
        found = [row["accuracy"] for row in rows if row["loss"] > 0.5]
        total, count = total + sum(found), count + len(found)
    return {"seconds": seconds, "mean": total / count, "count": count}


def _read_rows(peer: TablePeer, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Ask one of `QUESTIONS` again and again: seconds of each time, and the last answer.

    The first time includes the opening, where Mooring may already read what was written.
    """
    query = f"SELECT avg(accuracy), count(*) FROM {peer.sql_table} WHERE loss > 0.5"
    ask: Callable[[Any], Any] = {
        "all": lambda tracker: tracker.to_df(all=True),
        "run": lambda tracker: tracker.to_df(),
        "latest": lambda reader: reader.latest(),
        "tail": lambda tracker: tracker.tail(TAIL),
        "last": lambda reader: reader.to_df(tail=TAIL),
        "sql": lambda tracker: tracker.conn.execute(query).fetchall(),
    }[task["question"]]
    taken = []
    start = time.perf_counter()
    if task["question"] in ASKED_OF_READER:
        opened = peer.open_reader(peer.db(task))
    else:
        opened = peer.open_tracker(peer.db(task), task["run"])
    for _ in range(task["repeats"]):
        answer = ask(opened)
        taken.append(time.perf_counter() - start)
        found = list(answer[0]) if isinstance(answer, list) else list(answer.shape)
        del answer  # freeing a large frame is no part of the next read
        start = time.perf_counter()
    peer.end(opened)
    return {"taken_s": taken, "answer": found}


def _track(peer: TablePeer, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Time `track` of a function that does nothing; count the rows afterwards."""
    tracker = peer.open_tracker(IN_MEMORY if task["in_memory"] else peer.db(task), "track")

    def nothing() -> None:
        pass

    def track(values: Values, step: int) -> None:
        tracker.track(nothing)

    calls: list[Values] = [{}] * (task["calls"] + WARM_UP_CALLS)
    for _ in range(WARM_UP_CALLS):
        tracker.track(nothing)
    taken = timed_calls(track, calls, WARM_UP_CALLS, task["seconds"])
    found = len(tracker)
    assert found == len(taken) + WARM_UP_CALLS, found
    peer.end(tracker)
    return {"taken_ns": taken}


def columns_rows(number: int, rows: int, every: int) -> Iterator[dict[str, float]]:
    """Yield a worker's rows: after so many, a new column of its own and a new one of all."""
    for index in range(rows):
        block = index // every
        yield {
            "shared": float(index),
            f"shared_{block:04d}": float(index),
            f"own_{number}_{block:04d}": float(index),
        }


def _new_columns(peer: TablePeer, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Log rows with new columns beside others, from the moment that a line arrives."""
    log = peer.open(Path(task["folder"]), f"worker-{task['number']}")
    wait_for_go()
    rows = columns_rows(task["number"], task["rows"], task["every"])
    logged = _log_all(log, rows, task["seconds"])
    peer.close()
    return logged


def _many_names(peer: TablePeer, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Log every name once, so many new ones a call."""
    names, a_call = metric_names(task["names"]), task["names_a_call"]
    log = peer.open(Path(task["folder"]), "names")
    calls = (
        {name: float(index) for index, name in enumerate(names[first : first + a_call])}
        for first in range(0, len(names), a_call)
    )
    logged = _log_all(log, calls, task["seconds"])
    peer.close()
    return logged


def _log_all(log: Log, rows: Iterator[dict[str, float]], seconds: float) -> dict[str, Any]:
    """Log rows, whatever some of them raise, until they or the time run out."""
    calls, errors, message, slowest = 0, 0, "", 0.0
    start = now = time.monotonic()
    for step, row in enumerate(rows):
        try:
            log(row, step)
        except Exception as error:  # noqa: BLE001 - what a training has to survive is counted
            errors += 1
            message = message or f"{type(error).__name__}: {error}"
        else:
            calls += 1
        before, now = now, time.monotonic()
        slowest = max(slowest, now - before)
        if now > start + seconds:
            break
    return {
        "calls": calls,
        "errors": errors,
        "error": message[:200],
        "slowest_s": slowest,
        "started": start,
        "ended": now,
    }


def _found_names(peer: TablePeer, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how many columns of the table have a value, and how long its frame took."""
    reader = peer.open_reader(peer.db(task))
    start = time.perf_counter()
    frame = reader.to_df()
    seconds = time.perf_counter() - start
    peer.end(reader)
    metrics = [name for name in frame.columns if str(name).startswith("metric_")]
    return {"names": int(frame[metrics].notna().any().sum()), "seconds": seconds}


def _read_again(peer: TablePeer, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Open a reader and read the last rows, again and again, once a line has arrived."""
    _read_last(peer, task)  # what the first read imports is not the question
    wait_for_go()
    taken, errors, message = [], 0, ""
    start = now = time.monotonic()
    while now < start + task["seconds"]:
        try:
            _read_last(peer, task)
        except Exception as error:  # noqa: BLE001 - what a reader has to survive is counted
            errors += 1
            message = message or f"{type(error).__name__}: {error}"
        before, now = now, time.monotonic()
        taken.append(now - before)
    return {"taken_s": taken, "errors": errors, "error": message[:200]}


def _read_last(peer: TablePeer, task: Mapping[str, Any]) -> None:
    reader = peer.open_reader(peer.db(task))
    found = len(reader.to_df(tail=TAIL))
    peer.end(reader)
    assert found == min(TAIL, task["rows"]), found
