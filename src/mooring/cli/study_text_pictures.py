"""Pictures of a study made of characters, for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from mooring.cli.cells import shown
from mooring.cli.pictures import import_plotille, terminal_width
from mooring.cli.study_figures import (
    Coordinates,
    Importance,
    coordinates_of,
    count_infinite,
    cut,
    history_of,
    importances_of,
    short_names,
    tradeoff_of,
)
from mooring.optimize.study_runs import StudySpec
from mooring.optimize.trial_runs import TrialRecord

_MARGIN = 30
"""Characters that plotille needs beside its plane."""
_HEIGHT = 16
_NAME = 24
_END = 10
_BEST_SHARE = 0.2


def show_study(
    spec: StudySpec, trials: Sequence[TrialRecord], panels: Sequence[str], width: int | None = None
) -> tuple[list[str], list[str]]:
    """Return pictures for `history`, `importance`, `parallel`, and what to tell beside them.

    Without a width they are as wide as the terminal. `MissingExtra` without plotille.
    """
    width = width or max(60, terminal_width())
    pictures: list[str] = []
    words: list[str] = []
    infinite = count_infinite(spec, trials)
    if infinite:
        words.append(f"not drawn, because infinite: values of {infinite:,} trials")
    short = short_names(sorted({trial.algorithm for trial in trials}))
    if "history" in panels and len(spec.objectives) > 1:
        pictures += _tradeoffs(spec, trials, width)
    elif "history" in panels:
        pictures += _history(spec, trials, short, width)
    if "importance" in panels:
        found, missing = importances_of(spec, trials)
        pictures += _importances(found, short, width)
        words += missing
    if "parallel" in panels:
        coordinates = coordinates_of(spec, trials, most=100)
        pictures += [_strips(one, short, width) for one in coordinates]
        if not coordinates:
            words.append("no parameter varies among complete trials yet")
    if "history" in panels and not pictures:
        words.append("no trial has ended yet")
    return pictures, words


def _figure(width: int) -> Any:
    figure = import_plotille().Figure()
    figure.width, figure.height = max(20, width - _MARGIN), _HEIGHT
    figure.color_mode = "names"
    figure.with_colors = False
    figure.origin = False
    return figure


def _history(
    spec: StudySpec, trials: Sequence[TrialRecord], short: Mapping[str, str], width: int
) -> list[str]:
    history = history_of(spec, trials)
    if not any(len(each) for each in history.numbers):
        return []
    figure = _figure(width)
    scale = history.scale
    low, high = (np.log10([scale.low, scale.high])) if scale.log else (scale.low, scale.high)
    room = 0.05 * (high - low) or 0.05 * max(abs(high), 1.0)
    figure.set_y_limits(min_=float(low - room), max_=float(high + room))
    last = max(int(each.max()) for each in history.numbers if len(each))
    figure.set_x_limits(min_=0, max_=max(last, 1))
    figure.x_label = "trial"
    if scale.log:
        figure.y_ticks_fkt = lambda low, high: f"{10**low:.4g}"

    def draw(numbers: np.ndarray, values: np.ndarray, label: str, marker: str) -> None:
        held = scale.holds(values)
        upwards = np.log10(values[held]) if scale.log else values[held]
        if len(upwards):
            figure.scatter(
                numbers[held].tolist(), upwards.tolist(), label=shown(label), marker=marker
            )

    for (name, points), marker in zip(
        history.complete.items(), "oxv*+#@%&$" + "." * len(history.complete), strict=False
    ):
        draw(points.numbers, points.values, short.get(name, name) or "complete", marker)
    draw(history.pruned.numbers, history.pruned.values, "pruned", "-")
    every = np.arange(history.best.numbers[0], last + 1) if len(history.best) else np.arange(0)
    where = np.searchsorted(history.best.numbers, every, side="right") - 1
    draw(every, history.best.values[where], "best so far", "_")
    for numbers, label, marker in (
        (history.pruned_early, "pruned, no value", "|"),
        (history.failed, "failed", "X"),
    ):
        draw_at = np.full(len(numbers), float(low - room))
        if len(numbers):
            figure.scatter(numbers.tolist(), draw_at.tolist(), label=label, marker=marker)
    title = f"History of {shown(history.objective)} ({history.direction})"
    title += ", logarithmic" if scale.log else ""
    text = f"{title}\n\n{figure.show(legend=True)}"
    beyond = sum(int(np.sum(~scale.holds(each.values))) for each in history.with_values)
    return [f"{text}\nworse, beyond the axis: {beyond:,}" if beyond else text]


def _tradeoffs(spec: StudySpec, trials: Sequence[TrialRecord], width: int) -> list[str]:
    tradeoff = tradeoff_of(spec, trials)
    if not len(tradeoff.values):
        return []
    names = list(tradeoff.objectives.items())
    pictures = []
    for x, y in combinations(range(len(names)), 2):
        figure = _figure(width)
        figure.x_label, figure.y_label = (shown(names[i][0])[: _NAME * 2] for i in (x, y))
        for chosen, label, marker in (
            (~tradeoff.is_best, "others", "."),
            (tradeoff.is_best, "no other is better (Pareto front)", "o"),
        ):
            values = tradeoff.values[chosen]
            if len(values):
                figure.scatter(
                    values[:, x].tolist(), values[:, y].tolist(), label=label, marker=marker
                )
        title = " and ".join(f"{shown(names[i][0])} ({names[i][1]})" for i in (x, y))
        pictures.append(f"What was reached of {title}\n\n{figure.show(legend=True)}")
    return pictures


def _importances(found: Sequence[Importance], short: Mapping[str, str], width: int) -> list[str]:
    objectives = {one.objective for one in found}
    pictures = []
    for one in found:
        title = "Importance of parameters"
        title += f" of {shown(short.get(one.algorithm, one.algorithm))}" if one.algorithm else ""
        title += f" for {shown(one.objective)}" if len(objectives) > 1 else ""
        room = _room(one.shares)
        longest = max(10, width - room - 8)
        lines = [
            f"{cut(name, room):>{room}}  {'█' * round(share * longest)} {share:.0%}"
            for name, share in one.shares.items()
        ]
        pictures.append("\n".join([title, "", *lines]))
    return pictures


def _strips(one: Coordinates, short: Mapping[str, str], width: int) -> str:
    """Draw each parameter as a line of its range, with a mark where trials are."""
    room = _room(axis.name for axis in one.axes)
    longest = max(20, width - room - 2 * _END - 8)
    best = max(1, round(_BEST_SHARE * len(one.values)))
    title = "Where trials are"
    title += f", {shown(short.get(one.algorithm, one.algorithm))}" if one.algorithm else ""
    lines = [title, "", f"O the best of {len(one.values):,}, o the best {best:,}, · the others"]
    for axis, column in zip(one.axes, one.places.T, strict=True):
        name = f"{cut(axis.name, room):>{room}}"
        if axis.choices is not None:
            told = _choices(axis.choices, column, best)
            lines.append(f"{name}  {cut(told, width - room - 3)}")
            continue
        cells = [" "] * longest
        # the best trial is the last one, and covers the others
        for where, mark in zip(column, _marks(len(column), best), strict=True):
            if not np.isnan(where):
                cells[round(float(where) * (longest - 1))] = mark
        high = f"{axis.high:.4g}" + (" log" if axis.log else "")
        lines.append(f"{name}  {f'{axis.low:.4g}':>{_END}} │{''.join(cells)}│ {high}")
    return "\n".join(lines)


def _marks(count: int, best: int) -> list[str]:
    return ["·"] * (count - best) + ["o"] * (best - 1) + ["O"]


def _choices(choices: Sequence[str], places: np.ndarray, best: int) -> str:
    """Tell how many trials took each choice, and how many of the best ones."""
    chosen = np.round(places * (len(choices) - 1))
    parts = []
    for index, choice in enumerate(choices):
        count, of_best = int(np.sum(chosen == index)), int(np.sum(chosen[-best:] == index))
        parts.append(f"{cut(choice, _NAME)} {count}" + (f" ({of_best} o)" if of_best else ""))
    return ", ".join(parts)


def _room(names: Iterable[str]) -> int:
    return min(_NAME, max(len(shown(name)) for name in names))
