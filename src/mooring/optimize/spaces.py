"""Search spaces: which values each parameter may take, for one algorithm or several."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mooring.errors import InvalidSpace

MAX_INT = 2**53
"""Beyond it a sampler's arithmetic, which is in doubles, does not reach every integer."""


@dataclass(frozen=True, slots=True)
class Float:
    """A float between `low` and `high`, both inclusive.

    `log`: even on the logarithmic scale; `step`: only `low`, `low + step`, … up to `high`.

    >>> Float(1e-4, 1e-1, log=True)
    Float(low=0.0001, high=0.1, log=True, step=None)
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        low, high = _number(self.low, "low"), _number(self.high, "high")
        object.__setattr__(self, "low", float(low))
        object.__setattr__(self, "high", float(high))
        _check_range(self.low, self.high, self.log)
        if not math.isfinite(self.high - self.low):
            raise InvalidSpace(f"the range {self.low!r} to {self.high!r} is wider than a float")
        if self.step is not None:
            if not _number(self.step, "step") > 0:
                raise InvalidSpace(f"step is above 0, not {self.step!r}")
            if self.log:
                raise InvalidSpace("a range is on the logarithmic scale or has a step, not both")
            object.__setattr__(self, "step", float(self.step))

    def contains(self, value: object) -> bool:
        """Return whether the range holds a value (of a stepped one, also between its steps)."""
        return (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and self.low <= value <= self.high
        )


@dataclass(frozen=True, slots=True)
class Int:
    """An integer between `low` and `high`, both inclusive.

    >>> Int(1, 256, log=True)
    Int(low=1, high=256, log=True, step=1)
    """

    low: int
    high: int
    log: bool = False
    step: int = 1

    def __post_init__(self) -> None:
        for name in ("low", "high", "step"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise InvalidSpace(f"{name} of a range of integers is an integer, not {value!r}")
            if abs(value) > MAX_INT:
                raise InvalidSpace(f"{name} {value} is beyond ±2^53")
        _check_range(self.low, self.high, self.log)
        if self.step < 1:
            raise InvalidSpace(f"step is 1 or more, not {self.step}")
        if self.log and self.step != 1:
            raise InvalidSpace("a range is on the logarithmic scale or has a step, not both")

    def contains(self, value: object) -> bool:
        """Return whether the range holds a value (of a stepped one, also between its steps)."""
        return (
            isinstance(value, int)
            and not isinstance(value, bool)
            and self.low <= value <= self.high
        )


@dataclass(frozen=True, slots=True)
class Categorical:
    """One of some choices: None, flags, numbers, texts, or lists and dicts of them.

    Choices that are equal in JSON are one; `True` and `1` are two.

    >>> Categorical(["rbf", "linear", None]).choices
    ('rbf', 'linear', None)
    """

    choices: Sequence[Any]
    _texts: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.choices, (str, bytes)) or not isinstance(self.choices, Sequence):
            raise InvalidSpace(f"choices are a list, not {self.choices!r:.80}")
        held: dict[str, Any] = {}
        for choice in self.choices:
            held.setdefault(choice_text(choice), choice)
        if not held:
            raise InvalidSpace("a choice needs at least one value")
        object.__setattr__(self, "choices", tuple(held.values()))
        object.__setattr__(self, "_texts", tuple(held))

    @property
    def texts(self) -> tuple[str, ...]:
        """The choices as JSON text, which tells each from every other."""
        return self._texts

    def contains(self, value: object) -> bool:
        """Return whether a value is one of the choices."""
        try:
            return choice_text(value) in self._texts
        except InvalidSpace:
            return False


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that is the same in every trial."""

    value: Any

    def contains(self, value: object) -> bool:
        """Return whether it is this value."""
        return type(value) is type(self.value) and value == self.value


Parameter = Float | Int | Categorical | Constant
"""What a parameter may be."""

Parameters = Mapping[str, Parameter]
"""The parameters of one algorithm, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """Parameters of one algorithm or of several, of which each trial takes one.

    `algorithms` maps the name of each to its parameters; a space of one algorithm that needs no
    name has the name "" for it.

    >>> space = SearchSpace.of({"C": Float(0.1, 10, log=True), "kernel": ["rbf", "linear"]})
    >>> space.algorithms[""]["kernel"]
    Categorical(choices=('rbf', 'linear'))
    """

    algorithms: Mapping[str, Parameters]

    @classmethod
    def of(cls, parameters: Mapping[str, object]) -> SearchSpace:
        """Return the space of one algorithm; a list is a choice, a plain value a constant."""
        return cls({"": {name: as_parameter(name, one) for name, one in parameters.items()}})

    def __iter__(self) -> Iterator[str]:
        return iter(self.algorithms)

    def __len__(self) -> int:
        return len(self.algorithms)

    def contains(self, algorithm: str, params: Mapping[str, object]) -> bool:
        """Return whether these are all parameters of an algorithm, with values they may have."""
        space = self.algorithms.get(algorithm)
        return (
            space is not None
            and params.keys() == space.keys()
            and all(space[name].contains(value) for name, value in params.items())
        )


def as_parameter(name: str, given: object) -> Parameter:
    """Return what a parameter may be: as it is given, a choice for a list, else a constant."""
    if not name:
        raise InvalidSpace(f"a parameter has a name, not {name!r}")
    if isinstance(given, (Float, Int, Categorical, Constant)):
        return given
    if isinstance(given, (list, tuple)):
        return Categorical(given)
    if given is None or isinstance(given, (bool, int, float, str)):
        return Constant(given)
    raise InvalidSpace(
        f"parameter {name!r} is {given!r:.80}; write Float(low, high), Int(low, high), "
        "Categorical(choices), a list of choices, or a constant"
    )


def choice_text(value: object) -> str:
    """Return the JSON text of a choice; `InvalidSpace` where it has none.

    >>> choice_text(True), choice_text(1), choice_text(1.0)
    ('true', '1', '1.0')
    """
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise InvalidSpace(
            f"choice {value!r:.80} is not made of None, flags, finite numbers, texts, lists, dicts"
        ) from None


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidSpace(f"{name} of a range is a number, not {value!r:.80}")
    try:
        if math.isfinite(float(value)):
            return value
    except OverflowError:
        pass
    raise InvalidSpace(f"{name} of a range is finite, not {value!r:.80}")


def _check_range(low: float, high: float, log: bool) -> None:
    if low > high:
        raise InvalidSpace(f"the range begins at {low!r}, above its end {high!r}")
    if log and low <= 0:
        raise InvalidSpace(f"a logarithmic range begins above 0, not at {low!r}")
