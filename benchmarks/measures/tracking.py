"""What `track` costs: a function that does nothing, and a row for each call of it."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figure, Measure, failed, over_rounds, percentile
from benchmarks.subjects import MOORING_TRACKER, XETRACK, XETRACK_DUCKDB, Subject

CALLS, QUICK_CALLS = 5_000, 100
SECONDS = 2.0
BAR = Bar("median", 35.0)


def measure(bench: Bench) -> list[Figure]:
    """Time each call, on a file and in memory."""
    return [*_measure(bench, in_memory=False), *_measure(bench, in_memory=True)]


def _measure(bench: Bench, *, in_memory: bool) -> list[Figure]:
    subjects = bench.chosen(MOORING_TRACKER, XETRACK, XETRACK_DUCKDB)
    where = "in memory" if in_memory else "on a file"
    task = {
        "task": "track",
        "in_memory": in_memory,
        "calls": QUICK_CALLS if bench.quick else CALLS,
        "seconds": SECONDS,
    }

    def one_round(subject: Subject) -> list[float]:
        with bench.folder() as folder:
            answer = bench.task(subject, task, folder)
        return [taken / 1_000 for taken in answer["taken_ns"]]

    title = f"track() of an empty function, {where}"
    results, problems = bench.interleaved(title, bench.rounds_or(5), subjects, one_round)
    key = f"track-{'memory' if in_memory else 'file'}"
    return [
        _figure(key, title, subject, results[subject], problems.get(subject, ""))
        for subject in subjects
    ]


def _figure(
    key: str, title: str, subject: Subject, taken: Sequence[Sequence[float]], problem: str
) -> Figure:
    bars = (BAR,) if subject.is_mooring else ()
    question = Measure(key=key, title=title, unit="µs", bars=bars)
    if not taken:
        return failed(question, subject.title, is_mooring=subject.is_mooring, problem=problem)
    calls = statistics.median(len(found) for found in taken)
    return over_rounds(
        question,
        subject.title,
        [statistics.median(found) for found in taken],
        is_mooring=subject.is_mooring,
        n=f"{calls:,.0f} calls",
        note="a row with times, arguments and result for each; it is counted afterwards",
        p99=percentile(list(itertools.chain.from_iterable(taken)), 99),
    )
