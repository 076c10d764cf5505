"""A tracker's file, a file of runs, and the command line in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mooring import File, Run, Tracker
from mooring.cli.app import app

NASTY = 'a|b\x1b[2J"\n\u202ec\x9b'
"""A text with a pipe, a terminal escape, a quote, a line end, a text direction, and a C1 escape."""

Mooring = Callable[..., Result]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MOORING_STORE", "MOORING_PROJECT", "NEPTUNE_PROJECT", "MOORING_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def mooring() -> Mooring:
    """Run the command with these arguments."""

    def invoke(*arguments: object, input: str | None = None) -> Result:
        return CliRunner().invoke(
            app, [str(argument) for argument in arguments], input=input, prog_name="mooring"
        )

    return invoke


@pytest.fixture
def db() -> str:
    """Two runs of a tracker: four rows of `first-run`, one of `second-run`."""
    with Tracker("runs.db", {"model": "resnet18"}, track_id="first-run", on_error="raise") as first:
        first.log({"accuracy": 0.5, "epoch": 1, "note": "plain", "code": 1})
        first.log({"accuracy": float("nan"), "epoch": 2, "note": NASTY, "code": "1"})
        first.log({"accuracy": float("-inf"), "epoch": 2**60 + 1, "note": "", "code": "x"})
        first.log({"accuracy": 0.9, "epoch": 4, "note": None, "code": "NaN"})
    with Tracker("runs.db", track_id="second-run", on_error="raise") as second:
        second.log({"accuracy": 0.7, "epoch": 1, "raw": b"\x00\xff", "good": True})
    return "runs.db"


@pytest.fixture
def store() -> str:
    """A run with values, two series and files, in a project of its own."""
    with Run("team/digits", store="team.db", run_id="alpha", on_error="raise") as run:
        run["params/lr"] = 0.1
        run["model/weights"] = File(b"w" * 1000)
        run.add_tags("best")
        for i in range(10):
            run.log({"loss": 1 / (i + 1), "line": f"at {i}"}, step=i)
        run.log({"image": File(b"i" * 100)}, step=1)
        run.log({"image": File(b"j" * 10)}, step=2)
    with Run("team/digits", store="team.db", run_id="beta", on_error="raise") as run:
        run["params/lr"] = 0.01
    return "team.db"
