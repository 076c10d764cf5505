"""Columns of a tracker's table: their names, and the types of their cells."""

from __future__ import annotations

from collections.abc import Iterable

from mooring.errors import InvalidInput, InvalidValue
from mooring.store.contract import TableColumn
from mooring.tracker.frames import RESERVED, TIMESTAMP, TRACK_ID
from mooring.tracker.values import to_cell

ENGINES = ("sqlite", "duckdb")
"""What `engine` takes. Both mean this store: it is written by SQLite and asked by DuckDB."""


def check_engine(engine: object) -> str:
    """Return the name of an engine, or raise `InvalidInput`."""
    if engine not in ENGINES:
        raise InvalidInput(f"engine is 'sqlite' or 'duckdb', not {engine!r}")
    return str(engine)


def column_types(columns: Iterable[TableColumn]) -> dict[str, type]:
    """Return the Python type of each column's cells so far, the tracker's own two first.

    Integers and floats together are `float`, other mixtures `object`; a column in which every
    cell is missing is `NoneType`.
    """
    types: dict[str, type] = dict.fromkeys((TRACK_ID, TIMESTAMP), str)
    for column in columns:
        if column.name not in RESERVED:
            types[column.name] = common_type(column.kinds)
    return types


def common_type(kinds: Iterable[type]) -> type:
    """Return one type for cells of several; see `column_types`.

    >>> common_type([int, float])
    <class 'float'>
    """
    kinds = set(kinds) - {type(None)}
    if kinds == {int, float}:
        return float
    if len(kinds) > 1:
        return object
    return kinds.pop() if kinds else type(None)


def to_sql_type(value: object) -> str:
    """Return the SQL type of a column that holds `value`.

    >>> to_sql_type(3), to_sql_type(0.5), to_sql_type(True), to_sql_type("a")
    ('INTEGER', 'REAL', 'BOOLEAN', 'TEXT')
    """
    try:
        cell = to_cell("value", value)
    except InvalidValue:
        return "TEXT"  # an asset: the row holds its hash
    if isinstance(cell, bool):
        return "BOOLEAN"
    return {int: "INTEGER", float: "REAL", bytes: "BLOB"}.get(type(cell), "TEXT")
