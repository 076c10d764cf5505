"""Clients of MLflow's tracking server. Every task that talks to it is given its `address`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from benchmarks.peers.protocol import metric_names, random_runs, serve_tasks, wait_for_go

STARTED_MS = 1_700_000_000_000
EXPERIMENT = "bench"


def log_batches(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Log so many metrics a request to a run of its own, for some seconds."""
    import random

    import mlflow
    from mlflow.entities import Metric

    client = mlflow.MlflowClient(tracking_uri=task["address"])
    run = client.create_run(_experiment(client)).info.run_id
    names, values = metric_names(task["series"]), random.Random(0)
    each = task["points"] // task["series"]
    client.log_metric(run, "warm", 0.0)

    def batch(number: int) -> list[Metric]:
        steps = range(number * each, (number + 1) * each)
        return [
            Metric(name, values.random(), STARTED_MS + step, step)
            for name in names
            for step in steps
        ]

    # Made before, as Mooring's tables are: as many as can be sent in this time.
    batches = [batch(number) for number in range(min(task["batches"], 200))]
    wait_for_go()
    start = time.monotonic()
    sent = 0
    while sent < len(batches) and time.monotonic() < start + task["seconds"]:
        client.log_batch(run, metrics=batches[sent])
        sent += 1
    return {"points": sent * task["points"], "started": start, "ended": time.monotonic()}


def count(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Count the points in its database: {"file"}."""
    with closing(sqlite3.connect(task["file"])) as connection:
        (found,) = connection.execute("SELECT count(*) FROM metrics WHERE key != 'warm'").fetchone()
    return {"points": found}


def write_runs(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write small runs straight into a database: {"file", "runs"}."""
    import mlflow
    from mlflow.entities import Metric, Param

    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{task['file']}")
    experiment = _experiment(client)
    start = time.perf_counter()
    for row in random_runs(task["runs"]):
        run = client.create_run(experiment).info.run_id
        client.log_batch(
            run,
            params=[Param(name, str(row[name])) for name in ("lr", "layers", "optimizer")],
            metrics=[Metric("accuracy", row["accuracy"], STARTED_MS, 0)],
        )
        client.set_terminated(run)
    return {"seconds": time.perf_counter() - start}


def search(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Search a page of the best runs of one optimizer: {"page", "repeats"}."""
    import mlflow

    mlflow.set_tracking_uri(task["address"])
    experiment = _experiment(mlflow.MlflowClient())
    taken = []
    for _ in range(task["repeats"]):
        start = time.perf_counter()
        frame = mlflow.search_runs(
            [experiment],
            filter_string="params.optimizer = 'adam' and metrics.accuracy > 0.5",
            order_by=["metrics.accuracy DESC"],
            max_results=task["page"],
        )
        taken.append(time.perf_counter() - start)
    return {"taken_s": taken, "length": len(frame), "best": float(frame["metrics.accuracy"][0])}


def one_of_each(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Log, read and search a little, so that the server has imported what it needs."""
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=task["address"])
    run = client.create_run(_experiment(client)).info.run_id
    client.log_param(run, "lr", "0.1")
    client.log_metric(run, "warm", 0.5, step=0)
    client.get_metric_history(run, "warm")
    client.log_text(run, "content", "notes.txt")
    client.list_artifacts(run)
    client.search_runs([_experiment(client)], order_by=["metrics.warm DESC"])
    return {}


def _experiment(client: Any) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        try:
            return str(client.create_experiment(EXPERIMENT))
        except MlflowException:  # another process was faster
            found = client.get_experiment_by_name(EXPERIMENT)
    return str(found.experiment_id)


if __name__ == "__main__":
    serve_tasks(
        {
            "log_batches": log_batches,
            "count": count,
            "write_runs": write_runs,
            "search": search,
            "one_of_each": one_of_each,
        },
        package="mlflow",
    )
