"""Processes that log, fold and seal until they are killed; and how to count what they left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

import pytest

from mooring.model import AttributeType, RunSpec
from mooring.store import PathSelector, SeriesQuery, Store, open_store
from mooring.store.sqlite.care import GRACE_S

LONG = os.environ.get("MOORING_TEST_PROFILE") == "long"
SRC = str(Path(__file__).parents[3] / "src")

PRELUDE = """
import os, random, sys, time
from mooring.errors import *
from mooring.model import *
from mooring.store import *
path, *arguments = sys.argv[1:]
FLOATS = frozenset([AttributeType.FLOAT_SERIES])

def acknowledge(text):
    os.write(1, f"{text}\\n".encode())

def report():
    import traceback
    traceback.print_exc()
    return 1

def floats(store, key, name="loss"):
    query = PathSelector(paths=(name,), types=FLOATS)
    return store.read_series([key], query, SeriesQuery())["value"].to_pylist()

def steps(store, key, name="loss"):
    query = PathSelector(paths=(name,), types=FLOATS)
    table = store.read_series([key], query, SeriesQuery())
    return [step // 1_000_000 for step in table["step"].to_pylist()]
"""

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


class Child:
    """A Python process running `script`, whose lines of output acknowledge what it did.

    Leaving the `with` block kills it.
    """

    def __init__(self, script: str, path: Path, *arguments: object, prefix: Sequence[str] = ()):
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-W", "error", "-c", PRELUDE + script, str(path)]
            + [str(argument) for argument in arguments],
            env={**os.environ, "PYTHONPATH": SRC},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,  # a line read leaves the lines after it to `communicate`
        )

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def line(self) -> str:
        """Wait for the next acknowledgement."""
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise AssertionError(f"the child ended: {self.process.communicate()[1].decode()}")
        return str(line.decode().strip())

    def go_on(self) -> None:
        """Let a child that waits for input go on."""
        self.process.stdin.write(b"\n")  # type: ignore[union-attr]

    def kill_after(self, seconds: float) -> list[str]:
        """SIGKILL it; return every acknowledgement not read yet."""
        time.sleep(seconds)
        self.process.send_signal(signal.SIGKILL)
        out, err = self.process.communicate()
        assert self.process.returncode == -signal.SIGKILL, err.decode()
        return list(out.decode().splitlines())

    def finish(self) -> list[str]:
        """Wait until it ends well; return every acknowledgement not read yet."""
        out, err = self.process.communicate(timeout=180)
        assert self.process.returncode == 0, err.decode()
        return list(out.decode().splitlines())


def finish(script: str, path: Path, *arguments: object, prefix: Sequence[str] = ()) -> list[str]:
    """Run a child to its end; return its acknowledgements."""
    with Child(script, path, *arguments, prefix=prefix) as child:
        return child.finish()


def new_run(path: Path, run_id: str = "run") -> int:
    """Create a run in a store; return its key."""
    with open_store(path) as store:
        return store.create_run(RunSpec(project="faults", run_id=run_id)).key


def read_steps(
    store: Store, key: int, name: str = "loss", *, while_logging: bool = False
) -> list[int]:
    """Return the whole steps of a float series, and compare what is kept of it with its points."""
    query = PathSelector(paths=(name,), types=frozenset([AttributeType.FLOAT_SERIES]))
    table = store.read_series([key], query, SeriesQuery())
    steps = [step // 1_000_000 for step in table["step"].to_pylist()]
    values = table["value"].to_pylist()
    if values and not while_logging:
        stats = store.get_stats(key, name)
        kept = (stats.count, stats.sum, stats.last, stats.last_step // 1_000_000)
        assert kept == (len(values), sum(values), values[-1], steps[-1])
    return steps


def assert_all(found: Sequence[int], acknowledged: Iterable[int]) -> None:
    """Every acknowledged step is there once, and at most one more: the call that was killed."""
    wanted = sorted(acknowledged)
    assert len(set(found)) == len(found)
    lost = set(wanted) - set(found)
    assert not lost, f"{len(lost)} of {len(wanted)} acknowledged points are lost"
    assert len(found) <= len(wanted) + 1


def age_files(path: Path) -> None:
    """Make every file beside the store older than the time that a check leaves files alone."""
    then = time.time() - GRACE_S - 60
    for file in Path(f"{path}-data").rglob("*"):
        if file.is_file():
            os.utime(file, (then, then))


def assert_clean(path: Path) -> None:
    """The store passes its check; what killed processes left is found, removed, and then gone."""
    age_files(path)
    with open_store(path) as store:
        first = store.check()
        assert not [f for f in first.findings if f.severity == "error"], first.findings
        assert store.check(repair=True).ok
        assert [f for f in store.check().findings if f.severity != "note"] == []
        names = {file.name for file in (Path(f"{path}-data") / "segments").glob("*")}
    assert not [name for name in names if name.startswith(".")]
