"""Pictures of this example: PNG files with matplotlib, curves in the terminal with plotille."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import plotille
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

INK, GRID = "#333333", "#e3e3e3"
BEST, FAULTY = "#0b6e99", "#d1495b"
OTHERS = ["#e08e45", "#3a7d44", "#7b5ea7", "#8c6239", "#c0608f", "#6b7a8f", "#a3a300", "#4aa6a6"]


def confusion(matrix: np.ndarray, title: str) -> bytes:
    """Return a confusion matrix as PNG."""
    figure = Figure(figsize=(5.2, 5), dpi=110, layout="constrained")
    axes = figure.subplots()
    axes.imshow(np.log1p(matrix), cmap="Blues")
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            ink = "white" if count > matrix.max() / 4 else INK
            axes.text(column, row, str(count), ha="center", va="center", color=ink, fontsize=9)
    axes.set(
        xticks=range(10),
        yticks=range(10),
        xlabel="digit that was read",
        ylabel="digit that was written",
        title=f"{title}: {matrix.trace()} of {matrix.sum()} read correctly",
    )
    return png(figure)


def mistakes(images: np.ndarray, labels: np.ndarray, read: np.ndarray, limit: int = 12) -> bytes:
    """Return the first misread digits as PNG."""
    shown = min(limit, len(images))
    rows = max(1, -(-shown // 6))
    figure = Figure(figsize=(6.4, 0.4 + 1.2 * rows), dpi=110, layout="constrained")
    for axes in figure.subplots(rows, 6, squeeze=False).flat:
        axes.axis("off")
    for axes, image, label, taken_for in zip(figure.axes, images, labels, read, strict=False):
        axes.imshow(image.reshape(8, 8), cmap="gray_r")
        axes.set_title(f"{label} read as {taken_for}", fontsize=9, color=INK)
    figure.suptitle(f"{shown} of the {len(images)} misread digits", fontsize=11)
    return png(figure)


def comparison(errors: pd.DataFrame, spike: pd.Series, curve: pd.DataFrame) -> bytes:
    """Return the comparison of all runs as PNG.

    `errors`: columns run (best one first), step, and in % error and last. `spike`: run, step,
    value. `curve`: the buckets of that run's loss, with columns step_from, step_to, min, max,
    mean, thinned.
    """
    figure = Figure(figsize=(12.5, 5), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))

    for index, (run, points) in enumerate(errors.groupby("run", sort=False, observed=True)):
        name = f"{points['last'].iloc[-1]:.1f} %   {run}"
        style = {"color": BEST, "linewidth": 2.6, "zorder": 5}
        if index:
            style = {"color": OTHERS[(index - 1) % len(OTHERS)], "linewidth": 1.3}
        style["linestyle"] = "-" if run.startswith("adam") else (0, (4, 1.5))
        left.plot(points["step"], points["error"], label=name, **style)
    left.set(
        yscale="log",
        xlabel="step (one mini-batch of 32 digits)",
        ylabel="test error (% of 450 digits)",
        title="Test error of all runs, mean of 40 buckets",
    )
    ticks = [tick for tick in (1, 2, 3, 5, 10, 20, 50, 100) if tick < 2 * errors["error"].max()]
    left.set_yticks(ticks, [f"{tick}" for tick in ticks])
    left.tick_params(which="minor", left=False)
    left.legend(title="error at the end, run", frameon=False, fontsize=9, title_fontsize=9)

    middle = (curve["step_from"] + curve["step_to"]) / 2
    right.fill_between(
        middle, curve["min"], curve["max"], color=FAULTY, alpha=0.22, lw=0, label="min to max"
    )
    right.plot(middle, curve["max"], color=FAULTY, linewidth=1.6, label="max")
    right.plot(middle, curve["mean"], color=INK, linewidth=1.4, label="mean")
    right.plot(middle, curve["thinned"], ".", color="#8a8a8a", markersize=4, label="one point")
    right.annotate(
        f"step {spike['step']:,.0f}: loss {spike['value']:.1f}",
        (spike["step"], spike["value"]),
        xytext=(-14, -4),
        textcoords="offset points",
        ha="right",
        va="top",
        color=FAULTY,
        arrowprops={"arrowstyle": "-", "color": FAULTY},
    )
    right.set(
        yscale="log",
        xlabel="step (one mini-batch of 32 digits)",
        ylabel="training loss (nats)",
        title=f"Training loss of {spike['run']}, {len(curve)} buckets",
    )
    right.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))
    right.legend(
        title="shown of each bucket",
        frameon=False,
        fontsize=9,
        title_fontsize=9,
        loc="lower left",
        ncols=2,
    )

    for axes in (left, right):
        axes.grid(color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
        axes.margins(x=0.01)
        axes.set_xlim(left=0)
    return png(figure)


def png(figure: Figure) -> bytes:
    """Return a figure as PNG."""
    sink = io.BytesIO()
    figure.savefig(sink, format="png")
    return sink.getvalue()


def terminal(errors: pd.DataFrame, *, columns: int, colours: bool) -> str:
    """Return the same curves as text: lines in colour, or letters where there is none."""
    plot = plotille.Figure()
    plot.width, plot.height = (60 if columns >= 78 else 40), 12
    plot.color_mode = "byte"
    plot.with_colors = colours
    plot.x_label, plot.y_label = "step", "error %"
    plot.set_y_limits(min_=0, max_=12)
    plot.set_x_limits(min_=0, max_=float(errors["step"].max().round(-2)))
    plot.y_ticks_fkt = lambda low, _: f"{low:.0f}"
    plot.x_ticks_fkt = lambda low, _: f"{low:,.0f}"
    for index, (run, points) in enumerate(errors.groupby("run", sort=False, observed=True)):
        seen = points[points["error"] <= 12]
        plot.plot(
            seen["step"].tolist(),
            seen["error"].tolist(),
            lc=(39, 208, 162)[index],
            interp="linear" if colours else None,
            marker=None if colours else "ABC"[index],
            label=run,
        )
    text = plot.show(legend=True)
    if not colours:
        text = text.translate(str.maketrans("⠀⡇⣇⣀⠤", " |+_ "))
    head, _, legend = text.partition("\n\nLegend:\n-------\n")
    return "\n".join(line.rstrip() for line in [*head.splitlines(), "", *legend.splitlines()])
