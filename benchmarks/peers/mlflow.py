"""MLflow on a SQLite file, without a server."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.peers.protocol import Log, Peer, Task, Values, serve


class MLflow(Peer):
    """`mlflow.log_metrics(dict, step=)`, which writes before it returns."""

    package = "mlflow"

    def open(self, folder: Path, run: str) -> Log:
        """Start a run of the experiment `bench`."""
        import mlflow

        mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
        mlflow.set_experiment("bench")
        mlflow.start_run(run_name=run)

        def log(values: Values, step: int) -> None:
            mlflow.log_metrics(values, step=step)

        return log

    def close(self) -> None:
        """End the run."""
        import mlflow

        mlflow.end_run()

    def count_points(self, folder: Path) -> Mapping[str, int]:
        """Count the rows of its metrics table."""
        with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
            return dict(connection.execute("SELECT key, count(*) FROM metrics GROUP BY key"))

    def other_tasks(self) -> Mapping[str, Task]:
        """Return the table of runs, which Mooring's `fetch_runs_df` is compared with."""
        return {"runs_table": runs_table}


def runs_table(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write runs with as many parameters as metrics, then time `search_runs`."""
    import mlflow
    from mlflow.entities import Metric, Param

    mlflow.set_tracking_uri(f"sqlite:///{Path(task['folder']) / 'mlflow.db'}")
    experiment = mlflow.set_experiment("bench").experiment_id
    client = mlflow.MlflowClient()
    half = task["attributes"] // 2
    for number in range(task["runs"]):
        params = [Param(f"param_{index:03d}", f"{number}-{index}") for index in range(half)]
        metrics = [
            Metric(f"metric_{index:03d}", number + index / 1000, 1_700_000_000_000, 0)
            for index in range(half)
        ]
        run = client.create_run(experiment).info.run_id
        client.log_batch(run, params=params, metrics=metrics)
        client.set_terminated(run)
    taken = []
    for _ in range(task["repeats"]):
        start = time.perf_counter()
        frame = mlflow.search_runs([experiment], max_results=task["runs"])
        taken.append(time.perf_counter() - start)
    return {"taken_s": taken, "shape": list(frame.shape)}


if __name__ == "__main__":
    serve(MLflow())
