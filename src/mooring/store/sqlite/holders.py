"""Which processes have a run open for writing, and which of them have died."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from mooring.model import AttributeType
from mooring.store.sqlite.schema import TYPE_CODES

if TYPE_CHECKING:
    import sqlite3

ACTIVE, INACTIVE = "active", "inactive"


def process_start(pid: int) -> str:
    """Return what tells a process from a later one of the same number; empty when unknown."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def is_alive(pid: int, started: str) -> bool:
    """Return whether the process that held a run still lives on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OSError):
        return True
    return not started or process_start(pid) in ("", started)


def register(connection: sqlite3.Connection, run: int, state_path: int) -> int:
    """Enter this process as a holder of the run and make the run active; return the entry."""
    pid = os.getpid()
    cursor = connection.execute(
        "INSERT INTO run_holders (run, host, pid, started) VALUES (?, ?, ?, ?)",
        (run, socket.gethostname(), pid, process_start(pid)),
    )
    _set_state(connection, run, state_path, ACTIVE)
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def release(connection: sqlite3.Connection, holder: int, run: int, state_path: int) -> None:
    """Remove an entry; the run becomes inactive with the last one."""
    connection.execute("DELETE FROM run_holders WHERE id = ?", (holder,))
    held = connection.execute("SELECT 1 FROM run_holders WHERE run = ?", (run,)).fetchone()
    if not held:
        _set_state(connection, run, state_path, INACTIVE)


def find_dead(connection: sqlite3.Connection) -> list[tuple[int, int]]:
    """Return (entry, run) of holders on this machine whose process has ended."""
    host = socket.gethostname()
    return [
        (holder, run)
        for holder, run, held_on, pid, started in connection.execute(
            "SELECT id, run, host, pid, started FROM run_holders"
        )
        if held_on == host and not is_alive(pid, started)
    ]


def _set_state(connection: sqlite3.Connection, run: int, state_path: int, state: str) -> None:
    connection.execute(
        "INSERT INTO attributes (path, run, type, value) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (path, run) DO UPDATE SET value = excluded.value",
        (state_path, run, TYPE_CODES[AttributeType.RUN_STATE], state),
    )
