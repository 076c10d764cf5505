"""Changes of what is logged already: cells, attributes, whole runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from mooring.errors import InvalidInput, RunNotFound, StoreError, TypeConflict
from mooring.model import RunInfo, Value, validate_path
from mooring.store.contract import RunQuery, Store
from mooring.tracker.assets.writing import AssetWriter
from mooring.tracker.frames import RESERVED, TIMESTAMP, TRACK_ID
from mooring.tracker.opening import run_not_found
from mooring.tracker.session import Session, StoreLease
from mooring.tracker.values import Cell, to_cell

_CELL_TYPES = frozenset({"int", "float", "string", "bool"})


def check_key(key: str) -> str:
    """Return the name of a column that may be set; `InvalidInput` for the tracker's own."""
    if key in RESERVED:
        raise InvalidInput(f"{key!r} is set by the tracker; choose another name")
    return validate_path(key)


def to_named_cell(key: str, value: object) -> Cell:
    """Return a value as a cell, after its name was checked: it becomes an attribute too."""
    return to_cell(validate_path(key), value)


def assign_cells(session: Session, cells: Mapping[str, Cell]) -> None:
    """Make cells attributes of the run, where no series has the name.

    An attribute that holds another type of cell is replaced: it has the latest value.
    """
    left: dict[str, Value] = {
        name: cell
        for name, cell in cells.items()
        if cell is not None and not isinstance(cell, bytes)
    }
    renewed: set[str] = set()
    while left:
        try:
            session.writer.assign(left)
        except TypeConflict as conflict:
            path = conflict.path
            own = conflict.expected in _CELL_TYPES and not path.startswith("sys/")
            if own and path not in renewed:
                renewed.add(path)
                session.attempt(partial(session.writer.delete, path))
            else:
                del left[path]  # a series has the name; the rows hold the value all the same
        except StoreError as error:
            return session.lose(error, len(left))
        except Exception:  # noqa: BLE001 - raised or counted by the next attempt
            session.write(session.writer.assign, left)
            return None
        else:
            break
    return None


def set_cells(
    store: Store,
    run: RunInfo,
    key: str,
    cell: Cell,
    where: tuple[str, object] | None = None,
) -> int:
    """Set a cell in the rows of a run (`where`: whose cell of that name equals the value).

    Values are bound and names are only names, whatever they look like. None equals a missing
    cell. Rows can be chosen by `track_id`, not by `timestamp`.
    """
    check_key(key)
    if where is None:
        return store.set_events(run.key, key, cell)
    where_key, where_value = where
    if where_key == TRACK_ID:
        return store.set_events(run.key, key, cell) if where_value == run.run_id else 0
    if where_key == TIMESTAMP:
        raise InvalidInput("rows are not chosen by their timestamp; choose them by another column")
    bound = to_cell(validate_path(where_key), where_value)
    return store.set_events(run.key, key, cell, where=(where_key, bound))


def is_equal_cell(cell: Cell, key: str, value: object) -> bool:
    """Return whether a cell is one that `where=(key, value)` chooses."""
    return cell == to_cell(key, value)


def edit_runs(
    store: Store,
    runs: Sequence[RunInfo],
    key: str,
    value: object,
    where: tuple[str, object] | None = None,
) -> int:
    """Set a cell in the rows of runs, each by a writer of its own; return how many changed.

    Without `where` the value is also an attribute of each run, unless it has a series of that
    name. Errors are raised; runs before the one that failed keep the change.
    """
    check_key(key)
    changed = 0
    for run in runs:
        session = Session(StoreLease(store), run, on_error="raise")
        try:
            cells = AssetWriter(session).to_cells([(key, value)], to_named_cell)
            if where is None:
                # Before the cells: a new column becomes a series unless it is an attribute by then.
                assign_cells(session, cells)
            changed += set_cells(store, run, key, cells[key], where)
        finally:
            session.close()
    return changed


def choose_runs(store: Store, project: str, track_id: str | None) -> Sequence[RunInfo]:
    """Return the living runs of a table, or the one of this track id."""
    if track_id is None:
        return store.query_runs(RunQuery(project=project)).runs
    return [find_living(store, project, track_id)]


def find_living(store: Store, project: str, track_id: str) -> RunInfo:
    """Return a run of a table; `RunNotFound`, with the closest names, also for the trash."""
    found = find_any(store, project, track_id)
    if found.trashed:
        raise RunNotFound(
            track_id, where=f"table {project}: it is in the trash; restore_run() brings it back"
        )
    return found


def find_any(store: Store, project: str, track_id: str) -> RunInfo:
    """Return a run of a table, also one in its trash; `RunNotFound` with the closest names."""
    found = store.find_run(project, run_id=track_id)
    if found is None:
        raise run_not_found(store, project, track_id)
    return found


def delete_run(store: Store, project: str, track_id: str, *, for_good: bool) -> None:
    """Move a run to the trash, or delete it with its rows; it may be in the trash already."""
    run = find_any(store, project, track_id)
    if for_good:
        store.delete_runs([run.key])
    else:
        store.trash_runs([run.key])


def restore_run(store: Store, project: str, track_id: str) -> None:
    """Take a run out of the trash."""
    store.restore_runs([find_any(store, project, track_id).key])
