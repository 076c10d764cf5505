"""Which folder belongs to which project and run.

`WORKSPACE/PROJECT/RUN`, where `PROJECT/.mooring/project.json` tells the project's exact name and
`RUN/.mooring/manifest.json` the run's. A run is written to `.RUN.part` beside its place, an old
one moved to `.RUN.old` while the two change places, and to `.RUN.gone` when it has none any more;
`recover` ends what a killed process began.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from mooring.errors import ExportDamaged, MooringError
from mooring.exchange.backup.folders import Folder
from mooring.exchange.backup.manifest import HOMES, TRASH
from mooring.exchange.backup.names import OWN, choose_name, escape, meeting_key
from mooring.exchange.backup.reading import Tell, find_manifest
from mooring.exchange.source import SourceRun
from mooring.model import RunKind

PROJECT = f"{OWN}/project.json"
INDEX = f"{OWN}/runs.json"
"""Which runs a project had when a backup of it last ended: one that is gone is told of."""

PART, OLD, GONE = ".part", ".old", ".gone"

RunKey = tuple[RunKind, str]
"""Kind and `run_id`, which identify a run in its project."""


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run's folder in a project (`name`, below the project's), and what it tells."""

    name: str
    run: SourceRun
    revision: int


def list_homes(project: Folder) -> list[str]:
    """Return the folders of a project that runs lie in, each with a slash at its end, but one."""
    above = [f"{home}/" * bool(home) for home in HOMES.values()]
    return [
        home
        for place in above
        for home in (place, f"{place}{TRASH}/")
        if not home or project.kind(home[:-1]) == "folder"
    ]


def list_folders(root: Folder) -> list[tuple[str, str]]:
    """Return (workspace folder, project folder) for each folder of the second level."""
    found = []
    for workspace in root.names():
        if not workspace.startswith(".") and root.kind(workspace) == "folder":
            below = root.folder(workspace)
            found += [
                (workspace, project)
                for project in below.names()
                if not project.startswith(".") and below.kind(project) == "folder"
            ]
    return found


def project_name(project: Folder, fallback: str) -> str:
    """Return the exact name of the project that a folder was made for, as far as it tells."""
    if project.kind(PROJECT) != "file":
        return fallback
    try:
        name = json.loads(project.read(PROJECT))["project"]
    except (ValueError, KeyError, TypeError) as error:
        where = str(project.path(PROJECT))
        raise ExportDamaged(
            f"{where} is damaged ({error!r}); delete it, and the next backup writes it anew",
            where=where,
        ) from error
    return str(name)


def find_runs(
    project: Folder, tell: Tell, superseded: list[str] | None = None
) -> dict[RunKey, FoundRun]:
    """Return the runs of ours in a project; of two folders of one run that with more revisions.

    `superseded` is given the folders of runs that have since moved to or from the trash.
    """
    found: dict[RunKey, FoundRun] = {}
    for home in list_homes(project):
        folder = project.folder(home[:-1]) if home else project
        names = folder.names()
        for name in names:
            if not _holds_run(name, names) or folder.kind(name) != "folder":
                continue
            try:
                manifest = find_manifest(folder.folder(name))
            except MooringError as error:
                tell(f"{folder.root}/{name}", str(error))
                continue
            if manifest is not None:
                key = (manifest.run.kind, manifest.run.run_id)
                one = FoundRun(f"{home}{name}", manifest.run, manifest.revision)
                known = found.setdefault(key, one)
                if known is not one:
                    low, found[key] = sorted((known, one), key=lambda run: run.revision)
                    if superseded is not None and low.run.trashed != found[key].run.trashed:
                        superseded.append(low.name)
    return found


def _holds_run(name: str, names: list[str]) -> bool:
    if not name.startswith("."):
        return True
    # A process was killed between two renamings: the old one is still the run.
    return name.endswith(OLD) and name[1 : -len(OLD)] not in names


