"""Runs of every kind, logged with our own clients for the readers of Neptune 3 to find."""

from __future__ import annotations

from datetime import UTC, datetime

from mooring import File, Histogram, Run, Tracker
from mooring.hub.context import Hub
from mooring.store.contract import RunQuery

PROJECT = "team/nets"
TABLE = "team/table"
SECRET = "other/secret"
WHEN = datetime(2024, 5, 17, 12, 30, 15, 250_000, tzinfo=UTC)
ODD = "odd name/[x] (1) | \"quoted\" 'ü' \\d $"
"""A path with everything that a reader has to escape."""


def log_sample(hub: Hub) -> None:
    """Fill the store of a hub.

    ========  ==========  ==============================================
    run id    experiment  what it is for
    ========  ==========  ==============================================
    a-old     alpha       no head: `a-new` has the name too
    a-new     alpha       an attribute of each type
    b         beta        series with NaN and infinities
    plain     -           no experiment, few attributes
    fork      gamma       inherits from `a-new`, with nothing of its own
    gone      delta       in the trash
    ========  ==========  ==============================================
    """
    store = hub.store
    with Run(PROJECT, store=store, run_id="a-old", name="alpha") as run:
        run["params/lr"] = 0.1
        run["params/layers"] = 2
        run.log({"metrics/loss": 3.0}, step=1)
    with Run(PROJECT, store=store, run_id="a-new", name="alpha", tags=["best", "a b"]) as run:
        _log_every_type(run)
        key = run.info.key
    with Run(PROJECT, store=store, run_id="b", name="beta", tags=["worst"]) as run:
        run["params/lr"] = 1e-05
        run["params/layers"] = 8
        run["params/optimizer"] = 'sgd (with "momentum" \\ 0.9)'
        run["params/mixed"] = "text"
        for step, loss in enumerate([float("nan"), 2.0, 4.0, float("inf")]):
            run.log({"metrics/loss": loss}, step=step)
        run.log({"metrics/never": float("nan")}, step=0)
    with Run(PROJECT, store=store, run_id="plain") as run:
        run["params/lr"] = 0.5
        run["params/mixed"] = 3
    with Run(PROJECT, store=store, run_id="fork", name="gamma", parent="a-new", fork_step=1):
        pass
    with Run(PROJECT, store=store, run_id="gone", name="delta") as run:
        run["params/lr"] = 7.0
        store.trash_runs([run.info.key])
    with Run(SECRET, store=store, run_id="hidden", name="alpha") as run:
        run["params/lr"] = 0.1
    tracker = Tracker(store, {"model": "svm"}, table=TABLE)
    for fold in range(3):
        tracker.log({"accuracy": 0.5 + fold / 4, "note": f"fold {fold}"})
    tracker.close()
    assert store.get_runs([key])[0].run_id == "a-new"
    assert store.query_runs(RunQuery(project=PROJECT)).total == 5


def _log_every_type(run: Run) -> None:
    run["params/lr"] = 0.01
    run["params/layers"] = 4
    run["params/optimizer"] = "adam"
    run["params/verified"] = True
    run["params/when"] = WHEN
    run["params/names"] = {"x", "y"}
    run["params/mixed"] = 2.5
    run[ODD] = "odd"
    run["big"] = 2**53 + 1
    run["notes/file"] = File(b"some notes\n", name="notes.txt")
    for step in range(4):
        run.log({"metrics/loss": 1.0 / (step + 1), "metrics/score": float(step)}, step=step)
        run.log({"notes/text": f"at {step}"}, step=step)
        run.log_file("notes/files", b"%d" % step, step=step)
        run.log_histogram("weights", Histogram((0.0, 1.0, 2.0), (step, 1.0)), step=step)
