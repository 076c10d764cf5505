"""xetrack: one wide SQLite table, a commit for each call."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.peers.protocol import serve
from benchmarks.peers.tables import TablePeer


class Xetrack(TablePeer):
    """`Tracker(file).log(dict)` with its default engine; a tracker has no close."""

    package = "xetrack"
    file = "track.db"
    sql_table = '"default"'
    engine = "sqlite"

    def open_tracker(self, db: str, run: str) -> Any:
        """Open a tracker that does not print what it warns of."""
        from xetrack import Tracker

        return Tracker(db, track_id=run, warnings=False, engine=self.engine)

    def open_reader(self, db: str) -> Any:
        """Open a reader."""
        from xetrack import Reader

        return Reader(db, engine=self.engine)

    def count_points(self, folder: Path) -> Mapping[str, int]:
        """Count the cells of each column that are not null."""
        with closing(sqlite3.connect(folder / self.file)) as connection:
            columns = [row[1] for row in connection.execute('PRAGMA table_info("default")')]
            counts = ", ".join(f'count("{column}")' for column in columns)
            found = connection.execute(f'SELECT {counts} FROM "default"').fetchone()
        return dict(zip(columns, found, strict=True))


if __name__ == "__main__":
    serve(Xetrack())
