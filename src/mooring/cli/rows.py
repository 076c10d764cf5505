"""Commands that show a tracker's table: `head`, `tail`, `columns`, `ls`."""

from __future__ import annotations

from typing import Annotated

import typer

from mooring.cli.commands import command
from mooring.cli.lookup import list_column_names, list_columns, read_rows, reading_rows
from mooring.cli.options import EVENTS, Db, Engine, EngineOption, TableOption, TrackIdOption
from mooring.cli.output import Output
from mooring.cli.table import Table
from mooring.errors import AttributeNotFound

CountOption = Annotated[int, typer.Option("--n", min=-1, help="How many rows; -1 is all of them.")]


def add_to(group: typer.Typer) -> None:
    """Enter the commands of this module."""
    command(group, "head", example="mooring head runs.db --n 2")(head)
    command(group, "tail", example="mooring tail runs.db --n=1 --format csv")(tail)
    command(group, "columns", example="mooring columns runs.db")(columns)
    command(group, "ls", example="mooring ls runs.db\nmooring ls runs.db accuracy --unique")(ls)


def head(
    db: Db,
    n: CountOption = 5,
    table: TableOption = EVENTS,
    engine: EngineOption = Engine.SQLITE,
    *,
    output: Output,
) -> None:
    """Show the first rows of a tracker's table."""
    with reading_rows(db) as store:
        rows = read_rows(store, table, first=None if n < 0 else n)
        output.table(Table.of_arrow(rows))


def tail(
    db: Db,
    n: CountOption = 5,
    table: TableOption = EVENTS,
    engine: EngineOption = Engine.SQLITE,
    *,
    output: Output,
) -> None:
    """Show the newest rows of a tracker's table, the oldest of them first."""
    with reading_rows(db) as store:
        rows = read_rows(store, table, last=None if n < 0 else n)
        output.table(Table.of_arrow(rows))


def columns(
    db: Db,
    table: TableOption = EVENTS,
    engine: EngineOption = Engine.SQLITE,
    *,
    output: Output,
) -> None:
    """List the columns of a tracker's table, with their types in SQL."""
    with reading_rows(db) as store:
        output.table(Table(["column", "type"], list_columns(store, table)))


def ls(
    db: Db,
    column: Annotated[
        str | None,
        typer.Argument(metavar="[COLUMN]", help="Column to show.", show_default=False),
    ] = None,
    unique: Annotated[bool, typer.Option("--unique", help="Each value once.")] = False,
    track_id: TrackIdOption = None,
    table: TableOption = EVENTS,
    engine: EngineOption = Engine.SQLITE,
    *,
    output: Output,
) -> None:
    """Show the values of a column, or without one the names of all columns."""
    if column is None:
        return columns(db, table, engine, output=output)
    with reading_rows(db) as store:
        known = list_column_names(store, table)
        if column not in known:
            raise AttributeNotFound(column, where=f"table {table!r}", known=known)
        values = read_rows(store, table, track_id=track_id, columns=[column])
        if unique:
            values = type(values).from_arrays([values.column(0).unique()], schema=values.schema)
        output.table(Table.of_arrow(values))
