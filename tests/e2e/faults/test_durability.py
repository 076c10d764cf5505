"""What the three durabilities promise: `process` is in test_killed, here are the two others."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from mooring.errors import InvalidAddress, StoreClosed, StoreLocked
from mooring.model import RunSpec
from mooring.store import RunQuery, open_store
from tests.e2e.faults.processes import Child, assert_all, finish, new_run, read_steps

LOG = """
store = open_store(path, durability=arguments[1])
writer = store.open_writer(int(arguments[0]))
acknowledge("ready")
for step in range(10**9):
    writer.log({"loss": step * 0.5}, step=step)
    acknowledge(f"{step} {time.monotonic()}")
    time.sleep(0.0005)
"""


def test_power_survives_a_kill_and_forces_each_commit(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    key = new_run(path)
    with Child(LOG, path, key, "power") as child:
        child.line()
        lines = child.kill_after(0.4)
    with open_store(path, durability="power") as store:
        assert_all(read_steps(store, key), [int(line.split()[0]) for line in lines])
        level = store._database.writer.execute("PRAGMA synchronous").fetchone()[0]  # type: ignore[attr-defined]
        assert level == 2  # FULL: SQLite syncs its log at each commit


def test_relaxed_loses_no_more_than_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    key = new_run(path)
    with Child(LOG, path, key, "relaxed") as child:
        child.line()
        lines = child.kill_after(1.5)
    logged = [line.split() for line in lines]
    end = float(logged[-1][1])
    # 100 ms until the next commit, and a second for it on a machine that does many other things.
    safe = [int(step) for step, moment in logged if float(moment) < end - 1.1]
    with open_store(path) as store:
        found = read_steps(store, key)
    assert safe
    assert found == list(range(len(found)))
    assert len(found) >= len(safe)


def test_relaxed_writes_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    key = new_run(path)
    with open_store(path, durability="relaxed") as store, open_store(path) as other:
        store.open_writer(key).log({"loss": 0.0}, step=0)
        deadline = time.monotonic() + 30
        while read_steps(other, key) != [0]:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.parametrize("end", ["store.close()", "writer.close()", "floats(store, 1)", "pass"])
def test_relaxed_loses_nothing_at_an_orderly_end(tmp_path: Path, end: str) -> None:
    path = tmp_path / "runs.db"
    key = new_run(path)
    script = f"""
store = open_store(path, durability="relaxed")
writer = store.open_writer(int(arguments[0]))
for step in range(1000):
    writer.log({{"loss": step * 0.5}}, step=step)
{end}
{"" if end == "pass" else "os._exit(0)"}
"""
    finish(script, path, key)
    with open_store(path) as store:
        assert read_steps(store, key) == list(range(1000))


def test_relaxed_reads_its_own_writes_at_once(tmp_path: Path) -> None:
    with open_store(tmp_path / "runs.db", durability="relaxed") as store:
        key = store.create_run(RunSpec(project="faults")).key
        writer = store.open_writer(key)
        for step in range(20):
            writer.log({"loss": step * 0.5}, step=step)
            assert read_steps(store, key) == list(range(step + 1))
        writer.log_event({"row": 1})
        writer.log_events([({"row": 2}, None)])
        writer.assign({"name": "x"})
        assert store.read_events("faults").columns["row"] == [1, 2]
        assert store.get_value(key, "name")[1] == "x"


def test_relaxed_keeps_the_order_of_many_threads(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with open_store(path, durability="relaxed") as store:
        key = store.create_run(RunSpec(project="faults")).key
        writer = store.open_writer(key)

        def log(start: int) -> None:
            for step in range(start, start + 500):
                writer.log({"loss": step * 0.5}, step=step)

        threads = [threading.Thread(target=log, args=(i * 500,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with open_store(path) as store:
        assert read_steps(store, key) == list(range(2000))


HOLD = """
import sqlite3
connection = sqlite3.connect(path, isolation_level=None, timeout=10)
connection.execute("BEGIN IMMEDIATE")
acknowledge("held")
sys.stdin.readline()
connection.execute("ROLLBACK")
acknowledge("released")
"""


def test_relaxed_tells_of_a_failed_commit_and_keeps_what_it_took(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    key = new_run(path)
    store = open_store(path, durability="relaxed", timeout_s=0.2)
    writer = store.open_writer(key)
    taken = []
    with Child(HOLD, path) as child:
        child.line()
        failures: list[StoreLocked] = []
        deadline = time.monotonic() + 30
        step = 0
        while len(failures) < 2 and time.monotonic() < deadline:
            try:
                writer.log({"loss": step * 0.5}, step=step)
                taken.append(step)
            except StoreLocked as error:
                failures.append(error)
            step += 1
            time.sleep(0.01)
        assert len(failures) == 2
        assert "locked" in str(failures[0])
        with pytest.raises(StoreLocked):
            store.close()  # what is pending cannot be written yet, and is not thrown away
        child.go_on()
        assert child.line() == "released"
    store.close()
    store.close()
    with pytest.raises(StoreClosed):
        writer.log({"loss": 1.0})
    with open_store(path) as again:
        assert read_steps(again, key) == taken


def test_an_unknown_durability(tmp_path: Path) -> None:
    with pytest.raises(InvalidAddress, match="'process', 'power' or 'relaxed'"):
        open_store(tmp_path / "runs.db", durability="forever")
    assert not (tmp_path / "runs.db").exists()


@pytest.mark.parametrize("durability", ["process", "power", "relaxed"])
def test_a_closed_store_says_so(tmp_path: Path, durability: str) -> None:
    store = open_store(tmp_path / "runs.db", durability=durability)
    key = store.create_run(RunSpec(project="faults")).key
    writer = store.open_writer(key)
    writer.log({"loss": 1.0}, step=1)
    writer.log({"loss": 1.0}, step=2)
    store.close()
    for action in (
        lambda: writer.log({"loss": 1.0}, step=3),
        lambda: writer.log_event({"row": 1}),
        lambda: writer.log_events([({"row": 1}, None)]),
        lambda: writer.assign({"a": 1}),
        lambda: writer.change_set("tags", add=["a"]),
        lambda: writer.delete("loss"),
        lambda: store.open_writer(key),
        lambda: store.query_runs(RunQuery()),
        lambda: store.create_run(RunSpec(project="faults")),
        lambda: store.put_blob(b"content"),
        store.compact,
        store.check,
    ):
        with pytest.raises(StoreClosed, match="closed"):
            action()
