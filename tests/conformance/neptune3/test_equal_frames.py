"""`neptune-fetcher` and our `ReadOnlyProject` make equal frames of the same runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mooring import ReadOnlyProject
from tests.conformance.neptune3.framing import plain
from tests.conformance.neptune3.sample import ODD, PROJECT
from tests.serving import HubThread

ALL = "^(params|metrics/loss|odd|sys/(id|name|custom_run_id|tags|owner|failed|archived))"

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("fetch_runs_df", {}),
    ("fetch_experiments_df", {}),
    ("fetch_runs_df", {"columns": ["params/lr", ODD, "none", "sys/tags"]}),
    ("fetch_runs_df", {"columns_regex": ALL}),
    ("fetch_runs_df", {"columns": ["params/lr"], "columns_regex": "optimizer"}),
    ("fetch_experiments_df", {"columns": ["metrics/loss"], "names_regex": ["a$", "^[ab]"]}),
    ("fetch_experiments_df", {"names_exclude_regex": "^al"}),
    ("fetch_runs_df", {"with_ids": ["NET-1", "NET-4"]}),
    ("fetch_runs_df", {"custom_ids": ["b", "fork", "nobody"]}),
    ("fetch_runs_df", {"custom_id_regex": "a-|^f"}),
    ("fetch_runs_df", {"tags": ["best"]}),
    ("fetch_runs_df", {"states": ["inactive"]}),
    ("fetch_runs_df", {"trashed": True}),
    ("fetch_runs_df", {"trashed": None}),
    ("fetch_runs_df", {"limit": 3}),
    ("fetch_runs_df", {"sort_by": "params/lr", "ascending": True}),
    ("fetch_runs_df", {"sort_by": "params/optimizer"}),
    ("fetch_runs_df", {"sort_by": "metrics/loss"}),
    ("fetch_runs_df", {"sort_by": "sys/id", "ascending": True}),
    ("fetch_runs_df", {"query": "(`params/lr`:float < 0.1) AND (`params/layers`:int >= 4)"}),
    ("fetch_runs_df", {"query": "last(`metrics/loss`:floatSeries) < 1"}),
    ("fetch_runs_df", {"query": 'NOT `params/optimizer`:string CONTAINS "sgd"'}),
]


def _with_columns(options: dict[str, Any]) -> dict[str, Any]:
    """Name the columns that each of the two adds by itself, so that both have them."""
    added = ["sys/id", "sys/custom_run_id", "sys/name", options.get("sort_by", "sys/creation_time")]
    return {**options, "columns": [*added, *options.get("columns", ["params/lr"])]}


@pytest.fixture(scope="module")
def theirs(answers: Callable[..., Any]) -> Any:
    calls = [(name, _with_columns(options)) for name, options in CALLS]
    return answers("neptune_fetcher", "fetcher_frames.py", FRAMES=json.dumps(calls))


@pytest.mark.parametrize("place", ["the hub", "the file"])
def test_frames_are_equal(hub: HubThread, theirs: Any, place: str) -> None:
    address = hub.address if place == "the hub" else str(hub.settings.store)
    with ReadOnlyProject(PROJECT, api_token=hub.admin, store=address) as ours:
        for (name, options), (columns, rows) in zip(CALLS, theirs, strict=True):
            frame = getattr(ours, name)(**_with_columns(options))
            made = [[plain(cell) for cell in row] for row in frame.to_numpy(object)]
            assert (list(frame.columns), made) == (columns, rows), (name, options)
            assert rows