def recover(project: Folder) -> None:
    """End what a killed process began: nothing but whole runs is left under their names."""
    for home in list_homes(project):
        folder = project.folder(home[:-1]) if home else project
        for name in folder.names():
            if not name.startswith(".") or folder.kind(name) != "folder":
                continue
            if name.endswith(GONE):
                folder.remove(name)
            elif name.endswith(OLD):
                final = name[1 : -len(OLD)]
                if folder.kind(final):
                    folder.remove(name)
                else:
                    folder.path(name).rename(folder.path(final))


def remove_run(project: Folder, name: str) -> None:
    """Remove the folder of a run at once: nobody ever sees a part of it."""
    above, _, last = name.rpartition("/")
    gone = f"{above}/.{last}{GONE}" if above else f".{last}{GONE}"
    project.path(name).rename(project.path(gone))
    project.remove(gone)


class Layout:
    """Names of projects and runs in the folder of a backup."""

    def __init__(self, root: Folder) -> None:
        self._root = root
        self._projects: dict[str, tuple[str, str]] = {}
        self._unnamed: set[tuple[str, str]] = set()
        for workspace, name in list_folders(root):
            folder = root.folder(f"{workspace}/{name}")
            if folder.kind(PROJECT) == "file":
                self._projects[project_name(folder, "")] = (workspace, name)
            else:
                self._unnamed.add((workspace, name))

    def place_project(self, project: str) -> str:
        """Return the folder of a project, chosen but not made when there is none yet."""
        if project not in self._projects:
            workspace, _, name = project.partition("/")
            self._projects[project] = self._choose(workspace, name, project)
        return "/".join(self._projects[project])

    def _choose(self, workspace: str, name: str, project: str) -> tuple[str, str]:
        owners = {above: known.partition("/")[0] for known, (above, _) in self._projects.items()}
        above = next((folder for folder, owner in owners.items() if owner == workspace), None)
        if above is None:
            plain = escape(workspace)
            others = {folder for folder in self._root.names() if folder != plain} | set(owners)
            above = choose_name(workspace, workspace, _keys(others))
        there = self._root.folder(above).names() if self._root.kind(above) == "folder" else []
        used = {below for folder, below in self._projects.values() if folder == above}
        others = {folder for folder in there if folder != escape(name)} | used
        return above, choose_name(name, project, _keys(others))


def place_run(run: SourceRun, home: Folder | None, at: str | None) -> str:
    """Return the name of a run's folder in its home; `at` is the one that it has there already."""
    if at is not None:
        return at
    others = [] if home is None else [name for name in home.names() if not name.startswith(".")]
    return choose_name(run.sys_id or run.run_id, f"{run.project}\0{run.run_id}", _keys(others))


def _keys(names: set[str] | list[str]) -> Mapping[str, object]:
    return dict.fromkeys(map(meeting_key, names))


def dump_project(project: str) -> bytes:
    """Return the content of `PROJECT`."""
    return json.dumps({"format": 1, "project": project}, indent=1).encode() + b"\n"


def dump_index(runs: Mapping[RunKey, FoundRun]) -> bytes:
    """Return the content of `INDEX`."""
    listed = {found.name: [kind, run_id] for (kind, run_id), found in runs.items()}
    return json.dumps({"format": 1, "runs": listed}, indent=1, sort_keys=True).encode() + b"\n"


def load_index(project: Folder) -> dict[str, RunKey]:
    """Return the runs that the index of a project tells of, by folder."""
    if project.kind(INDEX) != "file":
        return {}
    try:
        listed = json.loads(project.read(INDEX))["runs"]
        return {name: (RunKind(kind), run_id) for name, (kind, run_id) in listed.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        where = str(project.path(INDEX))
        raise ExportDamaged(
            f"{where} is damaged ({error!r}), so runs that are gone cannot be told; the next "
            "backup writes it anew",
            where=where,
        ) from error
