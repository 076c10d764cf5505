"""Parameters of runs that any door logged, as a search space has them.

The value of a parameter `C` is looked for, in this order, in

1. `params/C`, where trials, the Auger API, `Run(params=…)` and imports from MLflow put it,
2. `parameters/C`, as many users of Neptune name it,
3. `config/C` and `hparams/C`, which imports from W&B, trackio and TensorBoard make,
4. `C`: an attribute such as `Tracker(params=…)` makes, or a column of its rows, of which the last
   value counts,
5. for a choice that may be None, which no attribute holds: `trial/space/C` of a trial, and
   `auger/algorithm_params` of one that came by the Auger API.

Integers count for floats, and whole floats for integers. Texts count for what they say ("0.1",
"10", "True"), since some trackers hold parameters as texts. Constants of a space are not compared.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mooring.optimize.spaces import Categorical, Float, Int, Parameter, Parameters, choice_text
from mooring.optimize.trial_runs import PARAMS, SPACE, ParamRecord, encode_name

ABSENT: Any = object()
"""Stands for a value that is not there, where None is one."""
AUGER_PARAMS = "auger/algorithm_params"

_PLACES = (PARAMS, "parameters/", "config/", "hparams/", "")


def param_paths(spaces: Iterable[Parameters]) -> list[str]:
    """Return every attribute that the parameters of some spaces are looked for in."""
    names = {name: parameter for space in spaces for name, parameter in space.items()}
    paths = [place + name for place in _PLACES for name in names]
    if any(_may_be_none(parameter) for space in spaces for parameter in space.values()):
        paths += [AUGER_PARAMS, *(SPACE + encode_name(name) for name in names)]
    return paths


class ParamReader:
    """Reads one parameter of runs as the space has it.

    `value(path, row)` returns an attribute of a run, `ABSENT` where it has none.
    """

    def __init__(self, name: str, parameter: Parameter, value: Callable[[str, int], Any]) -> None:
        self.name, self._parameter, self._value = name, parameter, value
        self._paths = [place + name for place in _PLACES]
        self._exact = SPACE + encode_name(name)
        self._choices = _Choices(parameter) if isinstance(parameter, Categorical) else None

    def read(self, row: int) -> Any:
        """Return the value of a run, `ABSENT` where there is none within the space."""
        for path in self._paths:
            value = self._value(path, row)
            if value is not ABSENT:
                return self._within(value)
        if _may_be_none(self._parameter) and self._is_none(row):
            return None
        return ABSENT

    def _within(self, value: object) -> Any:
        if self._choices is not None:
            return self._choices.find(value)
        number = as_number(value)
        if number is None:
            return ABSENT
        if isinstance(self._parameter, Int):
            if number != int(number):
                return ABSENT
            number = int(number)
        elif isinstance(self._parameter, Float):
            number = float(number)
        return number if self._parameter.contains(number) else ABSENT

    def _is_none(self, row: int) -> bool:
        """Return whether a trial was told this parameter, and it is None."""
        told = self._value(self._exact, row)
        if told is not ABSENT:
            return _is_none_in_trial(told)
        told = _object(self._value(AUGER_PARAMS, row))
        return self.name in told and told[self.name] is None


class _Choices:
    """Finds the choice that a stored value stands for."""

    def __init__(self, parameter: Categorical) -> None:
        self._exact = dict(zip(parameter.texts, parameter.choices, strict=True))
        self._as_text: dict[str, Any] = {}
        for text, choice in self._exact.items():
            if not isinstance(choice, str):
                self._as_text.setdefault(text, choice)
                self._as_text.setdefault(str(choice), choice)
        self._numbers = {
            float(choice): choice
            for choice in reversed(parameter.choices)
            if not isinstance(choice, str) and as_number(choice) is not None
        }

    def find(self, value: Any) -> Any:
        """Return the choice, `ABSENT` where it is none of them."""
        if isinstance(value, float) and not math.isfinite(value):
            return ABSENT
        found = self._exact.get(choice_text(value), ABSENT)
        if found is not ABSENT:
            return found
        if isinstance(value, str):
            return self._as_text.get(_normal(value), ABSENT)
        if isinstance(value, bool):
            return ABSENT
        return self._numbers.get(float(value), ABSENT)


def as_number(value: object) -> float | None:
    """Return a finite number, also one that is written as text, None for anything else.

    >>> as_number("1e-3"), as_number(5), as_number("nan"), as_number(True)
    (0.001, 5, None, None)
    """
    if isinstance(value, str):
        try:
            value = int(value) if value.strip().lstrip("+-").isdecimal() else float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:
        return None


def _normal(text: str) -> str:
    """Return JSON of a list or an object as the space writes it, other text as it is."""
    if not text.startswith(("[", "{")):
        return text
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):
        return text


def _is_none_in_trial(text: object) -> bool:
    try:
        place, number, distribution = json.loads(str(text))
        return ParamRecord(float(number), distribution, place).value is None
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return False  # somebody else's attribute


def _object(text: object) -> Mapping[str, Any]:
    if not isinstance(text, str):
        return {}
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return held if isinstance(held, dict) else {}


def _may_be_none(parameter: Parameter) -> bool:
    return isinstance(parameter, Categorical) and None in parameter.choices


def as_list(values: Any) -> list[Any]:
    """Return the values of a column as Python's own."""
    return values.tolist() if hasattr(values, "tolist") else list(values)
