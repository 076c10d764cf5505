"""neptune-query unmodified, as its users call it: tables, definitions, points, polls."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.protocol import Task, serve_tasks, wait_for_go

PROJECT = "local/bench"


def _open(task: Mapping[str, Any]) -> Any:
    import neptune_query
    from neptune_query import runs

    neptune_query.set_api_token(task["token"])
    return runs


def _timed(task: Mapping[str, Any], read: Callable[[], int]) -> Mapping[str, Any]:
    taken, found = [], set()
    for _ in range(task["repeats"]):
        start = time.perf_counter()
        found.add(read())
        taken.append(time.perf_counter() - start)
    (length,) = found
    return {"taken_s": taken, "length": length}


def fetch_metrics(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Fetch all metrics of a run; count the points in the frame: {"run", "repeats"}."""
    runs = _open(task)

    def read() -> int:
        frame = runs.fetch_metrics(project=PROJECT, runs=[task["run"]], attributes=".*")
        return int(frame.notna().sum().sum())

    return _timed(task, read)


def fetch_page(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Fetch a page of the best runs of one optimizer: {"page", "repeats"}."""
    from neptune_query.filters import Attribute, Filter

    runs = _open(task)
    accuracy = Attribute("accuracy", type="float_series")
    best = Filter.eq(Attribute("params/optimizer", type="string"), "adam") & Filter.gt(
        accuracy, 0.5
    )

    def read() -> int:
        frame = runs.fetch_runs_table(
            project=PROJECT,
            runs=best,
            attributes=["accuracy", "params/lr", "params/layers", "params/optimizer"],
            sort_by=accuracy,
            limit=task["page"],
        )
        return len(frame)

    return _timed(task, read)


def list_attributes(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """List attributes of a run by a regular expression: {"run", "regex", "repeats"}."""
    runs = _open(task)

    def read() -> int:
        found = runs.list_attributes(project=PROJECT, runs=[task["run"]], attributes=task["regex"])
        return len(found)

    return _timed(task, read)


def poll(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Look at a run and at the table twice a second until a file is there: {"runs", "until"}."""
    runs = _open(task)
    until = Path(task["until"])
    taken, points = [], 0
    wait_for_go()
    while not until.exists():
        start = time.monotonic()
        frame = runs.fetch_metrics(
            project=PROJECT, runs=task["runs"], attributes=["metric_0000"], tail_limit=100
        )
        points = max(points, len(frame))
        runs.fetch_runs_table(project=PROJECT, attributes=["metric_0000"], limit=50)
        taken.append(time.monotonic() - start)
        time.sleep(max(0.0, start + 0.5 - time.monotonic()))
    return {"taken_s": taken, "points": points}


def watch(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Ask for the last point of a run again and again; tell when each step was first seen.

    {"run", "steps"}: ends with the last of so many steps, or after the seconds given.
    """
    runs = _open(task)
    seen: dict[int, float] = {}
    wait_for_go()
    deadline = time.monotonic() + task["seconds"]
    last = -1
    while last < task["steps"] - 1 and time.monotonic() < deadline:
        frame = runs.fetch_metrics(
            project=PROJECT, runs=[task["run"]], attributes=["metric_0000"], tail_limit=1
        )
        now = time.monotonic()
        newest = max((int(step) for _, step in frame.index), default=-1)
        for step in range(last + 1, newest + 1):
            seen[step] = now
        last = max(last, newest)
        time.sleep(0.02)
    return {"seen": [seen[step] for step in range(last + 1)]}


TASKS: Mapping[str, Task] = {
    "fetch_metrics": fetch_metrics,
    "fetch_page": fetch_page,
    "list_attributes": list_attributes,
    "poll": poll,
    "watch": watch,
}

if __name__ == "__main__":
    serve_tasks(TASKS, package="neptune-query")
