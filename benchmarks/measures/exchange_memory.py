"""How much memory it takes to move many points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figure, Measure, failed, over_rounds
from benchmarks.processes import TaskFailed
from benchmarks.subjects import EXPORTER_RULES, MOORING

SIZE = {"runs": 100, "metrics": 50, "points": 20_000, "params": 20}
QUICK_SIZE = {"runs": 3, "metrics": 5, "points": 2_000, "params": 20}
BAR = Bar("median", 1_024.0)


def measure(bench: Bench) -> list[Figure]:
    """Move a store out and in, each way in a process of its own, once: its peak does not vary."""
    if MOORING not in bench.subjects:
        return []
    size = QUICK_SIZE if bench.quick else SIZE
    points = size["runs"] * size["metrics"] * size["points"]
    with bench.folder() as folder:
        bench.say(f"memory · writing {points:,} points")
        bench.job("exchange", {"task": "write_sealed", **size}, folder / "sealed")
        export = str(folder / "export" / "store" / "export")
        store = {"source": str(folder / "sealed" / "store" / "bench.db"), "warm": False}
        back = {"source": export, "warm": False}
        ways: list[tuple[str, Mapping[str, Any]]] = [
            ("export", {"task": "export", **store}),
            ("export --verify", {"task": "export", "verify": True, **store}),
            ("export, points read and written", {"task": "export", "read": True, **store}),
            ("import", {"task": "import", **back}),
            ("import --verify", {"task": "import", "verify": True, **back}),
            ("summary", {"task": "summarize", **back}),
            ("open in place", {"task": "open", **back}),
        ]
        if EXPORTER_RULES in bench.subjects:
            bench.say("memory · writing an export by the exporter's rules")
            bench.task(EXPORTER_RULES, {"task": "write", **size}, folder / "foreign")
            foreign = {**back, "source": str(folder / "foreign" / "store" / "export")}
            ways += [
                ("import of an export by the exporter's rules", {"task": "import", **foreign}),
                ("the same, --verify", {"task": "import", "verify": True, **foreign}),
                ("open it in place", {"task": "open", **foreign}),
            ]
        figures = []
        for title, task in ways:
            bench.say(f"memory · {title}")
            figures.append(_figure(bench, title, task, points, export))
        return figures


def _figure(bench: Bench, title: str, task: Mapping[str, Any], points: int, export: str) -> Figure:
    question = Measure(
        key="exchange-memory",
        title=f"peak memory, {points:,} points",
        unit="MiB",
        bars=(BAR,),
    )
    try:
        if title == "export":  # its result is what comes back in
            from pathlib import Path

            found = bench.job("exchange", task, Path(export).parents[1])
        else:
            with bench.folder() as folder:
                found = bench.job("exchange", task, folder)
    except TaskFailed as failure:
        return failed(question, f"Mooring Run, {title}", is_mooring=True, problem=str(failure))
    return over_rounds(
        question,
        f"Mooring Run, {title}",
        [found["peak_mib"]],
        is_mooring=True,
        n=f"{points:,} points",
        note=f"{found['seconds']:.1f} s",
    )
