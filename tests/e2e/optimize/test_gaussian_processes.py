"""Gaussian processes need PyTorch, which is installed in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ENVIRONMENT = ROOT / ".venv" / "peers" / "torch"

SEARCH = """
import sys
sys.path += sys.argv[1:]
from mooring.optimize import Float, Int, Study, TrialState
space = {"x": Float(0, 1), "y": Float(1e-3, 1, log=True), "n": Int(1, 9), "k": ["a", "b", None]}
with Study("gp", store="runs.db", space=space, method="gp", seed=1) as study:
    study.optimize(
        lambda t: (t["x"] - 0.3) ** 2 + (t["n"] - 4) ** 2, n_trials=25, progress=False
    )
    trials = study.trials
    assert all(study.space.contains("", trial.params) for trial in trials)
    assert {trial.method for trial in trials} == {"gp"}, {trial.method for trial in trials}
    print(study.best_value)
"""


def packages() -> Path:
    """Return where PyTorch is; skip, or fail in CI, where it is not."""
    found = next(iter(ENVIRONMENT.glob("lib/python3*/site-packages")), None)
    if found is None or not (ENVIRONMENT / ".installed").exists():
        reason = f"PyTorch is not installed in {ENVIRONMENT}; run: make {ENVIRONMENT}/.installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def test_a_search_by_gaussian_processes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SEARCH, str(packages())],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert float(done.stdout) < 0.1


def test_without_it_another_method_stands_in(tmp_path: Path) -> None:
    script = SEARCH.replace('{"gp"}', '{"tpe"}')
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-4000:]
