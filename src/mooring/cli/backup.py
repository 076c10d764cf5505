"""`backup` and `restore`: runs as the folder tree of Neptune's bulk backup script, and back."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mooring.cli.commands import Misuse, command
from mooring.cli.options import DryRunOption, StoreOption, source_address, store_address
from mooring.cli.output import Output
from mooring.cli.reports import show_transfer
from mooring.cli.selecting import (
    ExcludesOption,
    FromStoreOption,
    KeptArchivedOption,
    KindOption,
    ModelsOption,
    PatternsOption,
    ProjectsOption,
    QueryOption,
    RunsOption,
    VerifyOption,
    WorkspaceOption,
    make_selection,
    read_zone,
)
from mooring.store import open_store

if TYPE_CHECKING:
    from mooring.exchange.sources.backup import ScriptRules


def add_to(group: typer.Typer) -> None:
    """Enter the commands of this module."""
    command(
        group,
        "backup",
        example="mooring backup\n"
        "mooring backup saved/ --verify\n"
        "mooring backup saved/ -p team/digits -r '^DIG-1' --artifacts",
    )(backup)
    command(
        group,
        "restore",
        example="mooring restore saved/ --store new.db --verify\n"
        "mooring restore neptune_download/ --timezone Europe/Warsaw --dry-run",
    )(restore)


def backup(
    folder: Annotated[
        str | None,
        typer.Argument(
            metavar="FOLDER",
            help="Where to; made when it is missing. Left out on a terminal, it is asked for, and "
            "artifacts and projects too.",
            show_default=False,
        ),
    ] = None,
    store: FromStoreOption = None,
    source: KindOption = None,
    project: ProjectsOption = None,
    workspace: WorkspaceOption = None,
    project_pattern: PatternsOption = None,
    project_exclude_pattern: ExcludesOption = None,
    runs: RunsOption = None,
    runs_query: QueryOption = None,
    archived_runs: KeptArchivedOption = True,
    models: ModelsOption = True,
    artifacts: Annotated[
        bool,
        typer.Option("--artifacts", help="Fetch the files, too, that artifacts track elsewhere."),
    ] = False,
    full: Annotated[
        bool,
        typer.Option("--full", help="Write every run anew, not only what changed."),
    ] = False,
    timezone: Annotated[
        str,
        typer.Option(
            "--timezone",
            help="Time zone of the times in CSV files, such as Europe/Warsaw.",
        ),
    ] = "UTC",
    verify: VerifyOption = False,
    dry_run: DryRunOption = False,
    *,
    output: Output,
) -> int | None:
    """Write runs as the folder tree of Neptune's bulk backup script.

    WORKSPACE/PROJECT/RUN holds simple_metadata.json, a CSV file for each series of numbers or
    texts, and files under their paths. What that cannot say lies beside it under names that begin
    with a dot, with a manifest of checksums, so that 'mooring restore' gives back an equal store.
    Only what changed is written again, and a backup that was cut goes on where it was. Exit code 3
    when something is missing; what, is told on standard error.
    """
    from mooring.exchange.sources import open_source
    from mooring.exchange.targets.backup import ask_questions, back_up

    if folder is None and not sys.stdin.isatty():
        raise Misuse("Missing argument 'FOLDER'. Name the folder to write to.")
    opened = open_source(source_address(store, source), source)
    try:
        if folder is None:
            answers = ask_questions(opened.list_projects(), answers=sys.stdin, words=sys.stderr)
            folder = answers.folder
            artifacts = artifacts or answers.artifacts
            project = project or list(answers.projects)
        selection = make_selection(
            projects=project,
            workspace=workspace,
            patterns=project_pattern,
            excludes=project_exclude_pattern,
            runs=runs,
            query=runs_query,
            archived=archived_runs,
            models=models,
        )
        with output.progress("backing up") as progress:
            report = back_up(
                opened,
                folder,
                selection=selection,
                artifacts=artifacts,
                incremental=not full,
                dry_run=dry_run,
                verify=verify,
                zone=timezone,
                progress=progress,
            )
    finally:
        opened.close()
    code = show_transfer(report, output, verified=verify and not dry_run)
    output.say(f"{'would back up' if dry_run else 'backed up'} to {folder}")
    return code


def restore(
    folder: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER",
            help="A backup: of 'mooring backup', or of Neptune's bulk backup script.",
            show_default=False,
        ),
    ],
    store: StoreOption = None,
    project: ProjectsOption = None,
    runs: RunsOption = None,
    archived_runs: KeptArchivedOption = True,
    models: ModelsOption = True,
    timezone: Annotated[
        str | None,
        typer.Option(
            "--timezone",
            help="Time zone of the machine on which Neptune's script ran, such as Europe/Warsaw. "
            "Default: that of this one.",
            show_default=False,
        ),
    ] = None,
    string_set: Annotated[
        list[str] | None,
        typer.Option(
            "--string-set",
            help="Attribute of the script's trees that is a set of texts, beside sys/tags and "
            "sys/group_tags; may be repeated.",
            show_default=False,
        ),
    ] = None,
    string_series: Annotated[
        list[str] | None,
        typer.Option(
            "--string-series",
            help="Series of the script's trees, as a regular expression, that hold texts even "
            "where all of them are numbers; may be repeated.",
            show_default=False,
        ),
    ] = None,
    datetimes: Annotated[
        bool,
        typer.Option(
            "--datetimes/--no-datetimes",
            help="Texts of the script's trees that look like times are times.",
        ),
    ] = True,
    log: Annotated[
        Path | None,
        typer.Option(
            "--log",
            help="Log file of Neptune's script, which tells where a run was cut.",
            show_default=False,
        ),
    ] = None,
    verify: VerifyOption = False,
    dry_run: DryRunOption = False,
    *,
    output: Output,
) -> int | None:
    """Bring the runs of a backup into a store, each whole or not at all.

    The store is made when it is missing. Files are checked against the backup's manifest. A run
    that the store has with other content is reported as a conflict and not touched. Exit code 3
    when something could not come in; what, is told on standard error.
    """
    from mooring.exchange.restoring import restore as bring_back

    selection = make_selection(projects=project, runs=runs, archived=archived_runs, models=models)
    rules = _rules(timezone, string_set, string_series, datetimes, log)
    address = store_address(store)
    # A dry run makes no store, not even an empty one.
    shown = ":memory:" if dry_run and not os.path.exists(address) else address  # noqa: PTH110
    _check(folder, rules)
    with closing(open_store(shown)) as target, output.progress("restoring") as progress:
        report = bring_back(
            folder,
            target,
            selection=selection,
            rules=rules,
            dry_run=dry_run,
            verify=verify,
            progress=progress,
        )
    code = show_transfer(report, output, verified=verify and not dry_run)
    output.say(f"{'would restore' if dry_run else 'restored'} into {address}")
    return code


def _check(folder: str, rules: ScriptRules) -> None:
    """Refuse what is no backup before a store is made for it."""
    from mooring.exchange.sources.backup import BackupSource

    BackupSource(folder, rules=rules).close()


def _rules(
    timezone: str | None,
    string_sets: list[str] | None,
    string_series: list[str] | None,
    datetimes: bool,
    log: Path | None,
) -> ScriptRules:
    from mooring.exchange.sources.backup import ScriptRules

    read_zone(timezone)
    usual = ScriptRules()
    return ScriptRules(
        zone=timezone,
        string_sets=(*usual.string_sets, *(string_sets or ())),
        string_series=(*usual.string_series, *(string_series or ())),
        datetimes=datetimes,
        log="" if log is None else log.read_text(errors="replace"),
    )
