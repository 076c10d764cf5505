"""What has been done for callers elsewhere, who repeat what they got no answer for.

Each entry is made in the transaction of what it tells of, so that there is never one without the
other.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from mooring import errors
from mooring.errors import InvalidInput
from mooring.model import now_micros
from mooring.store.cells import dumps, loads

KEEP_S = 7 * 86_400
"""How long a compaction leaves answers, and how far writers came that have released their run."""
KEEP_ONCE_S = 3_600
"""How long single batches are known for certain, and so many of each run longer."""
_KEEP_ONCE = 1_000
KEEP_UNRELEASED_S = 90 * 86_400
"""How long it leaves how far other writers came: what they hold back may still be on its way."""

_ONCE = 2
"""In the column `released`: the name stood for one batch, and nothing more comes under it."""

_NAME = re.compile(r"[0-9A-Za-z_-]{1,64}")

Refusal = tuple[int, InvalidInput]
"""Number of an update, and why it cannot be taken."""


class AnsweredBefore(Exception):
    """Another call of the same request was first. `answer` is what it got."""

    def __init__(self, answer: int) -> None:
        super().__init__(answer)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the batches to a run have come: a writer's last number, and the row of the log
    with which a batch of any writer last changed the types of the run's attributes.
    """

    last: int
    types: int


def check_name(name: object, what: str) -> str:
    """Return the name of a writer or request; `InvalidInput` for what is none."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{what} {name!r:.80} is no name; give 1 to 64 letters, digits, '-' or '_'"
        )
    return name


def find_progress(connection: sqlite3.Connection, run: int, writer: str) -> Progress | None:
    """Return how far a writer came on a run; None when there is no such run."""
    row = connection.execute(
        "SELECT coalesce((SELECT last FROM receipts WHERE run = ?1 AND writer = ?2), 0), "
        "coalesce((SELECT max(types) FROM receipts WHERE run = ?1 AND types > 0), 0) "
        "FROM runs WHERE id = ?1",
        (run, writer),
    ).fetchone()
    return None if row is None else Progress(*row)


def enter_batch(
    connection: sqlite3.Connection,
    run: int,
    writer: str,
    last: int,
    types: int | None,
    refused: Iterable[Refusal],
    *,
    once: bool = False,
) -> None:
    """Enter that a writer's updates up to `last` have been applied or refused.

    `types` is the log's last row, where the batch changed the types of attributes. `once`: the
    writer sends no other batch.
    """
    connection.execute(
        "INSERT INTO receipts (run, writer, last, types, released, time) "
        "VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (run, writer) DO UPDATE SET last = excluded.last, "
        "released = excluded.released, types = max(types, excluded.types), time = excluded.time",
        (run, writer, last, types or 0, _ONCE if once else 0, now_micros()),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO refusals (run, writer, number, error) VALUES (?, ?, ?, ?)",
        [(run, writer, number, _encode_error(error)) for number, error in refused],
    )


def find_refusals(
    connection: sqlite3.Connection, run: int, writer: str, first: int, last: int
) -> list[Refusal]:
    """Return the refused updates of a range of numbers, both ends inclusive."""
    return [
        (number, _decode_error(text))
        for number, text in connection.execute(
            "SELECT number, error FROM refusals WHERE run = ? AND writer = ? "
            "AND number BETWEEN ? AND ? ORDER BY number",
            (run, writer, first, last),
        )
    ]


def release(connection: sqlite3.Connection, run: int, writer: str) -> None:
    """Enter that a writer has nothing more to send."""
    connection.execute(
        "UPDATE receipts SET released = 1, time = ? WHERE run = ? AND writer = ?",
        (now_micros(), run, writer),
    )


def drop_single(connection: sqlite3.Connection, run: int) -> None:
    """Remove the single batches of a run that nobody will send again.

    What one of them changed of the types is kept by the newest.
    """
    newest = connection.execute(
        "SELECT writer, time FROM receipts WHERE run = ? AND released = ? "
        "ORDER BY time DESC, writer LIMIT ?",
        (run, _ONCE, _KEEP_ONCE),
    ).fetchall()
    if len(newest) < _KEEP_ONCE:
        return
    before = min(newest[-1][1], now_micros() - KEEP_ONCE_S * 1_000_000)
    old = "run = ? AND released = ? AND time < ?"
    bounds = (run, _ONCE, before)
    connection.execute(
        f"UPDATE receipts SET types = max(types, coalesce((SELECT max(types) FROM receipts "
        f"WHERE {old}), 0)) WHERE run = ? AND writer = ?",
        (*bounds, run, newest[0][0]),
    )
    connection.execute(
        f"DELETE FROM refusals WHERE run = ? AND writer IN (SELECT writer FROM receipts "
        f"WHERE {old})",
        (run, *bounds),
    )
    connection.execute(f"DELETE FROM receipts WHERE {old}", bounds)


def find_answer(connection: sqlite3.Connection, request: str) -> int | None:
    """Return what was answered to a request; None when it was not carried out."""
    row = connection.execute("SELECT answer FROM requests WHERE name = ?", (request,)).fetchone()
    return None if row is None else int(row[0])


def enter_answer(connection: sqlite3.Connection, request: str | None, answer: int) -> None:
    """Enter a request that the present transaction carries out; `AnsweredBefore` ends it."""
    if request is None:
        return
    before = find_answer(connection, request)
    if before is not None:
        raise AnsweredBefore(before)
    connection.execute(
        "INSERT INTO requests (name, answer, time) VALUES (?, ?, ?)",
        (request, answer, now_micros()),
    )


def drop_old(connection: sqlite3.Connection) -> None:
    """Remove what nobody will ask for any more; a writer with a lease may still ask."""
    now = now_micros()
    released, other = now - KEEP_S * 1_000_000, now - KEEP_UNRELEASED_S * 1_000_000
    connection.execute("DELETE FROM requests WHERE time < ?", (released,))
    connection.execute(
        "DELETE FROM receipts WHERE time < CASE WHEN released THEN ? ELSE ? END "
        "AND run NOT IN (SELECT run FROM run_holders WHERE writer IS NOT NULL)",
        (released, other),
    )
    connection.execute(
        "DELETE FROM refusals WHERE NOT EXISTS (SELECT 1 FROM receipts r "
        "WHERE r.run = refusals.run AND r.writer = refusals.writer)"
    )


def _encode_error(error: InvalidInput) -> str:
    facts = {name: value for name, value in vars(error).items() if isinstance(value, str)}
    return dumps([type(error).__name__, str(error), facts]).decode()


def _decode_error(text: str) -> InvalidInput:
    name, message, facts = loads(text)
    kind = getattr(errors, name, InvalidInput)
    error: InvalidInput = kind.__new__(kind, message)
    vars(error).update(facts)
    return error
