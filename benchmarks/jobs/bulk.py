"""Many points at once, from NumPy and from Arrow."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.protocol import folder_bytes, serve_tasks

SERIES = 100
STARTED = 1_700_000_000_000_000


def numpy(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write one long series with `write_points`; count it afterwards."""
    import numpy as np

    import mooring
    from mooring.model import RunSpec

    count = task["points"]
    values = np.random.default_rng(0).standard_normal(count).cumsum()
    steps = np.arange(count)
    times = STARTED + 1_000 * np.arange(count)
    store = mooring.open_store(str(Path(task["folder"]) / "bench.db"))
    run = store.create_run(RunSpec(project="local/bench", run_id="bulk"))
    _warm_up(store)
    start = time.perf_counter()
    store.write_points(run.key, "loss", steps=steps, values=values, times=times)
    taken = time.perf_counter() - start
    found = store.get_stats(run.key, "loss").count
    store.close()
    assert found == count, found
    return {"seconds": taken, "bytes": folder_bytes(Path(task["folder"]))}


def arrow(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write many series with `write_table`; count them afterwards."""
    import numpy as np
    import pyarrow as pa

    import mooring
    from mooring.model import RunSpec

    each = task["points"] // SERIES
    names = pa.array([f"metric_{index:04d}" for index in range(SERIES)])
    indices = pa.array(np.repeat(np.arange(SERIES, dtype=np.int32), each))
    table = pa.table(
        {
            "path": pa.DictionaryArray.from_arrays(indices, names),
            "step": np.tile(np.arange(each), SERIES),
            "value": np.random.default_rng(0).standard_normal(each * SERIES).cumsum(),
            "time": np.tile(STARTED + 1_000 * np.arange(each), SERIES),
        }
    )
    store = mooring.open_store(str(Path(task["folder"]) / "bench.db"))
    run = store.create_run(RunSpec(project="local/bench", run_id="bulk"))
    _warm_up(store)
    start = time.perf_counter()
    store.write_table(run.key, table)
    taken = time.perf_counter() - start
    found = sum(store.get_stats(run.key, name.as_py()).count for name in names)
    store.close()
    assert found == each * SERIES, found
    return {"seconds": taken, "bytes": folder_bytes(Path(task["folder"]))}


def _warm_up(store: Any) -> None:
    """Load what the first bulk write loads, with a few points of another run."""
    from mooring.model import RunSpec

    run = store.create_run(RunSpec(project="local/bench", run_id="warm"))
    store.write_points(run.key, "warm", steps=[0, 1], values=[0.0, 1.0])


if __name__ == "__main__":
    serve_tasks({"numpy": numpy, "arrow": arrow}, package="mooring")
