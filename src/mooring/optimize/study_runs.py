"""What a study is in the store: a record of its project, `study/<name>`.

=====================  ==========================================================================
`study/name`           its name; its trials carry it as `trial/study`
`study/objectives`     JSON text `[[name, "minimize" or "maximize"], …]`
`study/space`          JSON text: the search space in the service's form
`study/method`         how parameters are suggested: `tpe`, `gp`, `cma-es`, `qmc`, `random`, …
`study/seed`           integer that makes suggestions repeatable
`study/prune_on`       series that a pruner watches; else `trial/intermediate`
`study/pruner`         JSON text: name and settings of the pruner
`study/retries`        how often a trial whose process died is given out again
`study/warm_start`     JSON text: the questions whose runs the search learned from
`study/user/<name>`, `study/system/<name>`      JSON text: Optuna's attributes of a study
=====================  ==========================================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mooring.model import RunInfo, Value
from mooring.optimize.observations import Direction
from mooring.optimize.trial_runs import INTERMEDIATE, decode_name, encode_name

RECORD = "study/"
NAME = "study/name"
USER = "study/user/"
SYSTEM = "study/system/"
DEFAULT_OBJECTIVE = "objective"
DEFAULT_RETRIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySpec:
    """What a study is made from; see the head of this module."""

    name: str
    objectives: Mapping[str, Direction]
    space: Mapping[str, Any] | None = None
    method: str = "tpe"
    seed: int | None = None
    prune_on: str | None = None
    pruner: Mapping[str, Any] | None = None
    retries: int = DEFAULT_RETRIES
    warm_start: Sequence[Mapping[str, Any]] = ()
    user: Mapping[str, Any] = field(default_factory=dict)
    system: Mapping[str, Any] = field(default_factory=dict)

    def attributes(self) -> dict[str, Value]:
        """Return the attributes that hold it."""
        held: dict[str, Value] = {
            NAME: self.name,
            "study/objectives": json.dumps([[k, str(v)] for k, v in self.objectives.items()]),
            "study/method": self.method,
            "study/retries": self.retries,
        }
        told = {
            "space": None if self.space is None else json.dumps(self.space),
            "seed": self.seed,
            "prune_on": self.prune_on,
            "pruner": None if self.pruner is None else json.dumps(self.pruner),
            "warm_start": json.dumps(list(self.warm_start)) if self.warm_start else None,
        }
        held.update({RECORD + name: value for name, value in told.items() if value is not None})
        for prefix, values in ((USER, self.user), (SYSTEM, self.system)):
            held.update({prefix + encode_name(k): json.dumps(v) for k, v in values.items()})
        return held

    @property
    def series(self) -> str:
        """The series that a pruner watches."""
        return self.prune_on or INTERMEDIATE

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Which values are better, one for each objective."""
        return tuple(self.objectives.values())


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """A study of a store."""

    run: RunInfo
    spec: StudySpec

    @property
    def key(self) -> int:
        """The store's number of it."""
        return self.run.key

    @property
    def name(self) -> str:
        """Its name in its project."""
        return self.spec.name


def objective_names(count: int) -> list[str]:
    """Return names for objectives that have none.

    >>> objective_names(1), objective_names(2)
    (['objective'], ['objective_0', 'objective_1'])
    """
    if count == 1:
        return [DEFAULT_OBJECTIVE]
    return [f"{DEFAULT_OBJECTIVE}_{index}" for index in range(count)]


def read_study(run: RunInfo, values: Mapping[str, Any]) -> StudyRecord:
    """Return the study that a record's attributes tell of."""
    space, pruner = values.get("study/space"), values.get("study/pruner")
    seed = values.get("study/seed")
    return StudyRecord(
        run,
        StudySpec(
            name=values[NAME],
            objectives={
                name: Direction(direction)
                for name, direction in json.loads(values["study/objectives"])
            },
            space=None if space is None else json.loads(space),
            method=values.get("study/method", "tpe"),
            seed=None if seed is None else int(seed),
            prune_on=values.get("study/prune_on"),
            pruner=None if pruner is None else json.loads(pruner),
            retries=int(values.get("study/retries", DEFAULT_RETRIES)),
            warm_start=json.loads(values.get("study/warm_start", "[]")),
            user=_named(values, USER),
            system=_named(values, SYSTEM),
        ),
    )


def _named(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {
        decode_name(path.removeprefix(prefix)): json.loads(value)
        for path, value in values.items()
        if path.startswith(prefix)
    }
