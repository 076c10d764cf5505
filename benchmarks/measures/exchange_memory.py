"""How much memory it takes to move many points."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figure, Measure, failed, over_rounds
from benchmarks.processes import TaskFailed
from benchmarks.subjects import EXPORTER_RULES, MOORING

MANY_RUNS = {"runs": 100, "metrics": 50, "points": 20_000, "params": 20}
ONE_RUN = {"runs": 1, "metrics": 50, "points": 2_000_000, "params": 20}
QUICK_MANY_RUNS = {"runs": 3, "metrics": 5, "points": 2_000, "params": 20}
QUICK_ONE_RUN = {"runs": 1, "metrics": 5, "points": 6_000, "params": 20}
BAR = Bar("median", 1_024.0)


def measure(bench: Bench) -> list[Figure]:
    """Move a store out and in, each way in a process of its own, once: its peak hardly varies."""
    if MOORING not in bench.subjects:
        return []
    many, one = (QUICK_MANY_RUNS, QUICK_ONE_RUN) if bench.quick else (MANY_RUNS, ONE_RUN)
    figures = _measure(bench, many, foreign=EXPORTER_RULES in bench.subjects)
    return figures + _measure(bench, one, foreign=False)


def _measure(bench: Bench, size: Mapping[str, int], *, foreign: bool) -> list[Figure]:
    points = size["runs"] * size["metrics"] * size["points"]
    runs = f"{size['runs']} runs" if size["runs"] > 1 else "one run"
    question = Measure(
        key="exchange-memory",
        title=f"peak memory, {points:,} points in {runs}",
        unit="MiB",
        bars=(BAR,),
    )
    n = f"{size['runs']} x {size['metrics']} x {size['points']:,}"
    with bench.folder() as folder:
        bench.say(f"{question.title} · writing")
        bench.job("exchange", {"task": "write_sealed", **size}, folder / "sealed")
        store = {"source": str(folder / "sealed" / "store" / "bench.db"), "warm": False}
        figures = [
            _figure(bench, question, n, "export", {"task": "export", **store}, folder / "export")
        ]
        back = {"source": str(folder / "export" / "store" / "export"), "warm": False}
        ways: list[tuple[str, Mapping[str, Any]]] = [
            ("export --verify", {"task": "export", "verify": True, **store}),
            ("export, points read and written", {"task": "export", "read": True, **store}),
            ("import", {"task": "import", **back}),
            ("import --verify", {"task": "import", "verify": True, **back}),
            ("summary", {"task": "summarize", **back}),
            ("open in place", {"task": "open", **back}),
        ]
        if foreign:
            bench.say(f"{question.title} · writing an export by the exporter's rules")
            bench.task(EXPORTER_RULES, {"task": "write", **size}, folder / "foreign")
            theirs = {**back, "source": str(folder / "foreign" / "store" / "export")}
            whose = "an export by the exporter's rules"
            ways += [
                (f"import of {whose}", {"task": "import", **theirs}),
                (f"import --verify of {whose}", {"task": "import", "verify": True, **theirs}),
                (f"open in place {whose}", {"task": "open", **theirs}),
            ]
        for title, task in ways:
            with bench.folder() as place:
                figures.append(_figure(bench, question, n, title, task, place))
        return figures


def _figure(
    bench: Bench, question: Measure, n: str, title: str, task: Mapping[str, Any], folder: Path
) -> Figure:
    bench.say(f"{question.title} · {title}")
    who = f"Mooring Run, {title}"
    try:
        found = bench.job("exchange", task, folder)
    except TaskFailed as failure:
        return failed(question, who, is_mooring=True, problem=str(failure))
    note = f"{found['seconds']:.1f} s"
    return over_rounds(question, who, [found["peak_mib"]], is_mooring=True, n=n, note=note)
