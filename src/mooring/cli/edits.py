"""Commands that change a tracker's table: `set`, `delete`, `undelete`, `copy`."""

from __future__ import annotations

import re
import shlex
import sys
from typing import Annotated

import typer

from mooring.cli.cells import shown
from mooring.cli.commands import Misuse, command
from mooring.cli.lookup import (
    find_run,
    find_table,
    read_rows,
    reading,
    table_of,
    writing,
)
from mooring.cli.options import (
    EVENTS,
    Db,
    DryRunOption,
    Engine,
    EngineOption,
    ProjectOption,
    RunArgument,
    StoreArgument,
    TableOption,
    TrackIdArgument,
)
from mooring.cli.output import Output
from mooring.store.contract import Store

_INTEGER = re.compile(r"[+-]?[0-9]+")
_INT64 = range(-(2**63), 2**63)
_NUMBER = re.compile(
    r"[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|nan|inf|infinity)", re.IGNORECASE
)


def add_to(group: typer.Typer) -> None:
    """Enter the commands of this module."""
    command(
        group,
        "set",
        example="mooring set runs.db accuracy 0.8 --track-id ebony-loon-6720\n"
        "mooring set runs.db note good --where-key epoch --where-value 3",
        numbers=True,
    )(set_)
    command(group, "delete", example="mooring delete runs.db ebony-loon-6720")(delete)
    command(group, "undelete", example="mooring undelete runs.db ebony-loon-6720")(undelete)
    command(group, "copy", example="mooring copy source.db target.db")(copy)


def parse_cell(text: str) -> str | int | float | bool:
    """Return the number or truth value that a text is, else the text.

    >>> parse_cell("3"), parse_cell("-1e-3"), parse_cell("true"), parse_cell("1_000")
    (3, -0.001, True, '1_000')
    """
    if text in ("true", "True", "false", "False"):
        return text in ("true", "True")
    if _INTEGER.fullmatch(text) and int(text) in _INT64:
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def set_(
    db: Db,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Column.", show_default=False)],
    value: Annotated[
        str,
        typer.Argument(
            metavar="VALUE",
            help="A number, true or false where it reads as one; else text.",
            show_default=False,
        ),
    ],
    track_id: Annotated[
        str | None, typer.Option("--track-id", help="Rows of this run.", show_default=False)
    ] = None,
    where_key: Annotated[
        str | None,
        typer.Option("--where-key", help="Rows whose cell here is ...", show_default=False),
    ] = None,
    where_value: Annotated[
        str | None, typer.Option("--where-value", help="... this value.", show_default=False)
    ] = None,
    as_text: Annotated[bool, typer.Option("--text", help="VALUE is text, even if 0.8.")] = False,
    dry_run: DryRunOption = False,
    table: TableOption = EVENTS,
    engine: EngineOption = Engine.SQLITE,
    *,
    output: Output,
) -> None:
    """Set a cell in rows of a tracker's table, "back in time".

    Without --track-id and --where-key in every row of the table. A --where-value that reads as
    a number means cells that hold the number, and those that hold the text.
    """
    if (where_key is None) != (where_value is None):
        raise Misuse("--where-key and --where-value belong together")
    cell = value if as_text else parse_cell(value)
    meant: list[object] = []
    with reading(db) as store:
        if where_key is None:
            project = find_table(store, table)
            keys = None if track_id is None else [find_run(store, track_id, project).key]
            found = store.count_events(project, keys)
        else:
            meant, found = _cells_meant(store, table, track_id, where_key, str(where_value))
    if dry_run:
        return output.say(f"would set {key} to {cell!r} in {_rows(found)}")
    changed = _change(db, table, key, cell, track_id, where_key, meant)
    return output.say(f"set {key} to {cell!r} in {_rows(changed)}")


