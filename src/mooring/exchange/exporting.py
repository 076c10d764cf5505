"""`export_runs`: runs of any source as Parquet and files, verified if asked to."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from mooring.exchange.reports import Outcome, TransferReport
from mooring.exchange.selection import Selection, select
from mooring.exchange.source import Progress, Source
from mooring.exchange.sources.parquet import ParquetSource
from mooring.exchange.targets.parquet import ExportPlaces, write_export
from mooring.exchange.verifying import verify_transfer


def export_runs(
    source: Source,
    places: ExportPlaces | str | Path | None = None,
    *,
    selection: Selection | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    verify: bool = False,
    progress: Progress | None = None,
) -> TransferReport:
    """Write runs to Parquet and files, in the layout that Neptune Exporter made common.

    A run that was exported before and has not changed since is left alone; one that has changed
    is exported again. An export that was cut is gone on with, inside a run too. Runs that lie in
    Parquet files of their own are copied, not read.

    Parameters
    ----------
    source : where the runs are
    places : the roots of the export, or one folder for all of them
    selection : what is taken; default: all living runs, whole
    overwrite : export runs again that have not changed
    dry_run : only tell what would be exported
    verify : read everything back and compare it with the source
    progress : called with the number of runs that are done and that there are

    Raises
    ------
    InvalidInput, ProjectNotFound
        When the selection names what the source does not have.
    StoreFull
        When the disk is full. What is complete is kept.
    """
    if places is None:
        places = ExportPlaces()
    elif not isinstance(places, ExportPlaces):
        places = ExportPlaces.below(Path(places))
    chosen = select(source, selection)
    report = write_export(chosen, places, overwrite=overwrite, dry_run=dry_run, progress=progress)
    if verify and not dry_run and report.runs:
        report = verify_transfer(report, chosen, ParquetSource(places.roots), progress=progress)
    return report


def write_error_report(report: TransferReport, path: Path) -> int:
    """Append what is missing to a file of JSON lines; return how many lines.

    Each has `project_id`, `run_id`, `attribute_path` (null: the whole run), `message` and `time`.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    found: list[tuple[str | None, str | None, str | None, str]] = []
    for run in report.runs:
        found += [(run.project, run.run_id, one.what, one.why) for one in run.missing]
        if run.outcome in (Outcome.FAILED, Outcome.CONFLICT):
            found.append((run.project, run.run_id, None, run.note))
    found += [(None, None, None, str(problem)) for problem in report.problems]
    names = ("project_id", "run_id", "attribute_path", "message")
    lines = [{**dict(zip(names, one, strict=True)), "time": now} for one in found]
    if lines:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    return len(lines)
