"""Points that fill a space evenly: Sobol sequences."""

from __future__ import annotations

from collections.abc import Mapping

from mooring.optimize.encoding import Encoded, from_unit
from mooring.optimize.spaces import Parameter

LAST_POINT = 2**30 - 1
"""A sequence of 30 bits has no more points; beyond it, it begins again."""


def sobol_point(
    parameters: Mapping[str, Parameter], number: int, *, seed: int
) -> dict[str, Encoded]:
    """Return point `number`, from 0, of the scrambled Sobol sequence of a seed.

    It depends on its arguments only, so whoever knows how many points were taken goes on with the
    next one; nothing has to be kept of the sequence.

    Parameters
    ----------
    parameters
        Those that are searched, in their order: no constants.

    Examples
    --------
    >>> from mooring.optimize.spaces import Int
    >>> sorted(sobol_point({"x": Int(0, 3)}, number, seed=1)["x"] for number in range(4))
    [0, 1, 2, 3]
    """
    if not parameters:
        return {}
    from scipy.stats import qmc

    sequence = qmc.Sobol(len(parameters), scramble=True, rng=seed)
    if number % LAST_POINT:
        sequence.fast_forward(number % LAST_POINT)
    unit = sequence.random(1)[0].tolist()
    return {
        name: from_unit(parameter, position)
        for (name, parameter), position in zip(parameters.items(), unit, strict=True)
    }
