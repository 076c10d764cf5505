"""Searches: how good they are, how long a suggestion takes, and many processes on one study."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figure, Measure, failed, over_rounds, percentile
from benchmarks.jobs.functions import FUNCTIONS
from benchmarks.processes import TaskFailed
from benchmarks.servers import mooring_hub
from benchmarks.subjects import HYPEROPT, MOORING

SEEDS = 20
OURS, OPTUNA, AT_RANDOM = "Mooring", "Optuna (TPE)", "random search"
HISTORIES = {500: Bar("median", 100.0), 10_000: None, 100_000: Bar("median", 200.0)}
PROCESSES = 16
TRIALS = 10_000
LIMIT_S = 90.0
RACE_BAR = Bar("p99", 10.0)
RESAMPLES = 4_000


# quality


def measure_quality(bench: Bench) -> list[Figure]:
    """Search each function by each way, once for each seed."""
    if MOORING not in bench.subjects:
        return []
    seeds = list(range(4 if bench.quick else bench.rounds_or(SEEDS)))
    figures: list[Figure] = []
    for name, function in FUNCTIONS.items():
        trials = 15 if bench.quick else function.trials
        task = {"task": "search", "function": name, "seeds": seeds, "trials": trials}
        found: dict[str, list[float]] = {}
        problems: dict[str, str] = {}
        for title in (OURS, OPTUNA, AT_RANDOM, *(peer.title for peer in bench.chosen(HYPEROPT))):
            bench.say(f"search · {name} · {title}")
            try:
                found[title] = _search(bench, title, task)
            except TaskFailed as failure:
                problems[title] = str(failure)
                bench.say(f"  failed: {failure}")
        figures += _quality(name, trials, function.least, found, problems)
    return figures


def _search(bench: Bench, title: str, task: Mapping[str, Any]) -> list[float]:
    who = {OURS: "mooring", OPTUNA: "optuna", AT_RANDOM: "random"}.get(title)
    with bench.folder() as folder:
        if who is None:
            answer = bench.task(HYPEROPT, task, folder)
        else:
            answer = bench.job("searching", {**task, "who": who}, folder)
    best: list[float] = answer["best"]
    return best


def _quality(
    name: str,
    trials: int,
    least: float,
    found: dict[str, list[float]],
    problems: dict[str, str],
) -> list[Figure]:
    measure = Measure(
        key=f"search-{name}",
        title=f"search · {name}: best of {trials} trials, above the minimum",
        unit="least is best",
    )
    figures = []
    for title, best in found.items():
        above = [max(value - least, 1e-12) for value in best]
        note = ""
        if title == OURS and OPTUNA in found:
            note = verdict(above, [max(value - least, 1e-12) for value in found[OPTUNA]])
        figures.append(
            over_rounds(
                measure, title, above, is_mooring=title == OURS, n=f"{trials} trials", note=note
            )
        )
    figures += [
        failed(measure, title, is_mooring=title == OURS, problem=problem)
        for title, problem in problems.items()
    ]
    return figures


def verdict(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Return how a paired comparison ends: the mean difference of logarithms, with its interval.

    >>> verdict([1.0, 2.0, 1.5], [10.0, 20.0, 15.0])
    'better than Optuna: log10 -1.00, 95 % from -1.00 to -1.00; better for 3 of 3 seeds'
    """
    pairs = [math.log10(a) - math.log10(b) for a, b in zip(ours, theirs, strict=True)]
    chance = random.Random(1)
    means = [statistics.fmean(chance.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES)]
    low, high = percentile(means, 2.5), percentile(means, 97.5)
    word = "better than" if high < 0 else "worse than" if low > 0 else "no difference shown to"
    wins = sum(pair < 0 for pair in pairs)
    return (
        f"{word} Optuna: log10 {statistics.fmean(pairs):.2f}, 95 % from {low:.2f} to {high:.2f}; "
        f"better for {wins} of {len(pairs)} seeds"
    )


# suggestions


def measure_latency(bench: Bench) -> list[Figure]:
    """Time suggestions from histories of several lengths."""
    if MOORING not in bench.subjects:
        return []
    figures = []
    for count, bar in HISTORIES.items():
        if bench.quick and count > 500:
            continue
        repeats = 10 if bench.quick else (100 if count <= 10_000 else 30)
        measure = Measure(
            key=f"next-trials-{count}",
            title=f"next trial (TPE, 5 parameters) after {count:,} trials",
            unit="ms",
        )
        for title, name in (
            ("Mooring, in process", "suggest"),
            ("Mooring hub, over HTTP", "suggest_hub"),
            ("Optuna, history in memory", "suggest_optuna"),
        ):
            barred = measure
            if bar is not None and title.startswith("Mooring"):
                barred = replace(measure, bars=(bar,))
            figures.append(_latency(bench, barred, title, name, count, repeats))
    return figures


