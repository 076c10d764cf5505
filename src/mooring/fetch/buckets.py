"""Summaries of series by buckets of steps, exact, so that no spike vanishes.

The range [low, high] is cut into n buckets of equal width. Bucket i holds the steps of
[b_i, b_i+1) with b_i = low + i·(high - low)/n; the last one holds `high` too. All arithmetic is on
integers of millionths: a point on a boundary always falls into the bucket that begins there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mooring.errors import InvalidInput
from mooring.store.blocks import Blocks, Floats, Int64s, Ints, reduce_blocks

_INT64_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Buckets:
    """One entry for each series and bucket that holds a point, sorted by both.

    Steps are in millionths. `count`, `first` and `last` are of all points, so they can be NaN or
    infinite; minimum, maximum and mean are of the finite ones, NaN where there is none (and then
    the steps of minimum and maximum mean nothing; `finite_count` tells).
    """

    series: Int64s
    bucket: Int64s
    step_from: Int64s
    step_to: Int64s
    count: Int64s
    finite_count: Int64s
    minimum: Floats
    minimum_step: Int64s
    maximum: Floats
    maximum_step: Int64s
    first: Floats
    last: Floats
    mean: Floats
    nan_count: Int64s
    positive_inf_count: Int64s
    negative_inf_count: Int64s

    def __len__(self) -> int:
        return len(self.series)


def bucket_edges(low: int, high: int, buckets: int) -> Int64s:
    """Return the n + 1 bounds of the buckets, rounded up to whole millionths.

    Rounding up keeps them exact: a whole millionth is at or above b_i where it is at or above its
    ceiling.

    >>> bucket_edges(0, 10, 4).tolist()
    [0, 3, 5, 8, 10]
    """
    span = high - low
    return np.array([low - (-index * span // buckets) for index in range(buckets + 1)], np.int64)


def summarize_buckets(
    series: Ints, steps: Int64s, values: Floats, *, low: int, high: int, buckets: int
) -> Buckets:
    """Summarise points by series and bucket.

    Parameters
    ----------
    series : number of the series of each point, in any order of contiguous blocks
    steps : in millionths, ascending within a series, all within [low, high]
    values : the values
    low, high : the range, ends included; one bucket is made where they are equal
    buckets : how many to cut the range into

    Examples
    --------
    >>> steps = np.arange(6)
    >>> values = np.array([0.0, 9.0, 1.0, np.nan, 2.0, 3.0])
    >>> cut = summarize_buckets(np.zeros(6, int), steps, values, low=0, high=5, buckets=2)
    >>> cut.maximum.tolist(), cut.maximum_step.tolist(), cut.nan_count.tolist()
    ([9.0, 3.0], [1, 5], [0, 1])
    """
    if buckets < 1 or high < low:
        raise InvalidInput(f"cannot cut steps {low} to {high} into {buckets} buckets")
    if high == low:
        buckets = 1
    indices = _bucket_of(steps, low, high, buckets)
    blocks = Blocks.of(series, indices, values)
    minimum, maximum = blocks.minimum(values), blocks.maximum(values)
    minimum_step = _step_of(blocks.known(values, np.inf), minimum, steps, blocks)
    maximum_step = _step_of(blocks.known(values, -np.inf), maximum, steps, blocks)
    mean = _mean(values, blocks)
    empty = blocks.finite_counts == 0
    for column in (minimum, maximum, mean):
        column[empty] = np.nan
    edges = bucket_edges(low, high, buckets)
    held = indices[blocks.starts]
    return Buckets(
        series=series[blocks.starts].astype(np.int64),
        bucket=held,
        step_from=edges[held],
        step_to=edges[held + 1],
        count=blocks.counts,
        finite_count=blocks.finite_counts,
        minimum=minimum,
        minimum_step=minimum_step,
        maximum=maximum,
        maximum_step=maximum_step,
        first=values[blocks.starts],
        last=values[blocks.ends],
        # The rounding of a sum may carry a mean out of the range of its values.
        mean=np.clip(mean, minimum, maximum),
        nan_count=blocks.nan_counts,
        positive_inf_count=blocks.positive_inf_counts,
        negative_inf_count=blocks.negative_inf_counts,
    )


def _bucket_of(steps: Int64s, low: int, high: int, buckets: int) -> Int64s:
    span = high - low
    if span == 0:
        return np.zeros(len(steps), np.int64)
    if span * buckets <= _INT64_MAX:
        indices = steps - low
        indices *= buckets
        indices //= span
        np.minimum(indices, buckets - 1, out=indices)
        return indices
    edges = bucket_edges(low, high, buckets)
    return np.searchsorted(edges[1:-1], steps, side="right").astype(np.int64)


def _step_of(known: Floats, extremes: Floats, steps: Int64s, blocks: Blocks) -> Int64s:
    """Return the first step of each block at which its extreme stands."""
    hits = np.flatnonzero(known == np.repeat(extremes, blocks.counts))
    # Each block has a hit, the neutral value included: the first at or after its start is its own.
    return steps[hits[np.searchsorted(hits, blocks.starts)]]


def _mean(values: Floats, blocks: Blocks) -> Floats:
    divisors = np.maximum(blocks.finite_counts, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        means: Floats = blocks.sum(values) / divisors
    beyond = ~np.isfinite(means)
    if beyond.any():  # the sum of finite values is beyond the largest double
        parts = blocks.known(values, 0.0) / np.repeat(divisors, blocks.counts)
        means[beyond] = reduce_blocks(np.add, parts, blocks.starts)[beyond]
    return means
