"""Pictures of a study as PNG or SVG files, by matplotlib, which comes with `mooring[plot]`.

Colours are those of Okabe and Ito and of `viridis`, which colour-blind people tell apart. Texts of
an SVG are text, so that they can be searched.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from mooring.cli.files import check_free, write_file
from mooring.cli.pictures import literal
from mooring.cli.study_coordinates import draw_coordinates
from mooring.cli.study_figures import (
    Coordinates,
    History,
    Importance,
    Points,
    Scale,
    Tradeoff,
    coordinates_of,
    count_infinite,
    cut,
    history_of,
    importances_of,
    scale_of,
    short_names,
    tradeoff_of,
)
from mooring.errors import MissingExtra
from mooring.optimize.observations import Direction
from mooring.optimize.study_runs import StudySpec
from mooring.optimize.trial_runs import TrialRecord

_BLUE, _ORANGE, _GREEN, _PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
_SKY, _RED, _GREY = "#56B4E9", "#D55E00", "#8C8C8C"
_STYLES = (
    (_BLUE, "o"),
    (_ORANGE, "s"),
    (_GREEN, "D"),
    (_PURPLE, "P"),
    (_SKY, "v"),
    ("#A6761D", "*"),
)
_OTHERS = (_GREY, "h")

_DPI = 120
_WIDTH = 11.0
_MOST_ALGORITHMS = 3
"""So many get parallel coordinates of their own."""
_MOST_BARS = 15
_MOST_OBJECTIVES = 4


def draw_study(
    spec: StudySpec,
    trials: Sequence[TrialRecord],
    panels: Sequence[str],
    target: str,
    *,
    overwrite: bool,
) -> list[str]:
    """Write a PNG or SVG file with `history`, `importance`, `parallel`; return what to tell.

    Of several objectives `history` is what was reached of each pair of them.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", extra="plot") from None
    check_free(target, overwrite=overwrite)
    format = target.rpartition(".")[2].lower()
    drawing = _Drawing(spec, trials)
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "mooring", "font.size": 9.5}
    with rc_context(settings), warnings.catch_warnings():
        # A name may have letters that the font lacks; they are boxes then.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        drawing.draw(figure, panels)
        write_file(
            Path(target),
            lambda file: figure.savefig(
                file, format=format, metadata={"Date": None} if format == "svg" else None
            ),
            overwrite=overwrite,
        )
    return drawing.words


class _Drawing:
    """Panels of one study. `words` are what a person is to be told beside the picture."""

    def __init__(self, spec: StudySpec, trials: Sequence[TrialRecord]) -> None:
        self._spec = spec
        self._trials = trials
        self._several = len(spec.objectives) > 1
        self._short = short_names(sorted({trial.algorithm for trial in trials}))
        self.words: list[str] = []
        infinite = count_infinite(spec, trials)
        if infinite:
            self.words.append(f"not drawn, because infinite: values of {infinite:,} trials")

    def draw(self, figure: Any, panels: Sequence[str]) -> None:
        """Fill a figure: history and importances side by side, coordinates below."""
        coordinates = []
        if "parallel" in panels:
            coordinates = coordinates_of(self._spec, self._trials)
            self._tell_left_out(coordinates)
            coordinates = coordinates[:_MOST_ALGORITHMS]
        upper = [panel for panel in ("history", "importance") if panel in panels]
        heights = [4.2 if self._pairs() < 3 else 5.2] if upper else []
        heights += [3.7 for _ in coordinates] or ([3.7] if "parallel" in panels else [])
        figure.set_size_inches(_WIDTH, sum(heights) + 0.4)
        figure.suptitle(f"Study {literal(cut(self._spec.name, 70))}", fontweight="bold", size=13)
        rows = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
        if upper:
            widths = [1.65, 1] if len(upper) == 2 else [1]
            parts = rows[0].subfigures(1, len(upper), width_ratios=widths, squeeze=False)[0]
            for part, panel in zip(parts, upper, strict=True):
                (self._history if panel == "history" else self._importance)(part)
        lower = rows[1:] if upper else rows
        for part, one in zip(lower, coordinates, strict=False):
            draw_coordinates(part.add_subplot(), one, self._short.get(one.algorithm, ""), _WIDTH)
        if len(lower) and not coordinates:
            _note(lower[0].add_subplot(), "no parameter varies among complete trials yet")

    def _pairs(self) -> int:
        count = min(len(self._spec.objectives), _MOST_OBJECTIVES)
        return count * (count - 1) // 2

    def _tell_left_out(self, coordinates: Sequence[Coordinates]) -> None:
        for one in coordinates[:_MOST_ALGORITHMS]:
            if one.left_out:
                named = ", ".join(one.left_out)
                self.words.append(f"no room for the coordinates of {named}")
        rest = [one.algorithm for one in coordinates[_MOST_ALGORITHMS:]]
        if rest:
            self.words.append(f"no room for the coordinates of {', '.join(rest)}")

    def _history(self, part: Any) -> None:
        if self._several:
            _draw_tradeoff(part, tradeoff_of(self._spec, self._trials))
        else:
            history = history_of(self._spec, self._trials)
            _draw_history(part.add_subplot(), history, self._short)

    def _importance(self, part: Any) -> None:
        found, words = importances_of(self._spec, self._trials)
        self.words += words
        axes = part.add_subplot()
        axes.set_title("Importance of parameters")
        if found:
            _draw_importances(axes, found, list(self._spec.objectives), self._short)
        else:
            _note(axes, words[0])


