"""An export as a whole: its runs, with what could not be read of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo
from pathlib import Path

from mooring.errors import ExportDamaged, MooringError, SourceUnreadable
from mooring.model import ProjectName, validate_run_id
from mooring.store.archive.part import Part, codes_of
from mooring.store.archive.places import Roots, RunParts, find_parts, find_roots
from mooring.store.archive.run import ArchivedRun, open_manifest

Tell = Callable[[str, str], None]


class Archive:
    """The runs of an export. Files are opened when they are needed, and only read.

    Parameters
    ----------
    folder : the folder of the export, or of its data, or all its roots
    files : where its files are, if not beside the data
    tell : called with what cannot be read, and why
    series_zone : time zone of the exporting machine, for exports of Neptune 2, whose times of
        points are local times that claim to be UTC

    Raises `StoreNotFound` when the folder holds no export.
    """

    def __init__(
        self,
        folder: Path | Roots,
        *,
        files: Path | None = None,
        tell: Tell | None = None,
        series_zone: tzinfo | None = None,
    ) -> None:
        self.roots = folder if isinstance(folder, Roots) else find_roots(folder, files)
        self.folder = self.roots.data if isinstance(folder, Roots) else folder
        self._tell = tell or (lambda what, why: None)
        self._zone = series_zone
        self._runs: dict[str, list[ArchivedRun]] | None = None

    @property
    def runs(self) -> dict[str, list[ArchivedRun]]:
        """Runs by project."""
        if self._runs is None:
            found: dict[str, dict[tuple[str, str], ArchivedRun]] = {}
            for files in find_parts(self.roots):
                for run in self._open(files):
                    members = found.setdefault(run.project, {})
                    key = (str(run.kind), run.run_id)
                    if key in members:
                        self._tell(
                            f"run {run.run_id!r} of {run.project}",
                            f"{run.files.parts[0]} is a second export of it and left out; "
                            f"{members[key].files.parts[0]} is taken",
                        )
                        continue
                    members[key] = run
            self._runs = {name: list(found[name].values()) for name in sorted(found)}
        return self._runs

    def _open(self, files: RunParts) -> Sequence[ArchivedRun]:
        opened: dict[int, Part] = {}
        for number, path in enumerate(files.parts):
            try:
                opened[number] = Part(path)
            except SourceUnreadable as error:
                self._tell(f"run {path.name.rpartition('_part_')[0] or path}", str(error))
        if not opened:
            return []
        if 0 in files.missing and not files.common:
            self._tell(
                f"run {files.parts[0].name.rpartition('_part_')[0]}",
                f"part 0 is missing beside {files.parts[0]}: its export was not finished",
            )
            return []
        try:
            manifest = open_manifest(files)
        except (ExportDamaged, OSError) as error:
            self._tell(f"run of {files.parts[0].name}", str(error))
            manifest = None
        runs = []
        for project, run_id in self._ids(files, opened):
            if manifest is not None and (manifest.project, manifest.run_id) != (project, run_id):
                self._tell(
                    f"run {run_id!r} of {project}",
                    f"{files.manifest} tells of run {manifest.run_id!r} of {manifest.project} and "
                    "is not believed",
                )
                manifest = None
            try:
                ProjectName.parse(project)
                validate_run_id(run_id)
                run = ArchivedRun(files, project, run_id, opened, manifest, self._zone)
            except MooringError as error:
                self._tell(f"run {run_id!r} of {project!r}", f"{files.parts[0]}: {error}")
                continue
            runs.append(run)
        if not files.common:
            for part in opened.values():
                part.forget()
        return runs

    def _ids(self, files: RunParts, opened: dict[int, Part]) -> list[tuple[str, str]]:
        found: dict[tuple[str, str], None] = {}
        for part in opened.values():
            project, run = part.only("project_id"), part.only("run_id")
            if project is not None and run is not None:
                found[project, run] = None
                continue
            if part.rows == 0:
                continue
            table = part.read(["project_id", "run_id"])
            projects, project_names = codes_of(table["project_id"])
            runs, run_names = codes_of(table["run_id"])
            pairs = set(zip(projects.tolist(), runs.tolist(), strict=True))
            if any(-1 in pair for pair in pairs):
                self._tell(str(part.path), "rows without a project or run are left out")
            for a, b in sorted(pairs):
                if a >= 0 and b >= 0:
                    found[str(project_names[a]), str(run_names[b])] = None
        if len(found) > 1 and not files.common:
            first = next(iter(found))
            self._tell(
                f"run {first[1]!r} of {first[0]}",
                f"{files.parts[0].parent} has parts of one name and several runs "
                f"({len(found)}); only this one is taken from them",
            )
            return [first]
        return list(found)
