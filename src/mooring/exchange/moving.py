"""Moves what one run has into a store: values, files, points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from mimetypes import guess_type

import pyarrow as pa

from mooring.errors import ExchangeError, InvalidInput, SourceUnreadable, Transient
from mooring.exchange.comparing import chunks
from mooring.exchange.reports import Problem
from mooring.exchange.selection import SelectedSource
from mooring.exchange.source import RunExtras, SourceFile, SourceRun, SourceSeries, SourceValue
from mooring.model import AttributeType, FileRef, Typed, Value
from mooring.store.contract import Store
from mooring.store.transfer import RunImport

MISSING = "import/missing"
"""Attribute of a run that came in with something missing: the paths that are."""


class RunMover:
    """Takes what runs of a source have, and hands it to imports of a store.

    What cannot be read, or a store cannot have, is added to a list of what is missing.

    Parameters
    ----------
    attach : "copy", "link" or "refer": what becomes of Parquet that can be taken as it is
    read_all : whether its values are read, whatever is noted of them
    """

    def __init__(
        self, source: SelectedSource, store: Store, *, attach: str, read_all: bool
    ) -> None:
        self._source = source
        self._store = store
        self._attach = attach
        self._read_all = read_all
        self._blobs: dict[str, FileRef] = {}

    def take_values(
        self, read: Mapping[str, SourceValue], run: SourceRun, missing: list[Problem]
    ) -> dict[str, Value | Typed]:
        """Return values as a store takes them; files are among its blobs then."""
        values: dict[str, Value | Typed] = {}
        for path, value in read.items():
            if path == MISSING:
                continue
            try:
                values[path] = self._take_value(value)
            except ExchangeError as error:
                if isinstance(error, Transient):
                    raise  # it is there, and comes when the run is tried again
                missing.append(Problem(path, str(error)))
        return values

    @staticmethod
    def set_values(
        values: Mapping[str, Value | Typed], incoming: RunImport, missing: list[Problem]
    ) -> None:
        """Set values; those that a store cannot have are missing, and the others are there."""
        try:
            incoming.set_values(values)
        except InvalidInput:
            for path, value in values.items():
                try:
                    incoming.set_values({path: value})
                except InvalidInput as error:
                    missing.append(Problem(path, str(error)))

    def _take_value(self, value: SourceValue) -> Value | Typed:
        if isinstance(value, SourceFile):
            return self._take_file(value)
        if isinstance(value, Typed) and isinstance(value.value, SourceFile):
            return Typed(value.type, self._take_file(value.value))
        return value

    def _take_file(self, file: SourceFile) -> FileRef:
        """Put a file among the store's blobs."""
        known = self._blobs.get(file.location)
        if known is None:
            with self._source.open_file(file) as stream:
                digest, size = self._store.put_blob(stream)
            if file.digest and digest != file.digest:
                raise ExchangeError(
                    f"the content of {file.name or file.location!r} does not have its digest",
                    where=file.location,
                )
            known = self._blobs[file.location] = FileRef(digest, size)
        return FileRef(
            known.digest,
            known.size_bytes,
            file.mime_type or guess_type(file.name)[0] or "application/octet-stream",
            file.name,
        )

    def take_points(
        self,
        run: SourceRun,
        series: Sequence[SourceSeries],
        extras: RunExtras,
        incoming: RunImport,
        missing: list[Problem],
        *,
        same_project: bool,
    ) -> int:
        wanted = _without_cells(series, extras)
        files = [one for one in wanted if one.type is AttributeType.FILE_SERIES]
        others = [one for one in wanted if one.type is not AttributeType.FILE_SERIES]
        points = 0
        if extras.rows is None and others and same_project:
            parts = self._source.list_parts(run)
            for part in parts or ():
                if self._read_all:  # then its values are read, whatever is noted of them
                    plain = [replace(one, stats=None) for one in part.series]
                    part = replace(part, series=plain)
                with suppress(SourceUnreadable):  # reading the points tells which are lost
                    points += incoming.attach(
                        part.file, part.series, digest=part.digest, how=self._attach
                    )
                    attached = {one.path for one in part.series}
                    others = [one for one in others if one.path not in attached]
        for type, paths in chunks(others):
            points += incoming.write_points(type, self._source.read_points(run, type, paths))
        for type, paths in chunks(files):
            found = self._take_files(self._source.read_points(run, type, paths), missing)
            if found.num_rows:
                points += incoming.write_points(type, found)
        chosen = {one.path for one in wanted}
        return points + sum(one.count or 0 for one in series if one.path not in chosen)

    def _take_files(self, points: pa.Table, missing: list[Problem]) -> pa.Table:
        """Put the files of points among the blobs; points whose file is missing are left out."""
        kept: list[bool] = []
        refs: list[dict[str, object]] = []
        paths = points["path"].cast(pa.string()).to_pylist()
        lost: dict[str, str] = {}
        for path, value in zip(paths, points["value"].to_pylist(), strict=True):
            try:
                ref = self._take_file(
                    SourceFile(
                        location=value["location"],
                        name=value["name"] or "",
                        mime_type=value["mime_type"] or "",
                        size_bytes=value["size_bytes"],
                        digest=value["digest"],
                    )
                )
            except ExchangeError as error:
                if isinstance(error, Transient):
                    raise
                kept.append(False)
                lost.setdefault(path, str(error))
                continue
            kept.append(True)
            refs.append(
                {
                    "digest": ref.digest,
                    "size_bytes": ref.size_bytes,
                    "mime_type": ref.mime_type,
                    "name": ref.name,
                }
            )
        missing += [Problem(path, why) for path, why in lost.items()]
        names = ("digest", "size_bytes", "mime_type", "name")
        types = (pa.string(), pa.int64(), pa.string(), pa.string())
        value_type = pa.struct(list(zip(names, types, strict=True)))
        points = points.filter(pa.array(kept, pa.bool_()))
        at = points.column_names.index("value")
        return points.set_column(at, "value", pa.array(refs, value_type))


def _without_cells(series: Sequence[SourceSeries], extras: RunExtras) -> list[SourceSeries]:
    """Leave out the series whose points are all cells of the run's rows, and come with them."""
    if extras.rows is None:
        return list(series)
    cells = {
        name: extras.rows.num_rows - extras.rows[name].null_count
        for name in extras.rows.column_names
    }
    return [one for one in series if cells.get(one.path) != one.count]
