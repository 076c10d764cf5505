"""Many points at once, as columns."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mooring.errors import InvalidInput, InvalidPath, InvalidStep, InvalidValue, RunNotFound
from mooring.model import RunInfo
from mooring.store import Store
from tests.conformance.store.reading import NAN, attributes, in_every_state, points, table
from tests.conformance.store.test_aggregates import kept, stats_of

STEPS: list[Any] = [
    [0, 1, 2],
    [0.0, 1.0, 2.0],
    range(3),
    np.arange(3),
    np.arange(3, dtype=np.uint8),
    np.arange(3, dtype=np.uint64),
    np.arange(3, dtype=np.float16),
    np.arange(3, dtype=np.float32),
    np.arange(6)[::2] // 2,
    pa.array([0, 1, 2]),
    pa.array([0.0, 1.0, 2.0]),
    pa.array([Decimal(0), Decimal(1), Decimal(2)], pa.decimal128(18, 6)),
    pa.array([Decimal(0), Decimal(1), Decimal(2)], pa.decimal128(38, 2)),
    pa.chunked_array([[0], [1, 2]]),
    pa.chunked_array(
        [
            pa.array([Decimal(9), Decimal(0)], pa.decimal128(18, 6))[1:],
            pa.array([Decimal(1), Decimal(2)], pa.decimal128(18, 6)),
        ]
    ),
]
VALUES: list[Any] = [
    [0.5, math.nan, math.inf],
    np.array([0.5, math.nan, math.inf]),
    np.array([0.5, math.nan, math.inf], np.float32),
    pa.array([0.5, math.nan, math.inf]),
    pa.array([0.5, None, math.inf]),
    pa.chunked_array([[0.5], [math.nan, math.inf]]),
]


@pytest.mark.parametrize("steps", STEPS, ids=str)
def test_every_form_of_steps(store: Store, run: RunInfo, steps: Any) -> None:
    assert store.write_points(run.key, "x", steps=steps, values=[1.0, 2.0, 3.0], times=5) == 3
    expected = [(0, 1.0), (1, 2.0), (2, 3.0)]
    assert points(store, run.key, "x") == expected
    assert table(store, [run.key], "x")["time"].to_pylist() == [5, 5, 5]


@pytest.mark.parametrize("values", VALUES, ids=str)
def test_every_form_of_values(store: Store, run: RunInfo, values: Any) -> None:
    store.write_points(run.key, "x", steps=[0, 1, 2], values=values)
    assert points(store, run.key, "x") == [(0, 0.5), (1, NAN), (2, math.inf)]


@pytest.mark.parametrize("values", [[1, 2], [True, False], np.array([1, 2], np.uint64), [1.5, 2]])
def test_integers_and_bools_are_numbers(store: Store, run: RunInfo, values: Any) -> None:
    store.write_points(run.key, "x", steps=[0, 1], values=values)
    assert [value for _, value in points(store, run.key, "x")] == [float(each) for each in values]


@pytest.mark.parametrize(
    "times",
    [
        [1_000, 2_001, -3],
        np.array([1_000, 2_001, -3]),
        np.array([1_000, 2_001, -3], "datetime64[us]"),
        np.array([1_000_999, 2_001_000, -3_000], "datetime64[ns]"),
        pa.array([1_000, 2_001, -3]),
        pa.array([1_000, 2_001, -3], pa.timestamp("us")),
        pa.array([1_000, 2_001, -3], pa.timestamp("us", "Asia/Kathmandu")),
        pa.array([1_000_999, 2_001_000, -3_000], pa.timestamp("ns", "UTC")),
        pa.chunked_array([[1_000], [2_001, -3]]),
    ],
    ids=str,
)
def test_every_form_of_times(store: Store, run: RunInfo, times: Any) -> None:
    store.write_points(run.key, "x", steps=[0, 1, 2], values=[0.0, 0.0, 0.0], times=times)
    found = table(store, [run.key], "x")["time"].to_pylist()
    assert found == [1_000, 2_001, -3]


def test_steps_are_exact(store: Store, run: RunInfo) -> None:
    given = [0.1, 1 / 3, -0.000001, 123456.654321, 999_999_999_999, -(10**12), 0.3, 0.7]
    exact = [
        100_000,
        333_333,
        -1,
        123_456_654_321,
        999_999_999_999 * 10**6,
        -(10**18),
        300_000,
        700_000,
    ]
    store.write_points(run.key, "x", steps=given, values=np.ones(8))
    decimals = ["-999999999999.999999", "999999999999.999999", "0.000001"]
    steps = pa.array([Decimal(text) for text in decimals], pa.decimal128(18, 6))
    store.write_points(run.key, "y", steps=steps, values=np.ones(3))

    def check() -> None:
        assert table(store, [run.key], "x")["step"].to_pylist() == sorted(exact)
        assert table(store, [run.key], "y")["step"].to_pylist() == [-(10**18) + 1, 1, 10**18 - 1]

    in_every_state(store, check)


@pytest.mark.parametrize(
    ("error", "columns"),
    [
        (InvalidStep, {"steps": [math.nan]}),
        (InvalidStep, {"steps": [math.inf]}),
        (InvalidStep, {"steps": [10**12 + 1]}),
        (InvalidStep, {"steps": [-1e13]}),
        (InvalidStep, {"steps": ["1"]}),
        (InvalidStep, {"steps": [None]}),
        (InvalidStep, {"steps": [True]}),
        (InvalidStep, {"steps": [[1]]}),
        (InvalidStep, {"steps": pa.array([None], pa.int64())}),
        (InvalidStep, {"steps": pa.array([None], pa.decimal128(18, 6))}),
        (InvalidStep, {"steps": pa.array([Decimal("0.0000001")], pa.decimal128(18, 7))}),
        (InvalidStep, {"steps": pa.array([Decimal(10**13)], pa.decimal128(38, 6))}),
        (InvalidValue, {"values": ["a"]}),
        (InvalidValue, {"values": [None]}),
        (InvalidValue, {"values": [1j]}),
        (InvalidValue, {"values": [[1.0]]}),
        (InvalidValue, {"values": pa.array(["a"])}),
        (InvalidValue, {"times": ["now"]}),
        (InvalidValue, {"times": [1.5]}),
        (InvalidValue, {"times": pa.array([None], pa.timestamp("us"))}),
        (InvalidInput, {"steps": [1, 2]}),
        (InvalidInput, {"values": [1.0, 2.0]}),
        (InvalidInput, {"times": [1, 2]}),
        (InvalidInput, {"values": []}),
    ],
)  # fmt: skip
def test_columns_that_cannot_be(
    store: Store, run: RunInfo, error: type[Exception], columns: dict[str, Any]
) -> None:
    store.write_points(run.key, "x", steps=[0], values=[0.5])
    with pytest.raises(error):
        store.write_points(run.key, "x", **({"steps": [1], "values": [1.0]} | columns))
    assert points(store, run.key, "x") == [(0, 0.5)]


@pytest.mark.parametrize("empty", [[], np.empty(0), pa.array([], pa.float64())], ids=str)
def test_no_points(store: Store, run: RunInfo, empty: Any) -> None:
    assert store.write_points(run.key, "x", steps=empty, values=empty) == 0
    assert attributes(store, run.key) == {}


def test_duplicates_and_earlier_points(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    writer.log({"x": 1.0}, step=1)
    writer.log({"x": 2.0}, step=2)
    steps = [5, 2, 3, 2, 5, 2]
    assert store.write_points(run.key, "x", steps=steps, values=[9, 10, 11, 12, 13, 14]) == 6
    expected = {1: 1.0, 2: 14.0, 3: 11.0, 5: 13.0}

    def check() -> None:
        assert points(store, run.key, "x") == sorted(expected.items())
        assert kept(store, run.key, "x") == stats_of(expected)

    in_every_state(store, check)
    writer.log({"x": 15.0}, step=3)
    expected[3] = 15.0
    in_every_state(store, check)
    store.write_points(run.key, "x", steps=[3, 1], values=[16, 17])
    expected |= {3: 16.0, 1: 17.0}
    in_every_state(store, check)
    writer.log({"x": 18.0})
    assert points(store, run.key, "x")[-1] == (6, 18.0)


def test_points_that_were_not_read_yet_come_before(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    for step in range(5):
        writer.log({"x": 0.0, "y": 1.0}, step=step)
    store.write_points(run.key, "x", steps=np.arange(5), values=np.full(5, 2.0))
    assert [value for _, value in points(store, run.key, "x")] == [2.0] * 5
    assert [value for _, value in points(store, run.key, "y")] == [1.0] * 5


def test_a_hundred_thousand_points(store: Store, run: RunInfo) -> None:
    chance = np.random.default_rng(3)
    steps = chance.permutation(100_000)
    values = chance.normal(size=100_000)
    store.write_points(run.key, "x", steps=steps, values=values)
    found = table(store, [run.key], "x")
    order = np.argsort(steps)
    assert np.array_equal(found["step"].to_numpy(), steps[order] * 1_000_000)
    assert np.array_equal(found["value"].to_numpy(), values[order])
    stats = store.get_stats(run.key, "x")
    assert stats.count == 100_000
    assert stats.sum == pytest.approx(math.fsum(values))
    assert stats.minimum_step == int(steps[values.argmin()]) * 1_000_000


class TestTables:
    def columns(self, **more: Any) -> dict[str, Any]:
        return {"path": ["a", "b", "a"], "step": [1, 1, 0], "value": [1.0, 2.0, 3.0]} | more

    @pytest.mark.parametrize(
        "path",
        [
            ["a", "b", "a"],
            pa.array(["a", "b", "a"], pa.large_string()),
            pa.array(["a", "b", "a"]).dictionary_encode(),
            pa.chunked_array(
                [pa.array(["a"]).dictionary_encode(), pa.array(["b", "a"]).dictionary_encode()]
            ),
        ],
        ids=["texts", "large", "dictionary", "dictionaries"],
    )
    def test_every_form_of_paths(self, store: Store, run: RunInfo, path: Any) -> None:
        moment = [datetime(2024, 1, 1, tzinfo=UTC)] * 3
        assert store.write_table(run.key, pa.table(self.columns(path=path, time=moment))) == 3

        def check() -> None:
            assert points(store, run.key, "a") == [(0, 3.0), (1, 1.0)]
            assert points(store, run.key, "b") == [(1, 2.0)]
            micros = 1_704_067_200_000_000
            assert table(store, [run.key])["time"].to_pylist() == [micros] * 3

        in_every_state(store, check)

    def test_many_series_in_any_order(self, store: Store, run: RunInfo) -> None:
        chance = np.random.default_rng(1)
        ids = chance.integers(0, 200, 5_000)
        steps = chance.integers(0, 50, 5_000)
        values = chance.normal(size=5_000)
        store.write_table(
            run.key,
            pa.table({"path": [f"m/{i}" for i in ids], "step": steps, "value": values}),
        )
        expected: dict[tuple[str, int], float] = {}
        for id, step, value in zip(ids, steps, values, strict=True):
            expected[f"m/{id}", int(step)] = float(value)

        def check() -> None:
            found = table(store, [run.key]).to_pydict()
            assert list(zip(found["path"], found["step"], found["value"], strict=True)) == [
                (path, step * 10**6, value) for (path, step), value in sorted(expected.items())
            ]

        in_every_state(store, check)

    def test_no_rows(self, store: Store, run: RunInfo) -> None:
        empty = pa.table(self.columns()).slice(0, 0)
        assert store.write_table(run.key, empty) == 0
        assert attributes(store, run.key) == {}

    @pytest.mark.parametrize(
        ("error", "more"),
        [
            (InvalidPath, {"path": ["a", "", "b"]}),
            (InvalidPath, {"path": ["a", "sys/id", "b"]}),
            (InvalidPath, {"path": [1, 2, 3]}),
            (InvalidInput, {"path": ["a", None, "b"]}),
            (InvalidStep, {"step": [1, None, 2]}),
            (InvalidStep, {"step": ["1", "2", "3"]}),
            (InvalidValue, {"value": ["1", "2", "3"]}),
            (InvalidValue, {"time": ["1", "2", "3"]}),
        ],
    )
    def test_columns_that_cannot_be(
        self, store: Store, run: RunInfo, error: type[Exception], more: dict[str, Any]
    ) -> None:
        with pytest.raises(error):
            store.write_table(run.key, pa.table(self.columns(**more)))
        assert attributes(store, run.key) == {}

    @pytest.mark.parametrize("name", ["path", "step", "value"])
    def test_a_column_is_missing(self, store: Store, run: RunInfo, name: str) -> None:
        with pytest.raises(InvalidInput, match=name):
            store.write_table(run.key, pa.table(self.columns()).drop_columns([name]))

    def test_an_unknown_run(self, store: Store, run: RunInfo) -> None:
        with pytest.raises(RunNotFound):
            store.write_table(run.key + 1, pa.table(self.columns()))
