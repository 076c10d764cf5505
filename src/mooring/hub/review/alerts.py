"""Alerts: when what was measured in the last hours is worse than it may be.

`model_accuracy` looks at the score of each day, and fires below its threshold (above it where a
smaller score is better). `feature_average_range` looks at how far the average of a feature is from
what it was before, in standard deviations, and fires beyond its threshold.
`runtime_errors_burst` counts predictions that failed, and fires from its threshold on.

The policy of a threshold tells of several values of one measure whether all of them have to be
beyond it, one of them, or their average.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from mooring.hub.review.performance import PredictedRow, by_day, is_loss, score_rows


class AlertKind(StrEnum):
    """What an alert watches."""

    MODEL_ACCURACY = "model_accuracy"
    FEATURE_AVERAGE_RANGE = "feature_average_range"
    RUNTIME_ERRORS_BURST = "runtime_errors_burst"


class ThresholdPolicy(StrEnum):
    """Which of several values have to be beyond the threshold."""

    ALL_VALUES = "all_values"
    AVERAGE_VALUE = "average_value"
    ANY_VALUE = "any_value"


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule. Threshold and sensitivity have a default for each kind (`DEFAULTS`).

    Attributes
    ----------
    sensitivity : how many hours back it looks
    """

    kind: AlertKind
    threshold: float | None = None
    sensitivity: int | None = None
    threshold_policy: ThresholdPolicy = ThresholdPolicy.ALL_VALUES


DEFAULTS: Mapping[AlertKind, tuple[float, int]] = {
    AlertKind.MODEL_ACCURACY: (0.7, 72),
    AlertKind.FEATURE_AVERAGE_RANGE: (1.0, 168),
    AlertKind.RUNTIME_ERRORS_BURST: (5.0, 1),
}
"""Threshold and sensitivity in hours of each kind."""


@dataclass(frozen=True, slots=True)
class History:
    """What an alert judges by.

    Attributes
    ----------
    rows : what was predicted, and what was true
    failures : when predictions failed
    score_name : the score of the model
    baseline : average and standard deviation of features in the data that the model was made
        from; default: what was predicted before the hours that an alert looks at
    """

    rows: Sequence[PredictedRow] = ()
    failures: Sequence[datetime] = ()
    score_name: str = "accuracy"
    baseline: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AlertFiring:
    """An alert that fired.

    Attributes
    ----------
    values : the numbers that fired it
    """

    kind: AlertKind
    threshold: float
    sensitivity: int
    opened_at: datetime
    values: Sequence[float]


def check_alert(alert: Alert, history: History, now: datetime) -> AlertFiring | None:
    """Return the firing of an alert, or None where all is well or nothing is known."""
    threshold, sensitivity = DEFAULTS[alert.kind]
    threshold = threshold if alert.threshold is None else alert.threshold
    sensitivity = sensitivity if alert.sensitivity is None else alert.sensitivity
    since = _before(now, sensitivity)
    match alert.kind:
        case AlertKind.MODEL_ACCURACY:
            sign = 1.0 if is_loss(history.score_name) else -1.0
            fired = _beyond([_scores(history, since, now)], threshold, sign, alert)
        case AlertKind.FEATURE_AVERAGE_RANGE:
            fired = _beyond(_distances(history, since, now), threshold, 1.0, alert)
        case AlertKind.RUNTIME_ERRORS_BURST:
            count = sum(since < at <= now for at in history.failures)
            fired = [float(count)] if count and count >= threshold else []
    return AlertFiring(alert.kind, threshold, sensitivity, now, fired) if fired else None


def _before(now: datetime, hours: int) -> datetime:
    try:
        return now - timedelta(hours=hours)
    except OverflowError:
        return datetime.min.replace(tzinfo=now.tzinfo)


def _beyond(
    measured: Sequence[Sequence[float]], threshold: float, sign: float, alert: Alert
) -> list[float]:
    """Return the values of the measures that are beyond the threshold, above it for `sign` 1."""
    fired: list[float] = []
    for values in measured:
        judged = values
        if alert.threshold_policy is ThresholdPolicy.AVERAGE_VALUE and values:
            judged = [sum(values) / len(values)]
        beyond = [sign * value > sign * threshold for value in judged]
        enough = any if alert.threshold_policy is ThresholdPolicy.ANY_VALUE else all
        if beyond and enough(beyond):
            fired += values
    return fired


def _scores(history: History, since: datetime, now: datetime) -> list[float]:
    """Return the score of each day that has one."""
    rows = [row for row in history.rows if row.known and since < row.at <= now]
    found = (score_rows(history.score_name, held) for held in by_day(rows).values())
    return [each for each in found if each is not None]


def _distances(history: History, since: datetime, now: datetime) -> list[list[float]]:
    """Return of each feature how far each day's average is from what it was before."""
    days = by_day(row for row in history.rows if since < row.at <= now)
    before = [row for row in history.rows if row.at <= since]
    names = dict.fromkeys(name for held in days.values() for row in held for name in row.features)
    measured = []
    for name in names:
        base = history.baseline.get(name) or _average(before, name)
        if base is None or not base[1] > 0:
            continue
        averages = (_average(held, name) for held in days.values())
        measured.append([abs(each[0] - base[0]) / base[1] for each in averages if each])
    return measured


def _average(rows: Sequence[PredictedRow], name: str) -> tuple[float, float] | None:
    """Return average and standard deviation of a feature of numbers, or None."""
    cells = [row.features.get(name) for row in rows]
    held = [
        float(cell)
        for cell in cells
        if isinstance(cell, (int, float)) and not isinstance(cell, bool)
    ]
    if not held:
        return None
    mean = sum(held) / len(held)
    spread = math.sqrt(sum((each - mean) ** 2 for each in held) / len(held))
    return (mean, spread) if math.isfinite(mean) and math.isfinite(spread) else None
