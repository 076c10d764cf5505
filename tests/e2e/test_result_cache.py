"""Processes share a cache folder, and are killed while they store."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from mooring.tracker import Reader
from mooring.tracker.cache.folder import read_cache, scan_cache

STORE = """
import sys
from mooring import Tracker
def compute(number):
    return number.to_bytes(4, "big") * 200_000
with Tracker("track.db", cache="cache", on_error="raise") as tracker:
    print("ready", flush=True)
    for number in range(int(sys.argv[1]), int(sys.argv[2])):
        assert tracker.track(compute, args=[number]) == compute(number)
        print(number, flush=True)
    assert not tracker.failures, tracker.failures
"""


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", STORE, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_processes_share_a_folder(tmp_path: Path) -> None:
    processes = [start(tmp_path, "0", "15") for _ in range(3)]
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    arguments = [entry.arguments for _, entry in scan_cache(tmp_path / "cache")]
    assert sorted(arguments) == sorted(f"[{number}] {{}}" for number in range(15))
    with Reader(tmp_path / "track.db") as reader:
        frame = reader.to_df()
    assert Counter(frame["args"]) == {f"[{number}]": 3 for number in range(15)}
    computed = frame[frame["cache"] == ""]
    assert set(computed["args"]) == set(frame["args"])
    # who hits names a run that computed the same call
    computed_by = set(zip(computed["args"], computed["track_id"], strict=True))
    hits = frame[frame["cache"] != ""]
    assert set(zip(hits["args"], hits["cache"], strict=True)) <= computed_by


@pytest.mark.parametrize("stored", [0, 1, 4])
def test_killed_while_storing(tmp_path: Path, stored: int) -> None:
    process = start(tmp_path, "0", "1000000")
    assert process.stdout is not None
    for _ in range(stored + 1):
        process.stdout.readline()
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    folder = tmp_path / "cache"
    with closing(sqlite3.connect(folder / "cache.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    entries = list(scan_cache(folder))
    assert len(entries) >= stored
    with Reader(tmp_path / "track.db") as reader:
        rows = len(reader) if stored else 0
    assert stored == 0 or rows >= len(entries)  # the row is written first
    for key, entry in entries:
        found = read_cache(folder, key)
        assert found is not None
        number = int(entry.arguments.removeprefix("[").removesuffix("] {}"))
        assert found["result"] == number.to_bytes(4, "big") * 200_000
    # and another goes on where it ended
    process = start(tmp_path, "0", str(stored + 1))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    with Reader(tmp_path / "track.db") as reader:
        assert int((reader.latest()["cache"] != "").sum()) >= stored
