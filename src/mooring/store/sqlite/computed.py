"""Attributes that are computed when they are asked for, as SQL over a row of `runs`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence

from mooring.model import AttributeType
from mooring.store.computed import (
    COMPUTED,
    COUNTERS,
    EXPERIMENT_TIME,
    POINTS,
    RELATIVE_CREATION,
    REQUESTED_PARENT,
    SIZE,
)
from mooring.store.contract import AttributeColumn
from mooring.store.sqlite.columns import EVENTS_PATH
from mooring.store.sqlite.schema import FILE_TYPES, TYPE_CODES

_SERIES = tuple(type for type in AttributeType if type.is_series)
_LOGGED = "path NOT IN (SELECT id FROM paths WHERE path >= 'sys/' AND path < 'sys0')"
"""Of the user's own: the index of paths gives the others, once for each question."""


def _codes(types: Sequence[AttributeType]) -> str:
    return f"type IN ({', '.join(str(TYPE_CODES[type]) for type in types)})"


def _value(path: str) -> str:
    return (
        "(SELECT value FROM attributes WHERE run = runs.id AND "
        f"path = (SELECT id FROM paths WHERE path = '{path}'))"
    )


def _beside(path: str, source: str) -> str:
    return f"CASE WHEN {_value(COMPUTED[path].beside)} IS NOT NULL THEN {_value(source)} END"


_FILES = (
    "SELECT sum(json_extract(value, '$[1]')) FROM attributes WHERE run = runs.id "
    f"AND {_codes(FILE_TYPES)} AND json_extract(value, '$[0]') != ''"
)
_FILES_OF_SERIES = (
    "SELECT sum(u.size) FROM file_references f JOIN uploads u USING (project, path) "
    "WHERE f.run = runs.id AND f.digest != '' AND EXISTS (SELECT 1 FROM attributes a "
    "WHERE a.path = f.attribute AND a.run = f.run AND "
    f"a.type = {TYPE_CODES[AttributeType.FILE_SERIES]})"
)
"""Of those that came apart from their references: of the others only their points tell."""
_LOG = (
    "SELECT sum(length(CAST(l.data AS BLOB))) FROM log_index x JOIN log l ON l.seq = x.seq "
    "WHERE x.run = runs.id"
)
_SEGMENTS = (
    "SELECT sum(e.rows * 1.0 * s.bytes / s.rows) FROM segment_series e "
    "JOIN segments s ON s.id = e.segment WHERE e.run = runs.id AND s.rows > 0 "
    f"AND (s.kind != 'events' OR e.path = {EVENTS_PATH})"
)
_OLDEST = (
    "WITH RECURSIVE up (parent, created) AS (SELECT runs.parent, runs.created UNION ALL "
    "SELECT r.parent, r.created FROM up JOIN runs r ON r.id = up.parent) "
    "SELECT created FROM up WHERE parent IS NULL OR NOT EXISTS "
    "(SELECT 1 FROM runs r WHERE r.id = up.parent)"
)
_SINGLE = {
    SIZE: "CAST(round("
    + " + ".join(f"coalesce(({part}), 0)" for part in (_LOG, _SEGMENTS, _FILES, _FILES_OF_SERIES))
    + ") AS INTEGER)",
    # Of the times as readers are told them, so that a store that took these in tells the same.
    RELATIVE_CREATION: f"max(0, runs.created / 1000 - ({_OLDEST}) / 1000)",
    REQUESTED_PARENT: _beside(REQUESTED_PARENT, "sys/forking/parent"),
    EXPERIMENT_TIME: _beside(EXPERIMENT_TIME, "sys/running_time_seconds"),
}
"""What is told of a run by one expression."""


def _summed(path: str) -> tuple[str, str]:
    """Return what is summed up over attributes (`{}`: a filter), and over which of a run's."""
    if path == POINTS:
        return "coalesce(sum(count){}, 0)", _codes(_SERIES)
    types = COUNTERS[path]
    # A run without attributes is one row of nothing where rows are joined.
    return "count(*){}", "type IS NOT NULL" if types is None else _codes(types)


def expression(path: str) -> str:
    """Return a computed attribute of the run in `runs`; NULL for those that lack it."""
    if path in _SINGLE:
        return f"({_SINGLE[path]})"
    sum, which = _summed(path)
    return (
        f"(SELECT {sum.format('')} FROM attributes WHERE run = runs.id AND {which} AND {_LOGGED})"
    )


def read_computed(
    connection: sqlite3.Connection, keys: Sequence[int], paths: Sequence[str]
) -> list[AttributeColumn]:
    """Return columns of computed attributes. See `ComputesAttributes.read_computed`.

    What is summed up is found in one walk over the attributes of each run.
    """
    position = {key: row for row, key in enumerate(keys)}
    runs = json.dumps([int(key) for key in keys])
    single = [path for path in dict.fromkeys(paths) if path in _SINGLE]
    summed = [path for path in dict.fromkeys(paths) if path not in _SINGLE]
    columns: list[AttributeColumn] = []
    chosen = "WHERE runs.id IN (SELECT value FROM json_each(?))"
    if single:
        told = ", ".join(f"({_SINGLE[path]})" for path in single)
        rows = connection.execute(f"SELECT runs.id, {told} FROM runs {chosen}", (runs,)).fetchall()
        columns += _columns(single, rows, position)
    if summed:
        parts = map(_summed, summed)
        told = ", ".join(sum.format(f" FILTER (WHERE {which})") for sum, which in parts)
        rows = connection.execute(
            f"SELECT runs.id, {told} FROM runs LEFT JOIN attributes ON run = runs.id "
            f"AND {_LOGGED} {chosen} GROUP BY runs.id",
            (runs,),
        ).fetchall()
        columns += _columns(summed, rows, position)
    return sorted(columns, key=lambda column: column.path)


def _columns(
    paths: Sequence[str], rows: Sequence[tuple[object, ...]], position: dict[int, int]
) -> Iterator[AttributeColumn]:
    ordered = sorted((position[int(row[0])], row) for row in rows)  # type: ignore[call-overload]
    for number, path in enumerate(paths, 1):
        held = [(at, row[number]) for at, row in ordered if row[number] is not None]
        if held:
            at, values = zip(*held, strict=True)
            yield AttributeColumn(path, COMPUTED[path].type, list(at), list(values))
