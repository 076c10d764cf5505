"""trackio: a queue in memory that a thread empties into SQLite."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from benchmarks.peers.protocol import Log, Peer, Values, serve


class Trackio(Peer):
    """`trackio.init` and `run.log` into its local folder."""

    package = "trackio"

    def open(self, folder: Path, run: str) -> Log:
        """Start a run of the project `bench`."""
        os.environ["TRACKIO_DIR"] = str(folder)  # read when the package is imported
        import trackio

        started = trackio.init(project="bench", name=run, embed=False)

        def log(values: Values, step: int) -> None:
            started.log(values, step=step)

        return log

    def close(self) -> None:
        """Finish the run: the queue is written."""
        import trackio

        trackio.finish()

    def count_points(self, folder: Path) -> Mapping[str, int]:
        """Count the names in the JSON of every row."""
        file = folder / "bench.db"
        found: Counter[str] = Counter()
        if file.exists():
            with closing(sqlite3.connect(file)) as connection:
                for (text,) in connection.execute("SELECT metrics FROM metrics"):
                    found.update(json.loads(text).keys())
        return found


if __name__ == "__main__":
    serve(Trackio())