# history


def _draw_history(axes: Any, history: History, short: Mapping[str, str]) -> None:
    axes.set_title(f"History of {literal(cut(history.objective, 40))}")
    axes.set_xlabel("trial")
    axes.set_ylabel(f"{literal(cut(history.objective, 40))} ({history.direction})")
    styles = _styles({name: len(points) for name, points in history.complete.items()})
    label_of_others = False
    for name, points in history.complete.items():
        colour, marker = styles[name]
        label = literal(cut(short.get(name, name))) if name else "complete"
        if styles[name] == _OTHERS:
            label = "_" if label_of_others else "other algorithms"
            label_of_others = True
        _scatter(axes, points, label=label, color=colour, marker=marker, alpha=0.75)
    if len(history.pruned):
        _scatter(axes, history.pruned, label="pruned", facecolors="none", edgecolors=_GREY)
    if len(history.best):
        # as far as trials go, and from where it comes into sight
        last = max(int(each.max()) for each in history.numbers if len(each))
        seen = history.scale.holds(history.best.values)
        axes.plot(
            np.append(history.best.numbers[seen], last),
            np.append(history.best.values[seen], history.best.values[-1]),
            drawstyle="steps-post",
            color="black",
            linewidth=1.5,
            label="best so far",
        )
    _set_scale(axes, "y", history.scale)
    at_edge = {"transform": axes.get_xaxis_transform(), "clip_on": False, "zorder": 5}
    beyond = np.concatenate(
        [each.numbers[~history.scale.holds(each.values)] for each in history.with_values]
    )
    high, low = 0.985, 0.015
    worse, arrow = (high, "^") if history.direction is Direction.MINIMIZE else (low, "v")
    for numbers, label, at, style in (
        (history.pruned_early, "pruned, no value", low, {"marker": "|", "color": _GREY, "s": 40}),
        (history.failed, "failed", low, {"marker": "x", "color": _RED, "s": 28}),
        (beyond, "worse, beyond the axis", worse, {"marker": arrow, "color": "black", "s": 24}),
    ):
        if len(numbers):
            axes.scatter(numbers, np.full(len(numbers), at), label=label, **style, **at_edge)
    axes.xaxis.get_major_locator().set_params(integer=True)
    _finish(axes)
    if axes.get_legend_handles_labels()[0]:
        axes.figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8.5)
    else:
        _note(axes, "no trial has ended yet")


def _scatter(axes: Any, points: Points, *, label: str, **style: Any) -> None:
    axes.scatter(points.numbers, points.values, s=22, linewidths=0.9, label=label, **style)


def _styles(counts: Mapping[str, int]) -> Mapping[str, tuple[str, str]]:
    """Return colour and marker of each algorithm; those with few trials share one."""
    most = sorted(counts, key=lambda name: -counts[name])[: len(_STYLES)]
    kept = [name for name in counts if name in most]
    own = dict(zip(kept, _STYLES, strict=False))
    return {name: own.get(name, _OTHERS) for name in counts}


# importance


