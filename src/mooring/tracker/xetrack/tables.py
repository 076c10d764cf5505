"""Tables of events in a SQLite file: which there are, and their rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mooring.store.sqlite.translation import is_busy

TRACK_ID, TIMESTAMP = "track_id", "timestamp"
"""The columns that every table of events has."""

OLD_TABLE, NEW_TABLE = "events", "default"
"""The table where nothing else was asked for: until 0.4.1, and since 0.4.2."""

BATCH_ROWS = 20_000
"""Rows that are read at once. A writer of the file waits for one batch at most."""

OWN_PREFIX = "mooring_"
"""Of tables that an export adds; they are never tables of events."""

_ROW_IDS = ("rowid", "_rowid_", "oid")


@dataclass(frozen=True, slots=True)
class XetrackColumn:
    """A column of a table: its name, and its type as declared, which can be empty.

    A declared type binds SQLite to little: a cell of any column can be of any type.
    """

    name: str
    declared_type: str


@dataclass(frozen=True, slots=True)
class EventsTable:
    """A table or view of events; `row_id` is the name by which SQLite numbers its rows, if any."""

    name: str
    columns: tuple[XetrackColumn, ...]
    row_id: str | None
    is_view: bool


def quote(name: str) -> str:
    """Return a name as an identifier of SQL, whatever it holds.

    >>> quote('my "table"')
    '"my ""table\"""'
    """
    return '"' + name.replace('"', '""') + '"'


def event_tables(connection: sqlite3.Connection) -> dict[str, EventsTable]:
    """Return the tables of events by name, in the order in which they were made."""
    tables = {}
    for name, kind in connection.execute(
        "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY rowid"
    ).fetchall():
        try:
            columns = tuple(
                XetrackColumn(column, declared)
                for column, declared in connection.execute(
                    "SELECT name, type FROM pragma_table_info(?)", (name,)
                )
            )
        except sqlite3.OperationalError as error:
            if is_busy(error):
                raise
            continue  # a view of something that is gone
        names = {column.name for column in columns}
        if {TRACK_ID, TIMESTAMP} <= names and not name.startswith(OWN_PREFIX):
            row_id = _row_id(connection, name, names) if kind == "table" else None
            tables[name] = EventsTable(name, columns, row_id, kind == "view")
    return tables


def _row_id(connection: sqlite3.Connection, table: str, names: set[str]) -> str | None:
    taken = {name.lower() for name in names}
    for name in _ROW_IDS:
        if name not in taken:
            with suppress(sqlite3.OperationalError):  # a table WITHOUT ROWID
                connection.execute(f"SELECT t.{name} FROM {quote(table)} t LIMIT 0")
                return name
    return None


def choose_table(connection: sqlite3.Connection, tables: Collection[str], name: str) -> str | None:
    """Return the one of a file's tables that a name stands for; see `XetrackFile.find_table`."""
    if name not in (OLD_TABLE, NEW_TABLE):
        return name if name in tables else None
    there = [table for table in (NEW_TABLE, OLD_TABLE) if table in tables]
    for table in there:
        if connection.execute(f"SELECT EXISTS (SELECT 1 FROM {quote(table)})").fetchone()[0]:
            return table
    return there[0] if there else None


def iter_batches(
    connection: sqlite3.Connection, table: EventsTable, batch_rows: int = BATCH_ROWS
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield all rows in the order in which they were inserted."""
    name, row_id = quote(table.name), table.row_id
    select = f"SELECT {column_list(table)} FROM {name} t"
    if row_id is None:
        rows = fetch(connection, select, [])
        for start in range(0, len(rows), batch_rows):
            yield rows[start : start + batch_rows]
        return
    # A file can have as many columns as a query may: the number of the row is asked for apart.
    after = connection.execute(f"SELECT min(t.{row_id}) - 1 FROM {name} t").fetchone()[0]
    while after is not None:
        until = connection.execute(
            f"SELECT max(id) FROM (SELECT t.{row_id} id FROM {name} t WHERE t.{row_id} > ? "
            f"ORDER BY 1 LIMIT ?)",
            (after, batch_rows),
        ).fetchone()[0]
        if until is None:
            return
        yield fetch(
            connection,
            f"{select} WHERE t.{row_id} > ? AND t.{row_id} <= ? ORDER BY t.{row_id}",
            [after, until],
        )
        after = until


def fetch(
    connection: sqlite3.Connection, sql: str, bound: Sequence[object]
) -> list[tuple[Any, ...]]:
    """Return all rows of a query; texts that are no UTF-8 come as bytes."""
    try:
        return connection.execute(sql, bound).fetchall()
    except sqlite3.OperationalError as error:
        if "decode to UTF-8" not in str(error):
            raise
    connection.text_factory = _text_or_bytes
    return connection.execute(sql, bound).fetchall()


def _text_or_bytes(content: bytes) -> str | bytes:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def column_list(table: EventsTable) -> str:
    """Return the columns of a table, called `t`, for a query."""
    return ", ".join(f"t.{quote(column.name)}" for column in table.columns)


def only_run(track_id: str | None) -> tuple[str, list[object]]:
    """Return the condition for the rows of one run (None: all), and what is bound to it."""
    return ("", []) if track_id is None else (f" WHERE t.{TRACK_ID} = ?", [track_id])


def newest_first(table: EventsTable) -> str:
    """Return the order in which the last row by time comes first."""
    order = f"t.{TIMESTAMP} DESC"
    return order if table.row_id is None else f"{order}, t.{table.row_id} DESC"
