"""What the trials of a hub tell those to come: how long fits took, and what was best.

A trial of the API tells it in its `raw_data`. A run that was logged by other means counts for
fit times when it has these attributes:

==========================================  =======================================================
`trial/algorithm` or `algorithm_name`       dotted name of the class
`params/…`                                  its parameters
`dataset_nrows`, `dataset_ncols`            of the data that it was fitted to
`fit_seconds`                               of one fit; or else
`evaluation_time` and `k_folds`             seconds of all fits, and how many they were
==========================================  =======================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from mooring.errors import NotFound
from mooring.hub.doors.auger.fields import PREFIX
from mooring.hub.doors.auger.trial_values import PARAMS
from mooring.hub.guarded import GuardedStore
from mooring.model import AttributeType, RunInfo
from mooring.query import Exists, Expression, Field, Or, Sort
from mooring.store.contract import PathSelector, RunQuery

MAX_FITS = 2_000
"""So many timed trials, the newest, an estimate learns from."""
MAX_TRIED = 50
"""So many trials, the best, a warm start is offered."""

_RAW = Field(PREFIX + "raw_data", AttributeType.STRING)
_SCORE = Field(PREFIX + "score_value", AttributeType.FLOAT)
_ROWS = "dataset_nrows"
_NAMES = ("trial/algorithm", "algorithm_name")
_LOGGED = (_ROWS, "dataset_ncols", "fit_seconds", "evaluation_time", "k_folds")
_VALUES = frozenset(
    {
        AttributeType.BOOL,
        AttributeType.FLOAT,
        AttributeType.FLOAT_SERIES,
        AttributeType.INT,
        AttributeType.STRING,
    }
)
_TOLD = (
    "algorithm_name",
    "algorithm_params",
    _ROWS,
    "dataset_ncols",
    "error",
    "evaluation_time",
    "fold_times",
    "fold_scores",
    "ratio",
    "crossValidationFolds",
    "k_folds",
    "folds",
)
"""What of a trial's raw data tells its time. The rest, such as curves, is long."""


def timed_trials(store: GuardedStore, projects: Sequence[str]) -> list[dict[str, object]]:
    """Return what tells of fits, the newest first, as `fit_record` reads it."""
    runs = _runs(store, projects, Or((Exists(_RAW), Exists(Field(_ROWS)))), limit=MAX_FITS)
    told = _raw_data(store, runs)
    logged = [row for row, trial in enumerate(told) if trial is None]
    for row, trial in zip(logged, _logged(store, [runs[row] for row in logged]), strict=True):
        told[row] = trial
    return [
        {name: trial[name] for name in _TOLD if name in trial}
        for trial in told
        if trial is not None and trial.get(_ROWS) is not None
    ]


def best_trials(store: GuardedStore, projects: Sequence[str]) -> list[dict[str, object]]:
    """Return algorithm and parameters of the trials with the highest scores."""
    by_score = Sort(_SCORE, ascending=False)
    runs = _runs(store, projects, Exists(_SCORE), limit=MAX_TRIED, sort=by_score)
    found: list[dict[str, object]] = []
    for trial in _raw_data(store, runs):
        name = None if trial is None else trial.get("algorithm_name")
        params = None if trial is None else trial.get("algorithm_params")
        if isinstance(name, str) and isinstance(params, dict):
            found.append({"algorithm_name": name, "algorithm_params": params})
    return found


def _runs(
    store: GuardedStore,
    projects: Sequence[str],
    filter: Expression,
    *,
    limit: int,
    sort: Sort | None = None,
) -> Sequence[RunInfo]:
    if not projects:
        return ()
    query = RunQuery(projects=tuple(projects), filter=filter, sort=sort, limit=limit)
    try:
        return store.query_runs(query).runs
    except NotFound:
        return ()


def _raw_data(store: GuardedStore, runs: Sequence[RunInfo]) -> list[dict[str, object] | None]:
    """Return the raw data of each run, None where it has none."""
    found: list[dict[str, object] | None] = [None for _ in runs]
    if not runs:
        return found
    select = PathSelector(paths=(_RAW.path,))
    for column in store.read_attributes([run.key for run in runs], select):
        for row, text in zip(column.rows, column.values, strict=True):
            try:
                held = orjson.loads(text)
            except (orjson.JSONDecodeError, TypeError):
                continue
            found[int(row)] = held if isinstance(held, dict) else None
    return found


def _logged(store: GuardedStore, runs: Sequence[RunInfo]) -> list[dict[str, object]]:
    """Return what runs tell by attributes of their own, as raw data would."""
    found: list[dict[str, object]] = [{} for _ in runs]
    if not runs:
        return found
    select = PathSelector(paths=(*_NAMES, *_LOGGED), patterns=(f"^{PARAMS}",), types=_VALUES)
    for column in store.read_attributes([run.key for run in runs], select):
        for row, value in zip(column.rows, column.values, strict=True):
            item = getattr(value, "item", None)
            found[int(row)][column.path] = item() if callable(item) else value
    return [_as_raw_data(held) for held in found]


def _as_raw_data(held: Mapping[str, object]) -> dict[str, object]:
    told: dict[str, object] = {name: held[name] for name in _LOGGED if name in held}
    told["algorithm_name"] = next((held[name] for name in _NAMES if name in held), None)
    told["algorithm_params"] = {
        path.removeprefix(PARAMS): value for path, value in held.items() if path.startswith(PARAMS)
    }
    if "fit_seconds" in told:
        told["fold_times"] = [told.pop("fit_seconds")]
    return told
