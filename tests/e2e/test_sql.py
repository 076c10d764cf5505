"""SQL on tracker's tables, from our own connection and from programs that know nothing of us."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_sqlite_scanner
import pytest

from mooring import File, Reader, Run, Tracker, open_store
from mooring.store.sqlite.views import MAX_COLUMNS
from tests.serving import HubThread

ROWS: list[dict[str, Any]] = [
    {"loss": 0.1 + 0.2, "epoch": 1, "big": 2**60, "ok": True, "Loss": 5, "mix": 1, 'a "b"': "x"},
    {"loss": math.nan, "epoch": 2, "ok": False, "mix": "é ☃ ' ]", "order": "nul"},
    {"loss": -math.inf, "epoch": 3, "mix": 0.1 + 0.2, "none": None, "order": "[1,null]"},
    {"loss": 1, "mix": True, "raw": b"\x00\xff"},
    {"loss": 1e300, "epoch": -(2**63), "mix": None},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def tracker(path: Path) -> Iterator[Tracker]:
    with Tracker(path, track_id="one", params={"model": "resnet"}, on_error="raise") as opened:
        yield opened


def attached(path: Path) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB of the user's own, with the file attached; no network is needed."""
    folder = Path(duckdb_extension_sqlite_scanner.__file__).parent
    (extension,) = folder.glob("extensions/*/*.duckdb_extension")
    connection = duckdb.connect()
    connection.execute(f"LOAD '{extension}'")
    connection.execute(f"ATTACH '{path}' AS db (TYPE sqlite)")
    return connection


