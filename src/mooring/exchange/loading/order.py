"""The order in which runs are loaded: parents before their forks, else by age."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence

from mooring.exchange.source import SourceRun


def order_runs(runs: Sequence[SourceRun]) -> tuple[Sequence[SourceRun], Sequence[SourceRun]]:
    """Return the runs of one project in order, and those among them whose parents form a circle.

    Of the runs whose parents are done the oldest comes first, those without a time last. Parents
    that are not among `runs` are not waited for. Runs of a circle come at the end.

    >>> old = SourceRun(project="a/b", run_id="fork", created=1, parent="root")
    >>> new = SourceRun(project="a/b", run_id="root", created=2)
    >>> [run.run_id for run in order_runs([old, new])[0]]
    ['root', 'fork']
    """

    def age(run: SourceRun) -> tuple[bool, int, str]:
        return (run.created is None, run.created or 0, run.run_id)

    known = {run.run_id: run for run in runs}
    forks: defaultdict[str, list[SourceRun]] = defaultdict(list)
    ready: list[tuple[tuple[bool, int, str], str]] = []
    for run in known.values():
        if run.parent in known and run.parent is not None:
            forks[run.parent].append(run)
        else:
            ready.append((age(run), run.run_id))
    heapq.heapify(ready)
    ordered: list[SourceRun] = []
    while ready:
        run = known.pop(heapq.heappop(ready)[1])
        ordered.append(run)
        for fork in forks.pop(run.run_id, ()):
            heapq.heappush(ready, (age(fork), fork.run_id))
    circle = sorted(known.values(), key=age)
    return [*ordered, *circle], circle
