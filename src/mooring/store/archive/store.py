"""An export's folder as a store: read in place, nothing copied but its index.

Opening it makes an index in a temporary folder, which disappears with `close`. Points of files
that can be taken as they are stay in them; those of others are sorted into files of the index.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from mooring.errors import MooringError, SourceUnreadable, StoreReadOnly
from mooring.model import (
    AttributeType,
    FileRef,
    ProjectName,
    RunInfo,
    RunSpec,
    Typed,
    Value,
    order_by_lineage,
)
from mooring.store.archive.files import ArchivedFile
from mooring.store.archive.folder import Archive
from mooring.store.archive.run import ArchivedRun, ArchivedValue
from mooring.store.contract import Finding, PathSelector, StoreCheck
from mooring.store.sqlite.store import SqliteStore
from mooring.store.transfer import RunImport

_FILE = pa.struct(
    [
        ("digest", pa.string()),
        ("size_bytes", pa.int64()),
        ("mime_type", pa.string()),
        ("name", pa.string()),
    ]
)


class ArchiveStore(SqliteStore):
    """A folder of exported Parquet, opened read-only in place. Open it with `mooring.open_store`.

    What cannot be read of it is left out; `check` tells what that is.
    """

    def __init__(self, folder: Path, *, files: Path | None = None) -> None:
        self._folder = folder
        self._found: list[Finding] = []
        self._places: dict[str, Path] = {}
        archive = Archive(folder, files=files, tell=self._tell)
        self._index = tempfile.mkdtemp(prefix="mooring-archive-")
        path = Path(self._index) / "index.db"
        try:
            with SqliteStore(path) as store:
                for project, runs in archive.runs.items():
                    name = store.ensure_project(str(ProjectName.parse(project)))
                    for run in order_by_lineage(runs):
                        self._enter(store, name, run)
                        run.forget()
                store.list_attributes(None, PathSelector(paths=()))  # folds the rows of tables
        except BaseException:
            shutil.rmtree(self._index, ignore_errors=True)
            raise
        super().__init__(path, read_only=True)

    def _tell(self, what: str, why: str) -> None:
        self._found.append(Finding("error", f"{what}: {why}"))

    def __repr__(self) -> str:
        return f"ArchiveStore({self.address!r})"

    @property
    def address(self) -> str:
        """The folder."""
        return str(self._folder)

    def _enter(self, store: SqliteStore, project: str, run: ArchivedRun) -> None:
        try:
            self._enter_whole(store, project, run)
        except MooringError as error:
            self._tell(f"run {run.run_id!r} of {project}", str(error))
        for what, why in run.problems:
            self._tell(f"run {run.run_id!r} of {project}, {what!r}", why)

    def _enter_whole(self, store: SqliteStore, project: str, run: ArchivedRun) -> None:
        if run.incomplete:
            self._tell(f"run {run.run_id!r} of {project}", run.incomplete)
        parent: RunInfo | None = None
        if run.parent is not None and run.parent != run.run_id:
            parent = store.find_run(project, run_id=run.parent)
            if parent is None:
                self._tell(
                    f"run {run.run_id!r} of {project}",
                    f"its parent {run.parent!r} is not in the export: what it inherits is missing",
                )
        owner = run.text("sys/owner")
        spec = RunSpec(
            project=project,
            run_id=run.run_id,
            sys_id=run.sys_id,
            name=run.name,
            kind=run.kind,
            parent=None if parent is None else parent.key,
            fork_step=None if parent is None else run.fork_step or 0,
            created=run.created,
            owner=owner,
        )
        with store.import_run(spec) as incoming:
            self._fill(incoming, run)
            incoming.commit()

    def _fill(self, incoming: RunImport, run: ArchivedRun) -> None:
        values: dict[str, Value | Typed] = {}
        for path, value in run.values.items():
            with self._telling(path):
                values[path] = self._value(value)
        cells: dict[str, int] = {}
        if run.manifest is not None:
            incoming.do_not_inherit(run.manifest.not_inherited)
            rows = run.read_extra(run.manifest.rows, "rows of the table")
            if rows is not None:
                incoming.write_rows(rows)
                cells = {n: rows.num_rows - rows[n].null_count for n in rows.column_names}
            previews = run.read_extra(run.manifest.previews, "previews")
            if previews is not None:
                incoming.write_previews(previews)
        sealed = None if cells or run.incomplete else run.list_sealed()
        attached: set[str] = set()
        for part in sealed or ():
            with suppress(SourceUnreadable):  # reading the points tells which are lost
                incoming.attach(part.file, part.series, digest=part.digest, how="refer")
                attached.update(one.path for one in part.series)
        for type in AttributeType:
            if not type.is_series:
                continue
            paths = [
                one.path
                for one in run.series
                if one.type is type
                and one.path not in attached
                and cells.get(one.path) != one.count
            ]
            if not paths:
                continue
            points, files = run.read_points(type, paths)
            if type is AttributeType.FILE_SERIES:
                points = self._with_files(points, files)
            if points.num_rows:
                incoming.write_points(type, points)
        incoming.set_values(values)

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        """Tell of what cannot be read, and go on without it."""
        try:
            yield
        except OSError as error:
            self._tell(what, f"{error.filename}: {error.strerror or error}")

    def _value(self, value: ArchivedValue) -> Value | Typed:
        if isinstance(value, ArchivedFile):
            return self._file(value)
        if isinstance(value, Typed) and isinstance(value.value, ArchivedFile):
            return Typed(value.type, self._file(value.value))
        return value

    def _file(self, file: ArchivedFile) -> FileRef:
        digest = file.digest
        if digest is None:
            with file.path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        self._places[digest] = file.path
        size = file.path.stat().st_size if file.size_bytes is None else file.size_bytes
        return FileRef(digest, size, file.mime_type, file.name)

    def _with_files(self, points: pa.Table, files: Sequence[ArchivedFile]) -> pa.Table:
        kept, refs = [], []
        for at, number in enumerate(points["value"].to_pylist()):
            with self._telling(points["path"][at].as_py()):
                ref = self._file(files[number])
                refs.append(
                    {
                        "digest": ref.digest,
                        "size_bytes": ref.size_bytes,
                        "mime_type": ref.mime_type,
                        "name": ref.name,
                    }
                )
                kept.append(at)
        points = points.take(pa.array(kept, pa.int64()))
        return points.set_column(3, "value", pa.array(refs, _FILE))

    def open_blob(self, digest: str) -> BinaryIO:
        """Open a file of the export."""
        self._database.check_open()
        path = self._places.get(digest)
        return super().open_blob(digest) if path is None else path.open("rb")

    def check(self, *, repair: bool = False) -> StoreCheck:
        """Tell what of the export could not be read. Nothing is repaired in place."""
        if repair:
            raise StoreReadOnly(
                f"{self._folder} is an export and read only; import it to repair it",
                address=self.address,
            )
        return StoreCheck(tuple(self._found))

    def close(self) -> None:
        """Remove the index. Idempotent."""
        super().close()
        shutil.rmtree(self._index, ignore_errors=True)
