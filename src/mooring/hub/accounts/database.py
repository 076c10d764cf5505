"""The database of the accounts: opened privately, written by one at a time, its errors ours.

What a SIGKILL leaves behind: each change is one transaction, whole or not there.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Table,
    create_engine,
    event,
    insert,
    inspect,
    make_url,
    select,
    update,
)
from sqlalchemy import exc as failures
from sqlalchemy.dialects import postgresql, sqlite

from mooring.errors import InvalidAddress, NotAStore, StoreError, StoreLocked, StoreTooNew
from mooring.hub.accounts.schema import MIGRATIONS, formats, metadata
from mooring.store.sqlite.translation import is_busy, translate_error

_BUSY_MS = 30_000
_CONNECTIONS, _MORE_CONNECTIONS = 16, 64
"""Connections that are kept, and those beyond: no thread of a hub waits for one."""
_WRITE_LOCK = 0x6D6F6F72696E67
"""Advisory lock of PostgreSQL that a writing transaction holds, as `BEGIN IMMEDIATE` does."""

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")

MAX_ID = 2**63 - 1
"""The largest id that a column can hold."""


class AccountsDatabase:
    """The database of the accounts. Any thread may use it; so may several processes."""

    def __init__(self, place: str | Path) -> None:
        url = _url_of(place)
        self.address = url.database or "" if _is_sqlite(url) else repr(url)
        self._path = Path(self.address) if _is_sqlite(url) else Path()
        if _is_sqlite(url):
            _make_private(self._path)
        self.engine = _engine(url)
        try:
            self._migrate()
        except BaseException:
            self.engine.dispose()
            raise

    def _migrate(self) -> None:
        with self.read() as connection:
            if self._found(connection) == _newest():
                return
        with self.write() as connection:
            found = self._found(connection)
            if found == 0:
                metadata.create_all(connection)
                connection.execute(insert(formats).values(format=_newest()))
                return
            for migrate in MIGRATIONS[found - 1 :]:
                migrate(connection)
            connection.execute(update(formats).values(format=_newest()))

    def _found(self, connection: Connection) -> int:
        """Return the format of the tables that are there, 0 where there are none."""
        names = inspect(connection).get_table_names()
        if formats.name not in names:
            if names:
                raise NotAStore(
                    f"{self.address} holds tables that are no accounts of a hub",
                    address=self.address,
                )
            return 0
        found = connection.execute(select(formats.c.format)).scalar_one()
        if found > _newest():
            raise StoreTooNew(self.address, found=found, supported=_newest())
        return int(found)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection for questions."""
        with self._translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection whose changes are committed together, nobody else writing."""
        with self._translated(), self.engine.connect() as connection:
            connection = connection.execution_options(mooring_write=True)
            with connection.begin():
                yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except failures.TimeoutError:
            raise StoreLocked(
                f"all connections to {self.address} are in use", address=self.address
            ) from None
        except failures.DBAPIError as error:
            raise self._ours(error) from error
        except failures.SQLAlchemyError as error:
            raise StoreError(f"{self.address}: {error}", address=self.address) from error

    def _ours(self, error: failures.DBAPIError) -> StoreError:
        if not isinstance(error.orig, sqlite3.Error):
            # what follows the first line tells values
            told = next(iter(str(error.orig).splitlines()), type(error.orig).__name__)
            return StoreError(f"{self.address}: {told}", address=self.address)
        if is_busy(error.orig):
            return StoreLocked(f"{self.address} is locked by another process", address=self.address)
        if getattr(error.orig, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
            return NotAStore(f"{self.address} holds no accounts of a hub", address=self.address)
        return translate_error(error.orig, self._path)

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()


def _newest() -> int:
    """Return the newest format that this code reads and writes."""
    return 1 + len(MIGRATIONS)


def is_storable(text: object) -> bool:
    """Return whether a database could hold this at all; what it cannot hold is not there."""
    return not isinstance(text, str) or _UNSTORABLE.search(text) is None


def add_missing(connection: Connection, table: Table, **values: Any) -> bool:
    """Insert a row, unless one of this key is there; return whether it was inserted."""
    statement = _dialect(connection).insert(table).values(**values).on_conflict_do_nothing()
    return bool(connection.execute(statement).rowcount)


def put(connection: Connection, table: Table, **values: Any) -> None:
    """Insert a row, or replace what the one of this primary key holds."""
    keys = [column.name for column in table.primary_key]
    statement = _dialect(connection).insert(table).values(**values)
    rest = {name: value for name, value in values.items() if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=rest))


def _dialect(connection: Connection) -> Any:
    return postgresql if connection.dialect.name == "postgresql" else sqlite


def _url_of(place: str | Path) -> URL:
    if isinstance(place, Path) or "://" not in place:
        return URL.create("sqlite", database=str(Path(place).absolute()))
    try:
        url = make_url(place)
    except failures.ArgumentError:
        url = None
    if url is None or url.get_backend_name() not in ("sqlite", "postgresql"):
        # the text is not repeated: it may hold a password
        raise InvalidAddress(
            "accounts are kept in SQLite or PostgreSQL; write a file's path, sqlite:///path or "
            "postgresql://user:password@host/database"
        )
    if not _is_sqlite(url):
        return url
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise InvalidAddress("accounts are kept in a file: sqlite:///path")
    return url.set(database=str(Path(url.database).absolute()))


def _is_sqlite(url: URL) -> bool:
    return str(url.get_backend_name()) == "sqlite"


def _engine(url: URL) -> Engine:
    if _is_sqlite(url):
        engine = create_engine(
            url, pool_size=_CONNECTIONS, max_overflow=_MORE_CONNECTIONS, hide_parameters=True
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        engine = create_engine(url, pool_pre_ping=True, hide_parameters=True)
    except ModuleNotFoundError as error:
        raise InvalidAddress(
            f"{url!r} needs the package {error.name}; pip install {error.name}"
        ) from None
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _make_private(path: Path) -> None:
    """Make an empty file that its owner alone may read."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(
            f"the accounts cannot be kept in {path}: {error.strerror}", address=str(path)
        ) from None


def _prepare_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # a role that was given is not lost
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("mooring_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get("mooring_write"):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})")
