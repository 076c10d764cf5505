"""`sql`, `stats`, `plot`."""

from __future__ import annotations

import json
import sqlite3
import statistics
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mooring import Tracker


def test_sql_asks_both_names_of_the_table(mooring: Any, db: str) -> None:
    for table in ("db.events", "db.default", "events"):
        done = mooring("sql", db, f"SELECT count(*) AS n FROM {table} WHERE epoch > 1", "--json")
        assert json.loads(done.stdout) == [{"n": 3}], table


def test_sql_sees_sealed_rows(mooring: Any, db: str) -> None:
    query = "SELECT * FROM db.events ORDER BY timestamp"
    before = mooring("sql", db, query, "--json").stdout
    assert mooring("compact", db, "--events").exit_code == 0
    assert mooring("sql", db, query, "--json").stdout == before
    assert len(json.loads(before)) == 5


def test_sql_values(mooring: Any, db: str) -> None:
    query = (
        "SELECT 170141183460469231731687303715884105727::HUGEINT AS huge, NULL AS none, "
        "'nan'::DOUBLE AS nan, [1, 2] AS list, {'a': DATE '2026-01-02'} AS struct, "
        "1.50::DECIMAL(5, 2) AS price, chr(27) || '[2J' AS escape"
    )
    done = mooring("sql", db, query, "--json")
    assert json.loads(done.stdout) == [
        {
            "huge": 2**127 - 1,
            "none": None,
            "nan": "NaN",
            "list": [1, 2],
            "struct": {"a": "2026-01-02"},
            "price": "1.50",
            "escape": "\x1b[2J",
        }
    ]
    assert "\x1b" not in done.stdout


def test_sql_errors_are_told_and_change_nothing(mooring: Any, db: str) -> None:
    for query in ("SELEC 1", "SELECT nope FROM db.events", "DELETE FROM db.events"):
        done = mooring("sql", db, query)
        assert (done.exit_code, done.stdout) == (1, ""), query
        assert done.stderr.startswith("mooring: DuckDB: ")
    assert len(json.loads(mooring("head", db, "--json").stdout)) == 5


def test_describe_numbers_and_texts(mooring: Any, db: str) -> None:
    done = mooring("stats", "describe", db, "--columns", "accuracy,code", "--json")
    rows = {row["statistic"]: row for row in json.loads(done.stdout)}
    numbers = [0.5, 0.9, 0.7]
    expected = {
        "count": 5,
        "missing": 0,
        "not_finite": 2,
        "mean": statistics.mean(numbers),
        "std": statistics.stdev(numbers),
        "min": 0.5,
        "50%": 0.7,
        "max": 0.9,
    }
    assert {name: rows[name]["accuracy"] for name in expected} == pytest.approx(expected)
    assert (rows["missing"]["code"], rows["unique"]["code"]) == (1, 4)
    assert rows["mean"]["code"] is None


def test_describe_all_columns(mooring: Any, db: str) -> None:
    (first, *_) = json.loads(mooring("stats", "describe", db, "--json").stdout)
    assert list(first) == [
        "statistic", "accuracy", "epoch", "note", "code", "model", "raw", "good",
    ]  # fmt: skip
    assert mooring("stats", "describe", db, "--columns", "acuracy").exit_code == 1


def test_top_and_bottom_show_every_row_that_ties(mooring: Any, db: str) -> None:
    def epochs(*arguments: str) -> list[int]:
        done = mooring("stats", *arguments, "--json")
        return [row["epoch"] for row in json.loads(done.stdout)]

    assert epochs("top", db, "epoch") == [2**60 + 1]
    assert epochs("bottom", db, "epoch") == [1, 1]
    assert epochs("top", db, "accuracy") == [4]
    assert epochs("bottom", db, "accuracy") == [2**60 + 1]  # -Infinity
    assert mooring("stats", "top", db, "code").exit_code == 1
    assert mooring("stats", "top", db, "nope").exit_code == 1


def test_top_of_nothing_is_empty(mooring: Any, db: str) -> None:
    with Tracker(db, track_id="second-run", on_error="raise") as tracker:
        tracker.log({"hollow": None, "empty": float("nan")})
    for column in ("hollow", "empty"):
        done = mooring("stats", "top", db, column, "--json")
        assert json.loads(done.stdout) == [], column


@pytest.fixture
def curves() -> str:
    for track_id in ("one", "two"):
        with Tracker("curves.db", track_id=track_id, on_error="raise") as tracker:
            for i in range(10):
                tracker.log({"step": i * 2, "loss": 1 / (i + 1), "text": "x"})
    return "curves.db"


