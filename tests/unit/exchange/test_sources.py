"""Sources are known by their looks, and looking harms nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mooring.errors import InvalidInput, SourceUnreadable, StoreNotFound
from mooring.exchange.sources import detect_source, open_source
from mooring.store.sqlite.database import DatabaseSettings
from mooring.store.sqlite.store import SqliteStore

WRITE = """
import sys
from mooring.store.sqlite.database import DatabaseSettings
from mooring.store.sqlite.store import SqliteStore
settings = DatabaseSettings(journal="delete", timeout_s=0.2)
SqliteStore(sys.argv[1], settings=settings).ensure_project("x")
"""


def test_looking_at_a_store_keeps_the_locks_that_this_process_has_on_it(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with SqliteStore(path, settings=DatabaseSettings(journal="delete")) as store:
        store.ensure_project("p")
        with store._database.write():
            assert detect_source(str(path)) == "store"
            done = subprocess.run(
                [sys.executable, "-c", WRITE, str(path)], capture_output=True, text=True
            )
    assert "StoreLocked" in done.stderr


def test_what_is_nothing_known_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(SourceUnreadable, match="nothing that is known by its looks"):
        open_source(tmp_path / "notes.txt")
    with pytest.raises(SourceUnreadable, match="--from parquet"):
        open_source(tmp_path)
    with pytest.raises(StoreNotFound, match="nothing at"):
        open_source(tmp_path / "missing")
    with pytest.raises(InvalidInput, match="Did you mean parquet"):
        open_source(tmp_path, "parkuet")
    with pytest.raises(InvalidInput, match="--from mlflow"):
        open_source("http://localhost:5000")
