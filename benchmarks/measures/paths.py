"""A run with 1,000,000 distinct paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Measure, failed, over_rounds
from benchmarks.subjects import MOORING

PATHS = 1_000_000
PARTS = {
    "write_s": "written, 1,000 a call",
    "first_s": "listed, the first time",
    "again_s": "listed again",
}


def measure(bench: Bench) -> list[Figure]:
    """Write and list in a new process each round."""
    if MOORING not in bench.subjects:
        return []
    paths = 20_000 if bench.quick else PATHS

    def one_round(_: object) -> Mapping[str, Any]:
        with bench.folder() as folder:
            return bench.job("paths", {"task": "paths", "paths": paths}, folder)

    title = f"a run of {paths:,} distinct paths"
    results, problems = bench.interleaved(title, bench.rounds_or(3), [MOORING], one_round)
    return [
        _figure(key, f"{title}, {part}", results[MOORING], problems.get(MOORING, ""), paths)
        for key, part in PARTS.items()
    ]


def _figure(
    key: str, title: str, measured: list[Mapping[str, Any]], problem: str, paths: int
) -> Figure:
    question = Measure(key=f"paths-{key}", title=title, unit="s")
    if not measured:
        return failed(question, MOORING.title, is_mooring=True, problem=problem)
    return over_rounds(
        question,
        MOORING.title,
        [found[key] for found in measured],
        is_mooring=True,
        n=f"{paths:,} paths",
        note=f"{measured[0]['bytes'] / 1e6:,.0f} MB on disk",
    )
