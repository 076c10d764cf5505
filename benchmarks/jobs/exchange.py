"""Stores and exports to move, and the moves that are timed: each in a process of its own."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers.protocol import Task, folder_bytes, metric_names, serve_tasks

if TYPE_CHECKING:
    from mooring.exchange import TransferReport

PROJECT = "local/bench"
STARTED = 1_700_000_000_000_000
POINTS_A_CALL = 4_000_000
SYNCED_AT_ONCE = 4
"""As many as Mooring's export forces to the disk at once."""


# what is moved


def write_sealed(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write runs in bulk: each has a segment of its own."""
    return _write(task, _write_table)


def write_logged(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Log runs a call for each step: their points lie in the log, and nobody has read them."""
    return _write(task, _log_points)


def _write(task: Mapping[str, Any], write: Callable[..., None]) -> Mapping[str, Any]:
    import mooring
    from mooring.model import RunSpec

    store = mooring.open_store(str(Path(task["folder"]) / "bench.db"))
    start = time.perf_counter()
    for number in range(task["runs"]):
        run = store.create_run(RunSpec(project=PROJECT, run_id=f"run-{number:05d}"))
        writer = store.open_writer(run.key)
        writer.assign({f"params/p{i:02d}": 10.0**-i if i % 2 else i for i in range(task["params"])})
        if task["points"]:
            write(store, run.key, writer, task["metrics"], task["points"], number)
        writer.close()
    store.close()
    taken = time.perf_counter() - start
    return {"seconds": taken, "bytes": folder_bytes(Path(task["folder"]))}


def _values(metrics: int, points: int, seed: int) -> Any:
    """Return a random walk for each metric, the same as the peer's: metrics x points."""
    import numpy as np

    return np.random.default_rng(seed).standard_normal((metrics, points)).cumsum(axis=1)


def _write_table(store: Any, key: int, writer: Any, metrics: int, points: int, seed: int) -> None:
    """Write whole series, as many in a call as have some millions of points."""
    import numpy as np
    import pyarrow as pa

    chance, names = np.random.default_rng(seed), metric_names(metrics)
    at_once = max(1, POINTS_A_CALL // points)
    for first in range(0, metrics, at_once):
        some = names[first : first + at_once]
        codes = pa.array(np.repeat(np.arange(len(some), dtype=np.int32), points))
        values = chance.standard_normal((len(some), points)).cumsum(axis=1)
        table = pa.table(
            {
                "path": pa.DictionaryArray.from_arrays(codes, pa.array(some)),
                "step": np.tile(np.arange(points), len(some)),
                "value": values.ravel(),
                "time": np.tile(STARTED + 1_000_000 * np.arange(points), len(some)),
            }
        )
        store.write_table(key, table)


def _log_points(store: Any, key: int, writer: Any, metrics: int, points: int, seed: int) -> None:
    names = metric_names(metrics)
    for step, row in enumerate(_values(metrics, points, seed).T.tolist()):
        writer.log(dict(zip(names, row, strict=True)), step=step, time=STARTED + 1_000_000 * step)


# how it is moved


def export(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Export a store: {"source", "read", "verify", "again"}.

    `read`: by a selection that takes all, so that points are read and written, not copied.
    `verify`: read back and compared. `again`: a second time, elsewhere, in the same process.
    """
    _prepare(task)
    target = Path(task["folder"]) / "export"
    found = _measured(lambda: _export(task, target))
    if task.get("again"):
        again = _measured(lambda: _export(task, target.with_name("again")))
        found = {**found, "again_s": again["seconds"]}
    files = [path for path in target.rglob("*") if path.is_file()]
    return {**found, "bytes": sum(path.stat().st_size for path in files), "files": len(files)}


def _export(task: Mapping[str, Any], target: Path) -> TransferReport:
    import mooring
    from mooring import exchange

    selection = exchange.Selection(attributes=(".",)) if task.get("read") else None
    with closing(mooring.open_store(task["source"])) as store:
        source = exchange.StoreSource(store)
        verify = task.get("verify", False)
        return exchange.export_runs(source, target, selection=selection, verify=verify)


def export_and_copy(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Export a store, then copy the very files that came out: into the page cache, and synced."""
    found = dict(export(task))
    folder = Path(task["folder"])
    for name, sync in (("cp_s", False), ("cp_sync_s", True)):
        os.sync()
        start = time.perf_counter()
        subprocess.run(["cp", "-r", str(folder / "export"), str(folder / name)], check=True)
        if sync:
            _sync_all(folder / name)
        found[name] = time.perf_counter() - start
    return found


def _sync_all(folder: Path) -> None:
    with ThreadPoolExecutor(SYNCED_AT_ONCE) as pool:
        list(pool.map(_sync, [folder, *folder.rglob("*")]))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def import_export(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Import an export into a new store: {"source", "attach", "verify"}."""
    _prepare(task)
    return _measured(lambda: _import(task))


def _import(task: Mapping[str, Any]) -> TransferReport:
    import mooring
    from mooring import exchange

    target = Path(task["folder"]) / "imported.db"
    with closing(mooring.open_store(str(target))) as store:
        return exchange.import_runs(
            exchange.ParquetSource(task["source"]),
            store,
            attach=task.get("attach", "copy"),
            verify=task.get("verify", False),
        )


def summarize(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Count what an export holds."""
    from mooring import exchange

    _prepare(task)
    begin, start = time.process_time(), time.perf_counter()
    summary = exchange.summarize(exchange.ParquetSource(task["source"]))
    taken, worked = time.perf_counter() - start, time.process_time() - begin
    (project,) = summary.projects
    assert not summary.problems, summary.problems
    return {"seconds": taken, "cpu_s": worked, "runs": project.runs, **_memory()}


def open_in_place(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Open an export as a store, and list its runs."""
    import mooring
    from mooring.store.contract import RunQuery

    _prepare(task)
    begin, start = time.process_time(), time.perf_counter()
    store = mooring.open_store(task["source"])
    runs = len(store.query_runs(RunQuery(project=PROJECT)).runs)
    taken, worked = time.perf_counter() - start, time.process_time() - begin
    store.close()
    return {"seconds": taken, "cpu_s": worked, "runs": runs, **_memory()}


def _measured(move: Callable[[], TransferReport]) -> dict[str, Any]:
    """Time a move; it has failed where its report tells of anything that is missing."""
    os.sync()  # what was written before is not waited for
    begin, start = time.process_time(), time.perf_counter()
    report = move()
    taken, worked = time.perf_counter() - start, time.process_time() - begin
    lacking = [run for run in report.runs if run.missing or run.outcome != "done"]
    assert not lacking, lacking[:1]
    assert not report.problems, report.problems[:1]
    points = sum(run.points for run in report.runs)
    done = {"points": points, "runs": len(report.runs)}
    return {"seconds": taken, "cpu_s": worked, **done, **_memory()}


def _memory() -> Mapping[str, float]:
    return {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _prepare(task: Mapping[str, Any]) -> None:
    """Import what the task will import, by the same way with one point."""
    if not task.get("warm", True):
        return
    from mooring import exchange

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = {"runs": 1, "metrics": 1, "points": 1, "params": 1}
        write_sealed({"folder": name, **size})
        _export({"source": str(folder / "bench.db"), "verify": True}, folder / "export")
        exchange.summarize(exchange.ParquetSource(folder / "export"))
        _import({"folder": name, "source": str(folder / "export"), "verify": True})


TASKS: Mapping[str, Task] = {
    "write_sealed": write_sealed,
    "write_logged": write_logged,
    "export": export,
    "export_and_copy": export_and_copy,
    "import": import_export,
    "summarize": summarize,
    "open": open_in_place,
}

if __name__ == "__main__":
    serve_tasks(TASKS, package="mooring")
