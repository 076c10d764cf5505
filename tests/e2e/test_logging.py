"""Real processes log, fork, fail and are killed; then what they logged is counted."""

from __future__ import annotations

import ast
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from mooring.model import AttributeType, RunInfo
from mooring.store import open_store
from mooring.store.contract import PathSelector, RunQuery, SeriesQuery, Store
from mooring.tracker import Reader, Run, Tracker


def start(code: str, folder: Path, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def finish(process: subprocess.Popen[str], *, code: int = 0) -> tuple[str, str]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    return out, err


def only_run(store: Store) -> RunInfo:
    (run,) = store.query_runs(RunQuery()).runs
    return run


def steps(store: Store, run: RunInfo, path: str) -> list[int]:
    select = PathSelector(paths=(path,), types=frozenset({AttributeType.FLOAT_SERIES}))
    table = store.read_series([run.key], select, SeriesQuery())
    return [step // 1_000_000 for step in table["step"].to_pylist()]


def test_an_exception_in_a_block_is_kept(tmp_path: Path) -> None:
    code = """
from mooring import Run
with Run("p", store="runs.db") as run:
    run.log({"loss": 0.5}, step=1)
    raise RuntimeError("out of luck")
"""
    _, err = finish(start(code, tmp_path), code=1)
    assert err.rstrip().endswith("RuntimeError: out of luck")
    store = open_store(str(tmp_path / "runs.db"))
    run = only_run(store)
    assert store.get_value(run.key, "sys/failed")[1] is True
    assert store.get_value(run.key, "sys/state")[1] == "inactive"
    assert "RuntimeError: out of luck" in store.get_value(run.key, "monitoring/traceback")[1]
    assert steps(store, run, "loss") == [1]
    store.close()


@pytest.mark.parametrize(
    ("ending", "code", "failed"),
    [
        ("raise RuntimeError('out of luck')", 1, True),
        ("", 0, False),
        ("raise SystemExit", 0, False),
    ],
)
def test_a_run_that_nobody_closes(tmp_path: Path, ending: str, code: int, failed: bool) -> None:
    script = f"""
from mooring import Run, Tracker
run = Run("p", store="runs.db")
tracker = Tracker("track.db")
run.log({{"loss": 0.5}}, step=1)
tracker.log({{"loss": 0.5}})
{ending}
"""
    finish(start(script, tmp_path), code=code)
    for name in ("runs.db", "track.db"):
        store = open_store(str(tmp_path / name))
        run = only_run(store)
        assert store.get_value(run.key, "sys/state")[1] == "inactive"
        assert store.get_value(run.key, "sys/failed")[1] is failed
        if failed:
            assert "out of luck" in store.get_value(run.key, "monitoring/traceback")[1]
        store.close()


def test_an_interrupt_marks_the_run_failed(tmp_path: Path) -> None:
    code = """
import time
from mooring import Run
with Run("p", store="runs.db") as run:
    run.log({"loss": 0.5}, step=1)
    print("ready", flush=True)
    time.sleep(60)
"""
    process = start(code, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    store = open_store(str(tmp_path / "runs.db"))
    run = only_run(store)
    assert store.get_value(run.key, "sys/failed")[1] is True
    assert "KeyboardInterrupt" in store.get_value(run.key, "monitoring/traceback")[1]
    store.close()


KILLED = """
import os
from mooring import Run, Tracker
run = Run("p", store="store.db", run_id="r")
tracker = Tracker("store.db", track_id="t")
told = os.open("told", os.O_WRONLY | os.O_CREAT)
for n in range(1_000_000):
    run.log({"loss": float(n), "acc": n / 2}, step=n)
    tracker.log({"n": n, f"column{n % 20}": n})
    os.write(told, b".")
"""


@pytest.mark.parametrize("least", [1, 137, 5000])
def test_sigkill_loses_nothing_that_returned(tmp_path: Path, least: int) -> None:
    process = start(KILLED, tmp_path)
    told = tmp_path / "told"
    while process.poll() is None and not (told.exists() and told.stat().st_size >= least):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    logged = told.stat().st_size
    assert logged >= least
    store = open_store(str(tmp_path / "store.db"))
    run = store.find_run("local/p", run_id="r")
    assert run is not None
    for path in ("loss", "acc"):
        found = steps(store, run, path)
        assert found == list(range(len(found)))
        assert logged <= len(found) <= logged + 1
    rows = Reader(store).to_df()
    assert rows["n"].tolist() == list(range(len(rows)))
    assert logged <= len(rows) <= logged + 1
    store.close()
    with Tracker(tmp_path / "store.db", track_id="t") as tracker:
        tracker.log({"n": -1})
        assert tracker["n"].tolist()[-1] == -1


def test_a_forked_child_logs_to_the_same_run(tmp_path: Path) -> None:
    code = """
import os, sys
from mooring import Run, Tracker
run = Run("p", store="runs.db", run_id="r")
tracker = Tracker("runs.db", track_id="t")
run.log({"parent": 1.0}, step=0)
tracker.log({"who": "parent"})
children = []
for child in range(3):
    pid = os.fork()
    if pid == 0:
        for n in range(100):
            run.log({f"child{child}": float(n)}, step=n)
            tracker.log({"who": f"child{child}"})
        sys.exit(0)
    children.append(pid)
for n in range(100):
    run.log({"parent": 1.0}, step=n)
assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
assert run.store.get_value(run.info.key, "sys/state")[1] == "active"
run.log({"parent": 1.0}, step=100)
run.close()
tracker.close()
"""
    finish(start(code, tmp_path))
    store = open_store(str(tmp_path / "runs.db"))
    run = store.find_run("local/p", run_id="r")
    assert run is not None
    assert steps(store, run, "parent") == list(range(101))
    for child in range(3):
        assert steps(store, run, f"child{child}") == list(range(100))
    counts = Reader(store).to_df()["who"].value_counts().to_dict()
    assert counts == {"parent": 1, "child0": 100, "child1": 100, "child2": 100}
    assert store.get_value(run.key, "sys/state")[1] == "inactive"
    store.close()


def test_processes_that_log_new_columns_into_one_table(tmp_path: Path) -> None:
    code = """
import sys
from mooring import Tracker
tracker = Tracker("track.db", on_error="raise")
print("ready", flush=True)
sys.stdin.readline()
for n in range(300):
    tracker.log({"worker": int(sys.argv[1]), "n": n, "a": 0.5, f"new{sys.argv[1]}{n % 7}": n})
tracker.close()
"""
    workers = [start(code, tmp_path, str(n), stdin=subprocess.PIPE) for n in range(4)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline().strip() == "ready"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        finish(worker)
    frame = Reader.read_db(tmp_path / "track.db")
    assert len(frame) == 1200
    assert frame["track_id"].nunique() == 4
    for _, rows in frame.groupby("worker"):
        assert rows["n"].tolist() == list(range(300))


def test_processes_that_share_one_run(tmp_path: Path) -> None:
    code = """
import sys
from mooring import Run
with Run("p", store="runs.db", run_id="ddp", resume="allow", on_error="raise") as run:
    run["rank"].append(float(sys.argv[1]))
    for n in range(200):
        run.log({f"rank{sys.argv[1]}/loss": float(n)}, step=n)
"""
    for worker in [start(code, tmp_path, str(n)) for n in range(4)]:
        finish(worker)
    store = open_store(str(tmp_path / "runs.db"))
    run = only_run(store)
    for rank in range(4):
        assert steps(store, run, f"rank{rank}/loss") == list(range(200))
    assert store.get_stats(run.key, "rank").count == 4
    store.close()


def test_threads_of_one_run(tmp_path: Path) -> None:
    with Run("p", store=tmp_path / "runs.db", on_error="raise") as run:

        def work(worker: int) -> None:
            for n in range(200):
                run.log({f"w{worker}": n, "nested": {"x": 1}}, step=n)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for worker in range(4):
            assert steps(run.store, run.info, f"w{worker}") == list(range(200))


def test_what_was_not_written_is_said_at_the_end(tmp_path: Path) -> None:
    code = """
from mooring import Run
with Run("p", store="runs.db", run_id="r") as run:
    for n in range(10):
        run.log({"loss": float(n), "model": object()}, step=n)
    run.log({"loss": "text"}, step=10)
"""
    _, err = finish(start(code, tmp_path))
    lines = err.strip().split("\n")
    assert len(lines) == 3
    assert lines[0].startswith("run local/p/r: not written: 'model' is a object")
    assert "TypeConflict" in lines[1]
    assert lines[2].startswith("run local/p/r: 11 values were not written: 10 InvalidValue (")
    assert "; 1 TypeConflict (" in lines[2]
    store = open_store(str(tmp_path / "runs.db"))
    assert steps(store, only_run(store), "loss") == list(range(10))
    store.close()


def test_training_goes_on_when_the_store_is_gone(tmp_path: Path) -> None:
    code = """
import ast
import os
from mooring import Run
run = Run("p", store="runs.db", run_id="r")
run.log({"loss": 0.0}, step=0)
run.store.close()
for n in range(5):
    run.log({"loss": float(n), "acc": 1.0}, step=n)
    run["x"] = n
print("trained")
run.finish()
"""
    out, err = finish(start(code, tmp_path))
    assert out.strip() == "trained"
    assert "15 values were not written: 15 StoreClosed" in err


def test_training_goes_on_when_the_disk_is_full(tmp_path: Path) -> None:
    code = """
import resource, signal
from mooring import Run
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
run = Run("p", store="runs.db", run_id="r")
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
for n in range(5_000):
    run.log({f"m{k}": float(n) for k in range(50)}, step=n)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
run.log({"after": 1.0}, step=5_000)
print(run.failures)
run.finish()
"""
    out, err = finish(start(code, tmp_path))
    (lost,) = ast.literal_eval(out).values()
    assert lost % 50 == 0
    assert 0 < lost < 5_000 * 50
    assert f"{lost} values were not written" in err
    store = open_store(str(tmp_path / "runs.db"))
    run = only_run(store)
    written = steps(store, run, "m0")
    assert len(written) == 5_000 - lost // 50
    assert written == steps(store, run, "m49")
    assert steps(store, run, "after") == [5_000]
    store.close()


@pytest.mark.parametrize("durability", ["process", "power", "relaxed"])
def test_durability(tmp_path: Path, durability: Any) -> None:
    with Run("p", store=tmp_path / "runs.db", durability=durability, on_error="raise") as run:
        for n in range(50):
            run.log({"loss": float(n)}, step=n)
        assert steps(run.store, run.info, "loss") == list(range(50))
    store = open_store(str(tmp_path / "runs.db"))
    assert steps(store, only_run(store), "loss") == list(range(50))
    store.close()


def test_training_goes_on_while_the_file_is_locked(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "runs.db"), timeout_s=0.05)
    run, tracker = Run("p", store=store), Tracker(store)
    run.log({"loss": 0.0}, step=0)
    tracker.log({"x": 0})
    other = sqlite3.connect(tmp_path / "runs.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    run.log({"loss": 1.0, "acc": 1.0}, step=1)
    assert tracker.log({"x": 1}) == {}
    assert tracker.log_batch([{"x": 1}, {"x": 2}]) == {}
    other.execute("ROLLBACK")
    other.close()
    run.log({"loss": 2.0}, step=2)
    tracker.log({"x": 3})
    assert run.failures == {"StoreLocked": 2}
    assert tracker.failures == {"StoreLocked": 3}
    assert steps(store, run.info, "loss") == [0, 2]
    assert tracker["x"].tolist() == [0, 3]
    run.close()
    tracker.close()
    store.close()
