"""Experiments: names whose head is the newest run."""

from __future__ import annotations

import sqlite3

from mooring.model import AttributeType
from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.schema import TYPE_CODES

_SET = "INSERT OR REPLACE INTO attributes (path, run, type, value) VALUES (?, ?, ?, ?)"


def make_head(connection: sqlite3.Connection, catalog: Catalog, run: int, name: str) -> None:
    """Give a run the name of an experiment, and make it the head of it.

    The former head keeps its name, and is the head no more.
    """
    is_head = catalog.system("sys/experiment/is_head")
    name_path = catalog.system("sys/name")
    connection.execute(
        "UPDATE attributes SET value = 0 WHERE path = ? AND run IN (SELECT a.run FROM attributes a "
        "JOIN runs ON runs.id = a.run WHERE a.path = ? AND a.value = ? "
        "AND runs.project = (SELECT project FROM runs WHERE id = ?))",
        (is_head, name_path, name, run),
    )
    text = TYPE_CODES[AttributeType.STRING]
    connection.executemany(
        _SET,
        [
            (name_path, run, text, name),
            (catalog.system("sys/experiment/name"), run, text, name),
            (is_head, run, TYPE_CODES[AttributeType.BOOL], 1),
        ],
    )
