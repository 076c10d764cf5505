"""A store as a source: any back end, an export's folder opened in place included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from mooring.errors import InvalidInput, SourceUnreadable, StoreCorrupt, StoreReadOnly
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import (
    RunExtras,
    SourceFile,
    SourceRun,
    SourceSeries,
    SourceValue,
)
from mooring.model import AttributeType, FileRef, RunInfo, RunKind, Typed
from mooring.query import Expression
from mooring.store import open_store
from mooring.store.contract import Lineage, PathSelector, RunQuery, SeriesQuery, Store
from mooring.store.transfer import SealedFile, TransfersRuns

_READ_AHEAD = 100
_VALUES = frozenset(type for type in AttributeType if not type.is_series)
_TYPED = frozenset(
    {
        AttributeType.FILE_SET,
        AttributeType.ARTIFACT,
        AttributeType.GIT_REF,
        AttributeType.RUN_STATE,
        AttributeType.NOTEBOOK_REF,
    }
)
"""Types that Python's own do not tell."""


class StoreSource:
    """Reads the runs of a store. It is not closed with the source.

    Raises `InvalidInput` for a store that cannot give its runs away whole.
    """

    def __init__(self, store: Store) -> None:
        if not isinstance(store, TransfersRuns):
            raise InvalidInput(f"{store.address} cannot give its runs away whole")
        self._store: Store = store
        self._transfer: TransfersRuns = store
        self._problems = ProblemList()
        self._order: list[int] = []
        self._listed: dict[int, int] = {}
        self._ahead: dict[int, dict[str, SourceValue]] = {}

    @property
    def store(self) -> Store:
        """The store that is read."""
        return self._store

    @property
    def address(self) -> str:
        """Where the store is."""
        return self._store.address

    @property
    def problems(self) -> ProblemList:
        """What could not be read so far."""
        return self._problems

    def list_projects(self) -> Sequence[str]:
        """Return the full names of all projects, sorted."""
        return self._store.list_projects()

    def list_runs(self, project: str) -> Sequence[SourceRun]:
        """Return all runs of a project, oldest first."""
        query = RunQuery(project=project, trashed=None, kinds=tuple(RunKind))
        found = list(reversed(self._store.query_runs(query).runs))
        self._order = [run.key for run in found]
        self._listed = {key: at for at, key in enumerate(self._order)}
        self._ahead = {}
        return self.describe(found)

    def describe(self, runs: Sequence[RunInfo]) -> Sequence[SourceRun]:
        """Return runs of the store as runs of a source."""
        if not runs:
            return []
        keys = [run.key for run in runs]
        parents = sorted({run.parent for run in runs if run.parent is not None})
        ids = {run.key: run.run_id for run in self._store.get_runs(parents)}
        names: dict[int, str] = {}
        archived: set[int] = set()
        select = PathSelector(paths=("sys/name", "sys/archived"))
        for column in self._store.read_attributes(keys, select):
            for row, value in zip(column.rows, column.values, strict=True):
                if column.path == "sys/name":
                    names[int(row)] = value
                elif value:
                    archived.add(int(row))
        return [
            SourceRun(
                project=run.project,
                run_id=run.run_id,
                kind=run.kind,
                sys_id=run.sys_id,
                name=names.get(row),
                created=run.created,
                parent=None if run.parent is None else ids[run.parent],
                fork_step=run.fork_step,
                trashed=run.trashed or row in archived,
                handle=run.key,
            )
            for row, run in enumerate(runs)
        ]

    def find_runs(self, project: str, query: Expression) -> frozenset[str]:
        """Return the ids of the runs that meet a filter."""
        page = self._store.query_runs(
            RunQuery(project=project, filter=query, trashed=None, kinds=tuple(RunKind))
        )
        return frozenset(run.run_id for run in page.runs)

    def read_values(self, run: SourceRun) -> Mapping[str, SourceValue]:
        """Return all attributes of a run that are no series.

        Of runs that were listed, the next ones are read at once too, as they are now.
        """
        key = _key(run)
        if key not in self._ahead:
            at = self._listed.get(key)
            order = [key] if at is None else self._order[at : at + _READ_AHEAD]
            self._ahead = {one: {} for one in order}
            with _readable(run):
                columns = self._store.read_attributes(order, PathSelector(types=_VALUES))
            for column in columns:
                for row, value in zip(column.rows, column.values, strict=True):
                    self._ahead[order[int(row)]][column.path] = _source_value(column.type, value)
        return self._ahead.pop(key)

    def list_series(self, run: SourceRun) -> Sequence[SourceSeries]:
        """Return the series that a run itself has points of."""
        with _readable(run):
            found = self._transfer.count_points(_key(run))
        return [SourceSeries(path, type, count) for path, type, count in found]

    def read_points(
        self, run: SourceRun, type: AttributeType, paths: Sequence[str] | None = None
    ) -> pa.Table:
        """Return the points of a run's own series of one type."""
        chosen = None if paths is None else tuple(paths)
        with _readable(run):
            points = self._store.read_series(
                [_key(run)],
                PathSelector(paths=chosen, types=frozenset({type})),
                SeriesQuery(lineage=Lineage.OWN),
            ).drop_columns(["run"])
        if type is not AttributeType.FILE_SERIES:
            return points
        value = points["value"].combine_chunks()
        digest = pc.struct_field(value, "digest")
        files = pa.StructArray.from_arrays(
            [
                digest,
                *(pc.struct_field(value, name) for name in ("name", "mime_type", "size_bytes")),
                digest,
            ],
            names=["location", "name", "mime_type", "size_bytes", "digest"],
        )
        return points.set_column(points.column_names.index("value"), "value", files)

    def open_file(self, file: SourceFile) -> AbstractContextManager[BinaryIO]:
        """Open the content of a file."""
        try:
            return self._store.open_blob(file.location)
        except StoreCorrupt as error:
            raise SourceUnreadable(str(error), where=file.location) from error

    def read_extras(self, run: SourceRun) -> RunExtras:
        """Return what only our own stores know of a run."""
        key = _key(run)
        with _readable(run):
            return RunExtras(
                rows=self._transfer.read_rows(key),
                previews=self._transfer.read_previews(key),
                not_inherited=self._transfer.list_not_inherited(key),
            )

    def list_parts(self, run: SourceRun) -> Sequence[SealedFile] | None:
        """Return the files that hold all points of a run and nothing else."""
        return self._transfer.list_sealed(_key(run))

    def close(self) -> None:
        """Do nothing: who opened the store closes it."""


