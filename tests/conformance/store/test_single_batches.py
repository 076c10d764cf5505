"""Single batches, and what a run has so far: `mooring.store.appending.TakesRequests`."""

from __future__ import annotations

import math

import pytest

from mooring.errors import RunNotFound
from mooring.model import RunInfo, RunSpec
from mooring.store import Store
from mooring.store.appending import Assign, LogPoints, TakesRequests

UPDATES = [Assign({"a": 1}), Assign({"a": "refused"})]


@pytest.fixture
def taking(store: Store) -> TakesRequests:
    if not isinstance(store, TakesRequests):
        pytest.skip("this store takes no single batches: a hub's door does, on its own store")
    return store


@pytest.fixture
def run(store: Store) -> RunInfo:
    return store.create_run(RunSpec(project="p", run_id="r"))


def test_a_batch_is_applied_once(store: Store, taking: TakesRequests, run: RunInfo) -> None:
    assert taking.find_receipt(run.key, "name") is None
    first = taking.append_once(run.key, "name", UPDATES)
    assert [number for number, _ in first.refused] == [2]
    taking.append_once(run.key, "other", [Assign({"a": 7})])
    again = taking.append_once(run.key, "name", UPDATES[:1])
    found = taking.find_receipt(run.key, "name")
    assert found is not None
    for receipt in (again, found):
        assert receipt.last == 2
        assert [str(error) for _, error in receipt.refused] == [str(first.refused[0][1])]
    assert store.get_value(run.key, "a")[1] == 7
    with pytest.raises(RunNotFound):
        taking.append_once(run.key + 1, "name", UPDATES)


def test_ends_are_those_of_final_points(store: Store, taking: TakesRequests, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    writer.log({"x": 1.0, "text": "a"}, step=1)
    writer.log({"x": math.inf}, step=2.5)
    writer.log({"x": 9.0, "y": 9.0}, step=7, preview_completion=0.5)
    writer.assign({"single": 1})
    ends = taking.series_ends(run.key)
    assert ends["x"] == (2_500_000, math.inf)
    assert ends["text"][0] == 1_000_000
    assert math.isnan(ends["text"][1])
    assert ends.keys() == {"x", "text"}


def test_changes_of_a_run_are_seen(store: Store, taking: TakesRequests, run: RunInfo) -> None:
    other = store.create_run(RunSpec(project="p", run_id="other"))
    mark = taking.mark_changes()
    taking.append_once(other.key, "b", [LogPoints({"x": 1.0}, 0, 1)])
    assert not taking.changed_since(run.key, mark)
    store.open_writer(run.key).log({"x": 1.0}, step=1)
    assert taking.changed_since(run.key, mark)
    mark = taking.mark_changes()
    assert not taking.changed_since(run.key, mark)
    store.open_writer(run.key).delete("x")
    assert taking.changed_since(run.key, mark)
