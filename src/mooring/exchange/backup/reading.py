"""A run of a backup of ours, read back exactly, each file checked against the manifest."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mooring.errors import ExportDamaged, MooringError, SourceUnreadable
from mooring.exchange.backup.content import from_json
from mooring.exchange.backup.folders import Folder
from mooring.exchange.backup.manifest import Form, Kept, KeptAttribute, Manifest, load_manifest
from mooring.exchange.backup.names import MANIFEST, METADATA, OWN, VALUES
from mooring.exchange.backup.texts import (
    EMPTY,
    read_series,
)
from mooring.exchange.source import (
    FILE_TYPES,
    RunExtras,
    SourceFile,
    SourceSeries,
    SourceValue,
    file_type,
    make_points,
)
from mooring.model import AttributeType, Typed

ROWS = f"{OWN}/rows.parquet"
PREVIEWS = f"{OWN}/previews.parquet"

Tell = Callable[[str, str], None]
"""Called with the attribute (or file) that could not be read, and with where and why."""


class RunReader:
    """Reads one run of a backup.

    What cannot be read of it is told to `tell`, with the attribute, the run and the file, and left
    out. Files are checked as they are read. Locations of files are their names below the folder of
    the run, after `prefix`.
    """

    def __init__(self, folder: Folder, manifest: Manifest, tell: Tell, prefix: str = "") -> None:
        self.folder = folder
        self.manifest = manifest
        self._tell = tell
        self._prefix = prefix

    def read_values(self) -> dict[str, SourceValue]:
        """Return all attributes that are no series."""
        wanted = {
            path: kept for path, kept in self.manifest.attributes.items() if not kept.type.is_series
        }
        if not wanted:
            return {}
        try:
            self._check(METADATA, f"values are taken from {VALUES}")
            stored = json.loads(self._content(VALUES))
        except MooringError as error:
            self._told(None, error)
            return {}
        values: dict[str, SourceValue] = {}
        for path, kept in wanted.items():
            try:
                values[path] = self._value(kept, stored[path])
            except (KeyError, TypeError, ValueError) as error:
                self._told(path, ExportDamaged(f"its value is missing or odd: {error}"), VALUES)
        return values

    def list_series(self) -> list[SourceSeries]:
        """Return the series that have points."""
        return [
            SourceSeries(path, kept.type, kept.count)
            for path, kept in self.manifest.attributes.items()
            if kept.type.is_series and kept.count
        ]

    def read_points(self, type: AttributeType, paths: Sequence[str] | None) -> pa.Table:
        """Return the points of series of one type, see `Source.read_points`."""
        wanted = self.manifest.attributes if paths is None else dict.fromkeys(paths)
        tables = []
        for path in sorted(wanted):
            kept = self.manifest.attributes.get(path)
            if kept is None or kept.type is not type:
                continue
            try:
                points = self._points(kept)
            except MooringError as error:
                self._told(path, error)
            except (pa.ArrowException, KeyError, ValueError, TypeError) as error:
                self._told(path, ExportDamaged(f"it cannot be read: {error}"), kept.exact)
            else:
                index = np.zeros(points.num_rows, np.int32)
                named = pa.DictionaryArray.from_arrays(index, pa.array([path], pa.string()))
                tables.append(points.add_column(0, "path", named))
        if not tables:
            return make_points(type, [], [], [], [])
        points = pa.concat_tables(tables).unify_dictionaries()
        return make_points(type, points["path"], points["step"], points["time"], points["value"])

    def read_extras(self) -> RunExtras:
        """Return rows of a tracker's table, previews, and what a fork does not inherit."""
        tables: dict[str, pa.Table | None] = {ROWS: None, PREVIEWS: None}
        for name, digest in ((ROWS, self.manifest.rows), (PREVIEWS, self.manifest.previews)):
            if digest:
                try:
                    tables[name] = pq.read_table(pa.BufferReader(self._content(name)))
                except MooringError as error:
                    self._told(None, error)
                except pa.ArrowException as error:
                    self._told(None, ExportDamaged(f"it cannot be read: {error}"), name)
        return RunExtras(
            rows=tables[ROWS],
            previews=tables[PREVIEWS],
            not_inherited=self.manifest.not_inherited,
        )

    def check_files(self) -> Iterator[tuple[str, str]]:
        """Read every file; yield those that are not as the manifest says, and why."""
        owners = _owners(self.manifest)
        for name, kept in self.manifest.files.items():
            try:
                found, size = self.folder.digest(name)
            except SourceUnreadable as error:
                yield owners.get(name, name), self._why(str(error))
            else:
                if (found, size) != (kept.sha256, kept.size):
                    why = _difference(kept, found, size)
                    yield owners.get(name, name), self._why(why, name)
        for name in self.folder.walk():
            if name not in self.manifest.files and name != MANIFEST:
                yield name, self._why("is not in the manifest; somebody else put it there", name)

    # parts

    def _value(self, kept: KeptAttribute, stored: object) -> SourceValue:
        if kept.type not in FILE_TYPES:
            return from_json(kept.type, stored)
        assert isinstance(stored, dict)
        known = self.manifest.files[kept.file]
        file = SourceFile(
            location=self._prefix + kept.file,
            name=stored["name"],
            mime_type=stored["mime_type"],
            size_bytes=known.size,
            digest=known.sha256,
        )
        return file if kept.type is AttributeType.FILE else Typed(kept.type, file)

    def _points(self, kept: KeptAttribute) -> pa.Table:
        if kept.form is Form.CSV:
            return self._csv_points(kept)
        if not kept.count:
            return make_points(kept.type, [], [], [], []).drop_columns(["path"])
        if kept.form is Form.SHOWN:
            self._check(kept.file, f"points are taken from {kept.exact}")
        table = pq.read_table(pa.BufferReader(self._content(kept.exact)))
        if kept.form is not Form.FILES:
            return table.select(["step", "time", "value"])
        places = pc.binary_join_element_wise(
            f"{self._prefix}{kept.file}", table["file"].combine_chunks(), "/"
        )
        fields = [table[name].combine_chunks() for name in ("name", "mime_type", "size_bytes")]
        value = pa.StructArray.from_arrays(
            [places, *fields, table["digest"].combine_chunks()],
            fields=list(file_type()),
        )
        return pa.table({"step": table["step"], "time": table["time"], "value": value})

    def _csv_points(self, kept: KeptAttribute) -> pa.Table:
        """Return the points of a CSV file, whose checksum is looked at first."""
        digest, size = self.folder.digest(kept.file)
        self._compare(kept.file, digest, size)
        if size == len(EMPTY):
            return make_points(kept.type, [], [], [], []).drop_columns(["path"])
        return read_series(
            lambda: self.folder.open(kept.file),
            self.manifest.zone,
            texts=kept.type is AttributeType.STRING_SERIES,
        )

    def _content(self, name: str) -> bytes:
        content = self.folder.read(name)
        self._compare(name, hashlib.sha256(content).hexdigest(), len(content))
        return content

    def _compare(self, name: str, digest: str, size: int) -> None:
        shown = self._shown(name)
        kept = self.manifest.files.get(name)
        if kept is None:
            raise ExportDamaged(f"{shown} is missing from the manifest of its run", where=shown)
        if digest != kept.sha256:
            raise ExportDamaged(f"{shown} {_difference(kept, digest, size)}", where=shown)

    def _check(self, name: str, instead: str) -> None:
        """Tell of a file that is damaged where that costs nothing."""
        try:
            self._content(name)
        except MooringError as error:
            self._tell(name, self._why(f"{error}; {instead}"))

    # telling

    def _told(self, path: str | None, error: MooringError, name: str = "") -> None:
        self._tell(path or name or OWN, self._why(str(error), name))

    def _why(self, why: str, name: str = "") -> str:
        run = self.manifest.run
        where = f"run {run.run_id!r} of {run.project}"
        return f"{where}, file {self._shown(name)}: {why}" if name else f"{where}: {why}"

    def _shown(self, name: str) -> str:
        return f"{self.folder.root}/{name}"


