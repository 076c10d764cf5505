"""Searches in several processes: killed, hanging, racing. No trial is lost, none counts twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from mooring.errors import InvalidInput, ObjectiveFailed
from mooring.optimize import Float, Int, Study, Trial, TrialState

SPACE = {"x": Float(0, 1), "n": Int(1, 4)}

SEARCH = """
import sys, time
from mooring.optimize import Study
def objective(trial):
    print(trial.number, flush=True)
    time.sleep(30)
    return trial["x"]
with Study("s", store=sys.argv[1], project="p") as study:
    study.optimize(objective, n_trials=50, n_jobs=int(sys.argv[2]), progress=False)
"""

RACE = """
import sys
from mooring.optimize import Study
with Study("s", store=sys.argv[1], project="p", method="random") as study:
    for _ in range(int(sys.argv[2])):
        trial = study.ask()
        study.tell(trial, trial["x"])
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    where = str(tmp_path / "runs.db")
    Study("s", store=where, project="p", space=SPACE, method="random").close()
    return where


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


def opened(file: str) -> Study:
    return Study("s", store=file, project="p")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_search_that_is_killed_goes_on_where_it_was(file: str, jobs: int) -> None:
    search = start(SEARCH, file, jobs)
    assert search.stdout is not None
    begun = {int(search.stdout.readline()) for _ in range(jobs)}
    with opened(file) as study:
        assert {trial.state for trial in study.trials} == {TrialState.RUNNING}
        assert study.recover() == []  # their process lives
        search.send_signal(signal.SIGKILL)
        search.wait()
        search.stdout.close()
        again = {trial.retry_of: trial for trial in study.recover()}
        deadline = time.monotonic() + 20
        while again.keys() != begun:  # workers end a moment after the process that they work for
            again |= {trial.retry_of: trial for trial in study.recover()}
            assert time.monotonic() < deadline
        died = [trial for trial in study.trials if trial.number in begun]
        assert {(trial.state, trial.error) for trial in died} == {
            (TrialState.FAILED, "its process ended")
        }
        given = [study.ask() for _ in begun]
        assert {trial.record.retry_of for trial in given} == begun
        assert sorted(repr(trial.params) for trial in given) == sorted(
            repr(trial.params) for trial in died
        )
        for trial in given:
            study.tell(trial, 1.0)
        assert study.recover() == []


def test_an_objective_that_kills_its_process_costs_its_trial(file: str) -> None:
    def objective(trial: Trial) -> float:
        if trial.record.attempt == 1 and trial["n"] == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return float(trial["x"])

    with opened(file) as study:
        study.optimize(objective, n_trials=20, n_jobs=2, max_failures=20, progress=False)
        trials = study.trials
    died = [trial for trial in trials if trial.died]
    assert died
    assert all(trial.params["n"] == 1 for trial in died)
    assert {trial.error for trial in died} == {"its process was ended by SIGKILL"}
    repeated = {trial.retry_of for trial in trials} - {None}
    assert repeated <= {trial.number for trial in died}
    assert Counter(str(trial.state) for trial in trials if not trial.died).keys() <= {
        "complete",
        "waiting",
    }


def test_an_objective_that_hangs_is_ended(file: str) -> None:
    def objective(trial: Trial) -> float:
        if trial.number == 1:
            time.sleep(600)
        return float(trial["x"])

    with opened(file) as study:
        study.optimize(objective, n_trials=3, trial_timeout_s=2, progress=False)
        states = [(trial.state, trial.error) for trial in study.trials]
    assert states == [
        (TrialState.COMPLETE, None),
        (TrialState.FAILED, "it took longer than 2 s and was ended"),
        (TrialState.COMPLETE, None),
    ]


def test_an_objective_that_always_dies_ends_the_search(file: str) -> None:
    def objective(trial: Trial) -> float:
        os._exit(3)

    with opened(file) as study:
        with pytest.raises(ObjectiveFailed, match="ended with the exit code 3"):
            study.optimize(objective, n_trials=99, n_jobs=2, max_failures=3, progress=False)
        assert study.recover() is not None
        assert not any(trial.state is TrialState.RUNNING for trial in study.trials)


def test_what_was_reached_is_told_also_when_the_search_ends_meanwhile(file: str) -> None:
    def end(study: Study, trial: object) -> None:
        time.sleep(2)  # the other trial is done by then
        raise RuntimeError("enough")

    with opened(file) as study:
        with pytest.raises(RuntimeError, match="enough"):
            study.optimize(
                lambda trial: trial["x"], n_trials=2, n_jobs=2, callbacks=[end], progress=False
            )
        assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 2


def test_workers_log_to_their_trials(file: str) -> None:
    def objective(trial: Trial) -> float:
        trial.log({"loss": trial["x"]}, step=0)
        return float(trial["x"])

    with opened(file) as study:
        study.optimize(objective, n_trials=4, n_jobs=2, progress=False)
        keys = [trial.key for trial in study.trials]
        last = [study.store.get_stats(key, "loss").last for key in keys]
        assert last == [trial.params["x"] for trial in study.trials]


def test_what_cannot_be_handed_on(file: str) -> None:
    import threading

    lock = threading.Lock()

    def objective(trial: Trial) -> float:
        with lock:
            return 1.0

    with opened(file) as study:
        with pytest.raises(InvalidInput, match="cannot be handed to another process"):
            study.optimize(objective, n_trials=1, n_jobs=2, progress=False)
        assert study.trials == []
    with (
        Study("s", store=":memory:", space=SPACE) as study,
        pytest.raises(InvalidInput, match="a store in memory cannot be shared"),
    ):
        study.optimize(lambda trial: 1.0, n_trials=1, n_jobs=2, progress=False)


def test_processes_that_race_get_every_number_once(file: str) -> None:
    racers = [start(RACE, file, 25) for _ in range(6)]
    for racer in racers:
        racer.communicate()
        assert racer.returncode == 0
    with opened(file) as study:
        trials = study.trials
    assert [trial.number for trial in trials] == list(range(150))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert all(trial.value == trial.params["x"] for trial in trials)
    assert len({trial.params["x"] for trial in trials}) == 150


def test_one_of_several_processes_gets_a_trial_that_waits(file: str) -> None:
    with opened(file) as study:
        for number in range(12):
            study.enqueue({"x": number / 12, "n": 1})
    racers = [start(RACE, file, 4) for _ in range(4)]
    for racer in racers:
        racer.communicate()
        assert racer.returncode == 0
    with opened(file) as study:
        values = Counter(trial.value for trial in study.trials)
    assert all(values[number / 12] == 1 for number in range(12))
    assert sum(values.values()) == 16
