"""SQLite's errors in our words."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path

from mooring.errors import StoreCorrupt, StoreError, StoreFull, StoreReadOnly

_NEARLY_FULL_BYTES = 1 << 20


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether another connection holds a lock."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def translate_error(error: sqlite3.Error, path: Path) -> StoreError:
    """Return our error for one of SQLite's, other than that of a lock."""
    code = _code(error)
    address = str(path)
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _disk_is_full(path)):
        return StoreFull(
            f"the disk that holds {path} is full; this update was not written, everything "
            "before it is safe. Free some space and go on",
            address=address,
        )
    if code == sqlite3.SQLITE_READONLY:
        return StoreReadOnly(f"{path} cannot be written", address=address)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreCorrupt(
            f"{path} is damaged ({error}). Keep the file as it is and restore a backup, or "
            f"recover what can be read: sqlite3 {path.name} .recover",
            address=address,
        )
    if code == sqlite3.SQLITE_CANTOPEN:
        return StoreError(f"cannot open {path} or a file beside it ({error})", address=address)
    return StoreError(f"{path}: {error}", address=address)


def _code(error: sqlite3.Error) -> int:
    # The lower byte is the primary code; errors of the driver itself have none.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _disk_is_full(path: Path) -> bool:
    with suppress(OSError):
        return shutil.disk_usage(path.parent).free < _NEARLY_FULL_BYTES
    return False