def test_plots_in_the_terminal(mooring: Any, curves: str) -> None:
    pytest.importorskip("plotille")
    line = mooring("plot", "line", curves, "loss", "--x", "step", "--title", "my title")
    assert (line.exit_code, line.stderr) == (0, "")
    assert line.stdout.startswith("my title\n")
    assert all(word in line.stdout for word in ("one", "two", "(loss)", "(step)"))
    one = mooring("plot", "line", curves, "loss", "--track-id", "one", "--width", "40")
    assert "two" not in one.stdout
    scatter = mooring("plot", "scatter", curves, "step", "loss")
    assert scatter.stdout.startswith("step vs loss\n")
    assert "\x1b" not in line.stdout + scatter.stdout


def test_histogram_of_whole_numbers_counts_all(mooring: Any, curves: str) -> None:
    pytest.importorskip("plotille")
    done = mooring("plot", "hist", curves, "step", "--bins", "3")
    assert done.exit_code == 0
    counts = [int(row.split()[-1]) for row in done.stdout.splitlines() if row.startswith("[")]
    assert (len(counts), sum(counts)) == (3, 20)


@pytest.mark.parametrize(
    "arguments",
    [("line", "loss", "step"), ("scatter", "step", "loss"), ("hist", "step")],
    ids=lambda arguments: arguments[0],
)
def test_plots_in_files(
    arguments: tuple[str, ...], mooring: Any, curves: str, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    kind, *columns = arguments
    for name, start in (("p.png", b"\x89PNG"), ("p.svg", b"<?xml")):
        done = mooring("plot", kind, curves, *columns, "--output", name)
        assert (done.exit_code, done.stdout) == (0, "")
        assert (tmp_path / name).read_bytes().startswith(start)
        again = mooring("plot", kind, curves, *columns, "--output", name)
        assert again.exit_code == 1
        assert "--overwrite" in again.stderr
    assert (
        mooring("plot", kind, curves, *columns, "--output", "p.svg", "--overwrite").exit_code == 0
    )
    assert mooring("plot", kind, curves, *columns, "--output", "p.pdf").exit_code == 2
    assert sorted(path.name for path in tmp_path.glob("*p.*")) == ["p.png", "p.svg"]


def test_what_cannot_be_drawn(mooring: Any, curves: str, db: str) -> None:
    assert mooring("plot", "hist", curves, "text").exit_code == 1
    assert mooring("plot", "line", curves, "los").exit_code == 1
    done = mooring("plot", "hist", db, "accuracy")
    assert "not drawn, because missing, NaN or infinite: 2" in done.stderr


def test_missing_extra_names_the_install_line(
    mooring: Any, curves: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("plotille", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, package, None)
    for more in ((), ("--output", "p.png")):
        done = mooring("plot", "hist", curves, "loss", *more)
        assert done.exit_code == 1
        assert "pip install 'mooring[plot]'" in done.stderr


def test_a_file_of_xetrack_is_read_in_place(mooring: Any, tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as old:
        old.execute('CREATE TABLE "default" (track_id TEXT, timestamp TEXT, loss REAL, n INTEGER)')
        rows = [("a-b-1", f"2026-01-01 00:00:0{i}.5", i / 2, i) for i in range(4)]
        old.executemany('INSERT INTO "default" VALUES (?, ?, ?, ?)', rows)
        old.commit()
    before = path.read_bytes()

    def ask(*words: str) -> list[dict[str, object]]:
        found = mooring(*words, "--format", "json")
        assert found.exit_code == 0, found.stderr
        return json.loads(found.stdout)  # type: ignore[no-any-return]

    assert [row["n"] for row in ask("head", str(path), "--n", "2")] == [0, 1]
    assert [row["n"] for row in ask("tail", str(path), "--n", "2")] == [2, 3]
    assert ask("columns", str(path))[2:] == [
        {"column": "loss", "type": "REAL"},
        {"column": "n", "type": "INTEGER"},
    ]
    assert [row["loss"] for row in ask("ls", str(path), "loss")] == [0.0, 0.5, 1.0, 1.5]
    assert ask("stats", "top", str(path), "loss")[0]["n"] == 3
    assert ask("sql", str(path), "SELECT sum(n) AS total FROM db.events") == [{"total": 6}]
    refused = mooring("set", str(path), "loss", "1")
    assert refused.exit_code == 1
    assert "mooring import xetrack" in refused.stderr
    assert path.read_bytes() == before
