"""Commands that care for a store: `compact`, `doctor`, `du`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from mooring.cli.commands import FAILED, command
from mooring.cli.lookup import deriving, find_project, reading, writing
from mooring.cli.options import DryRunOption, ProjectOption, StoreArgument
from mooring.cli.output import Output
from mooring.cli.table import Table
from mooring.errors import InvalidInput
from mooring.store.usage import DiskUsage, MeasuresUsage


class Share(StrEnum):
    """What `du` tells apart."""

    PROJECT = "project"
    RUN = "run"
    ATTRIBUTE = "attribute"


def add_to(group: typer.Typer) -> None:
    """Enter the commands of this module."""
    command(group, "compact", example="mooring compact runs.db\nmooring compact runs.db --events")(
        compact
    )
    command(group, "doctor", example="mooring doctor runs.db\nmooring doctor runs.db --repair")(
        doctor
    )
    command(group, "du", example="mooring du runs.db --by attribute --format csv")(du)


def compact(
    store: StoreArgument,
    project: ProjectOption = None,
    events: Annotated[
        bool,
        typer.Option(
            "--events",
            help="Rows of tracker's tables too. Views in the file do not show them any more; "
            "'mooring sql' and every reader do.",
        ),
    ] = False,
    dry_run: DryRunOption = False,
    *,
    output: Output,
) -> None:
    """Seal points in Parquet files, drop what was deleted for good, free the disk."""
    if dry_run:
        with deriving(store) as opened:
            name = project and find_project(opened, project)
            _tell_unsealed(_measure(opened), name, events, output)
        return
    with writing(store) as opened:
        name = project and find_project(opened, project)
        with output.progress("compacting") as progress:
            report = opened.compact(name or None, events=events, progress=progress)
    output.record(
        {
            "points_sealed": report.points_sealed,
            "segments_written": report.segments_written,
            "segments_removed": report.segments_removed,
            "files_removed": report.blobs_removed,
            "bytes_freed": report.bytes_freed,
        }
    )


def doctor(
    store: StoreArgument,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended without loss.")
    ] = False,
    *,
    output: Output,
) -> int | None:
    """Look for damage. Exit code 1 when some is left; notes are no damage."""
    with writing(store) if repair else reading(store) as opened:
        check = opened.check(repair=repair)
    output.table(
        Table(
            ["severity", "finding", "repaired"],
            [(found.severity, found.what, found.repaired) for found in check.findings],
        )
    )
    repaired = sum(found.repaired for found in check.findings)
    left = sum(not found.repaired and found.severity != "note" for found in check.findings)
    if repaired:
        output.say(f"{repaired} repaired")
    if not left:
        output.say(f"{store} is sound")
        return None
    advice = "" if repair else "; --repair mends what can be mended"
    output.say(f"{left} left{advice}")
    return FAILED


def du(
    store: StoreArgument,
    by: Annotated[
        Share, typer.Option("--by", help="What to tell apart: project, run or attribute.")
    ] = Share.PROJECT,
    *,
    output: Output,
) -> None:
    """Tell how many bytes each project, run or attribute takes, the largest first.

    log_bytes is the content of rows that are not sealed; segment_bytes is estimated by the number
    of rows in a shared file, and log_bytes by attribute, too; a file that several name counts for
    each. What the whole store takes on the disk, which is exact, is told on standard error.
    """
    with deriving(store) as opened:
        usage = _measure(opened, by)
    names = ["project", *([] if by is Share.PROJECT else [str(by)])]
    rows = [
        (
            *(getattr(part, name) for name in names),
            part.log_bytes,
            part.segment_bytes,
            part.file_bytes,
            part.total_bytes,
        )
        for part in usage.parts
    ]
    sizes = ["log_bytes", "segment_bytes", "file_bytes", "total_bytes"]
    output.table(Table([*names, *sizes], rows))
    total = usage.database_bytes + usage.segment_bytes + usage.file_bytes
    output.say(
        f"{total:,} bytes on the disk: database {usage.database_bytes:,}, "
        f"segments {usage.segment_bytes:,}, files {usage.file_bytes:,}"
    )


def _measure(store: object, by: Share = Share.PROJECT) -> DiskUsage:
    if not isinstance(store, MeasuresUsage):
        raise InvalidInput("this kind of store cannot tell how many bytes what takes")
    return store.measure_usage(by.value)


def _tell_unsealed(usage: DiskUsage, project: str | None, events: bool, output: Output) -> None:
    size = sum(part.log_bytes for part in usage.parts if project in (None, part.project))
    less = "" if events else ", less rows of tracker's tables (--events seals those too)"
    output.say(f"would seal up to {size:,} bytes of the log{less}, and free what is deleted")
