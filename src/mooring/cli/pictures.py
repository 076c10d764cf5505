"""Pictures: by plotille as characters, by matplotlib as a file. Both come with `mooring[plot]`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mooring.cli.cells import shown
from mooring.cli.files import check_free, write_file
from mooring.errors import MissingExtra

if TYPE_CHECKING:
    from mooring.cli.plot_data import Line

_DPI = 100
_MARGIN = 30
"""Characters that a picture in the terminal needs beside its plane."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What to draw. `width` and `height` are characters and lines; None: those of the terminal."""

    kind: Literal["line", "scatter", "hist"]
    lines: Sequence[Line]
    title: str
    x_label: str
    y_label: str
    width: int | None
    height: int
    bins: int = 20


def draw_text(picture: Picture) -> str:
    """Return a picture made of characters; `MissingExtra` without plotille."""
    plotille = import_plotille()
    title = shown(picture.title)
    width = picture.width or max(20, terminal_width() - _MARGIN)
    if picture.kind == "hist":
        bars = plotille.hist(picture.lines[0].y.tolist(), bins=picture.bins, width=width)
        return f"{title}\n\n{bars}"
    figure = plotille.Figure()
    figure.width, figure.height = width, picture.height
    figure.x_label, figure.y_label = shown(picture.x_label)[:width], shown(picture.y_label)[:width]
    figure.color_mode = "names"
    figure.with_colors = False
    figure.origin = False
    markers = "xo+*#%@&abcdefghijklmnopqrst"
    several = len(picture.lines) > 1
    for i, line in enumerate(picture.lines):
        draw = figure.plot if picture.kind == "line" else figure.scatter
        # Of several lines each is drawn with a character of its own: there may be no colours.
        options: dict[str, Any] = {"marker": markers[i]} if several else {}
        draw(line.x.tolist(), line.y.tolist(), label=shown(line.label) or None, **options)
    return f"{title}\n\n{figure.show(legend=any(line.label for line in picture.lines))}"


def draw_file(picture: Picture, target: str, kind: str, *, overwrite: bool) -> None:
    """Write a PNG or SVG file, whole or not at all; `MissingExtra` without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", extra="plot") from None
    check_free(target, overwrite=overwrite)
    size = ((picture.width or 80) * 10 / _DPI, picture.height * 20 / _DPI)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for line in picture.lines:
        label = literal(line.label)
        if picture.kind == "hist":
            axes.hist(line.y, bins=picture.bins)
        elif picture.kind == "line":
            # A line of one point has no length: it is a dot.
            axes.plot(line.x, line.y, marker="o" if len(line.x) == 1 else None, label=label)
        else:
            axes.scatter(line.x, line.y, s=12, label=label)
    axes.set_title(literal(picture.title))
    axes.set_xlabel(literal(picture.x_label))
    axes.set_ylabel(literal(picture.y_label))
    if any(line.label for line in picture.lines) and picture.kind != "hist":
        axes.legend()
    write_file(Path(target), lambda file: figure.savefig(file, format=kind), overwrite=overwrite)


def import_plotille() -> Any:
    """Return plotille; `MissingExtra` where it is not installed."""
    try:
        import plotille  # type: ignore[import-untyped]
    except ImportError:
        raise MissingExtra("plotille", extra="plot") from None
    return plotille


def literal(text: str) -> str:
    """Return a text that matplotlib shows as it is: `$` would begin a formula."""
    return shown(text).replace("$", "\\$")


def terminal_width() -> int:
    """Return how many characters a line of the terminal has; 80 where there is none."""
    try:
        return os.get_terminal_size().columns
    except OSError:
        return 80
