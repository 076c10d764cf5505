"""Columns of tracker's tables: which there are, what their cells have been, and the SQL views.

A column is entered before the first row that has it is logged. What a SIGKILL leaves behind:
between the two a column without cells; before the views are made anew views that lack the column,
which the next process to open the store for writing mends (`meta` tells which state they show).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any

from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.database import Database
from mooring.store.sqlite.views import (
    BOOL,
    BYTES,
    FLOAT,
    INT,
    OTHER,
    TEXT,
    ViewColumn,
    create_view,
    drop_view,
)

EVENTS_PATH = 0
"""Stands for the path where `segment_series` lists the events of a run."""

_VIEW_BUDGET_S = 0.5
"""How long a process may make views anew at once, whenever a column appears."""
_VIEW_SHARE = 20
"""Afterwards it does so for one part in so many of its time: a view has all columns in it."""

_KINDS = {int: INT, float: FLOAT, bool: BOOL, str: TEXT, type(None): 0}


def cell_kind(cell: Any) -> int:
    """Return the bit of what a JSON cell is; 0 for None."""
    kind = _KINDS.get(type(cell))
    if kind is None:
        kind = {"n": FLOAT, "b": BYTES}.get(cell[0], OTHER)
    return kind


class TableColumns:
    """Enters columns of tables and keeps the views in step. Thread-safe by the database's lock."""

    def __init__(self, database: Database, catalog: Catalog) -> None:
        self._database = database
        self._catalog = catalog
        self.behind: set[int] = set()
        """Projects whose views lack something that this process entered."""
        self._spent_s = 0.0
        self._not_before = 0.0

    def declare(self, project: int, kinds: Mapping[int, int]) -> None:
        """Enter what cells of these paths are, unless it is known; make the view anew then."""
        with self._database.read() as connection:
            if not self._new(connection, project, kinds):
                return
        with self._database.write() as connection:
            new = self._new(connection, project, kinds)
            if not new:
                return
            (last,) = connection.execute(
                "SELECT coalesce(max(position), 0) FROM table_columns WHERE project = ?", (project,)
            ).fetchone()
            connection.executemany(
                "INSERT INTO table_columns (project, path, kinds, position) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (project, path) DO UPDATE SET kinds = excluded.kinds",
                (
                    (project, path, bits, last + i)
                    for i, (path, bits) in enumerate(new.items(), start=1)
                ),
            )
            _raise_count(connection, f"columns:{project}")
            self.behind.add(project)
            self._rebuild_due(connection)

    @staticmethod
    def _new(
        connection: sqlite3.Connection, project: int, kinds: Mapping[int, int]
    ) -> dict[int, int]:
        """Return those columns that are new or of new kinds, with all kinds that they had."""
        known: dict[int, int] = {}
        paths = list(kinds)
        for start in range(0, len(paths), 500):
            batch = paths[start : start + 500]
            known.update(
                connection.execute(
                    "SELECT path, kinds FROM table_columns WHERE project = ? "
                    f"AND path IN ({','.join('?' * len(batch))})",
                    [project, *batch],
                ).fetchall()
            )
        return {
            path: known.get(path, 0) | bits
            for path, bits in kinds.items()
            if path not in known or bits & ~known[path]
        }

    def refresh(self) -> None:
        """Make views anew that are behind, if it is time to."""
        if time.monotonic() >= self._not_before:
            with self._database.write() as connection:
                self._rebuild_due(connection)

    def finish(self) -> None:
        """Make all views anew that are behind."""
        if self.behind:
            with self._database.write() as connection:
                self._rebuild(connection)

    def mend(self) -> None:
        """Make views anew that a killed process, or an older version, left behind."""
        with self._database.read() as connection:
            behind = connection.execute(
                "SELECT substr(c.key, 9) FROM meta c LEFT JOIN meta v "
                "ON v.key = 'view:' || substr(c.key, 9) "
                "WHERE c.key GLOB 'columns:*' AND v.value IS NOT c.value"
            ).fetchall()
        if behind:
            self.behind |= {int(project) for (project,) in behind}
            self.finish()

    def _rebuild_due(self, connection: sqlite3.Connection) -> None:
        began = time.monotonic()
        if began >= self._not_before:
            self._rebuild(connection)
            ended = time.monotonic()
            self._spent_s += ended - began
            if self._spent_s > _VIEW_BUDGET_S:
                self._not_before = ended + _VIEW_SHARE * (ended - began)

    def _rebuild(self, connection: sqlite3.Connection) -> None:
        for project in sorted(self.behind):
            self.rebuild(connection, project)
        self.behind.clear()

    def rebuild(self, connection: sqlite3.Connection, project: int) -> None:
        """Make the views of a table anew, in the present transaction."""
        if not connection.execute("SELECT 1 FROM projects WHERE id = ?", (project,)).fetchone():
            return
        columns = self.read(connection, project)
        connection.execute("SAVEPOINT views")
        try:
            create_view(connection, project, columns, sealed_rows(connection, project))
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) != sqlite3.SQLITE_ERROR:
                raise
            # SQL that SQLite does not take must not keep anybody from logging: the view stays as
            # it was, and `check` tells of it.
            connection.execute("ROLLBACK TO views")
            self._note(connection, f"view_error:{project}", str(error))
        else:
            connection.execute("DELETE FROM meta WHERE key = ?", (f"view_error:{project}",))
        connection.execute("RELEASE views")
        connection.execute(
            "INSERT OR REPLACE INTO meta "
            "SELECT 'view:' || ?1, value FROM meta WHERE key = 'columns:' || ?1",
            (str(project),),
        )

    @staticmethod
    def _note(connection: sqlite3.Connection, key: str, text: str) -> None:
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, text))

    def read(self, connection: sqlite3.Connection, project: int) -> list[ViewColumn]:
        """Return the columns of a table, in the order in which they appeared."""
        rows = connection.execute(
            "SELECT path, kinds FROM table_columns WHERE project = ? ORDER BY position", (project,)
        ).fetchall()
        names = self._catalog.names([path for path, _ in rows])
        return [
            ViewColumn(path, name, kinds) for (path, kinds), name in zip(rows, names, strict=True)
        ]

    def of_runs(self, connection: sqlite3.Connection, runs: Sequence[int]) -> list[ViewColumn]:
        """Return the columns of all tables of these runs, each with all its kinds."""
        columns: dict[int, ViewColumn] = {}
        for project in _projects(connection, runs):
            for column in self.read(connection, project):
                old = columns.get(column.path)
                kinds = column.kinds | (old.kinds if old else 0)
                columns[column.path] = ViewColumn(column.path, column.name, kinds)
        return list(columns.values())

    def rows_changed(
        self, connection: sqlite3.Connection, runs: Sequence[int], *, moved: bool
    ) -> None:
        """Tell that rows of these runs have changed: what is cached of them is void.

        `moved`: to or from segments, of which the view tells.
        """
        for project in _projects(connection, runs):
            connection.execute(
                "INSERT OR REPLACE INTO meta VALUES (?, lower(hex(randomblob(8))))",
                (f"rows:{project}",),
            )
            if moved:
                self.rebuild(connection, project)


