"""What comes in, what is told of it, and what a file cannot make the store do."""

from __future__ import annotations

import pickle
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import mooring
from mooring.errors import InvalidInput, StoreReadOnly, TableNotFound
from mooring.exchange import ImportReport, Renamed
from mooring.exchange.sources.xetrack import import_xetrack
from mooring.store import open_store
from mooring.store.contract import Store
from mooring.tracker.assets.objects import hash_bytes
from mooring.tracker.xetrack.pickles import dump_key, dump_text

NOON = "2023-12-27 12:00:00.000001"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "old.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE events (timestamp, track_id, x, y REAL, e TEXT)")
        yield connection


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(open_store(":memory:")) as store:
        yield store


def at(second: int) -> str:
    return f"2023-12-27 12:00:{second:02}.000000"


def put(connection: sqlite3.Connection, *rows: tuple[object, ...], table: str = "events") -> None:
    places = ", ".join("?" * len(rows[0]))
    connection.execute("BEGIN")
    connection.executemany(f'INSERT INTO "{table}" VALUES ({places})', rows)
    connection.execute("COMMIT")


def add_asset(connection: sqlite3.Connection, content: bytes, hash_value: str = "") -> str:
    hash_value = hash_value or hash_bytes(content)
    for table in ("assets", "keys"):
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, value BLOB)")
    connection.execute("INSERT INTO assets VALUES (?, ?)", (dump_key(hash_value), content))
    connection.execute("INSERT INTO keys VALUES (?, ?)", (dump_key("lost"), dump_text(hash_value)))
    return hash_value


def test_rows_keep_order_types_and_columns(
    path: Path, connection: sqlite3.Connection, store: Store
) -> None:
    put(
        connection,
        (at(2), "b", 1, 1.0, None),
        (at(1), "a", "1", 2, None),
        (at(3), "b", b"1", 0, None),
    )
    connection.execute("INSERT INTO events (timestamp, track_id) VALUES (?, 'empty')", (at(4),))
    report = import_xetrack(path, store)
    assert report.is_complete
    assert (report.tables[0].rows_added, report.tables[0].runs_added) == (4, 3)
    table = store.read_events("local/events")
    assert [column.name for column in store.list_columns("local/events")] == ["x", "y", "e"]
    cells = table.columns["x"]
    assert [(type(cell), cell) for cell in cells] == [
        (int, 1),
        (str, "1"),
        (bytes, b"1"),
        (type(None), None),
    ]
    assert table.columns["y"] == [1.0, 2.0, 0.0, None]
    found = store.find_run("local/events", run_id="b")
    assert found is not None
    assert found.created == int(table.times[0])
    assert store.get_value(found.key, "sys/state")[1] == "inactive"


def test_what_is_no_row_is_left_out_and_named(
    path: Path, connection: sqlite3.Connection, store: Store
) -> None:
    put(
        connection,
        (NOON, "a", 1, 0, ""),
        ("soon", "a", 2, 0, ""),
        (None, "a", 3, 0, ""),
        (NOON, None, 4, 0, ""),
        (NOON, b"a", 5, 0, ""),
        (NOON, "  ", 6, 0, ""),
        (NOON, "line\nbreak", 7, 0, ""),
    )
    report = import_xetrack(path, store)
    table = report.tables[0]
    assert (table.rows, table.rows_added, table.rows_left_out) == (7, 2, 5)
    assert len(report.problems) == 5
    assert not report.is_complete
    assert "row 2 of table 'events' (run 'a' at 'soon')" in str(report.problems[0])
    assert report.renamed == (Renamed("events", None, "line\nbreak", "line%0Abreak"),)
    assert sorted(mooring.Reader(store).to_df()["x"]) == [1, 7]
    again = import_xetrack(path, store)
    assert (again.rows_added, again.tables[0].rows_present) == (0, 2)


def test_problems_are_bounded(path: Path, connection: sqlite3.Connection, store: Store) -> None:
    put(connection, *(("soon", "a", n, 0, "") for n in range(1_500)))
    report = import_xetrack(path, store)
    assert (len(report.problems), report.problems_not_named) == (1_000, 500)


def test_rows_of_one_time_are_all_kept(
    path: Path, connection: sqlite3.Connection, store: Store
) -> None:
    connection.execute('CREATE TABLE "default" (track_id, timestamp, x)')
    put(connection, (NOON, "a", 1, 0, ""), (NOON, "a", 2, 0, ""))
    put(connection, ("a", NOON, 3), table="default")
    assert import_xetrack(path, store).rows_added == 3
    assert import_xetrack(path, store).rows_added == 0
    put(connection, ("a", NOON, 4), table="default")
    assert import_xetrack(path, store).rows_added == 1
    assert mooring.Reader(store).to_df()["x"].tolist() == [1, 2, 3, 4]
    run = store.find_run("local/events", run_id="a")
    assert run is not None
    assert store.get_value(run.key, "xetrack/tables")[1] == {"default", "events"}


