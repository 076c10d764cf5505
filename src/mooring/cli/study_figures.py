"""What pictures of a study show, worked out from its trials; drawn by two other modules."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from mooring.cli.cells import shown
from mooring.errors import MissingExtra
from mooring.optimize.observations import Direction, TrialState
from mooring.optimize.results import best_of
from mooring.optimize.study_runs import StudySpec
from mooring.optimize.trial_runs import ParamRecord, TrialRecord

NEEDED_FOR_IMPORTANCE = 10
"""Complete trials below which importances would be noise."""

NAME_LENGTH = 22
"""Characters of a name before it is shortened."""

_LOG_SPAN = 1_000.0
_FAR = 5.0


@dataclass(frozen=True, slots=True)
class Points:
    """Numbers of trials, and a value for each."""

    numbers: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis of values: from where to where, logarithmic or not."""

    low: float
    high: float
    log: bool = False

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Return which values are within it."""
        held: np.ndarray = (values >= self.low) & (values <= self.high)
        return held


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Values of an objective by the numbers of trials.

    `complete` is by algorithm ("" where they have no names), `best` the best value so far.
    `failed` and `pruned_early` are numbers of trials that have no value.
    """

    objective: str
    direction: Direction
    complete: Mapping[str, Points]
    best: Points
    pruned: Points
    pruned_early: np.ndarray
    failed: np.ndarray
    scale: Scale

    @property
    def with_values(self) -> Sequence[Points]:
        """What ended with a value."""
        return [*self.complete.values(), self.pruned]

    @property
    def numbers(self) -> Sequence[np.ndarray]:
        """Numbers of all trials that ended, in groups."""
        return [*(each.numbers for each in self.with_values), self.pruned_early, self.failed]


@dataclass(frozen=True, slots=True)
class Importance:
    """How much each parameter of an algorithm mattered for an objective, together 1."""

    algorithm: str
    objective: str
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A parameter's range: numbers from `low` to `high`, or `choices`, which are 0, 1, 2, …."""

    name: str
    low: float
    high: float
    log: bool = False
    integer: bool = False
    choices: Sequence[str] | None = None

    def place(self, values: np.ndarray) -> np.ndarray:
        """Return where values lie, 0 at the low end and 1 at the high one."""
        low, high = self.low, self.high
        if self.log:
            values, low, high = np.log10(values), math.log10(low), math.log10(high)
        placed: np.ndarray = (values - low) / (high - low)
        return placed


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinates:
    """Complete trials of one algorithm, the best one last.

    `places` has a row for each trial and a column for each axis, 0 to 1, NaN where a trial lacks
    the parameter.
    """

    algorithm: str
    objective: str
    direction: Direction
    axes: Sequence[Axis]
    places: np.ndarray
    values: np.ndarray
    left_out: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tradeoff:
    """What complete trials reached of several objectives, and which no other is better than."""

    objectives: Mapping[str, Direction]
    values: np.ndarray
    is_best: np.ndarray


def cut(text: str, most: int = NAME_LENGTH) -> str:
    """Return a text of at most so many characters; both ends tell it from others.

    >>> cut("classifier__max_iter_no_change", 16)
    'classifi…_change'
    """
    text = shown(text)
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"


def short_names(algorithms: Sequence[str]) -> Mapping[str, str]:
    """Return the last parts of algorithms' names, or all of them where those are not distinct.

    >>> short_names(["sklearn.svm.SVC", "xgboost.XGBClassifier"])
    {'sklearn.svm.SVC': 'SVC', 'xgboost.XGBClassifier': 'XGBClassifier'}
    """
    short = {name: name.rpartition(".")[2] or name for name in algorithms}
    return short if len(set(short.values())) == len(short) else {name: name for name in short}


