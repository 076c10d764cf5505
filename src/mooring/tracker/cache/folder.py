"""The result cache: results of calls in a folder, for every process of one user.

The folder holds one SQLite file, `cache.db`. An entry is one committed row: a process that is
killed while it stores leaves the whole entry or none, and never a damaged one. A cache that fails
costs the time to compute again, never a result and never a row: what fails is counted and told.

A hit is unpickled, and unpickling runs whatever the file says. So results are loaded only from a
folder and files that belong to this user and that nobody else may write to. Listing and deleting
unpickle nothing.
"""

from __future__ import annotations

import os
import pickle
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from mooring.errors import (
    InvalidInput,
    InvalidValue,
    NotAStore,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreNotFound,
    StoreTooNew,
)
from mooring.model import now_micros
from mooring.store.sqlite.filesystem import network_filesystem
from mooring.store.sqlite.translation import is_busy, translate_error
from mooring.tracker.cache.trust import check_trust

__all__ = [
    "Cache",
    "CacheEntry",
    "Hit",
    "delete_cache_by_track_id",
    "read_cache",
    "scan_cache",
]

FILE_NAME = "cache.db"

_FORMAT = 1
_APPLICATION_ID = 0x4D6F4361  # "MoCa"
_TIMEOUT_S = 30.0
_LONGEST_ARGUMENTS = 1_000
_SCHEMA = (
    # The value comes last: what lies before it is read without it.
    """CREATE TABLE entries (
        id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, function TEXT NOT NULL,
        arguments TEXT NOT NULL, track_id TEXT NOT NULL, time INTEGER NOT NULL,
        size INTEGER NOT NULL, value BLOB NOT NULL)""",
    "CREATE INDEX entries_size ON entries (size)",
    "CREATE INDEX entries_track_id ON entries (track_id)",
)
_PathArgument = str | os.PathLike[str]
_Tell = Callable[[BaseException], None]


@dataclass(frozen=True, slots=True)
class Hit:
    """A result that was found, and the run that computed it."""

    value: Any
    track_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """What is known of an entry without loading its result.

    Attributes
    ----------
    function : name of the function
    arguments : text of its arguments, of at most 1,000 characters
    track_id : the run that computed the result
    time : when it was stored, UTC
    size_bytes : size of the pickled result
    """

    function: str
    arguments: str
    track_id: str
    time: datetime
    size_bytes: int


