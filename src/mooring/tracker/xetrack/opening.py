"""Opening a SQLite file of another program for reading, and its errors in our words."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

from mooring.errors import NotAStore, StoreError, StoreLocked, StoreNotFound, StoreReadOnly
from mooring.store.sqlite.translation import is_busy, translate_error


def check_file(path: Path) -> None:
    """Refuse what SQLite cannot be asked about. The file itself is not opened here."""
    address = str(path)
    try:
        status = path.stat()
    except FileNotFoundError:
        raise StoreNotFound(f"no file at {path.absolute()}", address=address) from None
    except OSError as error:
        raise StoreError(f"cannot open {path}: {error.strerror}", address=address) from None
    if not stat.S_ISREG(status.st_mode):
        raise NotAStore(f"{path} is no file", address=address)
    if not os.access(path, os.R_OK):
        raise StoreReadOnly(f"no permission to read {path}; ask its owner", address=address)


def open_for_reading(path: Path, timeout_s: float) -> sqlite3.Connection:
    """Open a file that another program may be writing to, in any journal mode."""
    uri = path.absolute().as_uri()
    try:
        return _connect(f"{uri}?mode=ro", timeout_s)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CANTOPEN:
            raise
        # In WAL mode SQLite needs a file beside it. Without one that holds something, and in a
        # folder where nobody can make one, the file does not change.
        wal = path.with_name(f"{path.name}-wal")
        if os.access(path.parent, os.W_OK) or (wal.exists() and wal.stat().st_size):
            raise
        return _connect(f"{uri}?mode=ro&immutable=1", timeout_s)


def _connect(uri: str, timeout_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri, uri=True, timeout=timeout_s, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA query_only = 1")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def foreign_error(error: sqlite3.Error, path: Path, timeout_s: float) -> StoreError:
    """Return our error for one that SQLite raised on the file."""
    address = str(path)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if is_busy(error):
        return StoreLocked(
            f"{address} stayed locked by another program for {timeout_s:g} s; nothing was "
            "changed, try again",
            address=address,
        )
    if code == sqlite3.SQLITE_NOTADB:
        return NotAStore(f"{address} is no SQLite file", address=address)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        return StoreError(
            f"{address} cannot be read as it is ({error}): a program that wrote to it was "
            "killed, or its folder cannot be written while it is in WAL mode. Copy it with "
            "the files beside it to a folder of yours and open it there once with sqlite3",
            address=address,
        )
    return translate_error(error, path)
