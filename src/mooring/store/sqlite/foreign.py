"""SQLite files of other programs: what to do with one that was taken for a store."""

from __future__ import annotations

import sqlite3
from pathlib import Path


def advise(connection: sqlite3.Connection, path: Path) -> str:
    """Return what to add to the refusal of a file; nothing when its program is not known."""
    found = connection.execute(
        "SELECT 1 FROM sqlite_master m WHERE m.type = 'table' "
        "AND EXISTS (SELECT 1 FROM pragma_table_info(m.name) WHERE name = 'track_id') "
        "AND EXISTS (SELECT 1 FROM pragma_table_info(m.name) WHERE name = 'timestamp') LIMIT 1"
    ).fetchone()
    if found is None:
        return ""
    return (
        f": its tables are those of xetrack. Read it in place with mooring.Reader({str(path)!r}), "
        f"or bring it in with: {import_command(path)}"
    )


def import_command(path: Path | str) -> str:
    """Return the command that brings a file of xetrack into a store.

    >>> import_command("old.db")
    'mooring import xetrack old.db --store runs.db'
    """
    import shlex

    return f"mooring import xetrack {shlex.quote(str(path))} --store runs.db"