def rows_state(connection: sqlite3.Connection, project: int) -> str:
    """Return what is another text whenever rows of a table were changed in place."""
    row = connection.execute(
        "SELECT value FROM meta WHERE key = ?", (f"rows:{project}",)
    ).fetchone()
    return str(row[0]) if row else "0"


def rows_states(connection: sqlite3.Connection) -> dict[int, str]:
    """Return `rows_state` of every project."""
    return {
        project: rows_state(connection, project)
        for (project,) in connection.execute("SELECT id FROM projects").fetchall()
    }


def _projects(connection: sqlite3.Connection, runs: Sequence[int]) -> list[int]:
    found: dict[int, None] = {}
    for start in range(0, len(runs), 500):
        batch = runs[start : start + 500]
        found.update(
            dict.fromkeys(
                project
                for (project,) in connection.execute(
                    f"SELECT DISTINCT project FROM runs WHERE id IN ({','.join('?' * len(batch))})",
                    list(batch),
                )
            )
        )
    return list(found)


def forget_table(connection: sqlite3.Connection, project: int) -> None:
    """Remove the columns and views of a project that is about to be deleted."""
    drop_view(connection, project)
    connection.execute("DELETE FROM table_columns WHERE project = ?", (project,))
    connection.executemany(
        "DELETE FROM meta WHERE key = ?",
        [(f"{key}:{project}",) for key in ("columns", "view", "view_name", "view_error", "rows")],
    )


def sealed_rows(connection: sqlite3.Connection, project: int) -> int:
    """Return how many rows of a table lie in segments."""
    (count,) = connection.execute(
        "SELECT coalesce(sum(s.rows), 0) FROM segment_series s JOIN runs r ON r.id = s.run "
        f"WHERE s.path = {EVENTS_PATH} AND r.project = ?",
        (project,),
    ).fetchone()
    return int(count)


def _raise_count(connection: sqlite3.Connection, key: str) -> None:
    connection.execute(
        "INSERT INTO meta VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET value = value + 1", (key,)
    )
