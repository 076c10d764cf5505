"""SIGKILL in `mooring export` and `mooring import`, then the same command again; a full disk."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from mooring import File, Run, Tracker
from mooring.exchange.comparing import compare_runs
from mooring.exchange.sources.parquet import ParquetSource
from mooring.exchange.sources.store import StoreSource
from mooring.store import open_store
from tests.e2e.faults.processes import LONG, SRC, assert_clean, linux_only
from tests.e2e.faults.test_full_disk import NAMESPACE, _mount

pytestmark = linux_only

PROJECT = "team/digits"

COMMAND = """
import os, sys
last, folder, *sys.argv[1:] = sys.argv[1:]

def die(event, args):
    # at the n-th change of the folder, just before it happens
    global counted
    if event == "open":
        changes = isinstance(args[2], int) and bool(args[2] & (os.O_WRONLY | os.O_RDWR))
    else:
        changes = event in ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link")
    if changes and folder in str(args[0]):
        counted += 1
        if counted == int(last):
            os.kill(os.getpid(), 9)

counted = 0
from mooring.cli import main
from mooring.exchange.targets.parquet import exporting, parts
parts.PART_BYTES = 20_000  # so that runs have several parts
exporting.POINTS_AT_ONCE = 4_000
if int(last):
    sys.addaudithook(die)
try:
    main()
finally:
    if int(last):
        print("changes", counted, file=sys.stderr)