def open_checked(folder: Folder, name: str, digest: str | None) -> BinaryIO:
    """Open a file, whose end is reached only when its SHA-256 is the one given."""
    file = folder.open(name)
    if digest is None:
        return file
    return io.BufferedReader(_Checked(file, digest, f"{folder.root}/{name}"))


class _Checked(io.RawIOBase):
    """A file that raises at its end when its content was another one."""

    def __init__(self, file: BinaryIO, digest: str, shown: str) -> None:
        self._file = file
        self._digest = digest
        self._shown = shown
        self._hasher = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        count = self._file.readinto(buffer)  # type: ignore[attr-defined]
        if count:
            self._hasher.update(memoryview(buffer)[:count])  # type: ignore[arg-type]
        elif (found := self._hasher.hexdigest()) != self._digest:
            raise ExportDamaged(
                f"{self._shown} is damaged: its SHA-256 is {found[:12]}… where its manifest tells "
                f"of {self._digest[:12]}…",
                where=self._shown,
            )
        return int(count)

    def close(self) -> None:
        self._file.close()
        super().close()


def find_manifest(folder: Folder) -> Manifest | None:
    """Return the manifest of a run's folder; None when it has none."""
    if folder.kind(MANIFEST) != "file":
        return None
    return load_manifest(folder.read(MANIFEST), str(folder.path(MANIFEST)))


def _owners(manifest: Manifest) -> dict[str, str]:
    """Return the attribute that each file belongs to; files of a series by their folder."""
    owners = {}
    folders = {}
    for path, kept in manifest.attributes.items():
        if kept.form is Form.FILES:
            folders[kept.file] = path
        elif kept.file:
            owners[kept.file] = path
        if kept.exact:
            owners[kept.exact] = path
    for path, folder in manifest.tracked.items():
        folders[folder] = path
    for name in manifest.files:
        above = name.rpartition("/")[0]
        while above and name not in owners:
            if above in folders:
                owners[name] = folders[above]
            above = above.rpartition("/")[0]
    return owners


def _difference(kept: Kept, found: str, size: int) -> str:
    if size != kept.size:
        return f"is damaged: it has {size:,} bytes where its manifest tells of {kept.size:,}"
    return (
        f"is damaged: its SHA-256 is {found[:12]}… where its manifest tells of {kept.sha256[:12]}…"
    )
