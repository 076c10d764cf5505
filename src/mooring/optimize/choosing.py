"""Which of several algorithms the next trial takes."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

SHARE = 1.5
"""The algorithm of rank r gets a share of the trials in proportion to r^-1.5."""

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
    3. Then they are ranked by the mean of their three best scores, scaled between the 10 % quantile
    and the maximum of all, and the one comes next that lacks most of its share, which is in
    proportion to rank^-1.5. So none is given up, whose best may be narrow, and the best one gets
    38 % of the trials or more, whatever the scale of the scores. With several objectives the scaled
    scores of a trial are averaged. Measured beside other rules in decision 0020.

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
    shares = _shares(quality)
    due = [tally.trials / share for tally, share in zip(tallies, shares, strict=True)]
    return due.index(min(due))


def _shares(quality: Sequence[float]) -> list[float]:
    """Return the share of each algorithm; equals, such as all before there is a score, share alike.

    >>> [round(share, 2) for share in _shares([0.5, 0.9, 0.5])]
    [0.27, 1.0, 0.27]
    """
    ranked = sorted(quality, reverse=True)
    by_rank = [rank**-SHARE for rank in range(1, len(ranked) + 1)]
    of: dict[float, list[float]] = {}
    for one, share in zip(ranked, by_rank, strict=True):
        of.setdefault(one, []).append(share)
    return [sum(of[one]) / len(of[one]) for one in quality]


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
    low, high = np.quantile(every / 2, LOW_QUANTILE, axis=0), every.max(axis=0) / 2
    span = np.where(high > low, high - low, 1.0)
    found = []
    for table in tables:
        if not len(table):
            found.append(0.0)
            continue
        scaled = ((np.maximum(table / 2, low) - low) / span).mean(axis=1)
        found.append(float(np.sort(scaled)[-BEST:].mean()))
    return found