def test_rows_that_others_logged_stay(
    path: Path, connection: sqlite3.Connection, store: Store
) -> None:
    with mooring.Tracker(store, track_id="a") as tracker:
        tracker.log({"x": 0})
    put(connection, (NOON, "a", 1, 0, ""))
    report = import_xetrack(path, store)
    assert (report.rows_added, report.tables[0].runs_added) == (1, 0)
    assert import_xetrack(path, store).rows_added == 0
    assert sorted(mooring.Reader(store).to_df("a")["x"]) == [0, 1]


def test_a_run_in_the_trash_is_left_alone(
    path: Path, connection: sqlite3.Connection, store: Store
) -> None:
    put(connection, (at(1), "a", 1, 0, ""), (at(2), "b", 2, 0, ""))
    import_xetrack(path, store)
    run = store.find_run("local/events", run_id="a")
    assert run is not None
    store.trash_runs([run.key])
    put(connection, (at(3), "a", 3, 0, ""))
    report = import_xetrack(path, store)
    assert (report.rows_added, report.tables[0].rows_left_out) == (0, 2)
    assert "trash" in report.problems[0].why
    store.restore_runs([run.key])
    assert import_xetrack(path, store).rows_added == 1


def test_dry_run_tells_and_writes_nothing(
    path: Path, connection: sqlite3.Connection, store: Store
) -> None:
    add_asset(connection, b"lost")
    named = add_asset_named(connection)
    put(connection, (at(1), "a", 1, 0, named), ("soon", "a", 2, 0, ""))
    told = import_xetrack(path, store, dry_run=True)
    assert store.list_projects() == []
    done = import_xetrack(path, store)
    assert told.dry_run
    assert not done.dry_run
    assert without_dry_run(told) == without_dry_run(done)
    assert done.assets_added == 2
    assert import_xetrack(path, store, dry_run=True).rows_added == 0


def add_asset_named(connection: sqlite3.Connection) -> str:
    content = pickle.dumps("named")
    connection.execute("INSERT INTO assets VALUES (?, ?)", (dump_key(hash_bytes(content)), content))
    return hash_bytes(content)


def without_dry_run(report: ImportReport) -> list[object]:
    return [getattr(report, name) for name in report.__slots__ if name != "dry_run"]


def test_tables_of_all_names(path: Path, connection: sqlite3.Connection, store: Store) -> None:
    for table in ("a/b", "a_b", "predictions"):
        connection.execute(f'CREATE TABLE "{table}" (track_id, timestamp, "", "c\nd", "c%0Ad")')
        put(connection, ("run", NOON, 1, 2, 3), table=table)
    connection.execute("CREATE VIEW shown AS SELECT * FROM predictions")
    report = import_xetrack(path, store)
    assert {one.table: one.project for one in report.tables} == {
        "events": "local/events",
        "a/b": "local/a_b_2",
        "a_b": "local/a_b",
        "predictions": "local/predictions",
    }
    assert Renamed("a/b", None, "a/b", "a_b_2") in report.renamed
    columns = [column.name for column in store.list_columns("local/predictions")]
    assert columns == ["unnamed", "c%0Ad", "c%0Ad_2"]
    assert import_xetrack(path, store).rows_added == 0


def test_chosen_tables(path: Path, connection: sqlite3.Connection, store: Store) -> None:
    connection.execute("CREATE TABLE predictions (track_id, timestamp, label)")
    put(connection, ("run", NOON, "cat"), table="predictions")
    put(connection, (NOON, "run", 1, 0, ""))
    add_asset(connection, b"lost")
    report = import_xetrack(path, store, tables=["predictions"])
    assert [one.table for one in report.tables] == ["predictions"]
    assert report.assets_added == 0
    assert [one.table for one in import_xetrack(path, store, tables=["default"]).tables] == [
        "events"
    ]
    with pytest.raises(TableNotFound, match=r"'predictins'.*'predictions'"):
        import_xetrack(path, store, tables=["predictins"])
    with pytest.raises(InvalidInput, match="list of names"):
        import_xetrack(path, store, tables="predictions")


