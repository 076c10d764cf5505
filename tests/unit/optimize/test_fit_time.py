"""Estimates of fit times: priors, what records teach, and input of any kind."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mooring.errors import InvalidInput
from mooring.optimize.fit_time import (
    FitRecord,
    FitTimes,
    family_of,
    fit_record,
    fold_seconds,
)

FOREST = "sklearn.ensemble.RandomForestClassifier"
BOOSTING = "sklearn.ensemble.GradientBoostingClassifier"
HISTOGRAM = "sklearn.ensemble.HistGradientBoostingClassifier"
NOVELTY = "somewhere.Novelty"


def record(algorithm: str = FOREST, seconds: Any = 1.0, **about: Any) -> FitRecord:
    given = {"params": {}, "rows": 1_000, "columns": 10, **about}
    return FitRecord(algorithm=algorithm, seconds=seconds, **given)


def seconds(
    params: Any = None, algorithm: str = FOREST, rows: Any = 1_000, columns: Any = 10
) -> Any:
    return FitTimes().estimate(algorithm, params or {}, rows=rows, columns=columns).seconds


# priors


def test_without_records_the_prior_of_the_family_is_the_answer() -> None:
    answer = FitTimes().estimate(FOREST, {}, rows=1_000, columns=10)
    assert answer.seconds == pytest.approx(0.25)
    assert (answer.records, answer.others, answer.family) == (0, 0, "random forest")
    assert answer.low < answer.seconds < answer.high


def test_sizes_and_work_have_the_exponents_of_the_family() -> None:
    assert seconds(rows=10_000) == pytest.approx(0.25 * 10**1.2)
    assert seconds(columns=1_000) == pytest.approx(0.25 * 100**0.5)
    assert seconds({"n_estimators": 400}) == pytest.approx(1.0)
    assert seconds({"max_iter": 400}, HISTOGRAM) == pytest.approx(0.1 * 4**0.9)


def test_extra_trees_grow_slower_on_small_data() -> None:
    extra = "sklearn.ensemble.ExtraTreesClassifier"
    assert seconds(algorithm=extra, rows=100) == pytest.approx(0.15 * 0.1**0.6)
    assert seconds(algorithm=extra, rows=10_000) == pytest.approx(1.5)


def test_the_module_of_a_class_does_not_matter_to_its_family() -> None:
    assert family_of("sklearn.ensemble.forest.RandomForestClassifier") is family_of(FOREST)
    assert family_of("sklearn.svm.SVC").name == "kernel classifier"
    assert family_of("sklearn.svm.SVR").name == "kernel regression"
    assert family_of("").name == "unknown"


def test_an_unknown_algorithm_is_less_certain() -> None:
    known = FitTimes().estimate(FOREST, {}, rows=1_000, columns=10)
    unknown = FitTimes().estimate(NOVELTY, {}, rows=1_000, columns=10)
    assert unknown.high / unknown.low > known.high / known.low


@pytest.mark.parametrize(
    ("algorithm", "less", "more"),
    [
        (FOREST, {"max_features": 1}, {"max_features": 8}),
        (FOREST, {"max_features": "sqrt"}, {"max_features": None, "max_depth": None, "x": 1}),
        (FOREST, {"max_depth": 2}, {}),
        (BOOSTING, {"max_depth": 2}, {"max_depth": 6}),
        (BOOSTING, {"max_depth": 6}, {"max_depth": None}),
        (BOOSTING, {"max_features": 0.5}, {}),
        (HISTOGRAM, {"max_depth": 2}, {"max_depth": None}),
        (HISTOGRAM, {"max_leaf_nodes": 5}, {"max_leaf_nodes": 255}),
    ],
)
def test_parameters_of_trees_count(
    algorithm: str, less: dict[str, Any], more: dict[str, Any]
) -> None:
    if "max_features" in less and less["max_features"] == "sqrt":
        assert seconds(less, algorithm) == seconds(more, algorithm)
    else:
        assert seconds(less, algorithm) < seconds(more, algorithm)


# what records teach


def test_records_of_an_algorithm_pull_its_estimates_to_them() -> None:
    estimates = [
        FitTimes.learn([record(seconds=2.5)] * count).estimate(FOREST, {}, rows=1_000, columns=10)
        for count in (0, 1, 3, 12)
    ]
    medians = [answer.seconds for answer in estimates]
    assert medians == sorted(medians)
    assert medians[-1] == pytest.approx(2.5, rel=0.1)
    widths = [answer.high / answer.low for answer in estimates]
    assert widths == sorted(widths, reverse=True)
    assert [answer.records for answer in estimates] == [0, 1, 3, 12]


def test_other_algorithms_tell_how_slow_the_host_is() -> None:
    slow = [record(BOOSTING, 0.55 * 10)] * 3
    answer = FitTimes.learn(slow).estimate(FOREST, {}, rows=1_000, columns=10)
    assert answer.seconds == pytest.approx(0.25 * math.sqrt(10))  # 3 of 3 + 3 count: half the log
    assert (answer.records, answer.others) == (0, 3)


def test_a_single_odd_fit_of_another_algorithm_does_not_make_the_host_slow() -> None:
    usual, odd = [record(BOOSTING, 0.55)] * 4, record(BOOSTING, 1e6)
    answer = FitTimes.learn([*usual, odd]).estimate(FOREST, {}, rows=1_000, columns=10)
    assert answer.seconds == pytest.approx(0.25)


def test_classes_of_one_name_in_two_packages_are_two_algorithms() -> None:
    times = FitTimes.learn([record("cuml.ensemble.RandomForestClassifier", 0.01)])
    assert times.estimate(FOREST, {}, rows=1_000, columns=10).records == 0
    moved = "sklearn.ensemble.forest.RandomForestClassifier"
    assert FitTimes.learn([record(moved)]).estimate(FOREST, {}, rows=9, columns=9).records == 1


def test_growth_with_rows_is_learned() -> None:
    flat = [record(NOVELTY, 1.0, rows=rows) for rows in (100, 1_000, 10_000, 100_000)] * 5
    learned, prior = FitTimes.learn(flat), FitTimes()

    def growth(times: FitTimes) -> float:
        small, large = (
            times.estimate(NOVELTY, {}, rows=rows, columns=10).seconds for rows in (1_000, 1e6)
        )
        return large / small

    assert growth(learned) < 3 < 900 < growth(prior)


@pytest.mark.parametrize("bad", [0, -1.0, math.nan, math.inf, None, "1", True])
def test_records_without_usable_seconds_are_ignored_and_counted(bad: Any) -> None:
    times = FitTimes.learn([record(seconds=bad), record(seconds=1.0)])
    assert (times.ignored, times.records) == (1, 1)


@pytest.mark.parametrize(
    "about",
    [
        {"rows": 0},
        {"columns": None},
        {"rows": math.nan},
        {"params": None},
        {"params": [1]},
        {"algorithm": " "},
    ],
)
def test_records_that_say_nothing_are_ignored_and_counted(about: dict[str, Any]) -> None:
    assert FitTimes.learn([record(**about)]).ignored == 1


# input of any kind


@pytest.mark.parametrize("work", ["many", None, -5, 0, math.nan, math.inf, True, [100], {}, ""])
def test_work_that_is_no_number_counts_as_not_given(work: Any) -> None:
    assert seconds({"n_estimators": work}) == seconds()


def test_work_is_read_from_text_and_cut_when_it_is_huge() -> None:
    assert seconds({"n_estimators": "200"}) == pytest.approx(0.5)
    huge = seconds({"n_estimators": 10**400}, rows=10**400, columns=10**400)
    assert huge == 1e7


def test_the_answer_stays_within_its_limits() -> None:
    tiny = FitTimes().estimate("sklearn.naive_bayes.GaussianNB", {}, rows=1, columns=1)
    assert (tiny.low, tiny.seconds) == (0.001, 0.001)
    assert type(tiny.seconds) is float


@pytest.mark.parametrize("size", [0, -1, math.nan, math.inf, None, "many", [], True])
def test_sizes_below_one_are_refused_by_name(size: Any) -> None:
    with pytest.raises(InvalidInput, match="rows is a number from 1 on"):
        seconds(rows=size)
    with pytest.raises(InvalidInput, match="columns is a number from 1 on"):
        seconds(columns=size)


def test_other_input_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="params are a mapping"):
        FitTimes().estimate(FOREST, [1], rows=1, columns=1)  # type: ignore[arg-type]
    for name in ("", None, 5):
        with pytest.raises(InvalidInput, match="algorithm is the dotted name"):
            FitTimes().estimate(name, {}, rows=1, columns=1)  # type: ignore[arg-type]


# trials


@pytest.mark.parametrize(
    ("trial", "expected"),
    [
        ({"fold_times": [9.0, 1.0, 3.0], "evaluation_time": 99.0}, 2.0),
        ({"fold_times": [9.0]}, 9.0),
        ({"fold_times": [9.0, None, -1, math.nan, "3", 4]}, 4.0),
        ({"fold_times": [9.0, 0.0], "evaluation_time": 8.0}, 4.0),
        ({"fold_times": [], "fold_scores": [0.1, 0.2], "evaluation_time": 8}, 4.0),
        ({"evaluation_time": 8, "crossValidationFolds": 4}, 2.0),
        ({"evaluation_time": 8, "crossValidationFolds": 0}, None),
        ({"evaluation_time": 8}, None),
        ({"evaluation_time": 0, "fold_scores": [0.5]}, None),
        ({"fold_times": "9", "evaluation_time": "8"}, None),
        ({"fold_times": [9.0, 1.0], "error": "out of memory"}, None),
        ({}, None),
    ],
)
def test_seconds_of_one_fit_of_a_trial(trial: dict[str, Any], expected: float | None) -> None:
    assert fold_seconds(trial) == expected


def test_a_trial_is_a_record() -> None:
    trial = {
        "algorithm_name": FOREST,
        "algorithm_params": {"n_estimators": 50},
        "dataset_nrows": 1_000,
        "dataset_ncols": 10,
        "ratio": 0.5,
        "fold_times": [3.0, 1.0],
    }
    made = fit_record(trial)
    assert made == record(params={"n_estimators": 50}, rows=500.0, columns=10.0)
    for missing in ("algorithm_name", "dataset_nrows", "dataset_ncols", "fold_times"):
        assert fit_record({**trial, missing: None}) is None
