"""TensorBoard's histograms as ours, whose edges ascend strictly.

TensorBoard allows bins without width (data that are all equal), the outermost edges ±1.8e308,
empty bins at the ends that stand for nothing, and overlaps.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_HUGE = sys.float_info.max


@dataclass(frozen=True, slots=True)
class Converted:
    """Edges and counts, and what had to change of them (empty: nothing)."""

    edges: Sequence[float]
    counts: Sequence[float]
    changed: str = ""


NO_WIDTH = "bins without width: their counts are in the bin beside them"
ONE_VALUE = "all values are equal: the one bin ends at the next larger number"
OPEN_ENDS = "an outermost bin without an end: it ends at the smallest or largest value"


def from_limits(
    limits: Sequence[float], counts: Sequence[float], low: float, high: float
) -> Converted | str:
    """Convert the old form: right edges, and the smallest and largest value.

    Returns the reason when it cannot be converted.

    >>> from_limits([0.0, 1.0, 2.0], [0.0, 3.0, 4.0], 0.5, 2.0)
    Converted(edges=[0.0, 1.0, 2.0], counts=[3.0, 4.0], changed='')
    """
    if len(limits) != len(counts):
        return f"{len(limits)} limits and {len(counts)} counts"
    if not limits:
        return "no values were counted"
    changed = ""
    rights, filled = list(limits), list(counts)
    if not filled[0]:
        # It only tells where the next one begins: nothing says how far it reaches to the left.
        left = rights.pop(0)
        filled.pop(0)
        if not rights:
            return "no values were counted"
    else:
        left = low if low <= rights[0] else rights[0]
    if not _is_edge(left):
        left, changed = low, OPEN_ENDS
    if not _is_edge(rights[-1]):
        if not filled[-1]:
            del rights[-1], filled[-1]
        else:
            before = rights[-2] if len(rights) > 1 else left
            rights[-1], changed = max(high, before), OPEN_ENDS
    return _ascending([left, *rights], filled, changed)


def from_bins(bins: Sequence[Sequence[float]]) -> Converted | str:
    """Convert the new form: left edge, right edge and count of each bin.

    >>> from_bins([[0.0, 1.0, 3.0], [1.0, 2.0, 4.0]])
    Converted(edges=[0.0, 1.0, 2.0], counts=[3.0, 4.0], changed='')
    """
    if not bins:
        return "no values were counted"
    edges = [bins[0][0]]
    counts: list[float] = []
    for left, right, count in bins:
        if left > edges[-1]:  # a gap: nothing lies in it
            edges.append(left)
            counts.append(0.0)
        elif left < edges[-1]:
            return f"bins overlap at {left!r}"
        edges.append(right)
        counts.append(count)
    return _ascending(edges, counts, "")


def _ascending(edges: Sequence[float], counts: Sequence[float], changed: str) -> Converted | str:
    """Join bins without width to those beside them."""
    if not all(_is_edge(edge) for edge in edges):
        return "an edge is not a finite number"
    if not all(math.isfinite(count) and count >= 0 for count in counts):
        return "a count is not a number, or negative"
    if any(low > high for low, high in pairwise(edges)):
        return "edges do not ascend"
    kept = [edges[0]]
    filled: list[float] = []
    waiting = 0.0
    for right, count in zip(edges[1:], counts, strict=True):
        if right == kept[-1]:
            if count:
                waiting += count
                changed = changed or NO_WIDTH
        else:
            kept.append(right)
            filled.append(count + waiting)
            waiting = 0.0
    if not filled and not waiting:
        return "no values were counted"
    if not filled:
        top = math.nextafter(kept[0], math.inf)
        if not _is_edge(top):
            return "an edge is not a finite number"
        return Converted([kept[0], top], [waiting], ONE_VALUE)
    filled[-1] += waiting
    return Converted(kept, filled, changed)


def _is_edge(value: float) -> bool:
    return math.isfinite(value) and abs(value) < _HUGE
