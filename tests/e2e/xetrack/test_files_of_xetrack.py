"""Files that the real xetrack wrote are read in place and moved in, cell by cell."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import mooring
from mooring.errors import NotAStore, StoreReadOnly
from mooring.exchange.sources.xetrack import import_xetrack
from mooring.store import open_store
from mooring.store.contract import Store
from mooring.tracker.frames import local_texts, track_ids

if TYPE_CHECKING:
    from tests.e2e.xetrack.conftest import Peer

WRITE = """
import json, sys
from xetrack import Tracker
path, writer = sys.argv[1:]
options = {} if writer == "seed" else {"engine": writer}
for run, model in (("old-run-1", "small"), ("new-run-2", "large")):
    tracker = Tracker(
        path, params={"model": model}, track_id=run, log_system_params=False,
        log_network_params=False, **options,
    )
    tracker.log({"whole": 2**53 + 1, "real": 0.1 + 0.2, "flag": True, "text": "é \\n 'x'"})
    tracker.log({"real": float("inf"), "flag": False, "listed": [1, 2], "blob": bytearray(b"\\0x")})
    tracker.log({"real": float("nan"), "whole": -1, "vocabulary": {"a", "b"}})
    tracker.log_batch([{"whole": n, "real": n / 3} for n in range(5)])
    tracker.set_value("score", 0.75)
print(json.dumps(tracker.latest["model"]))
"""


@pytest.fixture(scope="module", params=["seed", "sqlite", "duckdb"])
def old_file(
    request: pytest.FixtureRequest, peer: Peer, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("written") / "old.db"
    peer.run(WRITE, path, request.param, seed=request.param == "seed")
    return path


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(open_store(":memory:")) as store:
        yield store


def raw_rows(path: Path) -> list[dict[str, Any]]:
    """The rows as SQLite alone shows them."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE name IN ('events', 'default')"
        ).fetchall()
        (table,) = [name for (name,) in names]
        return [dict(row) for row in connection.execute(f'SELECT * FROM "{table}" ORDER BY rowid')]


def stored_rows(store: Store, project: str = "local/events") -> list[dict[str, Any]]:
    table = store.read_events(project)
    rows: list[dict[str, Any]] = [
        {"track_id": run, "timestamp": time}
        for run, time in zip(
            track_ids(store, table).to_pylist(), local_texts(table.times).to_pylist(), strict=True
        )
    ]
    for name, cells in table.columns.items():
        for row, cell in zip(rows, cells, strict=True):
            row[name] = cell
    return rows


def test_it_is_read_in_place(old_file: Path) -> None:
    rows = raw_rows(old_file)
    with mooring.Reader(str(old_file)) as reader:
        assert len(reader) == len(rows) == 16
        assert reader.columns == set(rows[0])
        frame = reader.to_df()
        assert frame["timestamp"].tolist() == [row["timestamp"] for row in rows]
        for name in rows[0]:
            shown = frame[name].astype(object).where(frame[name].notna(), None).tolist()
            assert shown == [row[name] for row in rows], name
        assert reader.to_df(track_id="old-run-1")["whole"].dropna().tolist()[0] == 2**53 + 1
        assert reader.to_df(head=2)["text"].tolist()[0] == "é \n 'x'"
        assert reader.to_df(tail=1)["real"].tolist() == [4 / 3]
        assert set(reader.latest()["track_id"]) == {"new-run-2"}
        assert reader.get("vocabulary") == {"a", "b"}
        found = reader.conn.execute("SELECT count(*) FROM db.events WHERE real > 1").fetchall()
        assert found == [(2 + 2,)]
        with pytest.raises(
            StoreReadOnly, match=r"mooring import xetrack .*old\.db --store runs.db"
        ):
            reader.set_value("whole", 1)
    assert len(mooring.Reader.read_db(str(old_file), tail=3)) == 3


def test_a_tracker_says_how_to_bring_it_in(old_file: Path) -> None:
    before = old_file.read_bytes()
    with pytest.raises(NotAStore, match=r"import xetrack .*old\.db --store runs.db"):
        mooring.Tracker(str(old_file))
    assert old_file.read_bytes() == before


