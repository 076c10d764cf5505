"""The law of every store: what back ends promise and doors may rely on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, runtime_checkable

from mooring.model import AttributeType, FileRef, RunInfo, RunKind, RunSpec, SeriesStats, Value
from mooring.query import Expression, Field, Sort

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


class Durability(StrEnum):
    """What a logging call that returned has survived."""

    PROCESS = "process"
    """The death of the process at any instant (default)."""
    POWER = "power"
    """A power cut too: each commit is forced to the disk."""
    RELAXED = "relaxed"
    """Nothing yet: a background thread commits every 100 ms, so up to that much can be lost."""


class Lineage(StrEnum):
    """Which points of a fork's ancestors a read shows."""

    FULL = "full"
    """All that the run inherited."""
    OWN = "own"
    """Points that this run logged itself."""
    EXPERIMENT = "experiment"
    """Own points, and those inherited from the unbroken chain of ancestors of the same name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs, in which order.

    `project` has to exist; `projects` means runs of any of these, and one that does not exist has
    none. `trashed`: False only living ones, True only trashed ones, None both. Runs that compare
    equal keep the order of their creation, newest first. `limit` None means all.
    """

    project: str | None = None
    projects: tuple[str, ...] | None = None
    filter: Expression | None = None
    kinds: tuple[RunKind, ...] = (RunKind.RUN,)
    trashed: bool | None = False
    sort: Sort | None = None
    limit: int | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class RunPage:
    """Runs of one page, and how many match in all."""

    runs: Sequence[RunInfo]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSelector:
    """Which attributes: exact `paths`, or those in which a regular expression is found.

    A path is selected when it is one of `paths` or matches any of `patterns` (both None: every
    path), and its type is one of `types` (None: every type). Expressions are Python's `re`.
    """

    paths: tuple[str, ...] | None = None
    patterns: tuple[str, ...] | None = None
    types: frozenset[AttributeType] | None = None


@dataclass(frozen=True, slots=True)
class AttributeColumn:
    """One attribute of many runs.

    `rows` are positions in the list of runs that was asked for, ascending; `values[i]` belongs to
    `rows[i]`. Columns of numbers can be NumPy arrays. For a series the value is its last one.
    """

    path: str
    type: AttributeType
    rows: Sequence[int] | np.ndarray
    values: Sequence[Any] | np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesQuery:
    """Which points of the selected series.

    Steps are in millionths, both ends inclusive. `tail` keeps the last n points of each series.
    """

    step_from: int | None = None
    step_to: int | None = None
    tail: int | None = None
    lineage: Lineage = Lineage.FULL
    include_previews: bool = False


@dataclass(frozen=True, slots=True)
class EventTable:
    """Rows of a tracker's table, oldest first: one for each logged event.

    Attributes
    ----------
    sequence : int64 array, the store's numbers of the rows, ascending
    runs : int64 array, the key of each row's run
    times : int64 array, microseconds since 1970
    cells : one Arrow column for each name, in the order in which the names appeared in the table;
        types as `mooring.store.tables` tells, null where a row lacks the cell
    version : a text that is another one when the same question gets another answer
    """

    sequence: np.ndarray
    runs: np.ndarray
    times: np.ndarray
    cells: pa.Table
    version: str = ""

    def __len__(self) -> int:
        return len(self.sequence)

    @property
    def columns(self) -> dict[str, list[Any]]:
        """Cells as Python values, by name."""
        from mooring.store.tables import decode

        return {field.name: decode(field, self.cells[field.name]) for field in self.cells.schema}


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a tracker's table.

    `kinds` are the Python types that its cells have had so far, sorted by name; none when it has
    held None only. `sql_name` and `sql_type` are its name and type in SQL: names that differ in
    case alone are the same there, and the later one gets a number.
    """

    name: str
    kinds: tuple[type, ...]
    sql_name: str
    sql_type: str


@dataclass(frozen=True, slots=True)
class CompactionReport:
    """What a compaction did."""

    points_sealed: int = 0
    segments_written: int = 0
    segments_removed: int = 0
    blobs_removed: int = 0
    bytes_freed: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check of the store found. `repaired` tells that it was mended."""

    severity: str
    what: str
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """The result of `Store.check`."""

    findings: Sequence[Finding] = field(default_factory=tuple)

    @property
    def ok(self) -> bool:
        """Whether nothing is left that is wrong."""
        return all(found.repaired or found.severity == "note" for found in self.findings)


