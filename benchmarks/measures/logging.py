"""How long a call takes that logs 5, 50 or 1,000 metrics."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import (
    Bar,
    Figure,
    Measure,
    Rival,
    against,
    failed,
    over_rounds,
    percentile,
)
from benchmarks.subjects import MOORING, MOORING_TRACKER, XETRACK, Subject

BARS = {
    5: (Bar("median", 15.0),),
    50: (Bar("median", 40.0),),
    1_000: (Bar("median", 300.0), Bar("p99", 1_000.0)),
}
RIVALS = {5: (Rival(XETRACK.title, 20),)}
CALLS = {5: 5_000, 50: 2_000, 1_000: 500, 5_000: 100}
QUICK_CALLS = {5: 200, 50: 100, 1_000: 10, 5_000: 5}
SECONDS = 2.0


def measure(bench: Bench) -> list[Figure]:
    """Time every call in rounds of all subjects, the same rows for all."""

    def one_round(subject: Subject) -> Mapping[int, Mapping[str, Any]]:
        with bench.folder() as folder:
            answer = bench.task(subject, _task(bench, subject), folder)
        return {size["metrics"]: size for size in answer["sizes"]}

    rounds = bench.rounds_or(7)
    results, problems = bench.interleaved("log()", rounds, bench.trackers, one_round)
    figures: list[Figure] = []
    for metrics in CALLS:
        lines = []
        for subject in bench.trackers:
            if metrics in _sizes(subject):
                measured = [found[metrics] for found in results[subject]]
                problem = problems.get(subject, "")
                lines.append(_figure(bench, subject, metrics, measured, problem))
        figures += against(lines, MOORING_TRACKER.title, *RIVALS.get(metrics, ()))
    return figures


def _sizes(subject: Subject) -> list[int]:
    return [metrics for metrics in CALLS if metrics <= 1_000 or subject == MOORING]


def _task(bench: Bench, subject: Subject) -> dict[str, Any]:
    calls = QUICK_CALLS if bench.quick else CALLS
    sizes = [{"metrics": metrics, "calls": calls[metrics]} for metrics in _sizes(subject)]
    return {"task": "log", "sizes": sizes, "seconds": SECONDS}


def _figure(
    bench: Bench,
    subject: Subject,
    metrics: int,
    measured: Sequence[Mapping[str, Any]],
    problem: str,
) -> Figure:
    question = Measure(
        key=f"log-{metrics}",
        title=f"log() of {metrics:,} metrics",
        unit="µs",
        bars=BARS.get(metrics, ()) if subject.has_bars else (),
    )
    if not measured:
        return failed(question, subject.title, is_mooring=subject.is_mooring, problem=problem)
    taken = [[value / 1_000 for value in found["taken_ns"]] for found in measured]
    calls = statistics.median(len(found) for found in taken)
    closed = statistics.median(found["close_s"] for found in measured)
    durable = bench.durable.get(subject.title, "not measured in this run")
    note = f"durable at return: {durable}; {subject.call}"
    if subject.syncs:
        note += f"; syncs the disk ({subject.syncs} x a call)"
    if closed >= 0.05:
        note += f"; close took {closed:.2f} s"
    if problem:
        note += f"; stopped: {problem}"
    return over_rounds(
        question,
        subject.title,
        [statistics.median(found) for found in taken],
        is_mooring=subject.is_mooring,
        n=f"{calls:,.0f} calls",
        note=note,
        p99=percentile(list(itertools.chain.from_iterable(taken)), 99),
    )
