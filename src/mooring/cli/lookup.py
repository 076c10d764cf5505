"""Opens stores, and finds what a command names in them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from typing import TYPE_CHECKING

from mooring.errors import InvalidInput, ProjectNotFound, RunNotFound, StoreReadOnly, TableNotFound
from mooring.model import ProjectName, RunInfo, RunKind
from mooring.store import open_store
from mooring.store.contract import RunQuery, Store

if TYPE_CHECKING:
    import pyarrow as pa

    from mooring.tracker.xetrack import XetrackFile

    RowSource = Store | XetrackFile

OWN_COLUMNS = ("track_id", "timestamp")
"""Columns of every tracker's table, which the tracker fills in."""

_KINDS = tuple(RunKind)
_COMPARED_RUNS = 1_000


def reading(address: str) -> AbstractContextManager[Store]:
    """Open a store to read rows of tables; `StoreNotFound` when there is none.

    One of an older format, which can only be read once it is brought up to date, is.
    """
    try:
        return closing(open_store(address, read_only=True, create=False))
    except StoreReadOnly:
        return closing(open_store(address, create=False))


def reading_rows(address: str) -> AbstractContextManager[RowSource]:
    """Open a store, or a file of xetrack in place, to read rows of tables."""
    from mooring.tracker.xetrack import XetrackFile, is_xetrack_file

    return XetrackFile(address) if is_xetrack_file(address) else reading(address)


def deriving(address: str) -> AbstractContextManager[Store]:
    """Open a store to read what is derived from its log: runs, attributes, aggregates.

    What this derives is kept for the next time, where the file may be written.
    """
    try:
        return closing(open_store(address, create=False))
    except StoreReadOnly:
        return closing(open_store(address, read_only=True, create=False))


def writing(address: str) -> AbstractContextManager[Store]:
    """Open a store for changes; `StoreNotFound` when there is none."""
    return closing(open_store(address, create=False))


def table_of(name: str) -> str:
    """Return the project of a tracker's table.

    >>> table_of("default"), table_of("predictions")
    ('local/events', 'local/predictions')
    """
    from mooring.tracker.opening import table_project

    return table_project(name)


def find_table(store: Store, name: str) -> str:
    """Return the project of a tracker's table; `TableNotFound` when it is not there."""
    project = table_of(name)
    known = store.list_projects()
    if project not in known:
        tables = [table.removeprefix("local/") for table in known if table.startswith("local/")]
        where = f"{store.address}, which has {', '.join(tables[:10]) or 'none'}"
        raise TableNotFound(name, where=where, known=tables)
    return project


def read_rows(
    store: RowSource,
    table: str,
    *,
    track_id: str | None = None,
    columns: Sequence[str] | None = None,
    first: int | None = None,
    last: int | None = None,
) -> pa.Table:
    """Return rows of a tracker's table, oldest first: `track_id`, `timestamp`, the columns.

    `columns` are those wanted, in this order; None means all.
    """
    from mooring.tracker.frames import RESERVED, run_ids, to_arrow
    from mooring.tracker.xetrack import XetrackFile

    if isinstance(store, XetrackFile):
        from mooring.tracker.xetrack.frames import to_arrow as columns_to_arrow

        found = store.read(store.find_table(table), track_id=track_id, first=first, last=last)
        whole = columns_to_arrow(found)
        return whole if columns is None else whole.select(list(columns))
    project = find_table(store, table)
    keys = None if track_id is None else [find_run(store, track_id, project).key]
    if columns is None:
        columns = [*OWN_COLUMNS, *(column.name for column in store.list_columns(project))]
    wanted = [name for name in columns if name not in RESERVED]
    events = store.read_events(project, keys, columns=wanted, first=first, last=last)
    rows = to_arrow(events, run_ids(store, events))
    return rows.select(list(columns))


def list_columns(store: RowSource, table: str) -> Sequence[tuple[str, str]]:
    """Return name and type of a table's columns, the tracker's own two first.

    Types are those of SQL; of a file of xetrack those that it declares.
    """
    from mooring.tracker.xetrack import XetrackFile

    own = [(name, "VARCHAR") for name in OWN_COLUMNS]
    if isinstance(store, XetrackFile):
        declared = store.columns(store.find_table(table))
        return own + [(c.name, c.declared_type) for c in declared if c.name not in OWN_COLUMNS]
    known = store.list_columns(find_table(store, table))
    return own + [(column.name, column.sql_type) for column in known]


def list_column_names(store: RowSource, table: str) -> Sequence[str]:
    """Return the names of a table's columns, the tracker's own two first."""
    return [name for name, _ in list_columns(store, table)]


def find_project(store: Store, name: str) -> str:
    """Return the full name of a project; `ProjectNotFound` when it is not there."""
    full = str(ProjectName.parse(name))
    known = store.list_projects()
    if full not in known:
        raise ProjectNotFound(full, where=_with_projects(store, known), known=known)
    return full


def choose_projects(store: Store, name: str | None) -> Sequence[str]:
    """Return the project that was named, else all of them."""
    return store.list_projects() if name is None else [find_project(store, name)]


def find_run(store: Store, name: str, project: str | None = None) -> RunInfo:
    """Return a run, trashed or not, by its own id or the short one.

    Without a project all of them are searched; `InvalidInput` when several have such a run.
    """
    projects = choose_projects(store, project)
    found = [
        run
        for known in projects
        if (run := store.find_run(known, run_id=name) or store.find_run(known, sys_id=name))
    ]
    if len(found) > 1:
        named = ", ".join(run.project for run in found)
        raise InvalidInput(f"several projects have a run {name!r}: {named}; add --project")
    if not found:
        raise RunNotFound(name, where=project or store.address, known=_known_runs(store, project))
    return found[0]


def list_runs(store: Store, project: str | None = None) -> Sequence[RunInfo]:
    """Return all runs, trashed or not, of every kind."""
    return store.query_runs(RunQuery(project=project, trashed=None, kinds=_KINDS)).runs


def _known_runs(store: Store, project: str | None) -> list[str]:
    page = store.query_runs(
        RunQuery(project=project, trashed=None, kinds=_KINDS, limit=_COMPARED_RUNS)
    )
    return [known for run in page.runs for known in (run.run_id, run.sys_id)]


def _with_projects(store: Store, known: Sequence[str]) -> str:
    if not known:
        return f"{store.address}, which is empty"
    return f"{store.address}, which holds {', '.join(known[:10])}"
