"""The history that a client of the optimizers service sends: what is right in it, and what is not.

A history of 100,000 trials is read in one pass that looks only at names and scores; parameters are
read of those trials only that a model will see.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mooring.errors import InvalidSpace
from mooring.optimize.encoding import is_constant
from mooring.optimize.observations import Observation, TrialState
from mooring.optimize.spaces import MAX_INT, Float, SearchSpace, choice_text


@dataclass(slots=True)
class Column:
    """The trials of one algorithm.

    Attributes
    ----------
    items : as they were sent
    scores : bigger is better; NaN or infinite: it failed, or has no score
    partial : whether it was run with a part of the data or budget
    """

    items: list[Mapping[str, Any]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    partial: list[bool] = field(default_factory=list)

    def observation(self, algorithm: str, at: int) -> Observation:
        """Return one trial as models see it."""
        score = self.scores[at]
        has_failed = not math.isfinite(score)
        return Observation(
            algorithm=algorithm,
            params=params_of(self.items[at]),
            state=TrialState.FAILED if has_failed else TrialState.COMPLETE,
            values=None if has_failed else (score,),
            share=0.5 if self.partial[at] else 1.0,
        )


def read_history(history: Sequence[object], space: SearchSpace) -> dict[str, Column]:
    """Return the trials by algorithm; those of algorithms that are not in the space are left out.

    A score that is missing, null, no number, NaN or infinite, and an error that is told of, make a
    trial a failed one, as does a parameter that it lacks. A ratio below 1 makes it partial; one
    that is no number is taken for 1.

    Examples
    --------
    >>> from mooring.optimize.spaces import Float
    >>> space = SearchSpace({"svc": {"C": Float(0, 1)}})
    >>> good = {"algorithm_name": "svc", "algorithm_params": {"C": 0.5}, "score": 0.9}
    >>> columns = read_history([good, {"algorithm_name": "tree", "score": 1.0}, None], space)
    >>> columns["svc"].scores
    [0.9]
    """
    columns = {name: Column() for name in space}
    searched = {name: frozenset(searched_names(space, name)) for name in space}
    for item in history:
        if not isinstance(item, dict):
            continue
        get = item.get
        name = get("algorithm_name")
        if not isinstance(name, str) or name not in columns:
            continue
        column, params, score, ratio = (
            columns[name],
            get("algorithm_params"),
            get("score"),
            get("ratio"),
        )
        if get("error") or not isinstance(params, dict) or not searched[name] <= params.keys():
            # One partial set of parameters would shrink what all trials have in common.
            score = math.nan
        column.items.append(item)
        column.scores.append(score if type(score) is float else _score(score))
        column.partial.append(ratio < 1.0 if type(ratio) is float else _is_below_one(ratio))
    return columns


def params_of(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the parameters of a trial; none where they are not an object."""
    params = item.get("algorithm_params")
    return params if isinstance(params, dict) else {}


def tried(
    candidates: Sequence[tuple[str, Mapping[str, Any]]],
    columns: Mapping[str, Column],
    space: SearchSpace,
) -> set[int]:
    """Return the positions of the candidates (algorithm and parameters) that were tried already.

    Numbers are the same where their first six digits are: clients round.
    """
    found: set[int] = set()
    for algorithm, column in columns.items():
        names = searched_names(space, algorithm)
        sought: dict[tuple[object, ...], list[int]] = {}
        for at, (name, params) in enumerate(candidates):
            if name == algorithm:
                sought.setdefault(_digits(params, names), []).append(at)
        if not sought:
            continue
        # Most trials differ in the first number already, and are not looked at further.
        numeric = [name for name in names if isinstance(space.algorithms[algorithm][name], Float)]
        probe = (numeric or names)[:1]
        first = {_digits(candidates[same[0]][1], probe) for same in sought.values()}
        for item in column.items:
            params = params_of(item)
            if _digits(params, probe) in first:
                found.update(sought.get(_digits(params, names), ()))
    return found


def searched_names(space: SearchSpace, algorithm: str) -> list[str]:
    """Return the names of an algorithm's parameters that are no constants."""
    return [name for name, one in space.algorithms[algorithm].items() if not is_constant(one)]


def _digits(params: Mapping[str, Any], names: Sequence[str]) -> tuple[object, ...]:
    """Return values so that those which a client may have rounded are equal."""
    return tuple([_rounded(value) for value in map(params.get, names)])


def _rounded(value: object) -> object:
    if type(value) is float or (type(value) is int and abs(value) <= MAX_INT):
        return f"{value:.6g}"
    if value is None or isinstance(value, (str, bool)):
        return value
    try:
        return choice_text(value)
    except InvalidSpace:
        return None


def _score(score: object) -> float:
    """Return a score that is no float already: NaN where it is no number."""
    if isinstance(score, bool) or not isinstance(score, (int, float)):
        return math.nan
    try:
        return float(score)
    except OverflowError:
        return math.nan


def _is_below_one(ratio: object) -> bool:
    return isinstance(ratio, (int, float)) and not isinstance(ratio, bool) and ratio < 1
