"""However updates are cut into batches and repeated, what is left is the run of one writer."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import InvalidInput, MooringError
from mooring.model import STEP_SCALE, RunSpec
from mooring.store import PathSelector, RunWriter, SeriesQuery, Store, open_store
from mooring.store.appending import (
    AppendsBatches,
    Assign,
    ChangeSet,
    Delete,
    LogPoints,
    LogRows,
    LogSteps,
    Update,
)
from mooring.store.contract import Durability
from tests.conformance.store.reading import FLOATS, STRINGS, plain

NOON = 1_767_614_400_000_000
WRITER = "a" * 32

names = st.sampled_from(["x", "y", "v", "set", "sys/tags", "sys/id", ""])
numbers = st.floats() | st.integers(-5, 5) | st.just(2**70)
texts = st.sampled_from(["", "a", "é", "\ud800"])
times = st.integers(NOON, NOON + 10**7) | st.sampled_from([2**62])
steps = st.none() | st.integers(-4, 12).map(lambda n: n * STEP_SCALE // 2)
cells = st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | texts


def _log_steps(paths: list[str], rows: list[tuple[int, float]], time: int) -> LogSteps:
    values = [[value + place for place in range(len(paths))] for _, value in rows]
    return LogSteps(
        tuple(paths),
        np.array(values, np.float64).reshape(len(rows), len(paths)),
        np.array([step * STEP_SCALE for step, _ in rows], np.int64),
        np.full(len(rows), time, np.int64),
    )


updates = st.one_of(
    st.builds(LogPoints, st.dictionaries(names, numbers | texts, max_size=3), steps, times),
    st.builds(
        LogPoints, st.dictionaries(names, numbers, max_size=2), steps, times, st.floats(0, 1)
    ),
    st.builds(
        _log_steps,
        st.lists(names, min_size=1, max_size=3, unique=True),
        st.lists(st.tuples(st.integers(-4, 12), st.floats()), max_size=4),
        times,
    ),
    st.builds(
        LogRows,
        st.lists(
            st.tuples(st.dictionaries(st.sampled_from(["row", "cell"]), cells), times), max_size=3
        ),
    ),
    st.builds(Assign, st.dictionaries(names, numbers | texts | st.booleans(), max_size=2)),
    st.builds(ChangeSet, names, st.lists(texts, max_size=2), st.lists(texts, max_size=2)),
    st.builds(Delete, names),
)


def write(writer: RunWriter, update: Update) -> None:
    """Make the call that an update stands for."""
    match update:
        case LogPoints(values, step, time, preview):
            exact = None if step is None else step / STEP_SCALE
            writer.log(values, step=exact, time=time, preview_completion=preview)
        case LogSteps(paths, table, steps, times):
            for step, time, row in zip(steps.tolist(), times.tolist(), table.tolist(), strict=True):
                values = dict(zip(paths, row, strict=True))
                writer.log(values, step=step / STEP_SCALE, time=time)
        case LogRows(rows):
            writer.log_events(rows)
        case Assign(values):
            writer.assign(values)  # type: ignore[arg-type]
        case ChangeSet(path, add, remove):
            writer.change_set(path, add=add, remove=remove)
        case Delete(path):
            writer.delete(path)


def held(store: Store, project: str, key: int) -> dict[str, Any]:
    """Return all that a run holds, less its identity and the times that the store gave."""
    result: dict[str, Any] = {}
    for type in (FLOATS, STRINGS):
        query = SeriesQuery(include_previews=type is FLOATS)
        table = store.read_series([key], PathSelector(types=frozenset({type})), query)
        result[type] = plain(table.drop_columns(["run"]).to_pydict())
    rows = store.read_events(project, [key])
    result["rows"] = (rows.times.tolist(), plain(dict(rows.columns)))
    result["attributes"] = {
        (column.path, column.type): plain(list(column.values))
        for column in store.read_attributes([key], PathSelector())
        if column.path == "sys/tags" or not column.path.startswith("sys/")
    }
    return result


@given(
    st.lists(updates, max_size=25),
    st.lists(st.tuples(st.integers(0, 25), st.integers(0, 8), st.integers(0, 1)), max_size=12),
    st.integers(1, 9),
)
def test_batches_leave_what_one_writer_leaves(
    stream: list[Update], attempts: list[tuple[int, int, int]], size: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        path = Path(folder) / "runs.db"
        stores = [
            stack.enter_context(open_store(path, durability=Durability.RELAXED))  # type: ignore[attr-defined]
            for _ in range(2)
        ]
        by_one = stores[0].create_run(RunSpec(project="one"))
        by_many = stores[0].create_run(RunSpec(project="many"))
        refused = {}
        with_one = stores[0].open_writer(by_one.key)
        for number, update in enumerate(stream, 1):
            try:
                write(with_one, update)
            except MooringError as error:
                refused[number] = str(error)
        with_one.close()

        last = 0
        told: dict[int, str] = {}
        for start, length, which in attempts:
            afar = stores[which]
            assert isinstance(afar, AppendsBatches)
            batch = stream[start : start + length]
            if start > last:
                with pytest.raises(InvalidInput):
                    afar.append_batch(by_many.key, WRITER, start + 1, batch)
            else:
                receipt = afar.append_batch(by_many.key, WRITER, start + 1, batch)
                last = max(last, start + len(batch))
                assert receipt.last == last
                told.update((number, str(error)) for number, error in receipt.refused)
            assert afar.last_applied(by_many.key, WRITER) == last
        for start in range(0, len(stream), size):
            afar = stores[start % 2]
            assert isinstance(afar, AppendsBatches)
            batch = stream[start : start + size]
            receipt = afar.append_batch(by_many.key, WRITER, start + 1, batch)
            told.update((number, str(error)) for number, error in receipt.refused)
        assert told == refused
        for store in stores:
            assert held(store, "many", by_many.key) == held(store, "one", by_one.key)
        stores[0].compact(events=True)
        assert held(stores[1], "many", by_many.key) == held(stores[1], "one", by_one.key)
