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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from mooring.errors import (
    NotAStore,
    StoreClosed,
    StoreError,
    StoreLocked,
    StoreNotFound,
    StoreReadOnly,
    StoreTooNew,
    UnsafeFilesystem,
)
from mooring.query.patterns import compile_pattern
from mooring.store.contract import Durability
from mooring.store.sqlite.filesystem import network_filesystem
from mooring.store.sqlite.foreign import advise
from mooring.store.sqlite.schema import (
    APPLICATION_ID,
    DERIVED,
    DERIVED_INDEXES,
    FORMAT,
    MIGRATIONS,
)
from mooring.store.sqlite.translation import is_busy, translate_error

_MAGIC = b"SQLite format 3\0"
_ALIVE: weakref.WeakSet[Database] = weakref.WeakSet()
_INHERITED: list[object] = []
"""Connections that a forked child must neither use nor close; kept until it ends."""
_CACHE_KIB = 65_536
"""Page cache of a connection at most: with SQLite's 2 MiB, 16,000 runs took a third longer."""
_FORK_WAIT_S = 5.0
"""How long a fork waits for other threads to end what they do with the store."""


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


@dataclass(slots=True)
class _Reader:
    """A connection for reading and the thread it belongs to; its lock is held while it is used."""

    thread: threading.Thread
    lock: threading.RLock = field(default_factory=threading.RLock)
    connection: sqlite3.Connection | None = None