def _latency(
    bench: Bench, measure: Measure, title: str, name: str, count: int, repeats: int
) -> Figure:
    bench.say(f"{measure.title} · {title}")
    is_mooring = title.startswith("Mooring")
    task = {"task": name, "trials": count, "repeats": repeats}
    try:
        with bench.folder() as folder:
            if name == "suggest_hub":
                with mooring_hub(folder) as hub:
                    answer = bench.job("searching", {**task, **hub.facts}, folder / "client")
            else:
                answer = bench.job("searching", task, folder)
    except TaskFailed as failure:
        return failed(measure, title, is_mooring=is_mooring, problem=str(failure))
    taken = [1e3 * one for one in answer["taken_s"]]
    size = answer.get("size_bytes")
    return Figure(
        measure=measure,
        subject=title,
        is_mooring=is_mooring,
        median=statistics.median(taken),
        p99=percentile(taken, 99),
        low=min(taken),
        high=max(taken),
        n=f"{repeats} requests",
        rounds=1,
        note="" if size is None else f"a body of {size / 1e6:.1f} MB, gzip",
    )


# many processes


@dataclass(frozen=True, slots=True)
class _Racer:
    title: str
    who: str


RACERS = (
    _Racer("Mooring Study", "mooring"),
    _Racer("Optuna on Mooring's storage", "optuna_on_mooring"),
    _Racer("Optuna on its SQLite storage", "rdb"),
    _Racer("Optuna on its journal file", "journal"),
)


def measure_store(bench: Bench) -> list[Figure]:
    """Let 16 processes ask and tell until there are 10,000 trials, with and without a pause."""
    if MOORING not in bench.subjects:
        return []
    trials, limit = (80, 20.0) if bench.quick else (TRIALS, LIMIT_S)
    figures: list[Figure] = []
    for pause in (0.0, 0.2):
        for racer in RACERS:
            figures += _race(bench, racer, trials, limit, pause)
    return figures


def _race(bench: Bench, racer: _Racer, trials: int, limit: float, pause: float) -> list[Figure]:
    words = f"{PROCESSES} processes on one study" + (f", {pause:g} s a trial" if pause else "")
    bench.say(f"{words} · {racer.title}")
    is_mooring = racer.who == "mooring"
    measures = {
        what: Measure(
            key=f"study-{what}-{pause:g}",
            title=f"{what} · {words}, {trials:,} trials or {limit:g} s",
            unit="ms",
            bars=(RACE_BAR,) if pause and is_mooring else (),
        )
        for what in ("ask", "tell")
    }
    task = {"task": "race", "who": racer.who, "share": trials // PROCESSES}
    task |= {"seconds": limit, "pause_s": pause}
    try:
        with bench.folder() as folder:
            store = {"who": racer.who, "folder": str(folder / "store")}
            bench.job("searching", {"task": "create", **store}, folder / "first")
            answers = bench.jobs_together("searching", folder, [task] * PROCESSES)
            counted = bench.job("searching", {"task": "count", **store}, folder / "last")
    except TaskFailed as failure:
        return [
            failed(measure, racer.title, is_mooring=is_mooring, problem=str(failure))
            for measure in measures.values()
        ]
    errors = sum(answer["errors"] for answer in answers)
    note = f"{counted['trials']:,} trials in the end, {errors} errors"
    told = sum(len(answer["told_s"]) for answer in answers) + PROCESSES  # one each to warm up
    if counted["trials"] != told:
        note += f", {told:,} were told"
    if counted["distinct"] != counted["trials"]:
        note += f", only {counted['distinct']:,} numbers"
    figures = []
    for what, measure in measures.items():
        key = {"ask": "asked_s", "tell": "told_s"}[what]
        taken = [1e3 * one for answer in answers for one in answer[key]]
        figures.append(
            Figure(
                measure=measure,
                subject=racer.title,
                is_mooring=is_mooring,
                median=statistics.median(taken),
                p99=percentile(taken, 99),
                n=f"{len(taken):,} calls",
                rounds=1,
                note=note,
            )
        )
    return figures
