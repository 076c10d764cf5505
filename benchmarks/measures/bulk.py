"""Points written in bulk, in millions a second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Better, Figure, Measure, failed, over_rounds
from benchmarks.subjects import MOORING

POINTS = 5_000_000
BAR = Bar("median", 5.0)
WAYS = {
    "numpy": "one series, write_points of NumPy arrays",
    "arrow": "100 series, write_table of an Arrow table",
}


def measure(bench: Bench) -> list[Figure]:
    """Write into a new store in a new process each round."""
    if MOORING not in bench.subjects:
        return []
    points = 100_000 if bench.quick else POINTS
    figures = []
    for way, title in WAYS.items():

        def one_round(_: object, way: str = way) -> Mapping[str, Any]:
            with bench.folder() as folder:
                return bench.job("bulk", {"task": way, "points": points}, folder)

        results, problems = bench.interleaved(title, bench.rounds_or(5), [MOORING], one_round)
        question = Measure(
            key=f"bulk-{way}",
            title=f"bulk write: {title}",
            unit="M points/s",
            better=Better.MORE,
            bars=(BAR,),
        )
        figures.append(_figure(question, results[MOORING], problems.get(MOORING, ""), points))
    return figures


def _figure(
    question: Measure, measured: list[Mapping[str, Any]], problem: str, points: int
) -> Figure:
    if not measured:
        return failed(question, MOORING.title, is_mooring=True, problem=problem)
    return over_rounds(
        question,
        MOORING.title,
        [points / found["seconds"] / 1e6 for found in measured],
        is_mooring=True,
        n=f"{points:,} points",
        note=f"{measured[0]['bytes'] / points:.1f} bytes a point on disk",
    )
