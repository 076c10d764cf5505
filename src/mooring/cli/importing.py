"""`import`: runs of other systems into a store."""

from __future__ import annotations

import os
from contextlib import closing
from enum import StrEnum
from typing import Annotated

import typer

from mooring.cli.commands import Misuse, command, make_group
from mooring.cli.options import DryRunOption, StoreOption, store_address
from mooring.cli.output import Output
from mooring.cli.reports import show_transfer
from mooring.cli.selecting import (
    AttributesOption,
    ClassesOption,
    ExcludeOption,
    FilesPathOption,
    KeptArchivedOption,
    KindOption,
    ModelsOption,
    ProjectsOption,
    RunsOption,
    VerifyOption,
    ZoneOption,
    make_selection,
    read_zone,
)
from mooring.cli.xetrack import import_xetrack
from mooring.store import open_store


class Attach(StrEnum):
    """What becomes of Parquet files that a store can take as they are."""

    COPY = "copy"
    LINK = "link"


def add_to(group: typer.Typer) -> None:
    """Enter the commands of this module."""
    imports = make_group(
        "Bring runs of other systems into a store. Without a command, 'runs' is meant: "
        "mooring import exports/ is mooring import runs exports/.",
        default="runs",
    )
    command(
        imports,
        "runs",
        example="mooring import exports/ --store runs.db --verify\n"
        "mooring import runs logs/ --from tensorboard --into team/digits --dry-run\n"
        "mooring import --from neptune3 -p team/digits --store runs.db",
    )(import_runs)
    command(
        imports,
        "xetrack",
        example="mooring import xetrack old.db --store runs.db --dry-run",
    )(import_xetrack)
    group.add_typer(imports, name="import")


def import_runs(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            help="A folder, a file, or where a server is: an export, a backup, another tracker's. "
            "Left out with --from neptune3 (the server of NEPTUNE_API_TOKEN) and --from mlflow "
            "(MLFLOW_TRACKING_URI).",
            show_default=False,
        ),
    ] = None,
    store: StoreOption = None,
    kind: KindOption = None,
    into: Annotated[
        str | None,
        typer.Option(
            "--into",
            help="The project that runs go to, instead of their own.",
            show_default=False,
        ),
    ] = None,
    project: ProjectsOption = None,
    runs: RunsOption = None,
    attributes: AttributesOption = None,
    classes: ClassesOption = None,
    exclude: ExcludeOption = None,
    archived_runs: KeptArchivedOption = True,
    models: ModelsOption = True,
    files_path: FilesPathOption = None,
    timezone: ZoneOption = None,
    attach: Annotated[
        Attach,
        typer.Option(
            "--attach",
            help="Parquet that can be taken as it is: copy it, or make a hard link, after which "
            "nobody may change the file in place.",
        ),
    ] = Attach.COPY,
    verify: VerifyOption = False,
    dry_run: DryRunOption = False,
    *,
    output: Output,
) -> int | None:
    """Bring runs into a store, each whole or not at all; the store is made when it is missing.

    Repeating an import changes nothing. A run that the store has with other content is reported
    as a conflict and not touched. Exit code 3 when something could not come in; what, is told on
    standard error.
    """
    from mooring.exchange.importing import import_runs as bring_in
    from mooring.exchange.sources import SourceOptions, default_address, open_source

    selection = make_selection(
        projects=project,
        runs=runs,
        attributes=attributes,
        classes=classes,
        exclude=exclude,
        archived=archived_runs,
        models=models,
    )
    options = SourceOptions(files=files_path, project=into, zone=read_zone(timezone))
    where = source or default_address(kind)
    if where is None:
        raise Misuse("Missing argument 'SOURCE'. Name where the runs are.")
    opened = open_source(where, kind, options)
    try:
        address = store_address(store)
        # A dry run makes no store, not even an empty one.
        shown = ":memory:" if dry_run and not os.path.exists(address) else address  # noqa: PTH110
        with closing(open_store(shown)) as target, output.progress("importing") as progress:
            report = bring_in(
                opened,
                target,
                selection=selection,
                project=into,
                attach=str(attach),
                dry_run=dry_run,
                verify=verify,
                progress=progress,
            )
    finally:
        opened.close()
    code = show_transfer(report, output, verified=verify)
    output.say(f"{'would import' if dry_run else 'imported'} into {address}")
    return code
