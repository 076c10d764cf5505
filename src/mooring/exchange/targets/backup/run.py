"""One run into a backup: what changed is written, the rest taken over."""

from __future__ import annotations

import hashlib
import json
import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mooring.errors import ExportDamaged, InvalidValue, MooringError, SourceUnreadable
from mooring.exchange.backup.content import (
    digest_file,
    digest_points,
    digest_table,
    digest_value,
    to_json,
)
from mooring.exchange.backup.folders import CHUNK_BYTES, Folder
from mooring.exchange.backup.manifest import Form, KeptAttribute, Manifest
from mooring.exchange.backup.names import METADATA, OWN, VALUES, Wanted, place_files, short_digest
from mooring.exchange.backup.reading import PREVIEWS, ROWS
from mooring.exchange.backup.texts import (
    SHOWN_TYPES,
    SeriesFormat,
    format_metadata,
    is_exact,
)
from mooring.exchange.comparing import POINTS_AT_ONCE, chunks
from mooring.exchange.points import rows_by_path
from mooring.exchange.selection import type_of
from mooring.exchange.source import (
    HasExtras,
    Source,
    SourceFile,
    SourceRun,
    SourceSeries,
    SourceValue,
    file_of,
)
from mooring.exchange.targets.backup.stage import Stage
from mooring.exchange.targets.backup.tracked import list_tracked, read_tracked
from mooring.model import AttributeType

_ROW_GROUP = 1 << 20
_CSV_TYPES = (AttributeType.FLOAT_SERIES, AttributeType.STRING_SERIES)
_WEIGHTS = {AttributeType.STRING_SERIES: 8, AttributeType.HISTOGRAM_SERIES: 64}
"""How much larger than a float's the points of a type tend to be."""


@dataclass(frozen=True, slots=True)
class OldRun:
    """What an earlier backup holds of a run."""

    folder: Folder
    manifest: Manifest


