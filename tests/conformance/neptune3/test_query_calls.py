"""`neptune-query` by experiment: attributes, series, files, tables of all projects, filters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

EXPECTED: dict[str, object] = {
    "with a token": ["alpha", "beta", "gamma"],
    "attributes of experiments": ["params/layers", "params/lr"],
    "texts of experiments": [[["gamma", float(step)], f"at {step}"] for step in range(2)],
    "histograms": [
        [["alpha", float(step)], True, "COUNTING", [0.0, 1.0, 2.0], [float(step), 1.0]]
        for step in range(4)
    ],
    "contents": ["some notes\n"],
    "files": [[True, "alpha", 11, "notes/file"], [True, "a-new", 11, "notes/file"]],
    "global": [[["other/secret", "alpha"], 0.1], [["team/nets", "alpha"], 0.01]],
    "attributes of either": ["params/layers"],
    "attributes of any": ["big", "params/layers"],
    "ge": ["a-old", "plain"],
    "lt": ["b"],
}


@pytest.fixture(scope="module")
def told(answers: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return answers("neptune_query", "query_calls.py")


@pytest.mark.parametrize("question", EXPECTED)
def test_answer(told: dict[str, Any], question: str) -> None:
    assert told[question] == EXPECTED[question]
