"""Which of several algorithms the next trial takes."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

EXPLORATION = 0.35
"""Weight of how little an algorithm was tried, against how good its best trials are."""

LOW_QUANTILE = 0.1
"""Scores at or below this quantile of all count as nothing: failures would stretch the scale."""

BEST = 3
"""So many of its best trials stand for an algorithm."""


@dataclass(slots=True)
class Tally:
    """What is counted of one algorithm.

    Attributes
    ----------
    trials : all that were begun, whatever came of them
    scores : of the usable ones, bigger is better; with several objectives one after the other
    partial : the same of those that were run with a part of the data
    """

    trials: int = 0
    scores: array[float] = field(default_factory=lambda: array("d"))
    partial: array[float] = field(default_factory=lambda: array("d"))

    @property
    def usable(self) -> array[float]:
        """The scores that count: those on a part of the data only where there are no others."""
        return self.scores or self.partial


def choose_algorithm(tallies: Sequence[Tally], *, objectives: int = 1, total: int | None) -> int:
    """Return the position of the algorithm to try next.

    First in turn, until each has k trials, k = `total` // (3 · algorithms), at least 1 and at most
    3. Then the one with the highest q + 0.35 · √(ln(N + 1) / n), after UCB1 (Auer et al. 2002): q
    is the mean of its three best scores, scaled between the 10 % quantile and the maximum of all; n
    counts its trials and N all. With several objectives the scaled scores of a trial are averaged.

    Parameters
    ----------
    total
        How many trials the search will have; None: not known, as for a long search.

    Examples
    --------
    >>> choose_algorithm([Tally(), Tally()], total=10)
    0
    >>> bad, good = array("d", [0.1, 0.2, 0.3]), array("d", [0.7, 0.8, 0.9])
    >>> choose_algorithm([Tally(3, bad), Tally(3, good)], total=10)
    1
    """
    if len(tallies) == 1:
        return 0
    turns = 3 if total is None else min(max(total // (3 * len(tallies)), 1), 3)
    fewest = min(range(len(tallies)), key=lambda at: tallies[at].trials)
    if tallies[fewest].trials < turns:
        return fewest
    quality = _quality(tallies, objectives)
    begun = sum(tally.trials for tally in tallies)
    spread = math.log(begun + 1)
    return max(
        range(len(tallies)),
        key=lambda at: quality[at] + EXPLORATION * math.sqrt(spread / tallies[at].trials),
    )


def _quality(tallies: Sequence[Tally], objectives: int) -> list[float]:
    import numpy as np

    tables = [
        np.frombuffer(tally.usable, dtype=float).reshape(-1, objectives)
        if tally.usable
        else np.empty((0, objectives))
        for tally in tallies
    ]
    every = np.concatenate(tables)
    if not len(every):
        return [0.0] * len(tallies)
    # Halved, so that the span of the widest scores is a float still.
    low = np.quantile(every / 2, LOW_QUANTILE, axis=0)
    span = every.max(axis=0) / 2 - low
    found = []
    for table in tables:
        if not len(table):
            found.append(0.0)
            continue
        scaled = np.clip((table / 2 - low) / np.where(span > 0, span, 1.0), 0.0, 1.0).mean(axis=1)
        found.append(float(np.sort(scaled)[-BEST:].mean()))
    return found
