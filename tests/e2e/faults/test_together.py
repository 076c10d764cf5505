"""Many processes, threads, forks, sealers and readers on one file: no row lost, no error."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mooring.model import FileRef, RunSpec
from mooring.store import RunQuery, open_store
from tests.e2e.faults.processes import (
    LONG,
    Child,
    assert_all,
    assert_clean,
    finish,
    linux_only,
    new_run,
    read_steps,
)

CALLS = 5000 if LONG else 600

WRITE = """
key, start, calls = map(int, arguments[:3])
store = open_store(path)
writer = store.open_writer(key)
acknowledge("ready")
sys.stdin.readline()
for step in range(start, start + calls):
    writer.log({"loss": step * 0.5, f"own/{start}": 1.0}, step=step)
store.close()
acknowledge("done")
"""

COMPACT = """
store = open_store(path)
acknowledge("ready")
sys.stdin.readline()
for _ in range(int(arguments[0])):
    store.compact()
store.close()
"""

READ = """
key = int(arguments[0])
store = open_store(path, read_only=arguments[1] == "ro")
acknowledge("ready")
sys.stdin.readline()
seen = 0
end = time.monotonic() + 60
while time.monotonic() < end:
    found = steps(store, key)
    assert len(found) == len(set(found)) and len(found) >= seen, (seen, len(found))
    seen = len(found)
    stats = store.get_stats(key, "loss") if seen else None
    assert stats is None or stats.count >= seen, (stats, seen)
    if seen == int(arguments[2]):
        break
else:
    raise AssertionError(f"only {seen} points")
store.close()
"""


def run_together(*children: Child) -> None:
    for child in children:
        assert child.line() == "ready"
    for child in children:
        child.go_on()
    for child in children:
        with child:
            child.finish()


def test_eight_processes_write_one_run(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    key = new_run(path)
    run_together(*(Child(WRITE, path, key, i * CALLS, CALLS) for i in range(8)))
    with open_store(path) as store:
        assert read_steps(store, key) == list(range(8 * CALLS))
        assert store.get_value(key, "sys/state")[1] == "inactive"


def test_eight_processes_make_the_file_and_their_runs(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    script = """
acknowledge("ready")
sys.stdin.readline()
with open_store(path) as store:
    key = store.create_run(RunSpec(project="faults", run_id=arguments[0])).key
    writer = store.open_writer(key)
    for step in range(50):
        writer.log({"loss": step * 0.5}, step=step)
"""
    run_together(*(Child(script, path, i) for i in range(8)))
    with open_store(path) as store:
        runs = store.query_runs(RunQuery()).runs
        assert {run.run_id for run in runs} == set("01234567")
        assert len({run.sys_id for run in runs}) == 8
        assert all(read_steps(store, run.key) == list(range(50)) for run in runs)


def test_sealers_writers_and_readers_together(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    key = new_run(path)
    # Steps from the right to the left: folding and joining have to read segments again.
    backwards = WRITE.replace(
        "range(start, start + calls)", "reversed(range(start, start + calls))"
    )
    run_together(
        Child(WRITE, path, key, 0, CALLS),
        Child(backwards, path, key, CALLS, CALLS),
        Child(COMPACT, path, 15),
        Child(COMPACT, path, 15),
        Child(READ, path, key, "rw", 2 * CALLS),
        Child(READ, path, key, "ro", 2 * CALLS),
    )
    with open_store(path) as store:
        assert read_steps(store, key) == list(range(2 * CALLS))
        store.compact()
        assert read_steps(store, key) == list(range(2 * CALLS))
    assert_clean(path)


def test_a_reader_keeps_up_with_a_writer_that_never_pauses(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    key = new_run(path)
    with Child(WRITE, path, key, 0, 10**9) as child:
        child.line()
        child.go_on()
        with open_store(path, read_only=True) as store:
            lengths = [len(read_steps(store, key, while_logging=True)) for _ in range(5)]
        assert lengths == sorted(lengths)


def test_an_open_snapshot_stops_neither_writers_nor_a_compaction(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    key = new_run(path)
    with open_store(path) as store:
        writer = store.open_writer(key)
        for step in range(500):
            writer.log({"loss": step * 0.5}, step=step)
    script = """
