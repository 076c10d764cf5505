"""`summary`: what a store, an export, a backup or another tracker holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from mooring.cli.commands import PARTLY, command
from mooring.cli.formats import Format
from mooring.cli.options import source_address
from mooring.cli.output import Output
from mooring.cli.selecting import DataPathOption, KindOption, SourceArgument
from mooring.cli.table import Table

if TYPE_CHECKING:
    from mooring.exchange.summary import ProjectSummary, Summary

_NAMED = 20


def add_to(group: typer.Typer) -> None:
    """Enter the command of this module."""
    command(
        group,
        "summary",
        example="mooring summary runs.db\nmooring summary exports/ --format json",
    )(summary)


def summary(
    source: SourceArgument = None,
    kind: KindOption = None,
    data_path: DataPathOption = None,
    *,
    output: Output,
) -> int | None:
    """Tell projects, runs, attributes by type, points, files, bytes, time span and forks.

    Exit code 3 when runs are incomplete or something cannot be read.
    """
    from mooring.exchange.sources import open_source
    from mooring.exchange.summary import summarize

    address = str(data_path) if data_path is not None else source_address(source, kind)
    opened = open_source(address, kind)
    try:
        with output.progress("counting") as progress:
            found = summarize(opened, progress=progress)
    finally:
        opened.close()
    if output.format is Format.JSON:
        output.record(_record(found))
    else:
        output.sections(_sections(found))
    lines = [f"incomplete: {one}" for one in found.incomplete]
    lines += [f"not readable: {one}" for one in found.problems]
    for line in lines[:_NAMED]:
        output.say(line)
    if len(lines) > _NAMED:
        output.say(f"… and {len(lines) - _NAMED:,} more")
    return PARTLY if lines else None


def _sections(found: Summary) -> dict[str, Table]:
    names = [
        "project",
        "runs",
        "models",
        "forks",
        "trashed",
        "incomplete",
        "attributes",
        "points",
        "files",
        "file_bytes",
        "from",
        "until",
    ]
    rows = [
        (
            one.project,
            one.runs,
            sum(count for kind, count in one.kinds.items() if kind.startswith("model")),
            one.forks,
            one.trashed,
            one.incomplete,
            one.distinct,
            one.points,
            one.files,
            one.file_bytes,
            _time(one.first),
            _time(one.last),
        )
        for one in found.projects
    ]
    types = [
        (one.project, type, count)
        for one in found.projects
        for type, count in one.attributes.items()
    ]
    largest = [(one.project, run, points) for one in found.projects for run, points in one.largest]
    return {
        "projects": Table(names, rows),
        "attributes by type": Table(["project", "type", "attributes"], types),
        "largest runs": Table(["project", "run", "points"], largest),
    }


def _record(found: Summary) -> dict[str, object]:
    return {
        "source": found.source,
        "projects": [_project_record(one) for one in found.projects],
        "incomplete": [{"what": one.what, "why": one.why} for one in found.incomplete],
        "problems": [{"what": one.what, "why": one.why} for one in found.problems],
    }


def _project_record(one: ProjectSummary) -> dict[str, object]:
    return {
        "project": one.project,
        "runs": one.runs,
        "kinds": dict(one.kinds),
        "forks": one.forks,
        "trashed": one.trashed,
        "incomplete": one.incomplete,
        "attributes": dict(one.attributes),
        "distinct_attributes": one.distinct,
        "points": one.points,
        "files": one.files,
        "file_bytes": one.file_bytes,
        "first_created": _time(one.first),
        "last_created": _time(one.last),
        "largest_runs": [{"run": run, "points": points} for run, points in one.largest],
    }


def _time(micros: int | None) -> str | None:
    from mooring.model import datetime_from_micros

    return None if micros is None else datetime_from_micros(micros).isoformat()
