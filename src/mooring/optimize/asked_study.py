"""What a caller says of a study, and how it agrees with the one that is there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mooring.errors import InvalidInput
from mooring.model import Value
from mooring.optimize.grammar import parse_space, space_to_json
from mooring.optimize.methods import method_of
from mooring.optimize.observations import Direction, TrialState
from mooring.optimize.pruning import pruner_spec
from mooring.optimize.spaces import SearchSpace
from mooring.optimize.study_runs import DEFAULT_OBJECTIVE, DEFAULT_RETRIES, StudySpec

DEFAULT_METHOD = "tpe"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedStudy:
    """What a caller says of a study; None: nothing. See `Study` for each."""

    name: str
    space: SearchSpace | None = None
    objectives: Mapping[str, Direction] | None = None
    method: str | None = None
    seed: int | None = None
    prune_on: str | None = None
    pruner: Mapping[str, Any] | None = None
    retries: int | None = None

    @classmethod
    def check(
        cls,
        name: object,
        *,
        space: Mapping[str, object] | SearchSpace | None = None,
        direction: str | None = None,
        objectives: Mapping[str, str] | None = None,
        method: str | None = None,
        seed: int | None = None,
        prune_on: str | None = None,
        pruner: str | Mapping[str, Any] | None = None,
        retries: int | None = None,
    ) -> AskedStudy:
        """Read arguments; `InvalidInput` for those that are none, or exclude each other."""
        if not isinstance(name, str) or not name.strip():
            raise InvalidInput(f"a study has a name, not {name!r:.80}")
        for what, number in (("seed", seed), ("retries", retries)):
            if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
                raise InvalidInput(f"{what} is an integer, not {number!r:.80}")
            if number is not None and number < 0:
                raise InvalidInput(f"{what} is 0 or more, not {number}")
        held = _read_objectives(direction, objectives)
        chosen = pruner_spec(pruner or ("median" if prune_on else None))
        if chosen is not None and held is not None and len(held) > 1:
            raise InvalidInput("trials of a study with several objectives cannot be pruned")
        return cls(
            name=name,
            space=None if space is None else read_space(space),
            objectives=held,
            method=None if method is None else _check_method(method),
            seed=seed,
            prune_on=prune_on,
            pruner=chosen,
            retries=retries,
        )

    def spec(self) -> StudySpec:
        """Return what a new study is made from."""
        return StudySpec(
            name=self.name,
            objectives=self.objectives or {DEFAULT_OBJECTIVE: Direction.MINIMIZE},
            space=None if self.space is None else space_to_json(self.space),
            method=self.method or DEFAULT_METHOD,
            seed=self.seed,
            prune_on=self.prune_on,
            pruner=self.pruner,
            retries=DEFAULT_RETRIES if self.retries is None else self.retries,
        )

    def changes_to(self, spec: StudySpec) -> dict[str, Value]:
        """Return the attributes that a study lacks and this says.

        `InvalidInput` where the study that is there says something else.
        """
        changes: dict[str, Value] = {}
        if self.objectives is not None and list(self.objectives.items()) != list(
            spec.objectives.items()
        ):
            raise self._differs("objectives", _told(spec.objectives), _told(self.objectives))
        if self.space is not None:
            told = space_to_json(self.space)
            if spec.space is None:
                changes["study/space"] = json.dumps(told)
            elif told != spec.space:
                raise self._differs("search space", json.dumps(spec.space), json.dumps(told))
        for name in ("method", "seed", "prune_on", "retries"):
            wanted, there = getattr(self, name), getattr(spec, name)
            if wanted is None or wanted == there:
                continue
            if there is not None:
                raise self._differs(name, repr(there), repr(wanted))
            changes[f"study/{name}"] = wanted
        if self.pruner is not None and self.pruner != spec.pruner:
            if spec.pruner is not None:
                raise self._differs("pruner", repr(spec.pruner), repr(self.pruner))
            changes["study/pruner"] = json.dumps(self.pruner)
        return changes

    def _differs(self, what: str, there: str, wanted: str) -> InvalidInput:
        return InvalidInput(
            f"study {self.name!r} is there with the {what} {there:.300}, not {wanted:.300}; leave "
            "the argument out to go on with it, or choose another name"
        )


def read_space(given: Mapping[str, object] | SearchSpace) -> SearchSpace:
    """Return a search space: as it is, from Python's parameters, or from the service's JSON.

    In JSON the parameters may also stand without the name of an algorithm around them.

    >>> read_space({"C": [1, 10], "svc": 5}).algorithms[""]["svc"]
    Constant(value=5)
    >>> list(read_space({"SVC": {"C": {"type": "float", "bounds": [1, 10]}}}))
    ['SVC']
    >>> read_space({"C": {"type": "float", "bounds": [1, 10]}, "kernel": ["rbf", "linear"]})
    SearchSpace(algorithms={'': {'C': Float(low=1.0, high=10.0, log=False, step=None),
    'kernel': Categorical(choices=('rbf', 'linear'))}})
    """
    if isinstance(given, SearchSpace):
        return given
    if not isinstance(given, Mapping):
        raise InvalidInput(f"a search space is a dict of parameters, not {given!r:.80}")
    if any(_is_spec(value) for value in given.values()):
        specs = {
            name: {"type": "categorical", "values": value} if isinstance(value, list) else value
            for name, value in given.items()
        }
        return parse_space({"": specs}).space
    if any(isinstance(value, Mapping) for value in given.values()):
        return parse_space(given).space
    return SearchSpace.of(given)


def _is_spec(value: object) -> bool:
    """Return whether it is what a parameter may be, in JSON, and not an algorithm's parameters."""
    return (
        isinstance(value, Mapping)
        and value.get("type") in ("float", "int", "integer", "categorical")
        and ("bounds" in value or "values" in value)
    )


