"""The group `stats`: what a tracker's columns hold, and their best rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mooring.cli.commands import command, make_group
from mooring.cli.lookup import OWN_COLUMNS, list_column_names, read_rows, reading_rows
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
from mooring.cli.table import Table
from mooring.errors import AttributeNotFound, InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

_STATISTICS = (
    "count",
    "missing",
    "not_finite",
    "mean",
    "std",
    "min",
    "25%",
    "50%",
    "75%",
    "max",
    "unique",
    "top",
    "frequency",
)


def add_to(group: typer.Typer) -> None:
    """Enter the commands of this module."""
    stats = make_group("Statistics of a tracker's table.")
    command(
        stats,
        "describe",
        example="mooring stats describe runs.db --columns accuracy,loss",
    )(describe)
    command(stats, "top", example="mooring stats top runs.db accuracy")(top)
    command(stats, "bottom", example="mooring stats bottom runs.db loss")(bottom)
    group.add_typer(stats, name="stats")


def describe(
    db: Db,
    columns: Annotated[
        str | None,
        typer.Option("--columns", help="Names, separated by commas.", show_default=False),
    ] = None,
    track_id: TrackIdOption = None,
    table: TableOption = EVENTS,
    engine: EngineOption = Engine.SQLITE,
    *,
    output: Output,
) -> None:
    """Describe columns: a row for each statistic, a column for each column.

    Numbers have count, mean, standard deviation (of a sample), extremes and quartiles, all of
    their finite values; 'not_finite' counts NaN and infinities. Other columns have the number of
    distinct values, and the most frequent one.
    """
    with reading_rows(db) as store:
        known = list_column_names(store, table)
        wanted = _split(columns, known, table) if columns else known[len(OWN_COLUMNS) :]
        rows = read_rows(store, table, track_id=track_id, columns=wanted)
    described = [_describe(rows, name) for name in wanted]
    shown = [name for name in _STATISTICS if any(name in one for one in described)]
    output.table(
        Table(
            ["statistic", *wanted],
            [(name, *(one.get(name) for one in described)) for name in shown],
        )
    )


def top(
    db: Db,
    column: ColumnArgument,
    track_id: TrackIdOption = None,
    table: TableOption = EVENTS,
    engine: EngineOption = Engine.SQLITE,
    *,
    output: Output,
) -> None:
    """Show all rows that hold the highest value of a column."""
    _extreme(db, column, track_id, table, output, highest=True)


def bottom(
    db: Db,
    column: ColumnArgument,
    track_id: TrackIdOption = None,
    table: TableOption = EVENTS,
    engine: EngineOption = Engine.SQLITE,
    *,
    output: Output,
) -> None:
    """Show all rows that hold the lowest value of a column."""
    _extreme(db, column, track_id, table, output, highest=False)


def _extreme(
    db: str, column: str, track_id: str | None, table: str, output: Output, *, highest: bool
) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    from mooring.store.tables import is_mixed

    with reading_rows(db) as store:
        _split(column, list_column_names(store, table), table, separator=None)
        rows = read_rows(store, table, track_id=track_id)
    field, values = rows.schema.field(column), rows.column(column)
    if is_mixed(field):
        raise InvalidInput(f"column {column!r} holds numbers beside texts, which do not compare")
    if pa.types.is_floating(field.type):  # NaN is neither high nor low
        values = pc.if_else(pc.is_nan(values), None, values)
    extreme = pc.min_max(values)["max" if highest else "min"]
    found = rows.filter(pc.equal(values, extreme)) if extreme.is_valid else rows.slice(0, 0)
    output.table(Table.of_arrow(found))


def _describe(rows: pa.Table, name: str) -> dict[str, object]:
    import pyarrow as pa
    import pyarrow.compute as pc

    field, values = rows.schema.field(name), rows.column(name)
    result: dict[str, object] = {
        "count": len(values) - values.null_count,
        "missing": values.null_count,
    }
    values = values.drop_null()
    if pa.types.is_integer(field.type) or pa.types.is_floating(field.type):
        finite = values.filter(pc.is_finite(values))
        result["not_finite"] = len(values) - len(finite)
        if len(finite):
            quartiles = pc.quantile(finite, [0.25, 0.5, 0.75]).to_pylist()
            extremes = pc.min_max(finite).as_py()
            spread = pc.stddev(finite, ddof=1).as_py() if len(finite) > 1 else None
            result |= {
                "mean": pc.mean(finite).as_py(),
                "std": spread,
                "min": extremes["min"],
                "max": extremes["max"],
            }
            result |= zip(("25%", "50%", "75%"), quartiles, strict=True)
    elif len(values):
        from mooring.store.tables import decode

        counts = values.value_counts()
        frequencies = counts.field("counts")
        most = pc.max(frequencies)
        at = pc.index(frequencies, most).as_py()
        result |= {
            "unique": len(counts),
            "top": decode(field, counts.field("values").slice(at, 1))[0],
            "frequency": most.as_py(),
        }
    return result


def _split(
    text: str, known: Sequence[str], table: str, *, separator: str | None = ","
) -> Sequence[str]:
    """Return the columns that a text names; `AttributeNotFound` for one that is not there."""
    if text in known or separator is None:
        names = [text]
    else:
        names = [name.strip() for name in text.split(separator) if name.strip()]
    for name in names:
        if name not in known:
            raise AttributeNotFound(name, where=f"table {table!r}", known=known)
    return list(dict.fromkeys(names))
