"""Decimal steps for targets that have whole ones, in exact arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mooring.errors import InvalidStep
from mooring.model import STEP_SCALE

if TYPE_CHECKING:
    import numpy as np


def scale_steps(steps: np.ndarray, multiplier: int) -> tuple[np.ndarray, np.ndarray]:
    """Return steps (in millionths) times `multiplier`, cut to whole ones, and which were cut.

    Raises `InvalidStep` when a step does not fit 64 bits then.

    >>> import numpy as np
    >>> scale_steps(np.array([290_000, 1_150_000, -1_500_000]), 100)
    (array([  29,  115, -150]), array([False, False, False]))
    >>> scale_steps(np.array([-1_500_000]), 1)
    (array([-1]), array([ True]))
    """
    import numpy as np

    size = np.abs(steps)
    whole, rest = size // STEP_SCALE, (size % STEP_SCALE) * multiplier
    if multiplier < 1 or (len(whole) and int(whole.max()) * multiplier + multiplier >= 2**63):
        raise InvalidStep(f"steps times {multiplier} do not fit 64 bits")
    scaled = whole * multiplier + rest // STEP_SCALE
    return np.where(steps < 0, -scaled, scaled), rest % STEP_SCALE != 0


def step_text(step: int, multiplier: int = 1) -> str:
    """Return a step (in millionths) times `multiplier` as the shortest exact decimal.

    >>> step_text(2_000_000), step_text(-1_500_000), step_text(290_000, 100)
    ('2', '-1.5', '29')
    """
    whole, rest = divmod(abs(step) * multiplier, STEP_SCALE)
    sign = "-" if step < 0 else ""
    return f"{sign}{whole}" + (f".{rest:06}".rstrip("0") if rest else "")
