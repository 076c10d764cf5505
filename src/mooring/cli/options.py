"""Arguments and options that several commands have."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer

from mooring.cli.commands import STORE_VARIABLE

DEFAULT_STORE = "runs.db"
"""Where commands find a store that nothing names."""


class Engine(StrEnum):
    """Engines of xetrack's files. There is one here, which does what either did."""

    SQLITE = "sqlite"
    DUCKDB = "duckdb"


Db = Annotated[
    str, typer.Argument(metavar="DB", help="The store: a file such as runs.db.", show_default=False)
]
StoreArgument = Annotated[
    str,
    typer.Argument(metavar="STORE", help="The store: a file such as runs.db.", show_default=False),
]
TableOption = Annotated[
    str,
    typer.Option("--table", help="Table of the tracker; 'default' is another name of 'events'."),
]
EngineOption = Annotated[
    Engine,
    typer.Option(
        "--engine", help="sqlite or duckdb; accepted for xetrack's sake, changes nothing."
    ),
]
TrackIdOption = Annotated[
    str | None, typer.Option("--track-id", help="Only rows of this run.", show_default=False)
]
ProjectOption = Annotated[
    str | None,
    typer.Option(
        "--project",
        help="Project, as workspace/name or name. Needed only where a store holds several.",
        show_default=False,
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Tell what would change, and change nothing.")
]
RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="Id of the run: its own, or the short one.", show_default=False
    ),
]
ColumnArgument = Annotated[
    str, typer.Argument(metavar="COLUMN", help="Name of the column.", show_default=False)
]
TrackIdArgument = Annotated[
    str, typer.Argument(metavar="TRACK_ID", help="Track id of the run.", show_default=False)
]
HashArgument = Annotated[
    str, typer.Argument(metavar="HASH", help="Hash of the asset.", show_default=False)
]
OutputFile = Annotated[
    str,
    typer.Argument(
        metavar="OUTPUT", help="File to write; '-' is standard output.", show_default=False
    ),
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")]
EVENTS = "events"
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        help=f"The store. Default: {STORE_VARIABLE}, else {DEFAULT_STORE}.",
        show_default=False,
    ),
]


def store_address(named: str | None) -> str:
    """Return the store that was named, else the default one."""
    return named or os.environ.get(STORE_VARIABLE) or DEFAULT_STORE


def source_address(named: str | None, kind: str | None) -> str:
    """Return the source that was named, else where its kind is by default, else the store."""
    from mooring.exchange.sources import default_address

    return named or default_address(kind) or store_address(None)
