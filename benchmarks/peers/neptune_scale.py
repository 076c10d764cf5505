"""neptune-scale offline: an operation for each call, in a SQLite file of the run."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.peers.protocol import Log, Peer, Values, serve


class NeptuneScale(Peer):
    """`Run(mode="offline").log_metrics(dict, step=)`."""

    package = "neptune-scale"
    _run: Any = None

    def open(self, folder: Path, run: str) -> Log:
        """Start an offline run; terminal and source code are not captured."""
        from neptune_scale import Run

        self._run = Run(
            run_id=run,
            project="local/bench",
            mode="offline",
            log_directory=str(folder),
            enable_console_log_capture=False,
            source_tracking_config=None,
        )
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


if __name__ == "__main__":
    serve(NeptuneScale())
