"""SQL views of tracker's tables: what other programs see in the file.

A table is two views. The inner one takes the cells out of the log's JSON, in SQLite's own SQL. The
outer one gives them names and types, in words that SQLite and DuckDB understand alike: DuckDB runs
a view of an attached file by itself, with types, where it can; the inner view it cannot run (it
has no `datetime` with modifiers), so that it lets SQLite run that one and takes texts from it.

Numbers leave the inner view as the text that was logged: SQLite writes a float as text with 15
digits, which is not every float.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mooring.store.sqlite.schema import LOG_EVENT

INT, FLOAT, BOOL, TEXT, BYTES, OTHER = 1, 2, 4, 8, 16, 32
"""Bits of what the cells of a column have been so far. None adds none."""

_TYPES: dict[int, tuple[type, ...]] = {
    INT: (int,),
    FLOAT: (float,),
    BOOL: (bool,),
    TEXT: (str,),
    BYTES: (bytes,),
    OTHER: (object,),
}

NOTE = "_left_out"
"""Column of a view that tells what the view cannot show."""

MAX_COLUMNS = 2000 - 3
"""Columns of SQLite, less the tracker's own and `NOTE`."""
_MAX_SQL_BYTES = 400_000
"""Half of what SQLite takes as one statement at most, for each of the two views."""


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column of a table: its path's number, its name, and what its cells have been."""

    path: int
    name: str
    kinds: int


def cell_types(kinds: int) -> tuple[type, ...]:
    """Return the Python types of such cells, by name.

    >>> [type.__name__ for type in cell_types(INT | TEXT)]
    ['int', 'str']
    """
    found = [type for bit, types in _TYPES.items() if kinds & bit for type in types]
    return tuple(sorted(found, key=lambda type: type.__name__))


def sql_type(kinds: int) -> str:
    """Return the SQL type that holds such cells.

    >>> sql_type(INT), sql_type(INT | FLOAT), sql_type(FLOAT | TEXT), sql_type(0)
    ('BIGINT', 'DOUBLE', 'VARCHAR', 'VARCHAR')
    """
    if kinds == BOOL:
        return "BOOLEAN"
    if kinds and not kinds & ~(INT | BOOL):
        return "BIGINT"
    if kinds and not kinds & ~(INT | FLOAT | BOOL):
        return "DOUBLE"
    return "VARCHAR"


def quoted(name: str) -> str:
    """Return a name as an identifier of SQL.

    >>> print(quoted('a "b" c'))
    "a ""b"" c"
    """
    return '"' + name.replace('"', '""') + '"'