class RunBackup:
    """Backs up one run of a source.

    Parameters
    ----------
    stage : where its files come together
    old : what an earlier backup holds of it
    revision : how often the run was written, this time included
    zone : time zone of the times in CSV files
    artifacts : whether to fetch what artifacts track
    """

    def __init__(
        self,
        source: Source,
        run: SourceRun,
        stage: Stage,
        old: OldRun | None,
        *,
        revision: int,
        zone: str,
        artifacts: bool,
    ) -> None:
        self._revision = revision
        self._source = source
        self._run = run
        self._stage = stage
        self._old = old
        self._zone = zone
        self._format = SeriesFormat(zone)
        self._artifacts = artifacts
        self._missing: list[tuple[str, str]] = []
        self._attributes: dict[str, KeptAttribute] = {}
        self._stored: dict[str, Any] = {}
        self._tracked: dict[str, str] = {}

    def collect(self) -> Manifest:
        """Read the run, write what changed, and return what its manifest has to tell."""
        problems = self._source.problems
        known, unnamed = len(problems.named), problems.not_named
        values = self._source.read_values(self._run)
        series = self._source.list_series(self._run)
        places = place_files(self._wanted(values, series))
        self._collect_values(values, places)
        counts = {one.path: one.count for one in series}
        for type, paths in _portions(series):
            self._collect_series(type, paths, counts, places)
        rows, previews, not_inherited = self._collect_extras()
        for one in problems.named[known:]:
            self._missing.append((one.what, one.why))
        if problems.not_named > unnamed:
            self._missing.append(("more", f"{problems.not_named - unnamed} problems not named"))
        if self._run.incomplete:
            self._missing.append(("the run", self._run.incomplete))
        return Manifest(
            run=replace(self._run, handle=None),
            revision=self._revision,
            zone=self._zone,
            missing=tuple(self._missing),
            files=dict(sorted(self._stage.files.items())),
            attributes=dict(sorted(self._attributes.items())),
            tracked=self._tracked,
            rows=rows,
            previews=previews,
            not_inherited=tuple(sorted(not_inherited)),
        )

    # names

    def _wanted(
        self, values: Mapping[str, SourceValue], series: Sequence[SourceSeries]
    ) -> Iterator[Wanted]:
        for path, value in values.items():
            file = file_of(value)
            if file is None:
                continue
            match type_of(value):
                case AttributeType.FILE_SET:
                    yield Wanted(path, f"{path}.zip")
                case AttributeType.ARTIFACT:
                    yield Wanted(path, path)
                case _:
                    extension = _extension(file)
                    yield Wanted(path, f"{path}.{extension}", dot_at_end=not extension)
        for one in series:
            if one.type in _CSV_TYPES:
                yield Wanted(one.path, f"{one.path}.csv")
            elif one.type is AttributeType.FILE_SERIES:
                yield Wanted(one.path, one.path)

    # values

    def _collect_values(self, values: Mapping[str, SourceValue], places: Mapping[str, str]) -> None:
        for path in sorted(values):
            value = values[path]
            file = file_of(value)
            if file is not None:
                self._collect_file(path, type_of(value), file, places[path])
                continue
            try:
                self._stored[path] = json.loads(json.dumps(to_json(value)))
            except (TypeError, ValueError) as error:
                self._miss(path, InvalidValue(f"JSON cannot hold it: {error}"))
                continue
            self._attributes[path] = KeptAttribute(
                type=type_of(value), form=Form.VALUE, content=digest_value(value)
            )
        shown = {path: value for path, value in values.items() if type_of(value) in SHOWN_TYPES}
        self._put(METADATA, format_metadata(shown))
        self._put(VALUES, json.dumps(self._stored, indent=1, sort_keys=True).encode() + b"\n")

    def _put(self, name: str, content: bytes) -> None:
        if not self._stage.have(name, hashlib.sha256(content).hexdigest(), len(content)):
            self._stage.write(name, [content])

    def _collect_file(self, path: str, type: AttributeType, file: SourceFile, place: str) -> None:
        tracked = place
        if type is AttributeType.ARTIFACT:
            place = f"{OWN}/artifacts/{short_digest(path, 32)}.json"
        digest = self._store_file(path, place, file)
        if digest is None:
            return
        self._stored[path] = {"name": file.name, "mime_type": file.mime_type}
        kept = KeptAttribute(
            type=type, form=Form.FILE, content=digest_file(type, file, digest), file=place
        )
        self._attributes[path] = kept
        if type is AttributeType.ARTIFACT:
            self._collect_tracked(path, file, tracked, kept)

    def _store_file(self, path: str, place: str, file: SourceFile) -> str | None:
        """Have a file of the source in the backup; return its SHA-256, None when it is left out."""
        if file.digest and self._stage.have(place, file.digest, file.size_bytes):
            return file.digest
        try:
            with self._source.open_file(file) as content:
                kept = self._stage.write(place, _parts(content))
            if file.digest and kept.sha256 and kept.sha256 != file.digest:
                raise ExportDamaged(
                    f"the source's file is damaged: its SHA-256 is {kept.sha256[:12]}…, and was "
                    f"{file.digest[:12]}…",
                    where=file.location,
                )
        except MooringError as error:
            if not isinstance(error, (ExportDamaged, SourceUnreadable)):
                raise
            self._stage.drop(place)
            self._miss(path, error)
            return None
        return kept.sha256 or file.digest or ""

    # what artifacts track

    def _collect_tracked(
        self, path: str, file: SourceFile, place: str, kept: KeptAttribute
    ) -> None:
        old = None if self._old is None else self._old.manifest
        before = ""
        if old is not None and path in old.tracked:
            known = old.attributes.get(path)
            if known is not None and known.content == kept.content:
                before = old.tracked[path]
        if not self._artifacts and not before:
            return
        try:
            with self._source.open_file(file) as content:
                listed = list_tracked(content.read())
        except MooringError as error:
            self._miss(path, error)
            return
        names = place_files([Wanted(str(n), one.path) for n, one in enumerate(listed)])
        self._tracked[path] = place
        for number, one in enumerate(listed):
            name = names[str(number)]
            if before and self._stage.keep(f"{place}/{name}", f"{before}/{name}"):
                continue
            if self._artifacts:
                try:
                    self._stage.write(f"{place}/{name}", read_tracked(one))
                except SourceUnreadable as error:
                    self._miss(path, error, f"tracked file {one.path!r}: ")

    # series

    def _collect_series(
        self,
        type: AttributeType,
        paths: Sequence[str],
        counts: Mapping[str, int | None],
        places: Mapping[str, str],
    ) -> None:
        problems = self._source.problems
        told = len(problems.named) + problems.not_named
        try:
            points = self._source.read_points(self._run, type, paths)
        except MooringError as error:
            for path in paths:
                self._miss(path, error)
                self._keep_former(path, type, places.get(path, ""))
            return
        found = {path: points.slice(first, count) for path, first, count in rows_by_path(points)}
        for path in paths:
            if path in found:
                self._collect_points(path, type, found[path], places.get(path, ""))
            elif counts[path]:
                if told == len(problems.named) + problems.not_named:
                    self._miss(path, SourceUnreadable("its points could not be read"))
                self._keep_former(path, type, places.get(path, ""))
            else:
                empty = points.slice(0, 0)
                self._collect_points(path, type, empty, places.get(path, ""))

    def _collect_points(self, path: str, type: AttributeType, points: pa.Table, place: str) -> None:
        if type is AttributeType.FILE_SERIES:
            self._collect_files(path, points, place)
            return
        content = digest_points(type, points)
        if self._keep(path, type, content, place):
            return
        exact = f"{OWN}/points/{short_digest(path, 32)}.parquet"
        form = Form.PARQUET
        if type in _CSV_TYPES:
            steps, times = (points[name].combine_chunks().to_numpy() for name in ("step", "time"))
            values = _one_array(points["value"])
            form = Form.CSV if is_exact(steps, times, values, self._zone) else Form.SHOWN
            self._stage.write(place, self._format.parts(steps, times, values))
        if form is not Form.CSV and points.num_rows:
            self._write_parquet(exact, points.select(["step", "time", "value"]))
        self._attributes[path] = KeptAttribute(
            type=type,
            form=form,
            content=content,
            file=place,
            exact="" if form is Form.CSV or not points.num_rows else exact,
            count=points.num_rows,
        )

    def _collect_files(self, path: str, points: pa.Table, place: str) -> None:
        type = AttributeType.FILE_SERIES
        value = points["value"].combine_chunks()
        if isinstance(value, pa.ChunkedArray):
            value = pa.concat_arrays(value.chunks) if value.chunks else pa.array([], value.type)
        digests = pc.struct_field(value, "digest")
        if not digests.null_count and self._keep(path, type, digest_points(type, points), place):
            return
        names, stored, rows = [], [], []
        for row, cell in enumerate(value.to_pylist()):
            file = SourceFile(
                location=cell["location"],
                name=cell["name"] or "",
                mime_type=cell["mime_type"] or "",
                size_bytes=cell["size_bytes"],
                digest=cell["digest"],
            )
            name = f"{row}.{_subtype(file)}"
            digest = self._store_file(path, f"{place}/{name}", file)
            if digest is not None:
                rows.append(row)
                names.append(name)
                stored.append((digest, self._stage.files[f"{place}/{name}"].size))
        chosen = pa.array(rows, pa.int64())
        points, value = points.take(chosen), value.take(chosen)
        exact = f"{OWN}/points/{short_digest(path, 32)}.parquet"
        table = pa.table(
            {
                "step": points["step"],
                "time": points["time"],
                "name": pc.struct_field(value, "name"),
                "mime_type": pc.struct_field(value, "mime_type"),
                "size_bytes": pa.array([size for _, size in stored], pa.int64()),
                "digest": pa.array([digest for digest, _ in stored], pa.string()),
                "file": pa.array(names, pa.string()),
            }
        )
        told = pa.StructArray.from_arrays(
            [table[name].combine_chunks() for name in ("digest", "name", "mime_type")],
            names=["digest", "name", "mime_type"],
        )
        content = digest_points(type, table.append_column("value", told))
        if self._keep(path, type, content, place):
            return
        if table.num_rows:
            self._write_parquet(exact, table)
        self._attributes[path] = KeptAttribute(
            type=type,
            form=Form.FILES,
            content=content,
            file=place,
            exact=exact if table.num_rows else "",
            count=table.num_rows,
        )

    def _write_parquet(self, name: str, table: pa.Table) -> None:
        self._stage.write_with(
            name,
            lambda sink: pq.write_table(table, sink, compression="zstd", row_group_size=_ROW_GROUP),
        )

    # what did not change

    def _keep(self, path: str, type: AttributeType, content: str, place: str) -> bool:
        """Take an attribute over from the old run when it holds the same."""
        if self._old is None:
            return False
        old = self._old.manifest.attributes.get(path)
        if old is None or (old.type, old.content) != (type, content):
            return False
        if old.form in (Form.CSV, Form.SHOWN) and self._old.manifest.zone != self._zone:
            return False
        return self._take_over(path, old, place)

    def _keep_former(self, path: str, type: AttributeType, place: str) -> None:
        """Take over what an earlier backup has of a series that cannot be read now."""
        old = None if self._old is None else self._old.manifest.attributes.get(path)
        if (
            old is not None
            and self._old is not None
            and old.type is type
            and self._old.manifest.zone == self._zone
        ):
            self._take_over(path, old, place)

    def _take_over(self, path: str, old: KeptAttribute, place: str) -> bool:
        assert self._old is not None
        pairs = [(name, name) for name in (old.exact,) if name]
        if old.form is Form.FILES:
            above = f"{old.file}/"
            pairs += [
                (f"{place}/{name.removeprefix(above)}", name)
                for name in self._old.manifest.files
                if name.startswith(above)
            ]
        elif old.file:
            pairs.append((place, old.file))
        if not self._stage.keep_all(pairs):
            return False
        self._attributes[path] = replace(old, file=place if old.file else "")
        return True

    # extras

    def _collect_extras(self) -> tuple[str, str, Sequence[str]]:
        if not isinstance(self._source, HasExtras):
            return "", "", ()
        extras = self._source.read_extras(self._run)
        old = None if self._old is None else self._old.manifest
        digests = []
        for name, table, former in (
            (ROWS, extras.rows, old.rows if old else ""),
            (PREVIEWS, extras.previews, old.previews if old else ""),
        ):
            digest = digest_table(table)
            if digest and not (digest == former and self._stage.keep(name, name)):
                assert table is not None
                self._write_parquet(name, table)
            digests.append(digest)
        return digests[0], digests[1], extras.not_inherited

    def _miss(self, path: str, error: MooringError, more: str = "") -> None:
        self._missing.append((path, f"{more}{error}"))


def _portions(series: Sequence[SourceSeries]) -> Iterator[tuple[AttributeType, list[str]]]:
    """Yield series of one type that are read together without much memory."""
    for type in dict.fromkeys(one.type for one in series):
        limit = POINTS_AT_ONCE // _WEIGHTS.get(type, 1)
        yield from chunks([one for one in series if one.type is type], limit)


def _extension(file: SourceFile) -> str:
    """Return the extension that a file was stored with, without its dot."""
    name = file.name.rsplit("/", 1)[-1]
    stem, _, extension = name.rpartition(".")
    if name:
        return extension if stem else ""
    return (mimetypes.guess_extension(file.mime_type) or "").removeprefix(".")


def _subtype(file: SourceFile) -> str:
    from mooring.exchange.backup.names import escape

    subtype = file.mime_type.partition(";")[0].rpartition("/")[2].strip()
    return escape(subtype or _extension(file) or "bin")


def _parts(file: BinaryIO) -> Iterator[bytes]:
    while part := file.read(CHUNK_BYTES):
        yield part


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.chunks else pa.array([], column.type)
    return array