@contextmanager
def _readable(run: SourceRun) -> Iterator[None]:
    """Tell damage of the store as what it is for others: a run that cannot be read."""
    try:
        yield
    except StoreCorrupt as error:
        raise SourceUnreadable(
            f"run {run.run_id!r} of {run.project}: {error}", where=error.address, run=run.run_id
        ) from error


def _key(run: SourceRun) -> int:
    assert isinstance(run.handle, int)
    return run.handle


def _source_value(type: AttributeType, value: object) -> SourceValue:
    if isinstance(value, FileRef):
        value = SourceFile(
            location=value.digest,
            name=value.name,
            mime_type=value.mime_type,
            size_bytes=value.size_bytes,
            digest=value.digest,
        )
    if type in _TYPED:
        return Typed(type, value)
    match type:
        case AttributeType.INT:
            return int(value)  # type: ignore[call-overload, no-any-return]
        case AttributeType.FLOAT:
            return float(value)  # type: ignore[arg-type]
        case AttributeType.BOOL:
            return bool(value)
    return value  # type: ignore[return-value]


class OpenedStoreSource(StoreSource):
    """The runs of the store at an address, which is opened here and closed with the source."""

    def __init__(self, address: str) -> None:
        try:
            store = open_store(address, create=False)
        except StoreReadOnly:
            store = open_store(address, create=False, read_only=True)
        super().__init__(store)

    def close(self) -> None:
        """Close the store."""
        self.store.close()
