"""SIGKILL during a backup or a restore, then the same again: the result of an uninterrupted one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mooring.exchange.comparing import compare_runs
from mooring.exchange.importing import DERIVED
from mooring.exchange.reports import Outcome
from mooring.exchange.restoring import restore
from mooring.exchange.sources.backup import BackupSource
from mooring.exchange.sources.store import StoreSource
from mooring.exchange.targets.backup import back_up
from mooring.model import AttributeType, FileRef, Histogram, RunSpec
from mooring.store import open_store
from tests.e2e.faults.processes import LONG, PRELUDE, SRC, Child, linux_only

pytestmark = linux_only

BACKUP = """
from mooring.exchange.sources.store import StoreSource
from mooring.exchange.targets.backup import back_up

counted = 0
def die(event, args):
    # at the n-th change of the folder, just before it happens
    global counted
    if event == "open":
        changes = bool(args[2] & (os.O_WRONLY | os.O_RDWR))
    else:
        changes = event in ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link")
    if changes and str(arguments[0]) in str(args[0]):
        counted += 1
        if counted == last:
            os.kill(os.getpid(), 9)

last = int(arguments[1])
with open_store(path) as store:
    if last:
        sys.addaudithook(die)
    acknowledge("ready")
    report = back_up(StoreSource(store), arguments[0])
    assert report.is_complete, report
acknowledge(counted)
"""

RESTORE = """
from mooring.exchange.restoring import restore
with open_store(path) as store:
    acknowledge("ready")
    assert restore(arguments[0], store).is_complete
"""


def fill(path: Path, runs: int = 3) -> None:
    with open_store(path) as store:
        store.ensure_project("team/digits")
        for number in range(runs):
            parent = store.find_run("team/digits", run_id="run-0")
            run = store.create_run(
                RunSpec(
                    project="team/digits",
                    run_id=f"run-{number}",
                    parent=parent and parent.key,
                    fork_step=parent and 5_000_000,
                )
            )
            writer = store.open_writer(run.key)
            digest, size = store.put_blob(b"w" * (100_000 * number))
            writer.assign({"params/n": number, "ckpt": FileRef(digest, size, "", "c.pt")})
            for step in range(10, 14):
                digest, size = store.put_blob(b"%d %d" % (number, step % 3))
                writer.log(
                    {
                        "loss": step * 0.5,
                        "text": f"at {step}\r",
                        "h": Histogram((0.0, 1.0), (step,)),
                        "img": FileRef(digest, size, "image/png", "i.png"),
                    },
                    step=step,
                )
            writer.close()


def change(path: Path) -> None:
    """Change one run, trash another."""
    with open_store(path) as store:
        first, second = (store.find_run("team/digits", run_id=f"run-{number}") for number in (0, 1))
        assert first is not None
        assert second is not None
        writer = store.open_writer(first.key)
        writer.assign({"params/n": 100})
        writer.log({"loss": 7.0, "new": 1.0}, step=50)
        writer.delete("h")
        writer.close()
        store.trash_runs([second.key])


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def assert_whole(folder: Path, wanted: int) -> None:
    """What is under its name is whole, and nothing that was saved before is gone."""
    copy = BackupSource(folder)
    runs = copy.list_runs("team/digits")
    assert len({run.run_id for run in runs}) == len(runs) >= wanted
    for run in runs:
        assert run.incomplete == ""
        assert not copy.check_files(run)
        copy.read_values(run)
        for series in copy.list_series(run):
            assert copy.read_points(run, series.type, [series.path]).num_rows == series.count
    assert not copy.problems.named


def killed_backup(path: Path, folder: Path, at: int) -> bool:
    """Back up until the change of this number; return whether it was killed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PRELUDE + BACKUP, str(path), str(folder), str(at)],
        env={**os.environ, "PYTHONPATH": SRC},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode != 0


@pytest.mark.parametrize("again", [False, True], ids=["first", "incremental"])
def test_a_backup_killed_at_any_change(tmp_path: Path, again: bool) -> None:
    path, before, expected = tmp_path / "runs.db", tmp_path / "before", tmp_path / "expected"
    fill(path)
    with open_store(path) as store:
        back_up(StoreSource(store), before)
    if again:
        change(path)
        shutil.copytree(before, expected)
    with open_store(path) as store:
        assert back_up(StoreSource(store), expected, verify=True).is_complete
    wanted = tree(expected)
    chance = random.Random(31)
    at, killed = chance.randrange(1, 8), 0
    while True:
        folder = tmp_path / f"killed-{at}"
        if again:
            shutil.copytree(before, folder)
        if not killed_backup(path, folder, at):
            break
        killed += 1
        if (folder / "team" / "digits").exists():
            assert_whole(folder, 3 if again else 0)
        if killed % 2:  # killed once more on the way
            killed_backup(path, folder, chance.randrange(2, 40))
        assert not killed_backup(path, folder, 0)
        assert tree(folder) == wanted
        shutil.rmtree(folder)
        at += chance.randrange(1, 4) if LONG else chance.randrange(8, 16)
    assert killed > 4


def test_a_backup_killed_at_random_instants(tmp_path: Path) -> None:
    path, expected, folder = tmp_path / "runs.db", tmp_path / "expected", tmp_path / "saved"
    fill(path, 6)
    with open_store(path) as store:
        back_up(StoreSource(store), expected)
    chance = random.Random(32)
    for _ in range(30 if LONG else 5):
        with Child(BACKUP, path, folder, 0) as child:
            child.line()
            child.process.poll()
            try:
                child.kill_after(chance.uniform(0.0, 0.15))
            except AssertionError:
                assert child.process.returncode == 0  # it was done before
        if (folder / "team" / "digits").exists():
            assert_whole(folder, 0)
        if chance.random() < 0.3:
            shutil.rmtree(folder, ignore_errors=True)
    assert not killed_backup(path, folder, 0)
    assert tree(folder) == tree(expected)


def test_a_restore_killed_at_random_instants(tmp_path: Path) -> None:
    path, folder, new = tmp_path / "runs.db", tmp_path / "saved", tmp_path / "new.db"
    fill(path, 8)
    change(path)
    chance = random.Random(33)
    with open_store(path) as store:
        back_up(StoreSource(store), folder)
        for _ in range(30 if LONG else 5):
            with Child(RESTORE, new, folder) as child:
                child.line()
                try:
                    child.kill_after(chance.uniform(0.0, 0.2))
                except AssertionError:
                    assert child.process.returncode == 0
        with open_store(new) as restored:
            report = restore(folder, restored, verify=True)
            assert report.is_complete
            assert {run.outcome for run in report.runs} <= {Outcome.DONE, Outcome.PRESENT}
            ours, theirs = StoreSource(store), StoreSource(restored)
            left, right = (
                {run.run_id: run for run in source.list_runs("team/digits")}
                for source in (ours, theirs)
            )
            assert left.keys() == right.keys()
            for run_id, run in left.items():
                again = right[run_id]
                assert run.trashed == again.trashed
                assert not compare_runs(ours, run, theirs, again, ignored=DERIVED).differences
            assert AttributeType.FILE_SERIES in {
                one.type for one in theirs.list_series(right["run-7"])
            }
