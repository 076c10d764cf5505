"""The table of a run, as text and as Markdown, and its JSON file."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Bar, Better, Figure, Measure

HEAD = (
    "who",
    "median",
    "rounds, low to high",
    "p99",
    "x Mooring",
    "n a round",
    "rounds",
    "bar",
    "notes",
)
RATIO_WORDS = (
    "x Mooring: how many times as long, as large, or as slow as Mooring's first line; above 1, "
    "Mooring is ahead."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run's figures, with what a reader needs to judge them."""

    figures: Sequence[Figure]
    facts: Mapping[str, Any]

    def as_text(self) -> str:
        """Return the tables in columns."""
        return "\n".join(self._lines(_text_table, "{}", "  {}"))

    def as_markdown(self) -> str:
        """Return the tables in Markdown."""
        return "\n".join(self._lines(_markdown_table, "### {}\n", "- {}"))

    def save(self, file: Path) -> None:
        """Write all as JSON."""
        content = {"facts": self.facts, "figures": [asdict(figure) for figure in self.figures]}
        file.write_text(json.dumps(content, indent=1, default=str) + "\n")

    @classmethod
    def load(cls, file: Path) -> Report:
        """Read what `save` wrote."""
        content = json.loads(file.read_text())
        return cls(figures=[_figure(item) for item in content["figures"]], facts=content["facts"])

    def _lines(self, table: Any, heading: str, item: str) -> Iterable[str]:
        for name, value in self.facts.items():
            yield item.format(f"{name}: {value}")
        yield item.format(RATIO_WORDS)
        for measure, figures in _by_measure(self.figures).items():
            yield ""
            yield heading.format(f"{measure[0]} [{measure[1]}]")
            reference = next((figure for figure in figures if figure.is_mooring), None)
            yield from table(HEAD, [_cells(figure, reference) for figure in figures])
        yield ""
        yield heading.format("The bars")
        yield from table(
            ("what", "who", "bar", "measured", "reached"), list(_bar_rows(self.figures))
        )


def facts(versions: Mapping[str, str], *, quick: bool, load: Sequence[float]) -> dict[str, Any]:
    """Return what the machine and the programs were."""
    packages = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    cores = os.cpu_count()
    return {
        "kind of run": "quick: sizes that show that it works, no figures to quote"
        if quick
        else "full",
        "machine": f"{cores} cores, {platform.machine()}, {platform.system()}",
        "load average at start and end": f"{load[0]:.1f}, {os.getloadavg()[0]:.1f}",
        "Python and SQLite": f"{platform.python_version()}, {sqlite3.sqlite_version}",
        "versions": packages,
    }


def _by_measure(figures: Iterable[Figure]) -> dict[tuple[str, str], list[Figure]]:
    groups: dict[tuple[str, str], list[Figure]] = {}
    for figure in figures:
        groups.setdefault((figure.measure.title, figure.measure.unit), []).append(figure)
    return groups


def _cells(figure: Figure, reference: Figure | None) -> tuple[str, ...]:
    if figure.median is None:
        return (figure.subject, *[""] * 7, f"not measured: {figure.problem}")
    ratio = figure.times_of(reference) if reference and reference is not figure else None
    spread = f"{_number(figure.low)} to {_number(figure.high)}" if figure.rounds > 1 else ""
    return (
        figure.subject,
        _number(figure.median),
        spread,
        _number(figure.p99),
        "1" if reference is figure else _number(ratio),
        figure.n,
        str(figure.rounds),
        "; ".join(f"{_bar(figure, bar)}: {_answer(figure.reached(bar))}" for bar in _bars(figure)),
        figure.note,
    )


def _bars(figure: Figure) -> Sequence[Bar]:
    return figure.measure.bars


def _bar_rows(figures: Iterable[Figure]) -> Iterable[tuple[str, ...]]:
    for figure in figures:
        for bar in _bars(figure):
            value = figure.median if bar.statistic == "median" else figure.p99
            yield (
                figure.measure.title,
                figure.subject,
                _bar(figure, bar),
                f"{_number(value)} {figure.measure.unit}" if value is not None else "not measured",
                _answer(figure.reached(bar)),
            )


def _bar(figure: Figure, bar: Bar) -> str:
    sign = "≤" if figure.measure.better is Better.LESS else "≥"
    return f"{bar.statistic} {sign} {_number(bar.limit)}"


def _answer(reached: bool | None) -> str:
    return {True: "reached", False: "NOT reached", None: "not measured"}[reached]


def _number(value: float | None) -> str:
    """Write three digits that count, and thousands in groups."""
    if value is None:
        return ""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _text_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    used = [column for column, _ in enumerate(head) if any(row[column] for row in rows)]
    for row in [head, *rows]:
        yield "  ".join(row[column].ljust(widths[column]) for column in used).rstrip()


def _markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterable[str]:
    used = [column for column, _ in enumerate(head) if any(row[column] for row in rows)]
    yield "| " + " | ".join(head[column] for column in used) + " |"
    yield "| " + " | ".join("---" for _ in used) + " |"
    for row in rows:
        yield "| " + " | ".join(row[column].replace("|", "\\|") for column in used) + " |"


def _figure(item: dict[str, Any]) -> Figure:
    measure = item.pop("measure")
    bars = tuple(Bar(**bar) for bar in measure.pop("bars"))
    better = Better(measure.pop("better"))
    return Figure(measure=Measure(bars=bars, better=better, **measure), **item)
