"""Values of parameters as samplers take them, and back.

A number is itself; a float with a step is the number of its step, so that no rounding puts it
beside the grid; a choice is its JSON text, since samplers take `True` and `1` for one choice.
"""

from __future__ import annotations

import copy
import math
from decimal import Decimal
from typing import Any

from mooring.errors import InvalidSpace
from mooring.optimize.spaces import Categorical, Constant, Float, Int, Parameter, choice_text

Encoded = float | int | str
"""A value as samplers take it."""


def is_constant(parameter: Parameter) -> bool:
    """Return whether a parameter leaves nothing to search.

    >>> is_constant(Int(3, 3)), is_constant(Int(0, 5, step=10)), is_constant(Int(0, 1))
    (True, True, False)
    """
    match parameter:
        case Float(low=low, high=high, step=step):
            return low == high or (step is not None and last_step(low, high, step) == 0)
        case Int(low=low, high=high, step=step):
            return (high - low) // step == 0
        case Categorical():
            return len(parameter.choices) == 1
        case Constant():
            return True


def constant_value(parameter: Parameter) -> Any:
    """Return the one value of a parameter that leaves nothing to search."""
    match parameter:
        case Float() | Int():
            return parameter.low
        case Categorical():
            return copy.deepcopy(parameter.choices[0])
        case Constant():
            return copy.deepcopy(parameter.value)


def last_step(low: float, high: float, step: float) -> int:
    """Return how many steps fit between two floats, reckoned in decimals as they are written.

    >>> last_step(0.0, 0.3, 0.1)
    3
    """
    return int((Decimal(repr(high)) - Decimal(repr(low))) // Decimal(repr(step)))


def encode(parameter: Parameter, value: object) -> Encoded | None:
    """Return a value as samplers take it, moved into the bounds; None where it does not fit.

    Examples
    --------
    >>> encode(Int(1, 8), 11), encode(Int(1, 8), 2.0), encode(Int(1, 8), "2")
    (8, 2, None)
    >>> encode(Categorical([True, 1]), True)
    'true'
    """
    match parameter:
        case Float(low=low, high=high, step=step):
            number = _finite(value)
            if number is None:
                return None
            number = min(max(number, low), high)
            if step is None:
                return number
            return min(round((number - low) / step), last_step(low, high, step))
        case Int(low=low, high=high, step=step):
            number = _finite(value)
            if number is None:
                return None
            steps = (high - low) // step
            nearest = round((min(max(number, low), high) - low) / step)
            return low + min(max(nearest, 0), steps) * step
        case Categorical():
            return _encode_choice(parameter, value)
        case Constant():
            return None


def decode(parameter: Parameter, encoded: object) -> Any:
    """Return the value that samplers mean, as a plain Python object of the parameter's type."""
    match parameter:
        case Float(low=low, high=high, step=step):
            if step is None:
                return min(max(float(encoded), low), high)  # type: ignore[arg-type]
            exact = Decimal(repr(low)) + int(encoded) * Decimal(repr(step))  # type: ignore[call-overload]
            return min(max(float(exact), low), high)
        case Int():
            return min(max(int(encoded), parameter.low), parameter.high)  # type: ignore[call-overload]
        case Categorical():
            return copy.deepcopy(parameter.choices[parameter.texts.index(str(encoded))])
        case Constant():
            return copy.deepcopy(parameter.value)


def from_unit(parameter: Parameter, position: float) -> Encoded:
    """Return the encoded value at a position between 0 and 1.

    Integers have intervals of equal width, on the logarithmic scale from half below the first to
    half above the last; choices have equal shares.

    >>> from_unit(Int(1, 4), 0.49), from_unit(Float(0, 10), 0.25)
    (2, 2.5)
    """
    match parameter:
        case Float(low=low, high=high, log=log, step=step):
            if step is not None:
                steps = last_step(low, high, step)
                return min(int(position * (steps + 1)), steps)
            if log:
                bottom, top = math.log(low), math.log(high)
                value = math.exp(bottom + position * (top - bottom))
            else:
                value = low + position * (high - low)
            return min(max(value, low), high)
        case Int(low=low, high=high, log=log, step=step):
            if log:
                bottom, top = math.log(low - 0.5), math.log(high + 0.5)
                return min(max(round(math.exp(bottom + position * (top - bottom))), low), high)
            steps = (high - low) // step
            return low + min(int(position * (steps + 1)), steps) * step
        case Categorical():
            texts = parameter.texts
            return texts[min(int(position * len(texts)), len(texts) - 1)]
        case Constant():
            raise TypeError("a constant has no position")


def to_unit(parameter: Float | Int, encoded: float) -> float:
    """Return the position between 0 and 1 of an encoded number: `from_unit` the other way.

    >>> to_unit(Float(0.01, 1.0, log=True), 0.1), to_unit(Int(0, 3), 1)
    (0.5, 0.375)
    """
    match parameter:
        case Float(low=low, high=high, log=log, step=step):
            if step is not None:
                return (encoded + 0.5) / (last_step(low, high, step) + 1)
            if log:
                return (math.log(encoded) - math.log(low)) / (math.log(high) - math.log(low))
            return (encoded - low) / (high - low)
        case Int(low=low, high=high, log=log, step=step):
            if log:
                bottom, top = math.log(low - 0.5), math.log(high + 0.5)
                return (math.log(encoded) - bottom) / (top - bottom)
            return ((encoded - low) // step + 0.5) / ((high - low) // step + 1)


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return value if math.isfinite(float(value)) else None
    except OverflowError:
        return None


def _encode_choice(parameter: Categorical, value: object) -> str | None:
    try:
        text = choice_text(value)
    except InvalidSpace:
        return None
    if text in parameter.texts:
        return text
    number = _finite(value)
    if number is not None:  # 1.0 comes back as 1 from languages that have one type of number
        for known, choice in zip(parameter.texts, parameter.choices, strict=True):
            if _finite(choice) == number:
                return known
    return None
