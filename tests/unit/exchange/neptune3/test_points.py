"""Points come in blocks that are bounded, whole and once, whatever the series are like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from mooring.exchange.reports import ProblemList
from mooring.exchange.sources.neptune3.points import SERIES, iter_blocks, make_table, to_micros
from mooring.exchange.sources.neptune3.reading import Column
from mooring.model import AttributeType


class Server:
    """Answers as a server does: the last points of each series, up to a step."""

    def __init__(self, series: dict[str, np.ndarray]) -> None:
        self.series = series
        self.asked: list[tuple[int, int]] = []
        self.largest = 0

    def fetch(self, paths: Sequence[str], most: int, until: float | None) -> list[Column]:
        self.asked.append((len(paths), most))
        found = []
        for path in paths:
            steps = self.series[path]
            if until is not None:
                steps = steps[steps <= until]
            steps = steps[-most:]
            if len(steps):
                nothing = np.full(len(steps), np.nan)
                found.append(Column(path, steps, steps.astype("i8"), steps * 2, nothing))
        self.largest = max(self.largest, sum(len(each.steps) for each in found))
        return found


def read(server: Server, most: int) -> dict[str, np.ndarray]:
    blocks = iter_blocks(server.fetch, list(server.series), most)
    table = make_table(AttributeType.FLOAT_SERIES, blocks, "r", lambda file: {}, ProblemList())
    assert table["value"].to_pylist() == [micros / 5e5 for micros in table["step"].to_pylist()]
    found: dict[str, list[int]] = {}
    for path, step in zip(table["path"].to_pylist(), table["step"].to_pylist(), strict=True):
        found.setdefault(path, []).append(step)
    return {path: np.array(steps) / 1e6 for path, steps in found.items()}


@pytest.mark.parametrize("most", [2, 3, 7, 100, 10_000])
@pytest.mark.parametrize("seed", range(4))
def test_every_point_comes_once(seed: int, most: int) -> None:
    chance = np.random.default_rng(seed)
    series = {
        f"m{number}": np.unique(chance.integers(-40, 40, chance.integers(1, 60))).astype(float)
        for number in range(9)
    }
    series["whole"] = np.arange(60.0)
    series["empty"] = np.empty(0)
    server = Server(series)
    found = read(server, most)
    assert found.keys() == series.keys() - {"empty"}
    for path, steps in found.items():
        assert steps.tolist() == series[path].tolist()


def test_blocks_hold_a_bounded_number_of_points() -> None:
    server = Server({f"m{number}": np.arange(500.0) for number in range(3 * SERIES)})
    found = read(server, 5_000)
    assert all(len(steps) == 500 for steps in found.values())
    assert server.largest <= 5_000 + SERIES
    assert max(count for count, _ in server.asked) == SERIES


def test_series_that_stand_at_the_same_step_go_on_together() -> None:
    server = Server({f"m{number}": np.arange(100.0) for number in range(10)})
    read(server, 200)
    assert {count for count, _ in server.asked} == {10}
    assert len(server.asked) == 6


def test_what_steps_cannot_be_had_is_told() -> None:
    steps = np.array([0.1, 0.100_000_1, 5.0, 2e12])
    column = Column("far", steps, steps.astype("i8"), steps, np.full(4, np.nan))
    problems = ProblemList()
    table = make_table(AttributeType.FLOAT_SERIES, iter([column]), "r", lambda file: {}, problems)
    assert table["step"].to_pylist() == [100_000, 5_000_000]
    assert table["value"].to_pylist() == [0.100_000_1, 5.0]
    assert [problem.why.partition(":")[0] for problem in problems.named] == [
        "1 points have steps beyond ±10^12 and were left out",
        "1 points of float_series were left out",
    ]


def test_steps_are_exact_to_a_millionth_where_doubles_are() -> None:
    micros = np.array([0, -1, 123_456_789_250_000, 8_000_000_000_000_001, -2_500_000])
    found, fits = to_micros(micros / 1e6)
    assert found.tolist() == micros.tolist()
    assert fits.all()
    assert to_micros(np.array([1e12, np.inf, np.nan]))[1].tolist() == [True, False, False]
