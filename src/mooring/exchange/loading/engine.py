"""`load_runs`: every run of a source into a target."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from mooring.errors import ProjectNotFound, RunNotFound
from mooring.exchange.loading.attempts import Attempts, Failure, RetrySettings, TargetGone
from mooring.exchange.loading.journal import Journal, RunId, place_of
from mooring.exchange.loading.order import order_runs
from mooring.exchange.loading.outline import AttributeFilter
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
from mooring.exchange.source import Progress, Source, SourceRun
from mooring.exchange.target import LoadSettings, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSelection:
    """What is loaded; everything, unless it is told otherwise.

    Attributes
    ----------
    projects : full names
    run_ids : ids of runs (`sys/custom_run_id`) or short ids (`sys/id`), in any of the projects
    runs : tells of a run whether it is loaded
    attributes : tells of a path and type whether it is loaded
    """

    projects: Sequence[str] | None = None
    run_ids: Sequence[str] | None = None
    runs: Callable[[SourceRun], bool] | None = None
    attributes: AttributeFilter | None = None


def load_runs(
    source: Source,
    target: Target,
    *,
    select: LoadSelection | None = None,
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
    select
        What is loaded.
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
    ProjectNotFound, RunNotFound
        A name of the selection that the source does not have.
    InvalidInput
        The journal belongs to another load, or another process writes it.
    ExchangeError
        The source cannot be read at all; journal or manifest cannot be written.

    What goes wrong with one run or attribute is in the report, and the rest goes on.
    """
    select, settings = select or LoadSelection(), settings or LoadSettings()
    retry = retry or RetrySettings()
    projects = _choose(source, select)
    runs = [run for chosen in projects for run in chosen.runs]
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
            source=source,
            target=target,
            journal=book,
            attempts=Attempts(retry),
            keep=select.attributes or (lambda path, type: True),
            work=Path(work),
            seed=f"{settings.step_multiplier};",
        )
        loader = _Loader(context, list_of_items, dry_run=dry_run)
        for done, loading in enumerate(loader.load_all(projects), 1):
            if progress is not None and loading:
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


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Runs of a project in the order in which they are loaded, and all that it has."""

    runs: Sequence[SourceRun]
    circle: Sequence[SourceRun]
    known: dict[str, SourceRun]


def _choose(source: Source, select: LoadSelection) -> Sequence[_Chosen]:
    projects = source.list_projects()
    if select.projects is not None:
        for name in select.projects:
            if name not in projects:
                raise ProjectNotFound(name, where=source.address, known=projects)
        projects = [name for name in projects if name in set(select.projects)]
    chosen, wanted = [], None if select.run_ids is None else set(select.run_ids)
    unseen = set(wanted or ())
    for project in projects:
        runs = source.list_runs(project)
        picked = []
        for run in runs:
            if wanted is not None:
                names = {run.run_id, run.sys_id} & wanted
                if not names:
                    continue
                unseen -= names
            if select.runs is None or select.runs(run):
                picked.append(run)
        ordered, circle = order_runs(picked)
        chosen.append(_Chosen(ordered, circle, {run.run_id: run for run in runs}))
    if unseen:
        raise RunNotFound(min(unseen), where=source.address)
    return chosen


class _Loader:
    """Loads runs one after the other, and remembers what the target calls them."""

    def __init__(self, context: Context, manifest: Manifest | None, *, dry_run: bool) -> None:
        self._context = context
        self._manifest = manifest
        self._dry_run = dry_run
        self._ids: dict[RunId, str | None] = {}
        self.loads: list[RunLoad] = []
        self.problems = ProblemList()
        self.named = Named()

    def load_all(self, projects: Sequence[_Chosen]) -> Iterator[bool]:
        """Load the runs; yield for each whether it was reached."""
        gone = False
        for chosen in projects:
            for run in chosen.circle:
                self.problems.add(
                    f"{run.project}/{run.run_id}", "its parents form a circle", kind="circle"
                )
            for run in chosen.runs:
                if not gone:
                    gone = self._load(run, chosen.known)
                else:
                    self._add(
                        RunLoad(
                            project=run.project, run_id=run.run_id, status=RunStatus.NOT_REACHED
                        ),
                        {},
                    )
                yield not gone

    def _load(self, run: SourceRun, known: dict[str, SourceRun]) -> bool:
        """Load a run; return whether the target is gone."""
        loading: RunLoading | None = None
        gone = False
        try:
            loading = RunLoading(self._context, run, parent=self._parent_of(run, known))
            loading.execute(dry_run=self._dry_run)
        except TargetGone as error:
            gone = True
            self.problems.add(
                self._context.target.address,
                f"does not answer, and the load broke off: {error}. Load again to go on",
            )
        if loading is None:
            self._add(
                RunLoad(project=run.project, run_id=run.run_id, status=RunStatus.NOT_REACHED), {}
            )
        else:
            load = loading.load
            self._ids[(run.project, run.run_id)] = load.id or None
            self._add(load, loading.result.attributes)
        return gone

    def _parent_of(self, run: SourceRun, known: dict[str, SourceRun]) -> str | None:
        """Return the target's id of the run's parent, loaded now or earlier."""
        if run.parent is None:
            return None
        key = (run.project, run.parent)
        if key not in self._ids:
            parent = known.get(run.parent)
            found = (
                None if parent is None else RunLoading(self._context, parent, parent=None).find()
            )
            self._ids[key] = None if found is None or isinstance(found, Failure) else found.id
        return self._ids[key]

    def _add(self, load: RunLoad, attributes: dict[str, dict[str, object]]) -> None:
        if self._manifest is not None:
            self._manifest.add(load, attributes)
        self.loads.append(self.named.trim(load))
