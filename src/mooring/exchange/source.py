"""`Source`: what runs can be read from, whatever wrote them.

A store, an export's folder, a backup tree, event files, another tracker. Everything that moves or
counts runs (export, import, backup, load, verify, summary) reads through this one contract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeAlias, runtime_checkable

from mooring.model import AttributeType, RunKind, Typed
from mooring.store.transfer import SealedFile

if TYPE_CHECKING:
    import pyarrow as pa

    from mooring.exchange.reports import ProblemList

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how much is done, and of how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRun:
    """A run in a source.

    Attributes
    ----------
    project : full name, `workspace/name`
    run_id : what identifies it in its project, and will in the target (`sys/custom_run_id`)
    sys_id : short id such as `DIG-12`, where the source has one
    name : the experiment (`sys/name`)
    created : microseconds since 1970
    parent, fork_step : `run_id` of the run it was forked from, in the same project, and the last
        step inherited, in millionths
    trashed : whether it lies in the trash, or is archived
    handle : whatever the source needs to find it again; means nothing to others
    incomplete : why the source itself tells that it does not have all of the run; else empty
    """

    project: str
    run_id: str
    kind: RunKind = RunKind.RUN
    sys_id: str | None = None
    name: str | None = None
    created: int | None = None
    parent: str | None = None
    fork_step: int | None = None
    trashed: bool = False
    handle: object = None
    incomplete: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file in a source.

    Attributes
    ----------
    location : what `Source.open_file` takes
    name : file name, extension included
    mime_type : media type; empty when the source does not know it
    size_bytes : None when the source does not know it
    digest : SHA-256 in hex, when the source knows it without reading the file
    """

    location: str
    name: str = ""
    mime_type: str = ""
    size_bytes: int | None = None
    digest: str | None = None


SourceValue: TypeAlias = int | float | str | bool | datetime | frozenset[str] | SourceFile | Typed
"""What an attribute that is no series holds.

`Typed(type, value)` for types that Python's own do not tell: `file_set` and `artifact` with a
`SourceFile`, `run_state` with a text, `git_ref` and `notebook_ref` with a dict.
"""


FILE_TYPES = frozenset({AttributeType.FILE, AttributeType.FILE_SET, AttributeType.ARTIFACT})
"""Types of single values that are a file."""


def file_of(value: SourceValue) -> SourceFile | None:
    """Return the file that a value is, or None when it is none.

    >>> file_of(Typed(AttributeType.FILE_SET, SourceFile(location="a.zip"))).location
    'a.zip'
    """
    content = value.value if isinstance(value, Typed) else value
    return content if isinstance(content, SourceFile) else None


@dataclass(frozen=True, slots=True)
class SourceSeries:
    """A series of a run; `count` is its number of points, None when that is not known yet."""

    path: str
    type: AttributeType
    count: int | None = None


UNKNOWN_COUNT = 20_000
"""Number of points of a series that is assumed where the source does not know it."""


