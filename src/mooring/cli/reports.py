"""Shows what an export, import, backup or load did."""

from __future__ import annotations

from mooring.cli.commands import PARTLY
from mooring.cli.output import Output
from mooring.cli.table import Table
from mooring.exchange.reports import Outcome, RunOutcome, TransferReport

_NAMED = 20
"""Problems that are told before they are only counted."""

_COLUMNS = [
    "project",
    "runs",
    *(str(outcome) for outcome in Outcome),
    "values",
    "points",
    "files",
    "bytes",
]


def show_transfer(report: TransferReport, output: Output, *, verified: bool = False) -> int | None:
    """Write a row for each project, tell what is missing, and return the exit code."""
    projects: dict[str, list[RunOutcome]] = {}
    for run in report.runs:
        projects.setdefault(run.project, []).append(run)
    columns = [*_COLUMNS, "verified"] if verified else _COLUMNS
    rows = []
    for project, runs in sorted(projects.items()):
        row: list[object] = [project, len(runs)]
        row += [sum(run.outcome is outcome for run in runs) for outcome in Outcome]
        row += [sum(getattr(run, name) for run in runs) for name in ("values", "points", "files")]
        row.append(sum(run.size_bytes for run in runs))
        if verified:
            row.append(sum(run.verified is True for run in runs))
        rows.append(row)
    output.table(Table(columns, [tuple(row) for row in rows]))
    lines = [line for run in report.runs for line in _lines(run)]
    lines += [str(problem) for problem in report.problems]
    for line in lines[:_NAMED]:
        output.say(line)
    more = len(lines) - _NAMED + report.problems_not_named
    if more > 0:
        output.say(f"… and {more:,} more")
    if not report.runs:
        output.say(f"no run of {report.source} was chosen")
    return None if report.is_complete else PARTLY


def _lines(run: RunOutcome) -> list[str]:
    where = f"{run.project}, run {run.run_id!r}"
    if run.outcome is Outcome.FAILED:
        return [f"{where}: failed: {run.note}"]
    lines = [f"{where}: {run.note}"] if run.note else []
    for problem in run.missing:
        lines.append(f"{where}, {problem.what!r}: {problem.why}")
    return lines
