"""What one algorithm's trials tell a sampler: they are put into an Optuna study in memory."""

from __future__ import annotations

import datetime
import logging
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler
from optuna.trial import FrozenTrial

from mooring.optimize.adaptation import adapted_point
from mooring.optimize.encoding import (
    Encoded,
    constant_value,
    decode,
    encode,
    from_unit,
    is_constant,
    is_scaled,
    last_step,
)
from mooring.optimize.methods import has_gp
from mooring.optimize.observations import Direction, Observation, TrialState
from mooring.optimize.quasi_random import sobol_point
from mooring.optimize.spaces import Categorical, Constant, Float, Int, Parameter, Parameters

MODEL_TRIALS = 1_000
"""So many finished trials of an algorithm a sampler sees, up to half as many more for a while.

The best of 2,500 trials was no worse than with all of them in sight (TPE, medians of five seeds):
0.0043 beside 0.0059 on Hartmann's function of six variables, 0.389 beside 0.505 on Rosenbrock's of
four. With 200 of 1,000 in sight it was: 0.0144 beside 0.0079, and 0.92 beside 0.54. A suggestion
of eight parameters takes 12 to 16 ms then (median), whether there were 1,000 trials or 10,000.
"""

CMA_NUMBERS = 100
"""Beyond it CMA-ES, whose steps take the cube of it, takes seconds for a suggestion."""

MODEL_PENDING = 500
"""So many trials that are not finished a sampler sees, the last ones."""

GP_TRIALS = 200
"""Beyond it Gaussian processes take seconds for a suggestion."""

POPULATION = 50
"""So many trials are one generation of the genetic algorithm."""

_GENERATION = "NSGAIISampler:generation"
"""Where Optuna's sampler looks for the generation of a trial; it takes no trial without one."""

_STATES = {
    TrialState.RUNNING: optuna.trial.TrialState.RUNNING,
    TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
    TrialState.PRUNED: optuna.trial.TrialState.PRUNED,
    TrialState.FAILED: optuna.trial.TrialState.FAIL,
}

_REPLAYED_AT = datetime.datetime(2000, 1, 1)  # noqa: DTZ001 - Optuna's are local; none reads it

_creating = threading.Lock()


@dataclass(slots=True)
class _Entry:
    """One trial: `params` is None where it does not fit the space, `at` its id in the study."""

    params: dict[str, Encoded] | None
    state: TrialState
    values: tuple[float, ...] | None = None
    intermediate: dict[int, float] | None = None
    is_partial: bool = False
    at: int | None = None

    @property
    def teaches(self) -> bool:
        """Whether it is finished and a sampler can learn from it."""
        return self.params is not None and self.state in (TrialState.COMPLETE, TrialState.PRUNED)


