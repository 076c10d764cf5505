"""Four processes on one file whose rows have new columns all the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Better, Figure, Measure, failed, over_rounds
from benchmarks.subjects import MOORING_TRACKER, XETRACK, Subject

PROCESSES = 4
ROWS, QUICK_ROWS = 5_000, 200
EVERY, QUICK_EVERY = 100, 20
SECONDS = 30.0
LOSS_BAR = Bar("median", 0.0)


def measure(bench: Bench) -> list[Figure]:
    """Let all open the file together, then log; count what is in the file afterwards."""
    subjects = bench.chosen(MOORING_TRACKER, XETRACK)
    every = QUICK_EVERY if bench.quick else EVERY

    def one_round(subject: Subject) -> Mapping[str, Any]:
        with bench.folder() as folder:
            return _log_together(bench, subject, folder, every)

    title = f"{PROCESSES} processes, one file, new columns every {every} rows"
    results, problems = bench.interleaved(title, bench.rounds_or(5), subjects, one_round)
    figures = []
    for subject in subjects:
        figures += _figures(title, subject, results[subject], problems.get(subject, ""))
    return figures


def whole_rows(points: Mapping[str, int]) -> int:
    """Return how many rows have all three cells, from the points of each column."""
    shared = points.get("shared", 0)
    new = sum(count for name, count in points.items() if name.startswith("shared_"))
    own = sum(count for name, count in points.items() if name.startswith("own_"))
    return min(shared, new, own)


def _log_together(bench: Bench, subject: Subject, folder: Path, every: int) -> Mapping[str, Any]:
    bench.task(subject, {"task": "first", "metrics": 0}, folder)  # one process makes the file
    rows = QUICK_ROWS if bench.quick else ROWS
    worker = {"task": "new_columns", "rows": rows, "every": every, "seconds": SECONDS}
    workers = [{**worker, "number": number} for number in range(PROCESSES)]
    answers = bench.together(folder, subject, workers)
    found = bench.task(subject, {"task": "points"}, folder)["points"]
    calls = sum(answer["calls"] for answer in answers)
    wall = max(answer["ended"] for answer in answers) - min(a["started"] for a in answers)
    return {
        "rate": calls / wall,
        "calls": calls,
        "errors": sum(answer["errors"] for answer in answers),
        "error": next((answer["error"] for answer in answers if answer["error"]), ""),
        "slowest_s": max(answer["slowest_s"] for answer in answers),
        "lost": calls - whole_rows(found),
    }


def _figures(
    title: str, subject: Subject, measured: Sequence[Mapping[str, Any]], problem: str
) -> list[Figure]:
    """Return the rows that raised, those that got lost, the slowest call and the rate."""
    mine = subject.is_mooring
    bars = (LOSS_BAR,) if mine else ()
    raised = Measure(
        key="columns-raised", title=f"{title}: rows that raised", unit="rows", bars=bars
    )
    lost = Measure(
        key="columns-lost",
        title=f"{title}: rows whose call returned, and that are not in the file",
        unit="rows",
        bars=bars,
    )
    slowest = Measure(key="columns-slowest", title=f"{title}: slowest call", unit="ms")
    rate = Measure(
        key="columns-rate",
        title=f"{title}: rows written by all together",
        unit="rows/s",
        better=Better.MORE,
    )
    questions = (raised, lost, slowest, rate)
    if not measured:
        return [
            failed(question, subject.title, is_mooring=mine, problem=problem)
            for question in questions
        ]
    asked = measured[0]["calls"] + measured[0]["errors"]
    part = sum(found["errors"] for found in measured) / sum(
        found["calls"] + found["errors"] for found in measured
    )
    error = next((found["error"] for found in measured if found["error"]), "")
    values = {
        raised: [found["errors"] for found in measured],
        lost: [found["lost"] for found in measured],
        slowest: [found["slowest_s"] * 1_000 for found in measured],
        rate: [found["rate"] for found in measured],
    }
    notes = {raised: f"{part:.0%} of the rows; {error[:80]}" if error else "none"}
    return [
        over_rounds(
            question,
            subject.title,
            values[question],
            is_mooring=mine,
            n=f"{asked:,} rows",
            note=notes.get(question, ""),
        )
        for question in questions
    ]
