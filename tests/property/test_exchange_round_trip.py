"""Any store goes out as Parquet and comes back equal: values, steps, times, NaN, bytes, forks."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring.errors import TypeConflict
from mooring.exchange.comparing import compare_runs
from mooring.exchange.exporting import export_runs
from mooring.exchange.importing import import_runs
from mooring.exchange.reports import Outcome
from mooring.exchange.selection import Selection
from mooring.exchange.sources.parquet import ParquetSource
from mooring.exchange.sources.store import StoreSource
from mooring.model import FileRef, Histogram, RunKind, RunSpec
from mooring.store import Store, open_store

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
IDS = st.one_of(
    st.sampled_from(
        ["RUN-1", "a/b", "a.b", "a_b", "A_B", "..", "exp 1/seed=3", "x_part_0", "é" * 99]
    ),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12),
).filter(lambda text: text.strip() != "")
PATHS = st.sampled_from(
    ["loss", "a/b", "a.b", "a_b", "a", "A", "x/y/z", "ü/日本", "con", "n" * 300, "/lead", "trail/"]
)
TIMES = st.integers(0, 4_000_000_000_000_000)
STEPS = st.integers(-(10**12), 10**12) | st.sampled_from([0, 1, -1, 10**17 + 1, 999_999])
FLOATS = st.floats() | st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 1e-310])
VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    FLOATS,
    TEXTS,
    st.frozensets(TEXTS, max_size=3),
    TIMES.map(lambda micros: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)),
    st.binary(max_size=20),
)
HISTOGRAMS = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=5, unique=True).map(
    lambda edges: Histogram(tuple(sorted(edges)), tuple(float(i) for i in range(len(edges) - 1)))
)
POINTS = st.lists(st.tuples(STEPS, TIMES), min_size=1, max_size=5)
SERIES = st.one_of(
    st.tuples(POINTS, st.just(FLOATS)),
    st.tuples(POINTS, st.just(TEXTS)),
    st.tuples(POINTS, st.just(HISTOGRAMS)),
    st.tuples(POINTS, st.just(st.binary(max_size=20))),
)
RUNS = st.fixed_dictionaries(
    {
        "id": IDS,
        "name": st.none() | TEXTS.filter(str.strip),
        "kind": st.sampled_from([RunKind.RUN, RunKind.RUN, RunKind.RUN, *RunKind]),
        "created": TIMES,
        "values": st.dictionaries(PATHS, VALUES, max_size=4),
        "series": st.dictionaries(PATHS, SERIES, max_size=3),
        "tags": st.frozensets(TEXTS, max_size=2),
        "parent": st.none() | st.integers(0, 3),
        "fork_step": STEPS,
        "deletes": st.none() | PATHS,
        "preview": st.none() | FLOATS,
        "trashed": st.booleans(),
    }
)
ROWS = st.lists(
    st.dictionaries(
        st.sampled_from(["loss", "n", "ok", "note"]),
        st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), FLOATS, TEXTS),
        max_size=4,
    ),
    max_size=4,
)
PROJECTS = st.sampled_from(["team/digits", "Ünï/日本", "local/events"])


def fill(
    store: Store, project: str, runs: list[dict[str, Any]], draw: Callable[[Any], Any]
) -> None:
    """Write runs to a store as their descriptions tell."""

    def point(value: Any) -> Any:
        if isinstance(value, bytes):
            digest, size = store.put_blob(value)
            return FileRef(digest, size, draw(st.sampled_from(["image/png", "x/y"])), draw(TEXTS))
        return value

    keys: list[int] = []
    for run in runs:
        if project in store.list_projects() and store.find_run(project, run_id=run["id"]):
            continue
        parent = keys[run["parent"] % len(keys)] if keys and run["parent"] is not None else None
        info = store.create_run(
            RunSpec(
                project=project,
                run_id=run["id"],
                name=run["name"],
                kind=run["kind"],
                created=run["created"],
                parent=parent,
                fork_step=run["fork_step"] if parent is not None else None,
            )
        )
        keys.append(info.key)
        with closing(store.open_writer(info.key)) as writer:
            for path, value in run["values"].items():
                with suppress(TypeConflict):  # a fork inherits a series there
                    writer.assign({path: point(value)})
            writer.change_set("sys/tags", add=run["tags"])
            for path, (points, values) in run["series"].items():
                if path in run["values"]:
                    continue
                for step, time in points:
                    value = point(draw(values))
                    with suppress(TypeConflict):
                        writer.log({path: value}, step=_decimal(step), time=time)
            if run["preview"] is not None:
                writer.log(
                    {"soon": run["preview"]}, step=5, time=run["created"], preview_completion=0.5
                )
            if run["deletes"] is not None:
                writer.delete(run["deletes"])
        if run["trashed"]:
            store.trash_runs([info.key])


def _decimal(micros: int) -> Any:
    from decimal import Decimal

    return Decimal(micros) / 1_000_000


def assert_equal(left: Store, right: Store) -> None:
    """Compare two stores run by run, with everything that exchange knows of them."""
    a, b = StoreSource(left), StoreSource(right)
    assert a.list_projects() == b.list_projects()
    for project in a.list_projects():
        ours = {run.run_id: run for run in a.list_runs(project)}
        theirs = {run.run_id: run for run in b.list_runs(project)}
        assert ours.keys() == theirs.keys()
        for id, run in ours.items():
            same = theirs[id]
            for name in ("kind", "sys_id", "name", "created", "parent", "fork_step", "trashed"):
                assert getattr(run, name) == getattr(same, name), name
            assert not compare_runs(a, run, b, same).differences
            # Aggregates are kept apart from the points, and inherited ones count too.
            for one in a.list_series(run):
                mine, other = (
                    store.get_stats(key, one.path)  # type: ignore[arg-type]
                    for store, key in ((left, run.handle), (right, same.handle))
                )
                assert repr(mine) == repr(other)


@given(st.data())
@settings(max_examples=250 if os.environ.get("MOORING_TEST_PROFILE") == "long" else 30)
@pytest.mark.parametrize("compacted", [False, True])
def test_a_store_comes_back_equal(compacted: bool, data: Any) -> None:
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        with open_store(folder / "a.db") as store, open_store(folder / "b.db") as other:
            for project in data.draw(st.lists(PROJECTS, max_size=2, unique=True)):
                fill(store, project, data.draw(st.lists(RUNS, max_size=4)), data.draw)
            rows = data.draw(ROWS)
            if rows:
                run = store.create_run(RunSpec(project="local/table", run_id="rows"))
                with closing(store.open_writer(run.key)) as writer:
                    for row in rows:
                        writer.log_event(row)
            if compacted:
                store.compact(events=True)
            everything = Selection(archived=True)
            report = export_runs(StoreSource(store), folder / "out", selection=everything)
            assert report.is_complete, report
            if not report.runs:
                return
            source = ParquetSource(folder / "out")
            report = import_runs(source, other, selection=everything, verify=True)
            assert report.is_complete, report
            assert_equal(store, other)
            again = import_runs(ParquetSource(folder / "out"), other, selection=everything)
            assert {run.outcome for run in again.runs} == {Outcome.PRESENT}
            with open_store(folder / "out") as in_place:
                assert in_place.check().ok, in_place.check()
                assert_equal(store, in_place)
            assert other.check().ok, other.check()
