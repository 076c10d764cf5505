"""A run with very many distinct paths: written call by call, then listed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.protocol import folder_bytes, serve_tasks

PATHS_A_CALL = 1_000


def paths(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Log each path once, then list them twice, the first time by whoever folds the log."""
    import mooring
    from mooring.model import RunSpec
    from mooring.store.contract import PathSelector

    folder = Path(task["folder"])
    store = mooring.open_store(str(folder / "bench.db"))
    run = store.create_run(RunSpec(project="local/bench", run_id="paths"))
    calls = [
        {f"layer/{first + index:07d}/norm": float(index) for index in range(PATHS_A_CALL)}
        for first in range(0, task["paths"], PATHS_A_CALL)
    ]
    start = time.perf_counter()
    writer = store.open_writer(run.key)
    for step, values in enumerate(calls):
        writer.log(values, step=step)
    writer.close()
    written = time.perf_counter()
    wanted = PathSelector(patterns=("^layer/",))
    listed = len(store.list_attributes([run.key], wanted))
    first = time.perf_counter()
    again = len(store.list_attributes([run.key], wanted))
    second = time.perf_counter()
    store.close()
    assert listed == again == task["paths"], (listed, again)
    return {
        "write_s": written - start,
        "first_s": first - written,
        "again_s": second - first,
        "bytes": folder_bytes(folder),
    }


if __name__ == "__main__":
    serve_tasks({"paths": paths}, package="mooring")
