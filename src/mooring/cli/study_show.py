"""`study show`: a study, its best and last trials, and pictures of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from mooring.cli.commands import Misuse, command
from mooring.cli.formats import Format
from mooring.cli.options import OverwriteOption
from mooring.cli.output import Output
from mooring.cli.study_opening import (
    StudyArgument,
    StudyProjectOption,
    StudyStoreOption,
    reading_study,
)
from mooring.cli.table import Table

_MOST_BEST = 20
"""Trials of a Pareto front that are shown; JSON has all of them."""


class Panel(StrEnum):
    """What pictures show."""

    HISTORY = "history"
    IMPORTANCE = "importance"
    PARALLEL = "parallel"
    ALL = "all"


def add_to(group: typer.Typer) -> None:
    """Enter the command of this module."""
    command(
        group,
        "show",
        example="mooring study show svc --store runs.db --plot history\n"
        "mooring study show svc --store runs.db --picture svc.png",
    )(show)


def show(
    name: StudyArgument,
    picture: Annotated[
        str | None,
        typer.Option("--picture", help="Write a picture: a .png or .svg file.", show_default=False),
    ] = None,
    plot: Annotated[
        Panel | None,
        typer.Option(
            "--plot",
            help="history of values (of several objectives, what was reached of each pair), "
            "importance of parameters, parallel coordinates, or all; as characters, or of "
            "--picture, where all is the default.",
            show_default=False,
        ),
    ] = None,
    last: Annotated[int, typer.Option("--last", min=0, help="So many of the last trials.")] = 10,
    overwrite: OverwriteOption = False,
    store: StudyStoreOption = None,
    project: StudyProjectOption = None,
    *,
    output: Output,
) -> None:
    """Show what a study was made from, its trials by state, the best and the last of them."""
    from mooring.cli.study_tables import count_states, spec_record, spec_tables
    from mooring.cli.study_tables import trial_record as record
    from mooring.cli.study_tables import trial_table as table

    if picture is not None and picture.rpartition(".")[2].lower() not in ("png", "svg"):
        raise Misuse(f"--picture is a .png or .svg file, not {picture!r}")
    if plot is not None and picture is None and output.format not in _FOR_PEOPLE:
        raise Misuse(f"--plot draws characters, which are no {output.format}; name a --picture")
    panels = [each for each in Panel if each is not Panel.ALL and plot in (each, Panel.ALL, None)]
    with reading_study(name, store, project) as study:
        trials, best = study.trials, study.best_trials
        spec, space = study.spec, study.space
        where = {"project": study.project, "store": study.store.address}
    if picture is not None:
        from mooring.cli.study_pictures import draw_study

        words = draw_study(spec, trials, panels, picture, overwrite=overwrite)
        words.append(f"wrote {picture}")
    else:
        words = []
    latest = trials[len(trials) - last :] if last < len(trials) else trials if last else []
    if output.format is Format.JSON:
        output.record(
            {
                **spec_record(spec, **where),
                "trials": count_states(trials),
                "best": [record(spec, trial) for trial in best],
                "last": [record(spec, trial) for trial in latest],
            }
        )
    else:
        output.sections(
            {
                **spec_tables(spec, space, **where),
                "trials": Table(["state", "trials"], list(count_states(trials).items())),
                "best": table(spec, best[:_MOST_BEST]),
                "last": table(spec, latest),
            }
        )
        if len(best) > _MOST_BEST:
            words.append(f"{_MOST_BEST} of {len(best):,} best trials")
    if plot is not None and picture is None:
        from mooring.cli.study_text_pictures import show_study

        drawn, more = show_study(spec, trials, panels)
        for text in drawn:
            output.picture(f"\n{text}")
        words += more
    for line in words:
        output.say(line)


_FOR_PEOPLE = (Format.TABLE, Format.MARKDOWN)