"""


def start(
    *arguments: object, last: int = 0, folder: Path | None = None, prefix: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Start a command; with `last` it kills itself at this change of the folder."""
    return subprocess.Popen(
        [*prefix, sys.executable, "-W", "error", "-c", COMMAND, str(last), str(folder)]
        + [str(one) for one in arguments],
        env={**os.environ, "PYTHONPATH": SRC, "MOORING_STORE": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(*arguments: object, code: int = 0, **options: Any) -> str:
    """Run a command to its end."""
    process = start(*arguments, **options)
    out, err = process.communicate(timeout=180)
    assert process.returncode == code, (process.returncode, err.decode(), out.decode())
    return err.decode()


def fill(path: Path, *, sealed: bool) -> None:
    """Make a store: runs with forks, files, series of each type, and a table."""
    random.seed(5)
    for number in range(5):
        fork: Any = {"parent": "run-0", "fork_step": 100} if number == 4 else {}
        with Run(PROJECT, store=str(path), run_id=f"run-{number}", on_error="raise", **fork) as run:
            run["params"] = {"n": number, "lr": 0.1, "name": f"é {number}"}
            run["ckpt"] = File(bytes([number]) * 50_000, name="ckpt.bin")
            for step in range(60, 400):
                run.log(
                    {f"m{i}": random.random() for i in range(8)} | {"line": f"{step}"}, step=step
                )
            for step in range(3):
                run.log({"img": File(b"%d %d" % (number, step), name="i.png")}, step=step)
    with Tracker(str(path), track_id="rows", on_error="raise") as tracker:
        for i in range(50):
            tracker.log({"accuracy": i / 50, "note": "x" * i})
    if sealed:
        with open_store(path) as store:
            store.compact()


def choose(changes: int, few: int, *, seed: int) -> list[int]:
    """Return at which changes to kill: the same few, or many that are others each time."""
    chance = random.Random(None if LONG else seed)
    return sorted(chance.sample(range(1, changes + 1), min(40 if LONG else few, changes)))


def tree(folder: Path) -> Mapping[str, str]:
    """Return the content of each file; of manifests less what tells the time."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        if path.suffix == ".json" and path.parent.name == ".mooring":
            record = json.loads(data)
            record.pop("exported")
            record.pop("checksum")
            data = json.dumps(record).encode()
        found[str(path.relative_to(folder))] = hashlib.sha256(data).hexdigest()
    return found


def export_arguments(store: Path, out: Path) -> list[object]:
    return [
        "export",
        "--store",
        store,
        "--data-path",
        out / "data",
        "--files-path",
        out / "files",
        "--error-report-file",
        out.with_name("errors.jsonl"),
    ]


@pytest.fixture(scope="module", params=["log", "sealed"])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, float, int]:
    """A store, its export, how long that took, and at how many changes of the folder."""
    folder = tmp_path_factory.mktemp(request.param)
    fill(folder / "runs.db", sealed=request.param == "sealed")
    began = time.monotonic()
    finish(*export_arguments(folder / "runs.db", folder / "whole"))
    took = time.monotonic() - began
    told = finish(
        *export_arguments(folder / "runs.db", folder / "counted"),
        last=10**9,
        folder=folder / "counted",
    )
    assert tree(folder / "counted") == tree(folder / "whole")
    return folder / "runs.db", folder / "whole", took, int(told.rpartition("changes ")[2])


def assert_nothing_half_is_taken_for_whole(out: Path, store: Path) -> None:
    """What a killed export left behind: runs that are whole, and nothing that claims to be."""
    if not any((out / "data").glob("*/*_part_0.parquet")):
        return
    source = ParquetSource(out)
    with open_store(store, read_only=True) as opened:
        inside = StoreSource(opened)
        for project in source.list_projects():
            originals = {run.run_id: run for run in inside.list_runs(project)}
            for run in source.list_runs(project):
                if run.incomplete or run.handle.manifest is None:  # type: ignore[attr-defined]
                    continue
                comparison = compare_runs(inside, originals[run.run_id], source, run)
                assert comparison.is_equal, comparison.differences


def test_an_export_killed_at_a_change_of_the_folder(
    made: tuple[Path, Path, float, int], tmp_path: Path
) -> None:
    store, whole, _, changes = made
    assert changes > 20
    for number in choose(changes, 3, seed=7):
        out = tmp_path / str(number)
        process = start(*export_arguments(store, out), last=number, folder=out)
        process.communicate(timeout=180)
        assert process.returncode == -signal.SIGKILL
        assert_nothing_half_is_taken_for_whole(out, store)
        finish(*export_arguments(store, out), "--verify")
        assert tree(out) == tree(whole), number
        shutil.rmtree(out)


def test_an_export_killed_again_and_again(
    made: tuple[Path, Path, float, int], tmp_path: Path
) -> None:
    store, whole, took, _ = made
    chance = random.Random(11)
    for _ in range(8 if LONG else 1):
        out = tmp_path / "out"
        killed = 0
        for _ in range(5 if LONG else 3):
            process = start(*export_arguments(store, out))
            time.sleep(chance.uniform(took * 0.4, took))
            process.kill()
            process.communicate()
            killed += process.returncode == -signal.SIGKILL
            assert_nothing_half_is_taken_for_whole(out, store)
        finish(*export_arguments(store, out), "--verify")
        assert tree(out) == tree(whole)
        shutil.rmtree(out)


def test_an_export_of_changed_runs_killed_and_gone_on_with(
    made: tuple[Path, Path, float, int], tmp_path: Path
) -> None:
    """The old export is there: what is left between the two is not taken for either."""
    original, whole, _, changes = made
    store = tmp_path / "runs.db"
    shutil.copy(original, store)
    shutil.copytree(f"{original}-data", f"{store}-data")
    with open_store(store) as opened:
        for run in StoreSource(opened).list_runs(PROJECT):
            with_writer = opened.open_writer(run.handle)  # type: ignore[arg-type]
            with_writer.log({"m0": 0.5, "new": 1.0}, step=10_000)
            with_writer.close()
    changed = tmp_path / "changed"
    shutil.copytree(whole, changed)
    finish(*export_arguments(store, changed), "--verify")
    fresh = tmp_path / "fresh"
    finish(*export_arguments(store, fresh))
    assert tree(changed) == tree(fresh)
    for number in choose(changes, 2, seed=13):
        out = tmp_path / str(number)
        shutil.copytree(whole, out)
        process = start(*export_arguments(store, out), last=number, folder=out)
        process.communicate(timeout=180)
        assert_nothing_half_is_taken_for_whole_of_either(out, original, store)
        finish(*export_arguments(store, out), "--verify")
        assert tree(out) == tree(fresh), number
        shutil.rmtree(out)


def assert_nothing_half_is_taken_for_whole_of_either(out: Path, old: Path, new: Path) -> None:
    source = ParquetSource(out)
    with open_store(old, read_only=True) as first, open_store(new, read_only=True) as second:
        sides = [StoreSource(first), StoreSource(second)]
        for project in source.list_projects():
            for run in source.list_runs(project):
                if run.incomplete or run.handle.manifest is None:  # type: ignore[attr-defined]
                    continue
                found = []
                for side in sides:
                    (same,) = (r for r in side.list_runs(project) if r.run_id == run.run_id)
                    found.append(compare_runs(side, same, source, run).differences)
                assert () in found, found


# import


def assert_same_stores(left: Path, right: Path) -> None:
    with open_store(left) as first, open_store(right) as second:
        a, b = StoreSource(first), StoreSource(second)
        assert a.list_projects() == b.list_projects()
        for project in a.list_projects():
            ours = {run.run_id: run for run in a.list_runs(project)}
            theirs = {run.run_id: run for run in b.list_runs(project)}
            assert ours.keys() == theirs.keys()
            for id, run in ours.items():
                assert (run.sys_id, run.parent, run.fork_step) == (
                    theirs[id].sys_id,
                    theirs[id].parent,
                    theirs[id].fork_step,
                )
                assert not compare_runs(a, run, b, theirs[id]).differences


@pytest.mark.parametrize("attach", ["copy", "link"])
def test_an_import_killed_again_and_again(
    made: tuple[Path, Path, float, int], tmp_path: Path, attach: str
) -> None:
    original, exports, took, _ = made
    digests = tree(exports)
    chance = random.Random(17)
    for _ in range(8 if LONG else 1):
        store = tmp_path / "new.db"
        command = ["import", exports, "--store", store, "--attach", attach]
        for _ in range(4 if LONG else 2):
            process = start(*command)
            time.sleep(chance.uniform(took * 0.4, took))
            process.kill()
            process.communicate()
            if store.exists():
                assert_runs_are_whole(store, original)
        finish(*command, "--verify")
        assert_same_stores(original, store)
        assert_clean(store)
        assert_same_stores(original, store)
        for path in tmp_path.glob("new.db*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert tree(exports) == digests


def test_an_import_killed_at_a_change_of_the_folder(
    made: tuple[Path, Path, float, int], tmp_path: Path
) -> None:
    original, exports, _, _ = made
    told = finish(
        "import", exports, "--store", tmp_path / "counted.db", last=10**9, folder=tmp_path
    )
    changes = int(told.rpartition("changes ")[2])
    assert changes > 5
    for number in choose(changes, 2, seed=19):
        folder = tmp_path / str(number)
        folder.mkdir()
        command = ["import", exports, "--store", folder / "new.db"]
        process = start(*command, last=number, folder=folder)
        process.communicate(timeout=180)
        if (folder / "new.db").exists():
            assert_runs_are_whole(folder / "new.db", original)
        finish(*command, "--verify")
        assert_same_stores(original, folder / "new.db")
        assert_clean(folder / "new.db")
        shutil.rmtree(folder)


def assert_runs_are_whole(store: Path, original: Path) -> None:
    with open_store(store) as opened, open_store(original, read_only=True) as other:
        inside, source = StoreSource(opened), StoreSource(other)
        for project in inside.list_projects():
            originals = {run.run_id: run for run in source.list_runs(project)}
            for run in inside.list_runs(project):
                found = compare_runs(source, originals[run.run_id], inside, run)
                assert found.is_equal, found.differences


# a full disk


@pytest.fixture
def disk(tmp_path: Path) -> tuple[Path, list[str]]:
    """A small disk, and the start of a command that sees it; it vanishes with the command."""
    folder = tmp_path / "disk"
    folder.mkdir()
    prefix = _mount(folder, "24m")
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot mount a small disk here: {error}")
    assert NAMESPACE
    return folder, prefix


FULL = """
import os, subprocess, sys
disk, room, *command = sys.argv[1:]
ballast = os.path.join(disk, "ballast")

def fill(room):
    left = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with open(ballast, "wb") as file:
        file.write(bytes(max(0, left - room)))

refused = 0
for number in range(1, 12):
    fill(int(room) * number)
    done = subprocess.run(command, capture_output=True, text=True)
    os.unlink(ballast)
    if done.returncode == 0:
        break
    refused += 1
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr, done.stderr
    assert "is full" in done.stderr and "Free some space" in done.stderr, done.stderr
else:
    raise AssertionError("never done")
assert refused, "the disk was never full"
done = subprocess.run([*command, "--verify"], capture_output=True, text=True)
assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
subprocess.run(["cp", "-r", disk, disk + "-kept"], check=True)
print(refused)
"""


def on_a_full_disk(disk: tuple[Path, list[str]], room: int, *command: object) -> int:
    """Run a command with ever more room on a disk until it is done; return how often it was not."""
    folder, prefix = disk
    arguments = [sys.executable, "-W", "error", "-c", COMMAND, "0", str(folder)]
    done = subprocess.run(
        [*prefix, sys.executable, "-c", FULL, str(folder), str(room), *arguments]
        + [str(one) for one in command],
        env={**os.environ, "PYTHONPATH": SRC},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return int(done.stdout)


def test_an_export_to_a_full_disk(
    made: tuple[Path, Path, float, int], disk: tuple[Path, list[str]]
) -> None:
    store, whole, _, _ = made
    folder, _ = disk
    refused = on_a_full_disk(disk, 90_000, *export_arguments(store, folder / "out"))
    assert refused >= 2
    assert tree(folder.with_name("disk-kept") / "out") == tree(whole)


def test_an_import_to_a_full_disk(
    made: tuple[Path, Path, float, int], disk: tuple[Path, list[str]]
) -> None:
    original, exports, _, _ = made
    folder, _ = disk
    refused = on_a_full_disk(disk, 250_000, "import", exports, "--store", folder / "new.db")
    assert refused >= 1
    assert_same_stores(original, folder.with_name("disk-kept") / "new.db")
    assert_clean(folder.with_name("disk-kept") / "new.db")
