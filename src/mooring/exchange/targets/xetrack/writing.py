"""The new file: written beside its name, and given it when it is complete.

What a SIGKILL leaves behind: before the renaming a file `.<name>.<letters>.part` that nothing
refers to and that can be deleted; after it the whole file. A file that is replaced stays whole
until then.
"""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mooring.errors import AlreadyExists, InvalidInput, StoreError
from mooring.store.blobs import file_error, sync_folder
from mooring.store.sqlite.translation import translate_error
from mooring.tracker.xetrack import is_xetrack_file
from mooring.tracker.xetrack.assets import ASSETS, COUNTS, KEYS
from mooring.tracker.xetrack.extras import (
    CELLS_COLUMNS,
    CELLS_TABLE,
    NAMES_COLUMNS,
    NAMES_TABLE,
)
from mooring.tracker.xetrack.pickles import dump_key, dump_number, dump_text
from mooring.tracker.xetrack.tables import NEW_TABLE, OLD_TABLE, TIMESTAMP, TRACK_ID, quote

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What file systems without hard links answer."""


class XetrackWriter:
    """Writes the tables of a file in xetrack's format."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        # Quoted as the library that makes them does.
        for table in (ASSETS, KEYS, COUNTS):
            connection.execute(f'CREATE TABLE "{table}" (key TEXT PRIMARY KEY, value BLOB)')
        for table, columns in ((NAMES_TABLE, NAMES_COLUMNS), (CELLS_TABLE, CELLS_COLUMNS)):
            connection.execute(f"CREATE TABLE {table} ({', '.join(columns)})")

    def create_table(self, table: str, columns: Mapping[str, str]) -> None:
        """Make a table of events of these columns and declared types."""
        defined = "".join(f", {quote(name)} {type}" for name, type in columns.items())
        self._connection.execute(
            f"CREATE TABLE {quote(table)} ({TRACK_ID} TEXT, {TIMESTAMP} TEXT{defined}, "
            f"PRIMARY KEY ({TRACK_ID}, {TIMESTAMP}))"
        )
        if table == NEW_TABLE:
            # For versions that know no other; they can read it, not write to it.
            self._connection.execute(f"CREATE VIEW {OLD_TABLE} AS SELECT * FROM {quote(table)}")

    def insert(self, table: str, rows: Iterable[Sequence[object]], columns: int) -> None:
        """Add rows: track id, timestamp, then a cell for each of so many columns."""
        self._insert(table, rows, columns + 2)

    def note_names(self, rows: Iterable[Sequence[object]]) -> None:
        """Note names that were changed, see `mooring.tracker.xetrack.extras`."""
        self._insert(NAMES_TABLE, rows, len(NAMES_COLUMNS))

    def note_cells(self, rows: Iterable[Sequence[object]]) -> None:
        """Note cells that are shown as something else."""
        self._insert(CELLS_TABLE, rows, len(CELLS_COLUMNS))

    def add_asset(self, hash_value: str, content: bytes, count: int) -> None:
        """Add an object by its cloudpickle bytes, which so many cells name."""
        self._insert(ASSETS, [(dump_key(hash_value), content)], 2)
        # The one table whose keys are not pickled.
        self._insert(COUNTS, [(hash_value, dump_number(count))], 2)

    def add_key(self, column: str, hash_value: str) -> None:
        """Tell which object a column holds last."""
        self._insert(KEYS, [(dump_key(column), dump_text(hash_value))], 2)

    def _insert(self, table: str, rows: Iterable[Sequence[object]], columns: int) -> None:
        places = ", ".join("?" * columns)
        self._connection.executemany(f"INSERT INTO {quote(table)} VALUES ({places})", rows)


@contextmanager
def new_file(path: Path, *, overwrite: bool) -> Iterator[XetrackWriter]:
    """Open a new file for a `with` block; it gets its name when the block ends without an error.

    Raises
    ------
    AlreadyExists
        When there is something of this name and `overwrite` is not set.
    InvalidInput
        When what would be overwritten is no file of xetrack.
    StoreFull, StoreReadOnly, StoreError
        When it cannot be written.
    """
    _check_target(path, overwrite)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _connect(part) as connection:
                yield XetrackWriter(connection)
                connection.execute("COMMIT")
            with part.open("rb") as written:
                os.fsync(written.fileno())
            _publish(part, path, overwrite)
        finally:
            part.unlink(missing_ok=True)
    except sqlite3.Error as error:
        raise translate_error(error, path) from error
    except OSError as error:
        raise file_error(error, path) from error


@contextmanager
def _connect(part: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(part, isolation_level=None)
    try:
        # Nobody sees it before it is complete: there is nothing to go back to.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        yield connection
    finally:
        connection.close()


def _check_target(path: Path, overwrite: bool) -> None:
    if not path.exists():
        return
    if not overwrite:
        raise _taken(path)
    for suffix in ("-wal", "-journal"):
        beside = path.with_name(path.name + suffix)
        if beside.exists() and beside.stat().st_size:
            raise StoreError(
                f"{path} is being written to, or was when a program was killed ({beside.name} "
                "lies beside it); close that program, or choose another name",
                address=str(path),
            )
    if not is_xetrack_file(path):
        raise InvalidInput(
            f"{path} is no file of xetrack, so it is not overwritten; delete it yourself, or "
            "choose another name"
        )


def _publish(part: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        part.replace(path)
    else:
        try:
            path.hardlink_to(part)  # unlike a renaming, it refuses to replace a file
        except FileExistsError:
            raise _taken(path) from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if path.exists():
                raise _taken(path) from None
            part.rename(path)
    sync_folder(path.parent)


def _taken(path: Path) -> AlreadyExists:
    return AlreadyExists(f"{path} exists already; choose another name, or ask to overwrite it")
