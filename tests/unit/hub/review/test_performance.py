"""Scores agree with scikit-learn's; days and features are told as documented."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from mooring.hub.review import (
    Cell,
    PredictedRow,
    daily_feature_distribution,
    daily_model_performance,
    join,
    metric_for,
    review_rows,
    score,
    stats,
)

DAY = datetime(2026, 1, 2, 12, tzinfo=UTC)
LABELS = st.lists(st.tuples(*[st.sampled_from("abc")] * 2), min_size=1, max_size=30)
PAIRS = st.lists(st.tuples(*[st.integers(-50, 50).map(float)] * 2), min_size=2, max_size=30)


@given(LABELS)
def test_scores_of_labels_are_those_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    told, true = [p for p, _ in pairs], [a for _, a in pairs]
    assert score("accuracy", told, true) == pytest.approx(metrics.accuracy_score(true, told))
    for average in ("macro", "micro", "weighted"):
        for name, act in (
            ("f1", metrics.f1_score),
            ("precision", metrics.precision_score),
            ("recall", metrics.recall_score),
        ):
            wanted = act(true, told, average=average, zero_division=0)
            assert score(f"{name}_{average}", told, true) == pytest.approx(wanted)


@given(PAIRS)
def test_scores_of_numbers_are_those_of_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    told, true = [p for p, _ in pairs], [a for _, a in pairs]
    for name, act in (
        ("mae", metrics.mean_absolute_error),
        ("mse", metrics.mean_squared_error),
        ("rmse", metrics.root_mean_squared_error),
        ("max_error", metrics.max_error),
        ("median_absolute_error", metrics.median_absolute_error),
    ):
        assert score(name, told, true) == pytest.approx(act(true, told))
        assert score(f"neg_{name}", told, true) == pytest.approx(-act(true, told))
    if len(set(true)) > 1:
        assert score("r2", told, true) == pytest.approx(metrics.r2_score(true, told))
    else:
        assert score("r2", told, true) is None


def test_labels_are_one_whatever_their_type() -> None:
    told: list[Cell] = [1, "1", True, "true", "x", None]
    true: list[Cell] = ["1", 1.0, "True", True, "X", None]
    assert score("accuracy", told, true) == pytest.approx(5 / 6)
    binary = [True, True, False], [True, False, False]
    assert score("f1", *binary) == pytest.approx(2 / 3)
    assert score("recall", *binary) == 1
    assert score("balanced_accuracy", *binary) == pytest.approx(0.75)


def test_what_is_not_defined_is_none() -> None:
    assert score("accuracy", [], []) is None
    assert score("mae", ["x", None, float("inf")], [1, 1, 1]) is None
    assert score("mae", ["x", 3], [1, 1]) == 2


@pytest.mark.parametrize(
    ("name", "task", "wanted"),
    [
        ("f1_macro", None, "f1_macro"),
        ("neg_rmse", "regression", "neg_rmse"),
        ("AUC_weighted", "classification", "accuracy"),
        ("spearman_correlation", "regression", "r2"),
        (None, "timeseries", "r2"),
        (None, None, "accuracy"),
    ],
)
def test_a_score_that_cannot_be_told_has_a_stand_in(
    name: str | None, task: str | None, wanted: str
) -> None:
    assert metric_for(name, task) == wanted


def rows() -> list[PredictedRow]:
    made = [
        PredictedRow("p-0", DAY + timedelta(days=1), "a", {"x": 5, "kind": "one"}),
        PredictedRow("p-1", DAY, "a", {"x": 1, "kind": "one"}),
        PredictedRow("p-2", DAY, "b", {"x": 3, "kind": None}),
        PredictedRow("p-3", DAY, "b", {"x": None, "flag": True}),
    ]
    return join(made, {"p-1": "a", "p-2": "a", "other": "b"})


def test_days_tell_the_score_of_what_is_known() -> None:
    assert daily_model_performance(rows(), "accuracy") == [
        {
            "date": "2026-01-02",
            "score_name": "accuracy",
            "score": 0.5,
            "predictions_count": 3,
            "actuals_count": 2,
        },
        {
            "date": "2026-01-03",
            "score_name": "accuracy",
            "score": None,
            "predictions_count": 1,
            "actuals_count": 0,
        },
    ]
    late = datetime(2026, 1, 1, 23, tzinfo=timezone(timedelta(hours=-3)))
    (day,) = daily_model_performance([PredictedRow("q", late, 1)], "r2")
    assert day["date"] == "2026-01-02"


def test_days_tell_what_features_were_like() -> None:
    first, second = daily_feature_distribution(rows())
    assert first["features"]["x"] == {
        "count": 2,
        "missing": 1,
        "mean": 2.0,
        "std": 1.0,
        "min": 1.0,
        "max": 3.0,
    }
    assert first["features"]["kind"] == {
        "count": 1,
        "missing": 2,
        "unique": 1,
        "top": {"one": 1},
    }
    assert first["features"]["flag"]["top"] == {"True": 1}
    assert second["date"] == "2026-01-03"
    assert second["features"]["x"]["std"] == 0.0


def test_stats_and_columns() -> None:
    assert stats(rows(), "accuracy") == {
        "predictions_count": 4,
        "actuals_count": 2,
        "first_date": "2026-01-02",
        "last_date": "2026-01-03",
        "score_name": "accuracy",
        "score": 0.5,
    }
    assert stats([], "r2")["first_date"] is None
    columns = review_rows(rows())
    assert columns.actuals == [None, "a", "a", None]
    assert columns.features["flag"] == [None, None, None, True]