def _read_objectives(
    direction: str | None, objectives: Mapping[str, str] | None
) -> dict[str, Direction] | None:
    if objectives is None:
        return None if direction is None else {DEFAULT_OBJECTIVE: _read_direction(direction)}
    if direction is not None:
        raise InvalidInput("give a direction for one objective, or objectives with theirs")
    if not objectives:
        raise InvalidInput("objectives are a dict of names to directions, and this has none")
    return {str(name): _read_direction(each) for name, each in objectives.items()}


def _check_method(method: str) -> str:
    method_of(method)
    return method


def _read_direction(direction: str) -> Direction:
    try:
        return Direction(direction)
    except ValueError:
        raise InvalidInput(
            f"a direction is 'minimize' or 'maximize', not {direction!r:.80}"
        ) from None


def _told(objectives: Mapping[str, Direction]) -> str:
    return ", ".join(f"{name} ({direction})" for name, direction in objectives.items())


def read_state(state: TrialState | str | None) -> TrialState | None:
    """Return the state that a caller says a trial ends in; `InvalidInput` for others.

    >>> read_state("pruned")
    <TrialState.PRUNED: 'pruned'>
    """
    if state is None:
        return None
    try:
        found = TrialState(state)
    except ValueError:
        found = None
    if found is None or not found.is_finished:
        raise InvalidInput(f"a trial ends 'complete', 'pruned' or 'failed', not {state!r:.80}")
    return found


def read_values(values: object, names: Sequence[str]) -> tuple[float, ...] | None:
    """Return what was reached of each objective, in the order of their names; None for nothing.

    >>> read_values({"loss": 1, "seconds": 2.5}, ["seconds", "loss"])
    (2.5, 1.0)

    Raises
    ------
    InvalidInput
        For what is no number, one too many or too few, or another objective.
    """
    if values is None:
        return None
    if isinstance(values, Mapping):
        if set(values) != set(names):
            raise InvalidInput(f"the objectives are {list(names)}, and {list(values)} were told")
        values = [values[name] for name in names]
    listed = [values] if _is_number(values) else values
    if isinstance(listed, (str, bytes)) or not isinstance(listed, Sequence):
        raise InvalidInput(f"an objective's value is a number, not {values!r:.200}")
    for value in listed:
        if not _is_number(value):
            raise InvalidInput(f"an objective's value is a number, not {value!r:.200}")
    if len(listed) != len(names):
        told = ", ".join(names)
        raise InvalidInput(f"the objectives are {told}, and {len(listed)} values were told")
    return tuple(float(value) for value in listed)


def _is_number(value: object) -> bool:
    """Return whether it is a number, NumPy's included."""
    return hasattr(value, "__float__") and not isinstance(value, (str, bytes))
