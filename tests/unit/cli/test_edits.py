"""`set`, `delete`, `undelete`, `copy`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from mooring import Reader, Tracker
from mooring.cli.edits import parse_cell


def _cells(mooring: Any, db: str, column: str) -> list[object]:
    return [row[column] for row in json.loads(mooring("head", db, "--n=-1", "--json").stdout)]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("3", 3),
        ("-3", -3),
        ("+3", 3),
        ("0.80", 0.8),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("inf", float("inf")),
        ("true", True),
        ("False", False),
        (str(2**63), float(2**63)),
        ("1_000", "1_000"),
        ("0x1f", "0x1f"),
        (" 1", " 1"),
        ("1 ", "1 "),
        ("", ""),
        ("\u0663", "\u0663"),
    ],
)
def test_what_a_value_reads_as(text: str, cell: object) -> None:
    found = parse_cell(text)
    assert (found, type(found)) == (cell, type(cell))


def test_set_of_one_run_and_of_all(mooring: Any, db: str) -> None:
    done = mooring("set", db, "accuracy", "0.25", "--track-id", "first-run")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "4 rows" in done.stderr
    assert _cells(mooring, db, "accuracy") == [0.25] * 4 + [0.7]
    assert mooring("set", db, "lr", "-0.5").exit_code == 0
    assert _cells(mooring, db, "lr") == [-0.5] * 5
    assert mooring("set", db, "lr", "-0.5", "--text").exit_code == 0
    assert _cells(mooring, db, "lr") == ["-0.5"] * 5


def test_set_where(mooring: Any, db: str) -> None:
    assert (
        mooring("set", db, "mark", "x", "--where-key", "epoch", "--where-value", "1").exit_code == 0
    )
    assert _cells(mooring, db, "mark") == ["x", None, None, None, "x"]
    # 1 as a number and as a text, of which the column holds one each
    done = mooring("set", db, "mark", "y", "--where-key", "code", "--where-value", "1")
    assert "2 rows" in done.stderr
    assert _cells(mooring, db, "mark") == ["y", "y", None, None, "x"]
    arguments = ("--where-key", "accuracy", "--where-value", "NaN", "--track-id", "first-run")
    assert "1 row" in mooring("set", db, "mark", "z", *arguments).stderr
    assert _cells(mooring, db, "mark") == ["y", "z", None, None, "x"]


def test_set_where_takes_names_and_values_as_they_are(mooring: Any, db: str) -> None:
    done = mooring("set", db, "mark", "x", "--where-key", "1=1 OR x", "--where-value", "1")
    assert done.exit_code == 1
    arguments = ("--where-key", "note", "--where-value", "' OR '1'='1")
    assert "0 rows" in mooring("set", db, "note", "x", *arguments).stderr


def test_set_dry_run_changes_nothing(mooring: Any, db: str) -> None:
    before = mooring("head", db, "--json").stdout
    arguments = ("--where-key", "epoch", "--where-value", "1", "--dry-run")
    assert (
        "would set accuracy to 1 in 2 rows"
        in mooring("set", db, "accuracy", "1", *arguments).stderr
    )
    assert "in 5 rows" in mooring("set", db, "accuracy", "1", "--dry-run").stderr
    assert mooring("head", db, "--json").stdout == before


def test_set_of_the_trackers_own_column_is_refused(mooring: Any, db: str) -> None:
    done = mooring("set", db, "track_id", "x")
    assert done.exit_code == 1
    assert "set by the tracker" in done.stderr


def test_delete_goes_to_the_trash_and_back(mooring: Any, db: str) -> None:
    before = mooring("head", db, "--json").stdout
    assert "would delete" in mooring("delete", db, "first-run", "--dry-run").stderr
    assert mooring("head", db, "--json").stdout == before
    done = mooring("delete", db, "first-run")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "4 rows to the trash" in done.stderr
    assert len(json.loads(mooring("head", db, "--json").stdout)) == 1
    told = done.stderr.strip().rpartition("mooring ")[2].split()
    assert told == ["undelete", db, "first-run"]
    assert mooring(*told).exit_code == 0
    assert mooring("head", db, "--json").stdout == before
    assert "not in the trash" in mooring(*told).stderr


def test_hint_to_undelete_can_be_pasted(mooring: Any) -> None:
    with Tracker("my runs.db", track_id="first run", table="other", on_error="raise") as tracker:
        tracker.log({"accuracy": 0.5})
    done = mooring("delete", "my runs.db", "first run", "--table", "other")
    told = shlex.split(done.stderr.strip().rpartition("mooring ")[2])
    assert mooring(*told).exit_code == 0
    assert "0.5" in mooring("head", "my runs.db", "--table", "other").stdout


def test_delete_for_good_asks(mooring: Any, db: str) -> None:
    done = mooring("delete", db, "first-run", "--for-good")
    assert done.exit_code == 2
    assert "--yes" in done.stderr
    assert len(Reader(db)) == 5
    assert mooring("delete", db, "first-run", "--for-good", "--yes").exit_code == 0
    assert len(Reader(db)) == 1
    assert mooring("undelete", db, "first-run").exit_code == 1


def test_delete_of_an_unknown_run(mooring: Any, db: str) -> None:
    done = mooring("delete", db, "first-rum")
    assert done.exit_code == 1
    assert "closest: first-run" in done.stderr


def test_undelete_finds_the_run_of_any_project(mooring: Any, store: str) -> None:
    from mooring import open_store

    opened = open_store(store)
    found = opened.find_run("team/digits", run_id="alpha")
    assert found is not None
    opened.trash_runs([found.key])
    opened.close()
    assert "alpha" not in mooring("runs", store).stdout
    assert "restored run alpha of team/digits" in mooring("undelete", store, "DIG-1").stderr
    assert "alpha" in mooring("runs", store).stdout


def test_copy_adds_what_is_missing(mooring: Any, db: str, tmp_path: Path) -> None:
    assert "copied 5 rows" in mooring("copy", db, "target.db").stderr
    assert "copied 0 rows" in mooring("copy", db, "target.db").stderr
    rows = [mooring("head", name, "--json").stdout for name in (db, "target.db")]
    assert rows[0] == rows[1]
    assert mooring("copy", db, "other.db", "--table", "predictions").exit_code == 1
    assert (
        "copied 5 rows"
        in mooring("copy", db, "third.db", "--table", "events", "--no-assets").stderr
    )