def test_assets(path: Path, connection: sqlite3.Connection, store: Store) -> None:
    lost = add_asset(connection, pickle.dumps("lost"))
    named = add_asset_named(connection)
    connection.execute("INSERT INTO assets VALUES (?, x'00')", (dump_key("0123456789abcdef"),))
    connection.execute("INSERT INTO assets VALUES (?, x'00')", (dump_key("no hash"),))
    put(
        connection,
        (at(1), "a", named, 0, ""),
        (at(2), "b", 0, 0, named),
        (at(3), "b", 0, 0, "x" * 16),
    )
    report = import_xetrack(path, store)
    assert (report.assets_added, report.assets_without_rows) == (2, 1)
    assert sorted(problem.what for problem in report.problems) == [
        "asset 'no hash'",
        "asset 0123456789abcdef",
    ]
    entries = {entry.hash: entry for entry in mooring.Reader(store).assets.list()}
    assert sorted(entries[named].runs) == ["a", "b"]
    assert entries[named].key == "x"
    assert (entries[lost].runs, entries[lost].key) == (("xetrack-assets",), "lost")
    assert mooring.Reader(store).get("lost") == "lost"
    assert (len(mooring.Reader(store)), len(mooring.Reader(store).to_df())) == (3, 3)
    again = import_xetrack(path, store)
    assert (again.assets_added, again.assets_present) == (0, 2)


def test_another_time_zone_is_refused(
    path: Path, connection: sqlite3.Connection, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(connection, (NOON, "a", 1, 0, ""), ("2023-10-29 02:30:00", "b", 1, 0, ""))
    try:
        monkeypatch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        import_xetrack(path, store)
        assert import_xetrack(path, store).rows_added == 0
        monkeypatch.setenv("TZ", "America/New_York")
        time.tzset()
        with pytest.raises(InvalidInput, match=r"was 2023-1.*\+0[12]:00.*set TZ"):
            import_xetrack(path, store)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert store.count_events("local/events") == 2


def test_a_repeated_hour_goes_on(
    path: Path, connection: sqlite3.Connection, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [
        "2023-10-29 02:10:00.000000",
        "2023-10-29 02:50:00.000000",
        "2023-10-29 02:20:00.000000",
    ]
    put(connection, *((text, "a", n, 0, "") for n, text in enumerate(texts)))
    try:
        monkeypatch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        import_xetrack(path, store)
        times = store.read_events("local/events").times
        assert [int(t - times[0]) // 60_000_000 for t in times] == [0, 40, 70]
        assert mooring.Tracker(store).to_df(all=True)["timestamp"].tolist() == texts
        assert import_xetrack(path, store).rows_added == 0
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_others_wrote_into_the_notes(
    path: Path, connection: sqlite3.Connection, store: Store
) -> None:
    put(connection, (NOON, "a", 1, 0, ""))
    connection.execute("CREATE TABLE mooring_names (table_name, column_name, original, kind)")
    put(connection, ("events", None, "no/such/project", None), table="mooring_names")
    put(
        connection,
        ("events", "x", "c\nd", None),
        ("events", "y", "c%0Ad", "bool"),
        table="mooring_names",
    )
    connection.execute(
        "CREATE TABLE mooring_cells (table_name, track_id, timestamp, column_name, shown, cell)"
    )
    secret, _ = store.put_blob(b"secret")
    cell = f'["f", "{secret}", 6, "text/plain", "stolen"]'
    put(connection, ("events", "a", NOON, "x", 1, cell), table="mooring_cells")
    report = import_xetrack(path, store)
    assert "no plain value" in report.problems[0].why
    assert [one.new for one in report.renamed] == ["c%0Ad", "c%0Ad_2"]
    assert store.list_projects() == ["local/events"]
    assert store.read_events("local/events").columns == {
        "c%0Ad": [1],
        "c%0Ad_2": [0.0],
        "e": [""],
    }


def test_a_cell_that_changed_since_stays_changed(
    path: Path, connection: sqlite3.Connection, store: Store
) -> None:
    put(connection, (at(1), "a", 1, 0, ""), (at(2), "a", 1, 0, ""))
    connection.execute(
        "CREATE TABLE mooring_cells (table_name, track_id, timestamp, column_name, shown, cell)"
    )
    noted = [("events", "a", at(n), "x", 1, "true") for n in (1, 2)]
    put(connection, *noted, table="mooring_cells")
    connection.execute("UPDATE events SET x = 2 WHERE timestamp = ?", (at(2),))
    import_xetrack(path, store)
    assert store.read_events("local/events").columns["x"] == [True, 2]


def test_where_nothing_can_be_written(path: Path, connection: sqlite3.Connection) -> None:
    put(connection, (NOON, "a", 1, 0, ""))
    own = path.with_name("own.db")
    open_store(own).close()
    with closing(open_store(own, read_only=True)) as store:
        with pytest.raises(StoreReadOnly):
            import_xetrack(path, store)
        assert import_xetrack(path, store, dry_run=True).rows_added == 1


def test_progress(path: Path, connection: sqlite3.Connection, store: Store) -> None:
    put(connection, *((NOON, "a", n, 0, "") for n in range(25_000)))
    seen: list[tuple[int, int]] = []
    import_xetrack(path, store, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(20_000, 25_000), (25_000, 25_000)]
