"""What was done for callers elsewhere: it is known when they repeat it, and how long."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mooring.errors import InvalidInput
from mooring.model import RunInfo, RunSpec
from mooring.store.appending import Assign
from mooring.store.sqlite.receipts import KEEP_ONCE_S, KEEP_S, KEEP_UNRELEASED_S
from mooring.store.sqlite.store import SqliteStore

UPDATES = [Assign({"a": 1}), Assign({"a": "refused"})]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


def fill(path: Path) -> RunInfo:
    """Let one writer release the run, another hold it, a third have gone without a word."""
    with SqliteStore(path) as store:
        run = store.create_run(RunSpec(project="p"))
        store.open_writer(run.key).log_event({"n": 1})
        for writer in ("released", "gone"):
            store.append_batch(run.key, writer, 1, UPDATES)
        store.release_run(run.key, "released")
        store.set_events_once(run.key, "n", 2, request="request")
    return run


def age(path: Path, seconds: int) -> None:
    """Make all of it older, as if it had been done so many seconds before."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for table in ("receipts", "requests"):
            connection.execute(f"UPDATE {table} SET time = time - ?", (seconds * 1_000_000,))


def numbers(path: Path, run: RunInfo) -> list[int]:
    """Compact the store; return how far it knows the writers came."""
    with SqliteStore(path) as store:
        store.compact()
        return [store.last_applied(run.key, writer) for writer in ("released", "gone")]


def test_receipts_of_today_are_kept(path: Path) -> None:
    run = fill(path)
    age(path, KEEP_S - 60)
    assert numbers(path, run) == [2, 2]
    with SqliteStore(path) as store:
        assert store.set_events_once(run.key, "n", 3, request="request") == 1
        assert store.read_events("p").columns["n"] == [2]


def test_those_of_a_writer_that_may_come_back_are_kept_longer(path: Path) -> None:
    run = fill(path)
    age(path, KEEP_S + 60)
    assert numbers(path, run) == [0, 2]
    with SqliteStore(path) as store:
        assert [n for n, _ in store.append_batch(run.key, "gone", 1, UPDATES).refused] == [2]
        with pytest.raises(InvalidInput, match="from 1 on"):
            store.append_batch(run.key, "released", 3, UPDATES)
        assert store.set_events_once(run.key, "n", 3, request="request") == 1
        assert store.read_events("p").columns["n"] == [3]


def test_those_of_runs_with_a_lease_are_kept(path: Path) -> None:
    run = fill(path)
    with SqliteStore(path) as store:
        store.hold_run(run.key, "gone", seconds=3600)
    age(path, KEEP_UNRELEASED_S + 60)
    assert numbers(path, run) == [2, 2]
    with SqliteStore(path) as store:
        store.release_run(run.key, "gone")
    age(path, KEEP_UNRELEASED_S + 60)
    assert numbers(path, run) == [0, 0]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM refusals").fetchone() == (0,)


def test_nothing_is_left_of_a_deleted_run(path: Path) -> None:
    run = fill(path)
    with SqliteStore(path) as store:
        store.hold_run(run.key, "gone", seconds=3600)
        store.delete_runs([run.key])
    with closing(sqlite3.connect(path)) as connection:
        for table in ("receipts", "refusals", "run_holders"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def single_batches(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM receipts").fetchone()
        return int(count)


def test_single_batches_of_a_run_do_not_pile_up(path: Path) -> None:
    with SqliteStore(path) as store, SqliteStore(path) as other:
        run = store.create_run(RunSpec(project="p"))
        for number in range(2_000):
            store.append_once(run.key, f"old-{number}", [Assign({f"a{number // 500}": number})])
        assert single_batches(path) == 2_000
        age(path, KEEP_ONCE_S + 60)
        other.append_once(run.key, "text", [Assign({"b": "text"})])
        for number in range(1_200):
            store.append_once(run.key, f"new-{number}", [Assign({"a0": number})])
        assert single_batches(path) < 1_600
        assert store.find_receipt(run.key, "old-0") is None
        assert store.find_receipt(run.key, "new-0") is not None
        # The types that a dropped batch brought are known to all.
        for one in (store, other):
            assert len(one.append_once(run.key, f"wrong-{id(one)}", [Assign({"a3": ""})]).refused)
            assert len(one.append_once(run.key, f"wrong2-{id(one)}", [Assign({"b": 1})]).refused)
