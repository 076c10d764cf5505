"""Experiments: the runs of one name in a project, of which the newest is the head."""

from __future__ import annotations

import sqlite3

from mooring.model import AttributeType
from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.schema import TYPE_CODES

PATHS = ("sys/experiment/name", "sys/experiment/is_head")
"""Attributes that tell of the experiment, of several of its runs at once."""

_SET = "INSERT OR REPLACE INTO attributes (path, run, type, value) VALUES (?, ?, ?, ?)"


def enter(connection: sqlite3.Connection, catalog: Catalog, run: int, name: str) -> None:
    """Make a run the head of the experiment of this name."""
    leave(connection, catalog, run)
    title, head = catalog.system("sys/experiment/name"), catalog.system("sys/experiment/is_head")
    # From the newest run back: the head is among the first, however many runs the experiment has.
    before = connection.execute(
        "SELECT a.run FROM attributes a CROSS JOIN runs ON runs.id = a.run "
        "CROSS JOIN attributes h ON h.path = ? AND h.run = a.run AND h.value = 1 "
        "WHERE a.path = ? AND a.value = ? AND a.type = ? AND runs.project = "
        "(SELECT project FROM runs WHERE id = ?) ORDER BY a.run DESC LIMIT 1",
        (head, title, name, TYPE_CODES[AttributeType.STRING], run),
    ).fetchone()
    if before is not None:
        connection.execute(
            "UPDATE attributes SET value = 0 WHERE path = ? AND run = ?", (head, before[0])
        )
    connection.execute(_SET, (title, run, TYPE_CODES[AttributeType.STRING], name))
    connection.execute(_SET, (head, run, TYPE_CODES[AttributeType.BOOL], 1))


def leave(connection: sqlite3.Connection, catalog: Catalog, run: int) -> None:
    """Take a run out of its experiment; of a head, the newest of the others takes the place."""
    title, head = catalog.system("sys/experiment/name"), catalog.system("sys/experiment/is_head")
    rows = dict(
        connection.execute(
            "SELECT path, value FROM attributes WHERE path IN (?, ?) AND run = ?",
            (title, head, run),
        ).fetchall()
    )
    connection.execute(
        "DELETE FROM attributes WHERE path IN (?, ?) AND run = ?", (title, head, run)
    )
    if rows.get(head):
        connection.execute(
            "UPDATE attributes SET value = 1 WHERE path = ? AND run = "
            "(SELECT runs.id FROM attributes a JOIN runs ON runs.id = a.run WHERE a.path = ? "
            "AND a.value = ? AND runs.project = (SELECT project FROM runs WHERE id = ?) "
            "ORDER BY runs.created DESC, runs.id DESC LIMIT 1)",
            (head, title, rows.get(title), run),
        )
