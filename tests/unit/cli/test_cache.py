"""`cache ls` and `cache delete`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mooring import Tracker


@pytest.fixture
def cache() -> str:
    for track_id, numbers in (("first-run", (1, 2)), ("second-run", (3,))):
        with Tracker(Tracker.IN_MEMORY, track_id=track_id, cache="results") as tracker:
            for number in numbers:
                assert tracker.track(pow, args=[number, 2]) == number**2
    return "results"


def test_ls(mooring: Any, cache: str) -> None:
    rows = json.loads(mooring("cache", "ls", cache, "--json").stdout)
    assert [row["track_id"] for row in rows] == ["first-run", "first-run", "second-run"]
    assert all(row["function"].endswith("pow") and row["size_bytes"] > 0 for row in rows)
    assert len({row["key"] for row in rows}) == 3


def test_delete(mooring: Any, cache: str) -> None:
    done = mooring("cache", "delete", cache, "first-run", "--dry-run")
    assert (done.exit_code, "would delete 2 results" in done.stderr) == (0, True)
    assert "deleted 2 results" in mooring("cache", "delete", cache, "first-run").stderr
    rows = json.loads(mooring("cache", "ls", cache, "--json").stdout)
    assert [row["track_id"] for row in rows] == ["second-run"]
    assert "deleted 0 results" in mooring("cache", "delete", cache, "first-run").stderr


def test_missing_folder_stays_missing(mooring: Any, tmp_path: Path) -> None:
    for arguments in (("ls", "nowhere"), ("delete", "nowhere", "first-run")):
        done = mooring("cache", *arguments)
        assert (done.exit_code, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
