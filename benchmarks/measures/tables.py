"""A million rows of a tracker's table: written, weighed, and asked in six ways."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import (
    Bar,
    Better,
    Figure,
    Measure,
    Rival,
    against,
    failed,
    over_rounds,
)
from benchmarks.peers.protocol import folder_bytes
from benchmarks.peers.tables import COLUMNS, TAIL, run_name
from benchmarks.processes import TaskFailed
from benchmarks.subjects import MOORING_TRACKER, XETRACK, XETRACK_DUCKDB, Subject

REPEATS = 5
RUNS, ROWS = 100, 10_000
QUICK_RUNS, QUICK_ROWS = 10, 200
FIXED_COLUMNS = 2  # track_id and timestamp
BYTES_BAR = Bar("median", 148 / 3, "148 / 3")
LOGGED = replace(MOORING_TRACKER, title="Mooring Tracker, log")
SEALED = replace(MOORING_TRACKER, title="Mooring Tracker, sealed")
BOTH_ENGINES = (Rival(XETRACK.title), Rival(XETRACK_DUCKDB.title))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """One of `benchmarks.peers.tables.QUESTIONS`, and what Mooring has to beat in it."""

    key: str
    title: str
    rivals: tuple[Rival, ...] = BOTH_ENGINES


QUESTIONS = (
    _Question(
        key="all",
        title="Tracker.to_df(all=True)",
        rivals=(Rival(XETRACK.title, 6), Rival(XETRACK_DUCKDB.title)),
    ),
    _Question(key="run", title="Tracker.to_df(), one run"),
    _Question(key="latest", title="Reader.latest()"),
    _Question(key="tail", title=f"Tracker.tail({TAIL}), one run"),
    _Question(key="last", title=f"Reader.to_df(tail={TAIL})"),
    _Question(key="sql", title="SQL: avg(accuracy), count(*) where loss > 0.5"),
)


@dataclass(slots=True)
class _Table:
    """What a subject has written: where, how fast, how large, and how it reads the first time."""

    folder: Path
    written: Mapping[str, Any]
    sealed_s: float | None = None
    size_bytes: int = 0
    first_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Size:
    runs: int
    rows: int

    @property
    def total(self) -> int:
        return self.runs * self.rows

    def expected(self, question: str, written: Mapping[str, Any]) -> list[float]:
        """Return the shape of the frame, or the row, that is the answer."""
        if question == "sql":
            return [written["mean"], written["count"]]
        length = {"all": self.total, "run": self.rows, "latest": self.rows}.get(question, TAIL)
        return [length, len(COLUMNS) + FIXED_COLUMNS]


def measure(bench: Bench) -> list[Figure]:
    """Write a table for each subject, and one more to be sealed; weigh all, then ask in rounds."""
    size = _Size(QUICK_RUNS, QUICK_ROWS) if bench.quick else _Size(RUNS, ROWS)
    subjects = bench.chosen(MOORING_TRACKER, XETRACK, XETRACK_DUCKDB)
    subjects = [LOGGED, SEALED, *subjects[1:]] if MOORING_TRACKER in subjects else subjects
    tables: dict[Subject, _Table] = {}
    problems: dict[Subject, str] = {}
    with ExitStack() as stack:
        for subject in subjects:
            bench.say(f"table of {size.total:,} rows · writing · {subject.title}")
            folder = stack.enter_context(bench.folder())
            try:
                tables[subject] = _write(bench, subject, folder, size)
            except TaskFailed as failure:
                problems[subject] = str(failure)
        figures = [*_writing(tables, problems, size), *_weights(tables, problems, size)]
        figures += _answers(bench, tables, problems, size)
    return figures


def _write(bench: Bench, subject: Subject, folder: Path, size: _Size) -> _Table:
    task = {"task": "write_rows", "runs": size.runs, "rows": size.rows}
    table = _Table(folder, bench.task(subject, task, folder))
    if subject == SEALED:
        sealed = bench.task(subject, {"task": "seal_rows"}, folder)
        if sealed["points_sealed"] != size.total * len(COLUMNS):
            raise TaskFailed(f"sealed {sealed['points_sealed']:,} points of {size.total:,} rows")
        table.sealed_s = sealed["seconds"]
    table.size_bytes = folder_bytes(folder / "store")
    table.first_s = _ask(bench, subject, table, "all", size, repeats=1)[0]
    return table


def _ask(
    bench: Bench, subject: Subject, table: _Table, question: str, size: _Size, *, repeats: int
) -> list[float]:
    """Ask in a new process; return the seconds of each time, once the answer is the right one."""
    task = {
        "task": "read_rows",
        "question": question,
        "run": run_name(size.runs // 2),
        "repeats": repeats,
    }
    answer = bench.task(subject, task, table.folder)
    expected = size.expected(question, table.written)
    if len(answer["answer"]) != len(expected) or not all(
        map(math.isclose, answer["answer"], expected)
    ):
        raise TaskFailed(f"{question}: answered {answer['answer']}, where it is {expected}")
    return list(answer["taken_s"])


def _answers(
    bench: Bench, tables: Mapping[Subject, _Table], problems: Mapping[Subject, str], size: _Size
) -> list[Figure]:
    def one_round(subject: Subject) -> Mapping[str, list[float]]:
        table = tables[subject]
        return {
            question.key: _ask(bench, subject, table, question.key, size, repeats=REPEATS + 1)
            for question in QUESTIONS
        }

    title = f"table of {size.total:,} rows"
    results, later = bench.interleaved(title, bench.rounds_or(3), list(tables), one_round)
    figures = []
    for question in QUESTIONS:
        what = Measure(
            key=f"table-{question.key}",
            title=f"{title}, {size.runs} runs: {question.title}",
            unit="ms",
        )
        lines = []
        for subject in (*tables, *problems):
            taken = [found[question.key] for found in results.get(subject, ())]
            problem = problems.get(subject, "") or later.get(subject, "")
            lines.append(_answer(what, subject, taken, problem, tables.get(subject)))
        for mooring in (LOGGED, SEALED):
            lines = against(lines, mooring.title, *question.rivals)
        figures += lines
    return figures


def _answer(
    what: Measure,
    subject: Subject,
    taken: Sequence[Sequence[float]],
    problem: str,
    table: _Table | None,
) -> Figure:
    if not taken or table is None:
        return failed(what, subject.title, is_mooring=subject.is_mooring, problem=problem)
    cold = statistics.median(found[0] for found in taken) * 1_000
    note = f"the first one of a process, opening included, {cold:,.0f} ms"
    if what.key == "table-all":
        state = "sealing" if subject == SEALED else "writing"
        note += f", the very first after the {state} {table.first_s * 1_000:,.0f} ms"
    return over_rounds(
        what,
        subject.title,
        [statistics.median(found[1:]) * 1_000 for found in taken],
        is_mooring=subject.is_mooring,
        n=f"{len(taken[0]) - 1} reads",
        note=note,
    )


def _writing(
    tables: Mapping[Subject, _Table], problems: Mapping[Subject, str], size: _Size
) -> list[Figure]:
    """Return how fast the tables were written; the one to be sealed is written alike."""
    what = Measure(
        key="table-write",
        title=f"log_batch of {size.rows:,} rows of {len(COLUMNS)} metrics, {size.runs} runs",
        unit="rows/s",
        better=Better.MORE,
    )
    figures = []
    for subject in (LOGGED, XETRACK):
        if subject in tables:
            rate = size.total / tables[subject].written["seconds"]
            figures.append(_once(what, subject, rate, f"{size.total:,} rows", ""))
        elif subject in problems:
            figures.append(_problem(what, subject, problems))
    return figures


def _weights(
    tables: Mapping[Subject, _Table], problems: Mapping[Subject, str], size: _Size
) -> list[Figure]:
    """Return the bytes a row of everything that was written, before anybody has read it."""
    what = Measure(
        key="table-bytes", title=f"bytes a row of {len(COLUMNS)} metrics, all files", unit="bytes"
    )
    figures = []
    for subject in (SEALED, LOGGED, XETRACK):
        question = replace(what, bars=(BYTES_BAR,)) if subject == SEALED else what
        if subject in tables:
            table = tables[subject]
            later = folder_bytes(table.folder / "store") / size.total
            note = f"once it was read {later:.1f}"
            if table.sealed_s is not None:
                note += f"; sealing took {table.sealed_s:.1f} s"
            weight = table.size_bytes / size.total
            figures.append(_once(question, subject, weight, f"{size.total:,} rows", note))
        elif subject in problems:
            figures.append(_problem(question, subject, problems))
    return against(figures, SEALED.title, Rival(XETRACK.title, 3))


def _once(what: Measure, subject: Subject, value: float, n: str, note: str) -> Figure:
    return over_rounds(what, subject.title, [value], is_mooring=subject.is_mooring, n=n, note=note)


def _problem(what: Measure, subject: Subject, problems: Mapping[Subject, str]) -> Figure:
    return failed(what, subject.title, is_mooring=subject.is_mooring, problem=problems[subject])
