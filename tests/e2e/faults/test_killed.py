"""SIGKILL at random instants: what a call returned for is there, and the store is whole."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mooring.errors import RunNotFound
from mooring.model import AttributeType, RunSpec
from mooring.store import PathSelector, SeriesQuery, open_store
from tests.e2e.faults.processes import (
    LONG,
    Child,
    assert_all,
    assert_clean,
    new_run,
    read_steps,
)

ROUNDS = 60 if LONG else 4

LOG = """
store = open_store(path)
key = store.create_run(RunSpec(project="faults", run_id=arguments[0])).key
writer = store.open_writer(key)
acknowledge(key)
for step in range(10**9):
    writer.log({"loss": step * 0.5, "accuracy": -step}, step=step)
    if step % 7 == 0:
        writer.log({"text": f"step {step}"}, step=step)
    acknowledge(step)
"""

FOLD = """
store = open_store(path)
key = store.create_run(RunSpec(project="faults", run_id=arguments[0])).key
writer = store.open_writer(key)
acknowledge(key)
random.seed(arguments[0])
for start in range(0, 10**9, 40):
    block = random.sample(range(start, start + 40), 40)
    for step in block:
        writer.log({"loss": step * 0.5}, step=step)
        acknowledge(step)
    store.get_stats(key, "loss")
"""

SEAL = """
store = open_store(path)
key = store.create_run(RunSpec(project="faults", run_id=arguments[0])).key
writer = store.open_writer(key)
store.compact()
acknowledge(key)
for step in range(10**9):
    writer.log({"loss": step * 0.5}, step=step)
    writer.log_event({"row": step})
    acknowledge(step)
    if step % 20 == 19:
        store.compact(events=True)
"""


@pytest.mark.parametrize("script", [LOG, FOLD, SEAL], ids=["logging", "folding", "sealing"])
def test_acknowledged_points_survive_a_kill(tmp_path: Path, script: str) -> None:
    path = tmp_path / "runs.db"
    chance = random.Random(20)
    for round in range(ROUNDS):
        with Child(script, path, f"run-{round}") as child:
            key = int(child.line())
            acknowledged = map(int, child.kill_after(chance.uniform(0.05, 0.8)))
        with open_store(path) as store:
            if script is SEAL:
                # Its rows of the table make the highest step one of their own, after each point.
                rows = store.read_events("faults", [key]).columns.get("row", [])
                assert_all([int(row) for row in rows], acknowledged)
                continue
            assert_all(read_steps(store, key), acknowledged)
    assert_clean(path)


def test_sealed_points_survive_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    chance = random.Random(21)
    script = SEAL.replace('    writer.log_event({"row": step})\n', "")
    for round in range(ROUNDS):
        with Child(script, path, f"run-{round}") as child:
            key = int(child.line())
            acknowledged = map(int, child.kill_after(chance.uniform(0.1, 1.0)))
        with open_store(path) as store:
            assert_all(read_steps(store, key), acknowledged)
    assert_clean(path)


def test_several_writers_killed_at_once(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    chance = random.Random(22)
    for round in range(ROUNDS // 2):
        scripts = [LOG, LOG, FOLD, SEAL.replace('    writer.log_event({"row": step})\n', "")]
        children = [Child(script, path, f"{round}-{i}") for i, script in enumerate(scripts)]
        keys = [int(child.line()) for child in children]
        chance.shuffle(order := list(range(len(children))))
        acknowledged = {}
        for i in order:
            with children[i] as child:
                acknowledged[i] = list(map(int, child.kill_after(chance.uniform(0.0, 0.3))))
        with open_store(path) as store:
            for i, key in enumerate(keys):
                assert_all(read_steps(store, key), acknowledged[i])
    assert_clean(path)


def test_runs_of_killed_processes_become_inactive(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with Child(LOG, path, "killed") as child:
        key = int(child.line())
        with open_store(path) as store:
            assert store.get_value(key, "sys/state")[1] == "active"
        child.kill_after(0.0)
    with open_store(path) as store:
        assert store.get_value(key, "sys/state")[1] == "inactive"


def test_a_kill_while_the_file_is_made(tmp_path: Path) -> None:
    chance = random.Random(23)
    for round in range(2 * ROUNDS):
        path = tmp_path / f"{round}.db"
        script = "acknowledge('begin')\nopen_store(path)\nacknowledge('made')\ntime.sleep(60)"
        with Child(script, path) as child:
            child.line()
            child.kill_after(chance.uniform(0.0, 0.03))
        key = new_run(path)
        with open_store(path) as store:
            assert store.get_runs([key])[0].run_id == "run"
            assert store.check().ok


DELETE = """
store = open_store(path)
store.query_runs(RunQuery())
acknowledge("ready")
for key in map(int, arguments):
    store.delete_runs([key])
    acknowledge(key)
    if key % 3 == 0:
        store.compact()
time.sleep(60)
"""


def test_a_kill_while_runs_are_deleted(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    chance = random.Random(24)
    for round in range(ROUNDS):
        with open_store(path) as store:
            parents, forks = [], []
            for i in range(12):
                key = store.create_run(RunSpec(project="faults", run_id=f"{round}-{i}")).key
                with_points = store.open_writer(key)
                for step in range(30):
                    with_points.log({"loss": step * 0.5}, step=step)
                with_points.close()
                if i % 2:
                    store.compact()
                fork = RunSpec(project="faults", run_id=f"{round}-{i}-fork", parent=key)
                forks.append(store.create_run(fork).key)
                parents.append(key)
        with Child(DELETE, path, *parents) as child:
            child.line()
            deleted = list(map(int, child.kill_after(chance.uniform(0.0, 0.5))))
        with open_store(path) as store:
            for fork in forks:
                assert read_steps(store, fork) == list(range(30))
            for key in parents:
                try:
                    store.get_runs([key])
                except RunNotFound:
                    assert key in deleted or key == parents[len(deleted)]
                else:
                    assert key not in deleted
                    assert read_steps(store, key) == list(range(30))
    assert_clean(path)


BLOBS = """
store = open_store(path)
key = store.create_run(RunSpec(project="faults", run_id=arguments[0])).key
writer = store.open_writer(key)
acknowledge(key)
random.seed(arguments[0])
for step in range(10**9):
    content = random.randbytes(random.randrange(1, 400_000))
    digest, size = store.put_blob(content)
    writer.log({"picture": FileRef(digest, size, "image/png", f"{step}.png")}, step=step)
    acknowledge(f"{step} {digest} {size}")
"""


def test_a_kill_while_files_are_put(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    chance = random.Random(25)
    for round in range(ROUNDS):
        with Child(BLOBS, path, f"run-{round}") as child:
            key = int(child.line())
            lines = child.kill_after(chance.uniform(0.05, 0.4))
        with open_store(path) as store:
            for line in lines:
                _, digest, size = line.split()
                with store.open_blob(digest) as file:
                    assert len(file.read()) == int(size)
            query = PathSelector(types=frozenset([AttributeType.FILE_SERIES]))
            points = store.read_series([key], query, SeriesQuery())
            digests = [value["digest"] for value in points["value"].to_pylist()]
            assert digests[: len(lines)] == [line.split()[1] for line in lines]
            assert store.check().ok
    assert_clean(path)
    assert not list((tmp_path / "runs.db-data" / "blobs").glob(".tmp-*"))
    with open_store(path) as store:
        store.compact()
        assert store.check().ok