def scale_of(values: np.ndarray, direction: Direction | None = None) -> Scale:
    """Return an axis for values: logarithmic over several powers of ten, without far outliers.

    Left out are only values on the worse side; without a direction none are.
    """
    if not len(values):
        return Scale(0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    if low > 0 and high / low >= _LOG_SPAN:
        return Scale(low, high, log=True)
    if direction is not None and len(values) >= 8:
        first, third = np.quantile(values, [0.25, 0.75])
        reach = _FAR * max(float(third - first), 1e-12 * max(abs(low), abs(high)))
        if direction is Direction.MINIMIZE and high > third + reach:
            high = float(values[values <= third + reach].max())
        elif direction is Direction.MAXIMIZE and low < first - reach:
            low = float(values[values >= first - reach].min())
    return Scale(low, high)


def history_of(spec: StudySpec, trials: Sequence[TrialRecord]) -> History:
    """Return the history of the first objective."""
    objective, direction = next(iter(spec.objectives.items()))
    complete: dict[str, list[TrialRecord]] = {}
    pruned, pruned_early, failed = [], [], []
    for trial in trials:
        has_value = math.isfinite(trial.values.get(objective, math.nan))
        match trial.state:
            case TrialState.COMPLETE if has_value:
                complete.setdefault(trial.algorithm, []).append(trial)
            case TrialState.PRUNED if has_value:
                pruned.append(trial)
            case TrialState.PRUNED:
                pruned_early.append(trial.number)
            case TrialState.FAILED:
                failed.append(trial.number)
    ended = _points([t for each in complete.values() for t in each], objective)
    pruned_points = _points(pruned, objective)
    return History(
        objective=objective,
        direction=direction,
        complete={name: _points(each, objective) for name, each in sorted(complete.items())},
        best=_best_so_far(ended, direction),
        pruned=pruned_points,
        pruned_early=np.array(pruned_early, dtype=int),
        failed=np.array(failed, dtype=int),
        scale=scale_of(np.concatenate([ended.values, pruned_points.values]), direction),
    )


def _points(trials: Sequence[TrialRecord], objective: str) -> Points:
    return Points(
        np.array([trial.number for trial in trials], dtype=int),
        np.array([trial.values[objective] for trial in trials], dtype=float),
    )


def _best_so_far(points: Points, direction: Direction) -> Points:
    order = np.argsort(points.numbers)
    better = np.maximum if direction is Direction.MAXIMIZE else np.minimum
    return Points(points.numbers[order], better.accumulate(points.values[order]))


def importances_of(
    spec: StudySpec, trials: Sequence[TrialRecord]
) -> tuple[list[Importance], list[str]]:
    """Return importances by algorithm and objective, and lines on those that cannot be told."""
    found: list[Importance] = []
    few: list[str] = []
    words: list[str] = []
    for algorithm, group in _by_algorithm(spec, trials).items():
        names = [axis.name for axis in axes_of(group)]
        where = f" of {algorithm}" if algorithm else ""
        if not names:
            words.append(f"no parameter{where} varies, so there are no importances")
        elif len(group) < NEEDED_FOR_IMPORTANCE:
            few.append(f"{len(group)}{where}")
        else:
            for objective, direction in spec.objectives.items():
                shares = _evaluate(group, names, objective, direction)
                found.append(Importance(algorithm, objective, shares))
    if few or not (found or words):
        words.append(
            f"importances need {NEEDED_FOR_IMPORTANCE} complete trials; there are "
            + (", ".join(few) or "none yet")
        )
    return found, words


def _evaluate(
    trials: Sequence[TrialRecord], names: Sequence[str], objective: str, direction: Direction
) -> Mapping[str, float]:
    """Ask Optuna's PED-ANOVA: which parameters have other values among the best tenth."""
    try:
        import optuna
        from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
    except ImportError:
        raise MissingExtra("optuna", extra="optimize") from None
    with warnings.catch_warnings():
        # It tells that all are equal, which is then seen.
        warnings.simplefilter("ignore")
        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            study = optuna.create_study(direction=direction.value)
            study.add_trials([_as_optuna(trial, trial.values[objective]) for trial in trials])
            evaluator = PedAnovaImportanceEvaluator()
            shares = get_param_importances(study, evaluator=evaluator, params=list(names))
        finally:
            optuna.logging.set_verbosity(before)
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _as_optuna(trial: TrialRecord, value: float) -> Any:
    import optuna
    from optuna.distributions import json_to_distribution

    kinds = {name: json_to_distribution(one.distribution) for name, one in trial.space.items()}
    return optuna.trial.create_trial(
        params={name: kinds[name].to_external_repr(p.number) for name, p in trial.space.items()},
        distributions=kinds,
        value=value,
    )


def coordinates_of(
    spec: StudySpec, trials: Sequence[TrialRecord], *, most: int = 10
) -> list[Coordinates]:
    """Return coordinates for each algorithm; those with the best trials come first.

    Colours are those of the first objective. Of more than `most` parameters that vary the others
    are left out.
    """
    objective, direction = next(iter(spec.objectives.items()))
    sign = 1.0 if direction is Direction.MAXIMIZE else -1.0
    found = []
    for algorithm, group in _by_algorithm(spec, trials).items():
        axes = axes_of(group)
        if not axes:
            continue
        group = sorted(group, key=lambda trial: sign * trial.values[objective])
        shown = axes[:most]
        found.append(
            Coordinates(
                algorithm=algorithm,
                objective=objective,
                direction=direction,
                axes=shown,
                places=np.array([_places(trial, shown) for trial in group]),
                values=np.array([trial.values[objective] for trial in group]),
                left_out=[axis.name for axis in axes[most:]],
            )
        )
    return sorted(found, key=lambda one: -sign * one.values[-1])


def _places(trial: TrialRecord, axes: Sequence[Axis]) -> list[float]:
    placed = []
    for axis in axes:
        param = trial.space.get(axis.name)
        if param is None:
            placed.append(math.nan)
            continue
        number = param.number
        if axis.choices is not None:
            number = float(axis.choices.index(_choices(param.distribution)[int(number)]))
        placed.append(float(axis.place(np.array(number))))
    return placed


def axes_of(trials: Sequence[TrialRecord]) -> list[Axis]:
    """Return the parameters of trials that vary, in the order of the space."""
    kinds: dict[str, dict[str, ParamRecord]] = {}
    for trial in trials:
        for name, param in trial.space.items():
            kinds.setdefault(name, {}).setdefault(param.distribution, param)
    axes = [_axis(name, list(texts)) for name, texts in kinds.items()]
    return [axis for axis in axes if axis.low < axis.high]


def _axis(name: str, distributions: Sequence[str]) -> Axis:
    if all(_parse(text)["name"] == "CategoricalDistribution" for text in distributions):
        labels = list(dict.fromkeys(one for text in distributions for one in _choices(text)))
        return Axis(name=name, low=0, high=len(labels) - 1, choices=labels)
    ranges = [_parse(text)["attributes"] for text in distributions]
    ranges = [each for each in ranges if "low" in each]
    low, high = min(each["low"] for each in ranges), max(each["high"] for each in ranges)
    log = all(each.get("log") for each in ranges) and low > 0
    integer = all(_parse(text)["name"] == "IntDistribution" for text in distributions)
    return Axis(name=name, low=float(low), high=float(high), log=log, integer=integer)


@lru_cache(maxsize=1024)
def _parse(distribution: str) -> Mapping[str, Any]:
    parsed: Mapping[str, Any] = json.loads(distribution)
    return parsed


@lru_cache(maxsize=1024)
def _choices(distribution: str) -> Sequence[str]:
    """Return what tells each choice from every other: texts as they are, the others as JSON."""
    choices = _parse(distribution)["attributes"]["choices"]
    texts = {choice for choice in choices if isinstance(choice, str)}
    return [_label(choice, texts) for choice in choices]


def _label(choice: object, texts: Container[object]) -> str:
    if isinstance(choice, str):
        return choice
    text = json.dumps(choice)
    return f"{text} ({type(choice).__name__})" if text in texts else text


def tradeoff_of(spec: StudySpec, trials: Sequence[TrialRecord]) -> Tradeoff:
    """Return what complete trials reached of all objectives."""
    complete = _usable(spec, trials)
    best = {trial.number for trial in best_of(spec, complete)}
    return Tradeoff(
        objectives=spec.objectives,
        values=np.array(
            [[trial.values[name] for name in spec.objectives] for trial in complete]
        ).reshape(-1, len(spec.objectives)),
        is_best=np.array([trial.number in best for trial in complete], dtype=bool),
    )


def count_infinite(spec: StudySpec, trials: Sequence[TrialRecord]) -> int:
    """Return how many trials have a value that no picture shows."""
    return sum(any(not math.isfinite(value) for value in trial.values.values()) for trial in trials)


def _usable(spec: StudySpec, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    return [
        trial
        for trial in trials
        if trial.state is TrialState.COMPLETE
        and all(math.isfinite(trial.values.get(name, math.nan)) for name in spec.objectives)
    ]


def _by_algorithm(
    spec: StudySpec, trials: Sequence[TrialRecord]
) -> Mapping[str, list[TrialRecord]]:
    groups: dict[str, list[TrialRecord]] = {}
    for trial in _usable(spec, trials):
        groups.setdefault(trial.algorithm, []).append(trial)
    return dict(sorted(groups.items()))
