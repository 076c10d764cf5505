"""Tracker's tables of one store, merged into another.

A run is copied in the order: run, files, attributes, rows, and rows in batches that are written
whole or not at all. A SIGKILL at any instant leaves a target with the first part of the copy, each
row once; the same call again completes it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mooring.errors import InvalidInput, StoreCorrupt, TableNotFound
from mooring.model import AttributeType, FileRef, RunInfo, RunSpec, Value
from mooring.model.names import DEFAULT_WORKSPACE
from mooring.store import open_store
from mooring.store.contract import (
    AttributeColumn,
    EventTable,
    PathSelector,
    RunQuery,
    RunWriter,
    Store,
)
from mooring.tracker.assets.objects import is_asset_path
from mooring.tracker.opening import table_project
from mooring.tracker.session import StoreArgument

if TYPE_CHECKING:
    import numpy as np

BATCH_ROWS = 5_000

_WORKSPACE = f"{DEFAULT_WORKSPACE}/"

_VALUE_TYPES = frozenset(type for type in AttributeType if not type.is_series)
_TAGS = ("sys/tags", "sys/group_tags")
_SYSTEM_VALUES = frozenset({"sys/description", "sys/failed"})
"""System attributes that a run takes along; the others tell of its life in one store."""

Progress = Callable[[int, int], None]


def copy(
    source: StoreArgument,
    target: StoreArgument,
    assets: bool = True,
    tables: Sequence[str] | None = None,
    *,
    progress: Progress | None = None,
) -> int:
    """Merge tracker's tables of one store into another; return the number of rows copied.

    Runs keep their track ids and the times of their rows. Of a run that both stores have, rows
    whose time the target has already are skipped, and what the target has of attributes stays:
    to repeat a copy adds what is new, at best nothing. Runs in the source's trash are left out; a
    run in the target's trash is taken out of it. The source is only read.

    Parameters
    ----------
    source, target : addresses of stores, or open ones. The target is created when it is missing
    assets : copy the assets too; without them rows keep the hashes
    tables : names of tables. Default: every table that has rows (xetrack copies its default
        table only)
    progress : called with the rows looked at so far and the number of all

    Raises
    ------
    StoreNotFound
        When there is no source.
    TableNotFound
        When the source lacks a table; it says which ones there are, and nothing is copied.

    Examples
    --------
    >>> import mooring
    >>> with mooring.Tracker("laptop.db") as tracker:
    ...     row = tracker.log({"accuracy": 0.9})
    >>> mooring.copy("laptop.db", "team.db")
    1
    >>> mooring.copy("laptop.db", "team.db")
    0
    """
    with _opened(source, read_only=True) as origin:
        projects = _choose_projects(origin, tables)
        if _is_same(origin, target):
            raise InvalidInput(f"{origin.address} cannot be copied into itself")
        with _opened(target) as goal:
            merge = _Merge(origin, goal, assets=assets)
            done, total = 0, sum(map(origin.count_events, projects))
            for project in projects:
                for looked_at in merge.table(project):
                    done += looked_at
                    if progress is not None:
                        progress(done, total)
            return merge.rows


def table_names(store: Store) -> Sequence[str]:
    """Return the names of a store's tracker tables: those that have rows."""
    names = []
    for project in store.list_projects():
        if project.startswith(_WORKSPACE) and store.count_events(project):
            names.append(project.removeprefix(_WORKSPACE))
    return names


