"""How many bytes what takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring import File, Run, Tracker, open_store
from mooring.store import Store
from mooring.store.usage import DiskUsage, MeasuresUsage, UsageBy


def _measure(store: Store, by: UsageBy = "project") -> DiskUsage:
    assert isinstance(store, MeasuresUsage)
    return store.measure_usage(by)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = open_store(tmp_path / "runs.db")
    for run_id, points in (("long", 3_000), ("short", 10)):
        with Run("team/a", store=opened, run_id=run_id, on_error="raise") as run:
            for i in range(points):
                run.log({"loss": i / 7, "gain": i / 3}, step=i)
            run["weights"] = File(b"w" * 5_000)
            run.log({"image": File(b"i" * 100)}, step=1)
            run.log({"image": File(b"k" * 70)}, step=2)
    with Tracker(opened, track_id="rows", on_error="raise") as tracker:
        tracker.log_batch([{"loss": i / 7} for i in range(500)])
    return opened


def test_files_are_exact(store: Store, tmp_path: Path) -> None:
    usage = _measure(store)
    parts = {part.project: part for part in usage.parts}
    assert parts["team/a"].file_bytes == 2 * (5_000 + 170)  # of each run that has them
    assert usage.file_bytes == 5_000 + 170  # but once on the disk
    names = [f"runs.db{suffix}" for suffix in ("", "-wal", "-shm")]
    files = [tmp_path / name for name in names]
    assert usage.database_bytes == sum(file.stat().st_size for file in files if file.exists())


@pytest.mark.parametrize("sealed", [False, True])
def test_shares_add_up_whatever_is_told_apart(store: Store, sealed: bool) -> None:
    if sealed:
        store.compact(events=True)
    by_project, by_run, by_attribute = (
        _measure(store, "project"),
        _measure(store, "run"),
        _measure(store, "attribute"),
    )
    total = sum(part.total_bytes for part in by_project.parts)
    assert sum(part.total_bytes for part in by_run.parts) == pytest.approx(total, abs=20)
    assert sum(part.total_bytes for part in by_attribute.parts) == pytest.approx(total, abs=20)
    if sealed:
        shares = sum(part.segment_bytes for part in by_project.parts)
        assert shares == pytest.approx(by_project.segment_bytes, abs=20)
    else:
        assert by_project.segment_bytes == 0


def test_largest_comes_first(store: Store) -> None:
    store.compact()
    runs = [part.run for part in _measure(store, "run").parts if part.project == "team/a"]
    assert runs == ["long", "short"]
    parts = [p for p in _measure(store, "attribute").parts if p.project == "team/a"]
    assert {part.attribute for part in parts} >= {"loss", "gain", "weights", "image"}
    sizes = [part.total_bytes for part in parts]
    assert sizes == sorted(sizes, reverse=True)


def test_rows_of_a_table_belong_to_no_attribute(store: Store) -> None:
    parts = {
        part.attribute: part
        for part in _measure(store, "attribute").parts
        if part.project == "local/events"
    }
    assert parts[""].log_bytes > 500 * 10
    store.compact(events=True)
    (rows,) = (p for p in _measure(store, "attribute").parts if p.attribute == "")
    assert (rows.log_bytes, rows.segment_bytes > 0) == (0, True)


def test_a_store_that_is_only_read_can_tell(store: Store, tmp_path: Path) -> None:
    expected = _measure(store, "run").parts
    reader = open_store(tmp_path / "runs.db", read_only=True)
    assert _measure(reader, "run").parts == expected
    reader.close()


def test_deleted_runs_take_nothing(store: Store) -> None:
    found = store.find_run("team/a", run_id="long")
    assert found is not None
    store.delete_runs([found.key])
    assert {part.run for part in _measure(store, "run").parts} == {"short", "rows"}
