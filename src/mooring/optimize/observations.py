"""What is known of trials: what samplers learn from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class TrialState(StrEnum):
    """Where a trial stands."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"

    @property
    def is_finished(self) -> bool:
        """Whether it stays as it is."""
        return self not in (TrialState.WAITING, TrialState.RUNNING)


class Direction(StrEnum):
    """Which values of an objective are better."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One trial as a sampler sees it.

    Attributes
    ----------
    algorithm : name in the search space ("" where there is one algorithm without a name)
    params : values by the names of the space; others are ignored, all tunable ones are needed
    values : one for each objective; None unless `state` is complete or pruned
    intermediate : values by step, as far as the trial was pruned
    share : part of data or budget that it was run with, up to 1
    seconds : how long it took; None: not known
    """

    algorithm: str = ""
    params: Mapping[str, Any]
    state: TrialState = TrialState.COMPLETE
    values: tuple[float, ...] | None = None
    intermediate: Mapping[int, float] | None = None
    share: float = 1.0
    seconds: float | None = None

    @property
    def is_usable(self) -> bool:
        """Whether its values say something: complete, with none of them NaN or infinite."""
        return (
            self.state is TrialState.COMPLETE
            and bool(self.values)
            and all(math.isfinite(value) for value in self.values or ())
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Parameters to try next, all of the algorithm's, in the order of the space.

    `method` tells what suggested them: "tpe", "gp", "cma-es", "qmc", "random", "warm-start".
    """

    algorithm: str
    params: Mapping[str, Any]
    method: str
