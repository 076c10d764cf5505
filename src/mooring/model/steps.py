"""Exact steps: decimals with six places, held as an integer number of millionths."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from numbers import Integral, Rational, Real

from mooring.errors import InvalidStep

STEP_SCALE = 1_000_000
"""Millionths in one step."""

MAX_STEP = 10**12
"""Largest absolute step. Together with the six places it fits a 64-bit integer."""

_MAX_MICROS = MAX_STEP * STEP_SCALE


def step_to_micros(step: object) -> int:
    """Return a step as an integer of millionths, rounded half to even.

    Raises `InvalidStep` for NaN, infinities, non-numbers and anything beyond ±10^12.

    >>> step_to_micros(3), step_to_micros(0.1), step_to_micros("2.5")
    (3000000, 100000, 2500000)
    """
    try:
        if isinstance(step, Integral) and not isinstance(step, bool):
            micros = int(step) * STEP_SCALE
        elif isinstance(step, bool) or not isinstance(step, (Real, Decimal, str)):
            raise InvalidStep(f"a step is a number, not {step!r} ({type(step).__name__})")
        else:
            if isinstance(step, (Decimal, str)):
                exact = Decimal(step)
            elif isinstance(step, Rational):
                exact = Decimal(int(step.numerator)) / Decimal(int(step.denominator))
            else:
                exact = Decimal(float(step))
            micros = int((exact * STEP_SCALE).to_integral_value(ROUND_HALF_EVEN))
    except (InvalidOperation, OverflowError, ValueError) as error:
        if isinstance(error, InvalidStep):
            raise
        raise InvalidStep(f"step {step!r} is not a finite number") from None
    if not -_MAX_MICROS <= micros <= _MAX_MICROS:
        raise InvalidStep(f"step {step!r} is beyond ±10^12")
    return micros


def step_from_micros(micros: int) -> float:
    """Return the step as the double that clients see.

    >>> step_from_micros(2_500_000)
    2.5
    """
    return micros / STEP_SCALE
