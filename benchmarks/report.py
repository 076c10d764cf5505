"""The table of a run, as text and as Markdown, and its JSON file."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
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
BAR_HEAD = ("what", "who", "bar", "measured", "reached")
RATIO_WORDS = (
    "x Mooring: how many times as long, as large, or as slow as Mooring's first line; above 1, "
    "Mooring is ahead."
)

Row = Sequence[str]
Groups = Mapping[str, Sequence[Row]]
Table = Callable[[Row, Groups], Iterable[str]]


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

    def _lines(self, table: Table, heading: str, item: str) -> Iterable[str]:
        for name, value in self.facts.items():
            yield item.format(f"{name}: {value}")
        yield item.format(RATIO_WORDS)
        yield ""
        yield heading.format("Measured")
        yield from table(HEAD, _groups(self.figures))
        bars = list(_bar_rows(self.figures))
        if bars:
            yield ""
            yield heading.format("The bars")
            yield from table(BAR_HEAD, {"": bars})


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


def _groups(figures: Iterable[Figure]) -> dict[str, list[Row]]:
    """Return the rows of the table, under the title of their measure."""
    measures: dict[str, list[Figure]] = {}
    for figure in figures:
        title = f"{figure.measure.title} [{figure.measure.unit}]"
        measures.setdefault(title, []).append(figure)
    return {
        title: [_cells(figure, _reference(group)) for figure in group]
        for title, group in measures.items()
    }


def _reference(group: Sequence[Figure]) -> Figure | None:
    """Return Mooring's first line, which the others are compared with."""
    return next((figure for figure in group if figure.is_mooring), None)


def _cells(figure: Figure, reference: Figure | None) -> Row:
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
        "; ".join(
            f"{_bar(figure, bar)}: {_answer(figure.reached(bar))}" for bar in figure.measure.bars
        ),
        figure.note,
    )


def _bar_rows(figures: Iterable[Figure]) -> Iterable[Row]:
    for figure in figures:
        for bar in figure.measure.bars:
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
    origin = f" ({bar.origin})" if bar.origin else ""
    return f"{bar.statistic} {sign} {_number(bar.limit)}{origin}"


def _answer(reached: bool | None) -> str:
    return {True: "reached", False: "NOT reached", None: "not measured"}[reached]


def _number(value: float | None) -> str:
    """Write two or three digits that count, and thousands in groups."""
    if value is None:
        return ""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) < 0.1:
        return f"{value:.2g}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _text_table(head: Row, groups: Groups) -> Iterable[str]:
    """Yield lines in columns, each group under its title."""
    rows = [row for group in groups.values() for row in group]
    used = _used_columns(head, rows)
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(row: Row) -> str:
        cells = "  ".join(row[column].ljust(widths[column]) for column in used)
        return f"  {cells}".rstrip()

    yield line(head)
    for title, group in groups.items():
        if title:
            yield ""
            yield title
        yield from map(line, group)


def _markdown_table(head: Row, groups: Groups) -> Iterable[str]:
    """Yield lines of a table whose first column has the titles of the groups, where there are."""
    used = _used_columns(head, [row for group in groups.values() for row in group])
    titled = any(groups)

    def line(title: str, row: Row) -> str:
        cells = [row[column] for column in used]
        cells = [title, *cells] if titled else cells
        return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"

    yield line("what", head)
    yield line("---", ["---"] * len(head))
    for title, group in groups.items():
        for number, row in enumerate(group):
            yield line("" if number else title, row)


def _used_columns(head: Row, rows: Sequence[Row]) -> list[int]:
    return [column for column in range(len(head)) if any(row[column] for row in rows)]


def _figure(item: dict[str, Any]) -> Figure:
    measure = item.pop("measure")
    bars = tuple(Bar(**bar) for bar in measure.pop("bars"))
    better = Better(measure.pop("better"))
    return Figure(measure=Measure(bars=bars, better=better, **measure), **item)
