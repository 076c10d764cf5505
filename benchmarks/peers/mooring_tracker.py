"""Mooring: the tracker, which writes rows of a table."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.mooring_run import FILE, count_points
from benchmarks.peers.protocol import Task, serve
from benchmarks.peers.tables import TablePeer


class MooringTracker(TablePeer):
    """`Tracker(file).log(dict)`, the same call as xetrack's."""

    package = "mooring"
    file = FILE
    sql_table = "db.events"

    def open_tracker(self, db: str, run: str) -> Any:
        """Open a tracker whose failures are seen; the default would warn and go on."""
        import mooring

        return mooring.Tracker(db, track_id=run, on_error="raise")

    def open_reader(self, db: str) -> Any:
        """Open a reader."""
        import mooring

        return mooring.Reader(db)

    def end(self, opened: Any) -> None:
        """Close a tracker or a reader."""
        opened.close()

    def count_points(self, folder: Path) -> Mapping[str, int]:
        """Sum up what the store says about every float series of every run."""
        return count_points(folder / self.file)

    def other_tasks(self) -> Mapping[str, Task]:
        """Return what trackers do, and the sealing of the table."""
        return {**super().other_tasks(), "seal_rows": seal_rows}


def seal_rows(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Compact the store with its tables."""
    import mooring

    store = mooring.open_store(str(Path(task["folder"]) / FILE))
    start = time.perf_counter()
    report = store.compact(events=True)
    seconds = time.perf_counter() - start
    store.close()
    return {"seconds": seconds, "points_sealed": report.points_sealed}


if __name__ == "__main__":
    serve(MooringTracker())
