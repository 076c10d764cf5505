"""`export`: runs as Parquet and files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mooring.cli.commands import command, make_group
from mooring.cli.options import DryRunOption, OverwriteOption, source_address
from mooring.cli.output import Output
from mooring.cli.reports import show_transfer
from mooring.cli.selecting import (
    ArchivedOption,
    AttributesOption,
    ClassesOption,
    ExcludeOption,
    ExcludesOption,
    FromStoreOption,
    KindOption,
    ModelsOption,
    PatternsOption,
    ProjectsOption,
    QueryOption,
    RunsOption,
    VerifyOption,
    WorkspaceOption,
    make_selection,
)
from mooring.cli.xetrack import export_xetrack

_DATA, _FILES = Path("exports/data"), Path("exports/files")
_MODEL_DATA, _MODEL_FILES = Path("exports/model_data"), Path("exports/model_files")


def add_to(group: typer.Typer) -> None:
    """Enter the commands of this module."""
    exports = make_group(
        "Write runs where other tools read them. Without a command, 'parquet' is meant.",
        default="parquet",
    )
    command(
        exports,
        "parquet",
        example="mooring export -p team/digits\n"
        "mooring export -p team/digits -r 'DIG-1.*' --exclude files --verify\n"
        "mooring export --source neptune3 -p team/digits    # of the server of NEPTUNE_API_TOKEN\n"
        "mooring export parquet --store runs.db --data-path backup/data --files-path backup/files",
    )(export_parquet)
    command(exports, "xetrack", example="mooring export xetrack new.db --store runs.db")(
        export_xetrack
    )
    group.add_typer(exports, name="export")


def export_parquet(
    store: FromStoreOption = None,
    source: KindOption = None,
    project: ProjectsOption = None,
    workspace: WorkspaceOption = None,
    project_pattern: PatternsOption = None,
    project_exclude_pattern: ExcludesOption = None,
    runs: RunsOption = None,
    runs_query: QueryOption = None,
    attributes: AttributesOption = None,
    classes: ClassesOption = None,
    exclude: ExcludeOption = None,
    include_archived_runs: ArchivedOption = False,
    models: ModelsOption = True,
    data_path: Annotated[Path, typer.Option("--data-path", "-d", help="Root of the data.")] = _DATA,
    files_path: Annotated[
        Path, typer.Option("--files-path", "-f", help="Root of the files.")
    ] = _FILES,
    model_data_path: Annotated[
        Path, typer.Option("--model-data-path", help="Root of the data of models.")
    ] = _MODEL_DATA,
    model_files_path: Annotated[
        Path, typer.Option("--model-files-path", help="Root of the files of models.")
    ] = _MODEL_FILES,
    overwrite: OverwriteOption = False,
    verify: VerifyOption = False,
    dry_run: DryRunOption = False,
    error_report_file: Annotated[
        Path,
        typer.Option("--error-report-file", help="File that failures are appended to."),
    ] = Path("mooring_export_errors.jsonl"),
    *,
    output: Output,
) -> int | None:
    """Write runs as Parquet and files, in the layout that Neptune Exporter made common.

    Runs that were exported before and have not changed are left alone, unless --overwrite; an
    export that was cut is gone on with. Exit code 3 when something is missing; what, is told on
    standard error and in the error report.
    """
    from mooring.exchange.exporting import export_runs, write_error_report
    from mooring.exchange.sources import open_source
    from mooring.exchange.targets.parquet import ExportPlaces

    selection = make_selection(
        projects=project,
        workspace=workspace,
        patterns=project_pattern,
        excludes=project_exclude_pattern,
        runs=runs,
        query=runs_query,
        attributes=attributes,
        classes=classes,
        exclude=exclude,
        archived=include_archived_runs,
        models=models,
    )
    places = ExportPlaces(
        data=data_path,
        files=files_path,
        model_data=model_data_path,
        model_files=model_files_path,
    )
    opened = open_source(source_address(store, source), source)
    try:
        with output.progress("exporting") as progress:
            report = export_runs(
                opened,
                places,
                selection=selection,
                overwrite=overwrite,
                dry_run=dry_run,
                verify=verify,
                progress=progress,
            )
    finally:
        opened.close()
    code = show_transfer(report, output, verified=verify)
    if not dry_run and code is not None and write_error_report(report, error_report_file):
        output.say(f"what is missing is told in {error_report_file}")
    output.say(f"{'would export' if dry_run else 'exported'} to {data_path} and {files_path}")
    return code
