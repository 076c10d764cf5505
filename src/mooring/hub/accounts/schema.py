"""Tables of the accounts, and the database that holds them.

The format is a number in the table `accounts_format`; migration *n* leads from format *n* to
*n + 1*. What a SIGKILL leaves behind: each change is one transaction, whole or not there.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.exc import DatabaseError, OperationalError, SQLAlchemyError

from mooring.errors import NotAStore, StoreError, StoreFull, StoreLocked, StoreTooNew

_BUSY_MS = 30_000

metadata = MetaData()
_ID = BigInteger().with_variant(Integer, "sqlite")

formats = Table("accounts_format", metadata, Column("format", Integer, nullable=False))

facts = Table(
    "facts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("email", Text, unique=True),
    Column("password", Text),
    Column("admin", Boolean, nullable=False),
    Column("service", Boolean, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("project", Text),
    Column("cluster", BigInteger),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("revoked", BigInteger),
    Column("last_used", BigInteger),
    sqlite_autoincrement=True,
)

failures = Table(
    "login_failures",
    metadata,
    Column("email", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    Index("login_failures_email", "email", "time"),
)

workspaces = Table(
    "workspaces",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("deleted", BigInteger),
    Column("properties", Text, nullable=False),
    sqlite_autoincrement=True,
)

workspace_roles = Table(
    "workspace_roles",
    metadata,
    Column("workspace_id", ForeignKey("workspaces.id"), primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("role", String(16), nullable=False),
    Index("workspace_roles_user", "user_id"),
)

project_roles = Table(
    "project_roles",
    metadata,
    Column("project", Text, primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("role", String(16), nullable=False),
    Index("project_roles_user", "user_id"),
)

projects = Table(
    "projects",
    metadata,
    Column("project", Text, primary_key=True),
    Column("serving", Boolean, nullable=False),
)

uploads = Table(
    "uploads",
    metadata,
    Column("digest", String(64), nullable=False),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("time", BigInteger, nullable=False),
    UniqueConstraint("digest", "user_id"),
)

MIGRATIONS: Sequence[Callable[[Connection], None]] = (metadata.create_all,)
FORMAT = len(MIGRATIONS)
"""The newest format that this code reads and writes."""


class AccountsDatabase:
    """The database of the accounts. Any thread may use it; so may several processes."""

    def __init__(self, place: str | Path) -> None:
        self.address = str(place)
        url = self.address
        if "://" not in url:
            path = Path(place).absolute()
            self._make_private(path)
            url = f"sqlite:///{path}"
        self.engine = create_engine(url, pool_pre_ping="sqlite" not in url)
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        try:
            self._migrate()
        except BaseException:
            self.engine.dispose()
            raise

    def _make_private(self, path: Path) -> None:
        """Make an empty file that its owner alone may read."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreError(
                f"the accounts cannot be kept in {path}: {error.strerror}", address=str(path)
            ) from None

    def _migrate(self) -> None:
        with self.write() as connection:
            found = 0
            if inspect(connection).has_table("accounts_format"):
                found = connection.execute(select(formats.c.format)).scalar_one()
            elif inspect(connection).get_table_names():
                raise NotAStore(
                    f"{self.address} holds tables that are no accounts of a hub",
                    address=self.address,
                )
            if found > FORMAT:
                raise StoreTooNew(self.address, found=found, supported=FORMAT)
            for migrate in MIGRATIONS[found:]:
                migrate(connection)
            if found == 0:
                connection.execute(insert(formats).values(format=FORMAT))
            elif found < FORMAT:
                connection.execute(update(formats).values(format=FORMAT))

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
        except OperationalError as error:
            text = str(error.orig)
            if "locked" in text or "busy" in text:
                raise StoreLocked(
                    f"{self.address} is locked by another process", address=self.address
                ) from error
            if "full" in text:
                raise StoreFull(
                    f"the disk that holds {self.address} is full", address=self.address
                ) from error
            raise StoreError(f"{self.address}: {text}", address=self.address) from error
        except DatabaseError as error:
            if "not a database" in str(error.orig):
                raise NotAStore(
                    f"{self.address} holds no accounts of a hub", address=self.address
                ) from error
            raise
        except SQLAlchemyError:
            raise

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()


def _prepare_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # a role that was given is not lost
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("mooring_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
