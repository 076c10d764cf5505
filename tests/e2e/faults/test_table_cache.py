"""The files of parsed rows beside the log: never needed, never believed against the log."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mooring import Tracker, open_store
from mooring.store import Store
from mooring.store.sqlite import events

ROWS = 30


@pytest.fixture(autouse=True)
def _few_rows_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "CACHED_ROWS", 10)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "runs.db"
    fill(path, range(ROWS))
    assert read(path) == list(range(ROWS))
    assert len(files(path)) == 1
    return path


def fill(path: Path, values: range) -> None:
    with Tracker(path, track_id="a", on_error="raise") as tracker:
        tracker.log_batch([{"x": value, "text": "…"} for value in values])


def files(path: Path) -> list[Path]:
    return sorted((path.parent / f"{path.name}-data" / "tables").glob("*"))


def read(path: Path) -> list[int]:
    with open_store(path, create=False) as store:
        return xs(store)


def xs(store: Store) -> list[int]:
    return store.read_events("events").columns["x"]


def test_new_rows_follow_the_cached_ones(path: Path) -> None:
    fill(path, range(ROWS, ROWS + 5))
    assert read(path) == list(range(ROWS + 5))
    assert len(files(path)) == 1  # five rows are not worth a file
    fill(path, range(ROWS + 5, ROWS + 20))
    assert read(path) == list(range(ROWS + 20))
    assert len(files(path)) == 2


def test_many_files_become_one(path: Path) -> None:
    for i in range(20):
        fill(path, range(ROWS + 10 * i, ROWS + 10 * i + 10))
        assert read(path) == list(range(ROWS + 10 * i + 10))
    assert len(files(path)) <= 17


def test_a_process_uses_what_another_cached(path: Path) -> None:
    # Believed as long as its last row is that of the log: this is how we see that it is used.
    (file,) = files(path)
    other = path.parent / "other.db"
    fill(other, range(100, 100 + ROWS))
    assert read(other) == list(range(100, 100 + ROWS))
    (planted,) = files(other)
    file.write_bytes(planted.read_bytes())
    assert read(path) == list(range(100, 100 + ROWS))


def test_damaged_files_are_not_used(path: Path) -> None:
    (file,) = files(path)
    content = file.read_bytes()
    for damaged in (b"", content[:-30], content[: len(content) // 2], b"\0" * len(content)):
        file.write_bytes(damaged)
        assert read(path) == list(range(ROWS))
    for at in range(4, len(content), 97):
        file.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        assert read(path) == list(range(ROWS))


def test_files_that_vanish(path: Path) -> None:
    shutil.rmtree(files(path)[0].parent)
    assert read(path) == list(range(ROWS))


def test_changes_in_place_are_seen(path: Path) -> None:
    with Tracker(path, track_id="a", on_error="raise") as tracker, open_store(path) as other:
        assert xs(other) == list(range(ROWS))
        tracker.set_value("x", 7)
        assert xs(other) == xs(tracker.store) == [7] * ROWS
    assert read(path) == [7] * ROWS
    assert len(files(path)) == 1  # the file of the former rows has gone


def test_a_restored_backup_is_not_mixed_with_what_came_after_it(path: Path) -> None:
    backup = path.parent / "backup.db"
    shutil.copy(path, backup)
    fill(path, range(ROWS, 2 * ROWS))
    assert read(path) == list(range(2 * ROWS))
    shutil.copy(backup, path)  # the folder beside it stays, as after a careless restore
    assert read(path) == list(range(ROWS))
    fill(path, range(500, 500 + 2 * ROWS))
    assert read(path) == [*range(ROWS), *range(500, 500 + 2 * ROWS)]


def test_a_store_made_anew_does_not_see_the_old_rows(path: Path) -> None:
    path.unlink()
    fill(path, range(1000, 1000 + ROWS))
    assert read(path) == list(range(1000, 1000 + ROWS))


def test_sealing_and_deletion(path: Path) -> None:
    with open_store(path) as store:
        assert xs(store) == list(range(ROWS))
        store.compact(events=True)
        assert xs(store) == list(range(ROWS))
    assert files(path) == []
    fill(path, range(ROWS, ROWS + 12))
    assert read(path) == list(range(ROWS + 12))
    with open_store(path) as store:
        run = store.find_run("events", run_id="a")
        assert run is not None
        store.delete_runs([run.key])
        assert len(store.read_events("events")) == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_cannot_be_written(path: Path) -> None:
    folder = files(path)[0].parent
    files(path)[0].unlink()
    folder.chmod(0o500)
    try:
        assert read(path) == list(range(ROWS))
    finally:
        folder.chmod(0o700)


def test_a_folder_that_is_a_file(path: Path) -> None:
    folder = files(path)[0].parent
    shutil.rmtree(folder)
    folder.write_text("in the way")
    assert read(path) == list(range(ROWS))
