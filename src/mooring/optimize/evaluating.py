"""What an objective makes of a trial: values, a pruned trial, or a failure."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mooring.errors import InvalidInput, TrialPruned
from mooring.optimize.asked_study import read_values
from mooring.optimize.observations import TrialState

if TYPE_CHECKING:
    from mooring.optimize.trial import Trial

Objective = Callable[["Trial"], object]
"""A function that tries a trial's parameters and returns what it reached: a number, one for each
objective, or a dict of them by name."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended. `error` is the text of the failure; `died`: its process ended."""

    state: TrialState
    values: tuple[float, ...] | None = None
    error: str | None = None
    died: bool = False


def evaluate(objective: Objective, trial: Trial, names: Sequence[str]) -> Outcome:
    """Call an objective; whatever it raises is a failure of the trial.

    `names` are the study's objectives. What ends a process (`KeyboardInterrupt`, `SystemExit`)
    goes through.
    """
    try:
        reached = objective(trial)
    except Exception as error:  # noqa: BLE001 - kept with the trial, counted, and told at the end
        if isinstance(error, TrialPruned) or type(error).__name__ == "TrialPruned":
            return Outcome(TrialState.PRUNED)
        text = "".join(traceback.format_exception(error))
        # Names of files may be no UTF-8.
        return Outcome(TrialState.FAILED, error=text.encode("utf-8", "backslashreplace").decode())
    try:
        values = read_values(reached, names)
    except InvalidInput as error:
        return Outcome(TrialState.FAILED, error=str(error))
    if values is None:
        return Outcome(TrialState.FAILED, error="the objective returned None, and no number")
    return Outcome(TrialState.COMPLETE, values)
