"""Makes the store of the present format, which later code has to open.

    python -m tests.upgrade.make

Run it once for a new format, commit what it wrote, and never change it again.
"""

from __future__ import annotations

import math
import shutil
from datetime import UTC, datetime
from pathlib import Path

import mooring
from mooring.model import RunSpec
from mooring.store.appending import AppendsBatches, Assign, LogPoints
from mooring.store.sqlite.schema import FORMAT

HERE = Path(__file__).parent


def make(folder: Path) -> None:
    """Write a store with a bit of everything, half of it sealed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder / "runs.db"
    with mooring.Run("digits", store=path, run_id="parent", name="exp", tags=["a", "é"]) as run:
        run["params"] = {"lr": 0.1, "big": 2**60, "amp": True, "note": "", "nan": math.nan}
        run["when"] = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
        run["file"].upload(b"content", name="file.txt")
        for step in range(20):
            run.log({"loss": 1 / (step + 1), "odd": [math.nan, math.inf][step % 2]}, step=step)
        run.log({"text": "a line"}, step=0.5)
        run.log_histogram("weights", mooring.Histogram((0.0, 1.0, 2.0), (3.0, 4.0)), step=1)
    with mooring.Tracker(path, params={"model": "resnet18"}, track_id="rows") as tracker:
        tracker.log({"accuracy": 0.5, "n": 2**60})
        tracker.log({"accuracy": 0.75})
        tracker.set_value("done", True)
    with mooring.open_store(path) as store:
        store.compact(events=True)
    with mooring.Run("digits", store=path, run_id="child", parent="parent", fork_step=9) as child:
        child.log({"loss": 9.0}, step=10)
        child.log({"loss": 0.1}, step=11, preview_completion=0.5)
    with mooring.Tracker(path, track_id="rows") as tracker:
        tracker.log({"accuracy": 1.0})
    with mooring.open_store(path) as store:
        assert isinstance(store, AppendsBatches)
        run = store.create_run(RunSpec(project="afar", run_id="afar"))
        updates = [LogPoints({"loss": 0.5}, 0, 1), Assign({"loss": 1}), Assign({"lr": 0.1})]
        store.hold_run(run.key, "writer", seconds=1)
        store.append_batch(run.key, "writer", 1, updates)
        store.set_events_once(run.key, "done", True, request="request")
        store.check()
    for leftover in folder.glob("*-journal"):
        leftover.unlink()


if __name__ == "__main__":
    make(HERE / f"format-{FORMAT}")
