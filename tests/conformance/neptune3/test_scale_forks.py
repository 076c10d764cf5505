"""Forks of forks that the real `neptune-scale` logs, read by the real `neptune-query`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.neptune3.test_scale import PROJECT, finish, run_client
from tests.e2e.exchange.peer import find_peer
from tests.serving import HubThread

LOGGED = """
def log(run, steps, offset):
    for step in steps:
        run.log_metrics({"loss": float(offset + step)}, step=step)
        run.log_string_series({"line": f"{offset} at {step}"}, step=step)
    assert run.wait_for_processing(timeout=60)
    run.close()

root = open_run(run_id="root", experiment_name="one")
root.log_configs({"lr": 0.1, "name": "base"})
root.add_tags(["good"])
log(root, range(10), 0)
child = open_run(run_id="child", experiment_name="one", fork_run_id="root", fork_step=4)
child.log_configs({"lr": 0.2})
log(child, range(5, 9), 100)
grand = open_run(run_id="grand", experiment_name="two", fork_run_id="child", fork_step=6)
log(grand, range(7, 9), 200)
bare = open_run(run_id="bare", fork_run_id="root", fork_step=0, inherit_configs=False)
log(bare, [], 300)
"""

READ = """
import json, warnings
import neptune_query as npt
from neptune_query import runs

warnings.simplefilter("ignore")

def points(frame, path):
    told = {}
    for (run, step), value in frame[path].dropna().items():
        told.setdefault(run, []).append([step, value])
    return told

every = ["root", "child", "grand", "bare"]
loss = dict(attributes=["loss"])
table = runs.fetch_runs_table(runs=every, attributes="^(lr|name|loss|sys/name|sys/tags)$")
print(json.dumps({
    "full": points(runs.fetch_metrics(runs=every, **loss), "loss"),
    "own": points(runs.fetch_metrics(runs=every, lineage_to_the_root=False, **loss), "loss"),
    "experiments": points(
        npt.fetch_metrics(experiments=["one", "two"], lineage_to_the_root=False, **loss), "loss"
    ),
    "tails": points(runs.fetch_metrics(runs=every, tail_limit=2, **loss), "loss"),
    "texts": points(runs.fetch_series(runs=every, attributes="^line$"), "line"),
    "table": {
        run: {name: sorted(value) if isinstance(value, set) else value
              for name, value in row.dropna().items()}
        for run, row in table.iterrows()
    },
    "heads": npt.list_experiments(),
}))
"""


def _line(offset: int, steps: range) -> list[list[float]]:
    return [[float(step), float(offset + step)] for step in steps]


ROOT, CHILD, GRAND = _line(0, range(10)), _line(100, range(5, 9)), _line(200, range(7, 9))
FULL = {
    "root": ROOT,
    "child": ROOT[:5] + CHILD,
    "grand": ROOT[:5] + CHILD[:2] + GRAND,
    "bare": ROOT[:1],
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder: Path = tmp_path_factory.mktemp("forks")
    hub = HubThread(folder / "runs.db")
    try:
        finish(run_client(folder / "client", hub, LOGGED))
        printed = find_peer("neptune_query").run(
            READ, cwd=folder, NEPTUNE_API_TOKEN=hub.admin, NEPTUNE_PROJECT=PROJECT
        )
        yield json.loads(printed.splitlines()[-1])
    finally:
        hub.stop()


def test_points_up_to_the_fork_are_inherited(told: dict[str, Any]) -> None:
    assert told["full"] == FULL
    assert told["tails"] == {run: points[-2:] for run, points in FULL.items()}
    texts = {
        run: [[step, f"{int(value - step)} at {int(step)}"] for step, value in points]
        for run, points in FULL.items()
    }
    assert told["texts"] == texts


def test_points_of_the_run_or_the_experiment_alone(told: dict[str, Any]) -> None:
    assert told["own"] == {"root": ROOT, "child": CHILD, "grand": GRAND}
    assert told["experiments"] == {"one": FULL["child"], "two": GRAND}
    assert sorted(told["heads"]) == ["one", "two"]


def test_values_are_inherited_where_the_writer_says_so(told: dict[str, Any]) -> None:
    tags = {"sys/tags": ["good"]}
    assert told["table"] == {
        "root": {"lr": 0.1, "name": "base", "loss": 9.0, "sys/name": "one", **tags},
        "child": {"lr": 0.2, "name": "base", "loss": 108.0, "sys/name": "one", **tags},
        "grand": {"lr": 0.2, "name": "base", "loss": 208.0, "sys/name": "two", **tags},
        "bare": {"loss": 0.0, **tags},
    }
