"""Points of series are equal by `neptune-query`, `neptune-fetcher` and ours, through forks too.

Their layouts are those of `framing.wide`; `fetch_values` has the same columns on both sides.
Buckets are not compared: those of Neptune are closed on the right and ours on the left, by design.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from mooring import ReadOnlyProject, ReadOnlyRun
from tests.conformance.neptune3.framing import Question, ask, told, wide
from tests.conformance.neptune3.series_sample import ODD, PROJECT, log_series
from tests.serving import HubThread

EVERY = ["root", "child", "grand", "other"]
LOSS = ["metrics/loss"]


def _metrics(theirs: str = "", **ours: Any) -> Question:
    """Ask for points by `fetch_metrics`: their options, and what these are here."""
    options: dict[str, Any] = {"runs": EVERY, "paths": LOSS, **ours}
    timed = "include_time" in theirs
    expression = f"runs.fetch_metrics(**dict(dict(runs={EVERY}, attributes={LOSS}), {theirs}))"

    def make(project: ReadOnlyProject) -> dict[str, Any]:
        points = project.fetch_metrics(**options)
        return wide(points if timed else points.drop(columns="timestamp"))

    return expression, make


def _texts(theirs: str = "", runs: tuple[str, ...] = ("root", "child", "grand"), **ours: Any):
    """Ask for texts: by `fetch_series` of theirs, and run by run here."""
    tail = ours.pop("tail", None)

    def make(project: ReadOnlyProject) -> dict[str, Any]:
        parts = []
        for run_id in runs:
            run = ReadOnlyRun(project, custom_id=run_id)
            if "notes/text" in run:
                points = run["notes/text"].fetch_values(include_timestamp=False, **ours)
                points = points if tail is None else points.tail(tail)
                parts.append(points.assign(run=run_id, path="notes/text"))
        return wide(pd.concat(parts)[["run", "path", "step", "value"]])

    return f"runs.fetch_series(runs={list(runs)}, attributes='^notes/text$', {theirs})", make


QUERY: dict[str, Question] = {
    "all": _metrics(),
    "own": _metrics("lineage_to_the_root=False", lineage="own"),
    "a range": _metrics("step_range=(4.0, 7.0)", step_range=(4, 7)),
    "from a step": _metrics("step_range=(6, None)", step_range=(6, None)),
    "to a step": _metrics("step_range=(None, 4)", step_range=(None, 4)),
    "a fine range": _metrics(
        "attributes=['metrics/parts'], step_range=(0.1, 0.2)",
        paths=["metrics/parts"],
        step_range=(0.1, 0.2),
    ),
    "tails": _metrics("tail_limit=3", tail=3),
    "tails of what is own": _metrics(
        "tail_limit=1, lineage_to_the_root=False", tail=1, lineage="own"
    ),
    "tails in a range": _metrics("tail_limit=2, step_range=(0, 5)", tail=2, step_range=(0, 5)),
    "times": _metrics("include_time='absolute'"),
    "by patterns": _metrics(
        "runs='o', attributes='^metrics/(l|p)'", runs="o", paths="^metrics/(l|p)"
    ),
    "an odd path": _metrics(f"attributes=[{ODD!r}]", paths=[ODD]),
    "without previews": _metrics("attributes=['metrics/early']", paths=["metrics/early"]),
    "texts": _texts(),
    "own texts": _texts("lineage_to_the_root=False", include_inherited=False),
    "texts in a range": _texts("step_range=(3, 6)", step_range=(3, 6)),
    "tails of texts": _texts("tail_limit=2", tail=2),
}


EARLY = "attributes=['metrics/early'], include_point_previews=True, include_time='absolute'"


def _previews(project: ReadOnlyProject) -> dict[str, Any]:
    points = project.fetch_metrics(EVERY, ["metrics/early"], include_previews=True)
    return wide(points)


QUERY["previews"] = (
    f"runs.fetch_metrics(runs={EVERY}, {EARLY})",
    _previews,
)


def _values(run_id: str, path: str = "metrics/loss", **options: Any) -> Question:
    """Ask for `run[path].fetch_values(...)`, which both write alike."""
    return (
        f"ReadOnlyRun(project, custom_id={run_id!r})[{path!r}].fetch_values(**{options!r})",
        lambda project: told(ReadOnlyRun(project, custom_id=run_id)[path].fetch_values(**options)),
    )


FETCHER: dict[str, Question] = {
    **{f"values of {run_id}": _values(run_id) for run_id in EVERY},
    "own values": _values("grand", include_inherited=False),
    "values in a range": _values("grand", step_range=(4, 7)),
    "own values from a step": _values("child", include_inherited=False, step_range=(6, None)),
    "values without times": _values("grand", include_timestamp=False),
    "values of an odd path": _values("other", ODD),
    "values with previews": _values("other", "metrics/early", include_point_previews=True),
    "values without previews": _values("other", "metrics/early"),
    "values without any finite": _values("other", "notes/empty"),
    "alpha": QUERY["all"],
    "alpha, own": QUERY["own"],
    "alpha, tails": QUERY["tails"],
    "alpha, a range": QUERY["a range"],
    # It sorts the columns of a path by their names.
    "alpha, times": (
        f"{QUERY['times'][0]}[[('metrics/loss', 'value'), ('metrics/loss', 'absolute_time')]]",
        QUERY["times"][1],
    ),
    "alpha, texts": QUERY["texts"],
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubThread]:
    started = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    log_series(started.hub)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def query(hub: HubThread, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return ask("neptune_query", QUERY, hub, PROJECT, tmp_path_factory.mktemp("query"))


@pytest.fixture(scope="module")
def fetcher(hub: HubThread, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return ask("neptune_fetcher", FETCHER, hub, PROJECT, tmp_path_factory.mktemp("fetcher"))


@pytest.fixture(scope="module", params=["the hub", "the file"])
def ours(request: pytest.FixtureRequest, hub: HubThread) -> Iterator[ReadOnlyProject]:
    address = hub.address if request.param == "the hub" else str(hub.settings.store)
    with ReadOnlyProject(PROJECT, api_token=hub.admin, store=address) as project:
        yield project


@pytest.mark.parametrize("question", QUERY)
def test_equal_to_query(query: dict[str, Any], ours: ReadOnlyProject, question: str) -> None:
    made = QUERY[question][1](ours)
    assert made == query[question]
    assert made["rows"]


@pytest.mark.parametrize("question", FETCHER)
def test_equal_to_fetcher(fetcher: dict[str, Any], ours: ReadOnlyProject, question: str) -> None:
    made = FETCHER[question][1](ours)
    assert made == fetcher[question]
    assert made["rows"]
