"""The command `sql`: a statement of DuckDB on the tables and the runs of a store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mooring.cli.commands import command
from mooring.cli.options import EVENTS, Db, Engine, EngineOption, TableOption
from mooring.cli.output import Output
from mooring.cli.table import Table
from mooring.errors import QueryError

if TYPE_CHECKING:
    import duckdb

_BLOCK_ROWS = 5_000


def add_to(group: typer.Typer) -> None:
    """Enter the commands of this module."""
    command(
        group,
        "sql",
        example='mooring sql runs.db "SELECT * FROM db.events WHERE accuracy > 0.8"\n'
        'mooring sql runs.db "SELECT model, max(accuracy) FROM db.events GROUP BY model" --json\n'
        "mooring sql runs.db \"SELECT run, min(value) FROM db.points WHERE path = 'loss' "
        'GROUP BY run"',
    )(sql)


def sql(
    db: Db,
    query: Annotated[
        str,
        typer.Argument(metavar="QUERY", help="A statement of DuckDB's SQL.", show_default=False),
    ],
    table: TableOption = EVENTS,
    engine: EngineOption = Engine.SQLITE,
    *,
    output: Output,
) -> None:
    """Ask a store in SQL: tables as db.events, db.default, db.<table>, and what runs logged.

    db.points and db.texts are the points of series, with project, run, path, step, time (UTC)
    and value; a fork has those that it inherits, too. db.attributes has project, run, path, type,
    value (as text) and number of each attribute, of a series the last one. A statement on points
    reads all of them: of many millions, ask the Parquet of an export. Sealed rows and those that
    are not are there alike. SQL cannot change the tables: set, delete and undelete do.
    """
    import duckdb

    from mooring.tracker import Reader

    with Reader(db, table=table) as reader:
        try:
            result = reader.conn.execute(query)
            if result.description is not None:
                columns = [column[0] for column in result.description]
                output.table(Table(columns, _fetch(result)))
        except duckdb.Error as error:
            raise QueryError(f"DuckDB: {error}") from error


def _fetch(result: duckdb.DuckDBPyConnection) -> Iterator[Sequence[object]]:
    while rows := result.fetchmany(_BLOCK_ROWS):
        yield from rows
