"""SIGKILL between each two steps of a fold, a seal, a compaction, a deletion and a put_blob.

A watcher in the killed process counts its calls of the store's functions, and kills it before the
n-th of them, or as soon as a named one begins or ends. The processes are forks of one that has
imported everything, which is what makes so many of them quick.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mooring.errors import RunNotFound
from mooring.model import AttributeType, RunSpec
from mooring.store import PathSelector, SeriesQuery, open_store
from tests.e2e.faults.processes import LONG, Child, age_files, linux_only, read_steps

pytestmark = linux_only

POINTS = 60
SAMPLES = 120 if LONG else 14

FORKS = """
import json, signal, shutil
import mooring.store.sqlite.reading

def watch(event, name, number):
    calls = 0
    def look(frame, kind, argument):
        nonlocal calls
        if kind not in ("call", "return") or "/mooring/" not in frame.f_code.co_filename:
            return
        calls += kind == "call"
        wanted = name is not None and kind == event and frame.f_code.co_qualname == name
        if wanted or (number is not None and calls == number):
            os.kill(os.getpid(), signal.SIGKILL)
    sys.setprofile(look)
    return lambda: calls

def act(what, path):
    store = open_store(path)
    if what == "fold":
        store.query_runs(RunQuery())
    elif what == "compact":
        store.compact(events=True)
    elif what == "delete":
        store.delete_runs([1])
    elif what == "blob":
        store.put_blob(b"new content" * 5000)
    elif what == "bulk":
        store.write_points(1, "loss", steps=range(1000, 1100), values=[0.5] * 100)

for line in sys.stdin:
    what, template, path, event, name, number = json.loads(line)
    for tail in ("", "-wal", "-data"):
        source = template + tail
        if os.path.isdir(source):
            shutil.copytree(source, path + tail)
        elif os.path.exists(source):
            shutil.copyfile(source, path + tail)
    child = os.fork()
    if not child:
        count = watch(event, name, number)
        act(what, path)
        sys.setprofile(None)
        acknowledge(f"done {count()}")
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    acknowledge("killed" if os.WIFSIGNALED(status) else f"ended {status}")
"""


class Steps:
    """Runs an action on copies of a store, each killed at another step."""

    def __init__(self, child: Child, folder: Path, template: Path) -> None:
        self._child = child
        self._folder = folder
        self._template = template
        self._number = 0

    def run(
        self,
        what: str,
        event: str | None = None,
        name: str | None = None,
        number: int | None = None,
    ) -> tuple[Path, int | None]:
        """Return a store's path, and the number of calls if the action came to its end."""
        self._number += 1
        path = self._folder / f"{self._number}.db"
        order = (what, str(self._template), str(path), event, name, number)
        self._child.process.stdin.write(json.dumps(order).encode() + b"\n")  # type: ignore[union-attr]
        first = self._child.line()
        if first == "killed":
            return path, None
        assert self._child.line() == "ended 0"
        return path, int(first.split()[1])


@contextmanager
def stepping(tmp_path: Path) -> Iterator[Steps]:
    template = tmp_path / "template.db"
    make_store(template)
    with Child(FORKS, template) as child:
        yield Steps(child, tmp_path, template)


def make_store(path: Path) -> None:
    """Two runs and a fork of the first: points sealed twice, points folded, points only logged."""
    with open_store(path) as store:
        keys = [
            store.create_run(RunSpec(project="faults", run_id=f"run-{i}")).key for i in range(2)
        ]
        writers = [store.open_writer(key) for key in keys]
        for part in range(4):
            for step in range(part * 15, part * 15 + 15):
                for writer in writers:
                    writer.log({"loss": step * 0.5}, step=step)
                    writer.log({"text": f"step {step}"}, step=step)
            if part < 2:
                store.compact()
            if part == 2:
                fork = store.create_run(
                    RunSpec(project="faults", run_id="fork", parent=keys[0], fork_step=29_000_000)
                )
                for step in range(30, POINTS):
                    store.open_writer(fork.key).log({"loss": step * 0.5}, step=step)
        events = store.create_run(RunSpec(project="faults", run_id="events")).key
        writer = store.open_writer(events)
        writer.log_events([({"row": i}, None) for i in range(POINTS)])
        store.put_blob(b"old content")


