"""Trials whose process died: told as failed, and given out again."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from mooring.errors import TrialFinished
from mooring.model import Value
from mooring.optimize.ledger import TrialLog
from mooring.optimize.observations import TrialState
from mooring.optimize.trial_runs import STATE, TrialRecord, param_attributes

GRACE_S = 5.0
"""So long whoever told a trial as failed is left the time to enter it again."""


class Recovery:
    """Tells trials whose process died as failed, and enters them again.

    Whoever tells a trial as failed enters it again. Killed between the two, it has left a trial
    that died and that none repeats, which another process sees and enters after `GRACE_S`. One
    thread at a time.
    """

    def __init__(self, log: TrialLog, *, retries: int) -> None:
        self._log = log
        self._retries = retries
        self._seen = 0
        self._orphans: dict[int, float] = {}
        self._repeated: set[int] = set()

    def run(self, *, at_once: bool = False) -> list[TrialRecord]:
        """Do it for the trials as they were read last; return those that were entered."""
        for trial in self._log.died():
            self.fail(trial, "its process ended")
        self._look()
        entered: list[TrialRecord] = []
        for number, since in list(self._orphans.items()):
            orphan = self._log.find(number)
            if number in self._repeated or orphan is None or orphan.attempt > self._retries:
                del self._orphans[number]
            elif at_once or time.monotonic() - since >= GRACE_S:
                del self._orphans[number]
                entered.append(self._repeat(orphan))
        return entered

    def give_up(self, trials: Iterable[TrialRecord]) -> None:
        """Tell running trials as failed that no process has."""
        for trial in trials:
            if trial.state is TrialState.RUNNING and not trial.active:
                self.fail(trial, "given up: nobody told what came of it")

    def fail(self, trial: TrialRecord, error: str) -> None:
        """Tell a trial as failed; it is entered again by `run`."""
        held: dict[str, Value] = {"trial/died": True, "trial/error": error}
        try:
            self._log.finish(trial, TrialState.FAILED, held)
        except TrialFinished:
            return
        self._orphans[trial.number] = -math.inf

    def _look(self) -> None:
        """Notice trials that died, and those that repeat one."""
        changed = self._log.changed
        for number in changed[self._seen :]:
            trial = self._log.find(number)
            if trial is not None and trial.retry_of is not None:
                self._repeated.add(trial.retry_of)
            if trial is not None and trial.died:
                self._orphans.setdefault(number, time.monotonic())
        self._seen = len(changed)

    def _repeat(self, trial: TrialRecord) -> TrialRecord:
        self._repeated.add(trial.number)
        values: dict[str, Value] = {
            STATE: str(TrialState.WAITING),
            "trial/retry_of": trial.number,
            "trial/attempt": trial.attempt + 1,
        }
        if trial.algorithm:
            values["trial/algorithm"] = trial.algorithm
        if trial.method:
            values["trial/method"] = trial.method
        for name, param in trial.space.items():
            values.update(param_attributes(name, param))
        while (entered := self._log.create(self._log.find_next(), values)) is None:
            continue
        return entered
