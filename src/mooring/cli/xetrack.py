"""`import xetrack` and `export xetrack`: files of xetrack."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from mooring.cli.commands import PARTLY
from mooring.cli.lookup import reading
from mooring.cli.options import DryRunOption, OverwriteOption, StoreOption, store_address
from mooring.cli.output import Output
from mooring.cli.table import Table
from mooring.store import open_store

if TYPE_CHECKING:
    from mooring.exchange.reports import Problem, Renamed

_NAMED_PROBLEMS = 20

_TablesOption = Annotated[
    list[str] | None,
    typer.Option("--table", help="Only this table; may be repeated.", show_default=False),
]


def import_xetrack(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="File that xetrack wrote.", show_default=False),
    ],
    store: StoreOption = None,
    table: _TablesOption = None,
    dry_run: DryRunOption = False,
    *,
    output: Output,
) -> int | None:
    """Move the rows and assets of a file of xetrack into a store.

    The file is only read, and the store made when it is missing. To repeat it adds what is new.
    Exit code 3 when something could not be held; what, is told on standard error.
    """
    from mooring.exchange.sources.xetrack import import_xetrack as move_in
    from mooring.tracker.xetrack.file import XetrackFile

    with XetrackFile(file):
        pass  # what is no such file is refused before a store is made for it
    address = store_address(store)
    # A dry run makes no store, not even an empty one.
    shown = ":memory:" if dry_run and not os.path.exists(address) else address  # noqa: PTH110
    with closing(open_store(shown)) as opened, output.progress("importing") as progress:
        report = move_in(file, opened, tables=table or None, dry_run=dry_run, progress=progress)
    output.table(
        Table(
            ["table", "project", "rows", "rows_added", "rows_present", "rows_left_out"],
            [
                (
                    one.table,
                    one.project,
                    one.rows,
                    one.rows_added,
                    one.rows_present,
                    one.rows_left_out,
                )
                for one in report.tables
            ],
        )
    )
    would = "would import" if dry_run else "imported"
    output.say(
        f"{would} {report.rows_added:,} rows and {report.assets_added:,} assets into {address}"
    )
    return _tell(report.renamed, report.problems, report.problems_not_named, output)


def export_xetrack(
    file: Annotated[str, typer.Argument(metavar="FILE", help="File to write.", show_default=False)],
    store: StoreOption = None,
    table: _TablesOption = None,
    overwrite: OverwriteOption = False,
    *,
    output: Output,
) -> int | None:
    """Write tables of a store to a file that xetrack's own tools read and go on with.

    Exit code 3 when the file cannot hold something; what, is told on standard error.
    """
    from mooring.exchange.targets.xetrack import export_xetrack as move_out

    with reading(store_address(store)) as opened, output.progress("exporting") as progress:
        report = move_out(
            opened, file, tables=table or None, overwrite=overwrite, progress=progress
        )
    output.table(
        Table(
            ["project", "table", "rows", "runs", "columns", "times_moved"],
            [
                (one.project, one.table, one.rows, one.runs, one.columns, one.times_moved)
                for one in report.tables
            ],
        )
    )
    output.say(f"exported {report.rows:,} rows and {report.assets:,} assets to {file}")
    return _tell(report.renamed, report.problems, report.problems_not_named, output)


def _tell(
    renamed: Sequence[Renamed], problems: Sequence[Problem], not_named: int, output: Output
) -> int | None:
    """Tell what changed and what was left out; return the exit code."""
    for one in renamed:
        what = f"column {one.old!r} of table {one.table!r}" if one.column else repr(one.old)
        output.say(f"renamed: {what} is {one.new!r}")
    for problem in problems[:_NAMED_PROBLEMS]:
        output.say(f"not held: {problem}")
    more = len(problems) - _NAMED_PROBLEMS + not_named
    if more > 0:
        output.say(f"not held: {more:,} more")
    return PARTLY if problems else None
