"""`XetrackFile`: a SQLite file that xetrack wrote, opened for reading only."""

from __future__ import annotations

import os
import pickle
import sqlite3
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mooring.errors import (
    AssetNotFound,
    AssetUnreadable,
    NotAStore,
    RunNotFound,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    TableNotFound,
)
from mooring.store.sqlite.schema import APPLICATION_ID
from mooring.tracker.xetrack import assets as asset_tables
from mooring.tracker.xetrack.assets import XetrackAsset
from mooring.tracker.xetrack.opening import check_file, foreign_error, open_for_reading
from mooring.tracker.xetrack.pickles import dump_key
from mooring.tracker.xetrack.tables import (
    BATCH_ROWS,
    TIMESTAMP,
    TRACK_ID,
    EventsTable,
    XetrackColumn,
    choose_table,
    column_list,
    event_tables,
    fetch,
    iter_batches,
    newest_first,
    only_run,
    quote,
)


class XetrackFile:
    """A file that xetrack wrote, of any version and engine. Nothing is changed or created.

    Every table or view that has the columns `track_id` and `timestamp` is a table of events. Cells
    come as SQLite holds them: `int`, `float`, `str`, `bytes`, None where there is none. Bools are
    the integers that xetrack made of them, timestamps naive local texts. A text that is no UTF-8
    comes as bytes.

    A connection is open only while a call runs, so a file may be read while xetrack writes to it,
    from any thread, and after a fork. Rows that change between two batches are seen as they are
    then; each row is whole.

    Parameters
    ----------
    path : the file
    timeout_s : how long to wait for a writer's lock before `StoreLocked`

    Raises
    ------
    StoreNotFound, NotAStore, StoreCorrupt, StoreLocked, StoreError
        `NotAStore` for a file without tables of events, and for a Mooring store.

    Examples
    --------
    >>> import sqlite3
    >>> old = sqlite3.connect("old.db")
    >>> found = old.execute("CREATE TABLE events (timestamp, track_id, loss REAL)")
    >>> found = old.execute("INSERT INTO events VALUES ('2023-12-27 11:25:59.2', 'a-b-1', 0.5)")
    >>> old.commit(); old.close()
    >>> with XetrackFile("old.db") as file:
    ...     file.tables, file.read("events")["loss"]
    (('events',), [0.5])
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout_s: float = 30.0) -> None:
        self.path = Path(path).expanduser()
        self._timeout_s = timeout_s
        self._closed = False
        check_file(self.path)
        with self._connect() as connection:
            if connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
                raise NotAStore(
                    f"{self.path} is a Mooring store, not a file of xetrack",
                    address=str(self.path),
                )
            if not event_tables(connection):
                raise NotAStore(
                    f"{self.path} is no file of xetrack: none of its tables has the columns "
                    f"{TRACK_ID!r} and {TIMESTAMP!r}",
                    address=str(self.path),
                )

    def __repr__(self) -> str:
        return f"XetrackFile({str(self.path)!r})"

    @property
    def version(self) -> str:
        """A text that is another one after the file was changed."""
        parts = []
        for suffix in ("", "-wal"):
            with suppress(OSError):
                status = self.path.with_name(self.path.name + suffix).stat()
                parts.append(f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}")
        return " ".join(parts)

    # tables

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables of events, in the order in which they were made."""
        with self._connect() as connection:
            return tuple(event_tables(connection))

    @property
    def views(self) -> tuple[str, ...]:
        """Names of those tables of events that are views: what they show lies elsewhere."""
        with self._connect() as connection:
            tables = event_tables(connection).values()
            return tuple(table.name for table in tables if table.is_view)

    def find_table(self, name: str) -> str:
        """Return the table of the file that a name stands for.

        `events` and `default` both stand for the one that the file has. Where it has both it is
        `default`, or `events` when only that one has rows: newer versions make an empty `default`
        in every file that they open.

        Raises
        ------
        TableNotFound
            When there is none, with those that are there.
        """
        with self._connect() as connection:
            tables = event_tables(connection)
            found = choose_table(connection, tables, name)
        if found is None:
            raise self._no_table(name, tables)
        return found

    def columns(self, table: str) -> tuple[XetrackColumn, ...]:
        """Return the columns of a table, in the order of the file."""
        with self._connect() as connection:
            return self._table(connection, table).columns

    def count_rows(self, table: str, *, track_id: str | None = None) -> int:
        """Return the number of rows of a table, or of one run in it."""
        with self._connect() as connection:
            found = self._table(connection, table)
            where, bound = only_run(track_id)
            return int(
                connection.execute(
                    f"SELECT count(*) FROM {quote(found.name)} t{where}", bound
                ).fetchone()[0]
            )

    def track_ids(self, table: str) -> tuple[str, ...]:
        """Return the names of a table's runs, sorted."""
        with self._connect() as connection:
            found = self._table(connection, table)
            rows = connection.execute(
                f"SELECT DISTINCT t.{TRACK_ID} FROM {quote(found.name)} t "
                f"WHERE t.{TRACK_ID} IS NOT NULL ORDER BY 1"
            )
            return tuple(str(name) for (name,) in rows)

    def latest_track_id(self, table: str) -> str | None:
        """Return the run that has the last row by time; None when there are no rows."""
        with self._connect() as connection:
            found = self._table(connection, table)
            row = connection.execute(
                f"SELECT t.{TRACK_ID} FROM {quote(found.name)} t WHERE t.{TRACK_ID} IS NOT NULL "
                f"ORDER BY {newest_first(found)} LIMIT 1"
            ).fetchone()
            return None if row is None else str(row[0])

    # rows

    def read(
        self,
        table: str,
        *,
        track_id: str | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> dict[str, list[Any]]:
        """Return rows of a table as columns, in the order in which they were inserted.

        Parameters
        ----------
        table : its name in the file, see `find_table`
        track_id : rows of this run only
        first : as many that were inserted first
        last : as many that are newest by their timestamps, oldest of them first

        Raises
        ------
        RunNotFound
            When no row has this track id.
        """
        with self._connect() as connection:
            found = self._table(connection, table)
            names = [column.name for column in found.columns]
            rows = self._select(connection, found, track_id, first, last)
            if track_id is not None and not rows:
                known = self.track_ids(found.name)
                raise RunNotFound(track_id, where=f"{self.path}, table {found.name!r}", known=known)
        columns = zip(*rows, strict=True) if rows else ((),) * len(names)
        return {name: list(cells) for name, cells in zip(names, columns, strict=True)}

    def _table(self, connection: sqlite3.Connection, name: str) -> EventsTable:
        tables = event_tables(connection)
        if name not in tables:
            raise self._no_table(name, tables)
        return tables[name]

    def _no_table(self, name: str, tables: Collection[str]) -> TableNotFound:
        where = f"{self.path}, whose tables are {', '.join(map(repr, tables))}"
        return TableNotFound(name, where=where, known=tables)

    def _select(
        self,
        connection: sqlite3.Connection,
        table: EventsTable,
        track_id: str | None,
        first: int | None,
        last: int | None,
    ) -> list[tuple[Any, ...]]:
        if track_id is None and first is None and last is None:
            return [row for rows in iter_batches(connection, table) for row in rows]
        where, bound = only_run(track_id)
        order = "" if table.row_id is None else f" ORDER BY t.{table.row_id}"
        limit = max(0, first) if first is not None else -1
        if first is None and last is not None:
            order, limit = f" ORDER BY {newest_first(table)}", max(0, last)
        rows = fetch(
            connection,
            f"SELECT {column_list(table)} FROM {quote(table.name)} t{where}{order} LIMIT ?",
            [*bound, limit],
        )
        return rows[::-1] if first is None and last is not None else rows

    def iter_rows(
        self, table: str, *, batch_rows: int = BATCH_ROWS
    ) -> Iterator[Sequence[tuple[Any, ...]]]:
        """Yield all rows of a table, in batches and in the order in which they were inserted.

        Each row is a tuple of the cells of `columns(table)`.
        """
        with self._connect() as connection:
            found = self._table(connection, table)
            yield from iter_batches(connection, found, batch_rows)

    def read_records(
        self, name: str, columns: Sequence[str], table: str
    ) -> Sequence[tuple[Any, ...]]:
        """Return what one of the tables that an export by Mooring adds tells of a table.

        `()` when the file has no such table with these columns.
        """
        with self._connect() as connection:
            found = connection.execute("SELECT name FROM pragma_table_info(?)", (name,))
            if not {(column,) for column in columns} <= set(found):
                return ()
            listed = ", ".join(f"t.{quote(column)}" for column in columns)
            return fetch(
                connection,
                f"SELECT {listed} FROM {quote(name)} t WHERE t.{quote(columns[0])} = ?",
                [table],
            )

    # assets

    def list_assets(self) -> tuple[XetrackAsset, ...]:
        """Return the assets of the file, in the order in which they were stored."""
        with self._connect() as connection:
            return tuple(asset_tables.read_entries(connection)[0].values())

    def list_unreadable(self) -> tuple[str, ...]:
        """Return a line for each entry of the asset tables whose key is not one plain text."""
        with self._connect() as connection:
            return tuple(asset_tables.read_entries(connection)[2])

    def find_asset(self, key: str) -> XetrackAsset:
        """Return the asset of this hash, or that was logged last under this name.

        Raises
        ------
        AssetNotFound
            When there is none, with the closest names.
        """
        with self._connect() as connection:
            return self._find_asset(asset_tables.read_entries(connection)[0], key)

    def _find_asset(self, found: Mapping[str, XetrackAsset], key: str) -> XetrackAsset:
        if key in found:
            return found[key]
        for asset in found.values():
            if key in asset.keys:
                return asset
        known = [*found, *(name for asset in found.values() for name in asset.keys)]
        raise AssetNotFound(key, where=f"the assets of {self.path}", known=known)

    def read_stored(self, key: str) -> tuple[bytes, bool]:
        """Return the content of an asset as the file holds it, and whether it is compressed.

        Raises
        ------
        AssetNotFound
            When there is no such asset.
        StoreCorrupt
            When the content is not what its hash says.
        """
        with self._connect() as connection:
            found = key
            content = asset_tables.read_content(connection, dump_key(key))
            if content is None:  # a name, or a key that was pickled in another way
                assets, texts, _ = asset_tables.read_entries(connection)
                found = self._find_asset(assets, key).hash
                content = asset_tables.read_content(connection, texts[found]) or b""
        compressed = asset_tables.is_compressed(found, content)
        if compressed is None:
            raise StoreCorrupt(
                f"the content of asset {found} in {self.path} is damaged: it does not have "
                "this hash. Restore the file from a backup",
                address=str(self.path),
            )
        return content, compressed

    def get_bytes(self, key: str) -> bytes:
        """Return the cloudpickle bytes of an asset, checked against their hash and not loaded.

        `key` is its hash, or the name that it was logged under last. See `read_stored` for errors.
        """
        content, compressed = self.read_stored(key)
        return zlib.decompress(content) if compressed else content

    def get(self, key: str) -> Any:
        """Return an object by its hash, or by the name that it was logged under last.

        This unpickles it, which runs code of whoever made the file: ask only for what you trust.
        The bytes are checked against their hash before. See `read_stored` for errors.
        """
        content = self.get_bytes(key)
        try:
            return pickle.loads(content)
        except Exception as error:
            raise AssetUnreadable(key, error) from error

    # life

    def close(self) -> None:
        """End the use of the file. Idempotent."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        if self._closed:
            raise StoreClosed(f"{self.path} is closed", address=str(self.path))
        try:
            connection = open_for_reading(self.path, self._timeout_s)
            try:
                yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise foreign_error(error, self.path, self._timeout_s) from error


def is_xetrack_file(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is a file that `XetrackFile` can read.

    A file that is missing, or that nothing can be told of, is none.
    """
    with suppress(StoreError):  # the store says what it is instead, when it is opened
        XetrackFile(path).close()
        return True
    return False
