"""How many bytes a point takes on the disk: real curves, 50 metrics a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figure, Measure, failed, over_rounds
from benchmarks.processes import TaskFailed
from benchmarks.subjects import MOORING, MOORING_POWER, Subject

CALLS = 2_000
METRICS = 50  # what `benchmarks.curves` yields of each batch
LOGGED = Measure(
    key="disk-log",
    title=f"bytes a point, real curves, {METRICS} metrics a call, run closed",
    unit="bytes",
)
LOG_BAR = Bar("median", 30.0)
SEALED_BAR = Bar("median", 8.0)


def measure(bench: Bench) -> list[Figure]:
    """Let everybody log the same curves once, and weigh all files; then seal Mooring's."""
    from benchmarks.curves import write_rows  # scikit-learn takes a second to load

    calls = 100 if bench.quick else CALLS
    figures: list[Figure] = []
    with bench.folder() as folder:
        doubles, singles = folder / "double.jsonl", folder / "single.jsonl"
        bench.say(f"bytes a point · training for {calls:,} batches")
        write_rows(doubles, calls)
        write_rows(singles, calls, single=True)
        for subject in bench.trackers:
            if subject == MOORING_POWER:
                continue  # its files are the same
            bench.say(f"bytes a point · {subject.title}")
            figures.append(_logged(bench, subject, doubles, calls))
        for kind, rows in (("doubles", doubles), ("values that were float32", singles)):
            if MOORING in bench.trackers:
                bench.say(f"bytes a point · sealed · {kind}")
                figures += _sealed(bench, rows, kind)
    return figures


def _logged(bench: Bench, subject: Subject, rows: Path, calls: int) -> Figure:
    question = replace(LOGGED, bars=(LOG_BAR,) if subject.has_bars else ())
    with bench.folder() as folder:
        try:
            answer = bench.task(subject, {"task": "size", "rows": str(rows)}, folder)
        except TaskFailed as failure:
            return failed(
                question, subject.title, is_mooring=subject.is_mooring, problem=str(failure)
            )
    sealed = ""
    if subject.is_mooring:
        sealed = f", of which sealed by then: {answer['parquet_bytes'] / 1e6:.1f} MB"
    return over_rounds(
        question,
        subject.title,
        [answer["bytes"] / answer["points"]],
        is_mooring=subject.is_mooring,
        n=f"{answer['points']:,} points",
        note=f"all files of {calls:,} calls: {answer['bytes'] / 1e6:.1f} MB{sealed}",
    )


def _sealed(bench: Bench, rows: Path, kind: str) -> list[Figure]:
    question = Measure(
        key=f"disk-sealed-{kind.split()[0]}",
        title=f"bytes a point, sealed, real curves, {kind}",
        unit="bytes",
        bars=(SEALED_BAR,),
    )
    with bench.folder() as folder:
        try:
            logged = bench.task(MOORING, {"task": "size", "rows": str(rows)}, folder)
            sealed = bench.task(MOORING, {"task": "seal"}, folder)
        except TaskFailed as failure:
            return [failed(question, MOORING.title, is_mooring=True, problem=str(failure))]
    return [_weight(question, logged, sealed)]


def _weight(question: Measure, logged: Mapping[str, Any], sealed: Mapping[str, Any]) -> Figure:
    points = logged["points"]
    return over_rounds(
        question,
        MOORING.title,
        [sealed["bytes"] / points],
        is_mooring=True,
        n=f"{points:,} points",
        note=f"all files; the Parquet segments alone {sealed['parquet_bytes'] / points:.1f} bytes",
    )
