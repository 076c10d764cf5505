"""How long an import takes, and what it brings along."""

from __future__ import annotations

import statistics

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figure, Measure, failed, over_rounds
from benchmarks.processes import TaskFailed
from benchmarks.subjects import MOORING, MOORING_POWER, MOORING_TRACKER, Subject

BAR = Bar("median", 80.0)
NO_HEAVY_BAR = Bar("median", 0.0)
HEAVY = ("pandas", "pyarrow", "duckdb")
WATCHED = (*HEAVY, "polars", "numpy", "sqlalchemy", "scipy", "httpx", "pydantic", "rich", "typer")


def measure(bench: Bench) -> list[Figure]:
    """Start fresh processes in turn: an empty one and one that imports, for each subject."""
    others = (MOORING_TRACKER, MOORING_POWER)
    subjects = [subject for subject in bench.trackers if subject not in others]
    rounds = bench.rounds_or(15)
    passing: dict[Subject, list[float]] = {subject: [] for subject in subjects}

    def one_round(subject: Subject) -> float:
        passing[subject].append(bench.start_python(subject, "pass"))
        return bench.start_python(subject, f"import {subject.imports}")

    for subject in subjects:  # once unmeasured: byte code is written, files are read
        try:
            bench.start_python(subject, f"import {subject.imports}")
        except TaskFailed as failure:
            bench.say(f"  failed: {failure}")
    results, problems = bench.interleaved("import", rounds, subjects, one_round)
    figures = [
        _figure(subject, results[subject], passing[subject], problems.get(subject, ""))
        for subject in subjects
    ]
    return figures + (_loaded(bench) if MOORING in subjects else [])


def _figure(subject: Subject, seconds: list[float], passing: list[float], problem: str) -> Figure:
    question = Measure(
        key="import",
        title="import, in a fresh process",
        unit="ms",
        bars=(BAR,) if subject.is_mooring else (),
    )
    if not seconds:
        return failed(question, subject.title, is_mooring=subject.is_mooring, problem=problem)
    empty = statistics.median(passing) * 1_000
    return over_rounds(
        question,
        subject.title,
        [value * 1_000 for value in seconds],
        is_mooring=subject.is_mooring,
        n="1 process",
        note=f"import {subject.imports}; whole process, of which `python -c pass` {empty:.0f} ms",
    )


def _loaded(bench: Bench) -> list[Figure]:
    """Count the heavy modules that importing and logging have loaded."""
    figures = []
    for what in ("import", "logging"):
        question = Measure(
            key=f"heavy-{what}",
            title=f"pandas, pyarrow, duckdb loaded by {what}",
            unit="modules",
            bars=(NO_HEAVY_BAR,),
        )
        with bench.folder() as folder:
            task = {"task": "modules", "log": what == "logging", "watched": WATCHED}
            try:
                answer = bench.job("modules", task, folder)
            except TaskFailed as failure:
                figures.append(
                    failed(question, MOORING.title, is_mooring=True, problem=str(failure))
                )
                continue
        heavy = [name for name in answer["loaded"] if name in HEAVY]
        figures.append(
            over_rounds(
                question,
                MOORING.title,
                [float(len(heavy))],
                is_mooring=True,
                n="1 process",
                note=f"of those watched it loads: {', '.join(answer['loaded']) or 'none'}",
            )
        )
    return figures
