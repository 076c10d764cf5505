"""How well predictions did: scores, days, features, from predictions and what was true."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from mooring.hub.review.evaluation import Cell, ReviewRows

_TOP = 10
JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PredictedRow:
    """One row that was predicted.

    Attributes
    ----------
    id : its `prediction_id`, which actuals name
    at : when it was predicted
    features : cells of the row by the names of its columns
    actual : what was true; `known` tells whether that has been said
    """

    id: str
    at: datetime
    prediction: Cell
    features: Mapping[str, Cell] = field(default_factory=dict)
    actual: Cell = None
    known: bool = False


def join(rows: Iterable[PredictedRow], actuals: Mapping[str, Cell]) -> list[PredictedRow]:
    """Return rows with what was true of them, by the id of each prediction."""
    return [
        PredictedRow(row.id, row.at, row.prediction, row.features, actuals[row.id], True)
        if row.id in actuals
        else row
        for row in rows
    ]


def review_rows(rows: Sequence[PredictedRow]) -> ReviewRows:
    """Return rows as columns, for ROI expressions. A feature that a row lacks is null there."""
    names = dict.fromkeys(name for row in rows for name in row.features)
    return ReviewRows(
        [row.prediction for row in rows],
        [row.actual for row in rows],
        {name: [row.features.get(name) for row in rows] for name in names},
    )


# scores


def score(score_name: str, predictions: Sequence[Cell], actuals: Sequence[Cell]) -> float | None:
    """Return a score of predictions; None where it is not defined, as over no rows.

    Labels are compared as texts, whatever type they came in: 1, 1.0 and "1" are one label. Rows
    without a number do not count for scores of numbers.

    Raises
    ------
    KeyError
        For a name that `metric_for` does not return.
    """
    sign, name = (-1.0, score_name[4:]) if score_name.startswith("neg_") else (1.0, score_name)
    if name in _REGRESSION:
        pairs = [(_float(p), _float(a)) for p, a in zip(predictions, actuals, strict=True)]
        held = np.array([p for p in pairs if not math.isnan(p[0] + p[1])], dtype=np.float64)
        if not len(held):
            return None
        with np.errstate(all="ignore"):
            found = _REGRESSION[name](held[:, 0], held[:, 1])
    else:
        labels = [(_label(p), _label(a)) for p, a in zip(predictions, actuals, strict=True)]
        if not labels:
            return None
        found = _CLASSIFICATION[name](labels)
    return sign * float(found) if math.isfinite(found) else None


def metric_for(score_name: str | None, task_type: str | None = None) -> str:
    """Return the score that predictions and actuals are judged by.

    The one that a pipeline names, where it can be told from labels and numbers alone; else
    `r2` for a regression, and `accuracy`.
    """
    name = (score_name or "").lower()
    if name.removeprefix("neg_") in _REGRESSION or name in _CLASSIFICATION:
        return name
    return "r2" if task_type in ("regression", "timeseries") else "accuracy"


def _float(cell: Cell) -> float:
    try:
        number = math.nan if cell is None else float(cell)
    except (ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _label(cell: Cell) -> str:
    if isinstance(cell, bool) or cell is None:
        return str(cell)
    number = _float(cell)
    if not math.isnan(number):
        return f"{number:.15g}"
    text = str(cell)
    return text.title() if text.lower() in ("true", "false") else text


_Labels = Sequence[tuple[str, str]]
_Floats = npt.NDArray[np.float64]


def _accuracy(labels: _Labels) -> float:
    return sum(p == a for p, a in labels) / len(labels)


def _parts(labels: _Labels) -> list[tuple[float, float, float, int]]:
    """Return precision, recall, F1 and the number of rows of each class; 0 where not defined."""
    hits = Counter(p for p, a in labels if p == a)
    claims, truths = Counter(p for p, _ in labels), Counter(a for _, a in labels)
    parts = []
    for each in sorted(claims | truths):
        right, told, true = hits[each], claims[each], truths[each]
        precision = right / told if told else 0.0
        recall = right / true if true else 0.0
        total = precision + recall
        parts.append((precision, recall, 2 * precision * recall / total if total else 0.0, true))
    return parts


def _binary(which: int) -> Callable[[_Labels], float]:
    """Return the score of the second of two classes, in their order; of more, their mean."""

    def of(labels: _Labels) -> float:
        parts = _parts(labels)
        if len(parts) > 2:
            return _macro(which)(labels)
        return parts[-1][which]

    return of


def _macro(which: int) -> Callable[[_Labels], float]:
    return lambda labels: float(np.mean([part[which] for part in _parts(labels)]))


def _weighted(which: int) -> Callable[[_Labels], float]:
    def of(labels: _Labels) -> float:
        parts = _parts(labels)
        return sum(part[which] * part[3] for part in parts) / sum(part[3] for part in parts)

    return of


def _balanced(labels: _Labels) -> float:
    return float(np.mean([part[1] for part in _parts(labels) if part[3]]))


_CLASSIFICATION: Mapping[str, Callable[[_Labels], float]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced,
    **{
        f"{name}{ending}": kind(which)
        for which, name in enumerate(("precision", "recall", "f1"))
        for ending, kind in (("", _binary), ("_macro", _macro), ("_weighted", _weighted))
    },
    **{f"{name}_micro": _accuracy for name in ("precision", "recall", "f1")},
}


def _r2(predicted: _Floats, actual: _Floats) -> float:
    spread = float(np.sum((actual - actual.mean()) ** 2))
    return 1 - float(np.sum((actual - predicted) ** 2)) / spread if spread else math.nan


def _mae(predicted: _Floats, actual: _Floats) -> float:
    return float(np.mean(np.abs(actual - predicted)))


def _mse(predicted: _Floats, actual: _Floats) -> float:
    return float(np.mean((actual - predicted) ** 2))


def _rmse(predicted: _Floats, actual: _Floats) -> float:
    return math.sqrt(_mse(predicted, actual))


_REGRESSION: Mapping[str, Callable[[_Floats, _Floats], float]] = {
    "r2": _r2,
    "mae": _mae,
    "mse": _mse,
    "rmse": _rmse,
    "mean_absolute_error": _mae,
    "mean_squared_error": _mse,
    "root_mean_squared_error": _rmse,
    "median_absolute_error": lambda p, a: float(np.median(np.abs(a - p))),
    "explained_variance": lambda p, a: (
        float(1 - np.var(a - p) / np.var(a)) if np.var(a) else math.nan
    ),
    "max_error": lambda p, a: float(np.max(np.abs(a - p))),
}


def is_loss(score_name: str) -> bool:
    """Tell whether a smaller score is the better one.

    >>> is_loss("rmse"), is_loss("neg_rmse"), is_loss("r2")
    (True, False, False)
    """
    return score_name in _REGRESSION and score_name not in ("r2", "explained_variance")


# days


def by_day(rows: Iterable[PredictedRow]) -> dict[str, list[PredictedRow]]:
    """Return rows by the day (UTC) on which they were predicted, oldest first."""
    days: dict[str, list[PredictedRow]] = {}
    for row in rows:
        days.setdefault(row.at.astimezone(UTC).date().isoformat(), []).append(row)
    return dict(sorted(days.items()))


def score_rows(score_name: str, rows: Sequence[PredictedRow]) -> float | None:
    """Return the score of the rows whose truth is known."""
    known = [row for row in rows if row.known]
    return score(score_name, [row.prediction for row in known], [row.actual for row in known])


def daily_model_performance(rows: Iterable[PredictedRow], score_name: str) -> list[JsonObject]:
    """Return how well each day's predictions did.

    An object a day, oldest first: `date` (`YYYY-MM-DD`, UTC, of the predictions), `score_name`,
    `score` (null where no truth is known), `predictions_count`, `actuals_count`.
    """
    return [
        {
            "date": day,
            "score_name": score_name,
            "score": score_rows(score_name, held),
            "predictions_count": len(held),
            "actuals_count": sum(row.known for row in held),
        }
        for day, held in by_day(rows).items()
    ]


def daily_feature_distribution(rows: Iterable[PredictedRow]) -> list[JsonObject]:
    """Return what the features of each day's rows were like.

    An object a day, oldest first: `date`, and `features`, by name. A feature of numbers has
    `count`, `missing`, `mean`, `std`, `min`, `max`; one of texts or flags `count`, `missing`,
    `unique` and `top`, the ten most frequent values with how often each came.
    """
    days = []
    for day, held in by_day(rows).items():
        names = dict.fromkeys(name for row in held for name in row.features)
        features = {name: _distribution([row.features.get(name) for row in held]) for name in names}
        days.append({"date": day, "features": features})
    return days


def _distribution(cells: Sequence[Cell]) -> JsonObject:
    known = [cell for cell in cells if cell is not None]
    told: JsonObject = {"count": len(known), "missing": len(cells) - len(known)}
    if known and all(isinstance(c, (int, float)) and not isinstance(c, bool) for c in known):
        values = np.array([_float(cell) for cell in known])
        with np.errstate(all="ignore"):
            found = {
                "mean": values.mean(),
                "std": values.std(),
                "min": values.min(),
                "max": values.max(),
            }
        told |= {name: float(v) if np.isfinite(v) else None for name, v in found.items()}
        return told
    counts: dict[str, int] = {}
    for cell in known:
        counts[str(cell)] = counts.get(str(cell), 0) + 1
    most = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:_TOP]
    return {**told, "unique": len(counts), "top": dict(most)}


def stats(rows: Sequence[PredictedRow], score_name: str) -> JsonObject:
    """Return what there is in all: counts, first and last day, and the score."""
    days = list(by_day(rows))
    return {
        "predictions_count": len(rows),
        "actuals_count": sum(row.known for row in rows),
        "first_date": days[0] if days else None,
        "last_date": days[-1] if days else None,
        "score_name": score_name,
        "score": score_rows(score_name, rows),
    }