import sqlite3
connection = sqlite3.connect(path, isolation_level=None)
connection.execute("BEGIN")
before = connection.execute("SELECT count(*) FROM log").fetchone()
acknowledge("ready")
sys.stdin.readline()
assert connection.execute("SELECT count(*) FROM log").fetchone() == before == (500,)
"""
    with Child(script, path) as child:
        child.line()
        with (
            open_store(path) as store,
            open_store(path, timeout_s=2) as other,
            ThreadPoolExecutor() as pool,
        ):
            compaction = pool.submit(store.compact)
            writer = other.open_writer(key)
            for step in range(500, 600):
                writer.log({"loss": step * 0.5}, step=step)
            assert compaction.result(timeout=20).points_sealed >= 500
            assert read_steps(other, key) == list(range(600))
        child.go_on()
        child.finish()


def test_a_read_of_this_store_goes_on_while_another_compacts(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    key = new_run(path)
    with open_store(path) as store:
        writer = store.open_writer(key)
        for part in range(3):
            for step in range(part * 100, part * 100 + 100):
                writer.log({"loss": step * 0.5}, step=step)
            store.compact()
        stop = threading.Event()
        found = []

        def read() -> None:
            while not stop.is_set():
                found.append(read_steps(store, key, while_logging=True))

        with ThreadPoolExecutor() as pool:
            reading = [pool.submit(read) for _ in range(2)]
            compact = "with open_store(path) as store:\n    store.compact()\n"
            finish(compact, path)
            for step in range(300, 330):
                writer.log({"loss": step * 0.5}, step=step)
                store.compact()
            stop.set()
            for future in reading:
                future.result()
        assert all(steps == list(range(len(steps))) for steps in found)
        assert read_steps(store, key) == list(range(330))


def test_threads_share_a_writer_and_a_store(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with open_store(path) as store:
        key = store.create_run(RunSpec(project="faults")).key
        shared = store.open_writer(key)

        def work(i: int) -> None:
            for step in range(i * 100, i * 100 + 100):
                shared.log({"loss": step * 0.5}, step=step)
                if step % 25 == 0:
                    read_steps(store, key, while_logging=True)
                if step % 40 == 0:
                    store.compact()
                    store.put_blob(f"{step % 400}".encode())

        with ThreadPoolExecutor(8) as pool:
            for future in [pool.submit(work, i) for i in range(8)]:
                future.result()
        assert read_steps(store, key) == list(range(800))
        assert store.check().ok


@linux_only
def test_threads_that_ended_leave_no_open_files(tmp_path: Path) -> None:
    with open_store(tmp_path / "runs.db") as store:
        store.create_run(RunSpec(project="faults"))

        def read() -> None:
            store.query_runs(RunQuery())

        counts = []
        for _ in range(40):
            thread = threading.Thread(target=read)
            thread.start()
            thread.join()
            counts.append(len(list(Path("/proc/self/fd").iterdir())))
        assert counts[-1] <= counts[4] + 2


# ---- several stores in one process ------------------------------------------------------------


def test_a_second_store_on_the_file_does_not_cost_the_first_its_log(tmp_path: Path) -> None:
    """Closing a descriptor drops the locks of its process: the next one would delete the log."""
    path = tmp_path / "runs.db"
    key = new_run(path)
    script = """
store = open_store(path)
writer = store.open_writer(int(arguments[0]))
for step in range(100):
    writer.log({"loss": step * 0.5}, step=step)
