"""The group `plot`: columns of a tracker's table as pictures, in the terminal or in a file."""

from __future__ import annotations

from typing import Annotated

import typer

from mooring.cli.commands import Misuse, command, make_group
from mooring.cli.lookup import reading_rows
from mooring.cli.options import (
    EVENTS,
    ColumnArgument,
    Db,
    Engine,
    EngineOption,
    TableOption,
    TrackIdOption,
)
from mooring.cli.output import Output
from mooring.cli.pictures import Picture, draw_file, draw_text

_PictureOption = Annotated[
    str | None,
    typer.Option("--output", help="Write a .png or .svg file instead.", show_default=False),
]
_OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace a file that is there.")
]
_TitleOption = Annotated[str | None, typer.Option("--title", show_default=False)]
_WidthOption = Annotated[
    int | None,
    typer.Option(
        "--width", min=20, max=1000, help="Characters (pixels / 10 in a file).", show_default=False
    ),
]
_HeightOption = Annotated[
    int, typer.Option("--height", min=5, max=1000, help="Lines (pixels / 20 in a file).")
]


def add_to(group: typer.Typer) -> None:
    """Enter the commands of this module."""
    plot = make_group("Pictures of a tracker's columns.")
    command(
        plot,
        "line",
        example="mooring plot line runs.db loss --x epoch\n"
        "mooring plot line runs.db loss accuracy --track-id ebony-loon-6720 --output loss.png",
    )(line)
    command(plot, "scatter", example="mooring plot scatter runs.db lr accuracy")(scatter)
    command(plot, "hist", example="mooring plot hist runs.db accuracy --bins 20")(hist)
    group.add_typer(plot, name="plot")


def line(
    db: Db,
    columns: Annotated[
        list[str], typer.Argument(metavar="COLUMN...", help="Names of columns.", show_default=False)
    ],
    x: Annotated[
        str | None, typer.Option("--x", help="Column across; else the row.", show_default=False)
    ] = None,
    track_id: TrackIdOption = None,
    target: _PictureOption = None,
    overwrite: _OverwriteOption = False,
    title: _TitleOption = None,
    width: _WidthOption = None,
    height: _HeightOption = 20,
    table: TableOption = EVENTS,
    engine: EngineOption = Engine.SQLITE,
    *,
    output: Output,
) -> None:
    """Draw columns as lines over the rows of a run, or over --x; one line a run and column."""
    from mooring.cli.plot_data import read_lines

    with reading_rows(db) as store:
        lines, left_out = read_lines(store, table, columns, x=x, track_id=track_id)
    picture = Picture(
        kind="line",
        lines=lines,
        title=title or ", ".join(columns),
        x_label=x or "row",
        y_label=", ".join(columns),
        width=width,
        height=height,
    )
    _draw(picture, left_out, target, overwrite, output)


def scatter(
    db: Db,
    x: Annotated[str, typer.Argument(metavar="X", help="Column across.", show_default=False)],
    y: Annotated[str, typer.Argument(metavar="Y", help="Column upwards.", show_default=False)],
    track_id: TrackIdOption = None,
    target: _PictureOption = None,
    overwrite: _OverwriteOption = False,
    title: _TitleOption = None,
    width: _WidthOption = None,
    height: _HeightOption = 20,
    table: TableOption = EVENTS,
    engine: EngineOption = Engine.SQLITE,
    *,
    output: Output,
) -> None:
    """Draw a point for each row: one column across, another upwards."""
    from mooring.cli.plot_data import read_lines

    with reading_rows(db) as store:
        lines, left_out = read_lines(store, table, [y], x=x, track_id=track_id, by_run=False)
    picture = Picture(
        kind="scatter",
        lines=lines,
        title=title or f"{x} vs {y}",
        x_label=x,
        y_label=y,
        width=width,
        height=height,
    )
    _draw(picture, left_out, target, overwrite, output)


def hist(
    db: Db,
    column: ColumnArgument,
    bins: Annotated[int, typer.Option("--bins", min=1, max=1000, help="Number of bars.")] = 20,
    track_id: TrackIdOption = None,
    target: _PictureOption = None,
    overwrite: _OverwriteOption = False,
    title: _TitleOption = None,
    width: _WidthOption = None,
    height: _HeightOption = 20,
    table: TableOption = EVENTS,
    engine: EngineOption = Engine.SQLITE,
    *,
    output: Output,
) -> None:
    """Draw how often the values of a column fall into each of --bins equal parts."""
    from mooring.cli.plot_data import read_values

    with reading_rows(db) as store:
        lines, left_out = read_values(store, table, column, track_id=track_id)
    picture = Picture(
        kind="hist",
        lines=lines,
        title=title or column,
        x_label=column,
        y_label="rows",
        width=width,
        height=height,
        bins=bins,
    )
    _draw(picture, left_out, target, overwrite, output)


def _draw(
    picture: Picture, left_out: int, target: str | None, overwrite: bool, output: Output
) -> None:
    if left_out:
        output.say(f"not drawn, because missing, NaN or infinite: {left_out:,}")
    if target is None:
        output.picture(draw_text(picture))
        return
    suffix = target.rpartition(".")[2].lower()
    if suffix not in ("png", "svg"):
        raise Misuse(f"--output is a .png or .svg file, not {target!r}")
    draw_file(picture, target, suffix, overwrite=overwrite)
    output.say(f"wrote {target}")
