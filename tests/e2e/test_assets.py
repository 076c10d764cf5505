"""Processes that log objects or copy tables are killed; then what is left is looked at."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mooring.store import open_store
from mooring.tracker import Reader, Tracker, copy
from tests.e2e.faults.processes import age_files, linux_only

pytestmark = linux_only

LOGGING = """
import os, signal, sys
import numpy as np
from mooring import Tracker

event, name, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
calls = 0

def look(frame, kind, argument):
    global calls
    if kind == event and frame.f_code.co_qualname == name:
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)

with Tracker("track.db", track_id="ant") as tracker:
    tracker.log({"n": 0, "v": np.arange(1)})
    sys.setprofile(look)
    tracker.log({"n": 1, "v": np.arange(2)})
    sys.setprofile(None)
print("not killed")
"""

# the step at which the process is killed, and what it leaves: blobs, assets, rows
STEPS = [
    ("call", "LocalBlobs.put", (1, 1, 1)),
    ("return", "LocalBlobs.put", (2, 1, 1)),
    ("call", "UpdateEncoder.assign", (2, 1, 1)),
    ("call", "Appender.append", (2, 1, 1)),
    ("return", "UpdateEncoder.assign", (2, 2, 1)),
    ("call", "UpdateEncoder.log_event", (2, 2, 1)),
    ("return", "UpdateEncoder.log_event", (2, 2, 2)),
]


def run(code: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(("event", "name", "left"), STEPS)
def test_a_kill_between_content_attribute_and_row(
    tmp_path: Path, event: str, name: str, left: tuple[int, int, int]
) -> None:
    done = run(LOGGING, tmp_path, event, name, "1")
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
    path = tmp_path / "track.db"
    with Reader(path) as reader:
        rows = reader.to_df()["v"].tolist()
        blobs = list(tmp_path.glob("track.db-data/blobs/??/*"))
        assert (len(blobs), len(reader.assets), len(rows)) == left
        for n, hash_value in enumerate(rows):
            assert len(reader.get(hash_value)) == n + 1
    age_files(path)
    with open_store(path) as store:
        assert store.check(repair=True).ok
        store.compact()
        assert len(list(tmp_path.glob("track.db-data/blobs/??/*"))) == left[1]
    with Tracker(path, track_id="ant", on_error="raise") as tracker:
        value = tracker.get(rows[0])
        assert tracker.log({"v": value})["v"] == rows[0]


ENDLESS = """
import os
import numpy as np
from mooring import Tracker
tracker = Tracker("track.db", track_id="ant")
told = os.open("told", os.O_WRONLY | os.O_CREAT)
for n in range(100_000):
    tracker.log({"n": n, "v": np.full(10, n)})
    os.write(told, b".")
"""


def test_no_row_without_its_asset(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ENDLESS], cwd=tmp_path)
    told = tmp_path / "told"
    while process.poll() is None and not (told.exists() and told.stat().st_size >= 40):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    logged = told.stat().st_size
    with Reader(tmp_path / "track.db") as reader:
        frame = reader.to_df()
        assert logged <= len(frame) <= logged + 1
        for n, hash_value in zip(frame["n"], frame["v"], strict=True):
            assert reader.get(hash_value).tolist() == [n] * 10
        assert len(frame) <= len(reader.assets) <= len(frame) + 1


COPYING = """
import os, signal, sys
from mooring.tracker import copy
count, number = 0, int(sys.argv[1])

def look(frame, kind, argument):
    global count
    if kind == "call" and "/mooring/" in frame.f_code.co_filename:
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

sys.setprofile(look)
copy("source.db", "target.db")
sys.setprofile(None)
print(count)
"""


def test_a_killed_copy_is_completed_by_the_next(tmp_path: Path) -> None:
    source, target = tmp_path / "source.db", tmp_path / "target.db"
    with Tracker(source, track_id="ant", params={"lr": 0.1}) as tracker:
        tracker.log_batch([{"n": n, "f": complex(n % 3)} for n in range(12_000)])
    with Tracker(source, track_id="bee") as tracker:
        tracker.log_batch([{"n": n} for n in range(10)])
    with Reader(source) as reader:
        whole = reader.to_df()
    calls = int(run(COPYING, tmp_path, "0").stdout)
    partial = set()
    for part in range(8):
        for file in tmp_path.glob("target.db*"):
            if file.is_file():
                file.unlink()
        # the end of a copy, where rows are written, is made of few calls
        number = calls - (calls // 3) * part // 8 - 1 if part % 2 else calls * (part + 1) // 9
        assert run(COPYING, tmp_path, str(number)).returncode == -signal.SIGKILL
        before = 0
        if target.exists():
            with open_store(target) as store:
                if "local/events" in store.list_projects():
                    before = len(store.read_events("local/events").runs)
        partial.add(before)
        assert copy(source, target) == len(whole) - before
        with Reader(target) as reader:
            frame = reader.to_df()
            assert frame["track_id"].tolist() == whole["track_id"].tolist()
            assert frame["timestamp"].tolist() == whole["timestamp"].tolist()
            assert frame["n"].tolist() == whole["n"].tolist()
            assert frame["f"].dropna().tolist() == whole["f"].dropna().tolist()
            assert sorted(reader.assets) == sorted({*whole["f"].dropna()})
            for hash_value in reader.assets:
                assert isinstance(reader.get(hash_value), complex)
        assert copy(source, target) == 0
    assert len(partial) > 1, "no kill came amid the rows"


def test_threads_and_processes_share_assets(tmp_path: Path) -> None:
    code = """
import sys, threading
import numpy as np
from mooring import Tracker
with Tracker("track.db", on_error="raise") as tracker:
    def log():
        for n in range(20):
            tracker.log({"n": n, "v": np.arange(n % 5)})
    threads = [threading.Thread(target=log) for _ in range(3)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""
    processes = [subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path) for _ in range(3)]
    assert [process.wait(timeout=120) for process in processes] == [0] * 3
    with Reader(tmp_path / "track.db") as reader:
        frame = reader.to_df()
        assert len(frame) == 180
        assert len(reader.assets) == 5
        assert all(len(entry.runs) == 3 for entry in reader.assets.list())
        for n, hash_value in zip(frame["n"], frame["v"], strict=True):
            assert hash_value in reader.assets
            assert len(reader.get(hash_value)) == n % 5
    assert len(list(tmp_path.glob("track.db-data/blobs/??/*"))) == 5


def test_a_forked_child_logs_objects(tmp_path: Path) -> None:
    code = """
import os
import numpy as np
from mooring import Tracker
with Tracker("track.db", track_id="ant", on_error="raise") as tracker:
    tracker.log({"v": np.arange(1)})
    child = os.fork()
    if not child:
        tracker.log({"v": np.arange(2)})
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    tracker.log({"v": np.arange(3)})
    print([len(tracker.get(hash_value)) for hash_value in tracker["v"]])
"""
    done = run(code, tmp_path)
    assert done.stdout.strip() == "[1, 2, 3]", done.stderr
