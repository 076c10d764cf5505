"""A load that is killed again and again ends as one that was left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mooring import Run
from mooring.store import open_store
from tests.conformance.targets.packages import require


def _load(store: Path, home: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "mooring", "load", store, "--to", "goodseed", "--folder", home],
        cwd=store.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _held(home: Path) -> dict[str, object]:
    from goodseed.storage import read_configs, read_metrics, read_string_series

    return {
        str(file.relative_to(home)): (
            read_configs(file),
            [(one["path"], one["step"], one["value"]) for one in read_metrics(file)],
            read_string_series(file),
        )
        for file in sorted(home.glob("projects/**/*.sqlite"))
    }


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_load_that_is_killed_goes_on(tmp_path: Path) -> None:
    require("goodseed", "goodseed")
    with open_store(tmp_path / "runs.db") as store:
        for number in range(12):
            with Run("team/digits", store=store, run_id=f"run-{number}") as run:
                run["params/number"] = number
                for step in range(400):
                    run.log({f"m{name}": step / (name + 1) for name in range(20)}, step=step)
                run.log({"text": "it's\ntext"}, step=0)
    home = tmp_path / "killed"
    began = time.monotonic()
    whole = _load(tmp_path / "runs.db", tmp_path / "whole")
    assert whole.wait(timeout=120) == 0
    takes = time.monotonic() - began

    killed = 0
    for part in (0.5, 0.6, 0.7, 0.8, 0.9):
        load = _load(tmp_path / "runs.db", home)
        time.sleep(takes * part)
        if load.poll() is None:
            os.killpg(load.pid, signal.SIGKILL)
            killed += 1
        load.wait()
    assert _load(tmp_path / "runs.db", home).wait(timeout=120) == 0

    assert killed
    held, wanted = _held(home), _held(tmp_path / "whole")
    assert len(wanted) == 12
    for name, (configs, points, texts) in wanted.items():  # type: ignore[misc]
        again, points_again, texts_again = held[name]  # type: ignore[misc]
        told = {"sys/closed_time"}
        assert {k: v for k, v in again.items() if k not in told} == {
            k: v for k, v in configs.items() if k not in told
        }
        assert points_again == points
        assert texts_again == texts
