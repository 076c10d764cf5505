"""Files of xetrack are taken as they come, and nothing in them is unpickled unasked."""

from __future__ import annotations

import base64
import os
import pickle
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import mooring
from mooring.errors import (
    AssetNotFound,
    InvalidValue,
    NotAStore,
    RunNotFound,
    StoreClosed,
    StoreCorrupt,
    StoreLocked,
    StoreNotFound,
    StoreReadOnly,
    TableNotFound,
)
from mooring.tracker.assets.objects import hash_bytes
from mooring.tracker.backends import use_backend
from mooring.tracker.xetrack import XetrackFile, is_xetrack_file
from mooring.tracker.xetrack.pickles import dump_key, dump_number, dump_text, read_key, read_number
from mooring.tracker.xetrack.times import parse_timestamp

NOON = "2023-12-27 12:00:00.000001"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "old.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def add_asset(connection: sqlite3.Connection, key: str, content: bytes, hash_value: str) -> None:
    for table in ("assets", "keys", "counts"):
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, value BLOB)")
    connection.execute("INSERT INTO assets VALUES (?, ?)", (dump_key(hash_value), content))
    connection.execute(
        "INSERT OR REPLACE INTO keys VALUES (?, ?)", (dump_key(key), dump_text(hash_value))
    )
    connection.execute("INSERT INTO counts VALUES (?, ?)", (hash_value, dump_number(1)))


