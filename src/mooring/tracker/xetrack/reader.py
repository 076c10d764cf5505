"""What `mooring.Reader` is on a file of xetrack."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from mooring.errors import InvalidInput, StoreReadOnly
from mooring.store.contract import Store
from mooring.store.sqlite.foreign import import_command
from mooring.tracker.columns import check_engine, common_type
from mooring.tracker.opening import DEFAULT_TABLE
from mooring.tracker.reader import Reader
from mooring.tracker.settings import DEFAULT_TRACKER_STORE, Settings
from mooring.tracker.sql import SqlConnection
from mooring.tracker.xetrack.file import XetrackFile
from mooring.tracker.xetrack.frames import to_frame
from mooring.tracker.xetrack.sql import XetrackTables

if TYPE_CHECKING:
    import pandas as pd

    from mooring.tracker.session import StoreArgument


class XetrackReader(Reader):
    """Reads a table of a file that xetrack wrote, in place, also while xetrack writes to it.

    `mooring.Reader(path)` is one when the path is such a file. Cells and timestamps are as they
    are in the file. `table="events"`, which is the default, and `table="default"` mean whichever
    of the two the file has; where it has both, `default`, unless only `events` has rows. Methods
    that change something raise `StoreReadOnly`, which tells how to bring the file in.

    Examples
    --------
    >>> import mooring, sqlite3
    >>> old = sqlite3.connect("old.db")
    >>> found = old.execute("CREATE TABLE events (timestamp, track_id, loss REAL)")
    >>> found = old.execute("INSERT INTO events VALUES ('2023-12-27 11:25:59.2', 'a-b-1', 0.5)")
    >>> old.commit(); old.close()
    >>> mooring.Reader("old.db").to_df()
      track_id              timestamp  loss
    0    a-b-1  2023-12-27 11:25:59.2   0.5
    """

    def __init__(
        self,
        db: StoreArgument | None = None,
        engine: str = "sqlite",
        table: str = DEFAULT_TABLE,
    ) -> None:
        self._engine = check_engine(engine)
        address = db or Settings.from_environment().store or DEFAULT_TRACKER_STORE
        if not isinstance(address, (str, os.PathLike)):
            raise InvalidInput("a file of xetrack is given by its path")
        self._finalizer = None
        self.file = XetrackFile(address)
        self._table = self.file.find_table(table)

    def __repr__(self) -> str:
        return f"Reader({str(self.file.path)!r}, table={self._table!r})"

    @property
    def store(self) -> Store:
        """There is none: raises `StoreReadOnly`."""
        self._refuse("the file is no store")

    @property
    def db(self) -> str:
        """Path of the file."""
        return str(self.file.path)

    @property
    def dtypes(self) -> dict[str, type]:
        """Python type of each column's cells; `object` where they are of several types."""
        columns = self.file.read(self._table)
        return {name: common_type(set(map(type, cells))) for name, cells in columns.items()}

    @property
    def columns(self) -> set[str]:
        """Names of the table's columns, read anew each time."""
        return {column.name for column in self.file.columns(self._table)}

    @cached_property
    def conn(self) -> SqlConnection:
        """DuckDB with the file's tables as `db.<table>`; see `mooring.tracker.sql`."""
        return SqlConnection(XetrackTables(self.file))

    def to_df(
        self, track_id: str | None = None, head: int | None = None, tail: int | None = None
    ) -> pd.DataFrame:
        """Return rows of the table, by the text of their timestamps. See `Reader.to_df`.

        `head` are the n that were inserted first, `tail` the n newest by their timestamps.
        """
        if track_id is not None:
            columns = self.file.read(self._table, track_id=track_id)
        elif head is not None:
            columns = self.file.read(self._table, first=head)
        else:
            columns = self.file.read(self._table, last=tail)
        return to_frame(columns, by_time=True)

    def latest(self) -> pd.DataFrame:
        """Return the rows of the run that logged last."""
        newest = self.file.latest_track_id(self._table)
        return to_frame(self.file.read(self._table, track_id=newest))

    def __len__(self) -> int:
        """Return how many rows the table has."""
        return self.file.count_rows(self._table)

    @property
    def assets(self) -> NoReturn:
        """There are none of a store: raises `StoreReadOnly`. See `file.list_assets()`, `get`."""
        self._refuse("its assets are listed by reader.file.list_assets()")

    def get(self, key: str) -> Any:
        """Return a logged object by its hash, or by the column that it was logged under last.

        This unpickles it, which runs code of whoever made the file. See `XetrackFile.get`.
        """
        return self.file.get(key)

    def get_bytes(self, key: str) -> bytes:
        """Return the cloudpickle bytes of an asset, which are checked and not loaded."""
        return self.file.get_bytes(key)

    def set_value(self, *args: object, **options: object) -> NoReturn:
        """Raise `StoreReadOnly`: the file is read only."""
        self._refuse("set_value() would change it")

    def set_where(self, *args: object, **options: object) -> NoReturn:
        """Raise `StoreReadOnly`: the file is read only."""
        self._refuse("set_where() would change it")

    def delete_run(self, *args: object, **options: object) -> NoReturn:
        """Raise `StoreReadOnly`: the file is read only."""
        self._refuse("delete_run() would change it")

    def restore_run(self, *args: object, **options: object) -> NoReturn:
        """Raise `StoreReadOnly`: the file is read only."""
        self._refuse("restore_run() would change it")

    def remove_asset(self, *args: object, **options: object) -> NoReturn:
        """Raise `StoreReadOnly`: the file is read only."""
        self._refuse("remove_asset() would change it")

    def close(self) -> None:
        """End the use of the file."""
        self.file.close()

    def _refuse(self, what: str) -> NoReturn:
        path = self.file.path
        raise StoreReadOnly(
            f"{path} is a file of xetrack, which is only read in place: {what}. Bring it in "
            f"with: {import_command(path)}",
            address=str(path),
        )
