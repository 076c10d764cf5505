"""Asks `neptune-query` about series; prints the answers as one line of JSON."""

import json
import math
import os
import warnings

import neptune_query as npt
import recording
from neptune_query import runs
from neptune_query.filters import AttributeFilter
from neptune_query.internal.retrieval import metrics

warnings.simplefilter("ignore")
ODD = os.environ["ODD"]
EVERY = ["root", "child", "grand", "other"]
LOSS = ["metrics/loss"]


def plain(value):
    if isinstance(value, float):
        return repr(value) if not math.isfinite(value) else value
    if type(value).__name__ == "File":
        return ["file", value.path.rpartition("/")[0] != "", value.size_bytes, value.mime_type]
    if type(value).__name__ == "Histogram":
        return ["histogram", value.type, list(value.edges), list(value.values)]
    return value.item() if hasattr(value, "item") else value


def series(frame):
    """Return for each column the steps and values of each run."""
    told = {}
    for column in frame.columns:
        name = "|".join(map(str, column)) if isinstance(column, tuple) else column
        for (run, step), value in frame[column].items():
            if not (isinstance(value, float) and math.isnan(value)) and value is not None:
                told.setdefault(name, {}).setdefault(run, []).append([step, plain(value)])
    return told


def fetch(**options):
    return series(runs.fetch_metrics(**{"runs": EVERY, "attributes": LOSS, **options}))


def fetch_others(**options):
    return series(runs.fetch_series(**{"runs": EVERY, **options}))


def buckets(**options):
    frame = npt.fetch_metric_buckets(**options)
    told = {}
    for column in frame.columns:
        name = "|".join(column)
        told[name] = [
            [interval.left, interval.right, plain(value)]
            for interval, value in frame[column].items()
            if not math.isnan(value)
        ]
    return told


def paged(limit):
    metrics.TOTAL_POINT_LIMIT, before = limit, metrics.TOTAL_POINT_LIMIT
    try:
        return fetch(attributes=[*LOSS, "metrics/parts", ODD])
    finally:
        metrics.TOTAL_POINT_LIMIT = before


questions = {
    "metrics": lambda: fetch(),
    "metrics own": lambda: fetch(lineage_to_the_root=False),
    "metrics of experiments, own": lambda: series(
        npt.fetch_metrics(experiments=["one", "two"], attributes=LOSS, lineage_to_the_root=False)
    ),
    "metrics of experiments": lambda: series(
        npt.fetch_metrics(experiments=["one", "two"], attributes=LOSS)
    ),
    "metrics in a range": lambda: fetch(step_range=(4.0, 6.0)),
    "metrics in a fine range": lambda: fetch(attributes=["metrics/parts"], step_range=(0.1, 0.2)),
    "metrics tail": lambda: fetch(tail_limit=2),
    "metrics by pattern": lambda: fetch(attributes="metrics/p.*|odd"),
    "metrics in pages": lambda: paged(12),
    "metrics with previews": lambda: fetch(
        attributes=["metrics/early"], include_point_previews=True
    ),
    "metrics without previews": lambda: fetch(attributes=["metrics/early"]),
    "metrics with times": lambda: sorted(
        fetch(attributes=["metrics/early"], include_time="absolute")
    ),
    "metrics that are none": lambda: fetch(attributes=["metrics/none", "notes/text"]),
    "metrics of no run": lambda: fetch(runs=["nobody", "root"]),
    "metrics of no project": lambda: fetch(project="team/nowhere"),
    "texts": lambda: fetch_others(attributes="notes/text"),
    "texts own": lambda: fetch_others(attributes="notes/text", lineage_to_the_root=False),
    "texts tail": lambda: fetch_others(attributes="notes/(text|long)", tail_limit=2),
    "texts no tail": lambda: fetch_others(attributes="notes/text", tail_limit=0),
    "texts in a range": lambda: fetch_others(attributes="notes/text", step_range=(3, 5)),
    "texts outside": lambda: fetch_others(attributes="notes/text", step_range=(300, None)),
    "histograms": lambda: fetch_others(attributes="weights"),
    "files": lambda: fetch_others(attributes=AttributeFilter("notes/files", type="file_series")),
    "long": lambda: (lambda points: [len(points), points[0], points[-1], points == sorted(points)])(
        fetch_others(attributes="notes/long")["notes/long"]["other"]
    ),
    "buckets": lambda: buckets(experiments=["one", "two", "three"], y=LOSS, limit=4),
    "buckets own": lambda: buckets(
        experiments=["one", "two"], y=LOSS, limit=4, lineage_to_the_root=False
    ),
    "buckets odd": lambda: buckets(experiments=["three"], y=[ODD], limit=2),
    "buckets without finite points": lambda: buckets(
        experiments=["three"], y=["notes/empty"], limit=2
    ),
    "bucket of one step": lambda: buckets(experiments=["three"], y=LOSS, limit=3),
    "buckets with previews": lambda: buckets(
        experiments=["three"], y=["metrics/early"], limit=2, include_point_previews=True
    ),
}
answers = {}
for question, ask in questions.items():
    recording.ask(question)
    try:
        answers[question] = ask()
    except Exception as error:  # noqa: BLE001 - what it raises is an answer too
        answers[question] = {"raised": type(error).__name__, "text": str(error)}
print(json.dumps(answers, default=plain))