class Database:
    """One store file: a writing connection behind a lock, and a reading one for each thread.

    Connections do not survive a fork: they are closed before it and opened again when needed.
    SQLite's knowledge of its locks belongs to a process, and a child that inherited it would
    write without a lock of its own, into a log that its parent deletes on closing.
    """

    def __init__(
        self, path: Path, *, read_only: bool, create: bool, settings: DatabaseSettings
    ) -> None:
        self.path = path
        self.settings = settings
        self.read_only = read_only
        self.lock = threading.RLock()
        self._closed = False
        self._opened: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None
        self._readers: list[_Reader] = []
        self._held_for_fork: list[threading.RLock] = []
        self.in_child: list[Callable[[], None]] = []
        """Called in a forked child, where other objects have to forget the parent's work."""
        self._local = threading.local()
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._uri_options = "mode=rw"
        try:
            exists = self._check_file(create)
            with self.errors():
                if read_only:
                    self._open_read_only()
                else:
                    self._open_for_writing(exists)
        except BaseException:
            self._close_connections()
            raise
        _ALIVE.add(self)

    def __del__(self) -> None:
        # A store that nobody closed: Python 3.13 warns of connections that are left open.
        self._close_connections()

    def _close_connections(self) -> None:
        while self._opened:
            self._opened.pop().close()

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
                    raise StoreNotFound(
                        f"no store at {path.absolute()}; check the path, or log a run to it first",
                        address=str(path),
                    )
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
        self._shared = _Reader(threading.main_thread(), self.lock, connection)
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
        self._opened.append(connection)
        if self.read_only:
            connection.execute("PRAGMA temp_store = MEMORY")
        connection.create_function("matches", 2, _matches, deterministic=True)
        return connection

    def _connect_writer(self, *, create: bool = False) -> sqlite3.Connection:
        connection = self._connect("mode=rwc" if create else "mode=rw")
        if create:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._retry_busy(lambda: connection.execute(f"PRAGMA journal_mode = {self._journal}"))
        power = self.settings.durability is Durability.POWER or self._journal == "delete"
        connection.execute(f"PRAGMA synchronous = {'FULL' if power else 'NORMAL'}")
        # A run touches pages all over the index of values: the longer the log of pages, the
        # more of them a checkpoint writes once instead of many times.
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return connection

    def _retry_busy(self, action: object) -> None:
        # A change of the journal mode does not wait for locks by itself.
        deadline = time.monotonic() + self.settings.timeout_s
        while True:
            try:
                action()  # type: ignore[operator]
                return
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() > deadline:
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
                f"{self.path} is a SQLite file of another program, not a Mooring store"
                + advise(connection, self.path),
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

    def check_open(self) -> None:
        """Raise `StoreClosed` after `close()`."""
        if self._closed:
            raise StoreClosed(f"{self.path} is closed", address=str(self.path))

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Run a block on one consistent snapshot. Nested blocks share the outer one's."""
        self.check_open()
        reader = self._shared if self.read_only else self._own_reader()
        with self.errors(), reader.lock:
            self.check_open()
            connection = reader.connection
            if connection is None:
                connection = reader.connection = self._connect_reader()
            if connection.in_transaction:
                yield connection
            elif self.read_only:
                yield from self._snapshot_in_memory(connection)
            else:
                yield from self._snapshot(connection)

    def _own_reader(self) -> _Reader:
        reader: _Reader | None = getattr(self._local, "reader", None)
        if reader is None:
            with self.lock:
                for old in [old for old in self._readers if not old.thread.is_alive()]:
                    if old.connection is not None:
                        old.connection.close()
                    self._readers.remove(old)
                reader = self._local.reader = _Reader(threading.current_thread())
                self._readers.append(reader)
        return reader

    def _connect_reader(self) -> sqlite3.Connection:
        if self.read_only:
            self._overlay_version = None
            copy = Path(self._copy.name) / self.path.name if self._copy else None
            return self._connect(self._uri_options, copy)
        connection = self._connect("mode=rw")
        connection.execute("PRAGMA query_only = 1")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return connection

    @staticmethod
    def _snapshot(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _snapshot_in_memory(self, connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        """Yield a snapshot of a read-only store, in which the temporary tables can be changed."""
        connection.execute("BEGIN")
        version = self._overlay_version
        try:
            self._drop_stale_overlay(connection)
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._overlay_version = version
            raise

    @contextmanager
    def fold_target(self, before: tuple[int, int]) -> Iterator[sqlite3.Connection | None]:
        """Yield a connection to write the result of a fold to, or None when another was first.

        `before` is what `fold_state` told in the snapshot that the fold was computed from.
        """
        with self.write() as connection:
            yield connection if fold_state(connection) == before else None

    def prepare_overlay(self, connection: sqlite3.Connection) -> None:
        """Make a snapshot of a read-only store ready to fold: copy its derived tables into memory.

        The temporary tables stand before the file's tables of the same names, so that the same
        statements fold in memory. The copy is kept until another process changes the file.
        """
        if self._overlay_version is not None:
            return
        for table, definition in DERIVED.items():
            connection.execute(f"DROP TABLE IF EXISTS temp.{table}")
            connection.execute(definition.format("temp."))
            connection.execute(f"INSERT INTO temp.{table} SELECT * FROM main.{table}")
        for index in DERIVED_INDEXES:
            connection.execute(index.format("temp."))
        self._overlay_version = connection.execute("PRAGMA data_version").fetchone()[0]

    def _drop_stale_overlay(self, connection: sqlite3.Connection) -> None:
        if self._overlay_version is None:
            return
        if connection.execute("PRAGMA data_version").fetchone()[0] != self._overlay_version:
            self._overlay_version = None
            for table in DERIVED:
                connection.execute(f"DROP TABLE IF EXISTS temp.{table}")

    def close(self) -> None:
        """Close every connection. Idempotent."""
        with self.lock:
            if self._closed:
                return
            self._closed = True
            for reader in [*self._readers, *([self._shared] if self.read_only else ())]:
                if reader.connection is not None:
                    reader.connection.close()
                    reader.connection = None
            self._readers.clear()
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            if self._copy is not None:
                self._copy.cleanup()

    def sync(self) -> None:
        """Force what is committed to the disk, before files that it has replaced are deleted."""
        with suppress(FileNotFoundError):
            descriptor = os.open(f"{self.path}-wal", os.O_RDWR)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    # forks

    def prepare_fork(self) -> None:
        """Close every connection and keep other threads from opening one until the fork is done.

        What a thread does not give back in time stays open, and the child leaves it alone.
        """
        readers = [*self._readers, *([self._shared] if self.read_only else ())]
        deadline = time.monotonic() + _FORK_WAIT_S
        # A thread may hold one lock and wait for another, in either order: all of them or none.
        while not self._hold([self.lock, *(reader.lock for reader in readers)]):
            if time.monotonic() > deadline:
                return
            time.sleep(0.001)
        if self._writer is not None and not self._writer.in_transaction:
            self._writer.close()
            self._writer = None
        for reader in readers:
            if reader.connection is not None and not reader.connection.in_transaction:
                reader.connection.close()
                reader.connection = None

    def _hold(self, locks: list[threading.RLock]) -> bool:
        for lock in locks:
            if not lock.acquire(timeout=0.05):
                self.end_fork()
                return False
            self._held_for_fork.append(lock)
        return True

    def end_fork(self) -> None:
        """Let the other threads of the parent go on."""
        while self._held_for_fork:
            self._held_for_fork.pop().release()

    def leave_to_parent(self) -> None:
        """Go on in a forked child, without touching what is the parent's."""
        _INHERITED.extend([self._writer, self._readers, self._local, self._copy, self._opened])
        self._opened = []
        self._held_for_fork = []
        self.lock = threading.RLock()
        self._local = threading.local()
        self._readers = []
        self._writer = None
        if self.read_only:
            _INHERITED.append(self._shared)
            self._shared = _Reader(threading.main_thread(), self.lock)
        for forget in self.in_child:
            forget()

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
        if isinstance(error, sqlite3.ProgrammingError) and self._closed:
            return StoreClosed(f"{self.path} is closed", address=str(self.path))
        if is_busy(error):
            return StoreLocked(
                f"{self.path} stayed locked for {self.settings.timeout_s:g} s{self._who_holds()}; "
                "nothing was written, try again",
                address=str(self.path),
            )
        return translate_error(error, self.path)

    def _who_holds(self) -> str:
        try:
            connection = self._connect("mode=ro")
            try:
                connection.execute("PRAGMA busy_timeout = 100")
                rows = connection.execute(
                    "SELECT DISTINCT pid, host FROM run_holders WHERE writer IS NULL AND pid != ? "
                    "ORDER BY id DESC LIMIT 5",
                    (os.getpid(),),
                ).fetchall()
            finally:
                connection.close()
        except sqlite3.Error:
            return ""
        if not rows:
            return ""
        return " (it is open for writing in " + ", ".join(f"pid {p} on {h}" for p, h in rows) + ")"


def fold_state(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the watermark, and how often something else has changed what a fold builds on."""
    watermark, changes = connection.execute(
        "SELECT (SELECT value FROM meta WHERE key = 'watermark'), "
        "coalesce((SELECT value FROM meta WHERE key = 'changes'), 0)"
    ).fetchone()
    return watermark, changes


def overtake(connection: sqlite3.Connection) -> None:
    """Make every fold and sealing of events that is being computed begin anew."""
    connection.execute(
        "INSERT INTO meta VALUES ('changes', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1"
    )


def _matches(pattern: str, text: object) -> bool:
    return isinstance(text, str) and compile_pattern(pattern).search(text)


_FORKING: list[Database] = []


def _before_fork() -> None:
    _FORKING.extend(_ALIVE)
    for database in _FORKING:
        database.prepare_fork()


def _after_fork_in_parent() -> None:
    while _FORKING:
        _FORKING.pop().end_fork()


def _after_fork_in_child() -> None:
    while _FORKING:
        _FORKING.pop().leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
