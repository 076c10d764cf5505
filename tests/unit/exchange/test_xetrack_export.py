"""What goes out, under which names, and what a file does not hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import mooring
from mooring.errors import AlreadyExists, InvalidInput, StoreError, TableNotFound
from mooring.exchange import Renamed
from mooring.exchange.sources.xetrack import import_xetrack
from mooring.exchange.targets.xetrack import export_xetrack
from mooring.exchange.targets.xetrack.naming import MAX_NAME, TableNames, choose_columns
from mooring.model import FileRef, RunSpec
from mooring.store import open_store
from mooring.store.contract import Store
from mooring.tracker import Tracker


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(open_store(":memory:")) as store:
        yield store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new.db"


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def test_columns_hold_every_cell_that_they_declare(store: Store, path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {
            "i": 1,
            "f": 1.5,
            "if": 1,
            "b": True,
            "t": "a",
            "it": 1,
            "bi": True,
            "y": b"\0",
            "n": None,
        },
        {"i": 2, "f": float("nan"), "if": 0.5, "b": False, "t": "b", "it": "x", "bi": 2, "y": b"1"},
        {"big": 2**62 + 1, "tf": 0.1 + 0.2},
        {"big": float("-inf"), "tf": "text", "by": b"\xff"},
        {"by": "text"},
    ]
    with Tracker(store) as tracker:
        tracker.log_batch(rows)
    report = export_xetrack(store, path)
    assert report.is_complete
    types = dict(query(path, "SELECT name, type FROM pragma_table_info('default')"))
    cells = {
        name: [cell for (cell,) in query(path, f'SELECT "{name}" FROM "default"')] for name in types
    }
    held = {"INTEGER": {int}, "REAL": {float}, "TEXT": {str}, "BLOB": {bytes}}
    for name, type_ in types.items():
        assert set(map(type, cells[name])) - {type(None)} <= held[type_], name
    assert {name: type_ for name, type_ in types.items() if type_ != "REAL"} == {
        "track_id": "TEXT",
        "timestamp": "TEXT",
        "i": "INTEGER",
        "b": "INTEGER",
        "t": "TEXT",
        "it": "TEXT",
        "bi": "INTEGER",
        "y": "BLOB",
        "n": "TEXT",
        "tf": "TEXT",
        "by_": "TEXT",
    }
    assert cells["tf"][2:4] == ["0.30000000000000004", "text"]
    assert cells["big"][3] == float("-inf")
    assert query(path, "SELECT * FROM events") == query(path, 'SELECT * FROM "default"')
    assert query(path, "PRAGMA journal_mode") == [("delete",)]


def test_rows_of_one_time_are_moved_apart_and_back(store: Store, path: Path) -> None:
    run = store.create_run(RunSpec(project="local/events", run_id="a"))
    with closing(store.open_writer(run.key)) as writer:
        writer.log_events([({"n": n}, 1_700_000_000_000_000 + n // 3) for n in range(7)])
    report = export_xetrack(store, path)
    assert report.tables[0].times_moved == 6
    texts = [text for (text,) in query(path, 'SELECT timestamp FROM "default"')]
    assert [text[-3:] for text in texts] == [f"00{n}" for n in range(7)]
    assert import_xetrack(path, store).rows_added == 0
    with closing(open_store(":memory:")) as other:
        import_xetrack(path, other)
        times = store.read_events("local/events").times.tolist()
        assert other.read_events("local/events").times.tolist() == times


def test_names() -> None:
    taken = TableNames()
    tables = ["events", "default", "assets", "Keys", "a b", "a-b", "t", "mooring_x", "SELECT", "9"]
    assert [taken.choose(table) for table in tables] == [
        "default",
        "default_",
        "assets_2",
        "Keys_2",
        "a_b",
        "a_b_2",
        "rows_t",
        "rows_mooring_x",
        "SELECT_",
        "_9",
    ]
    long = ["x" * 70, "x" * 80, "é" * 3, "", "_" * 3]
    assert choose_columns("runs", long) == [
        "x" * MAX_NAME,
        "x" * (MAX_NAME - 2) + "_2",
        "___",
        "_",
        "____2",
    ]
    assert choose_columns("loss", ["loss", "train/loss"]) == ["l_oss", "train_l_oss"]


def test_more_columns_than_a_table_can_have(store: Store, path: Path) -> None:
    with Tracker(store) as tracker:
        tracker.log({f"metric{n}": n for n in range(2_003)})
    report = export_xetrack(store, path)
    assert report.tables[0].columns == 1_998
    assert len(report.problems) == 5
    assert "'metric2002'" in str(report.problems[-1])
    assert len(mooring.Reader(path).columns) == 2_000
    with closing(open_store(":memory:")) as other:
        assert import_xetrack(path, other).is_complete


def test_what_a_file_does_not_hold_is_told(store: Store, path: Path) -> None:
    with Tracker(store, track_id="a", params={"lr": 0.1}) as tracker:
        tracker.log({"x": 1})
        tracker.store.open_writer(tracker._session.run.key).assign(
            {"notes": "n", "model": FileRef("0" * 64, 1)}
        )
    with mooring.Run("team/digits", store=store) as run:
        run.log({"loss": 0.5}, step=1)
    report = export_xetrack(store, path)
    assert [problem.what for problem in report.problems] == [
        "attributes of the runs of 'local/events': 'model', 'notes'",
        "project 'team/digits' with 1 run(s)",
    ]
    assert [one.table for one in report.tables] == ["default"]


def test_chosen_tables(store: Store, path: Path) -> None:
    for table in ("events", "predictions"):
        with Tracker(store, table=table) as tracker:
            tracker.log({"x": 1})
    with closing(store.open_writer(store.create_run(RunSpec(project="team/t")).key)) as writer:
        writer.log_event({"x": 1})
    report = export_xetrack(store, path, tables=["predictions", "team/t"])
    assert [(one.project, one.table) for one in report.tables] == [
        ("local/predictions", "predictions"),
        ("team/t", "team_t"),
    ]
    assert report.renamed == (Renamed("team/t", None, "team/t", "team_t"),)
    with closing(open_store(":memory:")) as other:
        import_xetrack(path, other)
        assert other.list_projects() == ["local/predictions", "team/t"]
    with pytest.raises(TableNotFound, match=r"'evnts'.*events"):
        export_xetrack(store, path, tables=["evnts"], overwrite=True)
    with pytest.raises(InvalidInput, match="list of names"):
        export_xetrack(store, path, tables="events", overwrite=True)


def test_assets(store: Store, path: Path) -> None:
    with Tracker(store, compress=True) as tracker:
        hash_value = tracker.log({"model": complex(1, 2)})["model"]
        tracker.log({"model": hash_value, "best": hash_value})
        other = tracker.assets.insert("unnamed", complex(3, 4))
        damaged = tracker.assets.insert("damaged", complex(5, 6))
        tracker.assets._writer._session.writer.assign(
            {f"assets/{damaged}": FileRef(*store.put_blob(b"x"), "application/x-cloudpickle", "d")}
        )
        report = export_xetrack(store, path)
    assert report.assets == 2
    assert [problem.what for problem in report.problems] == [f"asset {damaged}"]
    reader = mooring.Reader(path)
    assert {asset.hash: asset.keys for asset in reader.file.list_assets()} == {
        hash_value: ("best", "model"),
        other: ("unnamed",),
    }
    assert [reader.get(key) for key in ("best", other)] == [complex(1, 2), complex(3, 4)]
    assert len(query(path, "SELECT * FROM counts")) == 2
    with closing(open_store(":memory:")) as again:
        import_xetrack(path, again)
        assert mooring.Reader(again).get(other) == complex(3, 4)


def test_nothing_is_overwritten_unasked(store: Store, path: Path, tmp_path: Path) -> None:
    with Tracker(store) as tracker:
        tracker.log({"x": 1})
    export_xetrack(store, path)
    before = path.read_bytes()
    with pytest.raises(AlreadyExists, match=r"new\.db exists already"):
        export_xetrack(store, path)
    assert path.read_bytes() == before
    path.with_name("new.db-journal").write_bytes(b"x")
    with pytest.raises(StoreError, match=r"new\.db-journal lies beside it"):
        export_xetrack(store, path, overwrite=True)
    path.with_name("new.db-journal").unlink()
    with Tracker(store, track_id="second") as tracker:
        tracker.log({"x": 2})
    export_xetrack(store, path, overwrite=True)
    assert mooring.Reader(path).to_df()["x"].tolist() == [1, 2]
    open_store(tmp_path / "own.db").close()
    (tmp_path / "text").write_text("mine")
    for name in ("own.db", "text"):
        with pytest.raises(InvalidInput, match="is not overwritten"):
            export_xetrack(store, tmp_path / name, overwrite=True)
    assert (tmp_path / "text").read_text() == "mine"
    assert sorted(one.name for one in tmp_path.iterdir() if one.name[0] == ".") == []


def test_a_failing_export_leaves_no_file(store: Store, tmp_path: Path) -> None:
    with Tracker(store) as tracker:
        tracker.log({"x": 1})

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_xetrack(store, tmp_path / "new.db", progress=stop)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        export_xetrack(store, tmp_path / "file" / "new.db")


def test_an_empty_store(store: Store, path: Path) -> None:
    assert export_xetrack(store, path).tables == ()
    with Tracker(store):
        pass
    assert export_xetrack(store, path.with_name("b.db"), tables=["events"]).rows == 0
    assert len(mooring.Reader(path.with_name("b.db"))) == 0
