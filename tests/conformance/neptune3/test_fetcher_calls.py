"""Series, files, contexts and filters by `neptune-fetcher`, the old interface and alpha."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

LOSS = [[0.0, 1.0], [1.0, 0.5], [2.0, 1 / 3], [3.0, 0.25]]
SCORE = [[float(step), float(step)] for step in range(4)]
TEXTS = [[float(step), f"at {step}"] for step in range(4)]

EXPECTED: dict[str, object] = {
    "runs by both ids": ["a-old", "plain"],
    "experiments by name": [["b", True], ["a-new", True]],
    "series": LOSS,
    "series without times": ["step", "value"],
    "series from a step": LOSS[1:],
    "series of a fork": LOSS[:2],
    "series of a fork alone": 0,
    "prefetched": {"metrics/loss": LOSS, "metrics/score": SCORE},
    "last": [0.25, 0.25],
    "forgotten": 8,
    "unsupported": [None, None, 0],
    "contexts": ["team/nets", True, 1, ["alpha", "beta", "gamma"], True, ["alpha"], True],
    "metrics of experiments": {"metrics/loss": {"gamma": LOSS[:2]}},
    "metrics of runs": {
        "metrics/loss": {"a-new": LOSS[1:3]},
        "metrics/score": {"a-new": SCORE[1:3]},
    },
    "metrics tail": {"metrics/loss": {"a-new": LOSS[3:]}},
    "series of experiments": {"notes/text": {"gamma": TEXTS[:2]}},
    "series of runs": {"notes/text": {"a-new": TEXTS[2:]}},
    "files of experiments": ["some notes\n"],
    "files of runs": ["some notes\n"],
    "attributes of either": ["big", "params/lr"],
    "attributes of any": ["big"],
    "eq": ["plain"],
    "ne": ["a-new", "a-old", "b", "fork"],  # it has no `params/lr`
    "gt": ["plain"],
    "ge": ["a-old", "plain"],
    "lt": ["b"],
    "le": ["a-new", "b"],
    "matches all": ["a-new", "a-old"],
    "matches none": ["fork", "plain"],
    "contains all": ["a-new"],
    "contains none": ["a-old", "fork", "plain"],
    "exists": ["a-new"],
    "all": ["a-new", "a-old"],
    "any": ["a-new", "plain"],
    "negate": ["fork"],
    "and": ["a-new", "a-old"],
    "or": ["a-new", "plain"],
    "invert": ["fork"],
    "name eq": ["alpha"],
    "name in": ["alpha", "beta"],
    "queries": ["plain"],
}


@pytest.fixture(scope="module")
def told(answers: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return answers("neptune_fetcher", "fetcher_calls.py")


@pytest.mark.parametrize("question", EXPECTED)
def test_answer(told: dict[str, Any], question: str) -> None:
    assert told[question] == EXPECTED[question]
