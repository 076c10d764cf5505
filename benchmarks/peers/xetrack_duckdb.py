"""xetrack with its other engine: DuckDB, which reads and writes the same SQLite file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.peers.protocol import Task, serve
from benchmarks.peers.xetrack import Xetrack


class XetrackDuckDB(Xetrack):
    """`Tracker(file, engine="duckdb")`."""

    sql_table = 'db."default"'
    engine = "duckdb"

    def other_tasks(self) -> Mapping[str, Task]:
        """Return what trackers do, but that rows in bulk are written by the other engine.

        The file is the same, and this engine would write a million rows for eight minutes.
        """
        return {**super().other_tasks(), "write_rows": Xetrack().other_tasks()["write_rows"]}


def place_extension() -> None:
    """Put the extension where DuckDB looks for it in this home, as its package does not.

    The engine says `INSTALL sqlite`, which else asks the network.
    """
    import duckdb
    import duckdb_extension_sqlite_scanner as package

    (extension,) = Path(package.__file__).parent.glob("extensions/*/*.duckdb_extension")
    row = duckdb.execute("PRAGMA platform").fetchone()
    assert row is not None
    place = Path.home() / ".duckdb" / "extensions" / extension.parent.name / row[0] / extension.name
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        place.symlink_to(extension)


if __name__ == "__main__":
    place_extension()
    serve(XetrackDuckDB())
