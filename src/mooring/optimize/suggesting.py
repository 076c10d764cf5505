"""The engine of searches: from what is known of trials to what to try next."""

from __future__ import annotations

import functools
import threading
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mooring.errors import InvalidSpace, MissingExtra
from mooring.optimize.choosing import Tally, choose_algorithm
from mooring.optimize.methods import method_of
from mooring.optimize.observations import Direction, Observation, Suggestion, TrialState
from mooring.optimize.spaces import Parameters, SearchSpace

if TYPE_CHECKING:
    from mooring.optimize.replay import AlgorithmModel


class Suggester:
    """Suggests trials of one search, from all that it is told of earlier ones.

    It lives in memory only; whoever tells it the same things in the same order, with one seed, is
    suggested the same. Each algorithm of the space has a model of its own, and the next trial goes
    to one of them by `choose_algorithm`. Suggestions are pending until they are finished or
    forgotten: samplers keep away from them, so that trials which run side by side are spread out.

    All methods may be called from several threads; one at a time is let in.

    Parameters
    ----------
    space
        What to search.
    directions
        One for each objective.
    method
        One of `METHODS`, or the name of an optimizer that stands for one. `tpe` stands in where
        it cannot be used, which the suggestion's `method` then tells: Gaussian processes without
        PyTorch or with more than 200 trials; CMA-ES with several objectives, or with less than
        two numbers to search or more than 100.
    seed
        Where two processes suggest for one search, each needs its own, or a `draw` for each
        suggestion: else they suggest the same.
    total
        How many trials the search will have, as far as it is known.
    asked
        How many were suggested before, under this seed.
    points
        How many points of its Sobol sequence each algorithm has used before, as far as it has.

    Examples
    --------
    >>> from mooring.optimize.spaces import Float
    >>> suggester = Suggester(SearchSpace.of({"x": Float(0, 1), "kernel": ["rbf"]}), seed=1)
    >>> suggestion = suggester.suggest("a")
    >>> list(suggestion.params), suggestion.method
    (['x', 'kernel'], 'tpe')
    >>> suggester.finish("a", Observation(params=suggestion.params, values=(0.5,)))
    >>> suggester.records
    1
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        directions: Sequence[Direction] = (Direction.MAXIMIZE,),
        method: str = "tpe",
        seed: int,
        total: int | None = None,
        asked: int = 0,
        points: Mapping[str, int] | None = None,
    ) -> None:
        self._method = method_of(method)
        self._directions = tuple(Direction(one) for one in directions)
        if not self._directions:
            raise InvalidSpace("a search has at least one objective")
        self._signs = [-1.0 if one is Direction.MINIMIZE else 1.0 for one in self._directions]
        self._seed = seed % 2**64
        self._total = total
        self._asked = asked
        self._arms = {
            name: _Arm(parameters, self._directions)
            for name, parameters in space.algorithms.items()
        }
        for name, number in (points or {}).items():
            if name in self._arms:
                self._arms[name].points = number
        self._trials: dict[str, _Known] = {}
        self._lock = threading.Lock()

    @property
    def asked(self) -> int:
        """How many trials were suggested, those before it began included."""
        return self._asked

    @property
    def records(self) -> int:
        """How many finished trials with usable values the suggestions rest on."""
        with self._lock:
            size = len(self._directions)
            return sum(len(arm.tally.usable) // size for arm in self._arms.values())

    @property
    def points(self) -> dict[str, int]:
        """How many points of its Sobol sequence each algorithm has used, if any."""
        return {name: arm.points for name, arm in self._arms.items() if arm.points}

    def add(self, uid: str, observation: Observation) -> None:
        """Tell of a trial, finished or (as one that is running or waiting) pending.

        One of an algorithm that is not in the space is no error, and teaches nothing. Of a trial
        that is known already what is told last holds.
        """
        with self._lock:
            arm = self._arms.get(observation.algorithm)
            self._uncount(uid, stays_in=arm)
            if arm is not None:
                self._count(uid, _Known(arm, self._scores(observation), observation.share < 1))
                arm.model.add(uid, observation)

    def learn(
        self,
        algorithm: str,
        scores: Sequence[float],
        partial: Sequence[bool],
        observe: Callable[[int], Observation],
    ) -> None:
        """Tell of many finished trials of one algorithm at once, for a search of one objective.

        What a model does not need is not read: of many trials only the most telling
        ones, and none before the algorithm is suggested.

        Parameters
        ----------
        scores
            Of the trials in their order, bigger is better; NaN: failed.
        partial
            Whether each was run with a part of the data.
        observe
            Returns the trial at a position.
        """
        with self._lock:
            self._arms[algorithm].learn(scores, partial, observe)

    def finish(self, uid: str, observation: Observation) -> None:
        """Tell what came of a pending trial."""
        self.add(uid, observation)

    def forget(self, uid: str) -> None:
        """Do as if a trial had never been told of; one that is not known is none."""
        with self._lock:
            self._uncount(uid)

    def suggest(
        self, uid: str, *, method: str | None = None, draw: int | None = None
    ) -> Suggestion:
        """Return what to try next; it is pending under `uid` from now on.

        Parameters
        ----------
        uid
            The name of the trial to be.
        method
            For this suggestion only; None: the search's own.
        draw
            What is drawn at random depends on it and the seed; None: on how many were asked for.
            Processes that search together, under one seed, draw by the numbers of their trials.

        Raises
        ------
        InvalidSpace
            There is no algorithm to search.
        """
        method = self._method if method is None else method_of(method)
        with self._lock:
            self._uncount(uid)
            if not self._arms:
                raise InvalidSpace("the search space has no algorithm")
            arms = list(self._arms.items())
            chosen = choose_algorithm(
                [arm.tally for _, arm in arms],
                objectives=len(self._directions),
                total=self._total,
            )
            name, arm = arms[chosen]
            # The numbers of a search's trials are the points of its sequence, unless algorithms
            # share them: every second point of a sequence fills one half of the space only.
            number = draw if draw is not None and len(arms) == 1 else arm.next_point
            params, used = arm.model.suggest(
                uid,
                method,
                seed=self._derived_seed(self._asked if draw is None else draw),
                sequence=self._derived_seed(chosen, 1),
                number=number,
            )
            if used == "qmc":
                arm.points = number + 1
            self._asked += 1
            self._count(uid, _Known(arm))
            return Suggestion(algorithm=name, params=params, method=used)

    def propose(self, uid: str, algorithm: str, params: Mapping[str, Any]) -> Suggestion | None:
        """Return parameters that come from elsewhere as a suggestion, pending under `uid`.

        Numbers are moved into their ranges, constants are put in. None: the space has no such
        algorithm, or a parameter is missing or of another type.
        """
        with self._lock:
            arm = self._arms.get(algorithm)
            fitting = None if arm is None else arm.model.fitting(params)
            if arm is None or fitting is None:
                return None
            self._uncount(uid)
            arm.model.add(
                uid, Observation(algorithm=algorithm, params=fitting, state=TrialState.RUNNING)
            )
            self._asked += 1
            self._count(uid, _Known(arm))
            return Suggestion(algorithm=algorithm, params=fitting, method="warm-start")

    def _derived_seed(self, *numbers: int) -> int:
        from numpy.random import SeedSequence

        return int(SeedSequence([self._seed, *numbers]).generate_state(1)[0])

    def _scores(self, observation: Observation) -> tuple[float, ...]:
        """Return the values so that bigger is better; none where they are not usable."""
        values = observation.values or ()
        if not observation.is_usable or len(values) != len(self._signs):
            return ()
        return tuple(sign * value for sign, value in zip(self._signs, values, strict=True))

    def _count(self, uid: str, known: _Known) -> None:
        self._trials[uid] = known
        known.arm.tally.trials += 1
        known.scored.extend(known.scores)

    def _uncount(self, uid: str, *, stays_in: _Arm | None = None) -> None:
        known = self._trials.pop(uid, None)
        if known is None:
            return
        known.arm.tally.trials -= 1
        size = len(known.scores)
        if size:
            held = known.scored
            first = next(
                at
                for at in range(0, len(held), size)
                if tuple(held[at : at + size]) == known.scores
            )
            del held[first : first + size]
        if known.arm is not stays_in:
            known.arm.model.forget(uid)


class _Arm:
    """One algorithm: what is counted of it, and its model, made when it is asked for."""

    def __init__(self, parameters: Parameters, directions: Sequence[Direction]) -> None:
        self.parameters = parameters
        self.directions = directions
        self.tally = Tally()
        self.points = 0
        self._unread: list[Callable[[AlgorithmModel], None]] = []

    def learn(
        self,
        scores: Sequence[float],
        partial: Sequence[bool],
        observe: Callable[[int], Observation],
    ) -> None:
        import numpy as np

        table, is_partial = np.array(scores, dtype=float), np.array(partial, dtype=bool)
        usable = np.isfinite(table)
        full = np.flatnonzero(usable & ~is_partial)
        parts = np.flatnonzero(usable & is_partial)
        self.tally.scores.frombytes(table[full].tobytes())
        self.tally.partial.frombytes(table[parts].tobytes())
        first = self.tally.trials
        self.tally.trials += len(table)
        seen = full if len(full) else parts

        def read(model: AlgorithmModel) -> None:
            from mooring.optimize.replay import most_telling

            for at in seen[most_telling(table[seen], limit=model.limit)]:
                model.add(f"learned {first + at}", observe(int(at)))

        if len(seen):
            self._unread.append(read)

    @property
    def next_point(self) -> int:
        """The first point of the sequence that no trial can have taken."""
        return max(self.tally.trials, self.points)

    @property
    def model(self) -> AlgorithmModel:
        """The model, made now, and told of what was learned."""
        model = self._model
        for read in self._unread:
            read(model)
        self._unread.clear()
        return model

    @functools.cached_property
    def _model(self) -> AlgorithmModel:
        try:
            from mooring.optimize.replay import AlgorithmModel
        except ModuleNotFoundError as error:
            if error.name != "optuna":
                raise
            raise MissingExtra("optuna", extra="optimize") from error
        return AlgorithmModel(self.parameters, self.directions)


@dataclass(frozen=True, slots=True)
class _Known:
    """What was counted of a trial that is known."""

    arm: _Arm
    scores: tuple[float, ...] = ()
    is_partial: bool = False

    @property
    def scored(self) -> array[float]:
        return self.arm.tally.partial if self.is_partial else self.arm.tally.scores
