"""`neptune-fetcher`, the old interface and alpha, finds runs and reads their attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mooring.model import AttributeType
from mooring.store.computed import COMPUTED
from tests.conformance.neptune3.sample import ODD

COUNTED = [path for path, each in COMPUTED.items() if each.type is AttributeType.INT]
NEWEST_FIRST = ["fork", "plain", "b", "a-new", "a-old"]


def _ids(number: int, run_id: str, name: str | None) -> dict[str, str | None]:
    return {"sys/id": f"NET-{number}", "sys/custom_run_id": run_id, "sys/name": name}


RUNS = [
    _ids(5, "fork", "gamma"),
    _ids(4, "plain", None),
    _ids(3, "b", "beta"),
    _ids(2, "a-new", "alpha"),
    _ids(1, "a-old", "alpha"),
]

EXPECTED: dict[str, object] = {
    "list_runs": RUNS,
    "list_experiments": [RUNS[0], RUNS[2], RUNS[3]],
    "df by names": ["a-new"],
    "df by ids": ["b", "a-old"],
    "df by custom ids": ["a-new", "a-old"],
    "df by tags": ["a-new"],
    "df by owner": [],
    "df by state": NEWEST_FIRST,
    "df by active state": [],
    "df in the trash": ["gone"],
    "df in the trash or not": ["gone", *NEWEST_FIRST],
    "df by a query": ["a-new"],
    "df by a bare query": ["plain", "b"],
    "df by a relative time": NEWEST_FIRST,
    "df by an aggregate": ["b"],
    "df up by a float": ["b", "a-new", "a-old", "plain", "fork"],
    "df down by a float": ["plain", "a-old", "a-new", "b", "fork"],
    "df by a series": ["b", "a-old", "fork", "a-new", "plain"],
    "df by unknown": NEWEST_FIRST,
    "df limited": ["fork", "plain"],
    "fetch of each type": {
        ODD: "odd",
        "big": 2**53 + 1,
        "metrics/loss": 0.25,
        "metrics/score": 3.0,
        "notes/file": None,  # types that the old interface does not know
        "notes/files": None,
        "notes/text": None,
        "params/layers": 4,
        "params/lr": 0.01,
        "params/mixed": 2.5,
        "params/names": ["x", "y"],
        "params/optimizer": "adam",
        "params/verified": True,
        "params/when": "2024-05-17T12:30:15.250000+00:00",
        "weights": None,
    },
    "fetch lazily": [1e-05, 8, "beta"],
    "runs by each id": ["a-old", "NET-4", "a-new"],
    "names of a fork": ["metrics/loss", "metrics/score", "notes/files", "notes/text", "weights"],
    "last of a fork": 0.5,
    "alpha experiments": ["alpha", "beta", "gamma"],
    "alpha experiments of a pattern": ["alpha", "beta"],
    "alpha runs": ["a-new", "a-old", "b", "fork", "plain"],
    "alpha runs by id": ["b", "plain"],
    "alpha attributes": [
        f"params/{name}"
        for name in ("layers", "lr", "mixed", "names", "optimizer", "verified", "when")
    ],
    "alpha attributes of runs": [
        "metrics/loss",
        "metrics/never",
        "params/layers",
        "params/mixed",
        *sorted(["sys/forking/depth", *COUNTED]),
    ],
    "alpha untyped filter": ["a-new"],
    "alpha series filter": ["alpha", "gamma"],
    "alpha aggregate filter": ["beta"],
    "alpha matches": ["b"],
    "alpha matches none": ["plain"],
    "alpha sorted": ["alpha", "gamma", "beta"],
    "alpha runs table": {
        "a-new": {
            "metrics/loss/last": 0.25,
            "metrics/score/last": 3.0,
            "notes/text/last": "at 3",
            "params/names/": ["x", "y"],
        },
        "fork": {
            "metrics/loss/last": 0.5,
            "metrics/score/last": 1.0,
            "notes/text/last": "at 1",
        },
    },
}


@pytest.fixture(scope="module")
def told(answers: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return answers("neptune_fetcher", "fetcher_runs.py", ODD=ODD)


@pytest.mark.parametrize("question", EXPECTED)
def test_answer(told: dict[str, Any], question: str) -> None:
    assert told[question] == EXPECTED[question]


def _without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    times = [row.pop("sys/creation_time") for row in rows]
    assert times == sorted(times, reverse=True)
    return rows


def test_frames_of_identities(told: dict[str, Any]) -> None:
    named = [{key: value for key, value in run.items() if value} for run in RUNS]
    assert _without_times(told["fetch_runs"]) == named
    assert _without_times(told["fetch_experiments"]) == [named[0], named[2], named[3]]


def test_frame_of_columns(told: dict[str, Any]) -> None:
    rows = _without_times(told["df of columns"])
    by_run = {row.pop("sys/custom_run_id"): row for row in rows}
    assert list(by_run) == NEWEST_FIRST
    assert by_run == {
        "fork": {"metrics/loss": 0.5, "sys/name": "gamma", "sys/tags": ""},
        "plain": {"params/lr": 0.5, "params/mixed": 3, "sys/tags": ""},
        "b": {
            "metrics/loss": "inf",
            "params/lr": 1e-05,
            "params/mixed": "text",
            "sys/name": "beta",
            "sys/tags": "worst",
        },
        "a-new": {
            "metrics/loss": 0.25,
            "params/lr": 0.01,
            "params/mixed": 2.5,
            "sys/name": "alpha",
            "sys/tags": "a b,best",
        },
        "a-old": {"metrics/loss": 3.0, "params/lr": 0.1, "sys/name": "alpha", "sys/tags": ""},
    }


def test_frame_of_a_pattern(told: dict[str, Any]) -> None:
    (row,) = _without_times(told["df of a pattern"])
    assert row == {
        ODD: "odd",
        "big": 2**53 + 1,
        "params/layers": 4,
        "params/lr": 0.01,
        "params/mixed": 2.5,
        "params/names": "x,y",
        "params/optimizer": "adam",
        "params/verified": True,
        "params/when": "2024-05-17T12:30:15.250000+00:00",
        "sys/custom_run_id": "a-new",
        "sys/name": "alpha",
    }


def test_frame_of_experiments(told: dict[str, Any]) -> None:
    rows = _without_times(told["df of heads"])
    assert [(row["sys/name"], row.get("params/lr")) for row in rows] == [
        ("gamma", None),
        ("beta", 1e-05),
        ("alpha", 0.01),
    ]


def test_aggregates(told: dict[str, Any]) -> None:
    table = told["alpha table"]
    assert table["beta"] == {
        "metrics/loss/last": "inf",
        "metrics/loss/max": 4.0,
        "metrics/loss/min": 2.0,
        "metrics/loss/variance": 1.0,
        "params/lr/": 1e-05,
    }
    alpha = table["alpha"]
    assert alpha.pop("metrics/loss/variance") == pytest.approx(0.08463541666666667)
    assert alpha == {
        "metrics/loss/last": 0.25,
        "metrics/loss/max": 1.0,
        "metrics/loss/min": 0.25,
        f"{ODD}/": "odd",
        "params/lr/": 0.01,
    }


@pytest.mark.parametrize(
    ("question", "raised", "text"),
    [
        ("df of a bad query", "NeptuneException", "Response status: 400"),
        ("fetch of a missing field", "KeyError", "none"),
        ("an unknown run", "ValueError", "No experiment found"),
        ("a missing project", "NeptuneException", "Response status: 404"),
    ],
)
def test_refusals(told: dict[str, Any], question: str, raised: str, text: str) -> None:
    assert told[question]["raised"] == raised
    assert text in told[question]["text"]
