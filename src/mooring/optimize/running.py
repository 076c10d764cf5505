"""The loop of a search: asks for trials, has them run, tells what came of them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from tqdm import tqdm

from mooring.errors import InvalidInput, ObjectiveFailed
from mooring.optimize.evaluating import Objective, Outcome, evaluate
from mooring.optimize.observations import Direction, TrialState
from mooring.optimize.trial_runs import TrialRecord
from mooring.optimize.workers import Worker, WorkOrder, pack

if TYPE_CHECKING:
    from mooring.optimize.study import Study
    from mooring.optimize.trial import Trial

Callback = Callable[["Study", TrialRecord], object]
_LOOK_S = 0.5
_MAX_JOBS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchLimits:
    """When a search ends, and how many trials run at a time; see `Study.optimize`."""

    n_trials: int | None
    budget_s: float | None
    n_jobs: int
    trial_timeout_s: float | None
    max_failures: int

    @classmethod
    def check(
        cls,
        *,
        n_trials: int | None,
        budget_s: float | None,
        n_jobs: int,
        trial_timeout_s: float | None,
        max_failures: int,
    ) -> SearchLimits:
        """Return limits; `InvalidInput` for what is none, and for a search without an end."""
        if n_trials is None and budget_s is None:
            raise InvalidInput("say when the search ends: n_trials=, budget_s=, or both")
        for name, count in (("n_trials", n_trials), ("max_failures", max_failures)):
            if count is not None and not (type(count) is int and count >= 1):
                raise InvalidInput(f"{name} is an integer of 1 or more, not {count!r:.80}")
        for name, seconds in (("budget_s", budget_s), ("trial_timeout_s", trial_timeout_s)):
            if seconds is not None and not seconds > 0:
                raise InvalidInput(f"{name} is a number of seconds above 0, not {seconds!r:.80}")
        if n_jobs == -1:
            n_jobs = os.cpu_count() or 1
        if type(n_jobs) is not int or not 1 <= n_jobs <= _MAX_JOBS:
            raise InvalidInput(f"n_jobs is 1 to {_MAX_JOBS}, or -1, not {n_jobs!r:.80}")
        return cls(
            n_trials=n_trials,
            budget_s=budget_s,
            n_jobs=n_jobs,
            trial_timeout_s=trial_timeout_s,
            max_failures=max_failures,
        )

    @property
    def in_this_process(self) -> bool:
        """Whether trials run here: one at a time, with nothing that would have to be ended."""
        return self.n_jobs == 1 and self.trial_timeout_s is None


class Search:
    """One call of `Study.optimize`."""

    def __init__(
        self,
        study: Study,
        objective: Objective,
        limits: SearchLimits,
        callbacks: Sequence[Callback],
        *,
        progress: bool | None,
    ) -> None:
        if not callable(objective):
            raise InvalidInput(f"an objective is a function of a trial, not {objective!r:.80}")
        self._study = study
        self._objective = objective
        self._limits = limits
        self._callbacks = callbacks
        self._names = list(study.spec.objectives)
        self._begun = 0
        self._failures = 0
        self._best: float | None = None
        self._end = None if limits.budget_s is None else time.monotonic() + limits.budget_s
        self._bar = tqdm(
            total=limits.n_trials,
            desc=study.name,
            unit="trial",
            disable=None if progress is None else not progress,
            file=sys.stderr,
        )

    def run(self) -> None:
        """Run trials until one of the limits is reached."""
        with self._bar:
            if self._limits.in_this_process:
                while self._goes_on():
                    self._run_here()
            else:
                self._run_elsewhere()

    def _goes_on(self) -> bool:
        """Return whether one more trial is to begin."""
        if self._study.is_stopped:
            return False
        if self._limits.n_trials is not None and self._begun >= self._limits.n_trials:
            return False
        return self._end is None or time.monotonic() < self._end

    def _ask(self) -> Trial:
        trial = self._study.ask()
        self._begun += 1
        return trial

    def _run_here(self) -> None:
        trial = self._ask()
        try:
            outcome = evaluate(self._objective, trial, self._names)
        except BaseException:
            self._study.hand_back(trial, "interrupted")
            raise
        self._follow(self._tell(trial, outcome))

    def _tell(self, trial: Trial, outcome: Outcome) -> TrialRecord:
        study = self._study
        if outcome.died:
            return study.hand_back(trial, outcome.error or "its process ended")
        return study.tell(trial, outcome.values, state=outcome.state, error=outcome.error)

    def _follow(self, record: TrialRecord) -> None:
        """Show a trial that was told; raises what ends the search."""
        study = self._study
        self._show(record)
        for callback in self._callbacks:
            callback(study, record)
        self._failures = self._failures + 1 if record.state is TrialState.FAILED else 0
        if self._failures >= self._limits.max_failures:
            raise ObjectiveFailed(
                f"{self._failures} trials of study {study.name!r} failed one after the other; the "
                f"last one, {record.number}: {(record.error or '').strip()}"
            )

    def _show(self, record: TrialRecord) -> None:
        value = record.value
        if record.state is TrialState.COMPLETE and value is not None and len(self._names) == 1:
            better = max if self._study.directions[0] is Direction.MAXIMIZE else min
            self._best = value if self._best is None else better(self._best, value)
            self._bar.set_postfix(best=f"{self._best:.6g}", refresh=False)
        self._bar.update()

    # in other processes

    def _run_elsewhere(self) -> None:
        study = self._study
        if study.store.address == ":memory:":
            raise InvalidInput(
                "a store in memory cannot be shared with other processes; give a file, or "
                "n_jobs=1 and no trial_timeout_s"
            )
        order = WorkOrder(study.store.address, study.project, study.name)
        packed = pack(order, self._objective)
        team = _Team(packed)
        try:
            self._keep_busy(team)
        finally:
            for trial, outcome in team.close():
                self._tell(trial, outcome)

    def _keep_busy(self, team: _Team) -> None:
        while True:
            while len(team.busy) < self._limits.n_jobs and self._goes_on():
                team.begin(self._ask(), self._limits.trial_timeout_s)
            if not team.busy:
                return
            ended = team.collect(self._limits.trial_timeout_s)
            # All are told before one of them, or a callback, may end the search.
            for record in [self._tell(trial, outcome) for trial, outcome in ended]:
                self._follow(record)


@dataclass(slots=True)
class _Busy:
    worker: Worker
    trial: Trial
    deadline: float | None


class _Team:
    """Workers, each with at most one trial."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed
        self._idle: list[Worker] = []
        self.busy: list[_Busy] = []

    def begin(self, trial: Trial, timeout_s: float | None) -> None:
        """Have a trial run by a worker that has nothing to do, or a new one."""
        worker = self._idle.pop() if self._idle else Worker(self._packed)
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self.busy.append(_Busy(worker, trial, deadline))
        worker.begin(trial.number)

    def collect(self, timeout_s: float | None) -> list[tuple[Trial, Outcome]]:
        """Wait for a while; return trials that ended, or had to be ended."""
        ready = wait([each.worker.connection for each in self.busy], _LOOK_S)
        ended: list[tuple[Trial, Outcome]] = []
        for each in list(self.busy):
            if each.worker.connection in ready:
                outcome = each.worker.result()
                if outcome.died:
                    each.worker.close()
                else:
                    self._idle.append(each.worker)
            elif each.deadline is not None and time.monotonic() > each.deadline:
                each.worker.kill()
                told = f"it took longer than {timeout_s:g} s and was ended"
                outcome = Outcome(TrialState.FAILED, error=told)
            else:
                continue
            self.busy.remove(each)
            ended.append((each.trial, outcome))
        return ended

    def close(self) -> list[tuple[Trial, Outcome]]:
        """End all workers; return how the trials that were running ended, or that they did not."""
        ended: list[tuple[Trial, Outcome]] = []
        for each in self.busy:
            outcome = Outcome(TrialState.FAILED, error="interrupted", died=True)
            if each.worker.connection.poll():  # it was done, and nobody had looked yet
                outcome = each.worker.result()
            each.worker.kill()
            ended.append((each.trial, outcome))
        for worker in self._idle:
            worker.close()
        self.busy, self._idle = [], []
        return ended
