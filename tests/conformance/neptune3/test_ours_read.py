"""What our `Run` and `Tracker` log through the hub's address is read by Neptune's readers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mooring import File, Histogram, Run, Tracker
from tests.e2e.exchange.peer import find_peer
from tests.serving import HubProcess

PROJECT = "team/ours"
WEIGHTS = bytes(range(256)) * 5_000
WHEN = datetime(2024, 5, 17, 12, 30, 15, 250_000, tzinfo=UTC)
CLIENTS = Path(__file__).parent / "clients"

LOSS = [[0.0, 1.0], [1.0, 0.5], [2.5, 0.25], [3.0, "inf"]]
FORK = [*LOSS[:2], [2.0, 7.0]]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    started = HubProcess(tmp_path_factory.mktemp("hub") / "runs.db")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MOORING_API_TOKEN", started.admin)
        environment.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        _log(started.address)
    yield started
    started.stop()


def _log(address: str) -> None:
    with Run(
        PROJECT, store=address, run_id="ours", name="mine", tags=["best", "a b"], on_error="raise"
    ) as run:
        run["params"] = {"lr": 0.1, "layers": 2**53 + 1, "amp": True, "name": 'wörld "x"'}
        run["params/when"] = WHEN
        run["params/names"] = {"y", "x"}
        run["params/inf"] = float("-inf")
        run["model"] = File(WEIGHTS, name="model.pt", mime_type="application/x-weights")
        run.add_tags("group", group_tags=True)
        for step, loss in LOSS:
            run.log({"metrics/loss": float(loss)}, step=step)
            run.log({"notes": f"at {step}"}, step=step)
        run.log({"metrics/nan": float("nan")}, step=1)
        run.log({"metrics/loss": 9.0}, step=9, preview_completion=0.5)
        for step in range(2):
            run.log_histogram("weights", Histogram((0.0, 1.0, 2.0), (step, 1.0)), step=step)
            run.log_file("files/images", b"%d" % step, step=step, mime_type="image/png")
    with Run(
        PROJECT, store=address, run_id="fork", parent="ours", fork_step=1, on_error="raise"
    ) as fork:
        fork.log({"metrics/loss": 7.0}, step=2)
    with Tracker(address, {"model": "svm"}, track_id="first", on_error="raise") as tracker:
        tracker.log({"accuracy": 0.5, "epoch": 1})
    with Tracker(address, {"model": "cnn"}, track_id="tracked", on_error="raise") as tracker:
        for epoch in range(3):
            tracker.log({"accuracy": 0.5 + epoch / 8, "epoch": epoch, "good": epoch == 2})
        tracker.log_batch([{"note": "ü"}, {"note": 'last "one"'}])


@pytest.fixture(scope="module")
def ask(
    hub: HubProcess, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], dict[str, Any]]:
    def ask(peer: str, script: str) -> dict[str, Any]:
        printed = find_peer(peer).run(
            (CLIENTS / script).read_text(),
            cwd=tmp_path_factory.mktemp(peer),
            NEPTUNE_API_TOKEN=hub.admin,
            NEPTUNE_PROJECT=PROJECT,
        )
        told: dict[str, Any] = json.loads(printed.splitlines()[-1])
        return told

    return ask


VALUES = {
    "metrics/loss": "inf",
    "metrics/nan": "nan",
    "params/amp": True,
    "params/inf": "-inf",
    "params/layers": 2**53 + 1,
    "params/lr": 0.1,
    "params/name": 'wörld "x"',
    "params/names": ["x", "y"],
    "params/when": WHEN.isoformat(),
    "sys/name": "mine",
    "sys/tags": ["a b", "best"],
}
ACCURACY = [[0.0, 0.5], [1.0, 0.625], [2.0, 0.75]]


def _digests(*contents: bytes) -> list[str]:
    return [hashlib.sha256(content).hexdigest() for content in contents]


def _weights(step: int) -> list[Any]:
    return ["COUNTING", [0.0, 1.0, 2.0], [float(step), 1.0]]


def test_by_neptune_query(ask: Callable[[str, str], dict[str, Any]]) -> None:
    told = ask("neptune_query", "ours_query.py")
    image = [1, "image/png"]
    assert told["values"] == VALUES | {
        "files/images": image,
        "model": [len(WEIGHTS), "application/x-weights"],
        "notes": "at 3.0",
        "sys/group_tags": ["group"],
        "weights": _weights(1),
    }
    assert told["metrics"] == {"metrics/loss": LOSS, "metrics/nan": []}
    assert told["fork"] == {"metrics/loss": FORK}
    assert told["series"] == {
        "files/images": [[0.0, image], [1.0, image]],
        "notes": [[step, f"at {step}"] for step, _ in LOSS],
        "weights": [[0.0, _weights(0)], [1.0, _weights(1)]],
    }
    assert told["file"] == _digests(WEIGHTS)
    assert told["files"] == _digests(b"0", b"1")
    assert told["by a filter"] == ["ours"]


def test_by_neptune_fetcher(ask: Callable[[str, str], dict[str, Any]]) -> None:
    told = ask("neptune_fetcher", "ours_fetcher.py")
    assert told["values"] == VALUES
    assert (told["metrics"], told["fork"]) == (LOSS, FORK)
    assert told["files"] == _digests(WEIGHTS)
    assert told["tags"] == told["names"] == ["ours"]
    assert told["tracked rows"] == ACCURACY
    # It knows no series of texts.
    assert told["tracked"] == {
        "accuracy": 0.75, "epoch": 2.0, "good": 1.0, "model": "cnn", "note": None,
    }  # fmt: skip


def test_a_trackers_columns_are_series(ask: Callable[[str, str], dict[str, Any]]) -> None:
    """A point for each row that has a cell, at the number of the row; truth values are 0 and 1."""
    told = ask("neptune_query", "ours_query.py")
    assert told["tracked"] == {
        "accuracy": 0.75, "epoch": 2.0, "good": 1.0, "model": "cnn", "note": 'last "one"',
    }  # fmt: skip
    assert told["attributes"] == sorted(told["tracked"])
    assert told["tracked rows"] == {
        "accuracy": ACCURACY,
        "epoch": [[step, step] for step in (0.0, 1.0, 2.0)],
        "good": [[0.0, 0.0], [1.0, 0.0], [2.0, 1.0]],
    }
    assert told["tracked texts"] == {"note": [[3.0, "ü"], [4.0, 'last "one"']]}
