"""Parallel coordinates, by matplotlib: a line for each trial, an axis for each parameter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from mooring.cli.pictures import literal
from mooring.cli.study_figures import Axis, Coordinates, cut, scale_of
from mooring.optimize.observations import Direction

_MOST_CHOICES = 12
_LINE_INCHES = 0.09
"""Width of a character of a name below its axis."""
_MARK_INCHES = 0.07
"""Width of a character beside an axis."""


def draw_coordinates(axes: Any, shown: Coordinates, algorithm: str, width: float) -> None:
    """Fill a panel of a width in inches; `algorithm` stands in its title."""
    scale = scale_of(shown.values, shown.direction)
    last = Axis(name=shown.objective, low=scale.low, high=scale.high, log=scale.log)
    count = len(shown.axes) + 1
    minimized = shown.direction is Direction.MINIMIZE
    # Dark is good: light lines fade into the paper.
    colours = "viridis" if minimized else "viridis_r"
    _draw_lines(axes, shown, last, colours)
    axes.imshow(
        np.linspace(0, 1, 256)[:, np.newaxis],
        cmap=colours,
        aspect="auto",
        origin="lower",
        extent=(count - 1 - 0.003 * count, count - 1 + 0.003 * count, 0, 1),
        zorder=3.5,
    )
    title = "Parallel coordinates"
    title += f" of {literal(cut(algorithm, 40))}" if algorithm else ""
    axes.set_title(f"{title}: {len(shown.values):,} complete trials, dark is better")
    line = max(6, min(18, int(0.95 * width / count / _LINE_INCHES)))
    names = [_wrapped(axis.name, line, " (log)" if axis.log else "") for axis in shown.axes]
    axes.set_xticks(range(count), [*names, _wrapped(shown.objective, line)])
    axes.get_xticklabels()[-1].set_fontweight("bold")
    axes.tick_params(axis="x", length=0, pad=6)
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
    room = max(6, min(14, int(0.85 * width / count / _MARK_INCHES)))
    for at, axis in enumerate([*shown.axes, last]):
        _draw_axis(axes, at, axis, room)
    axes.set_xlim(-0.02 * count, count - 1 + 0.06 * count)
    axes.set_ylim(-0.05, 1.05)


def _draw_lines(axes: Any, shown: Coordinates, last: Axis, colours: str) -> None:
    """Draw a line for each trial; the better, the thicker and the less transparent."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import Normalize

    best = 0.0 if shown.direction is Direction.MINIMIZE else 1.0
    if last.low < last.high:
        placed = np.clip(last.place(np.clip(shown.values, last.low, last.high)), 0, 1)
        tone = placed
    else:
        placed, tone = np.full((2, len(shown.values)), [[0.5], [best]])
    every = np.column_stack([shown.places, placed])
    worth = 1 - np.abs(tone - best)
    axes.add_collection(
        LineCollection(
            [np.column_stack([np.arange(len(row)), row]) for row in every],
            cmap=colours,
            norm=Normalize(0, 1),
            array=tone,
            linewidths=0.8 + 1.4 * worth**3,
            alpha=np.clip(0.9 * worth**2, min(0.8, max(0.15, 25 / len(every))), 0.9),
        )
    )


def _draw_axis(axes: Any, at: int, axis: Axis, room: int) -> None:
    """Draw an axis with its marks, whose texts have at most `room` characters."""
    from matplotlib.markers import TICKRIGHT

    axes.plot([at, at], [0, 1], color="black", linewidth=0.9, zorder=3)
    for where, text in _ticks(axis, room):
        axes.plot([at], [where], marker=TICKRIGHT, markersize=4, color="black", zorder=3)
        axes.annotate(
            literal(text),
            (at, where),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            size=7.5,
            zorder=4,
            bbox={"boxstyle": "square,pad=0.12", "fc": "white", "ec": "none", "alpha": 0.8},
        )


def _ticks(axis: Axis, room: int) -> list[tuple[float, str]]:
    """Return where an axis has marks, 0 to 1, and their texts."""
    from matplotlib.ticker import MaxNLocator

    if axis.choices is not None:
        every = -(-len(axis.choices) // _MOST_CHOICES)
        last = len(axis.choices) - 1
        return [(i / last, cut(axis.choices[i], room)) for i in range(0, last + 1, every)]
    if axis.low >= axis.high:
        return [(0.5, f"{axis.low:.4g}")]
    inner = (
        10.0 ** np.arange(np.ceil(np.log10(axis.low)), np.log10(axis.high) + 1e-9)
        if axis.log
        else MaxNLocator(4, integer=axis.integer).tick_values(axis.low, axis.high)
    )
    inner = inner[:: max(1, -(-len(inner) // 6))]
    marks = [(0.0, axis.low), (1.0, axis.high)]
    for value in inner:
        where = float(axis.place(np.array(value)))
        if 0.08 < where < 0.92:
            marks.append((where, float(value)))
    marks.sort()
    texts = _number_texts([value for _, value in marks])
    return [(where, text) for (where, _), text in zip(marks, texts, strict=True)]


def _number_texts(values: Sequence[float]) -> list[str]:
    """Return numbers with as many digits as tell them apart."""
    if all(value.is_integer() and abs(value) < 1e7 for value in values):
        return [f"{value:,.0f}" for value in values]
    texts: list[str] = []
    for digits in range(4, 17):
        texts = [f"{value:.{digits}g}" for value in values]
        if len(set(texts)) == len(texts):
            break
    return texts


def _wrapped(name: str, line: int, more: str = "") -> str:
    """Return a name in lines of at most so many characters, broken where its words end."""
    words = re.findall(r"[^ _./-]*[ _./-]|[^ _./-]+", cut(name, 3 * line) + more)
    lines = [""]
    for part in (word[at : at + line] for word in words for at in range(0, len(word), line)):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > line:
            lines.append("")
        lines[-1] += part
    return "\n".join(literal(line.strip()) for line in lines)
