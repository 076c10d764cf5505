"""When alerts fire, and when they do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mooring.hub.review import (
    Alert,
    AlertKind,
    History,
    PredictedRow,
    ThresholdPolicy,
    check_alert,
)

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)


def scored(*days: tuple[int, float]) -> list[PredictedRow]:
    """Return ten rows a day, so many days ago, of which a share was right."""
    return [
        PredictedRow(f"{ago}-{n}", NOW - timedelta(days=ago), 1, {}, int(n < 10 * share), True)
        for ago, share in days
        for n in range(10)
    ]


def measured(*days: tuple[int, float], name: str = "x") -> list[PredictedRow]:
    """Return rows of a feature, so many days ago, that are one above and below an average."""
    return [
        PredictedRow(f"{ago}-{n}", NOW - timedelta(days=ago), 1, {name: average + (-1) ** n})
        for ago, average in days
        for n in range(10)
    ]


@pytest.mark.parametrize(
    ("days", "policy", "values"),
    [
        ([(0, 0.5), (1, 0.6)], "all_values", [0.6, 0.5]),
        ([(0, 0.5), (1, 0.9)], "all_values", None),
        ([(0, 0.5), (1, 0.9)], "any_value", [0.9, 0.5]),
        ([(0, 0.5), (1, 0.9)], "average_value", None),
        ([(0, 0.3), (1, 0.9)], "average_value", [0.9, 0.3]),
        ([(0, 0.7), (1, 0.7)], "any_value", None),
        ([(4, 0.1)], "any_value", None),
        ([], "all_values", None),
    ],
)
def test_accuracy_below_the_threshold_fires(
    days: list[tuple[int, float]], policy: str, values: list[float] | None
) -> None:
    alert = Alert(AlertKind.MODEL_ACCURACY, threshold_policy=ThresholdPolicy(policy))
    found = check_alert(alert, History(scored(*days)), NOW)
    assert (None if found is None else found.values) == values
    if found is not None:
        assert (found.threshold, found.sensitivity, found.opened_at) == (0.7, 72, NOW)


def test_a_loss_fires_above_the_threshold() -> None:
    rows = [PredictedRow("p", NOW, 10, {}, 4, True)]
    high = Alert(AlertKind.MODEL_ACCURACY, threshold=5)
    assert check_alert(high, History(rows, score_name="rmse"), NOW) is not None
    low = Alert(AlertKind.MODEL_ACCURACY, threshold=7)
    assert check_alert(low, History(rows, score_name="rmse"), NOW) is None
    assert check_alert(low, History(rows, score_name="neg_rmse"), NOW) is not None


def test_rows_without_truth_fire_nothing() -> None:
    rows = [PredictedRow("p", NOW, 1)]
    assert check_alert(Alert(AlertKind.MODEL_ACCURACY), History(rows), NOW) is None


def test_a_feature_that_moved_fires() -> None:
    alert = Alert(AlertKind.FEATURE_AVERAGE_RANGE)
    moved = History(measured((0, 13.0), (20, 10.0)))
    found = check_alert(alert, moved, NOW)
    assert found is not None
    assert found.values == [3.0]
    assert check_alert(alert, History(measured((0, 10.5), (20, 10.0))), NOW) is None
    assert check_alert(alert, History(measured((0, 13.0))), NOW) is None
    known = History(measured((0, 13.0)), baseline={"x": (10.0, 2.0)})
    found = check_alert(alert, known, NOW)
    assert found is not None
    assert found.values == [1.5]
    still = History(measured((0, 13.0)), baseline={"x": (10.0, 0.0)})
    assert check_alert(alert, still, NOW) is None


def test_one_feature_is_enough() -> None:
    rows = measured((0, 1.0), (20, 1.0)) + measured((0, 9.0), (20, 1.0), name="y")
    found = check_alert(Alert(AlertKind.FEATURE_AVERAGE_RANGE), History(rows), NOW)
    assert found is not None
    assert found.values == [8.0]


def test_a_burst_of_errors_fires_from_the_threshold_on() -> None:
    alert = Alert(AlertKind.RUNTIME_ERRORS_BURST)
    failures = [NOW - timedelta(minutes=10 * n) for n in range(5)]
    found = check_alert(alert, History(failures=failures), NOW)
    assert found is not None
    assert (found.values, found.sensitivity) == ([5.0], 1)
    assert check_alert(alert, History(failures=failures[:4]), NOW) is None
    old = [at - timedelta(hours=1) for at in failures]
    assert check_alert(alert, History(failures=old), NOW) is None
    never = Alert(AlertKind.RUNTIME_ERRORS_BURST, threshold=0)
    assert check_alert(never, History(), NOW) is None


def test_hours_beyond_time_are_all_of_it() -> None:
    alert = Alert(AlertKind.MODEL_ACCURACY, sensitivity=10**12)
    assert check_alert(alert, History(scored((400, 0.1))), NOW) is not None