class RunWriter(Protocol):
    """Appends to one run.

    Durability: when a call returns, its update has survived what the store's `Durability` says.
    Order: updates of one writer are applied in the order of the calls. Thread safety: any thread
    may call. Fork safety: a forked child goes on with a connection of its own. A call that raises
    has written nothing. `close` ends the run's activity; later calls raise `StoreClosed`.

    Errors: `InvalidPath`, `InvalidStep`, `InvalidValue`, `TypeConflict` for what cannot be taken;
    `StoreFull`, `StoreLocked`, `StoreReadOnly` when the store cannot take anything.
    """

    @property
    def run(self) -> RunInfo:
        """The run it writes to."""
        ...

    def log(
        self,
        values: Mapping[str, object],
        *,
        step: object = None,
        time: int | None = None,
        preview_completion: float | None = None,
    ) -> None:
        """Append one point to each named series.

        Numbers make a float series, texts a string series, `Histogram` and `FileRef` series of
        their own. `step` None: the next whole step after the highest one of this run. `time` is
        in microseconds since 1970. `preview_completion` (0 to 1) marks the points as previews.
        """
        ...

    def log_event(self, values: Mapping[str, object], *, time: int | None = None) -> None:
        """Append one row to the tracker's table; its numbers and texts are series points too.

        A key that is an attribute with a single value in this run stays a cell of the row.
        """
        ...

    def log_events(self, rows: Sequence[tuple[Mapping[str, object], int | None]]) -> None:
        """Append several rows, each with its time, all or none."""
        ...

    def assign(self, values: Mapping[str, Value]) -> None:
        """Set attributes that hold a single value, all or none."""
        ...

    def change_set(self, path: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Add to and remove from a string set."""
        ...

    def delete(self, path: str) -> None:
        """Remove an attribute with its points; its path may take another type afterwards."""
        ...

    def close(self) -> None:
        """Write what is pending and end this writer's activity on the run."""
        ...


@runtime_checkable
class Store(Protocol):
    """Runs, their attributes, points and files.

    Reads are current: they see every update that a writer's call returned for, of any process.
    Thread safety: any thread may call; objects returned belong to the caller. `close` ends every
    writer of this object; later calls raise `StoreClosed`. Keys of runs (`RunInfo.key`) are valid
    in the same store only, and stay valid for ever.

    Errors: those of `mooring.errors`, `NotFound` and its children for names.
    """

    @property
    def address(self) -> str:
        """Where the store is, in the form that `open_store` takes."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether writes are refused."""
        ...

    # projects
    def create_project(self, name: str) -> str:
        """Create a project and return its full name; `AlreadyExists` when it is there."""
        ...

    def ensure_project(self, name: str) -> str:
        """Return the full name of a project, created when it is missing."""
        ...

    def list_projects(self) -> Sequence[str]:
        """Return the full names of all projects, sorted."""
        ...

    def delete_project(self, name: str) -> None:
        """Delete a project with all its runs, for good."""
        ...

    # runs
    def create_run(self, spec: RunSpec) -> RunInfo:
        """Create a run; `AlreadyExists` when the project has one of this `run_id`."""
        ...

    def find_run(
        self, project: str, *, run_id: str | None = None, sys_id: str | None = None
    ) -> RunInfo | None:
        """Return the run of this id, trashed or not, or None."""
        ...

    def get_runs(self, keys: Sequence[int]) -> Sequence[RunInfo]:
        """Return the runs of these keys, in this order."""
        ...

    def query_runs(self, query: RunQuery) -> RunPage:
        """Return the runs that a query selects."""
        ...

    def trash_runs(self, keys: Sequence[int]) -> None:
        """Mark runs as trashed; nothing is removed."""
        ...

    def restore_runs(self, keys: Sequence[int]) -> None:
        """Take runs out of the trash."""
        ...

    def delete_runs(self, keys: Sequence[int]) -> None:
        """Delete runs for good. Forks keep what they inherited. `compact` frees the disk."""
        ...

    # writing
    def open_writer(self, key: int) -> RunWriter:
        """Return a writer on a run, which is active until the writer is closed."""
        ...

    def write_points(
        self,
        key: int,
        path: str,
        *,
        steps: np.ndarray | Sequence[Any] | pa.Array,
        values: np.ndarray | Sequence[Any] | pa.Array,
        times: np.ndarray | Sequence[Any] | pa.Array | int | None = None,
    ) -> int:
        """Append many points of one float series at once; return how many.

        `steps` are numbers (integers, or floats that are rounded to millionths), `times`
        microseconds since 1970. All or none of them are stored.
        """
        ...

    def write_table(self, key: int, table: pa.Table) -> int:
        """Append many points of many float series at once; return how many.

        Columns: `path` (string or dictionary of it), `step` (number), `value` (double), and
        optionally `time` (timestamp, or microseconds since 1970).
        """
        ...

    def set_events(
        self, key: int, path: str, value: object, *, where: tuple[str, object] | None = None
    ) -> int:
        """Set a cell in every row that a run logged so far; return how many rows changed.

        `where` restricts it to rows whose cell of that name equals the value.
        """
        ...

    # reading
    def list_attributes(
        self,
        keys: Sequence[int] | None,
        select: PathSelector,
        *,
        project: str | None = None,
        projects: tuple[str, ...] | None = None,
    ) -> Sequence[tuple[str, AttributeType]]:
        """Return the distinct (path, type) of these runs, sorted.

        With `keys` None of all runs of the project, or of `projects`, as `RunQuery` has them.
        """
        ...

    def read_attributes(
        self, keys: Sequence[int], select: PathSelector
    ) -> Sequence[AttributeColumn]:
        """Return attribute values by column, sorted by path and type."""
        ...

    def read_aggregates(
        self, keys: Sequence[int], fields: Sequence[Field]
    ) -> Sequence[AttributeColumn]:
        """Return one column for each field: an aggregate of a series, or a value."""
        ...

    def get_stats(self, key: int, path: str) -> SeriesStats:
        """Return what is kept of one series; `AttributeNotFound` when there is none."""
        ...

    def read_series(
        self, keys: Sequence[int], select: PathSelector, query: SeriesQuery
    ) -> pa.Table:
        """Return points of series of one type, sorted by run (as asked), path and step.

        `select.types` must name exactly one series type. Columns: `run` (dictionary of int64, the
        key), `path` (dictionary of string), `step` (int64, millionths), `time` (int64,
        microseconds since 1970), `value` (double; string; struct<kind, edges, values>;
        struct<digest, size_bytes, mime_type, name>), and with `include_previews` `completion`
        (float, null for final points).
        """
        ...

    def read_events(
        self,
        project: str,
        keys: Sequence[int] | None = None,
        *,
        columns: Sequence[str] | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> EventTable:
        """Return the rows of a tracker's table (None: of every living run), oldest first.

        `columns` are those wanted (`AttributeNotFound` for one that the table lacks); None means
        all that have a cell in these rows, or have held nothing but None. `first` or `last` keep
        so many rows.
        """
        ...

    def count_events(self, project: str, keys: Sequence[int] | None = None) -> int:
        """Return how many rows `read_events` returns."""
        ...

    def list_columns(self, project: str) -> Sequence[TableColumn]:
        """Return the columns of a tracker's table, in the order in which they appeared."""
        ...

    def get_value(self, key: int, path: str) -> tuple[AttributeType, Any]:
        """Return type and value (of a series, the last one) of an attribute."""
        ...

    # files
    def put_blob(self, source: BinaryIO | bytes) -> tuple[str, int]:
        """Store content; return its SHA-256 in hex and its size in bytes."""
        ...

    def open_blob(self, digest: str) -> AbstractContextManager[BinaryIO]:
        """Open stored content for reading."""
        ...

    # care
    def compact(
        self,
        project: str | None = None,
        *,
        events: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> CompactionReport:
        """Seal what is in the log, join small segments, drop what is deleted, free the disk.

        `events`: seal tracker's tables too. `progress(done, total)` is called for each run.
        """
        ...

    def check(self, *, repair: bool = False) -> StoreCheck:
        """Look for damage: checksums, missing or orphan files, conflicts. Repair on request."""
        ...

    def close(self) -> None:
        """End all activity. Idempotent."""
        ...


__all__ = [
    "AttributeColumn",
    "CompactionReport",
    "Durability",
    "EventTable",
    "FileRef",
    "Finding",
    "Lineage",
    "PathSelector",
    "RunPage",
    "RunQuery",
    "RunWriter",
    "SeriesQuery",
    "Store",
    "StoreCheck",
    "TableColumn",
]
