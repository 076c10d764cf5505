"""Clients of a hub: each task is one process that talks to it through HTTP, as its users do.

Every task is given `address` and `token`. Those that work beside others wait for a line first, and
tell by the clock of the machine when they began and ended.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from benchmarks.peers.protocol import (
    WARM_UP_CALLS,
    Task,
    made_up_rows,
    metric_names,
    random_runs,
    serve_tasks,
    timed_calls,
    wait_for_go,
)

PROJECT = "local/bench"
STARTED = 1_700_000_000_000_000


def _open(task: Mapping[str, Any], *, buffered: bool = False) -> Any:
    import mooring

    return mooring.open_store(task["address"], api_token=task["token"], buffered=buffered)


def _table(series: int, points: int, seed: int, first: int = 0) -> Any:
    """Return random walks: so many points in all, the same steps for each series."""
    import numpy as np
    import pyarrow as pa

    each = points // series
    codes = pa.array(np.repeat(np.arange(series, dtype=np.int32), each))
    steps = np.arange(first, first + each)
    values = np.random.default_rng(seed).standard_normal((series, each)).cumsum(axis=1)
    return pa.table(
        {
            "path": pa.DictionaryArray.from_arrays(codes, pa.array(metric_names(series))),
            "step": np.tile(steps, series),
            "value": values.ravel(),
            "time": np.tile(STARTED + 1_000 * steps, series),
        }
    )


def _create_run(store: Any, run: str) -> Any:
    from mooring.model import RunSpec

    return store.create_run(RunSpec(project=PROJECT, run_id=run))


# points


def write_tables(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write batches of an Arrow table to a run of its own: {"run", "series", "points", "batches"}.

    As many as there are, or `seconds` long.
    """
    series, points = task["series"], task["points"]
    with closing(_open(task)) as store:
        key = _create_run(store, task["run"]).key
        # A few other tables, one after the other: made before, so that only the sending counts.
        tables = [
            _table(series, points, number, first=number * (points // series))
            for number in range(min(task["batches"], 5))
        ]
        store.write_table(_create_run(store, f"warm-{task['run']}").key, _table(1, 10, 0))
        wait_for_go()
        start = time.monotonic()
        batches = 0
        while batches < task["batches"] and time.monotonic() < start + task["seconds"]:
            store.write_table(key, _at(tables, batches, points // series))
            batches += 1
        ended = time.monotonic()
    return {"points": batches * points, "started": start, "ended": ended}


def _at(tables: list[Any], number: int, each: int) -> Any:
    """Return the table of a batch: those that were made, then the same values at later steps."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = tables[number % len(tables)]
    if number < len(tables):
        return table
    later = number // len(tables) * len(tables) * each
    steps = pc.add(table["step"], pa.scalar(later, pa.int64()))
    return table.set_column(table.schema.get_field_index("step"), "step", steps)


def write_run(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write one run of so many series, 1,000,000 points a request."""
    with closing(_open(task)) as store:
        key = _create_run(store, task["run"]).key
        at_once = min(task["points"], 1_000_000)
        each = at_once // task["series"]
        for number in range(task["points"] // at_once):
            store.write_table(key, _table(task["series"], at_once, number, first=number * each))
    return {}


def count(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Count the points of runs in the store's file, by a process that no hub has anything to do
    with: {"file", "runs"}."""
    import mooring

    with closing(mooring.open_store(task["file"])) as store:
        points = {}
        for name in task["runs"]:
            run = store.find_run(PROJECT, run_id=name)
            points[name] = sum(n for _, _, n in store.count_points(run.key)) if run else 0
    return {"points": points}


# calls of log


def log(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Log dicts of a few metrics through the spool, and end the run when the hub has all."""
    import mooring

    os.environ["MOORING_API_TOKEN"] = task["token"]
    rows = made_up_rows(task["metrics"], task["calls"] + WARM_UP_CALLS)
    run = mooring.Run(project=PROJECT, store=task["address"], run_id=task["run"])

    def write(values: Mapping[str, float], step: int) -> None:
        run.log(values, step=step)

    for step in range(WARM_UP_CALLS):
        write(rows[step], step)
    wait_for_go()
    start = time.monotonic()
    taken = timed_calls(write, rows, WARM_UP_CALLS, task["seconds"])
    logged = time.monotonic()
    run.close()
    return {"taken_ns": taken, "started": start, "logged": logged, "ended": time.monotonic()}


# reads


def read_frame(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Fetch all metrics of a run as a DataFrame."""
    import mooring

    with mooring.ReadOnlyProject(
        PROJECT, api_token=task["token"], store=task["address"]
    ) as project:
        return _timed(task, lambda: len(project.fetch_metrics([task["run"]])))


def read_arrow(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read all float series of a run as an Arrow table."""
    from mooring.model import AttributeType
    from mooring.store.contract import PathSelector, SeriesQuery

    select = PathSelector(types=frozenset({AttributeType.FLOAT_SERIES}))
    with closing(_open(task)) as store:
        key = store.find_run(PROJECT, run_id=task["run"]).key
        return _timed(task, lambda: store.read_series([key], select, SeriesQuery()).num_rows)


def write_runs(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write small runs straight into a store's file: {"file", "runs"}."""
    import mooring
    from mooring.model import RunSpec
    from mooring.store.appending import Assign, LogPoints

    start = time.perf_counter()
    with closing(mooring.open_store(task["file"])) as store:
        for number, row in enumerate(random_runs(task["runs"])):
            run = store.create_run(RunSpec(project=PROJECT, run_id=f"run-{number}"))
            params = {f"params/{name}": row[name] for name in ("lr", "layers", "optimizer")}
            points = LogPoints({"accuracy": row["accuracy"]}, 0, STARTED)
            store.append_once(run.key, f"run-{number}", [Assign(params), points])
    return {"seconds": time.perf_counter() - start}


def search(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Search a page of the best runs of one optimizer, with all that is known of them."""
    import mooring

    best = 0.0
    with mooring.ReadOnlyProject(
        PROJECT, api_token=task["token"], store=task["address"]
    ) as project:

        def read() -> int:
            nonlocal best
            frame = project.fetch_runs_df(
                query='`params/optimizer`:string = "adam" AND `accuracy`:floatSeries > 0.5',
                sort_by="accuracy",
                ascending=False,
                limit=task["page"],
                progress_bar=False,
            )
            best = float(frame["accuracy"].iloc[0])
            return len(frame)

        return {**_timed(task, read), "best": best}


def _timed(task: Mapping[str, Any], read: Callable[[], int]) -> Mapping[str, Any]:
    taken, found = [], set()
    for _ in range(task["repeats"]):
        start = time.perf_counter()
        found.add(read())
        taken.append(time.perf_counter() - start)
    (length,) = found
    return {"taken_s": taken, "length": length}


# small calls


def small_calls(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Time each of three small calls, on one connection: {"run", "calls"}."""
    with closing(_open(task)) as store:
        run = _create_run(store, task["run"])
        writer = store.open_writer(run.key)
        writer.assign({"params/lr": 0.1})
        calls: dict[str, Callable[[int], object]] = {
            "find_run": lambda _: store.find_run(PROJECT, run_id=task["run"]),
            "get_value": lambda _: store.get_value(run.key, "params/lr"),
            "append": lambda step: writer.log({"loss": 0.5}, step=step),
        }
        for call in calls.values():
            for step in range(WARM_UP_CALLS):
                call(step)
        wait_for_go()
        start = time.monotonic()
        taken: dict[str, list[float]] = {name: [] for name in calls}
        for step in range(WARM_UP_CALLS, WARM_UP_CALLS + task["calls"]):
            for name, call in calls.items():
                begin = time.perf_counter()
                call(step)
                taken[name].append(time.perf_counter() - begin)
        return {"taken_s": taken, "started": start, "ended": time.monotonic()}


# the resource API


def make_trials(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Make a session with trials, 1,000 a request: {"trials"}."""
    import httpx

    with httpx.Client(base_url=task["address"], timeout=600.0) as http:
        answer = http.get("/api/v1/organizations", params={"token": task["token"]})
        assert answer.status_code == 200, answer.text[:300]
        organization = answer.json()["data"][0]["id"]
        project = _made(http, task, "projects", name="trials", organization_id=organization)
        experiment = _made(http, task, "experiments", name="trials", project_id=project)
        session = _made(
            http, task, "experiment_sessions", project_id=project, experiment_id=experiment
        )
        start = time.perf_counter()
        for first in range(0, task["trials"], 1_000):
            numbers = range(first, min(first + 1_000, task["trials"]))
            answer = http.patch(
                "/api/v1/trials",
                json={
                    "token": task["token"],
                    "experiment_session_id": session,
                    "trials": [_trial(number) for number in numbers],
                },
            )
            assert answer.status_code == 200, answer.text[:300]
        taken = time.perf_counter() - start
    return {"session": session, "seconds": taken}


def _made(http: Any, task: Mapping[str, Any], resource: str, **values: object) -> object:
    answer = http.post(f"/api/v1/{resource}", json={"token": task["token"], **values})
    assert answer.status_code == 200, answer.text[:300]
    return answer.json()["data"]["id"]


def _trial(number: int) -> Mapping[str, object]:
    """Return a trial as AutoML reports it: ten sets of parameters, a score of its own."""
    score = (number * 7919 % 100_003) / 100_003
    return {
        "uid": f"{number:015X}",
        "score": score,
        "score_name": "accuracy",
        "all_scores": {"accuracy": score, "f1": score / 2},
        "task_type": "subdag.tasks.eval_trial",
        "algorithm_name": "sklearn.ensemble.RandomForestClassifier",
        "algorithm_params": {"n_estimators": 10 * (number % 10 + 1), "max_depth": 8},
        "evaluation_time": 1.5,
    }


def list_trials(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Ask for pages of a session's trials by plain HTTP: {"session", "offset", "page"}."""
    import httpx

    given = {
        "token": task["token"],
        "experiment_session_id": task["session"],
        "limit": task["page"],
        "offset": task["offset"],
    }
    with httpx.Client(base_url=task["address"], timeout=600.0) as http:

        def read() -> int:
            answer = http.get("/api/v1/trials", params=given)
            assert answer.status_code == 200, answer.text[:300]
            return len(answer.json()["data"])

        return _timed(task, read)


# one request of each kind


def one_of_each(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Do a little of everything that a hub does, so that it has imported what it needs."""
    import mooring
    from mooring.model import AttributeType
    from mooring.store.contract import PathSelector, RunQuery, SeriesQuery

    with closing(_open(task)) as store:
        run = _create_run(store, "each")
        store.write_table(run.key, _table(5, 1_000, 0))
        with closing(store.open_writer(run.key)) as writer:
            writer.log({"loss": 0.5}, step=0)
            writer.log_event({"loss": 0.5})
            writer.assign({"params/lr": 0.1})
        digest, _ = store.put_blob(b"content")
        store.open_blob(digest).close()
        select = PathSelector(types=frozenset({AttributeType.FLOAT_SERIES}))
        store.read_series([run.key], select, SeriesQuery())
        store.query_runs(RunQuery(project=PROJECT))
        store.read_events(PROJECT)
        store.compact(PROJECT)
    with mooring.ReadOnlyProject(
        PROJECT, api_token=task["token"], store=task["address"]
    ) as project:
        project.fetch_runs_df(progress_bar=False)
    session = make_trials({**task, "trials": 10})["session"]
    list_trials({**task, "session": session, "offset": 0, "page": 5, "repeats": 1})
    return {}


TASKS: Mapping[str, Task] = {
    "write_tables": write_tables,
    "write_run": write_run,
    "count": count,
    "log": log,
    "read_frame": read_frame,
    "read_arrow": read_arrow,
    "write_runs": write_runs,
    "search": search,
    "small_calls": small_calls,
    "make_trials": make_trials,
    "list_trials": list_trials,
    "one_of_each": one_of_each,
}

if __name__ == "__main__":
    serve_tasks(TASKS, package="mooring")
