"""Points loaded into MLflow, beside a bare loop over its own batch API."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Better, Figure, Measure, Rival, against, failed, over_rounds
from benchmarks.subjects import MOORING, MOORING_LOAD

SIZE = {"runs": 2, "metrics": 50, "points": 2_000, "params": 20}
QUICK_SIZE = {"runs": 1, "metrics": 5, "points": 1_000, "params": 20}
BARE = "a bare loop over MlflowClient.log_batch"
THEIRS = "the exporter's loader on another machine, SQLite: 7,500 points/s"


@dataclass(frozen=True, slots=True)
class _Way:
    title: str
    task: str
    is_mooring: bool


WAYS = (
    _Way("Mooring Run, load_runs", "load", True),
    _Way(BARE, "bare", False),
)


def measure(bench: Bench) -> list[Figure]:
    """Load into a new database, then through a server over one; a new process each round."""
    if MOORING not in bench.subjects or MOORING_LOAD not in bench.subjects:
        return []
    size = QUICK_SIZE if bench.quick else SIZE
    with bench.folder() as folder:
        bench.say("load · writing a store")
        bench.job("exchange", {"task": "write_sealed", **size}, folder / "sealed")
        source = str(folder / "sealed" / "store" / "bench.db")
        figures: list[Figure] = []
        for server in (False, True):
            figures += _measure(bench, {"source": source, "server": server, **size})
        return figures


def _measure(bench: Bench, task: Mapping[str, Any]) -> list[Figure]:
    points = task["runs"] * task["metrics"] * task["points"]
    where = "a server on this machine, over SQLite" if task["server"] else "a SQLite file"
    question = Measure(
        key="load-server" if task["server"] else "load-sqlite",
        title=f"load of {points:,} points into MLflow, {where}",
        unit="points/s",
        better=Better.MORE,
    )

    def one_round(way: _Way) -> Mapping[str, Any]:
        with bench.folder() as folder:
            return bench.task(MOORING_LOAD, {**task, "task": way.task}, folder)

    results, problems = bench.interleaved(question.title, bench.rounds_or(3), WAYS, one_round)
    figures = []
    for way in WAYS:
        if not results[way]:
            problem = problems[way]
            figures.append(failed(question, way.title, is_mooring=way.is_mooring, problem=problem))
            continue
        figures.append(
            over_rounds(
                question,
                way.title,
                [points / found["seconds"] for found in results[way]],
                is_mooring=way.is_mooring,
                n=f"{points:,} points",
                note=_note(way, results[way]),
            )
        )
    return against(figures, WAYS[0].title, Rival(BARE))


def _note(way: _Way, measured: Sequence[Mapping[str, Any]]) -> str:
    if not way.is_mooring:
        return f"1,000 metrics a request, nothing read back; {THEIRS}"
    parts = {
        name: statistics.median(found["parts"][name] for found in measured)
        for name in measured[0]["parts"]
    }
    told = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in parts.items())
    whole = statistics.median(found["seconds"] for found in measured)
    inside = f": {whole:.1f} s, of which {told}" if told else ""
    return f"all points are read back and compared{inside}"