class AlgorithmModel:
    """The trials of one algorithm, and suggestions drawn from them. Not thread-safe.

    A sampler sees all trials up to `limit`; of more it sees those that `most_telling` keeps.
    """

    def __init__(self, parameters: Parameters, directions: Sequence[Direction]) -> None:
        self._parameters = dict(parameters)
        self._searched = {
            name: parameter for name, parameter in parameters.items() if not is_constant(parameter)
        }
        self._distributions = {
            name: _distribution(parameter) for name, parameter in self._searched.items()
        }
        self._numeric = {
            name: parameter
            for name, parameter in self._searched.items()
            if isinstance(parameter, (Float, Int))
        }
        self._directions = tuple(directions)
        self.limit = MODEL_TRIALS
        self._entries: dict[str, _Entry] = {}
        self._fresh: list[str] = []
        self._has_full = False
        self._study: optuna.Study | None = None
        self._storage = optuna.storages.InMemoryStorage()
        self._study_id = 0
        self._held = 0
        self._held_limit = 0

    # ---- what is known -------------------------------------------------------------------------

    def add(self, uid: str, observation: Observation) -> None:
        """Take a trial in, or tell anew of one that is known."""
        entry = self._entry(observation)
        if entry.teaches and not entry.is_partial and not self._has_full:
            self._has_full = True
            if any(one.is_partial for one in self._entries.values()):
                self._drop_study()  # what was run on a part of the data is left out from now on
        self._replace(uid, entry)

    def forget(self, uid: str) -> None:
        """Do as if a trial had never been told of."""
        known = self._entries.get(uid)
        if known is None:
            return
        self._replace(uid, _Entry(None, TrialState.FAILED))
        del self._entries[uid]
        if known.teaches and not known.is_partial:
            self._has_full = any(
                entry.teaches and not entry.is_partial for entry in self._entries.values()
            )

    def fitting(self, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return all parameters moved into the space; None where one does not fit."""
        encoded = self._encoded(params)
        return None if encoded is None else self._decoded(encoded)

    def _encoded(self, params: Mapping[str, Any]) -> dict[str, Encoded] | None:
        """Return the searched parameters as samplers take them; None where one does not fit."""
        found: dict[str, Encoded] = {}
        for name, parameter in self._searched.items():
            value = encode(parameter, params[name]) if name in params else None
            if value is None:
                return None
            found[name] = value
        return found

    def _decoded(self, params: Mapping[str, Encoded]) -> dict[str, Any]:
        """Return all parameters in the order of the space, as plain Python values."""
        return {
            name: decode(parameter, params[name])
            if name in self._searched
            else constant_value(parameter)
            for name, parameter in self._parameters.items()
        }

    def _entry(self, observation: Observation) -> _Entry:
        state = observation.state
        entry = _Entry(self._encoded(observation.params), state, is_partial=observation.share < 1)
        if not state.is_finished:
            entry.state = TrialState.RUNNING
        elif state is TrialState.PRUNED and len(self._directions) == 1:
            entry.intermediate = _reached(observation)
        elif observation.is_usable and len(observation.values or ()) == len(self._directions):
            entry.values = tuple(float(value) for value in observation.values or ())
        else:
            entry.state = TrialState.FAILED
        return entry

    def _replace(self, uid: str, entry: _Entry) -> None:
        known = self._entries.get(uid)
        self._entries[uid] = entry
        if known is None or known.at is None:
            self._fresh.append(uid)
        elif known.state is not TrialState.RUNNING:
            self._drop_study()
        elif entry.params == known.params and self._is_live(entry):
            entry.at = known.at
            self._tell(known.at, entry)
        else:
            self._storage.set_trial_state_values(known.at, optuna.trial.TrialState.FAIL)
            self._fresh.append(uid)

    def _is_live(self, entry: _Entry) -> bool:
        """Whether samplers see it."""
        if entry.state is TrialState.RUNNING:
            return entry.params is not None
        return entry.teaches and not (entry.is_partial and self._has_full)

    # ---- suggestions ---------------------------------------------------------------------------

    def suggest(
        self, uid: str, method: str, *, seed: int, sequence: int, number: int
    ) -> tuple[dict[str, Any], str]:
        """Return parameters to try, which are pending under `uid`, and what suggested them.

        Parameters
        ----------
        seed
            Of this one suggestion.
        sequence
            Seed of all suggestions of the algorithm.
        number
            Which point of the Sobol sequence is the next.
        """
        entry = _Entry({}, TrialState.RUNNING)
        if method in ("qmc", "warm-start"):
            entry.params = dict(sobol_point(self._searched, number, seed=sequence))
            method = "qmc"
        elif method == "random" or not self._searched:
            rng = np.random.default_rng(seed)
            entry.params = {
                name: from_unit(parameter, rng.random())
                for name, parameter in self._searched.items()
            }
        else:
            method = self._possible(method)
            if method == "cma-es":
                entry.params = self._adapted(seed, sequence)
            else:
                entry.params, entry.at = self._asked(
                    self._sampler(method, seed), self._distributions
                )
        self._entries[uid] = entry
        if entry.at is None:
            self._fresh.append(uid)
        return self._decoded(entry.params), method

    def _possible(self, method: str) -> str:
        """Return the method itself, or the one that stands in where it cannot be used."""
        if method == "gp" and (not has_gp() or len(self._complete()) > GP_TRIALS):
            return "tpe"
        if method == "cma-es" and (
            len(self._directions) > 1 or not 2 <= len(self._numeric) <= CMA_NUMBERS
        ):
            return "tpe"
        return method

    def _sampler(self, method: str, seed: int) -> BaseSampler:
        startup = min(10, 2 * len(self._searched) + 2)
        if method == "gp":
            return GPSampler(seed=seed, n_startup_trials=startup)
        if method == "nsga2":
            return NSGAIISampler(seed=seed, population_size=POPULATION)
        if len(self._directions) > 1:
            return TPESampler(seed=seed, n_startup_trials=startup)
        return _WholeSpace(self._distributions, seed=seed, n_startup_trials=startup)

    def _asked(
        self, sampler: BaseSampler, distributions: Mapping[str, BaseDistribution]
    ) -> tuple[dict[str, Encoded], int]:
        """Return what a sampler of Optuna suggests, and the id of the trial that it stands in."""
        study = self._synced()
        study.sampler = sampler
        # A density of 0 has a logarithm of -inf, which is right and no reason to warn.
        with np.errstate(all="ignore"):
            trial = study.ask(fixed_distributions=dict(distributions))
        self._held += 1
        at = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, trial.number)
        return dict(trial.params), at

    def _adapted(self, seed: int, sequence: int) -> dict[str, Encoded]:
        """Return a point of CMA-ES for the numbers, and independent estimators' for the choices."""
        sign = 1.0 if self._directions[0] is Direction.MINIMIZE else -1.0
        losses = [(params, sign * value) for params, value in self._complete()]
        found = adapted_point(self._numeric, losses, seed=seed, sequence=sequence)
        if len(found) < len(self._searched):
            choices = {
                name: one for name, one in self._distributions.items() if name not in self._numeric
            }
            chosen, at = self._asked(TPESampler(seed=seed, multivariate=False), choices)
            self._storage.set_trial_state_values(at, optuna.trial.TrialState.FAIL)
            found |= chosen
        return {name: found[name] for name in self._searched}

    def _complete(self) -> list[tuple[dict[str, Encoded], float]]:
        """Return parameters and first value of the complete trials that samplers see."""
        self._synced()
        return [
            (entry.params, entry.values[0])
            for entry in self._entries.values()
            if entry.at is not None and entry.params is not None and entry.values is not None
        ]

    # ---- the study in memory -------------------------------------------------------------------

    def _synced(self) -> optuna.Study:
        """Return the study, with all in it that samplers see."""
        if self._study is None or self._held + len(self._fresh) > self._held_limit:
            return self._rebuilt()
        for uid in self._fresh:
            entry = self._entries.get(uid)
            if entry is not None and entry.at is None and self._is_live(entry):
                self._put(entry)
        self._fresh.clear()
        return self._study

    def _rebuilt(self) -> optuna.Study:
        self._drop_study()
        with _creating:  # Optuna tells of each new study, and there is one for each algorithm
            log = logging.getLogger("optuna.storages._in_memory")
            was, log.disabled = log.disabled, True
            try:
                self._storage = optuna.storages.InMemoryStorage()
                study = optuna.create_study(
                    storage=self._storage, directions=[one.value for one in self._directions]
                )
            finally:
                log.disabled = was
        self._study_id = self._storage.get_study_id_from_name(study.study_name)
        live = [entry for entry in self._entries.values() if self._is_live(entry)]
        pending = [entry for entry in live if entry.state is TrialState.RUNNING]
        finished = [entry for entry in live if entry.state is not TrialState.RUNNING]
        if len(finished) > self.limit:
            signs = np.array(
                [-1.0 if one is Direction.MINIMIZE else 1.0 for one in self._directions]
            )
            worst = (-math.inf,) * len(signs)
            scores = np.array(
                [
                    worst if one.values is None else np.multiply(one.values, signs)
                    for one in finished
                ]
            )
            finished = [finished[at] for at in most_telling(scores, limit=self.limit)]
        seen = {id(entry) for entry in (*finished, *pending[-MODEL_PENDING:])}
        self._held = 0
        self._held_limit = max(self.limit, len(seen)) + self.limit // 2
        for entry in live:
            if id(entry) in seen:
                self._put(entry)
        self._study = study
        return study

    def _drop_study(self) -> None:
        self._study = None
        self._fresh.clear()
        for entry in self._entries.values():
            entry.at = None

    def _put(self, entry: _Entry) -> None:
        is_finished = entry.state is not TrialState.RUNNING
        trial = _Replayed(
            number=self._held,
            trial_id=self._held,
            state=_STATES[entry.state],
            value=None,
            values=entry.values,
            params=dict(entry.params or {}),
            distributions=self._distributions,
            user_attrs={},
            system_attrs={_GENERATION: self._held // POPULATION},
            intermediate_values=dict(entry.intermediate or {}),
            datetime_start=_REPLAYED_AT,
            datetime_complete=_REPLAYED_AT if is_finished else None,
        )
        entry.at = self._storage.create_new_trial(self._study_id, trial)
        self._held += 1

    def _tell(self, at: int, entry: _Entry) -> None:
        for step, value in (entry.intermediate or {}).items():
            self._storage.set_trial_intermediate_value(at, step, value)
        if entry.state is not TrialState.RUNNING:
            self._storage.set_trial_state_values(at, _STATES[entry.state], entry.values)


class _Replayed(FrozenTrial):
    """A trial that the storage may keep as it is: nobody else holds it.

    Its own copy of each of 1,000 trials, distributions and all, takes longer than a suggestion.
    """

    def __deepcopy__(self, memo: object) -> _Replayed:
        return self


class _WholeSpace(TPESampler):
    """Optuna's sampler, told what all trials have in common, as every one of ours has all.

    It would find the same, by comparing each parameter of each trial.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution], **settings: Any) -> None:
        super().__init__(**settings)
        self._distributions = {name: distributions[name] for name in sorted(distributions)}

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return dict(self._distributions)


def most_telling(scores: np.ndarray[Any, np.dtype[np.float64]], *, limit: int) -> list[int]:
    """Return the positions of the trials to learn from, in their order.

    Of `limit` a tenth are the best ones, a twentieth the newest, and the rest an even sample of the
    others. With several objectives the best are those with the best mean rank.

    Parameters
    ----------
    scores
        Of the trials in their order, bigger is better; one column for each objective, or flat.

    Examples
    --------
    >>> most_telling(np.array([0.0] * 21 + [9] + [0] * 79), limit=6)
    [0, 21, 34, 66, 99, 100]
    """
    best, newest = max(limit // 10, 1), max(limit // 20, 1)
    count = len(scores)
    if count <= limit:
        return list(range(count))
    if scores.ndim == 2:
        scores = scores.argsort(axis=0, kind="stable").argsort(axis=0).mean(axis=1)
    kept = np.zeros(count, dtype=bool)
    kept[np.argpartition(scores, count - best)[count - best :]] = True
    kept[count - newest :] = True
    others = np.flatnonzero(~kept)
    free = limit - int(kept.sum())
    kept[others[np.linspace(0, len(others) - 1, free).round().astype(int)]] = True
    return [int(at) for at in np.flatnonzero(kept)]


def _reached(observation: Observation) -> dict[int, float]:
    """Return by step what a trial had reached when it was given up."""
    reached = {
        int(step): float(value)
        for step, value in (observation.intermediate or {}).items()
        if math.isfinite(value)
    }
    if not reached and observation.values and math.isfinite(observation.values[0]):
        reached = {0: float(observation.values[0])}
    return reached


def _distribution(parameter: Parameter) -> BaseDistribution:
    match parameter:
        case Float(low=low, high=high, log=log, step=step):
            steps = last_step(low, high, step)
            if steps is None and is_scaled(low, high, log):
                return FloatDistribution(0.0, 1.0)
            if steps is None:
                return FloatDistribution(low, high, log=log)
            return IntDistribution(0, steps)
        case Int(low=low, high=high, log=log, step=step):
            return IntDistribution(low, low + (high - low) // step * step, log=log, step=step)
        case Categorical():
            return CategoricalDistribution(parameter.texts)
        case Constant():
            raise TypeError("a constant is not searched")
