"""The store's file: opening it safely, its connections, and its errors in our words."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
import threading
import time
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mooring.errors import (
    NotAStore,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreNotFound,
    StoreReadOnly,
    StoreTooNew,
    UnsafeFilesystem,
)
from mooring.query.patterns import compile_pattern
from mooring.store.contract import Durability
from mooring.store.sqlite.filesystem import network_filesystem
from mooring.store.sqlite.schema import (
    APPLICATION_ID,
    DERIVED,
    DERIVED_INDEXES,
    FORMAT,
    MIGRATIONS,
)

_MAGIC = b"SQLite format 3\0"
_ALIVE: weakref.WeakSet[Database] = weakref.WeakSet()
_INHERITED: list[object] = []
"""Connections that a forked child must neither use nor close; kept until it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """How to open a store's file.

    Attributes
    ----------
    durability : what a returned call has survived
    timeout_s : how long to wait for another process's lock
    journal : `wal`; `delete` is the safe mode for network file systems; None chooses
    """

    durability: Durability = Durability.PROCESS
    timeout_s: float = 60.0
    journal: str | None = None


class Database:
    """One store file: a writing connection behind a lock, and a reading one for each thread.

    A forked child leaves the connections of its parent alone and opens its own.
    """

    def __init__(
        self, path: Path, *, read_only: bool, create: bool, settings: DatabaseSettings
    ) -> None:
        self.path = path
        self.settings = settings
        self.read_only = read_only
        self.lock = threading.RLock()
        self._closed = False
        self._writer: sqlite3.Connection | None = None
        self._readers: list[sqlite3.Connection] = []
        self._local = threading.local()
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._uri_options = "mode=rw"
        exists = self._check_file(create)
        with self.errors():
            if read_only:
                self._open_read_only()
            else:
                self._open_for_writing(exists)
        _ALIVE.add(self)

    # opening

    def _check_file(self, create: bool) -> bool:
        """Refuse what cannot be a store; return whether there is something to open.

        The file is not opened here: closing any descriptor of it would drop the locks that SQLite
        holds on it for other stores of this process, and their log with the next process's exit.
        """
        path = self.path
        try:
            if path.is_dir():
                raise NotAStore(f"{path} is a folder, not a store file", address=str(path))
            if not path.exists() or not path.stat().st_size:
                if self.read_only or not create:
                    raise StoreNotFound(f"no store at {path}", address=str(path))
                path.parent.mkdir(parents=True, exist_ok=True)
                return False
            if path.stat().st_size < 100:  # less than SQLite's header
                raise NotAStore(
                    f"{path} is not a Mooring store (it is no SQLite file)", address=str(path)
                )
            if not os.access(path, os.R_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except PermissionError as error:
            raise StoreReadOnly(
                f"no permission to open {path}: {error.strerror}; ask its owner for access",
                address=str(path),
            ) from None
        except OSError as error:
            raise StoreError(f"cannot open {path}: {error.strerror}", address=str(path)) from None
        return True

    def _open_for_writing(self, exists: bool) -> None:
        journal = self.settings.journal
        if journal is None:
            journal = "wal"
            if kind := network_filesystem(self.path):
                journal = "delete"
                warnings.warn(
                    f"{self.path} lies on a network file system ({kind}), where fast logging is "
                    "unsafe: using the slower rollback journal. For speed keep the store on a "
                    "local disk.",
                    RuntimeWarning,
                    stacklevel=4,
                )
        if journal not in ("wal", "delete"):
            raise UnsafeFilesystem(f"journal {journal!r}; write 'wal' or 'delete'")
        self._journal = journal
        writable = os.access(self.path.parent, os.W_OK) and (
            not exists or os.access(self.path, os.W_OK)
        )
        if not writable:
            if exists:  # what is no store at all is refused as such
                Database(self.path, read_only=True, create=False, settings=self.settings).close()
            advice = "open it with read_only=True" if exists else "choose another folder"
            raise StoreReadOnly(f"{self.path} cannot be written; {advice}", address=str(self.path))
        if exists:
            connection = self._connect("mode=rw")
            try:
                version = self._check_format(connection)
            finally:
                connection.close()
        else:
            version = 0
        connection = self._connect_writer(create=not exists)
        if version < FORMAT:
            self._migrate(connection)
        self._writer = connection

    def _open_read_only(self) -> None:
        try:
            connection = self._connect("mode=ro")
            self._check_format(connection)
            self._uri_options = "mode=ro"
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (
                sqlite3.SQLITE_CANTOPEN,
                sqlite3.SQLITE_READONLY,
            ):
                raise
            # A WAL store in a folder that cannot be written: SQLite cannot make its index there.
            wal = Path(f"{self.path}-wal")
            if wal.exists() and wal.stat().st_size:
                self._copy = tempfile.TemporaryDirectory(prefix="mooring-")
                copy = Path(self._copy.name) / self.path.name
                shutil.copyfile(self.path, copy)
                shutil.copyfile(wal, f"{copy}-wal")
                self._uri_options = "mode=rw"
                connection = self._connect("mode=rw", copy)
            else:
                self._uri_options = "mode=ro&immutable=1"
                connection = self._connect(self._uri_options)
            self._check_format(connection)
        self._shared_reader = connection
        self._overlay_version: int | None = None

    def _connect(self, options: str, path: Path | None = None) -> sqlite3.Connection:
        uri = f"{(path or self.path).absolute().as_uri()}?{options}"
        connection = sqlite3.connect(
            uri,
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=self.settings.timeout_s,
            cached_statements=256,
        )
        connection.create_function("matches", 2, _matches, deterministic=True)
        return connection

    def _connect_writer(self, *, create: bool = False) -> sqlite3.Connection:
        connection = self._connect("mode=rwc" if create else "mode=rw")
        if create:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._retry_busy(lambda: connection.execute(f"PRAGMA journal_mode = {self._journal}"))
        power = self.settings.durability is Durability.POWER or self._journal == "delete"
        connection.execute(f"PRAGMA synchronous = {'FULL' if power else 'NORMAL'}")
        connection.execute("PRAGMA wal_autocheckpoint = 2000")
        return connection

    def _retry_busy(self, action: object) -> None:
        # A change of the journal mode does not wait for locks by itself.
        deadline = time.monotonic() + self.settings.timeout_s
        while True:
            try:
                action()  # type: ignore[operator]
                return
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                if not busy or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _check_format(self, connection: sqlite3.Connection) -> int:
        try:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_NOTADB or self._has_magic():
                raise
            raise NotAStore(
                f"{self.path} is not a Mooring store (it is no SQLite file)",
                address=str(self.path),
            ) from None
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application != APPLICATION_ID and (tables or application):
            raise NotAStore(
                f"{self.path} is a SQLite file of another program, not a Mooring store",
                address=str(self.path),
            )
        if version > FORMAT:
            raise StoreTooNew(str(self.path), found=version, supported=FORMAT)
        if self.read_only and version < FORMAT:
            raise StoreReadOnly(
                f"{self.path} has the older store format {version}; open it once for writing to "
                "bring it up to date",
                address=str(self.path),
            )
        return version

    def _has_magic(self) -> bool:
        """Return whether the file begins as SQLite's do. Only for a file that cannot be read."""
        with self.path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Bring the file to the newest format, in one transaction for each step."""
        while True:
            connection.execute("BEGIN IMMEDIATE")
            try:
                version = self._check_format(connection)
                if version == FORMAT:
                    connection.execute("ROLLBACK")
                    return
                for statement in MIGRATIONS[version]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {version + 1}")
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    # connections

    @property
    def writer(self) -> sqlite3.Connection:
        """The writing connection; hold `lock` while using it."""
        if self._writer is None:
            if self._closed:
                raise StoreClosed(f"{self.path} is closed", address=str(self.path))
            if self.read_only:
                raise StoreReadOnly(
                    f"{self.path} is opened for reading only", address=str(self.path)
                )
            self._writer = self._connect_writer()
        return self._writer

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Run a block in one write transaction; any exception undoes it."""
        with self.lock, self.errors():
            connection = self.writer
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Run a block on one consistent snapshot. Nested blocks share the outer one's."""
        if self._closed:
            raise StoreClosed(f"{self.path} is closed", address=str(self.path))
        with self.errors():
            if self.read_only:
                with self.lock:
                    yield from self._snapshot(self._shared_reader)
                return
            connection = getattr(self._local, "reader", None)
            if connection is None:
                connection = self._local.reader = self._connect("mode=rw")
                connection.execute("PRAGMA query_only = 1")
                connection.execute("PRAGMA cache_size = -65536")
                self._readers.append(connection)
            yield from self._snapshot(connection)

    @staticmethod
    def _snapshot(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        if connection.in_transaction:
            yield connection
            return
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    @contextmanager
    def fold_target(self, watermark: int) -> Iterator[sqlite3.Connection | None]:
        """Yield a connection to write the result of a fold to, or None when another was first.

        A read-only store gets temporary tables that stand before the file's tables of the same
        names, so that the same statements fold in memory.
        """
        if self.read_only:
            with self.lock, self.errors():
                connection = self._shared_reader
                connection.execute("BEGIN")
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
            return
        with self.write() as connection:
            current = connection.execute(
                "SELECT value FROM meta WHERE key = 'watermark'"
            ).fetchone()[0]
            yield connection if current == watermark else None

    def prepare_overlay(self) -> None:
        """Make a read-only store ready to fold: copy its derived tables into memory.

        The copy is renewed when another process has changed the file.
        """
        with self.lock, self.errors():
            connection = self._shared_reader
            version = connection.execute("PRAGMA data_version").fetchone()[0]
            if version == self._overlay_version:
                return
            connection.execute("PRAGMA temp_store = MEMORY")
            for table, definition in DERIVED.items():
                connection.execute(f"DROP TABLE IF EXISTS temp.{table}")
                connection.execute(definition.format("temp."))
                connection.execute(f"INSERT INTO temp.{table} SELECT * FROM main.{table}")
            for index in DERIVED_INDEXES:
                connection.execute(index.format("temp."))
            self._overlay_version = version

    def drop_stale_overlay(self) -> bool:
        """Return whether an overlay is in use, after dropping one that is out of date."""
        if self._overlay_version is None:
            return False
        connection = self._shared_reader
        if connection.execute("PRAGMA data_version").fetchone()[0] != self._overlay_version:
            self._overlay_version = None
            for table in DERIVED:
                connection.execute(f"DROP TABLE IF EXISTS temp.{table}")
            return False
        return True

    def close(self) -> None:
        """Close every connection. Idempotent."""
        with self.lock:
            if self._closed:
                return
            self._closed = True
            for connection in self._readers:
                connection.close()
            self._readers.clear()
            if self.read_only:
                self._shared_reader.close()
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            if self._copy is not None:
                self._copy.cleanup()

    def leave_to_parent(self) -> None:
        """Forget every connection without touching it (called in a forked child)."""
        _INHERITED.extend([self._writer, self._readers, self._local])
        self.lock = threading.RLock()
        self._local = threading.local()
        self._readers = []
        if self.read_only and not self._closed:
            _INHERITED.append(self._shared_reader)
            self._shared_reader = self._connect(
                self._uri_options,
                Path(self._copy.name) / self.path.name if self._copy else None,
            )
            self._overlay_version = None
        self._writer = None

    # errors

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Translate what SQLite raises inside the block."""
        try:
            yield
        except sqlite3.Error as error:
            raise self.translate(error) from error

    def translate(self, error: sqlite3.Error) -> StoreError:
        """Return our error for one of SQLite's."""
        path = str(self.path)
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StoreLocked(
                f"{path} stayed locked for {self.settings.timeout_s:g} s{self._who_holds()}; "
                "nothing was written, try again",
                address=path,
            )
        if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and self._disk_is_full()):
            return StoreFull(
                f"the disk that holds {path} is full; this update was not written, everything "
                "before it is safe. Free some space and go on",
                address=path,
            )
        if code == sqlite3.SQLITE_READONLY:
            return StoreReadOnly(f"{path} cannot be written", address=path)
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return StoreCorrupt(
                f"{path} is damaged ({error}). Keep the file as it is and restore a backup, or "
                f"recover what can be read: sqlite3 {self.path.name} .recover",
                address=path,
            )
        if code == sqlite3.SQLITE_CANTOPEN:
            return StoreError(f"cannot open {path} or a file beside it ({error})", address=path)
        if isinstance(error, sqlite3.ProgrammingError) and self._closed:
            return StoreClosed(f"{path} is closed", address=path)
        return StoreError(f"{path}: {error}", address=path)

    def _disk_is_full(self) -> bool:
        with suppress(OSError):
            return shutil.disk_usage(self.path.parent).free < 1 << 20
        return False

    def _who_holds(self) -> str:
        try:
            connection = self._connect("mode=ro")
            try:
                connection.execute("PRAGMA busy_timeout = 100")
                rows = connection.execute(
                    "SELECT DISTINCT pid, host FROM run_holders ORDER BY id DESC LIMIT 5"
                ).fetchall()
            finally:
                connection.close()
        except sqlite3.Error:
            return ""
        if not rows:
            return ""
        return " (it is open for writing in " + ", ".join(f"pid {p} on {h}" for p, h in rows) + ")"


def _matches(pattern: str, text: object) -> bool:
    return isinstance(text, str) and compile_pattern(pattern).search(text) is not None


def _after_fork() -> None:
    for database in list(_ALIVE):
        database.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
