"""Whether runs refer to a file."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence

from mooring.model import AttributeType
from mooring.store.sqlite.schema import FILE_TYPES, TYPE_CODES, WITH_FILES
from mooring.store.sqlite.series import SeriesReader

_DIGEST = re.compile(r"[0-9a-f]{64}")
_RUNS_AT_ONCE = 100
_ATTRIBUTES = f"SELECT run FROM attributes INDEXED BY attributes_file WHERE {WITH_FILES}"
_CODES = ", ".join(str(TYPE_CODES[type]) for type in FILE_TYPES)
_SERIES = TYPE_CODES[AttributeType.FILE_SERIES]


def refers_to(
    connection: sqlite3.Connection,
    reader: SeriesReader,
    keys: Sequence[int] | None,
    digest: str,
    inside: tuple[str, list[object]] | None,
) -> bool:
    """Return whether runs refer to a file. See `FindsFiles.refers_to`.

    `inside` is a condition on the `project` of a run, and what is bound to it.
    """
    if not _DIGEST.fullmatch(digest) or (keys is not None and not keys):
        return False
    chosen = ""
    bound: list[object] = []
    if keys is not None:
        chosen += " AND +id IN (SELECT value FROM json_each(?))"
        bound.append(json.dumps([int(key) for key in keys]))
    if inside is not None:
        # The few runs with such a file are looked up, not all of a project: hence the `+`.
        chosen += f" AND +{inside[0]}"
        bound += inside[1]
    # Stored forms of files begin with the digest; '-' comes after ','.
    found = connection.execute(
        f"SELECT 1 FROM runs WHERE id IN ({_ATTRIBUTES} AND type IN ({_CODES}) AND value >= ? "
        f"AND value < ?){chosen} LIMIT 1",
        (f'["{digest}",', f'["{digest}"-', *bound),
    ).fetchone()
    if found:
        return True
    rows = connection.execute(
        f"SELECT id FROM runs WHERE id IN ({_ATTRIBUTES} AND type = {_SERIES}){chosen}", bound
    )
    runs = [run for (run,) in rows]
    for start in range(0, len(runs), _RUNS_AT_ONCE):
        series = reader.read(
            connection, runs[start : start + _RUNS_AT_ONCE], None, AttributeType.FILE_SERIES
        )
        if any(cell[1] == digest for one in series.values() for cell in one.values):
            return True
    return False
