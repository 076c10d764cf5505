"""Very many names of metrics in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Better, Figure, Measure, failed, over_rounds
from benchmarks.subjects import MOORING_TRACKER, XETRACK, XETRACK_DUCKDB, Subject

SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class _Way:
    """How the names arrive."""

    key: str
    title: str
    names: int
    names_a_call: int


WAYS = (
    _Way("call", "{names:,} names in one call", 10_000, 10_000),
    _Way("each", "{names:,} calls with a new name each", 2_000, 1),
)
QUICK_WAYS = (
    _Way("call", "{names:,} names in one call", 300, 300),
    _Way("each", "{names:,} calls with a new name each", 50, 1),
)


def measure(bench: Bench) -> list[Figure]:
    """Log the names, then let a new process make a frame, and count those with a value."""
    subjects = bench.chosen(MOORING_TRACKER, XETRACK, XETRACK_DUCKDB)
    figures = []
    for way in QUICK_WAYS if bench.quick else WAYS:
        title = way.title.format(names=way.names)

        def one_round(subject: Subject, way: _Way = way) -> Mapping[str, Any]:
            task = {"task": "many_names", "names": way.names, "names_a_call": way.names_a_call}
            with bench.folder() as folder:
                logged = bench.task(subject, {**task, "seconds": SECONDS}, folder)
                found = bench.task(subject, {"task": "found_names"}, folder)
            return {**logged, "names": found["names"], "frame_s": found["seconds"]}

        results, problems = bench.interleaved(title, bench.rounds_or(3), subjects, one_round)
        for subject in subjects:
            problem = problems.get(subject, "")
            figures += _figures(way, title, subject, results[subject], problem)
    return figures


def _figures(
    way: _Way,
    title: str,
    subject: Subject,
    measured: Sequence[Mapping[str, Any]],
    problem: str,
) -> list[Figure]:
    """Return how many names were there, and the time if they all were."""
    who, mine = subject.title, subject.is_mooring
    names = Measure(
        key=f"names-{way.key}",
        title=f"{title}: names with a value in the frame",
        unit="names",
        better=Better.MORE,
        bars=(Bar("median", way.names),) if mine else (),
    )
    time = Measure(key=f"names-{way.key}-time", title=f"{title}: all calls together", unit="ms")
    if not measured:
        return [failed(each, who, is_mooring=mine, problem=problem) for each in (names, time)]
    calls = way.names // way.names_a_call
    n = f"{calls:,} call{'s' * (calls > 1)}"
    error = next((found["error"] for found in measured if found["error"]), "")
    first = measured[0]
    seconds = [found["ended"] - found["started"] for found in measured]
    note = f"the frame took {first['frame_s'] * 1_000:,.0f} ms in a new process"
    if error:
        note = f"raised: {first['errors']:,} of {n}; {error}; {note}"
    counted = over_rounds(
        names, who, [float(found["names"]) for found in measured], is_mooring=mine, n=n, note=note
    )
    if min(found["names"] for found in measured) < way.names:
        tried = f"{min(seconds):.1f} s until it had failed"
        return [counted, failed(time, who, is_mooring=mine, problem=tried)]
    slowest = max(found["slowest_s"] for found in measured)
    return [
        counted,
        over_rounds(
            time,
            who,
            [value * 1_000 for value in seconds],
            is_mooring=mine,
            n=n,
            note=f"slowest call {slowest * 1_000:,.0f} ms",
        ),
    ]
