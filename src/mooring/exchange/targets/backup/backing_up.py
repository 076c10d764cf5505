"""`back_up`: runs of a source as the folder tree of Neptune's bulk backup script."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mooring.errors import ExchangeError, InvalidInput, MooringError
from mooring.exchange.backup.folders import Folder, ends_all
from mooring.exchange.backup.layout import (
    INDEX,
    PROJECT,
    FoundRun,
    Layout,
    dump_index,
    dump_project,
    find_runs,
    place_run,
    recover,
    remove_run,
)
from mooring.exchange.backup.manifest import Form, Manifest, home_of
from mooring.exchange.backup.names import OWN
from mooring.exchange.backup.reading import find_manifest
from mooring.exchange.backup.texts import UTC, check_zone
from mooring.exchange.reports import Outcome, Problem, ProblemList, RunOutcome, TransferReport
from mooring.exchange.selection import SelectedSource, Selection, select
from mooring.exchange.source import Progress, Source, SourceRun
from mooring.exchange.targets.backup.run import OldRun, RunBackup
from mooring.exchange.targets.backup.stage import Stage
from mooring.exchange.targets.backup.verifying import verify_run
from mooring.exchange.writing import disk_error

_LOCK = f"{OWN}/lock"


def back_up(
    source: Source,
    folder: str | os.PathLike[str],
    *,
    selection: Selection | None = None,
    artifacts: bool = False,
    incremental: bool = True,
    dry_run: bool = False,
    verify: bool = False,
    zone: str = UTC,
    progress: Progress | None = None,
) -> TransferReport:
    """Write runs as the folder tree of Neptune's bulk backup script.

    `WORKSPACE/PROJECT/RUN/` holds `simple_metadata.json`, a CSV file for each series of numbers or
    texts, a zip for each set of files, and files under their paths. What that cannot say lies
    beside it under names that begin with a dot: exact types, steps and times, histograms, models,
    project metadata, trashed runs, and a manifest with the checksum of each file. So a restore
    gives back an equal store, and who knows only the script's tree sees nothing else.

    A run appears under its name when it is whole; a backup that was killed goes on where it was
    when it is called again. Runs that are in the folder and no longer in the source stay there.

    Parameters
    ----------
    source : what to back up
    folder : where to; made when it is missing. Only one backup writes to it at a time
    selection : what is taken; default: all runs of every kind, trashed and archived ones too
    artifacts : fetch the files that artifacts track, too
    incremental : leave runs as they are that hold the same, and take over files that did not
        change; otherwise each chosen run is written anew
    dry_run : tell what would be written, and write nothing
    verify : afterwards read all files of the chosen runs, and compare with the source
    zone : time zone of the times in CSV files, such as `Europe/Berlin`; the script wrote local time
    progress : called with how many runs are done, and of how many

    Raises
    ------
    InvalidInput, ProjectNotFound
        When the selection names what the source does not have, or chooses attributes; when the
        zone is none.
    StoreFull, StoreReadOnly, ExchangeError
        When the folder cannot be written to. Runs that were finished before are whole.

    Examples
    --------
    >>> from mooring import Run
    >>> from mooring.exchange.sources.store import StoreSource
    >>> from mooring.store import open_store
    >>> with Run("team/digits", store="runs.db", run_id="calm-heron") as run:
    ...     run["params/lr"] = 0.1
    ...     run.log({"metrics/loss": 0.5}, step=0)
    >>> with open_store("runs.db") as store:
    ...     report = back_up(StoreSource(store), "saved")
    >>> report.points, report.is_complete
    (1, True)
    >>> sorted(path.name for path in Path("saved/team/digits/DIG-1").iterdir())
    ['.mooring', 'metrics', 'simple_metadata.json']
    """
    check_zone(zone)
    if selection is not None and not selection.takes_whole_runs:
        raise InvalidInput("a backup takes whole runs; choose runs, not attributes of them")
    root = Folder(Path(folder).expanduser())
    settings = _Settings(artifacts, incremental, dry_run, verify and not dry_run, zone)
    backup = _Backup(select(source, selection or Selection(archived=True)), root, settings)
    try:
        if not dry_run:
            root.root.mkdir(parents=True, exist_ok=True)
        with _locked(root, dry=dry_run):
            outcomes = backup.run(progress or (lambda done, total: None))
            if not dry_run and hasattr(os, "sync"):
                os.sync()  # what the report tells of has survived a power cut
    except OSError as error:
        raise disk_error(error, root.root) from error
    return TransferReport(
        source=source.address,
        target=os.fspath(folder),
        runs=tuple(outcomes),
        problems=tuple(backup.problems.named),
        problems_not_named=backup.problems.not_named,
    )


@dataclass(frozen=True, slots=True)
class _Settings:
    artifacts: bool
    incremental: bool
    dry: bool
    verify: bool
    zone: str


class _Backup:
    def __init__(self, source: SelectedSource, root: Folder, settings: _Settings) -> None:
        self._source = source
        self._root = root
        self._settings = settings
        self.problems = ProblemList()

    def run(self, progress: Progress) -> list[RunOutcome]:
        layout = Layout(self._root)
        plan = {
            project: self._source.list_runs(project) for project in self._source.list_projects()
        }
        for problem in self._source.problems.named:
            self.problems.add(problem.what, problem.why)
        total = sum(map(len, plan.values()))
        outcomes: list[RunOutcome] = []
        for project, runs in plan.items():
            folder = self._open_project(project, layout.place_project(project))
            if folder is None:
                outcomes += [
                    _failed(run, f"the folder of {project} cannot be used") for run in runs
                ]
                continue
            superseded: list[str] = []
            found = find_runs(folder, self.problems.add, superseded)
            for run in runs:
                progress(len(outcomes), total)
                outcomes.append(self._back_up_run(folder, run, found.get((run.kind, run.run_id))))
            if not self._settings.dry:
                for name in superseded:
                    remove_run(folder, name)
                self._write_index(folder)
        progress(total, total)
        return outcomes

    def _open_project(self, project: str, place: str) -> Folder | None:
        if self._settings.dry:
            return Folder(self._root.path(place))
        try:
            folder = self._root.make(place)
            if folder.kind(PROJECT) != "file":
                folder.replace(PROJECT, dump_project(project))
            recover(folder)
            return folder
        except MooringError as error:
            self.problems.add(project, str(error))
            return None

    def _write_index(self, folder: Folder) -> None:
        content = dump_index(find_runs(folder, lambda what, why: None))
        if folder.kind(INDEX) != "file" or folder.read(INDEX) != content:
            folder.replace(INDEX, content)

    def _back_up_run(self, folder: Folder, run: SourceRun, found: FoundRun | None) -> RunOutcome:
        try:
            return self._back_up_one(folder, run, found)
        except MooringError as error:
            return _failed(run, str(error))
        except OSError as error:
            if ends_all(error):
                raise
            return _failed(run, str(disk_error(error, folder.root)))

    def _back_up_one(self, folder: Folder, run: SourceRun, found: FoundRun | None) -> RunOutcome:
        settings = self._settings
        above = home_of(run)
        home, at = self._home(folder, above), None
        if found is not None and found.name.rpartition("/")[0] == above.rstrip("/"):
            at = found.name.rpartition("/")[2]
        name = place_run(run, home, at)
        old = _old_run(folder, found) if settings.incremental else None
        stage = Stage(
            home or Folder(folder.root / above),
            name,
            None if old is None else old.folder,
            {} if old is None else old.manifest.files,
            dry=settings.dry,
        )
        manifest = RunBackup(
            self._source,
            run,
            stage,
            old,
            revision=1 if found is None else found.revision + 1,
            zone=settings.zone,
            artifacts=settings.artifacts,
        ).collect()
        done = Outcome.DONE
        same = at is not None and not stage.changed
        if same and old is not None and manifest.same_as(old.manifest):
            manifest, done = old.manifest, Outcome.PRESENT
        if settings.dry:
            return _outcome(manifest, done if done is Outcome.PRESENT else Outcome.PLANNED)
        if done is Outcome.PRESENT:
            stage.discard()
        else:
            stage.commit(manifest)
            if found is not None and at is None:
                remove_run(folder, found.name)
        outcome = _outcome(manifest, done)
        if not settings.verify:
            return outcome
        differing = verify_run(self._source, run, folder.folder(f"{above}{name}"), manifest)
        return replace(
            outcome,
            outcome=Outcome.PARTLY if differing else outcome.outcome,
            missing=(*outcome.missing, *differing),
            verified=not differing,
        )

    def _home(self, folder: Folder, above: str) -> Folder | None:
        if not above:
            return folder
        if self._settings.dry:
            return folder.folder(above[:-1]) if folder.kind(above[:-1]) == "folder" else None
        return folder.make(above[:-1])


def _old_run(folder: Folder, found: FoundRun | None) -> OldRun | None:
    if found is None:
        return None
    below = folder.folder(found.name)
    manifest = find_manifest(below)
    return None if manifest is None else OldRun(below, manifest)


def _outcome(manifest: Manifest, done: Outcome) -> RunOutcome:
    kept = manifest.attributes.values()
    return RunOutcome(
        project=manifest.run.project,
        run_id=manifest.run.run_id,
        outcome=Outcome.PARTLY if manifest.missing else done,
        values=sum(not one.type.is_series for one in kept),
        series=sum(one.type.is_series for one in kept),
        points=sum(one.count for one in kept),
        files=sum(one.form is Form.FILE for one in kept),
        size_bytes=sum(file.size for file in manifest.files.values()) * (done is Outcome.DONE),
        missing=tuple(Problem(what, why) for what, why in manifest.missing),
    )


def _failed(run: SourceRun, why: str) -> RunOutcome:
    return RunOutcome(project=run.project, run_id=run.run_id, outcome=Outcome.FAILED, note=why)


@contextmanager
def _locked(root: Folder, *, dry: bool) -> Iterator[None]:
    """Let one backup at a time write to a folder, where the platform can tell."""
    if dry:
        yield
        return
    try:
        import fcntl
    except ImportError:
        yield
        return
    if root.kind(_LOCK) != "file":
        root.create(_LOCK).close()
    with root.open(_LOCK) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExchangeError(
                f"another backup is writing to {root.root}; wait for it to end",
                where=str(root.root),
            ) from None
        except OSError:
            pass  # a file system without locks
        yield
