"""How many bytes what takes: a rare ability of a store, asked for by `isinstance`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

UsageBy = Literal["project", "run", "attribute"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Bytes of one project, run or attribute.

    Attributes
    ----------
    project : full name
    run : the run's own id, None where the bytes are not told by run
    attribute : path, None where the bytes are not told by attribute. The rows of a tracker's
        table, which belong to no attribute alone, have an empty one
    log_bytes : content of its rows that are not sealed, without the database's overhead.
        Estimated for an attribute, among which the bytes of a row are shared out equally
    segment_bytes : its share of Parquet segments, by number of rows. Estimated
    file_bytes : content of its files. One that several name counts for each of them
    """

    project: str
    run: str | None = None
    attribute: str | None = None
    log_bytes: int = 0
    segment_bytes: int = 0
    file_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """The sum of all three."""
        return self.log_bytes + self.segment_bytes + self.file_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUsage:
    """Bytes that a store takes on the disk, exactly, and what they are for, in part estimated.

    `database_bytes` are the database with its log, its index and what is free in it;
    `segment_bytes` and `file_bytes` each file of the folders once.
    """

    database_bytes: int
    segment_bytes: int
    file_bytes: int
    parts: Sequence[Usage]


@runtime_checkable
class MeasuresUsage(Protocol):
    """A store that can tell how many bytes what takes."""

    def measure_usage(self, by: UsageBy = "project") -> DiskUsage:
        """Return the bytes on the disk, and the share of each project, run or attribute."""
        ...
