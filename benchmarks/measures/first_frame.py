"""How long a new process takes to its first frame: import, open, read, end."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figure, Measure, failed, over_rounds
from benchmarks.subjects import MOORING_TRACKER, XETRACK, XETRACK_DUCKDB, Subject

ROWS = 1_000
BAR = Bar("median", 500.0)
CODE = {
    MOORING_TRACKER: "from mooring import Reader; f = Reader('store/bench.db').to_df()",
    XETRACK: "from xetrack import Reader; f = Reader('store/track.db').to_df()",
    XETRACK_DUCKDB: (
        "from xetrack import Reader; f = Reader('store/track.db', engine='duckdb').to_df()"
    ),
}


def measure(bench: Bench) -> list[Figure]:
    """Write a table once, then read it in new processes, the first one apart."""
    subjects = bench.chosen(MOORING_TRACKER, XETRACK, XETRACK_DUCKDB)
    folders: dict[Subject, Path] = {}
    firsts: dict[Subject, float] = {}

    def one_round(subject: Subject) -> float:
        if subject not in folders:
            folder = stack.enter_context(bench.folder())
            bench.task(subject, {"task": "write_rows", "runs": 1, "rows": ROWS}, folder)
            firsts[subject] = _first_frame(bench, subject, folder)
            folders[subject] = folder
        return _first_frame(bench, subject, folders[subject])

    with ExitStack() as stack:
        title = f"first to_df() of {ROWS:,} rows in a new process, import and all"
        results, problems = bench.interleaved(title, bench.rounds_or(15), subjects, one_round)
    return [
        _figure(title, subject, results[subject], problems.get(subject, ""), firsts)
        for subject in subjects
    ]


def _first_frame(bench: Bench, subject: Subject, folder: Path) -> float:
    code = f"{CODE[subject]}; assert f.shape == ({ROWS}, 7), f.shape"
    return bench.start_python(subject, code, folder) * 1_000


def _figure(
    title: str,
    subject: Subject,
    taken: list[float],
    problem: str,
    firsts: dict[Subject, float],
) -> Figure:
    bars = (BAR,) if subject.is_mooring else ()
    question = Measure(key="first-frame", title=title, unit="ms", bars=bars)
    if not taken:
        return failed(question, subject.title, is_mooring=subject.is_mooring, problem=problem)
    return over_rounds(
        question,
        subject.title,
        taken,
        is_mooring=subject.is_mooring,
        n="1 process",
        note=f"the whole process; the very first after the writing {firsts[subject]:,.0f} ms",
    )
