"""How runs come in whole, and which Parquet files hold them: abilities that exchange asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from mooring.model import AttributeType, RunInfo, RunSpec, SeriesStats, Typed, Value

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class SealedSeries:
    """Rows of a Parquet file that are the points of a series.

    `first_row` and `span` tell where they lie; among other rows when `count` is smaller than
    `span`. `stats` are its aggregates, where whoever wrote the file noted them.
    """

    path: str
    type: AttributeType
    first_row: int
    count: int
    span: int
    stats: SeriesStats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFile:
    """A Parquet file of a store that holds points of one run and nothing else."""

    file: Path
    rows: int
    size_bytes: int
    digest: str
    series: Sequence[SealedSeries]


class RunImport(Protocol):
    """A run that comes in whole: nothing of it is seen before `commit`, all of it afterwards.

    As a context manager, leaving it without `commit` drops what was written. A process that is
    killed before leaves files that belong to nothing, which `Store.check(repair=True)` removes.
    One thread at a time.

    Errors: `InvalidPath`, `InvalidValue`, `InvalidStep`, `InvalidInput` for what cannot be taken.
    """

    def set_values(self, values: Mapping[str, Value | Typed]) -> None:
        """Set attributes that hold a single value, those below `sys/` included."""
        ...

    def write_points(self, type: AttributeType, points: pa.Table) -> int:
        """Add points of series; return how many.

        Columns: `path` (string or dictionary of it), `step` (int64, millionths), `time` (int64,
        microseconds since 1970), `value` as `Store.read_series` returns it. A series comes in one
        call; at equal steps the later row wins.
        """
        ...

    def attach(self, file: Path, series: Sequence[SealedSeries], *, digest: str, how: str) -> int:
        """Take a Parquet file in the exporter's schema as it is; return its number of points.

        `how` is "copy", "link" (a hard link, else a copy) or "refer" (a symbolic link: the file
        stays where it is). Values of the series are read to compute their aggregates, unless
        those of all float series are told (`stats`) and the run is no fork. Steps
        have to ascend without repetition in each: `SourceUnreadable` where they do not, or the
        file is damaged; then nothing of it is taken, and the series can come by `write_points`.
        """
        ...

    def write_rows(self, rows: pa.Table) -> int:
        """Add rows of a tracker's table, as `TransfersRuns.read_rows` returns them."""
        ...

    def write_previews(self, points: pa.Table) -> int:
        """Add provisional points: columns path, step, time, value, completion."""
        ...

    def do_not_inherit(self, paths: Sequence[str]) -> None:
        """Name the attributes that a fork has deleted."""
        ...

    def commit(self) -> RunInfo:
        """Enter the run; `AlreadyExists` when its id was taken meanwhile."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class TransfersRuns(Protocol):
    """A store that takes runs in whole and gives away the files that hold them."""

    def import_run(self, spec: RunSpec, *, request: str | None = None) -> RunImport:
        """Begin to import a run.

        `request` names the import for those who may not hear of its end: one of a name that was
        entered before enters nothing, and its `commit` returns the run that is there.
        """
        ...

    def count_points(self, key: int) -> Sequence[tuple[str, AttributeType, int]]:
        """Return (path, type, number of points) of each series that a run itself has points of."""
        ...

    def list_sealed(self, key: int) -> Sequence[SealedFile] | None:
        """Return the files that hold all points of a run, which share nothing with other runs.

        None when points are elsewhere too: in the log, in a file with other runs, twice at one
        step, as files, or as cells of a table.
        """
        ...

    def read_rows(self, key: int) -> pa.Table | None:
        """Return the rows of a tracker's table that a run logged, with their steps; None if none.

        Columns: `mooring:sequence`, `mooring:step`, `timestamp` and one for each name, as sealed
        tables have them.
        """
        ...

    def read_previews(self, key: int) -> pa.Table | None:
        """Return the provisional points of a run as `RunImport.write_previews` takes them."""
        ...

    def list_not_inherited(self, key: int) -> Sequence[str]:
        """Return the paths that a fork deleted and so does not inherit."""
        ...
