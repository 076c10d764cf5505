"""A reader and a writer at the same time: whether either waits for the other."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figure, Measure, failed, over_rounds, percentile
from benchmarks.subjects import MOORING_TRACKER, XETRACK, XETRACK_DUCKDB, Subject

METRICS = 5
SECONDS = 8.0
ROWS = 1_000  # what is there before
ERROR_BAR = Bar("median", 0.0)
TITLE = "a reader that opens and reads the last 5 rows beside a writer in a tight loop"


def measure(bench: Bench) -> list[Figure]:
    """Start one of each on a file; for as long, one reads and the other logs."""
    subjects = bench.chosen(MOORING_TRACKER, XETRACK, XETRACK_DUCKDB)
    seconds = SECONDS / 8 if bench.quick else SECONDS

    def one_round(subject: Subject) -> Mapping[str, Any]:
        with bench.folder() as folder:
            bench.task(subject, {"task": "write_rows", "runs": 1, "rows": ROWS}, folder)
            reader, writer = bench.together(
                folder,
                subject,
                [
                    {"task": "read_again", "rows": ROWS, "seconds": seconds},
                    {"task": "worker", "run": "writer", "metrics": METRICS, "seconds": seconds},
                ],
            )
        return {"reader": reader, "writer": writer}

    results, problems = bench.interleaved(TITLE, bench.rounds_or(3), subjects, one_round)
    figures = []
    for subject in subjects:
        figures += _figures(subject, results[subject], problems.get(subject, ""))
    return figures


def _figures(subject: Subject, measured: Sequence[Mapping[str, Any]], problem: str) -> list[Figure]:
    """Return the slowest read, the slowest write, and the errors of both."""
    who, mine = subject.title, subject.is_mooring
    read = Measure(key="waiting-read", title=f"{TITLE}: slowest read", unit="ms")
    write = Measure(key="waiting-write", title=f"{TITLE}: slowest write", unit="ms")
    errors = Measure(
        key="waiting-errors",
        title=f"{TITLE}: reads and writes that raised",
        unit="calls",
        bars=(ERROR_BAR,) if mine else (),
    )
    if not measured:
        return [
            failed(each, who, is_mooring=mine, problem=problem) for each in (read, write, errors)
        ]
    readers = [found["reader"] for found in measured]
    writers = [found["writer"] for found in measured]
    taken = [[value * 1_000 for value in found["taken_s"]] for found in readers]
    every = list(itertools.chain.from_iterable(taken))
    reads = f"{statistics.median(map(len, taken)):,.0f} reads"
    writes = f"{statistics.median(found['calls'] for found in writers):,.0f} writes"
    error = next((found["error"] for found in [*readers, *writers] if found["error"]), "")
    return [
        over_rounds(
            read,
            who,
            [max(found) for found in taken],
            is_mooring=mine,
            n=reads,
            note=f"the median read took {statistics.median(every):,.1f} ms",
            p99=percentile(every, 99),
        ),
        over_rounds(
            write,
            who,
            [found["slowest_s"] * 1_000 for found in writers],
            is_mooring=mine,
            n=writes,
        ),
        over_rounds(
            errors,
            who,
            [float(r["errors"] + w["errors"]) for r, w in zip(readers, writers, strict=True)],
            is_mooring=mine,
            n=f"{reads}, {writes}",
            note=error[:80],
        ),
    ]
