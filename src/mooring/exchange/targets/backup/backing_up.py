"""`back_up`: runs of a source as the folder tree of Neptune's bulk backup script."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mooring.errors import ExchangeError, MooringError, ProjectNotFound
from mooring.exchange.backup.folders import Folder, ends_all, translate
from mooring.exchange.backup.layout import (
    INDEX,
    PROJECT,
    FoundRun,
    Layout,
    RunKey,
    dump_index,
    dump_project,
    find_runs,
    place_run,
    recover,
)
from mooring.exchange.backup.manifest import Manifest, home_of
from mooring.exchange.backup.names import OWN
from mooring.exchange.backup.reading import find_manifest
from mooring.exchange.backup.texts import UTC, check_zone
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import Progress, Source, SourceRun
from mooring.exchange.targets.backup.reports import BackupReport, ProjectBackup
from mooring.exchange.targets.backup.run import OldRun, RunBackup
from mooring.exchange.targets.backup.stage import Stage
from mooring.exchange.targets.backup.verifying import verify_run
from mooring.query.patterns import compile_pattern

_LOCK = f"{OWN}/lock"


def back_up(
    source: Source,
    folder: str | os.PathLike[str],
    *,
    projects: Sequence[str] | None = None,
    runs: str | None = None,
    choose: Callable[[SourceRun], bool] | None = None,
    artifacts: bool = False,
    incremental: bool = True,
    dry_run: bool = False,
    verify: bool = False,
    zone: str = UTC,
    progress: Progress | None = None,
) -> BackupReport:
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
    projects : full names; None: all
    runs : regular expression that is found in the run's id, its own or the short one; None: all
    choose : called with each run, tells whether it is wanted
    artifacts : fetch the files that artifacts track, too
    incremental : leave runs as they are that hold the same, and take over files that did not
        change; otherwise each chosen run is written anew
    dry_run : tell what would be written, and write nothing
    verify : afterwards read all files of the chosen runs, and compare with the source
    zone : time zone of the times in CSV files, such as `Europe/Berlin`; the script wrote local time
    progress : called with how many runs are done, and of how many

    Raises
    ------
    ProjectNotFound
        When the source has no such project.
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
    >>> report.written, report.is_complete
    (1, True)
    >>> sorted(path.name for path in Path("saved/team/digits").glob("*/*"))
    ['.mooring', 'metrics', 'simple_metadata.json']
    """
    check_zone(zone)
    pattern = compile_pattern(runs) if runs else None

    def wanted(run: SourceRun) -> bool:
        return (
            pattern is None
            or bool(pattern.search(run.run_id))
            or (run.sys_id is not None and bool(pattern.search(run.sys_id)))
        ) and (choose is None or choose(run))

    root = Folder(Path(folder).expanduser())
    chosen = _choose_projects(source, projects)
    plan = {
        project: [run for run in source.list_runs(project) if wanted(run)] for project in chosen
    }
    backup = _Backup(
        source,
        root,
        artifacts=artifacts,
        incremental=incremental,
        dry=dry_run,
        verify=verify and not dry_run,
        zone=zone,
        progress=progress,
    )
    try:
        if not dry_run:
            root.root.mkdir(parents=True, exist_ok=True)
        with _locked(root, dry=dry_run):
            done = backup.run(plan)
            if not dry_run and hasattr(os, "sync"):
                os.sync()  # what the report tells of has survived a power cut
    except OSError as error:
        raise translate(error, root.root) from error
    return BackupReport(
        source=source.address,
        folder=os.fspath(folder),
        dry_run=dry_run,
        projects=done,
        verified=backup.verified if verify and not dry_run else None,
        problems=tuple(backup.problems.named),
        problems_not_named=backup.problems.not_named,
    )


def _choose_projects(source: Source, projects: Sequence[str] | None) -> Sequence[str]:
    known = source.list_projects()
    if projects is None:
        return known
    for project in projects:
        if project not in known:
            raise ProjectNotFound(project, where=source.address, known=known)
    return list(dict.fromkeys(projects))


