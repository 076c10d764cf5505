"""Appending to the log: the path of every logging call.

One call is one row, committed when it returns. What a SIGKILL leaves behind: before the commit
nothing but perhaps an interned path or shape that nobody refers to; after it the whole row.
"""

from __future__ import annotations

import atexit
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mooring.errors import MooringError
from mooring.model import AttributeType, RunInfo
from mooring.store.contract import Durability
from mooring.store.sqlite import holders
from mooring.store.sqlite.columns import TableColumns
from mooring.store.sqlite.encoding import UpdateEncoder

if TYPE_CHECKING:
    from mooring.store.sqlite.catalog import Catalog
    from mooring.store.sqlite.database import Database

INSERT_ROW = "INSERT INTO log (run, kind, step, time, shape, data) VALUES (?, ?, ?, ?, ?, ?)"

RELAXED_INTERVAL_S = 0.1
"""How much of the latest logging `Durability.RELAXED` may lose."""


class Appender:
    """The one place that inserts into the log, for all writers of a store object."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.relaxed = database.settings.durability is Durability.RELAXED
        self._pending: list[tuple[Any, ...]] = []
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: MooringError | None = None
        database.in_child.append(self.leave_to_parent)
        if self.relaxed:
            atexit.register(_flush_at_exit, weakref.ref(self))

    def append(self, row: tuple[Any, ...]) -> None:
        """Insert one row; on return it is as durable as the store's setting says."""
        database = self.database
        if self.relaxed:
            self._queue(row)
            return
        with database.lock:
            try:
                database.writer.execute(INSERT_ROW, row)
            except sqlite3.Error as error:
                raise database.translate(error) from error

    def append_all(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert several rows, all or none."""
        if self.relaxed:
            self.flush()
        with self.database.write() as connection:
            connection.executemany(INSERT_ROW, rows)

    def _queue(self, row: tuple[Any, ...]) -> None:
        with self.database.lock:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            self._pending.append(row)
            if self._thread is None or not self._thread.is_alive():
                self._wake.clear()
                self._thread = threading.Thread(
                    target=self._commit_in_background, name="mooring-commit", daemon=True
                )
                self._thread.start()

    def _commit_in_background(self) -> None:
        while not self._wake.wait(RELAXED_INTERVAL_S):
            try:
                self.flush()
            except MooringError as error:
                self._failure = error  # raised by the next call, which still holds the rows

    def flush(self) -> None:
        """Commit what is pending; what cannot be written stays pending."""
        with self.database.lock:
            if self._pending:
                with self.database.write() as connection:
                    connection.executemany(INSERT_ROW, self._pending)
                self._pending.clear()

    def close(self) -> None:
        """Commit what is pending and end the background thread."""
        self._wake.set()
        self.flush()

    def leave_to_parent(self) -> None:
        """Drop what a forked child inherited; the parent writes it."""
        self._pending = []
        self._wake = threading.Event()
        self._thread = None
        self._failure = None


def _flush_at_exit(reference: weakref.ref[Appender]) -> None:
    """Commit what a store that nobody closed holds back."""
    appender = reference()
    if appender is not None:
        appender.flush()


class SqliteWriter(UpdateEncoder):
    """The `RunWriter` of a SQLite store."""

    def __init__(
        self,
        appender: Appender,
        catalog: Catalog,
        columns: TableColumns,
        run: RunInfo,
        load_types: Callable[[], dict[str, AttributeType]],
        closed: Callable[[SqliteWriter], None],
    ) -> None:
        super().__init__(
            appender.database,
            catalog,
            columns,
            run,
            load_types,
            appender.append,
            appender.append_all,
        )
        self._appender = appender
        self._tell_closed = closed
        self._process = os.getpid()
        with appender.database.write() as connection:
            self._state_path = catalog.system("sys/state")
            self._holder = holders.register(connection, run.key, self._state_path)

    def close(self) -> None:
        """Write what is pending and end this writer's activity on the run."""
        if self._closed:
            return
        self._appender.flush()
        self._columns.finish()
        if self._process == os.getpid():  # a forked child leaves the run active for its parent
            with self._appender.database.write() as connection:
                holders.release(connection, self._holder, self._key, self._state_path)
        self._plans = {}
        self._event_plans = {}
        self._closed = True
        self._tell_closed(self)
