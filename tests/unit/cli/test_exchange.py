"""`import xetrack` and `export xetrack`."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

COLUMNS = "timestamp, track_id, accuracy REAL, model TEXT"


@pytest.fixture
def old() -> str:
    """A file as xetrack writes it."""
    with closing(sqlite3.connect("old.db")) as connection:
        connection.execute(f"CREATE TABLE events ({COLUMNS}, PRIMARY KEY (timestamp, track_id))")
        connection.executemany(
            "INSERT INTO events VALUES (?, ?, ?, ?)",
            [
                ("2023-12-27 11:36:45.859668", "crouching-groundhog-5046", 0.9, "xgboost"),
                ("2023-12-27 11:37:30.627189", "ebony-loon-6720", 0.8, "lightgbm"),
            ],
        )
        connection.commit()
    return "old.db"


def test_import_moves_rows_in_once(mooring: Any, old: str) -> None:
    done = mooring("import", "xetrack", old, "--store", "new.db", "--json")
    assert done.exit_code == 0, done.stderr
    (table,) = json.loads(done.stdout)
    assert (table["project"], table["rows_added"]) == ("local/events", 2)
    rows = json.loads(mooring("head", "new.db", "--json").stdout)
    assert [(row["track_id"], row["accuracy"]) for row in rows] == [
        ("crouching-groundhog-5046", 0.9),
        ("ebony-loon-6720", 0.8),
    ]
    again = mooring("import", "xetrack", old, "--store", "new.db", "--json")
    assert json.loads(again.stdout)[0]["rows_added"] == 0


def test_dry_run_makes_nothing(mooring: Any, old: str, tmp_path: Path) -> None:
    done = mooring("import", "xetrack", old, "--store", "new.db", "--dry-run")
    assert (done.exit_code, "would import 2 rows" in done.stderr) == (0, True)
    assert [path.name for path in tmp_path.iterdir()] == [old]


def test_what_is_no_file_of_xetrack_makes_no_store(mooring: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("not a database" * 100)
    for name in ("none.db", "notes.db"):
        done = mooring("import", "xetrack", name, "--store", "new.db")
        assert (done.exit_code, done.stdout) == (1, "")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.db"]


def test_export_writes_what_import_reads(
    mooring: Any, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORING_STORE", "new.db")
    assert mooring("import", "xetrack", old).exit_code == 0
    done = mooring("export", "xetrack", "out.db", "--json")
    assert done.exit_code == 0, done.stderr
    assert [one["rows"] for one in json.loads(done.stdout)] == [2]
    assert mooring("export", "xetrack", "out.db").exit_code == 1
    assert mooring("export", "xetrack", "out.db", "--overwrite").exit_code == 0
    with closing(sqlite3.connect("out.db")) as connection:
        found = connection.execute("SELECT track_id, accuracy FROM events ORDER BY 1").fetchall()
    assert found == [("crouching-groundhog-5046", 0.9), ("ebony-loon-6720", 0.8)]


def test_export_of_a_missing_store(mooring: Any, tmp_path: Path) -> None:
    done = mooring("export", "xetrack", "out.db")
    assert done.exit_code == 1
    assert "runs.db" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_held_is_told_by_the_exit_code(mooring: Any, old: str) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("INSERT INTO events VALUES ('no time at all', 'a-b-1', 1, 'x')")
        connection.commit()
    done = mooring("import", "xetrack", old, "--store", "new.db")
    assert done.exit_code == 3
    assert "not held: " in done.stderr
    assert "imported 2 rows" in done.stderr