class _Backup:
    def __init__(
        self,
        source: Source,
        root: Folder,
        *,
        artifacts: bool,
        incremental: bool,
        dry: bool,
        verify: bool,
        zone: str,
        progress: Progress | None,
    ) -> None:
        self._source = source
        self._root = root
        self._artifacts = artifacts
        self._incremental = incremental
        self._dry = dry
        self._verify = verify
        self._zone = zone
        self._progress = progress
        self.problems = ProblemList()
        self.verified = 0

    def run(self, plan: dict[str, list[SourceRun]]) -> tuple[ProjectBackup, ...]:
        layout = Layout(self._root)
        total = sum(map(len, plan.values()))
        done, reports = 0, []
        for project, runs in plan.items():
            place = layout.place_project(project)
            folder = self._open_project(project, place)
            if folder is None:
                continue
            if not self._dry:
                recover(folder)
            superseded: list[str] = []
            found = find_runs(folder, self._tell, superseded)
            states = []
            for run in runs:
                states.append(self._back_up_run(folder, run, found.get((run.kind, run.run_id))))
                done += 1
                if self._progress is not None:
                    self._progress(done, total)
            if not self._dry:
                for name in superseded:
                    folder.remove(name)
                self._write_index(folder)
            reports.append(_summary(project, states))
        return tuple(reports)

    def _open_project(self, project: str, place: str) -> Folder | None:
        try:
            if self._dry:
                return Folder(self._root.path(place))
            folder = self._root.make(place)
            if folder.kind(PROJECT) != "file":
                folder.replace(PROJECT, dump_project(project))
            return folder
        except MooringError as error:
            self._tell(project, str(error))
            return None

    def _write_index(self, folder: Folder) -> None:
        content = dump_index(find_runs(folder, lambda what, why: None))
        if folder.kind(INDEX) != "file" or folder.read(INDEX) != content:
            folder.replace(INDEX, content)

    def _back_up_run(
        self, folder: Folder, run: SourceRun, found: FoundRun | None
    ) -> tuple[str, Manifest | None]:
        """Back up one run; return what was done, and its manifest."""
        try:
            return self._back_up_one(folder, run, found)
        except MooringError as error:
            self._tell(f"{run.project}, run {run.run_id!r}", str(error))
        except OSError as error:
            if ends_all(error):
                raise
            why = translate(error, folder.root)
            self._tell(f"{run.project}, run {run.run_id!r}", str(why))
        return "failed", None

    def _back_up_one(
        self, folder: Folder, run: SourceRun, found: FoundRun | None
    ) -> tuple[str, Manifest | None]:
        old = self._old_run(folder, found)
        above = home_of(run)
        home, at = self._home(folder, above), None
        if found is not None and found.name.rpartition("/")[0] == above.rstrip("/"):
            at = found.name.rpartition("/")[2]
        name = place_run(run, home, at)
        reused = old if self._incremental else None
        stage = Stage(
            home or Folder(folder.root / above),
            name,
            None if reused is None else reused.folder,
            {} if reused is None else reused.manifest.files,
            dry=self._dry,
        )
        work = RunBackup(
            self._source,
            run,
            stage,
            reused,
            zone=self._zone,
            artifacts=self._artifacts,
            tell=self._tell,
        )
        manifest = work.collect()
        if old is not None and at is not None and not stage.changed:
            if manifest.same_as(old.manifest):
                stage.discard()
                self._verify_run(folder, f"{above}{name}", run, old.manifest)
                return "unchanged", old.manifest
        if not self._dry:
            stage.commit(manifest)
            if found is not None and at is None:
                folder.remove(found.name)
            self._verify_run(folder, f"{above}{name}", run, manifest)
        return "written", manifest

    def _old_run(self, folder: Folder, found: FoundRun | None) -> OldRun | None:
        if found is None:
            return None
        below = folder.folder(found.name)
        manifest = find_manifest(below)
        return None if manifest is None else OldRun(below, manifest)

    def _home(self, folder: Folder, above: str) -> Folder | None:
        if not above:
            return folder
        if self._dry:
            return folder.folder(above[:-1]) if folder.kind(above[:-1]) == "folder" else None
        return folder.make(above[:-1])

    def _verify_run(self, folder: Folder, name: str, run: SourceRun, manifest: Manifest) -> None:
        if self._verify and verify_run(
            self._source, run, folder.folder(name), manifest, self._tell
        ):
            self.verified += 1

    def _tell(self, what: str, why: str) -> None:
        self.problems.add(what, why)


def _summary(project: str, states: Sequence[tuple[str, Manifest | None]]) -> ProjectBackup:
    manifests = [manifest for _, manifest in states if manifest is not None]
    return ProjectBackup(
        project=project,
        runs=len(states),
        written=sum(state == "written" for state, _ in states),
        unchanged=sum(state == "unchanged" for state, _ in states),
        incomplete=sum(manifest is None or not manifest.complete for _, manifest in states),
        files=sum(len(manifest.files) for manifest in manifests),
        size_bytes=sum(kept.size for one in manifests for kept in one.files.values()),
    )


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


