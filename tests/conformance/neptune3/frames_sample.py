"""Many runs that differ in what tables are sorted and filtered by."""

from __future__ import annotations

import math

from mooring import Run
from mooring.hub.context import Hub

PROJECT = "team/frames"
COUNT = 24
WORDS = ("adam", "sgd 1", "Adam", 'a "quoted" \\ word', "ümlaut", "x(y)[z]", "line\nend")


def log_frames(hub: Hub) -> None:
    """Log runs `r00` to `r23` and three forks, so that each question finds some and not others."""
    for number in range(COUNT):
        with Run(
            PROJECT,
            store=hub.store,
            run_id=f"r{number:02}",
            name=f"exp {number % 7}" if number % 3 else None,
            tags=[
                tag for tag, each in (("even", 2), ("third", 3), ("a b", 5)) if not number % each
            ],
        ) as run:
            _log_one(run, number)
    for run_id, parent, step in (("f1", "r10", 2), ("f2", "f1", 4), ("f3", "f2", 4.5)):
        with Run(
            PROJECT, store=hub.store, run_id=run_id, name="forked", parent=parent, fork_step=step
        ) as run:
            run["params/fork"] = run_id
            if run_id != "f3":
                run.log({"metrics/loss": 50.0 + step, "notes/text": run_id}, step=step + 1)
                run.log({"metrics/loss": 60.0 + step, "notes/text": run_id}, step=step + 2)


def _log_one(run: Run, number: int) -> None:
    if number % 5:
        run["params/lr"] = (number * 7 % COUNT) / 8
    if number % 4:
        run["params/layers"] = number * 11 % COUNT
    if number % 6:
        run["params/optimizer"] = WORDS[number % len(WORDS)]
    if number % 2:
        run["params/amp"] = number % 4 == 1
    for step in range(number % 9):
        value = {3: math.nan, 5: -math.inf}.get(step, (number * 13 + step * 5) % 17 / 4)
        run.log({"metrics/loss": value, "metrics/all nan": math.nan}, step=step / 2)
        run.log({"metrics/loss 2": float(step)}, step=step)
        run.log({"notes/text": f"{number} at {step}"}, step=step)
