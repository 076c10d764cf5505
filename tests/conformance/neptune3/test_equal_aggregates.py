"""`neptune-fetcher`'s aggregates, alone with which it shows, sorts and filters, equal ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mooring import ReadOnlyProject
from mooring.query import field
from tests.conformance.neptune3.frames_sample import PROJECT, log_frames
from tests.conformance.neptune3.framing import Question, ask, told
from tests.serving import HubThread

LOSS = field("metrics/loss").typed("float_series")


def _attribute(aggregate: str) -> str:
    return f"Attribute('metrics/loss', type='float_series', aggregation={aggregate!r})"


def _ids(project: ReadOnlyProject, **options: Any) -> dict[str, Any]:
    frame = project.fetch_runs_df(columns=["sys/custom_run_id"], **options)
    return {"columns": [], "index": list(frame["sys/custom_run_id"]), "rows": [[]] * len(frame)}


def _sorted_by(aggregate: str, *, ascending: bool) -> Question:
    options = f"sort_by={_attribute(aggregate)}, sort_direction={'asc' if ascending else 'desc'!r}"
    return (
        f"runs.fetch_runs_table(runs=None, attributes=['none'], {options})",
        lambda project: _ids(project, sort_by=getattr(LOSS, aggregate), ascending=ascending),
    )


def _filtered_by(aggregate: str, than: float) -> Question:
    condition = f"Filter.gt({_attribute(aggregate)}, {than})"
    return (
        f"runs.fetch_runs_table(runs={condition}, attributes=['none'])",
        lambda project: _ids(project, query=getattr(LOSS, aggregate) > than),
    )


def _aggregates(project: ReadOnlyProject) -> dict[str, Any]:
    """Return what alpha's table of aggregates shows, from one bucket and from the points.

    Ours shows the last value in tables, and the others in buckets; the variance it does not show.
    """
    newest = [run["sys/custom_run_id"] for run in project.list_runs()]
    whole = project.fetch_metrics(paths=["metrics/loss"], buckets=1)
    points = project.fetch_metrics(paths=["metrics/loss"])
    finite = points[np.isfinite(points["value"])].groupby("run", observed=True)["value"]
    frame = whole.astype({"run": str}).set_index("run").rename(columns={"mean": "average"})
    frame["variance"] = finite.var(ddof=0)
    frame = frame[["average", "last", "max", "min", "variance"]]
    frame.columns = pd.MultiIndex.from_product([["metrics/loss"], frame.columns])
    return told(frame.reindex(newest))


AGGREGATES = ("last", "min", "max", "average", "variance")
SHOWN = f"AttributeFilter(name_eq=['metrics/loss'], aggregations={list(AGGREGATES)})"
QUESTIONS: dict[str, Question] = {
    **{f"up by {name}": _sorted_by(name, ascending=True) for name in AGGREGATES},
    **{f"down by {name}": _sorted_by(name, ascending=False) for name in AGGREGATES},
    "above last": _filtered_by("last", 1.5),
    "above min": _filtered_by("min", 0.5),
    "above max": _filtered_by("max", 3.0),
    "above average": _filtered_by("average", 2.0),
    "above variance": _filtered_by("variance", 0.5),
    "shown": (
        f"runs.fetch_runs_table(runs=None, attributes={SHOWN})",
        _aggregates,
    ),
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubThread]:
    started = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    log_frames(started.hub)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def theirs(hub: HubThread, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return ask("neptune_fetcher", QUESTIONS, hub, PROJECT, tmp_path_factory.mktemp("fetcher"))


@pytest.fixture(scope="module", params=["the hub", "the file"])
def ours(request: pytest.FixtureRequest, hub: HubThread) -> Iterator[ReadOnlyProject]:
    address = hub.address if request.param == "the hub" else str(hub.settings.store)
    with ReadOnlyProject(PROJECT, api_token=hub.admin, store=address) as project:
        yield project


@pytest.mark.parametrize("question", QUESTIONS)
def test_equal(theirs: dict[str, Any], ours: ReadOnlyProject, question: str) -> None:
    made, read = QUESTIONS[question][1](ours), theirs[question]
    assert (made["columns"], made["index"]) == (read["columns"], read["index"])
    # Sums of the same numbers in another order: all else than the last digits is equal.
    one, other = (np.array(frame["rows"], dtype=float) for frame in (made, read))
    np.testing.assert_allclose(one, other, rtol=1e-12)
    assert made["index"]
