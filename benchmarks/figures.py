"""What was measured: one figure for a measure and a subject, and the bars to reach."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Better(StrEnum):
    """Which direction is good."""

    LESS = "less"
    MORE = "more"


@dataclass(frozen=True, slots=True)
class Bar:
    """A limit for Mooring: `statistic` is `median` or `p99`, in the unit of the measure.

    `origin` says of which peer's figure the limit is made, where it is one.
    """

    statistic: str
    limit: float
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Rival:
    """A peer by its title, and how many times better than it Mooring has to be."""

    peer: str
    times: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A thing to measure, its unit, and what Mooring has to reach."""

    key: str
    title: str
    unit: str
    better: Better = Better.LESS
    bars: tuple[Bar, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table.

    Attributes
    ----------
    median : over the rounds, of each round's own median or total; None when there is none
    p99 : of all calls of all rounds together
    low, high : the extremes of the rounds
    n : what one round measured, in words (`5,000 calls`)
    note : what a reader must know: how it was called, what was lost
    problem : why there is no figure
    """

    measure: Measure
    subject: str
    is_mooring: bool
    median: float | None = None
    p99: float | None = None
    low: float | None = None
    high: float | None = None
    n: str = ""
    rounds: int = 0
    note: str = ""
    problem: str = ""
    rounds_raw: Sequence[float] = field(default_factory=tuple)

    def reached(self, bar: Bar) -> bool | None:
        """Whether a bar is reached; None when it was not measured."""
        value = self.median if bar.statistic == "median" else self.p99
        if value is None:
            return None
        return value <= bar.limit if self.measure.better is Better.LESS else value >= bar.limit

    def times_of(self, reference: Figure) -> float | None:
        """Return how many times better the reference is: above 1, the reference is ahead."""
        if not self.median or not reference.median:
            return None
        ratio = self.median / reference.median
        return ratio if self.measure.better is Better.LESS else 1 / ratio


def over_rounds(
    measure: Measure,
    subject: str,
    rounds: Sequence[float],
    *,
    is_mooring: bool,
    n: str,
    note: str = "",
    p99: float | None = None,
) -> Figure:
    """Return the figure of some rounds, each given by one number."""
    return Figure(
        measure=measure,
        subject=subject,
        is_mooring=is_mooring,
        median=statistics.median(rounds),
        p99=p99,
        low=min(rounds),
        high=max(rounds),
        n=n,
        rounds=len(rounds),
        note=note,
        rounds_raw=tuple(rounds),
    )


def against(figures: Sequence[Figure], subject: str, *rivals: Rival) -> list[Figure]:
    """Return figures of one measure, those of a subject with the bars that its rivals have set.

    A rival without a figure sets none.
    """
    medians = {figure.subject: figure.median for figure in figures}
    bars = tuple(
        _bar_of(rival, median, figures[0].measure.better)
        for rival in rivals
        if (median := medians.get(rival.peer)) is not None
    )
    return [
        replace(figure, measure=replace(figure.measure, bars=figure.measure.bars + bars))
        if figure.subject == subject
        else figure
        for figure in figures
    ]


def _bar_of(rival: Rival, median: float, better: Better) -> Bar:
    if better is Better.LESS:
        part = f" / {rival.times:g}" if rival.times > 1 else ""
        part = f" x {1 / rival.times:g}" if rival.times < 1 else part
        return Bar("median", median / rival.times, f"{rival.peer}{part}")
    part = f"{rival.times:g} x " if rival.times != 1 else ""
    return Bar("median", median * rival.times, f"{part}{rival.peer}")


def failed(measure: Measure, subject: str, *, is_mooring: bool, problem: str) -> Figure:
    """Return the line of a subject that could not be measured."""
    return Figure(measure=measure, subject=subject, is_mooring=is_mooring, problem=problem)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least `percent` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
