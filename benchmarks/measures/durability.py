"""What is left of N calls that returned, when the process is killed at once after the last."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.figures import Better, Figure, Measure, failed, over_rounds
from benchmarks.subjects import Subject

METRICS = 5
SETTLE_S = 1.0  # for services that outlive the killed process


def measure(bench: Bench) -> list[Figure]:
    """Kill the process alone, then everything that it had started, too."""
    calls = 50 if bench.quick else 200
    alone = _kill_rounds(bench, calls, group=False)
    everything = _kill_rounds(bench, calls, group=True)
    for figure in alone:
        bench.durable[figure.subject] = _verdict(figure, calls)
    return alone + everything


def _kill_rounds(bench: Bench, calls: int, *, group: bool) -> list[Figure]:
    who = "process and its children" if group else "process"
    question = Measure(
        key=f"kill-{'group' if group else 'process'}",
        title=f"calls read back of {calls}, {who} killed when the last returned",
        unit="calls",
        better=Better.MORE,
    )

    def one_round(subject: Subject) -> float:
        with bench.folder() as folder:
            return _kill_and_count(bench, subject, folder, calls, group=group)

    rounds = bench.rounds_or(3)
    results, problems = bench.interleaved(f"SIGKILL ({who})", rounds, bench.trackers, one_round)
    return [
        _figure(question, subject, results[subject], problems.get(subject, ""), calls)
        for subject in bench.trackers
    ]


def _kill_and_count(
    bench: Bench, subject: Subject, folder: Path, calls: int, *, group: bool
) -> float:
    task = {"task": "kill", "metrics": METRICS, "calls": calls, "group": group}
    bench.process(subject, task, folder).wait_killed()
    time.sleep(SETTLE_S)
    answer = bench.task(subject, {"task": "count", "metrics": METRICS}, folder)
    return float(answer["calls"])


def _figure(
    question: Measure, subject: Subject, rounds: Sequence[float], problem: str, calls: int
) -> Figure:
    if not rounds:
        return failed(
            question, subject.title, is_mooring=subject.is_mooring, problem=problem or "no round"
        )
    worst = f"at worst {min(rounds):,.0f}" if min(rounds) < calls else "none lost"
    return over_rounds(
        question,
        subject.title,
        rounds,
        is_mooring=subject.is_mooring,
        n=f"{calls} calls of {METRICS}",
        note=worst,
    )


def _verdict(figure: Figure, calls: int) -> str:
    if figure.low is None:
        return "not measured"
    return "yes" if figure.low >= calls else f"no ({figure.low:,.0f} of {calls} left)"
