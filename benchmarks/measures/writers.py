"""Eight processes that log into one file at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Better, Figure, Measure, failed, over_rounds
from benchmarks.subjects import MLFLOW, MOORING, MOORING_TRACKER, XETRACK, Subject

PROCESSES = 8
METRICS = 5
SECONDS = 3.0
RATE_BAR = Bar("median", 50_000.0)
LOSS_BAR = Bar("median", 0.0)


def measure(bench: Bench) -> list[Figure]:
    """Measure with a file that knows the metrics already, and with one that does not."""
    return _rounds(bench, known=True) + _rounds(bench, known=False)


def _rounds(bench: Bench, *, known: bool) -> list[Figure]:
    subjects = bench.chosen(MOORING, MOORING_TRACKER, XETRACK, MLFLOW)
    state = "metrics known to the file" if known else "metrics new to the file"

    def one_round(subject: Subject) -> Mapping[str, Any]:
        with bench.folder() as folder:
            return _log_together(bench, subject, folder, known=known)

    results, problems = bench.interleaved(
        f"{PROCESSES} processes, {state}", bench.rounds_or(5), subjects, one_round
    )
    figures = []
    for subject in subjects:
        figures += _figures(subject, state, results[subject], problems.get(subject, ""))
    return figures


def _log_together(
    bench: Bench, subject: Subject, folder: Path, *, known: bool
) -> Mapping[str, Any]:
    """Start the workers, let them go when all have opened the file, and count what is in it."""
    # One process makes the file; what it logs is a call of the workers' metrics, or of another.
    bench.task(subject, {"task": "first", "metrics": METRICS if known else 0}, folder)
    seconds = SECONDS / 6 if bench.quick else SECONDS
    worker = {"task": "worker", "metrics": METRICS, "seconds": seconds}
    workers = [{**worker, "run": f"worker-{number}"} for number in range(PROCESSES)]
    answers = bench.together(folder, subject, workers)
    count = bench.task(subject, {"task": "count", "metrics": METRICS}, folder)
    calls = sum(answer["calls"] for answer in answers)
    wall = max(answer["ended"] for answer in answers) - min(a["started"] for a in answers)
    return {
        "rate": calls / wall,
        "calls": calls,
        "errors": sum(answer["errors"] for answer in answers),
        "error": next((answer["error"] for answer in answers if answer["error"]), ""),
        "slowest_s": max(answer["slowest_s"] for answer in answers),
        "lost": calls - (count["calls"] - (1 if known else 0)),
    }


def _figures(
    subject: Subject, state: str, measured: Sequence[Mapping[str, Any]], problem: str
) -> list[Figure]:
    """Return how fast they were together, and how many calls failed or were lost."""
    who, mine = subject.title, subject.is_mooring
    key = state.split()[1]
    rate = Measure(
        key=f"writers-{key}",
        title=f"{PROCESSES} processes, one file, {METRICS} metrics a call, {state}",
        unit="calls/s",
        better=Better.MORE,
        bars=(RATE_BAR,) if mine else (),
    )
    losses = Measure(
        key=f"writers-{key}-lost",
        title=f"{PROCESSES} processes, one file, {state}: calls that raised or are not in the file",
        unit="calls",
        bars=(LOSS_BAR,) if mine else (),
    )
    if not measured:
        return [failed(rate, who, is_mooring=mine, problem=problem)]
    calls = [found["calls"] for found in measured]
    n = f"{sum(calls) // len(calls):,} calls"
    slowest = max(found["slowest_s"] for found in measured)
    errors = sum(found["errors"] for found in measured)
    lost = sum(found["lost"] for found in measured)
    note = f"of {sum(calls) + errors:,} calls of all rounds {errors:,} raised, {lost:,} got lost"
    error = next((found["error"] for found in measured if found["error"]), "")
    rates = [found["rate"] for found in measured]
    failures = [float(found["errors"] + max(0, found["lost"])) for found in measured]
    return [
        over_rounds(rate, who, rates, is_mooring=mine, n=n, note=f"slowest call {slowest:.2f} s"),
        over_rounds(
            losses,
            who,
            failures,
            is_mooring=mine,
            n=n,
            note=f"{note}; {error[:80]}" if error else note,
        ),
    ]
