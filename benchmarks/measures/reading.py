"""How long it takes to read: a series, many series, the table of runs, one page of it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figure, Measure, failed, over_rounds
from benchmarks.processes import TaskFailed
from benchmarks.subjects import MLFLOW, MOORING, Subject

REPEATS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """A job of `benchmarks.jobs.reading`: it writes a store once, and reads it every round."""

    job: str
    title: str
    limit_ms: float
    size: Mapping[str, int]
    quick_size: Mapping[str, int]
    unit: str = "ms"


QUESTIONS = (
    _Question(
        job="series",
        title="one series of {points:,} points to a DataFrame",
        limit_ms=50.0,
        size={"points": 1_000_000},
        quick_size={"points": 20_000},
    ),
    _Question(
        job="logged_series",
        title="one series of {points:,} points, logged one by one, to a DataFrame",
        limit_ms=50.0,
        size={"points": 1_000_000},
        quick_size={"points": 5_000},
    ),
    _Question(
        job="many_series",
        title="one series of each of {runs:,} runs, {points:,} points in all, into one frame",
        limit_ms=1_000.0,
        size={"runs": 100, "points": 10_000_000},
        quick_size={"runs": 10, "points": 100_000},
    ),
    _Question(
        job="runs_table",
        title="fetch_runs_df of {runs:,} runs x {attributes} attributes",
        limit_ms=200.0,
        size={"runs": 2_000, "attributes": 150},
        quick_size={"runs": 50, "attributes": 150},
    ),
    _Question(
        job="page",
        title="a filtered, sorted page of {page} out of {runs:,} runs",
        limit_ms=50.0,
        size={"page": 50, "runs": 100_000},
        quick_size={"page": 50, "runs": 500},
    ),
)


def measure_series(bench: Bench) -> list[Figure]:
    """Points of series as frames."""
    return _measure(bench, "series", "logged_series", "many_series")


def measure_table(bench: Bench) -> list[Figure]:
    """A table of runs; MLflow's beside Mooring's."""
    return _measure(bench, "runs_table")


def measure_page(bench: Bench) -> list[Figure]:
    """A page of very many runs."""
    return _measure(bench, "page")


def _measure(bench: Bench, *jobs: str) -> list[Figure]:
    """Answer questions in rounds."""
    figures = []
    for question in (question for question in QUESTIONS if question.job in jobs):
        if MOORING in bench.subjects:
            figures.append(_mooring(bench, question))
        if question.job == "runs_table" and MLFLOW in bench.subjects:
            figures.append(_mlflow(bench, question))
    return figures


def _measure_of(
    bench: Bench, question: _Question, *, bars: bool
) -> tuple[Measure, Mapping[str, int]]:
    size = question.quick_size if bench.quick else question.size
    return (
        Measure(
            key=f"read-{question.job}",
            title=question.title.format(**size),
            unit="ms",
            bars=(Bar("median", question.limit_ms),) if bars else (),
        ),
        size,
    )


def _mooring(bench: Bench, question: _Question) -> Figure:
    """Write once, then read in a new process each round: the first time, and some more."""
    what, size = _measure_of(bench, question, bars=True)
    with bench.folder() as folder:
        try:
            bench.say(f"{what.title} · writing")
            written = bench.job("reading", {"task": f"write_{question.job}", **size}, folder)
        except TaskFailed as failure:
            return failed(what, MOORING.title, is_mooring=True, problem=str(failure))

        def one_round(_: object) -> Mapping[str, Any]:
            task = {"task": f"read_{question.job}", "repeats": REPEATS + 1, **size}
            return bench.job("reading", task, folder)

        rounds = bench.rounds_or(5)
        results, problems = bench.interleaved(what.title, rounds, [MOORING], one_round)
    measured = results[MOORING]
    if not measured:
        return failed(what, MOORING.title, is_mooring=True, problem=problems[MOORING])
    return _figure(what, MOORING, measured, f"; written in {written['seconds']:.1f} s")


def _mlflow(bench: Bench, question: _Question) -> Figure:
    """Write and search in one process: each round would write for minutes."""
    what, size = _measure_of(bench, question, bars=False)
    task = {"task": "runs_table", "repeats": REPEATS + 1, **size}
    bench.say(f"{what.title} · {MLFLOW.title}")
    with bench.folder() as folder:
        try:
            answer = bench.task(MLFLOW, task, folder)
        except TaskFailed as failure:
            return failed(what, MLFLOW.title, is_mooring=False, problem=str(failure))
    return _figure(what, MLFLOW, [answer], "; search_runs, in the process that wrote")


def _figure(
    what: Measure, subject: Subject, measured: Sequence[Mapping[str, Any]], more: str
) -> Figure:
    first, *later = (found["taken_s"][0] * 1_000 for found in measured)
    firsts = f"the first read after the writing took {first:,.0f} ms"
    if later:
        firsts += f", the first ones of other processes {statistics.median(later):,.0f} ms"
    shape = " x ".join(f"{length:,}" for length in measured[0]["shape"])
    return over_rounds(
        what,
        subject.title,
        [statistics.median(found["taken_s"][1:]) * 1_000 for found in measured],
        is_mooring=subject.is_mooring,
        n=f"{len(measured[0]['taken_s']) - 1} reads",
        note=f"a frame of {shape}; {firsts}{more}",
    )
