"""`load`: runs into other trackers."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mooring.cli.commands import FAILED, PARTLY, command
from mooring.cli.options import DryRunOption, source_address
from mooring.cli.output import Output
from mooring.cli.selecting import (
    ArchivedOption,
    AttributesOption,
    ClassesOption,
    DataPathOption,
    ExcludeOption,
    FilesPathOption,
    KindOption,
    ModelsOption,
    ProjectsOption,
    SourceArgument,
    make_selection,
)
from mooring.cli.table import Table

if TYPE_CHECKING:
    from mooring.exchange.loading import LoadReport

_NAMED = 20


def add_to(group: typer.Typer) -> None:
    """Enter the command of this module."""
    command(
        group,
        "load",
        example="mooring load runs.db --to mlflow --uri http://localhost:5000\n"
        "mooring load exports/ --to wandb --folder offline -p team/digits --dry-run",
    )(load)


def load(
    source: SourceArgument = None,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            "--loader",
            help="The target: mlflow, wandb, tensorboard, goodseed, comet, litlogger, pluto, "
            "minfx, zenml.",
        ),
    ] = "mlflow",
    kind: KindOption = None,
    data_path: DataPathOption = None,
    files_path: FilesPathOption = None,
    project: ProjectsOption = None,
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run",
            "-r",
            help="Only the run of this id; may be repeated.",
            show_default=False,
        ),
    ] = None,
    attributes: AttributesOption = None,
    classes: ClassesOption = None,
    exclude: ExcludeOption = None,
    include_archived_runs: ArchivedOption = False,
    models: ModelsOption = True,
    uri: Annotated[
        str | None,
        typer.Option(
            "--uri",
            "--mlflow-tracking-uri",
            help="Address of the target's server or store; else the target's own variable, such "
            "as MLFLOW_TRACKING_URI or WANDB_BASE_URL.",
            show_default=False,
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            "--goodseed-home",
            help="Where a target that needs no server keeps its data.",
            show_default=False,
        ),
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(
            "--into",
            "--minfx-project",
            "--goodseed-project",
            help="The one project of the target that all runs go to.",
            show_default=False,
        ),
    ] = None,
    workspace: Annotated[
        str | None,
        typer.Option(
            "--workspace",
            "--wandb-entity",
            "--comet-workspace",
            "--litlogger-owner",
            help="Workspace, entity, team or owner in the target.",
            show_default=False,
        ),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key",
            "--wandb-api-key",
            "--comet-api-key",
            "--litlogger-api-key",
            "--minfx-api-token",
            "--pluto-api-key",
            help="Key of the target's server; better its own variable, which no list of processes "
            "shows.",
            show_default=False,
        ),
    ] = None,
    user_id: Annotated[
        str | None,
        typer.Option(
            "--user-id", "--litlogger-user-id", help="User id (LitLogger).", show_default=False
        ),
    ] = None,
    online: Annotated[
        bool,
        typer.Option("--online", help="Send runs to the server at once (W&B, Comet)."),
    ] = False,
    step_multiplier: Annotated[
        int,
        typer.Option(
            "--step-multiplier",
            min=1,
            help="What steps are multiplied by, exactly, before they are cut to whole ones.",
        ),
    ] = 1,
    name_prefix: Annotated[
        str, typer.Option("--name-prefix", help="Put before the names of projects.")
    ] = "",
    journal: Annotated[
        Path | None,
        typer.Option(
            "--journal",
            help="File that a cut load goes on from. Default: one below .mooring/ here.",
            show_default=False,
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--manifest",
            help="File that tells item by item what arrived. Default: beside the journal.",
            show_default=False,
        ),
    ] = None,
    dry_run: DryRunOption = False,
    *,
    output: Output,
) -> int | None:
    """Load runs into another tracker, read them back, and list what it cannot hold.

    Runs that an earlier load completed are skipped; a load that was cut is gone on with, inside a
    run too. Exit code 0 when all is there that the target can hold, 3 when something is missing,
    1 when no run could be loaded.
    """
    from mooring.exchange.loading import load_runs
    from mooring.exchange.sources import SourceOptions, open_source
    from mooring.exchange.target import LoadSettings
    from mooring.exchange.targets import TargetOptions, open_target

    selection = make_selection(
        projects=project,
        attributes=attributes,
        classes=classes,
        exclude=exclude,
        archived=include_archived_runs,
        models=models,
        run_ids=run,
    )
    settings = LoadSettings(step_multiplier=step_multiplier, name_prefix=name_prefix)
    options = TargetOptions(
        uri=uri,
        folder=folder,
        project=into,
        workspace=workspace,
        api_key=api_key,
        user_id=user_id,
        online=online,
    )
    address = str(data_path) if data_path is not None else source_address(source, kind)
    with (
        closing(open_source(address, kind, SourceOptions(files=files_path))) as opened,
        closing(open_target(to, options, settings)) as target,
        output.progress(f"loading into {to}") as progress,
    ):
        report = load_runs(
            opened,
            target,
            selection=selection,
            settings=settings,
            journal=journal,
            manifest=manifest,
            dry_run=dry_run,
            progress=progress,
        )
    return _show(report, output)


def _show(report: LoadReport, output: Output) -> int | None:
    names = ["project", "run", "status", "id", "values", "series", "points", "files", "lost"]
    rows = [
        (
            run.project,
            run.run_id,
            str(run.status),
            run.id,
            run.values,
            run.series,
            run.points,
            run.files,
            sum(one.count for one in run.lost),
        )
        for run in report.runs
    ]
    output.table(Table(names, rows))
    lines = [f"{report.address}: {problem}" for problem in report.problems]
    for run in report.runs:
        where = f"{run.project}, run {run.run_id!r}"
        lines += [f"{where}: missing: {problem}" for problem in run.problems]
        lines += [
            f"{where}: not held: {one.path or 'the run'}: {one.why} ({one.count})"
            for one in run.lost
        ]
    for line in lines[:_NAMED]:
        output.say(line)
    more = len(lines) - _NAMED + report.not_named
    if more > 0:
        output.say(f"… and {more:,} more, in the manifest")
    output.say(f"{report.target} at {report.address}: {report.outcome}")
    if report.manifest is not None:
        output.say(f"item by item: {report.manifest}")
    if report.dry_run or report.is_complete:
        return None
    from mooring.exchange.loading.report import RunStatus

    nothing = (RunStatus.FAILED, RunStatus.NOT_REACHED)
    return FAILED if all(run.status in nothing for run in report.runs) else PARTLY
