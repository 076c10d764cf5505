"""A study in a file, driven from a shell by several processes, one of which is killed."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cli.test_script import ENVIRONMENT, SCRIPT, run, run_on_terminal

SPACE = '{"x": {"type": "float", "bounds": [-5, 5]}, "kind": ["up", "down"]}'

TRAIN = """
import os
import time
from pathlib import Path


def loss(trial):
    return (trial["x"] - 1) ** 2 + (trial["kind"] == "down")


def hangs_once(trial):
    started = Path("started")
    if not started.exists():
        started.write_text(f"{os.getpid()} {trial.number}")
        time.sleep(600)
    return loss(trial)


def dies_once(trial):
    started = Path("started")
    if not started.exists():
        started.write_text(str(trial.number))
        os._exit(7)
    return loss(trial)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an objective and a study."""
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "space.json").write_text(SPACE)
    done = study(tmp_path, "create", "demo", "--space", "space.json", "--seed", "1")
    assert done.returncode == 0, done.stderr
    return tmp_path


def study(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("study", *arguments, "--store", "runs.db", cwd=folder)


def shown(folder: Path) -> Any:
    return json.loads(study(folder, "show", "demo", "--last", "1000", "--json").stdout)


def begin(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(SCRIPT), "study", "resume", "demo", *arguments, "--store", "runs.db"],
        cwd=folder,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def test_processes_share_a_study(folder: Path) -> None:
    processes = [begin(folder, "train.py:loss", "--trials", "6") for _ in range(3)]
    for process in processes:
        _, words = process.communicate(timeout=120)
        assert process.returncode == 0, words
        assert "trials that ended: 6 complete" in words
    told = shown(folder)
    assert told["trials"]["complete"] == 18
    assert [trial["number"] for trial in told["last"]] == list(range(18))
    assert len({json.dumps(trial["params"]) for trial in told["last"]}) == 18
    (best,) = told["best"]
    assert best["values"]["objective"] == min(t["values"]["objective"] for t in told["last"])


def test_shell_is_the_objective(folder: Path) -> None:
    for _ in range(3):
        (row,) = csv.DictReader(study(folder, "ask", "demo", "--format", "csv").stdout.splitlines())
        value = str(float(row["params/x"]) ** 2)
        assert study(folder, "tell", "demo", row["number"], value).returncode == 0
    assert shown(folder)["trials"]["complete"] == 3


def test_killed_search_goes_on_with_the_same_trial(folder: Path) -> None:
    process = begin(folder, "train.py:hangs_once", "--trials", "3")
    deadline = time.monotonic() + 60
    while not (folder / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.communicate(timeout=60)
    (hung,) = shown(folder)["last"]
    assert hung["state"] == "running"
    done = study(folder, "resume", "demo", "--json")
    assert "trial 0 has failed; it is given out again as trial 1" in done.stderr
    (entered,) = json.loads(done.stdout)
    assert (entered["state"], entered["params"]) == ("waiting", hung["params"])
    done = study(folder, "resume", "demo", "train.py:hangs_once", "--trials", "2")
    assert done.returncode == 0, done.stderr
    told = {trial["number"]: trial for trial in shown(folder)["last"]}
    assert [trial["state"] for trial in told.values()] == ["failed", "complete", "complete"]
    assert told[1]["params"] == hung["params"]
    assert told[0]["error"] == "its process ended"


def test_jobs_that_hang_or_die_cost_one_trial(folder: Path) -> None:
    done = study(
        folder,
        *("resume", "demo", "train.py:hangs_once", "--trials", "5"),
        *("--jobs", "2", "--trial-timeout", "5"),
    )
    assert done.returncode == 0, done.stderr
    assert "trials that ended: 4 complete, 1 failed" in done.stderr
    pid, number = (folder / "started").read_text().split()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
    told = {trial["number"]: trial for trial in shown(folder)["last"]}
    assert "took longer than 5 s" in told[int(number)]["error"]

    (folder / "started").unlink()
    done = study(folder, "resume", "demo", "train.py:dies_once", "--trials", "4", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    number = (folder / "started").read_text()
    told = {trial["number"]: trial for trial in shown(folder)["last"]}
    assert "exit code 7" in told[int(number)]["error"]
    again = [trial for trial in told.values() if trial["retry_of"] == int(number)]
    assert [trial["params"] for trial in again] == [told[int(number)]["params"]]


def test_progress_and_pictures_on_a_terminal(folder: Path) -> None:
    arguments = ("study", "resume", "demo", "train.py:loss", "--trials", "12")
    screen, code = run_on_terminal(*arguments, "--store", "runs.db", cwd=folder, width=100)
    assert code == 0, screen
    assert "demo: 100%" in screen
    assert "12/12" in screen
    arguments = ("study", "show", "demo", "--plot", "all", "--store", "runs.db")
    screen, code = run_on_terminal(*arguments, cwd=folder, width=100)
    assert code == 0, screen
    assert max(map(len, screen.splitlines())) <= 100
    assert "History of objective (minimize)" in screen
    assert "Importance of parameters" in screen
