"""How well the time of a fit is told beforehand."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Measure, failed, over_rounds, percentile
from benchmarks.processes import TaskFailed
from benchmarks.subjects import MOORING
from mooring.optimize.fit_time import FitRecord, FitTimes

COUNTS = (0, 1, 3, 12)
HELD_OUT = 8
LEAST_SECONDS = 0.001
"""Shorter times count as this: nobody plans by less, and a clock hardly tells them."""
SLOWER = 2.5
FIGURES = {"median": "median", "p90": "90th percentile"}
OURS = "Mooring"
MEAN = "mean of the algorithm's records"
UNKNOWN = "prior of an unknown algorithm"

Guess = Callable[[FitRecord], float]
Guesser = Callable[[Sequence[FitRecord]], Guess]


def measure(bench: Bench) -> list[Figure]:
    """Time fits once, then let every way guess those that it has not seen, in many divisions."""
    if MOORING not in bench.subjects:
        return []
    each, share = (4, 0.1) if bench.quick else (max(COUNTS) + HELD_OUT, 1.0)
    bench.say(f"fit times · {each} fits of each estimator")
    try:
        with bench.folder() as folder:
            task = {"task": "fits", "fits": each, "share": share, "seed": 6}
            answer = bench.job("fit_time", task, folder)
    except TaskFailed as failure:
        measures = [_measure(count, key) for count in COUNTS for key in FIGURES]
        return [failed(one, OURS, is_mooring=True, problem=str(failure)) for one in measures]
    bench.versions["scikit-learn"] = answer["sklearn"]
    fits = [FitRecord(**fit) for fit in answer["fits"]]
    divisions = [divide(fits, random.Random(seed)) for seed in range(bench.rounds_or(20))]
    return [
        figure
        for count in COUNTS
        if count < each
        for key in FIGURES
        for figure in _figures(divisions, fits, count, key)
    ]


def divide(
    fits: Sequence[FitRecord], chance: random.Random
) -> tuple[dict[str, list[FitRecord]], list[FitRecord]]:
    """Return possible records of each algorithm, in a new order, and the fits held out."""
    by_algorithm: dict[str, list[FitRecord]] = {}
    for fit in fits:
        by_algorithm.setdefault(fit.algorithm, []).append(fit)
    held_out = []
    for own in by_algorithm.values():
        chance.shuffle(own)
        kept = min(max(COUNTS), len(own) - 1)
        held_out += own[kept:]
        del own[kept:]
    return by_algorithm, held_out


def learned(records: Sequence[FitRecord]) -> Guess:
    """Guess as Mooring does."""
    times = FitTimes.learn(records)
    return lambda fit: (
        times.estimate(fit.algorithm, fit.params, rows=fit.rows, columns=fit.columns).seconds
    )


def mean_so_far(records: Sequence[FitRecord]) -> Guess:
    """Guess the mean of the records of the algorithm."""
    seconds: dict[str, list[float]] = {}
    for record in records:
        seconds.setdefault(record.algorithm, []).append(record.seconds)
    return lambda fit: statistics.fmean(seconds[fit.algorithm])


def unknown(_: Sequence[FitRecord]) -> Guess:
    """Guess by size alone, as for an algorithm of no family and without records."""
    times = FitTimes()
    return lambda fit: (
        times.estimate("unknown", fit.params, rows=fit.rows, columns=fit.columns).seconds
    )


def error_factor(guessed: float, taken: float) -> float:
    """Return how many times too long or too short a guess is.

    >>> error_factor(2.0, 1.0), error_factor(0.5, 1.0), error_factor(1e-9, 0.0001)
    (2.0, 2.0, 1.0)
    """
    guessed, taken = max(guessed, LEAST_SECONDS), max(taken, LEAST_SECONDS)
    return max(guessed / taken, taken / guessed)


Division = tuple[Mapping[str, Sequence[FitRecord]], Sequence[FitRecord]]


def _errors(guesser: Guesser, division: Division, count: int, slower: float = 1.0) -> list[float]:
    pool, held_out = division
    records = [_slowed(fit, slower) for own in pool.values() for fit in own[:count]]
    guess = guesser(records)
    return [error_factor(guess(fit), fit.seconds * slower) for fit in held_out]


def _slowed(fit: FitRecord, slower: float) -> FitRecord:
    return replace(fit, seconds=fit.seconds * slower)


def _inside(division: Division, count: int) -> float:
    """Return the share of the fits held out that took between `low` and `high`."""
    pool, held_out = division
    times = FitTimes.learn([fit for own in pool.values() for fit in own[:count]])
    inside = 0
    for fit in held_out:
        told = times.estimate(fit.algorithm, fit.params, rows=fit.rows, columns=fit.columns)
        inside += told.low <= max(fit.seconds, LEAST_SECONDS) <= told.high
    return inside / len(held_out)


def _measure(count: int, key: str) -> Measure:
    records = f"{count} record{'s' * (count != 1)} of each algorithm"
    return Measure(
        key=f"fit-time-{count}-{key}",
        title=f"error factor of fit times, {FIGURES[key]}, {records}",
        unit="times",
    )


def _statistic(key: str, errors: Sequence[float]) -> float:
    return statistics.median(errors) if key == "median" else percentile(errors, 90)


def _figures(
    divisions: Sequence[Division], fits: Sequence[FitRecord], count: int, key: str
) -> list[Figure]:
    """Return the lines of one measure; without a record there is no mean."""
    ways: dict[str, Guesser] = {OURS: learned, MEAN: mean_so_far, UNKNOWN: unknown}
    if not count:
        del ways[MEAN]
    algorithms = {fit.algorithm for fit in fits}
    n = f"{len(divisions[0][1])} fits of {len(algorithms)} estimators held out"
    figures = []
    for who, guesser in ways.items():
        rounds = [_statistic(key, _errors(guesser, division, count)) for division in divisions]
        note = ""
        if guesser is learned:
            slow = statistics.median(
                _statistic(key, _errors(learned, division, count, SLOWER)) for division in divisions
            )
            inside = statistics.fmean(_inside(division, count) for division in divisions)
            note = f"on a host {SLOWER} times slower {slow:.2f}"
            if key == "median":
                note += f"; {inside:.0%} of the fits are within the 80 % interval"
        is_mooring = guesser is learned
        figures.append(
            over_rounds(_measure(count, key), who, rounds, is_mooring=is_mooring, n=n, note=note)
        )
    return figures