open_store(path, read_only=True).close()
open_store(path).close()
acknowledge("second closed")
sys.stdin.readline()
for step in range(100, 200):
    writer.log({"loss": step * 0.5}, step=step)
acknowledge("logged")
time.sleep(60)
"""
    with Child(script, path, key) as child:
        child.line()
        finish("open_store(path).close()", path)
        child.go_on()
        child.line()
        child.kill_after(0)
    with open_store(path) as store:
        assert read_steps(store, key) == list(range(200))


# ---- forks ------------------------------------------------------------------------------------

FORK = """
warnings = __import__("warnings")
warnings.simplefilter("ignore", DeprecationWarning)  # of threads at a fork, from Python 3.12 on
durability = arguments[0]
store = open_store(path, durability=durability)
key = store.create_run(RunSpec(project="faults", run_id="run")).key
writer = store.open_writer(key)
for step in range(100):
    writer.log({"loss": step * 0.5}, step=step)
assert durability == "relaxed" or len(steps(store, key)) == 100
"""


def fork_script(child: str, parent: str) -> str:
    def indented(text: str) -> str:
        return "".join(f"        {line}\n" for line in text.strip().splitlines())

    return (
        FORK
        + "child = os.fork()\nif not child:\n    try:\n"
        + indented(child)
        + "    except BaseException:\n        os._exit(report())\n"
        + "    os._exit(0)\n"
        + parent
        + "\nassert os.waitpid(child, 0)[1] == 0\n"
    )


@linux_only
@pytest.mark.parametrize("durability", ["process", "power", "relaxed"])
def test_a_forked_child_goes_on_with_the_writer(tmp_path: Path, durability: str) -> None:
    path = tmp_path / "runs.db"
    script = fork_script(
        child="""
for step in range(1000, 1500):
    writer.log({"loss": step * 0.5}, step=step)
found = steps(store, key)
assert set(range(1000, 1500)) <= set(found)
store.close()
""",
        parent="""
for step in range(100, 600):
    writer.log({"loss": step * 0.5}, step=step)
assert set(range(600)) <= set(steps(store, key))
assert store.get_value(key, "sys/state")[1] == "active"
""",
    )
    finish(script + "store.close()\n", path, durability)
    with open_store(path) as store:
        (run,) = store.query_runs(RunQuery()).runs
        assert read_steps(store, run.key) == [*range(600), *range(1000, 1500)]
        assert store.get_value(run.key, "sys/state")[1] == "inactive"


@linux_only
def test_a_forked_child_outlives_the_parent_s_store(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    script = fork_script(
        child="""
for step in range(100, 200):
    writer.log({"loss": step * 0.5}, step=step)
acknowledge("half")
time.sleep(0.5)
for step in range(200, 300):
    writer.log({"loss": step * 0.5}, step=step)
os.kill(os.getpid(), 9)
""",
        parent="time.sleep(0.2)\nstore.close()\nacknowledge('closed')\n",
    ).replace("[1] == 0", "[1] == 9")
    with Child(script, path, "process") as child:
        child.line()
        child.line()
        finish("open_store(path).close()", path)
        child.finish()
    with open_store(path) as store:
        (run,) = store.query_runs(RunQuery()).runs
        assert read_steps(store, run.key) == list(range(300))


@linux_only
def test_forks_while_other_threads_log_and_read(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    script = (
        FORK
        + """
import threading
reader = open_store(path, read_only=True)
counts = [0, 0]
stop = threading.Event()
failures = []

def log(i):
    try:
        step = 10_000_000 * (i + 1)
        while not stop.is_set():
            writer.log({"loss": step * 0.5}, step=step)
            step += 1
            if step % 50 == 0:
                store.get_stats(key, "loss")
                reader.get_stats(key, "loss")
            counts[i] += 1
    except BaseException as error:
        failures.append(error)

threads = [threading.Thread(target=log, args=(i,)) for i in range(2)]
for thread in threads:
    thread.start()
