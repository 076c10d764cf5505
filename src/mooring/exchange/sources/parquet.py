"""An export as a source: Parquet and files in the exporter's layout, whoever wrote them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import tzinfo
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from mooring.errors import SourceUnreadable
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import (
    RunExtras,
    SourceFile,
    SourceRun,
    SourceSeries,
    SourceValue,
    file_type,
    make_points,
)
from mooring.model import AttributeType, ProjectName, Typed
from mooring.store.archive.files import ArchivedFile
from mooring.store.archive.folder import Archive
from mooring.store.archive.places import Roots
from mooring.store.archive.run import ArchivedRun, ArchivedValue
from mooring.store.transfer import SealedFile


class ParquetSource:
    """Reads an export in place: of Neptune Exporter in any of its layouts, or of Mooring.

    Files that Mooring wrote are checked against their manifest before they are believed.

    Parameters
    ----------
    folder : the folder that holds `data` and `files`, or the data itself, or all its roots
    files : where the files are, if not beside the data
    series_zone : time zone of the machine that exported from Neptune 2: the times of points are
        local there and claim to be UTC. None takes them as they are

    Raises
    ------
    StoreNotFound
        When there is no export at the folder.

    Examples
    --------
    >>> import mooring
    >>> from mooring.exchange.exporting import export_runs
    >>> from mooring.exchange.sources.store import StoreSource
    >>> with mooring.Run("team/digits", store="runs.db", run_id="a") as run:
    ...     run.log({"loss": 0.5}, step=1)
    >>> with mooring.open_store("runs.db") as store:
    ...     report = export_runs(StoreSource(store), Path("exports"))
    >>> source = ParquetSource("exports")
    >>> [run.run_id for run in source.list_runs("team/digits")]
    ['a']
    """

    def __init__(
        self,
        folder: str | Path | Roots,
        *,
        files: Path | None = None,
        series_zone: tzinfo | None = None,
    ) -> None:
        self._problems = ProblemList()
        self._told: dict[int, int] = {}
        self._archive = Archive(
            Path(folder) if isinstance(folder, str) else folder,
            files=files,
            tell=self._problems.add,
            series_zone=series_zone,
        )
        self._last: ArchivedRun | None = None

    @contextmanager
    def _reading(self, run: SourceRun) -> Iterator[ArchivedRun]:
        """Give the run; what could not be read of it until the end is told then, once."""
        assert isinstance(run.handle, ArchivedRun)
        archived = run.handle
        if self._last is not None and self._last is not archived:
            self._last.forget()  # memory is that of one run, however many there are
        self._last = archived
        try:
            yield archived
        finally:
            # Only now: what was met while all runs were listed belongs to the run all the same.
            for what, why in archived.problems[self._told.get(id(archived), 0) :]:
                self._problems.add(what, why)
            self._told[id(archived)] = len(archived.problems)

    @property
    def address(self) -> str:
        """Where the export is."""
        return str(self._archive.folder)

    @property
    def problems(self) -> ProblemList:
        """What could not be read so far."""
        return self._problems

    def list_projects(self) -> Sequence[str]:
        """Return the full names of all projects, sorted."""
        return sorted({_project_name(name) for name in self._archive.runs})

    def list_runs(self, project: str) -> Sequence[SourceRun]:
        """Return all runs of a project, oldest first."""
        runs = [
            _describe(run)
            for name, members in self._archive.runs.items()
            if _project_name(name) == project
            for run in members
        ]
        return sorted(runs, key=lambda run: (run.created or 0, run.run_id))

    def read_values(self, run: SourceRun) -> Mapping[str, SourceValue]:
        """Return all attributes of a run that are no series."""
        with self._reading(run) as archived:
            values = archived.values
        return {path: self._source_value(value) for path, value in values.items()}

    def _source_value(self, value: ArchivedValue) -> SourceValue:
        if isinstance(value, ArchivedFile):
            return self._source_file(value)
        if isinstance(value, Typed) and isinstance(value.value, ArchivedFile):
            return Typed(value.type, self._source_file(value.value))
        return value

    def _source_file(self, file: ArchivedFile) -> SourceFile:
        location = str(file.path)
        return SourceFile(
            location=location,
            name=file.name,
            mime_type=file.mime_type,
            size_bytes=file.size_bytes,
            digest=file.digest,
        )

    def list_series(self, run: SourceRun) -> Sequence[SourceSeries]:
        """Return the series that a run itself has points of."""
        with self._reading(run) as archived:
            return [SourceSeries(one.path, one.type, one.count) for one in archived.series]

    def read_points(
        self, run: SourceRun, type: AttributeType, paths: Sequence[str] | None = None
    ) -> pa.Table:
        """Return the points of a run's own series of one type."""
        with self._reading(run) as archived:
            raw, files = archived.read_points(type, paths)
        values = raw["value"]
        if type is AttributeType.FILE_SERIES:
            found = [self._source_file(file) for file in files]
            values = pa.array(
                [
                    {
                        "location": one.location,
                        "name": one.name,
                        "mime_type": one.mime_type,
                        "size_bytes": one.size_bytes,
                        "digest": one.digest,
                    }
                    for one in found
                ],
                file_type(),
            )
        elif not raw.num_rows:
            values = []
        points = make_points(type, raw["path"], raw["step"], raw["time"], values)
        if points.num_rows < raw.num_rows:
            with self._reading(run) as archived:
                archived.tell_of_repetition(raw)
        return points

    def open_file(self, file: SourceFile) -> AbstractContextManager[BinaryIO]:
        """Open the content of a file."""
        try:
            return Path(file.location).open("rb")
        except OSError as error:
            raise SourceUnreadable(
                f"{file.location}: {error.strerror or error}", where=file.location
            ) from error

    def read_extras(self, run: SourceRun) -> RunExtras:
        """Return what only our own exports have."""
        with self._reading(run) as archived:
            manifest = archived.manifest
            if manifest is None:
                return RunExtras()
            return RunExtras(
                rows=archived.read_extra(manifest.rows, "rows of the table"),
                previews=archived.read_extra(manifest.previews, "previews"),
                not_inherited=manifest.not_inherited,
            )

    def list_parts(self, run: SourceRun) -> Sequence[SealedFile] | None:
        """Return the files that hold all points of a run, if they can be taken as they are."""
        with self._reading(run) as archived:
            if archived.incomplete or archived.project != run.project:
                return None  # a store's file tells the project's full name
            return archived.list_sealed()

    def close(self) -> None:
        """Do nothing: files are closed as soon as they are read."""


def _project_name(name: str) -> str:
    return str(ProjectName.parse(name))


def _describe(run: ArchivedRun) -> SourceRun:
    return SourceRun(
        project=_project_name(run.project),
        run_id=run.run_id,
        kind=run.kind,
        sys_id=run.sys_id,
        name=run.name,
        created=run.created,
        parent=run.parent,
        fork_step=run.fork_step,
        trashed=run.trashed,
        handle=run,
        incomplete=run.incomplete,
    )
