"""SIGKILL while batches are applied; then the whole stream again: each update exactly once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mooring.model import RunSpec
from mooring.store import open_store
from tests.e2e.faults.processes import LONG, Child, assert_clean, read_steps

ROUNDS = 40 if LONG else 4
UPDATES = 400
SIZE = 7

SEND = """
from mooring.store.appending import *
key, writer, updates, size = int(arguments[0]), arguments[1], int(arguments[2]), int(arguments[3])

def update(number):
    if number % 3 == 0:
        return LogRows([({"row": number}, number), ({"row": -number}, number)])
    if number % 50 == 1:
        return Assign({"sys/id": "refused"})
    return LogPoints({"loss": number * 0.5, f"metric/{number % 20}": 1.0}, number * 10**6, number)

store = open_store(path)
store.hold_run(key, writer, seconds=600)
acknowledge("ready")
for first in range(1, updates + 1, size):
    batch = [update(number) for number in range(first, min(first + size, updates + 1))]
    receipt = store.append_batch(key, writer, first, batch)
    numbers = range(first, first + len(batch))
    refused = [number for number in numbers if number % 50 == 1 and number % 3]
    assert [number for number, _ in receipt.refused] == refused, receipt
    acknowledge(receipt.last)
    if arguments[4] == "seal" and first % 5 == 0:
        store.compact(events=True)
if arguments[5:]:
    time.sleep(60)  # until it is killed
store.release_run(key, writer)
"""


@pytest.mark.parametrize("manner", ["plain", "seal"])
def test_each_update_is_applied_once(tmp_path: Path, manner: str) -> None:
    path = tmp_path / "runs.db"
    chance = random.Random(30)
    for round in range(ROUNDS):
        with open_store(path) as store:
            run = store.create_run(RunSpec(project="faults", run_id=f"run-{round}"))
        arguments = (run.key, f"writer-{round}", UPDATES, SIZE, manner)
        known = 0
        for _ in range(3):  # killed several times, each time it begins from number 1
            with Child(SEND, path, *arguments, "wait") as child:
                assert child.line() == "ready"
                acknowledged = child.kill_after(chance.uniform(0.0, 0.08))
            known = max([known, *map(int, acknowledged)])
            with open_store(path) as store:
                applied = store.last_applied(run.key, f"writer-{round}")  # type: ignore[attr-defined]
                assert applied >= known
                assert applied % SIZE in (0, UPDATES % SIZE)  # whole batches only
                known = applied
        with Child(SEND, path, *arguments) as child:
            assert child.finish()[-1] == str(UPDATES)
        with open_store(path) as store:
            rows = store.read_events("faults", [run.key]).columns["row"]
            numbers = range(1, UPDATES + 1)
            assert rows == [sign * n for n in numbers if n % 3 == 0 for sign in (1, -1)]
            assert read_steps(store, run.key) == [n for n in numbers if n % 3 and n % 50 != 1]
            assert store.get_value(run.key, "sys/state")[1] == "inactive"
            if manner == "seal":
                store.compact(events=True)
                assert store.read_events("faults", [run.key]).columns["row"] == rows
    assert_clean(path)


def test_two_processes_that_send_the_same_are_killed(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    chance = random.Random(31)
    for round in range(max(1, ROUNDS // 2)):
        with open_store(path) as store:
            run = store.create_run(RunSpec(project="faults", run_id=f"run-{round}"))
        arguments = (run.key, "the-one", UPDATES, SIZE, "plain")
        with Child(SEND, path, *arguments, "wait") as one, Child(SEND, path, *arguments) as two:
            assert [one.line(), two.line()] == ["ready", "ready"]
            one.kill_after(chance.uniform(0.0, 0.08))
            assert two.finish()[-1] == str(UPDATES)
        with open_store(path) as store:
            rows = store.read_events("faults", [run.key]).columns["row"]
            assert rows == [sign * n for n in range(3, UPDATES + 1, 3) for sign in (1, -1)]
            assert len(read_steps(store, run.key)) == sum(
                n % 3 != 0 and n % 50 != 1 for n in range(1, UPDATES + 1)
            )
    assert_clean(path)
