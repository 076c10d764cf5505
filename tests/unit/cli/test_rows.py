"""`head`, `tail`, `columns`, `ls`."""

from __future__ import annotations

import json
from typing import Any

from mooring import Tracker


def test_head_is_a_table_of_pipes(mooring: Any, db: str) -> None:
    done = mooring("head", db, "--n=2")
    assert (done.exit_code, done.stderr) == (0, "")
    header, rule, *rows = done.stdout.splitlines()
    names = [name.strip() for name in header.strip("|").split("|")]
    assert names[:4] == ["track_id", "timestamp", "accuracy", "epoch"]
    assert set(rule) == set("|:-")
    assert len(rows) == 2
    assert len({len(line) for line in (header, rule, *rows)}) == 1


def test_head_and_tail_in_order(mooring: Any, db: str) -> None:
    def epochs(*arguments: str) -> list[int]:
        return [row["epoch"] for row in json.loads(mooring(*arguments, "--json").stdout)]

    assert epochs("head", db) == [1, 2, 2**60 + 1, 4, 1]
    assert epochs("head", db, "--n", "2") == [1, 2]
    assert epochs("tail", db, "--n", "2") == [4, 1]
    assert epochs("tail", db, "--n", "-1") == epochs("head", db, "--n", "-1")
    assert epochs("head", db, "--n", "0") == []


def test_values_come_through(mooring: Any, db: str) -> None:
    rows = json.loads(mooring("head", db, "--format", "json").stdout)
    assert [row["accuracy"] for row in rows] == [0.5, "NaN", "-Infinity", 0.9, 0.7]
    assert rows[1]["note"].startswith("a|b\x1b[2J")
    assert [row["note"] for row in rows[2:]] == ["", None, None]
    assert [row["code"] for row in rows] == [1, "1", "x", "NaN", None]
    assert (rows[4]["raw"], rows[4]["good"]) == ("x'00ff'", True)
    lines = mooring("head", db, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == rows


def test_columns_are_those_of_the_table(mooring: Any, db: str) -> None:
    header = mooring("head", db, "--format", "csv").stdout.splitlines()[0]
    for arguments in (("head", "--n", "1"), ("tail", "--n", "1")):
        command, *rest = arguments
        printed = mooring(command, db, *rest, "--format", "csv").stdout
        assert printed.splitlines()[0] == header


def test_other_table(mooring: Any, db: str) -> None:
    with Tracker(db, table="predictions", on_error="raise") as tracker:
        tracker.log({"label": 7})
    assert '"label": 7' in mooring("head", db, "--table", "predictions", "--json").stdout
    assert "label" not in mooring("head", db, "--table", "default").stdout
    done = mooring("head", db, "--table", "prediction")
    assert done.exit_code == 1
    assert "closest: predictions" in done.stderr


def test_columns_and_types(mooring: Any, db: str) -> None:
    found = {
        row["column"]: row["type"] for row in json.loads(mooring("columns", db, "--json").stdout)
    }
    assert list(found)[:3] == ["track_id", "timestamp", "accuracy"]
    assert (found["accuracy"], found["epoch"], found["good"]) == ("DOUBLE", "BIGINT", "BOOLEAN")
    assert mooring("ls", db).stdout == mooring("columns", db).stdout


def test_ls_shows_values(mooring: Any, db: str) -> None:
    def values(*arguments: str) -> list[object]:
        done = mooring("ls", db, *arguments, "--format", "jsonl")
        return [next(iter(json.loads(line).values())) for line in done.stdout.splitlines()]

    assert values("epoch") == [1, 2, 2**60 + 1, 4, 1]
    assert values("epoch", "--unique") == [1, 2, 2**60 + 1, 4]
    assert values("code", "--unique") == [1, "1", "x", "NaN", None]
    assert values("epoch", "--track-id", "second-run") == [1]
    assert values("track_id", "--unique") == ["first-run", "second-run"]


def test_unknown_names_are_errors(mooring: Any, db: str) -> None:
    done = mooring("ls", db, "acuracy")
    assert done.exit_code == 1
    assert "closest: accuracy" in done.stderr
    done = mooring("ls", db, "epoch", "--track-id", "first-rum")
    assert done.exit_code == 1
    assert "closest: first-run" in done.stderr
