"""What finished trials tell of the time of one fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from mooring.optimize.fit_time.model import FitRecord

_FOLDS = ("crossValidationFolds", "k_folds", "folds")
"""Keys of a trial that can hold the number of its folds."""


def fold_seconds(trial: Mapping[str, Any]) -> float | None:
    """Return the seconds of one fit of a trial, from its raw data; None where nothing tells.

    It is the mean of `fold_times` without the first one, which contains the warm-up, or else
    `evaluation_time` shared by the folds. Times that are not above 0 count as not there. A trial
    with an error tells nothing.

    >>> fold_seconds({"fold_times": [4.0, 1.0, 2.0]})
    1.5
    >>> fold_seconds({"evaluation_time": 10, "fold_scores": [0.5, 0.6, 0.4, 0.5, 0.5]})
    2.0
    """
    if trial.get("error"):
        return None
    given = trial.get("fold_times")
    times = given if isinstance(given, list) else []
    usable = [float(time) for time in times[1:] or times if _is_positive(time)]
    if usable:
        return sum(usable) / len(usable)
    total = trial.get("evaluation_time")
    folds = _folds(trial)
    if not _is_positive(total) or folds is None:
        return None
    return float(total) / folds


def fit_record(trial: Mapping[str, Any]) -> FitRecord | None:
    """Return the record of one fit of a trial, from its raw data; None where something is missing.

    A trial that ran on a `ratio` of its data has so many rows less.
    """
    seconds = fold_seconds(trial)
    algorithm, params = trial.get("algorithm_name"), trial.get("algorithm_params")
    rows, columns = trial.get("dataset_nrows"), trial.get("dataset_ncols")
    if seconds is None or not isinstance(algorithm, str) or not algorithm.strip():
        return None
    if not _is_positive(rows) or not _is_positive(columns):
        return None
    ratio = trial.get("ratio")
    share = float(ratio) if _is_positive(ratio) and ratio <= 1 else 1.0
    return FitRecord(
        algorithm=algorithm,
        params=params if isinstance(params, Mapping) else {},
        rows=max(1.0, float(rows) * share),
        columns=max(1.0, float(columns)),
        seconds=seconds,
    )


def _folds(trial: Mapping[str, Any]) -> float | None:
    for name in ("fold_scores", "fold_times"):
        listed = trial.get(name)
        if isinstance(listed, list) and listed:
            return float(len(listed))
    counts = (trial.get(name) for name in _FOLDS)
    return next((float(count) for count in counts if _is_positive(count) and count >= 1), None)


def _is_positive(value: Any) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 < value < 1e300 and math.isfinite(value)
