"""Imports runs of any source into a store, each whole or not at all.

Order of events for a run, and what a SIGKILL after each leaves behind:

1. its files are put among the store's blobs       blobs that nothing names; `compact` removes them
2. its points are written, or files attached       segments that belong to nothing; `doctor` tells
3. one transaction enters the run                  the run, whole

The same import again skips what is there and equal, so it also completes one that was cut. A run
that came in with something missing, and is as the source but for that, is deleted and comes in
again; a kill between the two leaves it out, and the same import brings it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from mooring.errors import (
    AlreadyExists,
    InvalidInput,
    MooringError,
    ProjectNotFound,
    StoreError,
    StoreReadOnly,
)
from mooring.exchange.comparing import Difference, compare_points, compare_runs
from mooring.exchange.moving import MISSING, RunMover
from mooring.exchange.reports import Outcome, Problem, ProblemList, RunOutcome, TransferReport
from mooring.exchange.selection import SelectedSource, Selection, select
from mooring.exchange.source import (
    Progress,
    Source,
    SourceRun,
    file_of,
)
from mooring.exchange.sources.store import StoreSource
from mooring.model import (
    ProjectName,
    RunInfo,
    RunSpec,
    order_by_lineage,
)
from mooring.store.contract import Store
from mooring.store.transfer import TransfersRuns

_PARENT = "sys/forking/parent"

DERIVED = frozenset(
    {
        "sys/id",
        "sys/custom_run_id",
        "sys/state",
        "sys/family",
        "sys/forking/depth",
        "sys/forking/parent",
        "sys/forking/step",
        "sys/experiment/is_head",
        "sys/experiment/name",
        "sys/trashed",
        "sys/running_time_seconds",
        MISSING,
    }
)
"""Attributes that the store derives from what a run is; they are not compared as values."""

_WRITABLE = (
    "sys/name",
    "sys/description",
    "sys/tags",
    "sys/group_tags",
    "sys/failed",
    "sys/archived",
)
"""Attributes below `sys/` that users set."""
_TIMES = frozenset({"sys/creation_time", "sys/modification_time", "sys/ping_time"})


def import_runs(
    source: Source,
    store: Store,
    *,
    selection: Selection | None = None,
    project: str | None = None,
    attach: str = "copy",
    dry_run: bool = False,
    verify: bool = False,
    progress: Progress | None = None,
) -> TransferReport:
    """Bring runs of a source into a store.

    A run keeps its project, ids, names, times, lineage, steps and files. One that the store has
    already is compared: an equal one is left alone, another one is reported as a conflict and
    nothing is changed. A run of which something cannot be read comes in without it, and with the
    attribute `import/missing` that tells what; it is completed by an import from a whole source.

    Parameters
    ----------
    source : where the runs are
    store : an open store
    selection : what is taken; default: all living runs, whole
    project : the project that all runs go to, instead of their own
    attach : what becomes of Parquet files that can be taken as they are: "copy", "link" (a hard
        link; then nobody may change the file in place), "refer" (a symbolic link)
    dry_run : only tell what would come in
    verify : read everything back and compare it with the source
    progress : called with the number of runs that are done and that there are

    Raises
    ------
    InvalidInput, ProjectNotFound
        When the selection names what the source does not have.
    StoreReadOnly, StoreFull
        When the store cannot take anything.
    """
    if store.read_only and not dry_run:
        raise StoreReadOnly(
            f"{store.address} is opened for reading only; open it for writing to import into it",
            address=store.address,
        )
    if not isinstance(store, TransfersRuns):
        raise InvalidInput(f"{store.address} cannot take runs in whole")
    target = str(ProjectName.parse(project)) if project is not None else None
    job = _Import(select(source, selection), store, target, attach, dry_run, verify)
    return job.run(progress or (lambda done, total: None))


class _Import:
    def __init__(
        self,
        source: SelectedSource,
        store: Store,
        project: str | None,
        attach: str,
        dry_run: bool,
        verify: bool,
    ) -> None:
        self._source = source
        self._store = store
        self._project = project
        self._mover = RunMover(source, store, attach=attach, read_all=verify)
        self._dry_run = dry_run
        self._verify = verify
        self._inside = StoreSource(store)
        self._problems = ProblemList()
        self._runs: dict[tuple[str, str], SourceRun] = {}

    def run(self, progress: Progress) -> TransferReport:
        runs: list[SourceRun] = []
        for project in self._source.list_projects():
            runs += order_by_lineage(self._source.list_runs(project))
        self._runs = {(self._project_of(run), run.run_id): run for run in runs}
        outcomes = []
        told = list(self._source.problems.named)
        for number, run in enumerate(runs):
            progress(number, len(runs))
            outcomes.append(self._import(run))
        progress(len(runs), len(runs))
        of_runs = {problem for outcome in outcomes for problem in outcome.missing}
        told += [p for p in self._source.problems.named[len(told) :] if p not in of_runs]
        problems = [*told, *self._problems.named]
        return TransferReport(
            source=self._source.address,
            target=self._store.address,
            runs=tuple(outcomes),
            problems=tuple(problems),
            problems_not_named=self._source.problems.not_named + self._problems.not_named,
        )

    def _project_of(self, run: SourceRun) -> str:
        return self._project or run.project

    def _import(self, run: SourceRun) -> RunOutcome:
        project = self._project_of(run)
        try:
            present = self._find(project, run.run_id)
            if present is not None:
                return self._compare(run, present)
            if self._dry_run:
                return self._plan(run)
            outcome = self._move(run)
            return self._verified(run, outcome) if self._verify else outcome
        except StoreError:
            raise  # the store cannot go on, so nor can the rest
        except AlreadyExists as error:
            return _failed(project, run, Outcome.CONFLICT, str(error))
        except (MooringError, OSError, pa.ArrowException) as error:
            return _failed(project, run, Outcome.FAILED, str(error))

    def _find(self, project: str, run_id: str) -> RunInfo | None:
        try:
            return self._store.find_run(project, run_id=run_id)
        except ProjectNotFound:
            return None

    def _plan(self, run: SourceRun) -> RunOutcome:
        values = self._source.read_values(run)
        series = self._source.list_series(run)
        return RunOutcome(
            project=self._project_of(run),
            run_id=run.run_id,
            outcome=Outcome.PLANNED,
            values=len(values),
            series=len(series),
            points=sum(one.count or 0 for one in series),
            files=sum(file_of(value) is not None for value in values.values()),
            note=run.incomplete,
        )

    # a run that is there

    def _compare(self, run: SourceRun, present: RunInfo) -> RunOutcome:
        inside = self._inside.describe([present])[0]
        start = len(self._source.problems.named)
        comparison = compare_runs(self._source, run, self._inside, inside, ignored=DERIVED)
        base = RunOutcome(
            project=present.project,
            run_id=run.run_id,
            outcome=Outcome.PRESENT,
            values=comparison.values,
            series=comparison.series,
            points=comparison.points,
            files=comparison.files,
            verified=True if self._verify else None,
        )
        missing = [*_incomplete(run), *self._source.problems.named[start:]]
        noted = self._inside.read_values(inside).get(MISSING)
        noted = noted if isinstance(noted, frozenset) else frozenset()
        differences = list(comparison.differences)
        _, why = self._parent(present.project, run)
        if why and _PARENT in noted:
            missing.append(Problem(_PARENT, why))
        else:
            differences += _identity_differences(run, inside)
        if not differences:
            outcome = Outcome.PARTLY if missing else Outcome.PRESENT
            return replace(base, outcome=outcome, missing=tuple(missing))
        note = (
            "the store has a run of this id with other content; import it under another project, "
            "or delete the one that is there"
        )
        if noted and self._only_lacks(run, inside, differences, noted):
            heirs = self._find_heirs(present.project, run.run_id)
            changed = [one.run_id for one in heirs if not self._is_as_in_source(one)]
            if not changed:
                keys = [one.handle for one in heirs if isinstance(one.handle, int)]
                return self._complete(run, [present.key, *keys])
            note = (
                f"what it lacks could come in now, but run {changed[0]!r}, which inherits from it, "
                "is not as in the source; delete that one, or import under another project"
            )
        return replace(
            base,
            outcome=Outcome.CONFLICT,
            missing=_told(differences),
            note=note,
            verified=None,
        )

    def _find_heirs(self, project: str, run_id: str) -> list[SourceRun]:
        """Return the runs of the store that inherit from a run."""
        found: list[SourceRun] = []
        ids = {run_id}
        for one in order_by_lineage(self._inside.list_runs(project)):
            if one.parent in ids:
                ids.add(one.run_id)
                found.append(one)
        return found

    def _is_as_in_source(self, inside: SourceRun) -> bool:
        """Return whether an heir can be taken from the source again, and loses nothing by it."""
        run = self._runs.get((inside.project, inside.run_id))
        if run is None:
            return False
        noted = self._inside.read_values(inside).get(MISSING)
        noted = noted if isinstance(noted, frozenset) else frozenset()
        found = compare_runs(self._source, run, self._inside, inside, ignored=DERIVED)
        differences = [*found.differences, *_identity_differences(run, inside)]
        if not noted:
            return not differences
        return self._only_lacks(run, inside, differences, noted)

    def _only_lacks(
        self,
        run: SourceRun,
        inside: SourceRun,
        differences: Sequence[Difference],
        noted: frozenset[str],
    ) -> bool:
        """Return whether a run that came in without what `noted` tells has nothing of its own.

        Only then may it be replaced: what somebody added to it since would be lost.
        """
        if inside.trashed != run.trashed:
            return False
        ours, theirs = self._source.read_values(run), self._inside.read_values(inside)
        if any(theirs.get(path) for path in _WRITABLE if path not in ours):
            return False
        for one in differences:
            if one.what == "value" and one.path in _TIMES:
                continue  # which a store makes by itself where it was lost
            if one.what == "points" and one.path in noted:
                if not self._has_points_of(run, inside, one.path):
                    return False
            elif one.what != "missing":
                return False
        return True

    def _has_points_of(self, run: SourceRun, inside: SourceRun, path: str) -> bool:
        """Return whether all points that the store has of a series are those of the source."""
        types = [one.type for one in self._inside.list_series(inside) if one.path == path]
        if not types:  # rows of a table or previews, of which the store has others
            return False
        ours = self._source.read_points(run, types[0], [path])
        theirs = self._inside.read_points(inside, types[0], [path])
        known = pc.is_in(ours["step"], value_set=theirs["step"].combine_chunks())
        common = ours.filter(known)
        return not compare_points(self._source, common, self._inside, theirs, types[0])

    def _complete(self, run: SourceRun, keys: Sequence[int]) -> RunOutcome:
        """Replace a run that came in with something missing, and that nobody changed since.

        Those that inherit from it go too: they come in again after it, as in the source.
        """
        if self._dry_run:
            return self._plan(run)
        self._store.delete_runs(keys)
        outcome = self._move(run)
        return self._verified(run, outcome) if self._verify else outcome

    # a run that is new

    def _move(self, run: SourceRun) -> RunOutcome:
        missing: list[Problem] = []
        project = self._project_of(run)
        self._start_of_run = len(self._source.problems.named)
        read = self._source.read_values(run)
        values = self._mover.take_values(read, run, missing)
        series = self._source.list_series(run)
        extras = self._source.read_extras(run)
        parent, why = self._parent(project, run)
        if why:
            missing.append(Problem(_PARENT, why))
        fork_step = run.fork_step if run.fork_step is not None else (0 if parent else None)
        spec = RunSpec(
            project=project,
            run_id=run.run_id,
            sys_id=run.sys_id,
            name=run.name,
            kind=run.kind,
            parent=None if parent is None else parent.key,
            fork_step=fork_step if parent else None,
            created=run.created,
            owner=_text(values.get("sys/owner")),
        )
        assert isinstance(self._store, TransfersRuns)
        with self._store.import_run(spec) as incoming:
            incoming.do_not_inherit(extras.not_inherited)
            points = self._mover.take_points(
                run, series, extras, incoming, missing, same_project=project == run.project
            )
            if extras.rows is not None:
                incoming.write_rows(extras.rows)
            if extras.previews is not None:
                incoming.write_previews(extras.previews)
            self._mover.set_values(values, incoming, missing)
            missing += _incomplete(run)
            missing += self._source.problems.named[self._start_of_run :]
            if missing or MISSING in read:
                noted = read.get(MISSING)
                known = noted if isinstance(noted, frozenset) else frozenset()
                lacking = known.union(problem.what for problem in missing)
                incoming.set_values({MISSING: lacking})
            info = incoming.commit()
        if run.sys_id is not None and info.sys_id != run.sys_id:
            self._problems.add(
                f"{project}, run {run.run_id!r}",
                f"its short id {run.sys_id!r} is taken; it is {info.sys_id!r} here",
                kind="short ids",
            )
        return RunOutcome(
            project=project,
            run_id=run.run_id,
            outcome=Outcome.PARTLY if missing else Outcome.DONE,
            values=len(read),
            series=len(series),
            points=points,
            files=sum(file_of(value) is not None for value in read.values()),
            missing=tuple(missing),
        )

    def _parent(self, project: str, run: SourceRun) -> tuple[RunInfo | None, str]:
        if run.parent is None:
            return None, ""
        found = self._find(project, run.parent)
        if found is not None and run.parent != run.run_id:
            return found, ""
        return None, (
            f"run {run.parent!r}, which it was forked from, is not in the store: it came in "
            "without what it inherits"
        )

    def _verified(self, run: SourceRun, outcome: RunOutcome) -> RunOutcome:
        info = self._find(outcome.project, run.run_id)
        assert info is not None
        inside = self._inside.describe([info])[0]
        known = {problem.what for problem in outcome.missing}
        comparison = compare_runs(self._source, run, self._inside, inside, ignored=DERIVED | known)
        differences = [
            *comparison.differences,
            *(one for one in _identity_differences(run, inside) if one.path not in known),
        ]
        differences = [one for one in differences if one.path not in known]
        return replace(
            outcome,
            outcome=Outcome.PARTLY if differences else outcome.outcome,
            missing=(*outcome.missing, *_told(differences)),
            verified=not differences,
        )


def _incomplete(run: SourceRun) -> list[Problem]:
    """Return what the source itself tells that it does not have of a run."""
    return [Problem(f"run {run.run_id!r}", run.incomplete)] if run.incomplete else []


def _identity_differences(run: SourceRun, inside: SourceRun) -> list[Difference]:
    found = []
    if run.kind is not inside.kind:
        found.append(Difference("kind", "value", f"{run.kind} and {inside.kind}"))
    if run.parent != inside.parent:
        what = "missing" if inside.parent is None else "value"
        found.append(Difference(_PARENT, what, f"{run.parent!r} and {inside.parent!r}"))
    elif run.parent is not None and (run.fork_step or 0) != inside.fork_step:
        found.append(
            Difference("sys/forking/step", "value", f"{run.fork_step} and {inside.fork_step}")
        )
    return found


def _told(differences: list[Difference]) -> tuple[Problem, ...]:
    return tuple(
        Problem(one.path, f"{one.what}{f' ({one.detail})' if one.detail else ''}")
        for one in differences
    )


def _failed(project: str, run: SourceRun, outcome: Outcome, why: str) -> RunOutcome:
    return RunOutcome(project=project, run_id=run.run_id, outcome=outcome, note=why)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