children = []
for i in range(6):
    time.sleep(0.05)
    child = os.fork()
    if not child:
        try:
            for step in range(100_000 * (i + 1), 100_000 * (i + 1) + 50):
                writer.log({"loss": step * 0.5}, step=step)
            assert len(floats(store, key)) >= 150
            assert len(floats(reader, key)) >= 150
        except BaseException:
            os._exit(report())
        os._exit(0)
    children.append(child)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 6
stop.set()
for thread in threads:
    thread.join()
assert not failures, failures
store.close()
acknowledge(counts[0] + counts[1] + 100 + 6 * 50)
"""
    )
    (count,) = finish(script, path, "process")
    with open_store(path) as store:
        (run,) = store.query_runs(RunQuery()).runs
        assert len(read_steps(store, run.key)) == int(count)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(tmp_path: Path, method: str) -> None:
    if method != "spawn" and not sys.platform.startswith("linux"):
        pytest.skip("needs Linux")
    path = tmp_path / "runs.db"
    key = new_run(path)
    script = tmp_path / "main.py"
    script.write_text(
        """
import multiprocessing, sys, warnings
from mooring.store import open_store

def work(path, key, start):
    with open_store(path) as store:
        writer = store.open_writer(key)
        for step in range(start, start + 100):
            writer.log({"loss": step * 0.5}, step=step)

if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)
    path, key, method = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    store = open_store(path)
    writer = store.open_writer(key)
    writer.log({"loss": -0.5}, step=-1)
    context = multiprocessing.get_context(method)
    children = [context.Process(target=work, args=(path, key, i * 100)) for i in range(3)]
    for child in children:
        child.start()
    for step in range(1000, 1100):
        writer.log({"loss": step * 0.5}, step=step)
    for child in children:
        child.join()
        assert child.exitcode == 0
    store.close()
"""
    )
    run = (
        "import subprocess\nsubprocess.run([sys.executable, '-W', 'error', *arguments], check=True)"
    )
    finish(run, path, script, path, key, method)
    with open_store(path) as store:
        assert read_steps(store, key) == [-1, *range(300), *range(1000, 1100)]


# ---- what happens between the snapshot of a fold or seal and its transaction --------------------

PAUSE = """
def pause_in(owner, name):
    # The call acknowledges and waits for the test before it goes on.
    original = getattr(owner, name)
    def paused(self, *args, **kwargs):
        setattr(owner, name, original)
        acknowledge("paused")
        sys.stdin.readline()
        return original(self, *args, **kwargs)
    setattr(owner, name, paused)

