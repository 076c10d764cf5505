"""Any rows go out to a file of xetrack and come back equal, with their runs, times and order."""

from __future__ import annotations

import math
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mooring.exchange.sources.xetrack import import_xetrack
from mooring.exchange.targets.xetrack import export_xetrack
from mooring.model import RunSpec
from mooring.store import open_store
from mooring.store.contract import Store
from mooring.tracker.frames import track_ids

NAMES = st.one_of(
    st.sampled_from(["a", "A", "a b", "a/b", "order", "default", "default_lr", "Timestamp", "1"]),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=80),
).filter(lambda name: name not in ("track_id", "timestamp"))
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.binary(max_size=5),
)
RUNS = st.sampled_from(["calm-heron-0001", "é 'x\"", "0"])
TIMES = st.one_of(
    st.integers(1_700_000_000_000_000, 1_700_000_000_000_005),
    st.integers(0, 4_000_000_000_000_000),
)
ROWS = st.lists(st.tuples(RUNS, TIMES, st.dictionaries(NAMES, CELLS, max_size=5)), max_size=12)
TABLES = st.sampled_from(["local/events", "local/t", "team/default", "local/my table"])


def log(store: Store, project: str, rows: list[tuple[str, int, dict[str, Any]]]) -> None:
    for run_id, time, cells in rows:
        run = store.find_run(project, run_id=run_id) if project in store.list_projects() else None
        run = run or store.create_run(RunSpec(project=project, run_id=run_id))
        with closing(store.open_writer(run.key)) as writer:
            writer.log_events([(cells, time)])


def logged(store: Store, project: str) -> list[tuple[str, int, dict[str, Any]]]:
    table = store.read_events(project)
    columns = table.columns
    return [
        (run, time, {name: cells[row] for name, cells in columns.items()})
        for row, (run, time) in enumerate(
            zip(track_ids(store, table).to_pylist(), table.times.tolist(), strict=True)
        )
    ]


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    return type(one) is type(other) and one == other


@given(st.dictionaries(TABLES, ROWS, min_size=1, max_size=2))
def test_round_trip(tables: dict[str, list[tuple[str, int, dict[str, Any]]]]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(open_store(":memory:")) as store,
        closing(open_store(":memory:")) as other,
    ):
        for project, rows in tables.items():
            log(store, project, rows)
        report = export_xetrack(store, Path(folder) / "new.db")
        assert report.is_complete, report.problems
        back = import_xetrack(Path(folder) / "new.db", other)
        assert back.is_complete, back.problems
        assert import_xetrack(Path(folder) / "new.db", other).rows_added == 0
        for project, rows in tables.items():
            if not rows:
                continue
            sent, received = logged(store, project), logged(other, project)
            assert len(sent) == len(received) == len(rows)
            for (run, time, cells), (run_back, time_back, cells_back) in zip(
                sent, received, strict=True
            ):
                assert (run_back, time_back) == (run, time)
                assert cells_back.keys() == cells.keys()
                assert all(same(cells_back[name], cell) for name, cell in cells.items()), (
                    cells,
                    cells_back,
                )
