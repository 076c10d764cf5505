"""The real `neptune-query` reads series of every kind, through forks of forks, page by page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.neptune3.calls import Told
from tests.conformance.neptune3.series_sample import LONG, ODD, PROJECT, log_series
from tests.e2e.exchange.peer import find_peer
from tests.serving import HubThread

SCRIPT = Path(__file__).parent / "clients" / "query_series.py"
INHERITED = [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [4.0, 4.0]]
"""What a fork at 4 has of the root; its NaN at 3 is not in a frame."""
ROOT = [*INHERITED, [5.0, "inf"], *([float(step), float(step)] for step in range(6, 10))]
CHILD = [[5.0, 105.0], [6.0, 106.0], [7.0, 107.0]]
GRAND = [[7.0, 207.0], [8.0, 208.0]]
LOSS = {
    "root": ROOT,
    "child": INHERITED + CHILD,
    "grand": INHERITED + CHILD[:2] + GRAND,
    "other": [[4.0, -1.0]],
}
FAR = 1e9 + 0.000_001


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    peer = find_peer("neptune_query")
    hub = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    try:
        log_series(hub.hub)
        printed = peer.run(
            SCRIPT.read_text(),
            cwd=tmp_path_factory.mktemp("query"),
            NEPTUNE_API_TOKEN=hub.admin,
            NEPTUNE_PROJECT=PROJECT,
            ODD=ODD,
        )
        yield Told(json.loads(printed.splitlines()[-1]))
    finally:
        hub.stop()


def loss(points: dict[str, list[Any]]) -> dict[str, Any]:
    return {"metrics/loss": points}


def cut(low: float, high: float, series: dict[str, list[Any]]) -> dict[str, list[Any]]:
    kept = {run: [p for p in points if low <= p[0] <= high] for run, points in series.items()}
    return {run: points for run, points in kept.items() if points}


def test_metrics_have_what_forks_inherit(told):
    assert told["metrics"] == loss(LOSS)
    experiments = {"one": LOSS["child"], "two": LOSS["grand"]}
    assert told["metrics of experiments"] == loss(experiments)


def test_metrics_of_the_run_alone_or_of_the_experiment(told):
    own = {"root": ROOT, "child": CHILD, "grand": GRAND, "other": LOSS["other"]}
    assert told["metrics own"] == loss(own)
    # The head of `one` is a fork of a run of that name, that of `two` is not.
    experiments = {"one": INHERITED + CHILD, "two": GRAND}
    assert told["metrics of experiments, own"] == loss(experiments)


def test_ranges_of_steps_have_both_ends(told):
    assert told["metrics in a range"] == loss(cut(4, 6, LOSS))
    assert told["metrics in a fine range"] == {"metrics/parts": {"other": [[0.1, 0.1], [0.2, 0.2]]}}


def test_tails_are_the_last_points(told):
    assert told["metrics tail"] == loss({run: points[-2:] for run, points in LOSS.items()})


def test_pages_join_to_whole_series(told):
    parts = [0.1, 0.2, 0.3, FAR]
    others = {
        "metrics/parts": {"other": [[step, step] for step in parts]},
        ODD: {"other": [[step, 2 * step] for step in parts]},
    }
    assert told["metrics in pages"] == loss(LOSS) | others
    assert told["metrics by pattern"] == others


def test_previews_come_when_they_are_asked_for(told):
    assert told["metrics without previews"] == {"metrics/early": {"other": [[1.0, 1.0]]}}
    assert told["metrics with previews"] == {
        "metrics/early|value": {"other": [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]},
        "metrics/early|is_preview": {"other": [[1.0, False], [2.0, True], [3.0, True]]},
        "metrics/early|preview_completion": {"other": [[1.0, 1.0], [2.0, 0.25], [3.0, 0.75]]},
    }


def test_times_are_told(told):
    assert told["metrics with times"] == ["metrics/early|absolute_time", "metrics/early|value"]


def test_what_is_not_there_is_empty(told):
    assert told["metrics that are none"] == {}
    assert told["metrics of no run"] == loss({"root": ROOT})
    assert told["metrics of no project"] == {}


def test_texts(told):
    root = [[float(step), f"root {step}"] for step in range(10)]
    child = [[float(step), f"child {step}"] for step in range(5, 8)]
    series = {"root": root, "child": root[:5] + child, "grand": root[:5] + child[:2]}
    assert told["texts"] == {"notes/text": series}
    assert told["texts own"] == {"notes/text": {"root": root, "child": child}}
    assert told["texts in a range"] == {"notes/text": cut(3, 5, series)}
    assert told["texts outside"] == {}
    assert told["texts tail"] == {
        "notes/text": {run: points[-2:] for run, points in series.items()},
        "notes/long": {"other": [[float(s), f"line {s}"] for s in (LONG - 2, LONG - 1)]},
    }


def test_a_long_series_takes_several_pages(told):
    first, last = [0.0, "line 0"], [float(LONG - 1), f"line {LONG - 1}"]
    assert told["long"] == [LONG, first, last, True]


def test_histograms_and_files(told):
    weights = [
        [float(step), ["histogram", "COUNTING", [0.0, 1.0, 2.0], [float(step), 1.0]]]
        for step in range(3)
    ]
    files = [[float(step), ["file", True, 1, "application/octet-stream"]] for step in range(3)]
    forks = ("root", "child", "grand")
    assert told["histograms"] == {"weights": dict.fromkeys(forks, weights)}
    assert told["files"] == {"notes/files": dict.fromkeys(forks, files)}


def test_buckets(told):
    assert told["buckets"] == {
        "one|metrics/loss|x": [[0, 2, 0], [2, 4, 4], [4, 6, 6], [6, 8, 7]],
        "one|metrics/loss|y": [[0, 2, 0], [2, 4, 4], [4, 6, 106], [6, 8, 107]],
        "two|metrics/loss|x": [[0, 2, 0], [2, 4, 4], [4, 6, 6], [6, 8, 8]],
        "two|metrics/loss|y": [[0, 2, 0], [2, 4, 4], [4, 6, 106], [6, 8, 208]],
        "three|metrics/loss|x": [[2, 4, 4]],
        "three|metrics/loss|y": [[2, 4, -1]],
    }
    own = told["buckets own"]
    assert own["one|metrics/loss|y"] == told["buckets"]["one|metrics/loss|y"]
    assert own["two|metrics/loss|y"] == [[6, 8, 207]]


def test_buckets_of_odd_series(told):
    middle = 0.1 + (FAR - 0.1) / 2
    assert told["buckets odd"] == {
        f"three|{ODD}|x": [[0.1, middle, 0.1], [middle, FAR, FAR]],
        f"three|{ODD}|y": [[0.1, middle, 0.2], [middle, FAR, 2 * FAR]],
    }
    assert told["bucket of one step"]["three|metrics/loss|y"] == [[4, 4, -1]]
    assert told["buckets without finite points"]["three|notes/empty|y"] == []
    assert told["buckets with previews"]["three|metrics/early|y"] == [[1, 2, 1], [2, 3, 3]]
