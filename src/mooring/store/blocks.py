"""Blocks of points: those of one series that fall into one bucket, counted and reduced together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer]
Int64s = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Blocks:
    """Where blocks begin among points, and how many points of each kind they have.

    `finite` tells it of each point; None when all are finite. `ends` are the places of the last
    points. A block has at least one point, though maybe none that is finite.
    """

    starts: Int64s
    counts: Int64s
    finite: Mask | None
    finite_counts: Int64s
    nan_counts: Int64s
    positive_inf_counts: Int64s
    negative_inf_counts: Int64s

    @classmethod
    def of(cls, series: Ints, buckets: Int64s, values: Floats) -> Blocks:
        """Return the blocks of points that stand one after the other.

        >>> blocks = Blocks.of(np.zeros(3, int), np.array([0, 0, 4]), np.array([1, np.nan, 2]))
        >>> blocks.starts.tolist(), blocks.counts.tolist(), blocks.nan_counts.tolist()
        ([0, 2], [2, 1], [1, 0])
        """
        starts = _starts(series, buckets)
        counts = np.diff(starts, append=len(values))
        finite = np.isfinite(values)
        if finite.all():
            nans, positives, negatives = np.zeros((3, len(starts)), np.int64)
            return cls(starts, counts, None, counts, nans, positives, negatives)
        nans = _count(np.isnan(values), starts)
        positives = _count(values == np.inf, starts)
        negatives = _count(values == -np.inf, starts)
        others = counts - nans - positives - negatives
        return cls(starts, counts, finite, others, nans, positives, negatives)

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def ends(self) -> Int64s:
        """Places of the last points."""
        return self.starts + self.counts - 1

    def finite_ends(self) -> tuple[Int64s, Int64s]:
        """Return the places of the first and the last finite point; of blocks without, any."""
        if self.finite is None:
            return self.starts, self.ends
        places = np.flatnonzero(self.finite)
        if not len(places):
            return self.starts, self.starts
        first = np.searchsorted(places, self.starts)
        last = np.maximum(first + self.finite_counts - 1, 0)
        return places[np.minimum(first, len(places) - 1)], places[last]

    def known(self, values: Floats, neutral: float) -> Floats:
        """Return the values with `neutral` in place of those that are not finite."""
        return values if self.finite is None else np.where(self.finite, values, neutral)

    def minimum(self, values: Floats) -> Floats:
        """Return the least finite value of each block; infinity where there is none."""
        return reduce_blocks(np.minimum, self.known(values, np.inf), self.starts)

    def maximum(self, values: Floats) -> Floats:
        """Return the greatest finite value of each block; minus infinity where there is none."""
        return reduce_blocks(np.maximum, self.known(values, -np.inf), self.starts)

    def sum(self, values: Floats) -> Floats:
        """Return the sum of the finite values of each block; it can be beyond the doubles."""
        with np.errstate(over="ignore", invalid="ignore"):
            return reduce_blocks(np.add, self.known(values, 0.0), self.starts)


def reduce_blocks(operation: np.ufunc, values: Floats, starts: Int64s) -> Floats:
    """Return the values of each block joined by an operation."""
    return operation.reduceat(values, starts) if len(starts) else values[:0].copy()


def _starts(series: Ints, buckets: Int64s) -> Int64s:
    if not len(series):
        return np.zeros(0, np.int64)
    changes = series[1:] != series[:-1]
    changes |= buckets[1:] != buckets[:-1]
    return np.concatenate(([0], np.flatnonzero(changes) + 1)).astype(np.int64)


def _count(mask: Mask, starts: Int64s) -> Int64s:
    return np.add.reduceat(mask.astype(np.int64), starts)
