"""Lineage: parents before their forks."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Protocol, TypeVar


class Forked(Protocol):
    """What has an id, perhaps a parent's id, and perhaps a time of creation in microseconds."""

    @property
    def run_id(self) -> str: ...

    @property
    def parent(self) -> str | None: ...

    @property
    def created(self) -> int | None: ...


_Run = TypeVar("_Run", bound=Forked)


def order_by_lineage(runs: Sequence[_Run]) -> list[_Run]:
    """Return the runs of a project so that parents come before their forks, else oldest first.

    A parent that is not among them does not matter. Runs whose lineage is a circle come last.
    """
    by_id = {run.run_id: run for run in runs}
    children: dict[str, list[_Run]] = {}
    heap: list[tuple[float, str]] = []
    for run in by_id.values():
        if run.parent is not None and run.parent in by_id:
            children.setdefault(run.parent, []).append(run)
        else:
            heap.append((_age(run), run.run_id))
    heapq.heapify(heap)
    ordered: list[_Run] = []
    while heap:
        _, id = heapq.heappop(heap)
        ordered.append(by_id.pop(id))
        for child in children.get(id, ()):
            heapq.heappush(heap, (_age(child), child.run_id))
    return ordered + sorted(by_id.values(), key=lambda run: (_age(run), run.run_id))


def _age(run: Forked) -> float:
    return float("inf") if run.created is None else run.created
