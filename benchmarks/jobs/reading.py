"""Stores to read from, and the reads that are timed: always through the public fetch API."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers.protocol import Task, serve_tasks

if TYPE_CHECKING:
    import pandas as pd

PROJECT = "local/bench"
STARTED = 1_700_000_000_000_000


def _open(task: Mapping[str, Any]) -> Any:
    import mooring

    return mooring.open_store(_file(task))


def _file(task: Mapping[str, Any]) -> str:
    return str(Path(task["folder"]) / "bench.db")


def _project(task: Mapping[str, Any]) -> Any:
    import mooring

    return mooring.ReadOnlyProject(PROJECT, store=_file(task))


def _curve(points: int, seed: int) -> dict[str, Any]:
    import numpy as np

    values = np.random.default_rng(seed).standard_normal(points).cumsum()
    return {
        "steps": np.arange(points),
        "values": values,
        "times": STARTED + 1_000 * np.arange(points),
    }


def write_series(task: Mapping[str, Any]) -> None:
    """Write one run with one series, in bulk, and seal it."""
    from mooring.model import RunSpec

    store = _open(task)
    run = store.create_run(RunSpec(project=PROJECT, run_id="r1"))
    store.write_points(run.key, "loss", **_curve(task["points"], 0))
    store.compact()
    store.close()


def write_logged_series(task: Mapping[str, Any]) -> None:
    """Log one series point by point, and leave it as the store keeps it."""
    import mooring

    values = _curve(task["points"], 0)["values"].tolist()
    with mooring.Run(project=PROJECT, store=_file(task), run_id="r1") as run:
        for step, value in enumerate(values):
            run.log({"loss": value}, step=step)


def read_series(task: Mapping[str, Any]) -> pd.DataFrame:
    """Fetch the series of a run that nothing is known of yet."""
    import mooring

    with _project(task) as project:
        run = mooring.ReadOnlyRun(project, custom_id="r1")
        return run["loss"].fetch_values()  # type: ignore[no-any-return]


def write_many_series(task: Mapping[str, Any]) -> None:
    """Write as many points to each of many runs, in bulk, and seal them."""
    from mooring.model import RunSpec

    store = _open(task)
    for number in range(task["runs"]):
        run = store.create_run(RunSpec(project=PROJECT, run_id=f"r{number}"))
        store.write_points(run.key, "loss", **_curve(task["points"] // task["runs"], number))
    store.compact()
    store.close()


def read_many_series(task: Mapping[str, Any]) -> pd.DataFrame:
    """Fetch one series of all runs."""
    with _project(task) as project:
        return project.fetch_metrics(paths=["loss"])  # type: ignore[no-any-return]


def write_runs_table(task: Mapping[str, Any]) -> None:
    """Write runs with as many parameters as metrics, like MLflow's beside it."""
    from mooring.model import RunSpec

    half = task["attributes"] // 2
    store = _open(task)
    for number in range(task["runs"]):
        run = store.create_run(RunSpec(project=PROJECT, run_id=f"r{number}"))
        writer = store.open_writer(run.key)
        writer.assign({f"param_{index:03d}": f"{number}-{index}" for index in range(half)})
        writer.log({f"metric_{index:03d}": number + index / 1000 for index in range(half)}, step=0)
        writer.close()
    store.close()


def read_runs_table(task: Mapping[str, Any]) -> pd.DataFrame:
    """Fetch all runs with all attributes."""
    with _project(task) as project:
        return project.fetch_runs_df(progress_bar=False)  # type: ignore[no-any-return]


def write_page(task: Mapping[str, Any]) -> None:
    """Write many small runs: three parameters, one result."""
    import random

    from mooring.model import RunSpec

    chance = random.Random(0)
    store = _open(task)
    for number in range(task["runs"]):
        run = store.create_run(RunSpec(project=PROJECT, run_id=f"r{number}"))
        writer = store.open_writer(run.key)
        writer.assign(
            {
                "params/lr": 10 ** chance.uniform(-5, -1),
                "params/layers": chance.randrange(1, 9),
                "params/optimizer": chance.choice(["adam", "sgd", "lamb", "lion"]),
                "test/accuracy": chance.random(),
            }
        )
        writer.close()
    store.close()


def read_page(task: Mapping[str, Any]) -> pd.DataFrame:
    """Fetch the best runs of one optimizer with few layers: one run in eight matches."""
    with _project(task) as project:
        return project.fetch_runs_df(  # type: ignore[no-any-return]
            columns=["params/lr", "params/layers", "params/optimizer", "test/accuracy"],
            query='`params/optimizer`:string = "adam" AND `params/layers`:int < 5',
            sort_by="test/accuracy",
            ascending=False,
            limit=task["page"],
            progress_bar=False,
        )


TASKS: dict[str, tuple[Callable[[Mapping[str, Any]], None], Callable[[Mapping[str, Any]], Any]]] = {
    "series": (write_series, read_series),
    "logged_series": (write_logged_series, read_series),
    "many_series": (write_many_series, read_many_series),
    "runs_table": (write_runs_table, read_runs_table),
    "page": (write_page, read_page),
}


def _writing(write: Callable[[Mapping[str, Any]], None]) -> Task:
    def task(task: Mapping[str, Any]) -> Mapping[str, Any]:
        start = time.perf_counter()
        write(task)
        return {"seconds": time.perf_counter() - start}

    return task


def _reading(read: Callable[[Mapping[str, Any]], Any]) -> Task:
    def task(task: Mapping[str, Any]) -> Mapping[str, Any]:
        taken = []
        for _ in range(task["repeats"]):
            start = time.perf_counter()
            frame = read(task)
            taken.append(time.perf_counter() - start)
        return {"taken_s": taken, "shape": list(frame.shape)}

    return task


if __name__ == "__main__":
    tasks: dict[str, Task] = {}
    for name, (write, read) in TASKS.items():
        tasks |= {f"write_{name}": _writing(write), f"read_{name}": _reading(read)}
    serve_tasks(tasks, package="mooring")
