"""Trials that this process has, or gave to its workers, are not taken for dead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mooring.optimize import Float, Study, TrialState

SEARCH = """
from mooring.optimize import Float, Study

with Study("long", store="runs.db", project="team/x", space={"x": Float(0, 1)}, seed=1) as study:
    study.optimize(lambda trial: trial["x"], n_trials=6, n_jobs=2)
"""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A study in a file of its own."""
    return Study("slow", store=tmp_path / "runs.db", space={"x": Float(0, 1)}, seed=1)


def test_a_trial_of_this_process_stays_running(study: Study) -> None:
    with study:
        slow = study.ask()
        study.ask()
        assert study.recover() == []
        study.let_go(slow)  # its run is no longer active, and its process still lives
        assert study.recover() == []
        assert study.tell(slow, 0.5).state is TrialState.COMPLETE


def test_workers_keep_their_trials_and_end_without_a_word(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SEARCH],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    with Study("long", store=tmp_path / "runs.db", resume=True) as study:
        assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 6