def assert_whole(path: Path, *, deleted: bool = False, extra: int = 0) -> None:
    """Nothing is missing, nothing is there twice, and what the kill left can be removed."""
    age_files(path)
    every = list(range(POINTS))
    with open_store(path) as store:
        for attempt in range(2):
            for key in (2, 3) if deleted else (1, 2, 3):
                found = read_steps(store, key)
                assert found[:POINTS] == every
                assert len(found) in ((POINTS, POINTS + extra) if key == 1 else (POINTS,))
            texts = store.read_series(
                [2], PathSelector(types=frozenset([AttributeType.STRING_SERIES])), SeriesQuery()
            )
            assert texts["value"].to_pylist() == [f"step {step}" for step in every]
            assert store.read_events("faults", [4]).columns["row"] == every
            before = store.check()
            assert not [f for f in before.findings if f.severity == "error"]
            assert store.check(repair=True).ok
            assert store.check().findings == ()
            if attempt == 0:
                store.compact(events=True)


NAMED = [
    ("fold", "call", "Fold._enter"),
    ("fold", "return", "Fold._enter"),
    ("fold", "return", "Fold.run"),
    ("compact", "call", "SegmentFolder._write"),  # before the segment is written
    ("compact", "return", "SegmentFolder.write_points"),  # it is named, no transaction yet
    ("compact", "return", "SegmentFolder.write_events"),
    ("compact", "call", "Sealer.enter"),  # in the transaction
    ("compact", "call", "Sealer._delete_log"),
    ("compact", "return", "Sealer._delete_log"),
    ("compact", "return", "keep_sequence"),
    ("compact", "return", "Sealer._enter_parts"),  # after the transaction
    ("compact", "call", "Sealer._rewrite"),
    ("compact", "call", "SegmentFolder.remove"),  # joined, before old files are removed
    ("compact", "return", "SegmentFolder.remove"),
    ("compact", "return", "Sealer.join_segments"),
    ("bulk", "call", "Fold.add_points"),
    ("bulk", "return", "Fold.add_points"),
    ("bulk", "call", "Sealer.add"),
]


def test_a_kill_at_a_named_step(tmp_path: Path) -> None:
    with stepping(tmp_path) as steps:
        for what, event, name in NAMED:
            path, calls = steps.run(what, event, name)
            assert calls is None, f"{name} was not reached"
            assert_whole(path, extra=100)


@pytest.mark.parametrize("what", ["fold", "compact", "bulk"])
def test_a_kill_at_any_call(tmp_path: Path, what: str) -> None:
    with stepping(tmp_path) as steps:
        path, calls = steps.run(what)
        assert calls is not None
        assert_whole(path, extra=100)
        for i in range(SAMPLES):
            path, _ = steps.run(what, number=1 + calls * i // SAMPLES)
            assert_whole(path, extra=100)


def test_a_kill_while_a_run_with_a_fork_is_deleted(tmp_path: Path) -> None:
    with stepping(tmp_path) as steps:
        path, calls = steps.run("delete")
        assert calls is not None
        assert_whole(path, deleted=True)
        for i in range(SAMPLES):
            path, _ = steps.run("delete", number=1 + calls * i // SAMPLES)
            with open_store(path) as store:
                try:
                    store.get_runs([1])
                except RunNotFound:
                    deleted = True
                else:
                    deleted = False
                    assert read_steps(store, 1) == list(range(POINTS))
            assert_whole(path, deleted=deleted)


def test_a_kill_while_a_file_is_put(tmp_path: Path) -> None:
    with stepping(tmp_path) as steps:
        _, calls = steps.run("blob")
        assert calls is not None
        for number in range(calls - 60, calls + 1, 1 if LONG else 4):
            path, _ = steps.run("blob", number=number)
            assert_whole(path)
            with open_store(path) as store:
                digest, size = store.put_blob(b"new content" * 5000)
                with store.open_blob(digest) as file:
                    assert file.read() == b"new content" * 5000
                assert size == 55_000
