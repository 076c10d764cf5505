"""Numbers of paths are used only after they are committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.errors import StoreError
from mooring.model import RunSpec
from mooring.store.sqlite.database import DatabaseSettings
from mooring.store.sqlite.store import SqliteStore


@pytest.mark.parametrize("count", [10, 10_500])
def test_a_failed_commit_of_names_leaves_none_behind(tmp_path: Path, count: int) -> None:
    path = tmp_path / "runs.db"
    with SqliteStore(path, settings=DatabaseSettings(timeout_s=5)) as store:
        run = store.create_run(RunSpec(project="p"))
        writer = store.open_writer(run.key)
        names = [f"mine/{i}" for i in range(count)]
        # A deferred constraint makes the commit itself fail, as a full disk can.
        database = store._database
        database.writer.execute("PRAGMA foreign_keys = ON")
        with database.write() as connection:
            connection.execute("CREATE TABLE one (id INTEGER PRIMARY KEY)")
            connection.execute(
                "CREATE TABLE two (id INTEGER REFERENCES one DEFERRABLE INITIALLY DEFERRED)"
            )
            connection.execute(
                "CREATE TRIGGER late AFTER INSERT ON paths WHEN new.path = 'mine/9' "
                "BEGIN INSERT INTO two VALUES (1); END"
            )
        with pytest.raises(StoreError):
            writer.log(dict.fromkeys(names, 1.0), step=0)
        with database.write() as connection:
            connection.execute("DROP TRIGGER late")
        with SqliteStore(path) as other:
            theirs = other.open_writer(run.key)
            theirs.log({f"theirs/{i}": 2.0 for i in range(count)}, step=0)
            theirs.close()
        writer.log(dict.fromkeys(names, 1.0), step=0)
        assert store.get_stats(run.key, "mine/5").last == 1.0
        assert store.get_stats(run.key, "theirs/5").last == 2.0
