"""Takes everything out of a store, and brings it in again: Parquet, a backup, MLflow."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import chdir, closing, contextmanager
from pathlib import Path

from mooring import exchange, open_store


def take_out(store: Path, folder: Path) -> exchange.TransferReport:
    """Export all runs to Parquet, and read everything back."""
    with closing(exchange.open_source(store)) as runs:
        return exchange.export_runs(runs, folder, verify=True)


def bring_in(folder: Path, store: Path) -> exchange.TransferReport:
    """Import an export into a new store, and compare it."""
    _remove(store)
    with closing(exchange.open_source(folder)) as runs, closing(open_store(store)) as target:
        return exchange.import_runs(runs, target, verify=True)


def back_up_and_restore(
    store: Path, folder: Path, restored: Path
) -> tuple[exchange.TransferReport, exchange.TransferReport]:
    """Back a store up as a tree of folders, and restore another store from it."""
    _remove(restored)
    with closing(exchange.open_source(store)) as runs:
        saved = exchange.back_up(runs, folder)
    with closing(exchange.open_source(folder)) as runs, closing(open_store(restored)) as target:
        return saved, exchange.import_runs(runs, target, verify=True)


def load(folder: Path, database: Path) -> exchange.LoadReport:
    """Load an export into a new database of MLflow, with the files beside it."""
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # it tells of each table it makes
    options = exchange.TargetOptions(uri=f"sqlite:///{database.absolute()}")
    _remove(database)
    shutil.rmtree(database.with_name("mlruns"), ignore_errors=True)
    for old in database.parent.glob("load*.json*"):
        old.unlink()
    folder, journal = folder.absolute(), database.absolute().with_name("load.jsonl")
    with (
        chdir(database.parent),  # where MLflow makes its folder of files
        closing(exchange.open_source(folder)) as runs,
        closing(exchange.open_target("mlflow", options)) as mlflow,
    ):
        return exchange.load_runs(runs, mlflow, journal=journal)


def find_in_mlflow(database: Path, run: str) -> dict[str, object]:
    """Ask MLflow itself, with its own client, for a run by its name."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{database.absolute()}")
    experiments = [one.experiment_id for one in client.search_experiments()]
    (found,) = client.search_runs(experiments, f"attributes.run_name = '{run}'")
    return {
        "id": found.info.run_id,
        "status": found.info.status,
        "accuracy": found.data.metrics["test/accuracy"],
        "solver": found.data.params["params/solver"],
        "points of train/loss": len(client.get_metric_history(found.info.run_id, "train/loss")),
    }


@contextmanager
def timed() -> Iterator[list[float]]:
    """Yield a list that gets the seconds that the block took."""
    took: list[float] = []
    began = time.perf_counter()
    yield took
    took.append(time.perf_counter() - began)


def _remove(store: Path) -> None:
    """Remove a database with all that lies beside it."""
    for suffix in ("", "-wal", "-shm"):
        store.with_name(store.name + suffix).unlink(missing_ok=True)
    shutil.rmtree(store.with_name(f"{store.name}-data"), ignore_errors=True)
