"""Mooring: the tracker, which writes rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.mooring_run import FILE, count_points
from benchmarks.peers.protocol import Log, Peer, Values, serve


class MooringTracker(Peer):
    """`Tracker(file).log(dict)`, the same call as xetrack's."""

    package = "mooring"
    _tracker: Any = None

    def open(self, folder: Path, run: str) -> Log:
        """Open the one file; a tracker knows no steps, so none is logged."""
        import mooring

        self._tracker = mooring.Tracker(str(folder / FILE), on_error="raise")
        tracker_log = self._tracker.log

        def log(values: Values, step: int) -> None:
            tracker_log(values)

        return log

    def close(self) -> None:
        """Close the tracker."""
        self._tracker.close()

    def count_points(self, folder: Path) -> Mapping[str, int]:
        """Sum up what the store says about every float series of every run."""
        return count_points(folder / FILE)


if __name__ == "__main__":
    serve(MooringTracker())