class Trap:
    """Unpickled, it leaves a file where it is."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


def test_cells_of_any_type_in_any_column(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute('CREATE TABLE "default" (rowid INTEGER, x INTEGER, timestamp, track_id, y)')
    rows = [
        (9, 2.5, NOON, "b", None),
        (1, "text", NOON, "a", b"\0\xff"),
        (5, 2**63 - 1, "2023", "b", float("-inf")),
    ]
    connection.executemany('INSERT INTO "default" VALUES (?, ?, ?, ?, ?)', rows)
    file = XetrackFile(path)
    names = ["rowid", "x", "timestamp", "track_id", "y"]
    assert [column.name for column in file.columns("default")] == names
    assert [column.declared_type for column in file.columns("default")][:3] == [
        "INTEGER",
        "INTEGER",
        "",
    ]
    columns = file.read("default")
    assert [tuple(columns[name][row] for name in names) for row in range(3)] == rows
    assert list(file.iter_rows("default", batch_rows=2)) == [rows[:2], rows[2:]]
    assert file.read("default", track_id="b")["rowid"] == [9, 5]
    assert file.read("default", first=2)["rowid"] == [9, 1]
    assert file.read("default", last=2)["rowid"] == [9, 1], "by time, not by insertion"
    assert file.read("default", first=0)["rowid"] == []
    frame = mooring.Reader(path).to_df()
    assert list(frame) == ["track_id", "timestamp", "rowid", "x", "y"]
    assert frame["rowid"].tolist() == [5, 9, 1]
    assert frame["x"].tolist() == [2**63 - 1, 2.5, "text"]
    with use_backend("polars"):
        assert mooring.Reader(path).to_df()["x"].to_list() == [2**63 - 1, 2.5, "text"]
    assert mooring.Reader(path).conn.execute("SELECT x FROM db.default").fetchall()[1] == ("text",)


def test_text_that_is_no_utf8_comes_as_bytes(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE events (track_id, timestamp, x)")
    connection.execute("INSERT INTO events VALUES ('é', ?, CAST(x'ff41' AS TEXT))", (NOON,))
    assert XetrackFile(path).read("events") == {
        "track_id": ["é"],
        "timestamp": [NOON],
        "x": [b"\xffA"],
    }


def test_every_table_with_both_columns_is_one(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE other (track_id, x)")
    connection.execute(
        "CREATE TABLE kept (track_id, timestamp, PRIMARY KEY (track_id, timestamp)) WITHOUT ROWID"
    )
    connection.execute("INSERT INTO kept VALUES ('a', ?)", (NOON,))
    connection.execute('CREATE TABLE "my ""table" (timestamp, track_id, "a ""b")')
    connection.execute('INSERT INTO "my ""table" VALUES (?, \'a\', 1)', (NOON,))
    connection.execute("CREATE VIEW shown AS SELECT * FROM kept")
    connection.execute("CREATE TABLE gone (track_id, timestamp)")
    connection.execute("CREATE VIEW broken AS SELECT * FROM gone")
    connection.execute("DROP TABLE gone")
    file = XetrackFile(path)
    assert file.tables == ("kept", 'my "table', "shown")
    assert file.views == ("shown",)
    assert file.read('my "table')['a "b'] == [1]
    for table in file.tables:
        assert file.count_rows(table, track_id="a") == 1
        assert [len(rows) for rows in file.iter_rows(table)] == [1]
    with pytest.raises(TableNotFound, match=r"'my \"table'"):
        mooring.Reader(path)
    assert len(mooring.Reader(path, table="shown")) == 1


def test_the_default_table(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE events (track_id, timestamp, era)")
    connection.execute("INSERT INTO events VALUES ('a', ?, 'old')", (NOON,))
    for table in ("events", "default"):
        assert mooring.Reader(path, table=table).to_df()["era"].tolist() == ["old"]
    connection.execute('CREATE TABLE "default" (track_id, timestamp, era)')
    assert mooring.Reader(path).to_df()["era"].tolist() == ["old"]
    connection.execute("INSERT INTO \"default\" VALUES ('a', ?, 'new')", (NOON,))
    for table in ("events", "default"):
        assert mooring.Reader(path, table=table).to_df()["era"].tolist() == ["new"]


def test_names_that_are_not_there(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE events (track_id, timestamp)")
    connection.execute("INSERT INTO events VALUES ('calm-heron', ?)", (NOON,))
    with pytest.raises(TableNotFound, match=r"evnts.*'events'"):
        mooring.Reader(path, table="evnts")
    with pytest.raises(RunNotFound, match="closest: calm-heron"):
        mooring.Reader(path).to_df("calm-hero")
    with pytest.raises(AssetNotFound):
        mooring.Reader(path).get("model")
    assert XetrackFile(path).list_assets() == ()


def test_what_is_no_such_file(tmp_path: Path, path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE other (x)")
    (tmp_path / "text.db").write_text("hello " * 100)
    with mooring.Tracker(tmp_path / "own.db") as tracker:
        tracker.log({"x": 1})
    for name, reason in (
        ("old.db", "none of its tables"),
        ("text.db", "no SQLite file"),
        ("own.db", "is a Mooring store"),
        ("", "is no file"),
    ):
        assert not is_xetrack_file(tmp_path / name)
        with pytest.raises(NotAStore, match=reason):
            XetrackFile(tmp_path / name)
    with pytest.raises(StoreNotFound):
        XetrackFile(tmp_path / "missing.db")
    assert not (tmp_path / "missing.db").exists()
    assert mooring.Reader(tmp_path / "own.db").to_df()["x"].tolist() == [1]
    with pytest.raises(NotAStore, match="another program"):
        mooring.Reader(path)


def test_a_reader_changes_nothing(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE events (track_id, timestamp)")
    connection.execute("INSERT INTO events VALUES ('a', ?)", (NOON,))
    before = path.read_bytes()
    with mooring.Reader(path) as reader:
        for call in (
            lambda: reader.set_value("x", 1),
            lambda: reader.set_where("x", 1, "y", 2),
            lambda: reader.delete_run("a"),
            lambda: reader.restore_run("a"),
            lambda: reader.remove_asset("0" * 16),
            lambda: reader.store,
            lambda: reader.assets,
        ):
            with pytest.raises(StoreReadOnly, match="mooring import xetrack"):
                call()
        assert len(reader.latest()) == 1
    with pytest.raises(StoreClosed):
        reader.to_df()
    assert path.read_bytes() == before
    assert sorted(one.name for one in path.parent.iterdir()) == ["old.db"]


def test_a_lock_is_waited_for_so_long(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE events (track_id, timestamp)")
    file = XetrackFile(path, timeout_s=0.05)
    connection.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreLocked, match="another program"):
        file.read("events")
    connection.execute("ROLLBACK")
    assert file.count_rows("events") == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE events (track_id, timestamp)")
    path.parent.chmod(0o555)
    try:
        assert len(mooring.Reader(path)) == 0
    finally:
        path.parent.chmod(0o755)


# assets


def test_assets(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE events (track_id, timestamp, model)")
    plain, packed = pickle.dumps({"a": 1}), pickle.dumps([0] * 1000)
    add_asset(connection, "model", plain, hash_bytes(plain))
    add_asset(connection, "zeros", zlib.compress(packed), hash_bytes(packed))
    add_asset(connection, "torn", plain[:-1], "0123456789abcdef")
    reader = mooring.Reader(path)
    assert reader.get("model") == reader.get(hash_bytes(plain)) == {"a": 1}
    assert reader.get("zeros") == [0] * 1000
    assert reader.get_bytes("zeros") == packed
    with pytest.raises(StoreCorrupt, match="does not have this hash"):
        reader.get("torn")
    first, second, _ = XetrackFile(path).list_assets()
    assert (first.hash, first.keys, first.size_bytes) == (
        hash_bytes(plain),
        ("model",),
        len(plain),
    )
    assert second.size_bytes < len(packed)


def test_keys_are_not_unpickled(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE events (track_id, timestamp, model)")
    content = pickle.dumps("fine")
    add_asset(connection, "model", content, hash_bytes(content))
    trap = path.with_name("sprung")
    bad = base64.b64encode(pickle.dumps(Trap(trap))).decode()
    connection.execute("INSERT INTO assets VALUES (?, x'00')", (bad,))
    connection.execute("INSERT INTO keys VALUES (?, ?)", (bad, dump_text("x")))
    connection.execute("INSERT INTO keys VALUES (?, ?)", (dump_key("y"), pickle.dumps(Trap(trap))))
    connection.execute("INSERT INTO keys VALUES ('no base64!', 1)")
    file = XetrackFile(path)
    assert [asset.keys for asset in file.list_assets()] == [("model",)]
    unreadable = file.list_unreadable()
    assert len(unreadable) == 4
    assert sum("not loaded" in line for line in unreadable) == 3
    with pytest.raises(AssetNotFound):
        file.get("y")
    assert file.get("model") == "fine"
    assert not trap.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_a_key_of_any_protocol_is_read(protocol: int) -> None:
    key = base64.b64encode(pickle.dumps("é\n", protocol)).decode()
    assert read_key(key) == "é\n"
    assert read_number(pickle.dumps(70_000, protocol)) == 70_000


@pytest.mark.parametrize(
    "pickled",
    [b"", b"\x80\x05", b"\x80\x05K\x01.", b"\x8c\xff", pickle.dumps(("a", "b")), b"V" * 70_000],
)
def test_what_is_no_key_is_refused(pickled: bytes) -> None:
    with pytest.raises(InvalidValue):
        read_key(base64.b64encode(pickled).decode())
    with pytest.raises(InvalidValue):
        read_number(dump_text("1"))


# times


@pytest.mark.usefixtures("berlin")
def test_local_times() -> None:
    first = parse_timestamp("2023-10-29 02:30:00.000001")
    assert first == 1698539400_000001
    second = parse_timestamp("2023-10-29 02:30:00.000001", not_before=first + 1)
    assert second - first == 3600_000_000
    assert parse_timestamp("2023-10-29 02:29:59", not_before=first) == second - 1_000_001
    assert parse_timestamp("2023-10-29 03:30:00", not_before=first) - second == 3599_999_999
    skipped = parse_timestamp("2023-03-26 02:30:00")
    assert parse_timestamp("2023-03-26 02:30:00", not_before=skipped + 1) == skipped
    assert skipped == parse_timestamp("2023-03-26 03:30:00")
    assert parse_timestamp("27-12-2023 12:00:00.5") == parse_timestamp("2023-12-27 12:00:00.5")
    assert parse_timestamp("2023-10-29T02:30:00.000001+01:00") == second


@pytest.mark.parametrize("text", [None, 5, b"2023", "", "soon", "2023-13-01 00:00:00", "1.1.2023"])
def test_what_is_no_timestamp(text: object) -> None:
    with pytest.raises(InvalidValue, match="no timestamp"):
        parse_timestamp(text)
