"""`load_runs`: every run of a source into a target."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from mooring.exchange.loading.attempts import Attempts, Failure, RetrySettings, TargetGone
from mooring.exchange.loading.journal import Journal, RunId, place_of
from mooring.exchange.loading.report import (
    LoadReport,
    Manifest,
    Named,
    RunLoad,
    RunStatus,
    manifest_beside,
)
from mooring.exchange.loading.run import Context, RunLoading
from mooring.exchange.reports import ProblemList
from mooring.exchange.selection import Selection, select
from mooring.exchange.source import Progress, Source, SourceRun
from mooring.exchange.target import LoadSettings, Target
from mooring.model import order_by_lineage


def load_runs(
    source: Source,
    target: Target,
    *,
    selection: Selection | None = None,
    settings: LoadSettings | None = None,
    journal: Path | None = None,
    manifest: Path | None = None,
    dry_run: bool = False,
    retry: RetrySettings | None = None,
    progress: Progress | None = None,
) -> LoadReport:
    """Load runs into a target; go on where an earlier load was cut.

    Parameters
    ----------
    source, target
        From where and to where. Neither is closed.
    selection
        What is loaded; by default all living runs, whole.
    settings
        The settings that `target` was made with.
    journal
        The file that a load which was cut resumes from. By default
        `.mooring/load-TARGET-DIGEST.jsonl` below the current folder, one for each pair of
        addresses.
    manifest
        The file that tells item by item what arrived and what did not. By default it lies beside
        the journal, with the time of the load in its name.
    dry_run
        Find out what would be done. Nothing is written: not to the target, nor a journal.
    retry
        How often calls are tried again that failed for the moment.
    progress
        Called with the number of runs that are done, and of all.

    Raises
    ------
    ProjectNotFound, QueryError
        The selection names what the source does not have, or cannot be read.
    InvalidInput
        The journal belongs to another load, or another process writes it.
    ExchangeError
        The source cannot be read at all; journal or manifest cannot be written.

    What goes wrong with one run or attribute is in the report, and the rest goes on.
    """
    settings, retry = settings or LoadSettings(), retry or RetrySettings()
    selected = select(source, selection)
    runs = [
        run
        for project in selected.list_projects()
        for run in order_by_lineage(selected.list_runs(project))
    ]
    with ExitStack() as stack:
        place = journal or place_of(target.name, source.address, target.address)
        book = list_of_items = None
        if not dry_run:
            book = Journal(place, source=source.address, target=target.address)
            stack.callback(book.close)
            list_of_items = Manifest(
                manifest or manifest_beside(place),
                source=source.address,
                target=target,
                settings=asdict(settings),
            )
            stack.callback(list_of_items.close)
        work = stack.enter_context(tempfile.TemporaryDirectory(prefix="mooring-load-"))
        context = Context(
            source=selected,
            target=target,
            journal=book,
            attempts=Attempts(retry),
            work=Path(work),
            seed=f"{settings.step_multiplier};",
        )
        loader = _Loader(context, list_of_items, dry_run=dry_run)
        for done, run in enumerate(runs, 1):
            loader.load(run)
            if progress is not None:
                progress(done, len(runs))
        report = LoadReport(
            source=source.address,
            target=target.name,
            address=target.address,
            dry_run=dry_run,
            runs=tuple(loader.loads),
            problems=tuple(loader.problems.named),
            manifest=None if list_of_items is None else list_of_items.file,
            not_named=loader.named.not_named + loader.problems.not_named,
        )
        if list_of_items is not None:
            list_of_items.finish(report)
    return report


class _Loader:
    """Loads runs one after the other, and remembers what the target calls them."""

    def __init__(self, context: Context, manifest: Manifest | None, *, dry_run: bool) -> None:
        self._context = context
        self._manifest = manifest
        self._dry_run = dry_run
        self._ids: dict[RunId, str | None] = {}
        self._all_runs: tuple[str, dict[str, SourceRun]] = ("", {})
        self._gone = False
        self.loads: list[RunLoad] = []
        self.problems = ProblemList()
        self.named = Named()

    def load(self, run: SourceRun) -> None:
        """Load a run, if the target still answers."""
        loading: RunLoading | None = None
        if not self._gone:
            try:
                loading = RunLoading(self._context, run, parent=self._parent_of(run))
                loading.execute(dry_run=self._dry_run)
            except TargetGone as error:
                self._gone = True
                self.problems.add(
                    self._context.target.address,
                    f"does not answer, and the load broke off: {error}. Load again to go on",
                )
        if loading is None:
            load = RunLoad(project=run.project, run_id=run.run_id, status=RunStatus.NOT_REACHED)
        else:
            load = loading.load
            self._ids[(run.project, run.run_id)] = load.id or None
        if self._manifest is not None:
            self._manifest.add(load, {} if loading is None else loading.result.attributes)
        self.loads.append(self.named.trim(load))

    def _parent_of(self, run: SourceRun) -> str | None:
        """Return the target's id of the run's parent, loaded now or earlier."""
        if run.parent is None:
            return None
        key = (run.project, run.parent)
        if key not in self._ids:
            parent = self._runs_of(run.project).get(run.parent)
            found = None if parent is None else RunLoading(self._context, parent).find()
            self._ids[key] = None if found is None or isinstance(found, Failure) else found.id
        return self._ids[key]

    def _runs_of(self, project: str) -> dict[str, SourceRun]:
        """Return all runs of a project, also those that are not chosen."""
        if self._all_runs[0] != project:
            runs = self._context.source.source.list_runs(project)
            self._all_runs = (project, {run.run_id: run for run in runs})
        return self._all_runs[1]