def test_it_is_moved_in_cell_by_cell(old_file: Path, store: Store) -> None:
    report = import_xetrack(old_file, store)
    assert report.is_complete, report.problems
    assert report.rows_added == 16
    assert report.assets_added == 1
    rows = raw_rows(old_file)
    moved = stored_rows(store)
    assert len(moved) == len(rows)
    for row, there in zip(rows, moved, strict=True):
        assert there.keys() == row.keys()
        for name, cell in row.items():
            assert there[name] == cell, name
            assert cell is None or type(there[name]) is type(cell), name
    assert math.inf in [row["real"] for row in moved]
    reader = mooring.Reader(store)
    assert reader.get("vocabulary") == {"a", "b"}
    hashes = {row["vocabulary"] for row in rows} - {None}
    for run in ("old-run-1", "new-run-2"):
        found = store.find_run("local/events", run_id=run)
        assert found is not None
        assert {store.get_value(found.key, f"assets/{one}")[1].name for one in hashes} == {
            "vocabulary.cloudpickle"
        }


def test_repeating_it_adds_nothing(old_file: Path, store: Store) -> None:
    import_xetrack(old_file, store)
    again = import_xetrack(old_file, store)
    assert (again.rows_added, again.assets_added) == (0, 0)
    assert again.tables[0].rows_present == 16


def test_it_is_read_while_xetrack_writes(peer: Peer, tmp_path: Path, store: Store) -> None:
    path = tmp_path / "live.db"
    writer = peer.start(
        """
        import sys
        from xetrack import Tracker
        tracker = Tracker(sys.argv[1], track_id="live")
        for n, line in enumerate(sys.stdin):
            tracker.log({"n": n, "made": {n}})
            print("logged", flush=True)
        """,
        path,
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    try:
        for count in (1, 2, 3):
            writer.stdin.write("go\n")
            writer.stdin.flush()
            assert writer.stdout.readline() == "logged\n"
            reader = mooring.Reader(path)
            assert reader.to_df()["n"].tolist() == list(range(count))
            assert import_xetrack(path, store).rows_added == 1
        assert reader.get("made") == {2}
    finally:
        writer.stdin.close()
        assert writer.wait() == 0
        writer.stdout.close()


def test_a_file_in_wal_mode_is_read(peer: Peer, tmp_path: Path) -> None:
    path = tmp_path / "wal.db"
    peer.run(WRITE, path, "sqlite")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
        connection.execute('UPDATE "default" SET whole = 7')
        connection.commit()
        assert mooring.Reader(path).to_df()["whole"].tolist() == [7] * 16
    assert set(mooring.Reader(path).to_df()["whole"]) == {7}


def test_compressed_assets_are_told_apart(peer: Peer, tmp_path: Path, store: Store) -> None:
    path = tmp_path / "packed.db"
    hashes = peer.run(
        """
        import json, sys
        from xetrack import Tracker
        found = []
        for compress in (True, False):
            tracker = Tracker(sys.argv[1], compress=compress)
            made = frozenset(range(1000)) if compress else frozenset({"plain"})
            found.append(tracker.log({"made": made})["made"])
        print(json.dumps(found))
        """,
        path,
    )
    old = mooring.Reader(path)
    assert [old.get(one) for one in hashes] == [frozenset(range(1000)), frozenset({"plain"})]
    assert import_xetrack(path, store).assets_added == 2
    new = mooring.Reader(store)
    assert [new.get(one) for one in hashes] == [frozenset(range(1000)), frozenset({"plain"})]
    assert new.get_bytes(hashes[0]) == old.get_bytes(hashes[0])


def test_both_default_tables_go_to_events(peer: Peer, tmp_path: Path, store: Store) -> None:
    path = tmp_path / "both.db"
    peer.run(WRITE, path, "seed", seed=True)
    opened = "import sys; from xetrack import Reader; Reader(sys.argv[1]); print('null')"
    peer.run(opened, path)
    assert len(mooring.Reader(path)) == 16, "the empty table that 0.7.0 makes hides nothing"
    peer.run(
        """
        import sys
        from xetrack import Tracker
        Tracker(sys.argv[1], track_id="third").log({"whole": 3, "more": 1})
        Tracker(sys.argv[1], track_id="fourth", table="predictions").log({"label": "cat"})
        print("null")
        """,
        path,
    )
    assert mooring.Reader(path).to_df()["track_id"].tolist() == ["third"]
    report = import_xetrack(path, store)
    assert {(one.table, one.project, one.rows_added) for one in report.tables} == {
        ("events", "local/events", 16),
        ("default", "local/events", 1),
        ("predictions", "local/predictions", 1),
    }
    assert len(mooring.Reader(store)) == 17
    third = store.find_run("local/events", run_id="third")
    assert third is not None
    assert store.get_value(third.key, "xetrack/tables")[1] == {"default"}
    assert import_xetrack(path, store).rows_added == 0