class Cache:
    """Results of calls in a folder, which is made when it is missing.

    Parameters
    ----------
    folder : where; it must be this user's, and nobody else's to write to
    size_limit_bytes : how many bytes of pickled results to keep at most; the oldest go first.
        None: all

    Raises
    ------
    UnsafePermissions
        When another user owns the folder or a file of the cache, or may write to it.

    Notes
    -----
    Any thread and any number of processes may use one folder at a time. A forked child opens the
    file anew.

    Examples
    --------
    >>> from mooring import Tracker
    >>> tracker = Tracker(Tracker.IN_MEMORY, cache="results")
    >>> tracker.track(pow, args=[2, 10]), tracker.track(pow, args=[2, 10])
    (1024, 1024)
    >>> tracker.latest["cache"] == tracker.track_id
    True
    >>> tracker.close()
    """

    def __init__(self, folder: _PathArgument, *, size_limit_bytes: int | None = None) -> None:
        if size_limit_bytes is not None and size_limit_bytes < 1:
            raise InvalidInput(f"size_limit_bytes is above 0 or None, not {size_limit_bytes!r}")
        self.folder = Path(os.path.abspath(folder))  # noqa: PTH100 - resolve() would follow links
        self.size_limit_bytes = size_limit_bytes
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.RLock()
        _make_folder(self.folder)
        check_trust(self.folder, FILE_NAME)
        with self._connected():
            pass
        _ALIVE.add(self)

    def __repr__(self) -> str:
        return f"Cache({str(self.folder)!r})"

    def find(self, key: str, *, tell: _Tell) -> Hit | None:
        """Load the result of a key. What fails counts as not found, and is passed to `tell`."""
        try:
            return self._load(key)
        except Exception as error:  # noqa: BLE001 - a result may raise anything when it is loaded
            tell(error)
            return None

    def get(self, key: str) -> Hit | None:
        """Load the result of a key, or return None; raise what goes wrong."""
        return self._load(key)

    def store(
        self, key: str, result: object, *, track_id: str, function: str, arguments: str, tell: _Tell
    ) -> bool:
        """Store a result in place of what the key held; return whether it was stored.

        What fails is passed to `tell`: a result that cannot be pickled, a full disk.
        """
        import cloudpickle

        try:
            value = cloudpickle.dumps(result, protocol=5)
        except Exception as error:  # noqa: BLE001 - a result may raise anything; told
            tell(
                InvalidValue(
                    f"the result of {function}() cannot be pickled ({type(error).__name__}: "
                    f"{error}); it was returned, and is not in the cache"
                )
            )
            return False
        try:
            self._insert(key, (function, _shorten(arguments), track_id, now_micros()), value)
        except StoreError as error:
            tell(error)
            return False
        return True

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is not None:
            connection.close()

    def _load(self, key: str) -> Hit | None:
        with self._connected() as connection:
            found = connection.execute(
                "SELECT value, track_id FROM entries WHERE key = ?", (key,)
            ).fetchone()
        if found is None:
            return None
        # rights may have changed since it was opened
        check_trust(self.folder, FILE_NAME)
        return Hit(pickle.loads(found[0]), found[1])

    def _insert(self, key: str, about: tuple[str, str, str, int], value: bytes) -> None:
        limit = self.size_limit_bytes
        if limit is not None and len(value) > limit:
            raise StoreFull(
                f"a result of {len(value):,} bytes is more than the cache at {self.folder} may "
                f"hold; raise size_limit_bytes above {limit:,}",
                address=str(self.folder),
            )
        with self._connected() as connection:
            with _transaction(connection):
                connection.execute(
                    "INSERT OR REPLACE INTO entries "
                    "(key, function, arguments, track_id, time, size, value) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (key, *about, len(value), value),
                )
                evicted = limit is not None and _evict(connection, limit)
            if evicted:
                _give_back(connection)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        path = self.folder / FILE_NAME
        with self._lock, _errors(path):
            if self._connection is None or not path.exists():
                self.close()  # somebody deleted the file: a new one takes its place
                check_trust(self.folder, FILE_NAME)
                self._connection = _connect(path, create=True)
            yield self._connection


def scan_cache(folder: _PathArgument) -> Iterator[tuple[str, CacheEntry]]:
    """Yield key and description of each entry, oldest first. Nothing is unpickled.

    Raises
    ------
    StoreNotFound
        When there is no cache in the folder; none is made.
    """
    path = _existing(folder)
    with _errors(path), closing(_connect(path, create=False)) as connection:
        rows = connection.execute(
            "SELECT key, function, arguments, track_id, time, size FROM entries ORDER BY id"
        ).fetchall()
    for key, function, arguments, track_id, micros, size in rows:
        yield (
            key,
            CacheEntry(
                function=function,
                arguments=arguments,
                track_id=track_id,
                time=datetime.fromtimestamp(micros / 1_000_000, UTC),
                size_bytes=size,
            ),
        )


def read_cache(folder: _PathArgument, key: str) -> dict[str, Any] | None:
    """Load one entry: `{"result": ..., "cache": <track id that computed it>}`, or None.

    `key` is one that `scan_cache` yields. This unpickles the result, which runs what the file
    says: only a cache of your own is loaded.

    Raises
    ------
    StoreNotFound, UnsafePermissions
        When there is no cache in the folder, or others may write to it.
    """
    path = _existing(folder)
    with Cache(path.parent) as cache:
        hit = cache.get(key)
    return None if hit is None else {"result": hit.value, "cache": hit.track_id}


