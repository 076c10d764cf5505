"""Runs with series of every kind, through forks of forks, for the readers of Neptune 3."""

from __future__ import annotations

import math

from mooring import Histogram, Run
from mooring.hub.context import Hub

PROJECT = "team/series"
ODD = 'odd ${x}/\\{y} "z"'
"""A path with what formulas escape."""
LONG = 25_000
"""Points of a string series that takes several pages."""


def log_series(hub: Hub) -> None:
    """Fill the store of a hub.

    ========  ==========  ====================================================
    run id    experiment  `metrics/loss`
    ========  ==========  ====================================================
    root      one         steps 0 to 9, value = step; NaN at 3, infinite at 5
    child     one         from root at 4; own steps 5 to 7, value = 100 + step
    grand     two         from child at 6; own steps 7 and 8, 200 + step
    other     three       1 point, and series of other names
    ========  ==========  ====================================================
    """
    store = hub.store
    with Run(PROJECT, store=store, run_id="root", name="one") as run:
        for step in range(10):
            value = {3: math.nan, 5: math.inf}.get(step, float(step))
            run.log({"metrics/loss": value}, step=step)
            run.log({"notes/text": f"root {step}"}, step=step)
        for step in range(3):
            run.log_histogram("weights", Histogram((0.0, 1.0, 2.0), (step, 1.0)), step=step)
            run.log_file("notes/files", b"%d" % step, step=step)
    with Run(PROJECT, store=store, run_id="child", name="one", parent="root", fork_step=4) as run:
        for step in range(5, 8):
            run.log({"metrics/loss": 100.0 + step, "notes/text": f"child {step}"}, step=step)
    with Run(PROJECT, store=store, run_id="grand", name="two", parent="child", fork_step=6) as run:
        for step in (7, 8):
            run.log({"metrics/loss": 200.0 + step}, step=step)
    with Run(PROJECT, store=store, run_id="other", name="three") as run:
        run.log({"metrics/loss": -1.0}, step=4)
        for step in (0.1, 0.2, 0.3, 1e9 + 0.000_001):
            run.log({"metrics/parts": step, ODD: 2 * step}, step=step)
        for step in range(LONG):
            run.log({"notes/long": f"line {step}"}, step=step)
        run.log({"notes/empty": math.nan}, step=2)
        run.log({"metrics/early": 1.0}, step=1)
        run.log({"metrics/early": 2.0}, step=2, preview_completion=0.25)
        run.log({"metrics/early": 3.0}, step=3, preview_completion=0.75)
