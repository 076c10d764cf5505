"""An import or export that is killed leaves nothing that repeating it does not complete."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import mooring
from mooring.exchange.sources.xetrack import import_xetrack
from mooring.exchange.targets.xetrack import export_xetrack
from mooring.store import open_store
from mooring.tracker.xetrack.assets import KEYS
from mooring.tracker.xetrack.pickles import dump_key, dump_text

ROWS = 45_000
KILL = "lambda done, total: os.kill(os.getpid(), signal.SIGKILL)"
IMPORT = f"""
import os, signal, sys
from mooring.exchange.sources.xetrack import import_xetrack
from mooring.store import open_store
import_xetrack(sys.argv[1], open_store(sys.argv[2]), progress={KILL})
"""
EXPORT = f"""
import os, signal, sys
from mooring.exchange.targets.xetrack import export_xetrack
from mooring.store import open_store
export_xetrack(open_store(sys.argv[1]), sys.argv[2], overwrite=True, progress={KILL})
"""


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE events (timestamp, track_id, n INTEGER, model TEXT)")
        connection.executemany(
            "INSERT INTO events VALUES (strftime('%Y-%m-%d %H:%M:%f', 1700000000 + ?1, "
            "'unixepoch'), 'run-' || (?1 % 3 > 1), ?1, CASE WHEN ?1 = 7 THEN ?2 END)",
            ((n, "ef46db3751d8e999") for n in range(ROWS)),
        )
        for table in ("assets", KEYS):
            connection.execute(f"CREATE TABLE {table} (key TEXT PRIMARY KEY, value BLOB)")
        connection.execute("INSERT INTO assets VALUES (?, x'')", (dump_key("ef46db3751d8e999"),))
        key = (dump_key("model"), dump_text("ef46db3751d8e999"))
        connection.execute("INSERT INTO keys VALUES (?, ?)", key)
        connection.commit()
    return path


def killed(code: str, *arguments: Path) -> None:
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], timeout=240)
    assert done.returncode == -signal.SIGKILL


def test_import(old_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    killed(IMPORT, old_file, path)
    with closing(open_store(path)) as store:
        there = store.count_events("local/events")
        assert 0 < there < ROWS
        report = import_xetrack(old_file, store)
        assert (report.rows_added, report.tables[0].rows_present) == (ROWS - there, there)
        numbers = mooring.Reader(store).to_df()["n"]
        assert sorted(numbers) == list(range(ROWS))
        assert mooring.Reader(store).get_bytes("ef46db3751d8e999") == b""
        assert import_xetrack(old_file, store).rows_added == 0


def test_export(old_file: Path, tmp_path: Path) -> None:
    path, target = tmp_path / "runs.db", tmp_path / "new.db"
    with closing(open_store(path)) as store:
        import_xetrack(old_file, store)
        killed(EXPORT, path, target)
        assert not target.exists()
        assert export_xetrack(store, target).rows == ROWS
        before = target.read_bytes()
        killed(EXPORT, path, target)
        assert target.read_bytes() == before
