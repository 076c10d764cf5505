"""`Reader`: the rows of a table, without a run of its own."""

from __future__ import annotations

import os
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from mooring.store import open_store
from mooring.store.contract import Store
from mooring.tracker.frames import TIMESTAMP, run_ids, to_frame
from mooring.tracker.opening import run_not_found
from mooring.tracker.session import StoreArgument
from mooring.tracker.settings import DEFAULT_TRACKER_STORE, Settings
from mooring.tracker.tracker import DEFAULT_TABLE, table_project

if TYPE_CHECKING:
    import pandas as pd

_Reader = TypeVar("_Reader", bound="Reader")


class Reader:
    """Reads a tracker's table, also while others write to it. Changes and creates nothing.

    A file that xetrack wrote is read in place, see `mooring.tracker.xetrack.reader`.

    Parameters
    ----------
    db : address of a store, or an open one. Default: `MOORING_STORE`, else `track.db`
    table : name of the table

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

    def __init__(self, db: StoreArgument | None = None, table: str = DEFAULT_TABLE) -> None:
        self._project = table_project(table)
        self._table = table
        address = db or Settings.from_environment().store or DEFAULT_TRACKER_STORE
        self._finalizer: weakref.finalize[..., Reader] | None = None
        self._store: Store
        if isinstance(address, (str, os.PathLike)):
            self._store = open_store(os.fspath(address), read_only=True, create=False)
            self._finalizer = weakref.finalize(self, self._store.close)
        else:
            self._store = address

    @classmethod
    def read_db(
        cls,
        db: StoreArgument,
        table: str = DEFAULT_TABLE,
        track_id: str | None = None,
        head: int | None = None,
        tail: int | None = None,
    ) -> pd.DataFrame:
        """Return the rows of a table; see `to_df`."""
        with cls(db, table) as reader:
            return reader.to_df(track_id=track_id, head=head, tail=tail)

    @property
    def store(self) -> Store:
        """The store that holds the table."""
        return self._store

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
            table = self._store.read_events(self._project, [self._find(track_id)])
        elif head is not None:
            table = self._store.read_events(self._project, first=head)
        else:
            table = self._store.read_events(self._project, last=tail)
        frame = to_frame(table, run_ids(self._store, table))
        return frame.sort_values(TIMESTAMP, kind="stable", ignore_index=True)

    def latest(self) -> pd.DataFrame:
        """Return the rows of the run that logged last."""
        table = self._store.read_events(self._project, last=1)
        if len(table):
            table = self._store.read_events(self._project, [int(table.runs[0])])
        return to_frame(table, run_ids(self._store, table))

    def __len__(self) -> int:
        """Return how many rows the table has."""
        return self._store.count_events(self._project)

    def __bool__(self) -> bool:
        return True

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

    def _find(self, track_id: str) -> int:
        found = self._store.find_run(self._project, run_id=track_id)
        if found is None:
            raise run_not_found(self._store, self._project, track_id)
        return found.key


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