def _draw_importances(
    axes: Any, found: Sequence[Importance], objectives: Sequence[str], short: Mapping[str, str]
) -> None:
    """Draw a bar for each parameter; of several objectives one beside the other."""
    algorithms = list(dict.fromkeys(one.algorithm for one in found))
    ticks: list[float] = []
    labels: list[str] = []
    at = 0.0
    thickness = 0.8 / len(objectives)
    styles = _styles(dict.fromkeys(algorithms, 1))
    for algorithm in algorithms:
        group = [one for one in found if one.algorithm == algorithm]
        if len(algorithms) > 1:
            ticks.append(at)
            labels.append(f"{literal(cut(short.get(algorithm, algorithm)))}:")
            at += 0.8
        means = {name: np.mean([one.shares[name] for one in group]) for name in group[0].shares}
        names = sorted(means, key=lambda name: -means[name])[:_MOST_BARS]
        for name in names:
            ticks.append(at)
            labels.append(literal(cut(name)))
            for place, one in enumerate(group):
                offset = (place - (len(group) - 1) / 2) * thickness
                colour = _STYLES[place][0] if len(objectives) > 1 else styles[algorithm][0]
                share = one.shares[name]
                label = literal(cut(one.objective)) if len(objectives) > 1 else None
                first = algorithm == algorithms[0] and name == names[0]
                axes.barh(
                    at + offset,
                    share,
                    thickness,
                    color=colour if place < len(_STYLES) else _GREY,
                    label=label if first else None,
                )
                if len(objectives) < 3:
                    axes.text(share + 0.01, at + offset, f"{share:.0%}", va="center", size=8)
            at += 1.0
        at += 0.2
    axes.set_yticks(ticks, labels)
    for label in axes.get_yticklabels():
        if len(algorithms) > 1 and label.get_text().endswith(":"):
            label.set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(max(at - 0.5, 3.5), -0.6)
    axes.set_xlim(0, 1.12)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])
    axes.set_xlabel("share, by PED-ANOVA")
    _finish(axes, grid="x")
    if len(objectives) > 1:
        axes.figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)


# several objectives


def _draw_tradeoff(part: Any, tradeoff: Tradeoff) -> None:
    names = list(tradeoff.objectives)[:_MOST_OBJECTIVES]
    pairs = list(combinations(range(len(names)), 2))
    columns = 1 if len(pairs) == 1 else 2 if len(pairs) < 5 else 3
    rows = -(-len(pairs) // columns)
    plots = part.subplots(rows, columns, squeeze=False).ravel()
    title = "What was reached" + (
        f" of the first {len(names)} objectives" if len(names) < len(tradeoff.objectives) else ""
    )
    if len(pairs) == 1:
        plots[0].set_title(title)
    else:
        part.suptitle(title, size=11)
    for axes in plots[len(pairs) :]:
        axes.set_axis_off()
    for axes, (x, y) in zip(plots, pairs, strict=False):
        _draw_pair(axes, tradeoff, x, y, joined=len(tradeoff.objectives) == 2)
    if len(tradeoff.values):
        handles, labels = plots[0].get_legend_handles_labels()
        part.legend(
            handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8.5
        )


def _draw_pair(axes: Any, tradeoff: Tradeoff, x: int, y: int, *, joined: bool) -> None:
    if not len(tradeoff.values):
        _note(axes, "no trial is complete yet")
        return
    values, best = tradeoff.values, tradeoff.is_best
    objectives = list(tradeoff.objectives.items())
    label = "no other is better (Pareto front)"
    axes.scatter(values[~best, x], values[~best, y], s=20, color=_GREY, alpha=0.7, label="others")
    if joined:
        front = values[best][np.argsort(values[best, x])]
        axes.plot(front[:, x], front[:, y], color=_BLUE, linewidth=1, alpha=0.6)
    axes.scatter(values[best, x], values[best, y], s=34, color=_BLUE, marker="D", label=label)
    for which, index in (("x", x), ("y", y)):
        name, direction = objectives[index]
        getattr(axes, f"set_{which}label")(f"{literal(cut(name, 30))} ({direction})")
        _set_scale(axes, which, scale_of(values[:, index]))
    _finish(axes, grid="both")


# all of them


def _set_scale(axes: Any, which: str, scale: Scale) -> None:
    if scale.log:
        getattr(axes, f"set_{which}scale")("log")
        return
    room = 0.06 * (scale.high - scale.low) or 0.06 * max(abs(scale.high), 1.0)
    getattr(axes, f"set_{which}lim")(scale.low - room, scale.high + room)


def _finish(axes: Any, *, grid: str = "y") -> None:
    axes.grid(axis=grid, color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _note(axes: Any, text: str) -> None:
    """Say in an empty panel why it is empty."""
    axes.set_axis_off()
    told = "\n".join(literal(line) for line in textwrap.wrap(text, 44))
    axes.text(0.5, 0.5, told, ha="center", va="center", transform=axes.transAxes)