def distinct_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Return names that stay distinct where case does not count; later ones get a number.

    >>> distinct_names(["loss", "Loss"], taken=["timestamp"])
    ['loss', 'Loss_2']
    """
    used = {name.casefold() for name in taken}
    result = []
    for name in names:
        unique, number = name, 1
        while unique.casefold() in used:
            number += 1
            unique = f"{name}_{number}"
        used.add(unique.casefold())
        result.append(unique)
    return result


def labels(columns: Sequence[ViewColumn]) -> list[str]:
    """Return the names that columns have in SQL."""
    return distinct_names((c.name for c in columns), ("track_id", "timestamp", NOTE))


def view_name(project: str, taken: Iterable[str]) -> str:
    """Return the name of a project's view: that of the table, where nothing else has it.

    >>> view_name("local/events", ["log"]), view_name("local/log", ["log"])
    ('events', 'log_table')
    """
    workspace, _, name = project.partition("/")
    if workspace != "local":
        return project
    folded = name.casefold()
    if folded in taken or folded == "default":
        return f"{name}_table"
    return f"table_{name}" if folded.startswith("sqlite_") else name


def create_view(
    connection: sqlite3.Connection,
    project: int,
    columns: Sequence[ViewColumn],
    sealed_rows: int,
) -> None:
    """Make the views of a table anew, in the present transaction."""
    name = drop_view(connection, project)
    shown, cells, typed = 0, [], []
    size = 0
    for column, label in zip(columns, labels(columns), strict=True):
        cell = f"{_cell(column)} AS c{column.path}"
        value = f"{_typed(column)} AS {quoted(label)}"
        size += max(len(cell.encode()), len(value.encode()))
        if shown == MAX_COLUMNS or size > _MAX_SQL_BYTES:
            break
        shown += 1
        cells.append(f", {cell}")
        typed.append(f", {value}")
    comment = ""
    if note := _note(len(columns) - shown, sealed_rows):
        comment = f"/* {note} */ "
        typed.append(f", CAST('{note}' AS VARCHAR) AS {NOTE}")
    fraction = "(l.time % 1000000 + 1000000) % 1000000"
    connection.execute(
        f"CREATE VIEW {_inner(project)} AS SELECT r.run_id AS track_id, "
        f"datetime((l.time - {fraction}) / 1000000, 'unixepoch', 'localtime') "
        f"|| printf('.%06d', {fraction}) AS timestamp{''.join(cells)} "
        "FROM log l JOIN runs r ON r.id = l.run "
        f"WHERE l.kind = {LOG_EVENT} AND r.project = {project} AND r.trashed = 0"
    )
    connection.execute(
        f"CREATE VIEW {quoted(name)} AS {comment}SELECT CAST(track_id AS VARCHAR) AS track_id, "
        f"CAST(timestamp AS VARCHAR) AS timestamp{''.join(typed)} FROM {_inner(project)}"
    )
    if name == "events":
        connection.execute('CREATE VIEW "default" AS SELECT * FROM events')


def drop_view(connection: sqlite3.Connection, project: int) -> str:
    """Drop the views of a table, if there are any; return the name that its view has."""
    key = f"view_name:{project}"
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    name = row[0] if row else _choose_name(connection, project)
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, name))
    for view in [*(["default"] if name == "events" else []), name, _inner(project)]:
        connection.execute(f"DROP VIEW IF EXISTS {quoted(view)}")
    return str(name)


def _choose_name(connection: sqlite3.Connection, project: int) -> str:
    (project_name,) = connection.execute(
        "SELECT name FROM projects WHERE id = ?", (project,)
    ).fetchone()
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    views = connection.execute("SELECT value FROM meta WHERE key GLOB 'view_name:*'")
    name = view_name(project_name, {name.casefold() for (name,) in tables})
    # Names of SQL are the same in any case, those of projects are not.
    taken = {other.casefold() for (other,) in views}
    return f"{name}_{project}" if name.casefold() in taken else name


def _inner(project: int) -> str:
    return f"mooring_cells_{project}"


def _cell(column: ViewColumn) -> str:
    """Return the expression of the inner view."""
    path = f"$.{column.path}"
    plain = f"json_extract(l.data, '{path}')"
    if not column.kinds & ~(INT | BOOL | TEXT):
        return plain
    # Two paths give a JSON array of what was logged, to the letter: `[0.1,null]`. There is no 0.
    # (`trim` itself DuckDB would hand back to SQLite in a form that SQLite cannot read.)
    exact = f"nullif(rtrim(ltrim(json_extract(l.data, '{path}', '$.0'), '['), ',nul]'), '')"
    tagged = f"json_extract(l.data, '{path}[1]')"
    if not column.kinds & ~(INT | FLOAT):
        return f"coalesce({tagged}, {exact})"
    if not column.kinds & ~(INT | FLOAT | BOOL):
        return (
            f"CASE json_type(l.data, '{path}') WHEN 'true' THEN 1 WHEN 'false' THEN 0 "
            f"ELSE coalesce({tagged}, {exact}) END"
        )
    return (
        f"CASE json_type(l.data, '{path}') WHEN 'real' THEN {exact} WHEN 'array' THEN "
        f"CASE json_extract(l.data, '{path}[0]') WHEN 'h' THEN {plain} ELSE {tagged} END "
        f"ELSE {plain} END"
    )


def _typed(column: ViewColumn) -> str:
    """Return the expression of the outer view."""
    cell = f"c{column.path}"
    type = sql_type(column.kinds)
    if type == "DOUBLE":
        # What is not a number in DuckDB is 0 in SQLite, and 0 / 0 is NULL: SQLite has no NaN.
        nan = "CAST('nan' AS DOUBLE)"
        return (
            f"CASE {cell} WHEN 'nan' THEN {nan} / {nan} WHEN 'inf' THEN 9e999 "
            f"WHEN '-inf' THEN -9e999 ELSE CAST({cell} AS DOUBLE) END"
        )
    return f"CAST({cell} AS {type})"


def _note(columns: int, rows: int) -> str:
    parts = []
    if rows:
        parts.append(
            f"{rows:,} sealed rows lie in Parquet files (events-*.parquet in the folder segments "
            "beside this file)"
        )
    if columns:
        parts.append(f"{columns:,} more columns do not fit a view of SQLite")
    return f"{' and '.join(parts)}; mooring sql shows all of them" if parts else ""
