"""SQLite files of other programs, read without leaving anything beside them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from mooring.errors import SourceUnreadable, StoreError
from mooring.tracker.xetrack.opening import check_file, foreign_error, open_for_reading

_TIMEOUT_S = 10.0


@contextmanager
def open_untouched(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a SQLite file that another program wrote; `SourceUnreadable` when it cannot be read.

    SQLite's own errors inside the block become `SourceUnreadable` too.
    """
    try:
        check_file(file)
        with closing(_connect(file)) as connection:
            yield connection
    except sqlite3.Error as error:
        known = foreign_error(error, file, _TIMEOUT_S)
        raise SourceUnreadable(str(known), where=str(file)) from error
    except StoreError as error:
        raise SourceUnreadable(str(error), where=str(file)) from error


def _connect(file: Path) -> sqlite3.Connection:
    # A reader of a WAL file makes two files beside it and cannot remove them. Where there are
    # none now, no program has the file open and nothing is to be recovered: it is read as it is.
    beside = [file.with_name(file.name + suffix) for suffix in ("-wal", "-journal")]
    if any(each.exists() for each in beside):
        return open_for_reading(file, _TIMEOUT_S)
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        # Else SQLite refuses a file that was cut off, instead of reading it as far as it goes.
        connection.execute("PRAGMA writable_schema = 1")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection
