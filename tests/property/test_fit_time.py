"""Estimates of fit times are sound whatever was asked and recorded."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mooring.optimize.fit_time import FitRecord, FitTimes
from mooring.optimize.fit_time.families import BY_CLASS

ALGORITHMS = st.sampled_from([*(f"sklearn.{name}" for name in BY_CLASS), "somewhere.Novelty"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
NAMES = st.sampled_from(
    ["n_estimators", "max_iter", "iterations", "max_features", "max_depth", "max_leaf_nodes", "x"]
)
PARAMS = st.dictionaries(NAMES, JSON | st.sampled_from(["sqrt", "log2", "auto", 10**400, 1e-300]))
SIZES = st.integers(1, 10**9) | st.floats(1, 1e300) | st.just(10**400)
RECORDS = st.builds(
    FitRecord,
    algorithm=ALGORITHMS,
    params=PARAMS,
    rows=SIZES,
    columns=SIZES,
    seconds=st.floats() | st.floats(1e-5, 1e5),
)


@given(ALGORITHMS, PARAMS, SIZES, SIZES, st.lists(RECORDS, max_size=8))
def test_an_estimate_is_positive_finite_and_between_its_quantiles(
    algorithm: str, params: dict[str, Any], rows: float, columns: float, records: list[FitRecord]
) -> None:
    times = FitTimes.learn(records)
    answer = times.estimate(algorithm, params, rows=rows, columns=columns)
    assert all(type(value) is float for value in (answer.low, answer.seconds, answer.high))
    assert 0.001 <= answer.low <= answer.seconds <= answer.high <= 1e7
    assert times.records + times.ignored == len(records)
    usable = [one for one in records if 0 < one.seconds < math.inf]
    assert answer.records + answer.others == len(usable)


@given(ALGORITHMS, PARAMS, SIZES, SIZES, st.floats(1, 1e6))
def test_more_rows_never_take_less_before_anything_is_learned(
    algorithm: str, params: dict[str, Any], rows: float, columns: float, times_more: float
) -> None:
    rows = min(rows, 1e12)
    more = min(rows * times_more, 1e12)
    few, many = (
        FitTimes().estimate(algorithm, params, rows=count, columns=columns).seconds
        for count in (rows, more)
    )
    assert few <= many * (1 + 1e-9)


@given(ALGORITHMS, st.lists(RECORDS, min_size=1, max_size=8), st.floats(2, 50))
def test_a_slower_host_is_learned(algorithm: str, records: list[FitRecord], slower: float) -> None:
    def timed(factor: float) -> FitTimes:
        return FitTimes.learn(
            FitRecord(
                algorithm=one.algorithm,
                params=one.params,
                rows=min(one.rows, 1e6),
                columns=min(one.columns, 1e4),
                seconds=factor,
            )
            for one in records
        )

    fast, slow = (
        timed(factor).estimate(algorithm, {}, rows=1_000, columns=10) for factor in (1.0, slower)
    )
    assert fast.seconds <= slow.seconds <= fast.seconds * slower * (1 + 1e-9)
    if 0.001 < fast.seconds < slow.seconds:
        assert slow.high > fast.high