from mooring.store.sqlite.database import Database
from mooring.store.sqlite.sealing import Sealer
store = open_store(path)
"""


def test_points_written_in_bulk_while_a_fold_is_computed(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    key = new_run(path)
    with open_store(path) as store:
        store.write_points(key, "loss", steps=range(10), values=[s * 0.5 for s in range(10)])
        store.open_writer(key).log({"loss": 50.0}, step=100)
        fold = PAUSE + "pause_in(Database, 'fold_target')\nstore.query_runs(RunQuery())\n"
        with Child(fold, path) as child:
            assert child.line() == "paused"
            store._read_side.sealer.seal = lambda *_, **__: (0, 0)  # type: ignore[method-assign]
            store._fold = lambda: None  # type: ignore[method-assign]
            store.write_points(key, "loss", steps=range(10, 20), values=[0.5] * 10)
            child.go_on()
            child.finish()
    with open_store(path) as store:
        assert read_steps(store, key) == [*range(20), 100]


def test_a_run_deleted_while_a_fold_is_computed_stays_deleted(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    keys = [new_run(path, "one"), new_run(path, "two")]
    with open_store(path) as store:
        writers = [store.open_writer(key) for key in keys]
        store.list_attributes(None, everything())
        for step in range(50):
            for writer in writers:
                writer.log(
                    {"loss": step * 0.5, "gone" if writer is writers[0] else "x": 1}, step=step
                )
        fold = PAUSE + "pause_in(Database, 'fold_target')\nstore.query_runs(RunQuery())\n"
        with Child(fold, path) as child:
            assert child.line() == "paused"
            store._fold = lambda: None  # type: ignore[method-assign]
            store.delete_runs([keys[0]])
            child.go_on()
            child.finish()
    with open_store(path) as store:
        assert read_steps(store, keys[1]) == list(range(50))
        store.compact()
        segments = list((tmp_path / "runs.db-data" / "segments").iterdir())
        assert len(segments) == 1
        import pyarrow.parquet as pq

        assert set(pq.read_table(segments[0])["run_id"].to_pylist()) == {"two"}
        assert store.check().findings == ()


def everything():  # type: ignore[no-untyped-def]
    from mooring.store import PathSelector

    return PathSelector()


def test_a_cell_set_while_its_row_is_sealed_keeps_its_value(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    key = new_run(path)
    with open_store(path) as store:
        store.open_writer(key).log_events([({"row": i}, None) for i in range(20)])
        store.query_runs(RunQuery())
        seal = PAUSE + "pause_in(Sealer, '_write')\nstore.compact(events=True)\n"
        with Child(seal, path) as child:
            assert child.line() == "paused"
            assert store.set_events(key, "late", "yes") == 20
            child.go_on()
            child.finish()
        assert store.read_events("faults").columns["late"] == ["yes"] * 20
        store.compact(events=True)
        assert store.read_events("faults").columns["late"] == ["yes"] * 20


def test_points_logged_while_a_run_is_sealed_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    key = new_run(path)
    with open_store(path) as store:
        writer = store.open_writer(key)
        for step in range(100):
            writer.log({"loss": step * 0.5}, step=step)
        seal = PAUSE + "pause_in(Sealer, '_write')\nstore.compact()\n"
        with Child(seal, path) as child:
            assert child.line() == "paused"
            for step in range(100, 150):
                writer.log({"loss": step * 0.5}, step=step)
            assert read_steps(store, key) == list(range(150))
            store.compact()  # a second sealer, which is first
            child.go_on()
            child.finish()
        assert read_steps(store, key) == list(range(150))
    assert_clean(path)


def test_an_attribute_deleted_while_it_is_sealed_stays_deleted(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    key = new_run(path)
    with open_store(path) as store:
        writer = store.open_writer(key)
        for step in range(100):
            writer.log({"loss": step * 0.5, "kept": 1.0}, step=step)
        seal = PAUSE + "pause_in(Sealer, '_write')\nstore.compact()\n"
        with Child(seal, path) as child:
            assert child.line() == "paused"
            writer.delete("loss")
            store.query_runs(RunQuery())
            child.go_on()
            child.finish()
        assert read_steps(store, key, "loss") == []
        writer.log({"loss": 0.5}, step=1)
        store.compact()
        assert read_steps(store, key, "loss") == [1]
        assert_all(read_steps(store, key, "kept"), range(100))


def test_a_file_put_again_survives_a_compaction_before_it_is_named(tmp_path: Path) -> None:
    import os
    import time

    path = tmp_path / "runs.db"
    key = new_run(path)
    with open_store(path) as store:
        digest, size = store.put_blob(b"content")
        blob = next((tmp_path / "runs.db-data" / "blobs").rglob(digest))
        long_ago = time.time() - 10**6
        for source in (b"content", blob.open("rb")):
            os.utime(blob, (long_ago, long_ago))
            assert store.put_blob(source) == (digest, size)
            store.compact()
            assert blob.exists()
            if not isinstance(source, bytes):
                source.close()
        store.open_writer(key).assign({"file": FileRef(digest, size)})
        os.utime(blob, (long_ago, long_ago))
        store.compact()
        with store.open_blob(digest) as file:
            assert file.read() == b"content"