def as_dicts(found: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def check_types(described: list[tuple[Any, ...]]) -> None:
    assert {row[0]: row[1] for row in described} == {
        "track_id": "VARCHAR",
        "timestamp": "VARCHAR",
        "loss": "DOUBLE",
        "epoch": "BIGINT",
        "big": "BIGINT",
        "ok": "BOOLEAN",
        "Loss_2": "BIGINT",
        "mix": "VARCHAR",
        'a "b"': "VARCHAR",
        "model": "VARCHAR",
        "order": "VARCHAR",
        "none": "VARCHAR",
        "raw": described[-1][1],
    }


def check_rows(rows: list[dict[str, Any]]) -> None:
    assert [row["epoch"] for row in rows] == [1, 2, 3, None, -(2**63)]
    assert rows[0]["loss"] == 0.1 + 0.2
    assert math.isnan(rows[1]["loss"])
    assert [row["loss"] for row in rows[2:]] == [-math.inf, 1.0, 1e300]
    assert [row["ok"] for row in rows] == [True, False, None, None, None]
    assert rows[0]["big"] == 2**60
    assert [row["mix"] for row in rows[:3]] == ["1", "é ☃ ' ]", "0.30000000000000004"]
    assert rows[4]["mix"] is None
    assert [row["order"] for row in rows] == [None, "nul", "[1,null]", None, None]
    assert rows[0]['a "b"'] == "x"
    assert {row["model"] for row in rows} == {"resnet"}
    assert {row["track_id"] for row in rows} == {"one"}


def test_conn_gives_the_same_rows_before_and_after_sealing(tracker: Tracker, path: Path) -> None:
    for row in ROWS:
        tracker.log(row)
    times = tracker.to_df()["timestamp"].tolist()

    def check() -> None:
        rows = as_dicts(tracker.conn.execute("SELECT * FROM db.events"))
        check_rows(rows)
        assert [row["timestamp"] for row in rows] == times
        assert rows[3]["raw"] == b"\x00\xff"
        check_types(tracker.conn.execute("DESCRIBE db.events").fetchall())
        count = "SELECT count(*) FROM db.default WHERE loss > 0.2"
        assert tracker.conn.execute(count).fetchall() == [(4,)]  # in DuckDB NaN is the largest
        assert tracker.conn.execute("SELECT max(epoch) FROM events").fetchall() == [(3,)]

    check()
    tracker.store.compact(events=True)
    check()
    tracker.set_value("epoch", 9)
    assert tracker.conn.execute("SELECT sum(epoch) FROM db.events").fetchall() == [(45,)]


def test_conn_is_current(tracker: Tracker, path: Path) -> None:
    question = "SELECT count(*), max(x) FROM db.events"
    tracker.log({"x": 1})
    assert tracker.conn.execute(question).fetchall() == [(1, 1)]
    with Tracker(path) as other:
        other.log({"x": 2, "new": "column"})
        assert tracker.conn.execute(question).fetchall() == [(2, 2)]
        assert tracker.conn.execute("SELECT new FROM db.events WHERE x = ?", [2]).fetchall() == [
            ("column",)
        ]
        with Tracker(path, table='odd "name"') as odd:
            odd.log({"y": 1})
        assert tracker.conn.execute('SELECT y FROM db."odd ""name"""').fetchall() == [(1,)]
    with Reader(path) as reader:
        assert reader.conn.execute(question).fetchall() == [(2, 2)]


def test_conn_lists_assets(tracker: Tracker) -> None:
    question = "SELECT hash, key, runs FROM db.assets"
    assert tracker.conn.execute(question).fetchall() == []
    found = tracker.log({"model": complex(1, 2)})["model"]
    assert tracker.conn.execute(question).fetchall() == [(found, "model", ["one"])]
    joined = "SELECT e.track_id FROM db.events e JOIN db.assets a ON e.model = a.hash"
    assert tracker.conn.execute(joined).fetchall() == [("one",)]
    with Tracker(tracker.store, table="assets") as own:
        own.log({"x": 1})
        assert tracker.conn.execute("SELECT x FROM db.assets").fetchall() == [(1,)]


def test_conn_has_what_runs_logged(path: Path) -> None:
    with Run("team/nets", store=path, run_id="root", tags=["b", "a"], on_error="raise") as run:
        run["params"] = {"lr": 0.1, "big": 2**60 + 1, "amp": True, "note": 'ü "x"'}
        run["model"] = File(b"w", name="model.pt")
        for step in range(3):
            run.log({"loss": 1.5 - step, "line": f"at {step}"}, step=step / 2, timestamp=1e9 + step)
        run.log({"loss": 99.0}, step=9, preview_completion=0.5)
        run.log({"odd": math.nan}, step=1)
    with Run("team/nets", store=path, run_id="fork", parent="root", fork_step=0.5) as run:
        run.log({"loss": 7.0}, step=1)
    with Run("team/nets", store=path, run_id="gone") as run:
        run.log({"loss": -5.0}, step=1)
        run.store.trash_runs([run.info.key])

    def check(reader: Reader) -> None:
        def ask(question: str) -> list[tuple[Any, ...]]:
            return reader.conn.execute(question).fetchall()

        loss = "SELECT run, step, value FROM db.points WHERE path = 'loss' ORDER BY run, step"
        inherited = [(0.0, 1.5), (0.5, 0.5)]
        assert ask(loss) == [
            *(("fork", *point) for point in [*inherited, (1.0, 7.0)]),
            *(("root", *point) for point in [*inherited, (1.0, -0.5)]),
        ]
        first = datetime.fromtimestamp(1e9, UTC).replace(tzinfo=None)
        assert ask("SELECT DISTINCT project, min(time) FROM db.points GROUP BY project") == [
            ("team/nets", first)
        ]
        assert ask("SELECT value FROM points WHERE path = 'odd' AND isnan(value)") != []
        lines = "SELECT value FROM db.texts WHERE run = 'fork' ORDER BY step"
        assert ask(lines) == [("at 0",), ("at 1",)]
        values = dict(ask("SELECT path, value FROM db.attributes WHERE run = 'root'"))
        assert (values["params/big"], values["params/amp"]) == (str(2**60 + 1), "true")
        assert (values["params/note"], values["line"]) == ('ü "x"', "at 2")
        assert json.loads(values["sys/tags"]) == ["a", "b"]
        assert json.loads(values["model"])["name"] == "model.pt"
        low = "SELECT run FROM db.attributes WHERE path = 'params/lr' AND number < 0.5"
        assert ask(low) == [("root",)]

    with Reader(path) as reader:
        check(reader)
    with open_store(path) as store:
        store.compact()
        check(Reader(store))
        with Tracker(store, table="points") as own:
            own.log({"x": 1})
            assert own.conn.execute("SELECT x FROM db.points").fetchall() == [(1,)]


def test_conn_of_a_hub_has_what_the_user_may_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = HubThread(tmp_path / "hub.db")
    try:
        for project in ("team/open", "team/secret"):
            with Run(project, store=hub.hub.store, run_id="r", params={"lr": 1}) as run:
                run.log({"loss": 0.5, "line": "x"}, step=1)
        token = hub.token("kim")
        hub.hub.accounts.grant("team/open", "kim", "viewer")
        monkeypatch.setenv("MOORING_API_TOKEN", token)
        with Reader(hub.address) as reader:
            for table in ("points", "texts", "attributes"):
                asked = f"SELECT DISTINCT project FROM db.{table}"
                assert reader.conn.execute(asked).fetchall() == [("team/open",)]
    finally:
        hub.stop()


def test_conn_of_a_store_without_runs(path: Path) -> None:
    open_store(path).close()
    with Reader(path) as reader:
        for table in ("points", "texts", "attributes"):
            assert reader.conn.execute(f"SELECT * FROM db.{table}").fetchall() == []


def test_conn_cannot_change_the_rows(tracker: Tracker) -> None:
    tracker.log({"x": 1})
    with pytest.raises(duckdb.Error):
        tracker.conn.execute("DELETE FROM db.events")
    assert len(tracker) == 1


def test_any_duckdb_reads_the_file(tracker: Tracker, path: Path) -> None:
    for row in ROWS:
        tracker.log(row)
    times = tracker.to_df()["timestamp"].tolist()
    tracker.close()
    connection = attached(path)
    rows = as_dicts(connection.execute("SELECT * FROM db.events"))
    check_rows(rows)
    assert [row["timestamp"] for row in rows] == times
    check_types(connection.execute("DESCRIBE db.events").fetchall())
    assert connection.execute('SELECT count(*) FROM db."default"').fetchall() == [(5,)]
    assert connection.execute("SELECT loss FROM db.events WHERE epoch = 1").fetchall() == [
        (0.1 + 0.2,)
    ]


def test_any_sqlite_reads_the_file_while_it_is_written(tracker: Tracker, path: Path) -> None:
    plain = sqlite3.connect(path)
    plain.row_factory = sqlite3.Row
    for i, row in enumerate(ROWS):
        tracker.log(row)
        assert plain.execute("SELECT count(*) FROM events").fetchone()[0] == i + 1
        shown = set(plain.execute("SELECT * FROM events").fetchone().keys())
        assert {"Loss_2" if name == "Loss" else name for name in row} <= shown
    rows = plain.execute("SELECT * FROM events").fetchall()
    assert [row["loss"] for row in rows] == [0.1 + 0.2, None, -math.inf, 1.0, 1e300]
    assert [row["ok"] for row in rows] == [1, 0, None, None, None]
    assert [row["mix"] for row in rows] == ["1", "é ☃ ' ]", "0.30000000000000004", "1", None]
    assert [type(row["loss"]) for row in rows] == [float, type(None), float, float, float]
    assert rows[0]["timestamp"] == tracker.to_df()["timestamp"][0]
    assert plain.execute('SELECT track_id FROM "default" WHERE epoch = 2').fetchone()[0] == "one"
    plain.close()


def test_the_view_tells_what_it_leaves_out(tracker: Tracker, path: Path) -> None:
    tracker.log({f"metric {i}": i for i in range(MAX_COLUMNS + 500)})
    tracker.close()
    plain = sqlite3.connect(path)
    plain.row_factory = sqlite3.Row
    row = plain.execute("SELECT * FROM events").fetchone()
    assert row["metric 0"] == 0
    assert "501 more columns" in row["_left_out"]  # and the param `model`
    assert "mooring sql" in row["_left_out"]
    with Reader(path) as reader:
        found = reader.conn.execute(f'SELECT "metric {MAX_COLUMNS + 499}" FROM db.events')
        assert found.fetchall() == [(MAX_COLUMNS + 499,)]
    with open_store(path) as store:
        store.compact(events=True)
    assert plain.execute("SELECT * FROM events").fetchall() == []
    (text,) = plain.execute("SELECT sql FROM sqlite_master WHERE name = 'events'").fetchone()
    assert "1 sealed rows lie in Parquet files" in text
    plain.close()
    (file,) = (path.parent / "runs.db-data" / "segments").glob("events-*.parquet")
    found = duckdb.sql(f"SELECT track_id, \"metric 3\" FROM '{file}'").fetchall()
    assert found == [("one", 3)]


def test_views_of_odd_tables(path: Path) -> None:
    for table in ("log", "Runs", "sqlite_x", "events", "EVENTS", "a'b", "x; DROP TABLE log"):
        with Tracker(path, table=table) as tracker:
            tracker.log({"t": table})
    plain = sqlite3.connect(path)
    found = {
        name: plain.execute(f'SELECT t FROM "{name}"').fetchall()
        for name in ("log_table", "Runs_table", "table_sqlite_x", "events", "a'b")
    }
    assert found == {
        "log_table": [("log",)],
        "Runs_table": [("Runs",)],
        "table_sqlite_x": [("sqlite_x",)],
        "events": [("events",)],
        "a'b": [("a'b",)],
    }
    views = {name for (name,) in plain.execute("SELECT name FROM sqlite_master WHERE type='view'")}
    assert "x; DROP TABLE log" in views
    assert len([name for name in views if name.lower().startswith("events")]) == 2
    plain.close()
    with Tracker(path, reset=True) as tracker:
        plain = sqlite3.connect(path)
        tracker.log({"only": 1})
        assert [c[1] for c in plain.execute("PRAGMA table_info(events)")] == [
            "track_id",
            "timestamp",
            "only",
        ]
        plain.close()
