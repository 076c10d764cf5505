"""`neptune-query` finds runs, lists attributes and makes tables, as it does of Neptune's server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mooring.store.computed import COMPUTED, EXPERIMENT_TIME, REQUESTED_PARENT
from tests.conformance.neptune3.sample import ODD

LIVING = ["a-new", "a-old", "b", "fork", "plain"]
PARAMS = ["layers", "lr", "mixed", "names", "optimizer", "verified", "when"]

EXPECTED: dict[str, object] = {
    "experiments": ["alpha", "beta", "gamma"],
    "experiments of a pattern": ["alpha", "beta"],
    "experiments of a pattern with operators": ["alpha", "gamma"],
    "experiments by name": ["alpha"],
    "runs": LIVING,
    "runs of a pattern": ["a-new", "a-old"],
    "runs by id": ["b", "plain"],
    "attributes of a pattern": [
        "metrics/loss",
        "metrics/never",
        "metrics/score",
        "params/lr",
        "params/optimizer",
    ],
    "attributes with operators": [
        "big",
        *(f"params/{name}" for name in PARAMS if name != "lr"),
    ],
    "attributes of a type": ["params/layers", "params/verified"],
    "attributes by name": [ODD, "params/lr"],
    "attributes of one run": ["params/lr", "params/mixed"],
    "attributes of nobody": [],
    "ids": [
        "sys/custom_run_id",
        "sys/diagnostics/project_uuid",
        "sys/diagnostics/run_uuid",
        "sys/id",
    ],
    "times": ["sys/creation_time", "sys/modification_time", "sys/ping_time"],
    "attributes of a fork": ["metrics/loss", "metrics/score"],
    "values by name": {
        "a-new": {"metrics/loss": 0.25, "params/lr": 0.01, ODD: "odd"},
        "b": {"metrics/loss": "inf", "params/lr": 1e-05},
    },
    "values of a path with two types": {
        "a-new": {"params/mixed:float": 2.5},
        "a-old": {},
        "b": {"params/mixed:string": "text"},
        "fork": {},
        "plain": {"params/mixed:int": 3.0},
    },
    "values without any finite": {"b": {"metrics/loss": "inf"}},
    "values of a fork": {
        "fork": {
            "metrics/loss": 0.5,
            "metrics/score": 1.0,
            "sys/family": "a-new",
            "sys/forking/depth": 1,
            "sys/forking/parent": "a-new",
            "sys/forking/requested_parent": "a-new",
            "sys/forking/step": 1.0,
        }
    },
    "values of heads": {
        "alpha": {"sys/custom_run_id": "a-new"},
        "beta": {"sys/custom_run_id": "b"},
        "gamma": {"sys/custom_run_id": "fork"},
    },
    "a limit": ["fork", "plain"],
    "oldest first": ["a-old", "a-new", "b", "plain", "fork"],
    "by a float, down": ["plain", "a-old", "a-new", "b", "fork"],
    "by a float, up": ["b", "a-new", "a-old", "plain", "fork"],
    "by an untyped name": ["b", "a-new", "a-old", "fork", "plain"],
    "by the last value of a series": ["a-new", "fork", "a-old", "b", "plain"],
    "by a text": ["a-new", "b", "fork", "plain", "a-old"],
    "by nothing": ["fork", "plain", "b", "a-new", "a-old"],
    "heads by a float": ["beta", "alpha", "gamma"],
    "eq": ["b"],
    "eq int": ["a-new"],
    "eq big": ["a-new"],
    "ne": ["a-new", "a-old", "b", "fork"],
    "gt": ["a-old", "plain"],
    "le": ["a-new", "b"],
    "eq text": ["b"],
    "eq odd": ["a-new"],
    "eq bool": ["a-new"],
    "eq datetime": ["a-new"],
    "lt datetime": ["a-new"],
    "series": ["a-new", "fork"],
    "series infinite": ["b"],
    "text series": ["a-new"],
    "matches": ["a-new"],
    "matches none": ["a-old", "b", "fork", "plain"],
    "contains": ["a-new"],
    "contains none": ["a-old", "b", "fork", "plain"],
    "contains text": ["b"],
    "exists": ["a-new"],
    "exists of a type": ["plain"],
    "not exists": ["fork"],
    "both": ["a-new", "a-old"],
    "either": ["b", "plain"],
    "not": ["a-new", "a-old", "fork"],
    "name": ["a-new", "a-old"],
    "trash": ["gone"],
    "unknown attribute": [],
    "global experiments": [["other/secret", "alpha"], ["team/nets", "alpha"]],
    "global runs": {
        "other/secret/hidden": {"params/lr": 0.1},
        "team/nets/a-old": {"params/lr": 0.1},
    },
}


@pytest.fixture(scope="module")
def told(answers: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return answers("neptune_query", "query_runs.py", ODD=ODD)


@pytest.fixture(scope="module")
def told_in_small_pages(answers: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return answers(
        "neptune_query",
        "query_runs.py",
        ODD=ODD,
        NEPTUNE_QUERY_ATTRIBUTE_DEFINITIONS_BATCH_SIZE="2",
        NEPTUNE_QUERY_ATTRIBUTE_VALUES_BATCH_SIZE="2",
        NEPTUNE_QUERY_EXPERIMENT_SYS_ATTRS_BATCH_SIZE="2",
    )


@pytest.mark.parametrize("question", EXPECTED)
def test_answer(told: dict[str, Any], question: str) -> None:
    assert told[question] == EXPECTED[question]
    if isinstance(told[question], dict):
        assert told[question].keys() == EXPECTED[question].keys()  # type: ignore[attr-defined]


def test_pages_change_nothing(told: dict[str, Any], told_in_small_pages: dict[str, Any]) -> None:
    assert told_in_small_pages == told


def test_all_attributes(told: dict[str, Any]) -> None:
    names = told["attributes"]
    assert names == sorted(set(names))
    assert {ODD, "big", "notes/file", "notes/files", "notes/text", "weights"} <= set(names)
    assert {f"params/{name}" for name in PARAMS} <= set(names)


def test_system_attributes(told: dict[str, Any]) -> None:
    of_forks_and_experiments = {REQUESTED_PARENT, EXPERIMENT_TIME}
    assert set(told["system attributes"]) == {
        *(COMPUTED.keys() - of_forks_and_experiments),
        "sys/archived",
        "sys/creation_time",
        "sys/custom_run_id",
        "sys/diagnostics/project_uuid",
        "sys/diagnostics/run_uuid",
        "sys/failed",
        "sys/family",
        "sys/forking/depth",
        "sys/group_tags",
        "sys/id",
        "sys/modification_time",
        "sys/owner",
        "sys/ping_time",
        "sys/running_time_seconds",
        "sys/tags",
        "sys/trashed",
    }
    values = told["system values"]["a-new"]
    assert len(values.pop("sys/diagnostics/project_uuid")) == 36
    assert len(values.pop("sys/diagnostics/run_uuid")) == 36
    assert len(values.pop("sys/owner")) > 0
    assert values == {
        "sys/archived": False,
        "sys/failed": False,
        "sys/id": "NET-2",
        "sys/name": "alpha",
        "sys/tags": ["a b", "best"],
        "sys/trashed": False,
    }


def test_value_of_each_type(told: dict[str, Any]) -> None:
    values = told["values of each type"]["a-new"]
    kind, path, size, mime_type = values.pop("notes/file")
    assert (kind, size, mime_type) == ("file", 11, "text/plain")
    assert path.endswith("/notes.txt")
    assert values.pop("notes/files")[2:] == [1, "application/octet-stream"]
    assert values == {
        ODD: "odd",
        "big": 2**53 + 1,
        "metrics/loss": 0.25,
        "metrics/score": 3.0,
        "notes/text": "at 3",
        "params/layers": 4,
        "params/lr": 0.01,
        "params/mixed": 2.5,
        "params/names": ["x", "y"],
        "params/optimizer": "adam",
        "params/verified": True,
        "params/when": "2024-05-17T12:30:15.250000+00:00",
        "weights": ["histogram", "COUNTING", [0.0, 1.0, 2.0], [3.0, 1.0]],
    }


def test_what_a_tracker_logged(told: dict[str, Any]) -> None:
    assert list(told["a tracker's table"].values()) == [
        {"accuracy": 1.0, "model": "svm", "note": "fold 2"}
    ]


@pytest.mark.parametrize("question", ["a missing project", "attributes of a missing project"])
def test_missing_project_is_inaccessible(told: dict[str, Any], question: str) -> None:
    assert told[question]["raised"] == "NeptuneProjectInaccessible"


def test_bad_pattern_is_told(told: dict[str, Any]) -> None:
    refused = told["a bad pattern"]
    assert refused["raised"] == "NeptuneUnexpectedResponseError"
    assert "Response status: 400" in refused["text"]
    assert "is no regular expression" in refused["text"]
