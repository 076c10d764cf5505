"""Who has a run open for writing: processes on this machine, and writers elsewhere with a lease.

An entry of a process ends with it, an entry of a writer elsewhere when its lease has run out. Both
are noticed by whoever reads next (`find_ended`, `end`), so also after every process was restarted.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from mooring.model import now_micros
from mooring.store.processes import is_alive, process_start

if TYPE_CHECKING:
    import sqlite3

ACTIVE, INACTIVE = "active", "inactive"

_RENEWED_AFTER = 5_000_000
"""Microseconds: a lease is renewed by batches at most so often, and each quarter of its length."""


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
    _set_inactive_unless_held(connection, run, state_path)


def lease(
    connection: sqlite3.Connection, run: int, writer: str, length: int, state_path: int
) -> None:
    """Enter a writer elsewhere for `length` microseconds from now, or prolong its lease."""
    connection.execute(
        "INSERT INTO run_holders (run, host, pid, started, writer, expires, length) "
        "VALUES (?, '', 0, '', ?, ?, ?) ON CONFLICT (run, writer) DO UPDATE SET "
        "expires = max(expires, excluded.expires), length = excluded.length",
        (run, writer, now_micros() + length, length),
    )
    _set_state(connection, run, state_path, ACTIVE)


def renew(connection: sqlite3.Connection, run: int, writer: str) -> None:
    """Prolong a lease that is there by its length, unless that was done just now."""
    connection.execute(
        "UPDATE run_holders SET expires = ?1 + length WHERE run = ?2 AND writer = ?3 "
        f"AND expires < ?1 + length - min({_RENEWED_AFTER}, length / 4)",
        (now_micros(), run, writer),
    )


def end_lease(connection: sqlite3.Connection, run: int, writer: str, state_path: int) -> None:
    """Remove a writer elsewhere; the run becomes inactive with the last holder."""
    cursor = connection.execute(
        "DELETE FROM run_holders WHERE run = ? AND writer = ?", (run, writer)
    )
    if cursor.rowcount:
        _set_inactive_unless_held(connection, run, state_path)


def find_ended(connection: sqlite3.Connection) -> list[tuple[int, int]]:
    """Return (entry, run) of processes on this machine that ended, and of leases that ran out."""
    host, now = socket.gethostname(), now_micros()
    ended = connection.execute("SELECT id, run FROM run_holders WHERE expires <= ?", (now,))
    processes = connection.execute(
        "SELECT id, run, pid, started FROM run_holders WHERE expires IS NULL AND host = ?", (host,)
    )
    dead = [(id, run) for id, run, pid, started in processes if not is_alive(pid, started)]
    return [*ended, *dead]


def end(connection: sqlite3.Connection, found: list[tuple[int, int]], state_path: int) -> None:
    """Remove entries that have ended, but no lease that was prolonged meanwhile."""
    now = now_micros()
    for holder, run in found:
        connection.execute(
            "DELETE FROM run_holders WHERE id = ? AND (expires IS NULL OR expires <= ?)",
            (holder, now),
        )
        _set_inactive_unless_held(connection, run, state_path)


def _set_inactive_unless_held(connection: sqlite3.Connection, run: int, state_path: int) -> None:
    held = connection.execute("SELECT 1 FROM run_holders WHERE run = ?", (run,)).fetchone()
    if not held:
        _set_state(connection, run, state_path, INACTIVE)


def _set_state(connection: sqlite3.Connection, run: int, state_path: int, state: str) -> None:
    # Every run has the attribute from the beginning; a deleted one does not get it back.
    connection.execute(
        "UPDATE attributes SET value = ?1 WHERE path = ?2 AND run = ?3 AND value IS NOT ?1",
        (state, state_path, run),
    )
