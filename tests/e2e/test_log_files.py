"""Processes write log files together, are killed, and fill a disk; then lines are counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import warnings
from collections import Counter
from pathlib import Path

import pytest

from mooring.tracker import Logger, Reader, Tracker
from tests.e2e.faults.processes import Child, linux_only

NAMESPACE = ["unshare", "-m"] if hasattr(os, "getuid") and os.getuid() == 0 else ["unshare", "-rm"]

WRITE = """
from mooring import Tracker
from pathlib import Path
who, count = int(arguments[0]), int(arguments[1])
tracker = Tracker(
    Tracker.SKIP_INSERT, logs_path=Path(path), jsonl=Path(path) / "rows", on_error="raise"
)
acknowledge("ready")
sys.stdin.readline()
for i in range(count):
    tracker.log({"who": who, "i": i, "text": str(i) * (i % 3000)})
    if i % 10 == 0:
        tracker.logger.experiment({"who": who, "i": i + count, "nested": {"a": [i] * 100}})
    acknowledge(str(i))
tracker.close()
"""


def test_processes_share_a_file(tmp_path: Path) -> None:
    count = 400
    children = [Child(WRITE, tmp_path, who, count) for who in range(4)]
    for child in children:
        assert child.line() == "ready"
    for child in children:
        child.go_on()
    for child in children:
        with child:
            child.finish()
    (file,) = tmp_path.glob("*.log")
    rows = Logger(stdout=False).read_logs(file)
    found = Counter((row["who"], row["i"]) for row in rows)
    numbers = [*range(count), *range(count, 2 * count, 10)]
    assert found == Counter((who, i) for who in range(4) for i in numbers)
    for who in range(4):
        mine = [row["i"] for row in rows if row["who"] == who and row["i"] < count]
        assert mine == list(range(count))
    assert all(row["text"] == str(row["i"]) * (row["i"] % 3000) for row in rows if "text" in row)
    lines = (tmp_path / "rows").read_bytes().splitlines()
    assert Counter((row["who"], row["i"]) for row in map(json.loads, lines)) == found


def test_a_killed_process_loses_no_line(tmp_path: Path) -> None:
    with Child(WRITE, tmp_path, 0, 10**6) as child:
        assert child.line() == "ready"
        child.go_on()
        assert child.line() == "0"
        done = [0, *map(int, child.kill_after(0.4))]
    # another one goes on in the same files
    with Tracker(Tracker.SKIP_INSERT, logs_path=tmp_path, jsonl=tmp_path / "rows") as tracker:
        tracker.log({"who": 1, "i": 0})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the line that the kill cut, if it did
        frames = [Reader.read_logs(tmp_path), Reader.read_jsonl(tmp_path / "rows")]
    for frame in frames:
        assert frame["who"].tolist()[-1] == 1
        mine = frame[(frame["who"] == 0) & (frame["i"] < 10**6)]["i"].tolist()
        assert mine[: len(done)] == done
        assert len(mine) <= len(done) + 1


def test_threads_and_forks_share_a_logger(tmp_path: Path) -> None:
    script = """
from mooring import Tracker
from pathlib import Path
import threading
tracker = Tracker(Tracker.SKIP_INSERT, logs_path=Path(path), on_error="raise")
tracker.log({"who": -1, "i": 0})

def write(who):
    for i in range(200):
        tracker.log({"who": who, "i": i})

threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
for thread in threads:
    thread.start()
children = []
for who in (4, 5):
    child = os.fork()
    if child == 0:
        write(who)
        os._exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
for thread in threads:
    thread.join()
tracker.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", f"import os, sys; path = sys.argv[1]\n{script}", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = Logger(stdout=False).read_logs(tmp_path)
    found = Counter((row["who"], row["i"]) for row in rows)
    assert found == Counter([(-1, 0), *((who, i) for who in range(6) for i in range(200))])


def test_a_reader_beside_a_writer(tmp_path: Path) -> None:
    with Tracker(Tracker.SKIP_INSERT, logs_path=tmp_path, on_error="raise") as tracker:
        tracker.log({"i": 0})
        writer = threading.Thread(
            target=lambda: [tracker.log({"i": i}) for i in range(1, 2000)], daemon=True
        )
        writer.start()
        seen = 0
        while seen < 2000:
            rows = [row["i"] for row in tracker.logger.read_logs()]
            assert rows == list(range(len(rows)))
            assert len(rows) >= seen
            seen = len(rows)
        writer.join()


@pytest.fixture
def small_disk(tmp_path: Path) -> tuple[Path, list[str]]:
    folder = tmp_path / "disk"
    folder.mkdir()
    script = f'mount -t tmpfs -o size=1m none "{folder}" && exec "$@"'
    prefix = [*NAMESPACE, "sh", "-c", script, "sh"]
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot mount a small disk here: {error}")
    return folder, prefix


@linux_only
def test_a_disk_that_fills_and_is_freed(small_disk: tuple[Path, list[str]]) -> None:
    folder, prefix = small_disk
    script = """
import logging, warnings
from mooring import Reader, Tracker
from pathlib import Path
logging.disable()
ballast = Path(path) / "ballast"
ballast.write_bytes(bytes(300_000))
tracker = Tracker(Tracker.IN_MEMORY, logs_path=Path(path) / "logs", jsonl=Path(path) / "rows")

def log(numbers):
    for i in numbers:
        assert tracker.log({"i": i, "text": "x" * 300})["i"] == i

log(range(3000))
lost = tracker.failures["LogNotWritten"]
assert set(tracker.failures) == {"LogNotWritten"}
ballast.unlink()
log(range(3000, 3300))
assert tracker.failures["LogNotWritten"] == lost
assert tracker.to_df()["i"].tolist() == list(range(3300))
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    logs = Reader.read_logs(Path(path) / "logs")["i"].tolist()
    rows = Reader.read_jsonl(Path(path) / "rows")["i"].tolist()
assert len(told) <= 2 and all("1 line could not be read" in str(one.message) for one in told)
assert len(logs) + len(rows) + lost == 2 * 3300, (len(logs), len(rows), lost)
for numbers in (logs, rows):
    assert numbers == sorted(set(numbers)) and numbers[-300:] == list(range(3000, 3300))
acknowledge(str(lost))
"""
    with Child(script, folder, prefix=prefix) as child:
        (lost,) = child.finish()
    assert int(lost) > 0
