"""`BackupSource`: the runs of a backup tree."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from mooring.errors import MooringError, SourceUnreadable
from mooring.exchange.backup.folders import Folder
from mooring.exchange.backup.layout import (
    PROJECT,
    find_runs,
    list_folders,
    load_index,
    project_name,
)
from mooring.exchange.backup.manifest import Manifest
from mooring.exchange.backup.names import METADATA
from mooring.exchange.backup.reading import RunReader, find_manifest, open_checked
from mooring.exchange.backup.texts import check_zone
from mooring.exchange.backup.zones import local_zone
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import RunExtras, SourceFile, SourceRun, SourceSeries, SourceValue
from mooring.exchange.sources.backup.script import ScriptRules, ScriptRun, iter_run_folders
from mooring.model import AttributeType

_NAMED_MISSING = 5
_NO_RULES = ScriptRules()


class BackupSource:
    """Reads the runs of a backup tree.

    Runs that `mooring backup` wrote come back as they were, and each file is checked against its
    manifest. Runs of Neptune's bulk backup script are read by `rules`; what the script did not
    save is not there, and where it was cut is told by `SourceRun.incomplete`.

    Parameters
    ----------
    folder : the download folder, which holds `WORKSPACE/PROJECT/RUN`
    rules : how to read what the script's trees leave open

    Raises
    ------
    SourceUnreadable
        When there is no folder, or it holds no projects.
    InvalidInput
        When a rule is none.

    Examples
    --------
    >>> folder = Path("saved/team/digits/DIG-1/metrics")
    >>> folder.mkdir(parents=True)
    >>> text = "step,value,timestamp\\n0.0,0.5,2025-01-01 01:00:00.123\\n"
    >>> (folder / "loss.csv").write_text(text)
    53
    >>> source = BackupSource("saved", rules=ScriptRules(zone="Europe/Berlin"))
    >>> [run] = source.list_runs("team/digits")
    >>> source.read_points(run, AttributeType.FLOAT_SERIES).to_pylist()
    [{'path': 'metrics/loss', 'step': 0, 'time': 1735689600123000, 'value': 0.5}]
    """

    def __init__(self, folder: str | os.PathLike[str], *, rules: ScriptRules = _NO_RULES) -> None:
        self._address = os.fspath(folder)
        self._root = Folder(Path(folder).expanduser())
        self._rules = rules
        self._zone = local_zone() if rules.zone is None else check_zone(rules.zone)
        self._problems = ProblemList()
        self._readers: dict[str, RunReader | ScriptRun] = {}
        self._projects: dict[str, list[str]] = {}
        if not self._root.root.is_dir():
            raise SourceUnreadable(f"{folder} is no folder", where=self._address)
        for above, name in list_folders(self._root):
            place = f"{above}/{name}"
            try:
                project = project_name(self._root.folder(place), place)
            except MooringError as error:
                self._problems.add(place, str(error))
                project = place
            self._projects.setdefault(project, []).append(place)
        if not self._projects:
            raise SourceUnreadable(
                f"{folder} holds no backup; give the folder that holds WORKSPACE/PROJECT/RUN",
                where=self._address,
            )

    @property
    def address(self) -> str:
        """Where it is."""
        return self._address

    @property
    def problems(self) -> ProblemList:
        """What could not be read so far."""
        return self._problems

    def list_projects(self) -> Sequence[str]:
        """Return the full names of all projects, sorted."""
        return sorted(self._projects)

    def list_runs(self, project: str) -> Sequence[SourceRun]:
        """Return all runs of a project, oldest first."""
        runs: list[SourceRun] = []
        for place in self._projects.get(project, ()):
            folder = self._root.folder(place)
            runs += self._own_runs(folder, place)
            runs += self._script_runs(folder, place, project)
        return sorted(runs, key=lambda run: (run.created is None, run.created or 0, run.run_id))

    def _own_runs(self, folder: Folder, place: str) -> list[SourceRun]:
        runs = []
        found = find_runs(folder, self._problems.add)
        for one in found.values():
            manifest = find_manifest(folder.folder(one.name))
            assert manifest is not None
            handle = f"{place}/{one.name}"
            runs.append(replace(manifest.run, handle=handle, incomplete=_incomplete(manifest)))
        try:
            for name, (kind, run_id) in load_index(folder).items():
                if (kind, run_id) not in found:
                    self._problems.add(
                        f"{folder.root}/{name}",
                        f"{kind} {run_id!r} is gone from the backup, or its manifest is",
                    )
        except MooringError as error:
            self._problems.add(place, str(error))
        return runs

    def _script_runs(self, folder: Folder, place: str, project: str) -> list[SourceRun]:
        runs = []
        known = {
            name: None for name in folder.names() if folder.kind(f"{name}/.mooring") == "folder"
        }
        for name, is_run in iter_run_folders(folder, known):
            if is_run:
                reader = self._script_run(f"{place}/{name}", project)
                runs.append(replace(reader.describe(), handle=f"{place}/{name}"))
            else:
                self._problems.add(
                    f"{folder.root}/{name}",
                    "holds neither simple_metadata.json nor a manifest, and has no run's name",
                )
        return runs

    def _script_run(self, handle: str, project: str) -> ScriptRun:
        return ScriptRun(
            self._root.folder(handle),
            project,
            handle.rpartition("/")[2],
            rules=self._rules,
            zone=self._zone,
            tell=self._problems.add,
            prefix=f"{handle}/",
        )

    def _reader(self, run: SourceRun) -> RunReader | ScriptRun:
        handle = str(run.handle)
        if handle not in self._readers:
            folder = self._root.folder(handle)
            manifest = find_manifest(folder)
            self._readers.clear()  # runs are read one after the other
            if manifest is None:
                self._readers[handle] = self._script_run(handle, run.project)
            else:
                self._readers[handle] = RunReader(
                    folder, manifest, self._problems.add, prefix=f"{handle}/"
                )
        return self._readers[handle]

    def read_values(self, run: SourceRun) -> Mapping[str, SourceValue]:
        """Return all attributes of a run that are no series."""
        return self._reader(run).read_values()

    def list_series(self, run: SourceRun) -> Sequence[SourceSeries]:
        """Return the series of a run."""
        return self._reader(run).list_series()

    def read_points(
        self, run: SourceRun, type: AttributeType, paths: Sequence[str] | None = None
    ) -> pa.Table:
        """Return the points of a run's series of one type."""
        return self._reader(run).read_points(type, paths)

    def read_extras(self, run: SourceRun) -> RunExtras:
        """Return what only our own stores know of a run."""
        reader = self._reader(run)
        return reader.read_extras() if isinstance(reader, RunReader) else RunExtras()

    def open_file(self, file: SourceFile) -> AbstractContextManager[BinaryIO]:
        """Open the content of a file, which is checked as it is read."""
        return open_checked(self._root, file.location, file.digest)

    def check_files(self, run: SourceRun) -> Sequence[tuple[str, str]]:
        """Read every file of a run; return those that its manifest contradicts, and why."""
        reader = self._reader(run)
        return list(reader.check_files()) if isinstance(reader, RunReader) else []

    def close(self) -> None:
        """Do nothing: no file stays open."""


def is_backup(path: Path) -> bool:
    """Return whether a folder looks like a backup tree: some project in it has a run."""
    root = Folder(path)
    if not path.is_dir():
        return False
    return any(
        root.kind(f"{above}/{name}/{PROJECT}") == "file"
        or any(
            root.kind(f"{above}/{name}/{run}/{METADATA}") == "file"
            for run in root.folder(f"{above}/{name}").names()
        )
        for above, name in list_folders(root)
    )


def _incomplete(manifest: Manifest) -> str:
    if manifest.complete:
        return manifest.run.incomplete
    named = "; ".join(f"{what}: {why}" for what, why in manifest.missing[:_NAMED_MISSING])
    more = len(manifest.missing) - _NAMED_MISSING
    return f"the backup could not have all of it: {named}" + f" and {more} more" * (more > 0)
