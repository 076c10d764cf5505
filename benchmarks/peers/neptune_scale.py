"""neptune-scale: offline, an operation for each call in a SQLite file of the run; and to a hub."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC
from pathlib import Path
from typing import Any

from benchmarks.peers.protocol import (
    WARM_UP_CALLS,
    Log,
    Peer,
    Task,
    Values,
    made_up_rows,
    serve,
    wait_for_go,
)

PROJECT = "local/bench"


class NeptuneScale(Peer):
    """`Run(mode="offline").log_metrics(dict, step=)`."""

    package = "neptune-scale"
    _run: Any = None

    def open(self, folder: Path, run: str) -> Log:
        """Start an offline run; terminal and source code are not captured."""
        self._run = _open_run(folder, run, mode="offline")
        log_metrics = self._run.log_metrics

        def log(values: Values, step: int) -> None:
            log_metrics(values, step=step)

        return log

    def close(self) -> None:
        """Close the run."""
        self._run.close()

    def count_points(self, folder: Path) -> Mapping[str, int]:
        """Count the values in all snapshots of all files of operations."""
        from neptune_api.proto.neptune_pb.ingest.v1.common_pb2 import UpdateRunSnapshot

        found: Counter[str] = Counter()
        for file in folder.rglob("*.sqlite3"):
            with closing(sqlite3.connect(file)) as connection:
                rows = connection.execute(
                    "SELECT operation FROM run_operations WHERE operation_type = 0"
                )
                for (content,) in rows:
                    found.update(UpdateRunSnapshot.FromString(content).append.keys())
        return found

    def other_tasks(self) -> Mapping[str, Task]:
        """Return what is asked of it beside a hub."""
        return {"serialise": serialise, "train": train, "write_steps": write_steps}


def _open_run(folder: Path, run: str, **options: Any) -> Any:
    from neptune_scale import Run

    return Run(
        run_id=run,
        project=PROJECT,
        log_directory=str(folder),
        enable_console_log_capture=False,
        source_tracking_config=None,
        **options,
    )


def serialise(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write the bodies that the sender would send, by its own code, a file for each.

    {"runs", "metrics", "snapshots" a request, "requests", "bodies": the folder}. The first body of
    a run creates it. All runs get the same values.
    """
    import random
    from datetime import datetime, timedelta

    from neptune_api.proto.neptune_pb.ingest.v1.common_pb2 import Run as CreateRun
    from neptune_api.proto.neptune_pb.ingest.v1.pub.ingest_pb2 import RunOperation
    from neptune_scale.sync.metadata_splitter import MetadataSplitter, Metrics
    from neptune_scale.sync.operations_repository import Operation, OperationType, SequenceId
    from neptune_scale.sync.parameters import MAX_REQUEST_SIZE_BYTES
    from neptune_scale.sync.sync_process import _partition_by_type_and_size

    began = datetime(2026, 1, 1, tzinfo=UTC)
    folder = Path(task["bodies"])
    rows = made_up_rows(task["metrics"], max(1, min(100, 1_000_000 // task["metrics"])))
    chance = random.Random(0)
    for run in task["runs"]:
        (folder / run).mkdir(parents=True)
        create = RunOperation(project=PROJECT, run_id=run, create=CreateRun(family=run))
        (folder / run / "00000").write_bytes(create.SerializeToString())
    step, number = 0, 0
    for _ in range(task["requests"]):
        operations = []
        for _ in range(task["snapshots"]):
            splitter = MetadataSplitter(
                project=PROJECT,
                run_id="",
                timestamp=began + timedelta(milliseconds=10 * step),
                step=step,
                configs=None,
                metrics=Metrics(chance.choice(rows)),
                files=None,
                file_series=None,
                add_tags=None,
                remove_tags=None,
            )
            operations += [
                Operation(SequenceId(step), 0, OperationType.UPDATE_SNAPSHOT, made, made.ByteSize())
                for made in splitter
            ]
            step += 1
        requests = _partition_by_type_and_size(
            operations, "run", PROJECT, MAX_REQUEST_SIZE_BYTES - 1_000
        )
        for request, _, _ in requests:
            number += 1
            for run in task["runs"]:
                request.run_id = run
                (folder / run / f"{number:05d}").write_bytes(request.SerializeToString())
    return {"points": step * task["metrics"], "requests": number}


def train(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Log the same rows offline and to a hub, in turn; return nanoseconds of each call.

    {"metrics", "calls", "pause_s", "token"}. Which of the two comes first changes with each step.
    """
    folder = Path(task["folder"])
    runs = {
        "offline": _open_run(folder / "offline", "offline", mode="offline"),
        "hub": _open_run(folder / "hub", "trained", mode="async", api_token=task["token"]),
    }
    runs["hub"].wait_for_processing(timeout=60)
    taken: dict[str, list[int]] = {name: [] for name in runs}
    clock = time.perf_counter_ns
    for step, row in enumerate(made_up_rows(task["metrics"], task["calls"] + WARM_UP_CALLS)):
        for name in ("offline", "hub") if step % 2 else ("hub", "offline"):
            start = clock()
            runs[name].log_metrics(row, step=step)
            end = clock()
            if step >= WARM_UP_CALLS:
                taken[name].append(end - start)
            time.sleep(task["pause_s"])
    processed = runs["hub"].wait_for_processing(timeout=300)
    for run in runs.values():
        run.close()
    return {"taken_ns": taken, "processed": processed}


def write_steps(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Log a step now and then; tell when each call was made: {"run", "steps", "pause_s"}."""
    run = _open_run(Path(task["folder"]), task["run"], mode="async", api_token=task["token"])
    run.log_configs({"params/lr": 0.1})
    run.wait_for_processing(timeout=60)
    rows = made_up_rows(task["metrics"], task["steps"])
    called = []
    wait_for_go()
    for step, row in enumerate(rows):
        called.append(time.monotonic())
        run.log_metrics(row, step=step)
        time.sleep(task["pause_s"])
    processed = run.wait_for_processing(timeout=60)
    run.close()
    return {"called": called, "processed": processed}


if __name__ == "__main__":
    serve(NeptuneScale())
