"""Runs whose writers live elsewhere are active for as long as these say."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from mooring.errors import InvalidInput
from mooring.model import RunInfo, RunSpec
from mooring.store import Store
from mooring.store.appending import AppendsBatches, Assign, LogPoints
from tests.conformance.store.conftest import Place, taking_batches

ANN, BOB = uuid.uuid4().hex, uuid.uuid4().hex
PATIENCE_S = 30.0


def state(store: Store, run: RunInfo) -> Any:
    return store.get_value(run.key, "sys/state")[1]


def becomes_inactive(store: Store, run: RunInfo) -> bool:
    """Wait until a run is inactive."""
    deadline = time.monotonic() + PATIENCE_S
    while state(store, run) == "active":
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_run_is_active_while_it_is_held(store: Store, afar: AppendsBatches, run: RunInfo) -> None:
    assert state(store, run) == "inactive"
    afar.hold_run(run.key, ANN, seconds=60)
    assert state(store, run) == "active"
    afar.append_batch(run.key, ANN, 1, [Assign({"v": 1})])
    assert state(store, run) == "active"
    for _ in range(2):
        afar.release_run(run.key, ANN)
        assert state(store, run) == "inactive"
    afar.append_batch(run.key, ANN, 2, [Assign({"v": 2})])  # updates alone do not hold a run
    assert state(store, run) == "inactive"


def test_it_becomes_inactive_with_its_last_holder(
    store: Store, afar: AppendsBatches, run: RunInfo
) -> None:
    afar.hold_run(run.key, ANN, seconds=60)
    afar.hold_run(run.key, BOB, seconds=60)
    writer = store.open_writer(run.key)
    for end in (lambda: afar.release_run(run.key, ANN), writer.close):
        end()
        assert state(store, run) == "active"
    afar.release_run(run.key, uuid.uuid4().hex)
    assert state(store, run) == "active"
    afar.release_run(run.key, BOB)
    assert state(store, run) == "inactive"


def test_a_lease_runs_out(store: Store, afar: AppendsBatches, run: RunInfo) -> None:
    other = store.create_run(RunSpec(project="p", run_id="b"))
    afar.hold_run(other.key, ANN, seconds=600)
    afar.hold_run(run.key, ANN, seconds=0.05)
    assert becomes_inactive(store, run)
    assert state(store, other) == "active"
    afar.hold_run(run.key, ANN, seconds=60)
    assert state(store, run) == "active"


def test_a_later_call_makes_it_longer_and_never_shorter(
    store: Store, afar: AppendsBatches, run: RunInfo
) -> None:
    afar.hold_run(run.key, ANN, seconds=0.05)
    afar.hold_run(run.key, ANN, seconds=60)
    afar.hold_run(run.key, ANN, seconds=0.01)
    time.sleep(1.2)  # longer than the time between two looks for leases that ran out
    assert state(store, run) == "active"


def test_batches_renew_a_lease(store: Store, afar: AppendsBatches, run: RunInfo) -> None:
    afar.hold_run(run.key, ANN, seconds=4)
    began = time.monotonic()
    number = 0
    while time.monotonic() - began < 6:
        number += 1
        afar.append_batch(run.key, ANN, number, [LogPoints({"x": 1.0}, None, 0)])
        held = state(store, run)
        time.sleep(0.1)
    assert held == "active"
    assert becomes_inactive(store, run)
    afar.append_batch(run.key, ANN, number + 1, [LogPoints({"x": 1.0}, None, 0)])
    assert state(store, run) == "inactive"


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 10**12])
def test_a_time_that_is_none(
    store: Store, afar: AppendsBatches, run: RunInfo, seconds: float
) -> None:
    with pytest.raises(InvalidInput, match="seconds"):
        afar.hold_run(run.key, ANN, seconds=seconds)
    assert state(store, run) == "inactive"


def test_leases_outlive_the_store_object(place: Place) -> None:
    afar = taking_batches(place.open())
    store = place.opened[0]
    short, long = (store.create_run(RunSpec(project="p", run_id=id)) for id in ("a", "b"))
    afar.hold_run(short.key, ANN, seconds=0.1)
    afar.hold_run(long.key, ANN, seconds=600)
    store.close()
    time.sleep(0.2)
    store = place.open()
    assert state(store, long) == "active"
    assert becomes_inactive(store, short)
    taking_batches(store).release_run(long.key, ANN)
    assert state(store, long) == "inactive"
