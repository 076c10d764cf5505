"""What of a run is to be loaded, and reading it in pieces that fit in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mooring.exchange.loading.attempts import Failure, capture
from mooring.exchange.loading.content import digest_points
from mooring.exchange.points import rows_by_path
from mooring.exchange.selection import SelectedSource, type_of
from mooring.exchange.source import (
    UNKNOWN_COUNT,
    Source,
    SourceFile,
    SourceRun,
    SourceSeries,
    SourceValue,
    file_of,
)
from mooring.model import AttributeType

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_POINTS = 500_000
"""Points that are in memory at once, unless a single series has more."""


@dataclass(frozen=True, slots=True)
class FileItem:
    """A file of a run: an attribute, or a point of a file series at `step` and `time`."""

    path: str
    type: AttributeType
    file: SourceFile
    step: int | None = None
    time: int | None = None

    @property
    def key(self) -> str:
        """What the journal knows it by; no path holds a line break."""
        return self.path if self.step is None else f"{self.path}\n{self.step}"


@dataclass(slots=True)
class Outline:
    """The attributes of a run that are chosen.

    `all_values` holds every single value of the run, chosen or not, for a target's own fields.
    """

    all_values: dict[str, SourceValue]
    values: dict[str, SourceValue] = field(default_factory=dict)
    files: list[FileItem] = field(default_factory=list)
    series: list[SourceSeries] = field(default_factory=list)

    @property
    def attributes(self) -> Sequence[tuple[str, AttributeType]]:
        """Path and type of all of them, sorted by path."""
        return sorted(
            [
                *((path, type_of(value)) for path, value in self.values.items()),
                *((item.path, item.type) for item in self.files),
                *((series.path, series.type) for series in self.series),
            ]
        )


@dataclass(frozen=True, slots=True)
class Series:
    """A series that was read, whole."""

    path: str
    count: int
    digest: str
    points: pa.Table


def outline_run(source: SelectedSource, run: SourceRun) -> Outline:
    """Return what a run has of what is chosen."""
    outline = Outline(dict(source.source.read_values(run)))
    for path, value in sorted(outline.all_values.items()):
        kind, file = type_of(value), file_of(value)
        if not source.takes(path, kind):
            continue
        if file is None:
            outline.values[path] = value
        else:
            outline.files.append(FileItem(path, kind, file))
    outline.series = sorted(source.list_series(run), key=lambda series: series.path)
    return outline


def chunk_series(
    outline: Outline, type: AttributeType, limit: int = CHUNK_POINTS
) -> Iterator[list[str]]:
    """Yield paths of series of a type, so many at once as have no more than `limit` points."""
    chunk: list[str] = []
    points = 0
    for series in outline.series:
        if series.type is not type:
            continue
        count = UNKNOWN_COUNT if series.count is None else series.count
        if chunk and points + count > limit:
            yield chunk
            chunk, points = [], 0
        chunk.append(series.path)
        points += count
    if chunk:
        yield chunk


def read_chunk(
    source: Source, run: SourceRun, type: AttributeType, paths: Sequence[str], *, seed: str
) -> Iterator[Series | tuple[str, Failure]]:
    """Yield the series of a chunk, or for one that cannot be read its path and why."""

    def read() -> list[Series]:
        points = source.read_points(run, type, paths).combine_chunks()
        told = digest_points(type, points, seed=seed)
        return [
            Series(path, count, digest, points.slice(first, count))
            for (path, count, digest), (_, first, _) in zip(told, rows_by_path(points), strict=True)
        ]

    result = capture(read)
    if not isinstance(result, Failure):
        yield from result
    elif len(paths) == 1:
        yield paths[0], result
    else:
        for path in paths:
            yield from read_chunk(source, run, type, [path], seed=seed)


def files_of_series(series: Series) -> Iterator[FileItem]:
    """Yield the files of a file series."""
    for point in series.points.to_pylist():
        value = point["value"]
        file = SourceFile(
            location=value["location"],
            name=value["name"] or "",
            mime_type=value["mime_type"] or "",
            size_bytes=value["size_bytes"],
            digest=value["digest"],
        )
        yield FileItem(
            series.path, AttributeType.FILE_SERIES, file, step=point["step"], time=point["time"]
        )