def delete_cache_by_track_id(folder: _PathArgument, track_id: str) -> int:
    """Delete what a run computed, and return how many entries that were.

    Raises
    ------
    StoreNotFound
        When there is no cache in the folder; none is made.
    """
    path = _existing(folder)
    with _errors(path), closing(_connect(path, create=False)) as connection:
        with _transaction(connection):
            deleted = connection.execute(
                "DELETE FROM entries WHERE track_id = ?", (track_id,)
            ).rowcount
        if deleted:
            _give_back(connection)
    return deleted


def _existing(folder: _PathArgument) -> Path:
    path = Path(folder) / FILE_NAME
    if not path.is_file():
        raise StoreNotFound(
            f"no result cache in {Path(folder).absolute()}; it is the folder given as "
            "Tracker(cache=...)",
            address=str(folder),
        )
    return path


def _make_folder(folder: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the cache folder {folder} cannot be made ({error}); name another one",
            address=str(folder),
        ) from None


def _connect(path: Path, *, create: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_TIMEOUT_S,
    )
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    if _check_format(connection, path):
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute(f"PRAGMA journal_mode = {_journal(path)}")
        with _transaction(connection):
            if _check_format(connection, path):  # another process may have been first
                for statement in _SCHEMA:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {_FORMAT}")
    connection.execute("PRAGMA synchronous = NORMAL")


def _check_format(connection: sqlite3.Connection, path: Path) -> bool:
    """Refuse a file that is no cache of ours; return whether it is empty."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not tables and not application:
        return True
    if application != _APPLICATION_ID:
        raise NotAStore(
            f"{path} is a SQLite file of another program, not a result cache of Mooring; "
            "choose another folder",
            address=str(path),
        )
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > _FORMAT:
        raise StoreTooNew(str(path), found=version, supported=_FORMAT)
    return False


def _journal(path: Path) -> str:
    # the write-ahead log needs memory that machines of a network file system do not share
    return "WAL" if network_filesystem(path.parent) is None else "DELETE"


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if is_busy(error):
            raise StoreLocked(
                f"another process kept {path} locked for {_TIMEOUT_S:g} s", address=str(path)
            ) from error
        raise translate_error(error, path) from error


def _evict(connection: sqlite3.Connection, limit: int) -> bool:
    """Delete the oldest entries until all others are within the limit."""
    surplus = connection.execute("SELECT coalesce(sum(size), 0) FROM entries").fetchone()[0] - limit
    last = None
    if surplus > 0:
        for number, size in connection.execute("SELECT id, size FROM entries ORDER BY id"):
            last, surplus = number, surplus - size
            if surplus <= 0:
                break
        connection.execute("DELETE FROM entries WHERE id <= ?", (last,))
    return last is not None


def _give_back(connection: sqlite3.Connection) -> None:
    """Return the pages of deleted entries to the disk."""
    connection.execute("PRAGMA incremental_vacuum").fetchall()


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_ARGUMENTS else f"{text[: _LONGEST_ARGUMENTS - 3]}..."


_ALIVE: weakref.WeakSet[Cache] = weakref.WeakSet()


class _Held(threading.local):
    """Caches whose locks a forking thread holds; two threads may fork at a time."""

    def __init__(self) -> None:
        self.caches: list[Cache] = []


_HELD = _Held()


def _close_before_fork() -> None:
    # SQLite's locks belong to a process: a child must find no connection of its parent's.
    for cache in sorted(_ALIVE, key=id):
        cache._lock.acquire()
        _HELD.caches.append(cache)
        cache.close()


def _open_again() -> None:
    while _HELD.caches:
        _HELD.caches.pop()._lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_close_before_fork, after_in_parent=_open_again, after_in_child=_open_again
    )
