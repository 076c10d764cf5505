"""A source that holds its runs in memory, for what no store would take."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import pyarrow as pa

from mooring.errors import SourceUnreadable
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import (
    RunExtras,
    SourceFile,
    SourceRun,
    SourceSeries,
    SourceValue,
    make_points,
)
from mooring.model import AttributeType

Series = Mapping[str, tuple[AttributeType, Sequence[tuple[int, int, Any]]]]
"""Type and points (step, time, value) of each series; a file is its content, name, media type."""


@dataclass
class MemoryRun:
    run: SourceRun
    values: dict[str, SourceValue] = field(default_factory=dict)
    series: dict[str, tuple[AttributeType, list[tuple[int, int, Any]]]] = field(
        default_factory=dict
    )
    extras: RunExtras = field(default_factory=RunExtras)


class MemorySource:
    """`tells_digests`: files come with their digest. `broken`: files and series that fail."""

    address = "memory"

    def __init__(self, *runs: MemoryRun, tells_digests: bool = True) -> None:
        self.runs = list(runs)
        self.tells_digests = tells_digests
        self.problems = ProblemList()
        self.contents: dict[str, bytes] = {}
        self.broken: set[str] = set()
        self.opened = 0

    def file(self, content: bytes, name: str = "", mime_type: str = "") -> SourceFile:
        digest = hashlib.sha256(content).hexdigest()
        self.contents[digest] = content
        return SourceFile(
            location=digest,
            name=name,
            mime_type=mime_type,
            size_bytes=len(content) if self.tells_digests else None,
            digest=digest if self.tells_digests else None,
        )

    def _of(self, run: SourceRun) -> MemoryRun:
        return next(
            one
            for one in self.runs
            if (one.run.project, one.run.kind, one.run.run_id)
            == (run.project, run.kind, run.run_id)
        )

    def list_projects(self) -> Sequence[str]:
        return sorted({one.run.project for one in self.runs})

    def list_runs(self, project: str) -> Sequence[SourceRun]:
        return [one.run for one in self.runs if one.run.project == project]

    def read_values(self, run: SourceRun) -> Mapping[str, SourceValue]:
        return self._of(run).values

    def list_series(self, run: SourceRun) -> Sequence[SourceSeries]:
        return [
            SourceSeries(path, type, len({step for step, _, _ in points}) or None)
            for path, (type, points) in self._of(run).series.items()
        ]

    def read_points(
        self, run: SourceRun, type: AttributeType, paths: Sequence[str] | None = None
    ) -> pa.Table:
        series = self._of(run).series
        rows = [
            (path, step, time, self._cell(type, value))
            for path in (series if paths is None else paths)
            if series[path][0] is type and not self._is_broken(run, path)
            for step, time, value in series[path][1]
        ]
        return make_points(type, *([row[i] for row in rows] for i in range(4)))

    def _is_broken(self, run: SourceRun, path: str) -> bool:
        if path in self.broken:
            self.problems.add(path, f"run {run.run_id!r} of {run.project}: broken")
        return path in self.broken

    def _cell(self, type: AttributeType, value: Any) -> Any:
        if type is not AttributeType.FILE_SERIES:
            return value
        file = self.file(*value)
        return {
            name: getattr(file, name)
            for name in ("location", "name", "mime_type", "size_bytes", "digest")
        }

    def read_extras(self, run: SourceRun) -> RunExtras:
        return self._of(run).extras

    def open_file(self, file: SourceFile) -> AbstractContextManager[BinaryIO]:
        self.opened += 1
        if file.location in self.broken:
            raise SourceUnreadable("the disk has a hole", where=file.location)
        return io.BytesIO(self.contents[file.location])

    def close(self) -> None:
        pass


def simple_run(run_id: str = "calm-heron", project: str = "team/digits", **facts: Any) -> SourceRun:
    """Return a run of this id."""
    return SourceRun(project=project, run_id=run_id, **{"sys_id": "DIG-1", "created": 1, **facts})