@runtime_checkable
class Source(Protocol):
    """Where runs are read from.

    Thread safety: one thread at a time. Everything returned belongs to the caller. What cannot be
    read of a run (one attribute, one file, one bad line) is added to `problems` and left out: the
    rest goes on. What cannot be read at all raises an error of `mooring.errors`. `close` frees
    what is open.
    """

    @property
    def address(self) -> str:
        """Where it is, as a person would write it; names the source in reports."""
        ...

    @property
    def problems(self) -> ProblemList:
        """What could not be read so far, in the order in which it was met."""
        ...

    def list_projects(self) -> Sequence[str]:
        """Return the full names of all projects, sorted."""
        ...

    def list_runs(self, project: str) -> Sequence[SourceRun]:
        """Return all runs of a project, of every kind, trashed ones too, oldest first."""
        ...

    def read_values(self, run: SourceRun) -> Mapping[str, SourceValue]:
        """Return all attributes of a run that are no series, by path, `sys/*` included."""
        ...

    def list_series(self, run: SourceRun) -> Sequence[SourceSeries]:
        """Return the series that a run itself has points of, inherited ones left out."""
        ...

    def read_points(
        self, run: SourceRun, type: AttributeType, paths: Sequence[str] | None = None
    ) -> pa.Table:
        """Return the points of a run's own series of one type (`paths` None: of all of them).

        Columns: `path` (dictionary of string), `step` (int64, millionths), `time` (int64,
        microseconds since 1970), `value` (double; string; struct<kind, edges, values>;
        struct<location, name, mime_type, size_bytes, digest>). Nothing is null but fields of a
        file that are not known. Sorted by path and step, no step twice in a series, each series
        whole.
        """
        ...

    def open_file(self, file: SourceFile) -> AbstractContextManager[BinaryIO]:
        """Open the content of a file; `SourceUnreadable` when it is missing."""
        ...

    def close(self) -> None:
        """Free what is open. Idempotent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunExtras:
    """What only our own stores know of a run.

    Attributes
    ----------
    rows : rows of a tracker's table as `RunImport.write_rows` takes them
    previews : provisional points: columns path, step, time, value, completion
    not_inherited : paths that a fork deleted, and so does not inherit
    """

    rows: pa.Table | None = None
    previews: pa.Table | None = None
    not_inherited: Sequence[str] = ()


@runtime_checkable
class HasExtras(Protocol):
    """A source that can tell what only our own stores know."""

    def read_extras(self, run: SourceRun) -> RunExtras:
        """Return the extras of a run."""
        ...


@runtime_checkable
class HasParts(Protocol):
    """A source that has points as Parquet files, which can be copied as they are."""

    def list_parts(self, run: SourceRun) -> Sequence[SealedFile] | None:
        """Return the files that hold all points of a run, and perhaps its single values too.

        None when there are none such: the points have to be read. File series are never in them.
        """
        ...


FILE_FIELDS = ("location", "name", "mime_type", "size_bytes", "digest")
"""Fields of the value of a point of a file series."""


def file_type() -> pa.DataType:
    """Return the Arrow type of the value of a point of a file series."""
    import pyarrow as pa

    types = (pa.string(), pa.string(), pa.string(), pa.int64(), pa.string())
    return pa.struct(list(zip(FILE_FIELDS, types, strict=True)))


def histogram_type() -> pa.DataType:
    """Return the Arrow type of the value of a point of a histogram series."""
    import pyarrow as pa

    numbers = pa.list_(pa.float64())
    return pa.struct([("kind", pa.string()), ("edges", numbers), ("values", numbers)])


def value_type(type: AttributeType) -> pa.DataType:
    """Return the Arrow type of the column `value` of points of a series type."""
    import pyarrow as pa

    match type:
        case AttributeType.FLOAT_SERIES:
            return pa.float64()
        case AttributeType.STRING_SERIES:
            return pa.string()
        case AttributeType.HISTOGRAM_SERIES:
            return histogram_type()
        case _:
            return file_type()


def make_points(
    type: AttributeType,
    paths: Sequence[str] | pa.Array,
    steps: Sequence[int] | pa.Array,
    times: Sequence[int] | pa.Array,
    values: Sequence[object] | pa.Array,
) -> pa.Table:
    """Return points as `Source.read_points` has to: sorted, at equal steps the later one.

    `paths` names the series of each point; `steps` are millionths, `times` microseconds.

    >>> points = make_points(
    ...     AttributeType.FLOAT_SERIES, ["b", "a", "a"], [0, 5, 5], [1, 1, 2], [9.0, 1.0, 2.0]
    ... )
    >>> points.column("path").to_pylist(), points.column("value").to_pylist()
    (['a', 'b'], [2.0, 9.0])
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    def column(values: object, kind: pa.DataType) -> pa.Array:
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        if isinstance(values, pa.ChunkedArray):
            values = pa.concat_arrays(values.chunks)
        return values if isinstance(values, pa.Array) else pa.array(values, kind)

    named = column(paths, pa.string())
    if not pa.types.is_dictionary(named.type):
        named = pc.dictionary_encode(named.cast(pa.string()))
    names = named.dictionary.to_pylist()
    rank = np.empty(len(names), np.int64)
    rank[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    codes = rank[named.indices.to_numpy(zero_copy_only=False)] if names else np.empty(0, np.int64)
    micros = column(steps, pa.int64()).to_numpy(zero_copy_only=False)
    table = pa.table(
        {
            "path": pa.DictionaryArray.from_arrays(
                pa.array(codes, pa.int32()), pa.array(sorted(names), pa.string())
            ),
            "step": pa.array(micros, pa.int64()),
            "time": column(times, pa.int64()),
            "value": column(values, value_type(type)),
        }
    )
    order = np.lexsort((micros, codes))  # stable: at equal steps the later one stays later
    ordered_codes, ordered_steps = codes[order], micros[order]
    last = np.ones(len(order), bool)
    last[:-1] = (ordered_codes[1:] != ordered_codes[:-1]) | (
        ordered_steps[1:] != ordered_steps[:-1]
    )
    chosen = order[last]
    if len(chosen) == len(codes) and bool(np.all(chosen[1:] > chosen[:-1])):
        return table
    return table.take(pa.array(chosen))
