"""Reads back what was written elsewhere, and compares it with where it came from."""

from __future__ import annotations

from dataclasses import replace

from mooring.errors import MooringError
from mooring.exchange.comparing import compare_runs
from mooring.exchange.reports import Outcome, Problem, RunOutcome, TransferReport
from mooring.exchange.source import Progress, Source, SourceRun

_WRITTEN = (Outcome.DONE, Outcome.PRESENT, Outcome.PARTLY)


def verify_transfer(
    report: TransferReport,
    source: Source,
    target: Source,
    *,
    ignored: frozenset[str] = frozenset(),
    progress: Progress | None = None,
) -> TransferReport:
    """Return a report that also tells of each run whether the target holds it equal.

    Parameters
    ----------
    report : what was written
    source, target : where it came from, and where it was written
    ignored : attributes that are not compared
    """
    tell = progress or (lambda done, total: None)
    ours = _runs(source, report)
    theirs = _runs(target, report)
    outcomes = []
    for number, outcome in enumerate(report.runs):
        tell(number, len(report.runs))
        if outcome.outcome in _WRITTEN:
            key = (outcome.project, outcome.run_id)
            outcome = _verify(outcome, source, ours.get(key), target, theirs.get(key), ignored)
        outcomes.append(outcome)
    tell(len(report.runs), len(report.runs))
    problems = [p for p in target.problems.named if p not in report.problems]
    return replace(report, runs=tuple(outcomes), problems=(*report.problems, *problems))


def _runs(source: Source, report: TransferReport) -> dict[tuple[str, str], SourceRun]:
    known = set(source.list_projects())
    return {
        (run.project, run.run_id): run
        for project in dict.fromkeys(one.project for one in report.runs)
        if project in known
        for run in source.list_runs(project)
    }


def _verify(
    outcome: RunOutcome,
    source: Source,
    run: SourceRun | None,
    target: Source,
    written: SourceRun | None,
    ignored: frozenset[str],
) -> RunOutcome:
    if run is None or written is None:
        where = source.address if run is None else target.address
        missing = (*outcome.missing, Problem(f"run {outcome.run_id!r}", f"not found in {where}"))
        return replace(outcome, outcome=Outcome.PARTLY, missing=missing, verified=False)
    known = {problem.what for problem in outcome.missing}
    try:
        comparison = compare_runs(source, run, target, written, ignored=ignored | known)
    except (MooringError, OSError) as error:
        problem = Problem(f"run {outcome.run_id!r}", f"could not be compared: {error}")
        return replace(outcome, missing=(*outcome.missing, problem), verified=False)
    found = [one for one in comparison.differences if one.path not in known]
    told = tuple(
        Problem(one.path, f"{one.what}{f' ({one.detail})' if one.detail else ''}") for one in found
    )
    return replace(
        outcome,
        outcome=Outcome.PARTLY if found else outcome.outcome,
        missing=(*outcome.missing, *told),
        verified=not found,
    )
