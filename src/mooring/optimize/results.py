"""What a study has found: the best trials, and a frame of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mooring.optimize.observations import Direction, TrialState
from mooring.optimize.study_runs import StudySpec
from mooring.optimize.trial_runs import TrialRecord

if TYPE_CHECKING:
    import pandas as pd


def best_of(spec: StudySpec, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the best trial, the first of equals; of several objectives the Pareto front."""
    import numpy as np

    names = list(spec.objectives)
    complete = [
        trial
        for trial in trials
        if trial.state is TrialState.COMPLETE and all(name in trial.values for name in names)
    ]
    if not complete:
        return []
    signs = [-1.0 if each is Direction.MAXIMIZE else 1.0 for each in spec.directions]
    losses = np.array([[trial.values[name] for name in names] for trial in complete]) * signs
    if len(names) == 1:
        return [complete[int(np.argmin(losses[:, 0]))]]
    # In this order nothing is dominated by what comes after it.
    order = np.lexsort(losses.T[::-1])
    front: list[int] = []
    for index in order:
        kept = losses[front]
        no_worse = (kept <= losses[index]).all(axis=1)
        if not (no_worse & (kept < losses[index]).any(axis=1)).any():
            front.append(int(index))
    return [complete[index] for index in sorted(front)]


def seconds_of(trial: TrialRecord) -> float | None:
    """Return how long a trial took; None while it has not ended."""
    if trial.started is None or trial.finished is None:
        return None
    return (trial.finished - trial.started).total_seconds()


def frame_of(spec: StudySpec, trials: Sequence[TrialRecord]) -> pd.DataFrame:
    """Return a frame with a row for each trial; see `Study.to_df`."""
    import pandas as pd

    rows = [
        {
            "number": trial.number,
            "state": str(trial.state),
            **{name: trial.values.get(name) for name in spec.objectives},
            "seconds": seconds_of(trial),
            "algorithm": trial.algorithm,
            **{f"params/{name}": value for name, value in trial.params.items()},
        }
        for trial in trials
    ]
    fixed = ["number", "state", *spec.objectives, "seconds", "algorithm"]
    return pd.DataFrame(rows, columns=None if rows else fixed)
