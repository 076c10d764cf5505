"""Mooring: a run that logs into one store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from benchmarks.peers.protocol import Log, Peer, Task, Values, folder_bytes, serve

FILE = "bench.db"


class MooringRun(Peer):
    """`Run.log(dict, step=)` with the default durability, or another."""

    package = "mooring"
    durability: Literal["process", "power"] = "process"
    _run: Any = None

    def open(self, folder: Path, run: str) -> Log:
        """Start a run of the project `local/bench`."""
        import mooring

        self._run = mooring.Run(
            project="local/bench",
            store=str(folder / FILE),
            run_id=run,
            on_error="raise",  # a failure is to be seen; the default would warn and go on
            durability=self.durability,
        )
        run_log = self._run.log

        def log(values: Values, step: int) -> None:
            run_log(values, step=step)

        return log

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()

    def count_points(self, folder: Path) -> Mapping[str, int]:
        """Sum up what the store says about every float series of every run."""
        return count_points(folder / FILE)

    def other_tasks(self) -> Mapping[str, Task]:
        """Return the sealing of what was logged."""
        return {"seal": seal}


def count_points(file: Path) -> Mapping[str, int]:
    """Return the points of each float series, over all runs of a store."""
    import mooring
    from mooring.model import AttributeType
    from mooring.store.contract import PathSelector, RunQuery

    found: Counter[str] = Counter()
    series = PathSelector(types=frozenset({AttributeType.FLOAT_SERIES}))
    store = mooring.open_store(str(file))
    for run in store.query_runs(RunQuery()).runs:
        for path, _ in store.list_attributes([run.key], series):
            found[path] += store.get_stats(run.key, path).count
    store.close()
    return found


def seal(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Compact the store, and weigh all its files, and those in Parquet."""
    import mooring

    folder = Path(task["folder"])
    store = mooring.open_store(str(folder / FILE))
    report = store.compact()
    store.close()
    parquet = sum(file.stat().st_size for file in folder.rglob("*.parquet"))
    sealed = report.points_sealed
    return {"bytes": folder_bytes(folder), "parquet_bytes": parquet, "points_sealed": sealed}


if __name__ == "__main__":
    serve(MooringRun())
