"""`Reader`: the rows of a table, without a run of its own."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from mooring.store import open_store
from mooring.store.contract import Store
from mooring.tracker import backends, edits
from mooring.tracker.assets.objects import Assets
from mooring.tracker.columns import check_engine, column_types
from mooring.tracker.frames import run_ids
from mooring.tracker.opening import DEFAULT_TABLE, table_project
from mooring.tracker.session import StoreArgument
from mooring.tracker.settings import DEFAULT_TRACKER_STORE, Settings
from mooring.tracker.sql import SqlConnection, StoreTables

if TYPE_CHECKING:
    import pandas as pd

    from mooring.tracker.cache.folder import CacheEntry

_Reader = TypeVar("_Reader", bound="Reader")


class Reader:
    """Reads a tracker's table, also while others write to it. Creates nothing.

    It holds its store open for reading only. The methods that change rows, runs and assets open
    it for writing while they run; a store that was handed over open is used as it is.

    A file that xetrack wrote is read in place, see `mooring.tracker.xetrack.reader`.

    Parameters
    ----------
    db : address of a store, or an open one. Default: `MOORING_STORE`, else `track.db`
    engine : "sqlite" or "duckdb", which are the same here
    table : name of the table; `default` is another name of `events`

    Raises
    ------
    StoreNotFound, ProjectNotFound
        When there is no such store, or (on reading) no such table in it.

    Examples
    --------
    >>> from mooring import Reader, Tracker
    >>> tracker = Tracker(Tracker.IN_MEMORY)
    >>> row = tracker.log({"accuracy": 0.9})
    >>> Reader(tracker.store).to_df()["accuracy"].tolist()
    [0.9]
    """

    def __new__(cls, db: StoreArgument | None = None, *args: object, **options: object) -> Self:
        """Return a reader of files of xetrack when `db` is one, see `XetrackReader`."""
        return super().__new__(_reader_class(cls, db))

    def __init__(
        self,
        db: StoreArgument | None = None,
        engine: str = "sqlite",
        table: str = DEFAULT_TABLE,
    ) -> None:
        self._engine = check_engine(engine)
        self._project = table_project(table)
        self._table = table
        address = db or Settings.from_environment().store or DEFAULT_TRACKER_STORE
        self._address: str | None = None
        self._finalizer: weakref.finalize[..., Reader] | None = None
        self._store: Store
        if isinstance(address, (str, os.PathLike)):
            self._address = os.fspath(address)
            self._store = open_store(self._address, read_only=True, create=False)
            self._finalizer = weakref.finalize(self, self._store.close)
        else:
            self._store = address

    @classmethod
    def read_db(
        cls,
        db: StoreArgument,
        engine: str = "sqlite",
        table: str = DEFAULT_TABLE,
        track_id: str | None = None,
        head: int | None = None,
        tail: int | None = None,
    ) -> pd.DataFrame:
        """Return the rows of a table; see `to_df`."""
        with cls(db, engine, table) as reader:
            return reader.to_df(track_id=track_id, head=head, tail=tail)

    @classmethod
    def read_logs(cls, path: str | os.PathLike[str], limit: int | None = None) -> pd.DataFrame:
        """Return the rows of log files, those of the newest file first.

        A column of the tracker's rows is called as there; level and time of the lines are left
        out. Files that xetrack or loguru wrote with the same delimiter are read too.

        Parameters
        ----------
        path : a folder, of which all files `*.log` are read, and others that begin as a log does;
            or one file
        limit : how many files are read, the newest ones

        Warns
        -----
        UserWarning
            For each file with lines that could not be read, with their number. All others are.

        Raises
        ------
        InvalidInput
            When there is nothing at the path.

        Examples
        --------
        >>> from mooring import Reader, Tracker
        >>> with Tracker(Tracker.SKIP_INSERT, logs_path="logs") as tracker:
        ...     row = tracker.log({"accuracy": 0.9})
        >>> Reader.read_logs("logs")["accuracy"].tolist()
        [0.9]
        """
        from mooring.tracker.logs.reading import read_logs

        return backends.rows_frame(read_logs(path, limit))

    @classmethod
    def read_jsonl(cls, path: str | os.PathLike[str]) -> pd.DataFrame:
        """Return the rows of a JSONL file: `timestamp`, `level`, then the fields.

        Lines that cannot be read are left out, and a `UserWarning` tells how many.
        """
        from mooring.tracker.logs.reading import read_jsonl

        return backends.rows_frame(read_jsonl(path))

    @staticmethod
    def read_cache(folder: str | os.PathLike[str], key: str) -> dict[str, Any] | None:
        """Load one result; see `mooring.tracker.cache.folder.read_cache`."""
        from mooring.tracker.cache.folder import read_cache

        return read_cache(folder, key)

    @staticmethod
    def scan_cache(folder: str | os.PathLike[str]) -> Iterator[tuple[str, CacheEntry]]:
        """Yield key and description of each cached result, oldest first; nothing is unpickled."""
        from mooring.tracker.cache.folder import scan_cache

        return scan_cache(folder)

    @staticmethod
    def delete_cache_by_track_id(folder: str | os.PathLike[str], track_id: str) -> int:
        """Delete the cached results that a run computed; return how many."""
        from mooring.tracker.cache.folder import delete_cache_by_track_id

        return delete_cache_by_track_id(folder, track_id)

    @property
    def store(self) -> Store:
        """The store that holds the table."""
        return self._store

    @property
    def db(self) -> str:
        """Address of the store."""
        return self._store.address

    @property
    def table_name(self) -> str:
        """Name of the table."""
        return self._table

    @property
    def engine(self) -> str:
        """The engine that was asked for, "sqlite" or "duckdb"."""
        return self._engine

    @property
    def columns(self) -> set[str]:
        """Names of the table's columns, read anew each time."""
        return set(self.dtypes)

    @property
    def dtypes(self) -> dict[str, type]:
        """Python type of each column's cells; `object` where they are of several types."""
        return column_types(self._store.list_columns(self._project))

    @cached_property
    def conn(self) -> SqlConnection:
        """DuckDB with the store's tables as `db.<table>`; see `mooring.tracker.sql`."""
        return SqlConnection(StoreTables(self._store))

    def __repr__(self) -> str:
        return f"Reader({self._store.address!r}, table={self._table!r})"

    def to_df(
        self, track_id: str | None = None, head: int | None = None, tail: int | None = None
    ) -> pd.DataFrame:
        """Return rows of the table, by time.

        Parameters
        ----------
        track_id : those of this run (`head` and `tail` are then of no effect)
        head : the n that were logged first
        tail : the n that were logged last (of no effect with `head`)

        Raises
        ------
        RunNotFound
            When no run has this track id.
        """
        if track_id is not None:
            key = edits.find_living(self._store, self._project, track_id).key
            table = self._store.read_events(self._project, [key])
        elif head is not None:
            table = self._store.read_events(self._project, first=head)
        else:
            table = self._store.read_events(self._project, last=tail)
        return backends.by_time(backends.event_frame(table, run_ids(self._store, table)))

    def latest(self) -> pd.DataFrame:
        """Return the rows of the run that logged last."""
        table = self._store.read_events(self._project, last=1)
        if len(table):
            table = self._store.read_events(self._project, [int(table.runs[0])])
        return backends.event_frame(table, run_ids(self._store, table))

    def __len__(self) -> int:
        """Return how many rows the table has."""
        return self._store.count_events(self._project)

    def __bool__(self) -> bool:
        return True

    # changes

    def set_value(self, key: str, value: object, track_id: str | None = None) -> int:
        """Set a cell of every row of the table, or of one run; return how many rows changed.

        It is also an attribute of each run, unless the run has a series of that name.

        Raises
        ------
        RunNotFound, InvalidInput, StoreError
        """
        with self._writable() as store:
            runs = edits.choose_runs(store, self._project, track_id)
            return edits.edit_runs(store, runs, key, value)

    def set_where(
        self,
        key: str,
        value: object,
        where_key: str,
        where_value: object,
        track_id: str | None = None,
    ) -> int:
        """Set a cell of the rows whose cell `where_key` equals `where_value`; return how many.

        Names are only names and values only values, whatever they look like. None equals a
        missing cell. `where_key` may be `track_id`, not `timestamp`.

        Raises
        ------
        RunNotFound, InvalidInput, StoreError
        """
        with self._writable() as store:
            runs = edits.choose_runs(store, self._project, track_id)
            return edits.edit_runs(store, runs, key, value, (where_key, where_value))

    def delete_run(self, track_id: str, *, for_good: bool = False) -> bool:
        """Move a run with its rows to the trash, out of every reader's sight; return True.

        `restore_run` brings it back. `for_good` deletes it instead, from the trash too; `compact`
        then frees its assets, but for those that other runs have.

        Raises
        ------
        RunNotFound
            When there is none, with the closest names.
        """
        with self._writable() as store:
            edits.delete_run(store, self._project, track_id, for_good=for_good)
        return True

    def restore_run(self, track_id: str) -> bool:
        """Take a run out of the trash; return True. `RunNotFound` when there is none."""
        with self._writable() as store:
            edits.restore_run(store, self._project, track_id)
        return True

    def _writable(self) -> AbstractContextManager[Store]:
        if self._address is None:
            return nullcontext(self._store)
        return closing(open_store(self._address, create=False))

    # assets

    @property
    def assets(self) -> Assets:
        """The assets of the store."""
        return Assets(self._store, self._project, self._writable)

    def get(self, key: str) -> Any:
        """Return a logged object by its hash, or by the column that it was logged under last.

        This unpickles it, which runs code of whoever logged it. See `Assets.get` for the errors.
        """
        return self.assets.get(key)

    def get_bytes(self, key: str) -> bytes:
        """Return the cloudpickle bytes of an asset, which are checked and not loaded."""
        return self.assets.get_bytes(key)

    def remove_asset(
        self, hash_value: str, column: str | None = None, remove_keys: bool = True
    ) -> bool:
        """Remove an asset from every run of the store; return whether there was one.

        Rows of this table lose the hash from `column`, when one is named. See
        `Assets.remove_hash`.
        """
        return self.assets.remove_hash(hash_value, remove_keys, column=column)

    # life

    def close(self) -> None:
        """Close the store, if this reader opened it. One that is forgotten closes by itself."""
        if self._finalizer is not None:
            self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _reader_class(cls: type[_Reader], db: StoreArgument | None) -> type[_Reader]:
    """Return the class of a reader: that of the files of another program, where it is one."""
    address = db or Settings.from_environment().store or DEFAULT_TRACKER_STORE
    if cls is not Reader or not isinstance(address, (str, os.PathLike)):
        return cls
    from mooring.tracker.xetrack import is_xetrack_file

    if not is_xetrack_file(address):
        return cls
    from mooring.tracker.xetrack.reader import XetrackReader

    return XetrackReader  # type: ignore[return-value]
