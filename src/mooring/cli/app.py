"""The command `mooring`: all groups of commands together."""

from __future__ import annotations

from typing import Annotated

import typer

from mooring.cli import (
    assets,
    backup,
    cache,
    care,
    config,
    edits,
    exporting,
    hub,
    importing,
    loading,
    plot,
    projects,
    rows,
    runs,
    sql,
    stats,
    study,
    summary,
    tokens,
    users,
)
from mooring.cli.commands import make_group

app = make_group(
    "Mooring keeps experiments: show, change, ask, compare and care for the runs of a store.\n\n"
    "Where a store is asked for and left out, it is the one of MOORING_STORE. Data goes to "
    "standard output, words to standard error. Exit codes: 0 done, 1 failed, 2 misuse, "
    "3 partly done.",
    completion=True,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mooring {version('mooring')}")
        raise typer.Exit


@app.callback()
def start(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Take the options that come before a command."""


rows.add_to(app)
edits.add_to(app)
sql.add_to(app)
assets.add_to(app)
cache.add_to(app)
stats.add_to(app)
plot.add_to(app)
runs.add_to(app)
study.add_to(app)
care.add_to(app)
backup.add_to(app)
exporting.add_to(app)
importing.add_to(app)
loading.add_to(app)
summary.add_to(app)
hub.add_to(app)
users.add_to(app)
tokens.add_to(app)
projects.add_to(app)
config.add_to(app)
