"""xetrack: one wide SQLite table, a commit for each call."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from benchmarks.peers.protocol import Log, Peer, Values, serve


class Xetrack(Peer):
    """`Tracker(file).log(dict)` with its default engine."""

    package = "xetrack"

    def open(self, folder: Path, run: str) -> Log:
        """Open the one file; a tracker knows no steps, so none is logged."""
        from xetrack import Tracker

        tracker = Tracker(str(folder / "track.db"), track_id=run, warnings=False)

        def log(values: Values, step: int) -> None:
            tracker.log(values)  # type: ignore[arg-type]

        return log

    def close(self) -> None:
        """Do nothing: a tracker has no close."""

    def count_points(self, folder: Path) -> Mapping[str, int]:
        """Count the cells of each column that are not null."""
        with closing(sqlite3.connect(folder / "track.db")) as connection:
            columns = [row[1] for row in connection.execute('PRAGMA table_info("default")')]
            counts = ", ".join(f'count("{column}")' for column in columns)
            found = connection.execute(f'SELECT {counts} FROM "default"').fetchone()
        return dict(zip(columns, found, strict=True))


if __name__ == "__main__":
    serve(Xetrack())
