"""Steps of readers, which are doubles, as millionths; exact where doubles are too coarse.

A bound means the points whose step, as a reader sees it, lies within: of a step far beyond 10^9
several millionths are one double.
"""

from __future__ import annotations

import math

from mooring.errors import InvalidInput
from mooring.model import MAX_STEP, STEP_SCALE, step_to_micros

_LAST = MAX_STEP * STEP_SCALE


def shown(micros: int) -> float:
    """Return a step as readers see it."""
    return float(micros) / STEP_SCALE


def first_from(step: float, *, exclusive: bool = False) -> int:
    """Return the least step that is shown at or above this one (or above it), in millionths.

    >>> first_from(0.3), first_from(0.3, exclusive=True), first_from(0.1234563)
    (300000, 300001, 123457)
    """
    micros = _nearest(step)
    if exclusive:
        while shown(micros) <= step and micros <= _LAST:
            micros += 1
        while shown(micros - 1) > step and micros > -_LAST:
            micros -= 1
    else:
        while shown(micros) < step and micros <= _LAST:
            micros += 1
        while shown(micros - 1) >= step and micros > -_LAST:
            micros -= 1
    return micros


def last_to(step: float, *, exclusive: bool = False) -> int:
    """Return the greatest step that is shown at or below this one (or below it), in millionths.

    >>> last_to(0.3), last_to(0.3, exclusive=True), last_to(0.1234567)
    (300000, 299999, 123456)
    """
    return -first_from(-step, exclusive=exclusive)


def _nearest(step: float) -> int:
    if math.isnan(step):
        raise InvalidInput("a step is a number, not NaN")
    return step_to_micros(min(float(MAX_STEP), max(-float(MAX_STEP), step)))