class _Merge:
    """Copies from one store to another, and counts rows."""

    def __init__(self, source: Store, target: Store, *, assets: bool) -> None:
        self._source = source
        self._target = target
        self._assets = assets
        self._blobs: set[str] = set()
        self.rows = 0

    def table(self, project: str) -> Iterator[int]:
        """Copy a table; yield the number of rows looked at, a batch at a time."""
        import numpy as np

        self._target.ensure_project(project)
        table = self._source.read_events(project)
        by_run = np.argsort(table.runs, kind="stable")
        sorted_runs = table.runs[by_run]
        for run in self._source.query_runs(RunQuery(project=project)).runs[::-1]:
            first, end = np.searchsorted(sorted_runs, [run.key, run.key + 1])
            yield from self._run(run, table, by_run[first:end])

    def _run(self, run: RunInfo, table: EventTable, positions: np.ndarray) -> Iterator[int]:
        there = self._ensure_run(run)
        writer = self._target.open_writer(there.key)
        try:
            self._attributes(run, there, writer)
            new = self._new_rows(there, table, positions)
            yield len(positions) - len(new)
            for start in range(0, len(new), BATCH_ROWS):
                rows = _rows(table, new[start : start + BATCH_ROWS])
                for row, _ in rows:
                    for cell in row.values():
                        if isinstance(cell, FileRef):
                            self._blob(cell)
                writer.log_events(rows)
                self.rows += len(rows)
                yield len(rows)
        finally:
            writer.close()

    def _ensure_run(self, run: RunInfo) -> RunInfo:
        there = self._target.find_run(run.project, run_id=run.run_id)
        if there is None:
            return self._target.create_run(
                RunSpec(
                    project=run.project,
                    run_id=run.run_id,
                    kind=run.kind,
                    created=run.created,
                    name=self._value(run, "sys/name"),
                    owner=self._value(run, "sys/owner"),
                )
            )
        if there.trashed:
            self._target.restore_runs([there.key])
        return there

    def _value(self, run: RunInfo, path: str) -> Any:
        for column in _columns(self._source, run, PathSelector(paths=(path,))):
            return column.values[0]
        return None

    def _attributes(self, run: RunInfo, there: RunInfo, writer: RunWriter) -> None:
        """Copy what the target's run lacks. Before rows: it decides which columns are series."""
        present = {
            column.path: column.values[0]
            for column in _columns(self._target, there, PathSelector())
        }
        values: dict[str, Value] = {}
        for column in _columns(self._source, run, PathSelector(types=_VALUE_TYPES)):
            path, value = column.path, column.values[0]
            if path in _TAGS:
                if missing := value - present.get(path, frozenset()):
                    writer.change_set(path, add=missing)
            elif path.startswith("sys/"):
                # The store has given a new run `sys/failed` already.
                if path in _SYSTEM_VALUES and (
                    path not in present or (value and not present[path])
                ):
                    values[path] = value
            elif path not in present and (self._assets or not is_asset_path(path)):
                if isinstance(value, FileRef):
                    self._blob(value)
                values[path] = value
        if values:
            writer.assign(values)

    def _new_rows(self, there: RunInfo, table: EventTable, positions: np.ndarray) -> np.ndarray:
        """Return the rows that the target lacks. Several rows of one time count each."""
        import numpy as np

        known = self._target.read_events(there.project, [there.key], columns=())
        left = Counter(known.times.tolist())
        if not left:
            return positions
        new = []
        for position, time in zip(positions, table.times[positions].tolist(), strict=True):
            if left[time]:
                left[time] -= 1
            else:
                new.append(position)
        return np.array(new, np.int64)

    def _blob(self, file: FileRef) -> None:
        if file.has_content and file.digest not in self._blobs:
            with self._source.open_blob(file.digest) as content:
                digest, _ = self._target.put_blob(content)
            if digest != file.digest:
                raise StoreCorrupt(
                    f"the content of {file.name or file.digest} in {self._source.address} does not "
                    "have its digest; run 'mooring doctor'",
                    address=self._source.address,
                )
            self._blobs.add(digest)


def _rows(table: EventTable, positions: np.ndarray) -> list[tuple[dict[str, Any], int]]:
    from mooring.store.tables import decode, take

    cells = take(table.cells, positions)
    rows: list[dict[str, Any]] = [{} for _ in positions]
    for field in cells.schema:
        for row, cell in zip(rows, decode(field, cells[field.name]), strict=True):
            if cell is not None:
                row[field.name] = cell
    return list(zip(rows, table.times[positions].tolist(), strict=True))


def _columns(store: Store, run: RunInfo, select: PathSelector) -> Iterable[AttributeColumn]:
    return (column for column in store.read_attributes([run.key], select) if len(column.values))


def _choose_projects(store: Store, tables: Sequence[str] | None) -> Sequence[str]:
    if isinstance(tables, str):
        raise InvalidInput(f"tables are a list of names; write tables=[{tables!r}]")
    if not tables:
        return [_WORKSPACE + name for name in table_names(store)]
    projects = list(dict.fromkeys(map(table_project, tables)))
    there = store.list_projects()
    for project in projects:
        if project not in there:
            names = ", ".join(table_names(store)) or "none"
            where = f"{store.address}, whose tables are: {names}"
            raise TableNotFound(project.removeprefix(_WORKSPACE), where=where)
    return projects


def _is_same(source: Store, target: StoreArgument) -> bool:
    if not isinstance(target, (str, os.PathLike)):
        target = target.address
    if ":memory:" in (source.address, target):
        return False
    one, other = (Path(os.fspath(address)) for address in (source.address, target))
    return one.exists() and other.exists() and one.samefile(other)


@contextmanager
def _opened(store: StoreArgument, *, read_only: bool = False) -> Iterator[Store]:
    if not isinstance(store, (str, os.PathLike)):
        yield store
        return
    opened = open_store(os.fspath(store), read_only=read_only, create=not read_only)
    try:
        yield opened
    finally:
        opened.close()