def delete(
    db: Db,
    track_id: TrackIdArgument,
    for_good: Annotated[
        bool, typer.Option("--for-good", help="Not to the trash; nothing brings it back.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before --for-good.")] = False,
    dry_run: DryRunOption = False,
    table: TableOption = EVENTS,
    engine: EngineOption = Engine.SQLITE,
    *,
    output: Output,
) -> None:
    """Move a run with its rows to the trash, out of every reader's sight."""
    with writing(db) as store:
        run = find_run(store, track_id, find_table(store, table))
        rows = _rows(store.count_events(run.project, [run.key]))
        how = "for good" if for_good else "to the trash"
        if dry_run:
            return output.say(f"would delete run {run.run_id} with {rows} {how}")
        if not for_good:
            store.trash_runs([run.key])
            words = ["mooring", "undelete", db, run.run_id]
            words += [] if run.project == table_of(EVENTS) else ["--table", table]
            return output.say(
                f"moved run {run.run_id} with {rows} to the trash; "
                f"to take it out: {shlex.join(words)}"
            )
        if not yes:
            _confirm(f"delete run {run.run_id} with {rows} for good?")
        store.delete_runs([run.key])
        return output.say(
            f"deleted run {run.run_id} with {rows}; 'mooring compact {db}' frees the disk"
        )


def undelete(
    store: StoreArgument,
    run: RunArgument,
    project: ProjectOption = None,
    table: Annotated[
        str | None, typer.Option("--table", help="Table of the tracker.", show_default=False)
    ] = None,
    *,
    output: Output,
) -> None:
    """Take a run out of the trash."""
    if project and table:
        raise Misuse("--table is a project of its own: give one of the two")
    with writing(store) as opened:
        found = find_run(opened, run, table_of(table) if table else project)
        if not found.trashed:
            return output.say(f"run {found.run_id} of {found.project} is not in the trash")
        opened.restore_runs([found.key])
        return output.say(f"restored run {found.run_id} of {found.project}")


def copy(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="The store to copy from.", show_default=False),
    ],
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="The store to copy to.", show_default=False),
    ],
    assets: Annotated[bool, typer.Option("--assets/--no-assets", help="Copy assets too.")] = True,
    table: Annotated[
        list[str] | None,
        typer.Option("--table", help="Only this table; may be repeated.", show_default=False),
    ] = None,
    *,
    output: Output,
) -> None:
    """Copy the rows of a tracker's tables that the target lacks."""
    from mooring.tracker import copy as copy_tables

    with output.progress("copying") as progress:
        copied = copy_tables(source, target, assets=assets, tables=table or None, progress=progress)
    output.say(f"copied {_rows(copied)} from {source} to {target}")


def _cells_meant(
    store: Store, table: str, track_id: str | None, key: str, text: str
) -> tuple[list[object], int]:
    """Return the distinct cells of a column that a text stands for, and how many rows have one."""
    from mooring.store.tables import decode

    rows = read_rows(store, table, track_id=track_id, columns=[key])
    counts = rows.column(0).value_counts()
    cells = decode(rows.schema.field(0), counts.field("values"))
    number = parse_cell(text)
    meant = [
        (cell, count)
        for cell, count in zip(cells, counts.field("counts").to_pylist(), strict=True)
        if cell is not None
        and (cell == text or shown(cell) == text or (type(cell) is type(number) and cell == number))
    ]
    return [cell for cell, _ in meant], sum(count for _, count in meant)


def _change(
    db: str,
    table: str,
    key: str,
    cell: object,
    track_id: str | None,
    where_key: str | None,
    meant: list[object],
) -> int:
    from mooring.tracker import Reader

    with Reader(db, table=table) as reader:
        if where_key is None:
            return reader.set_value(key, cell, track_id)
        return sum(reader.set_where(key, cell, where_key, one, track_id) for one in meant)


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise Misuse("--for-good asks first, and nobody can answer here: add --yes")
    typer.confirm(question, abort=True, err=True)


def _rows(count: int) -> str:
    return f"{count:,} row" + "s" * (count != 1)
