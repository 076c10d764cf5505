"""Short ways to read a store, and to read it in every state that it can be in."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from mooring.model import STEP_SCALE, AttributeType
from mooring.query import Expression, Field
from mooring.store import PathSelector, RunQuery, SeriesQuery, Store

FLOATS = AttributeType.FLOAT_SERIES
STRINGS = AttributeType.STRING_SERIES
HISTOGRAMS = AttributeType.HISTOGRAM_SERIES
FILES = AttributeType.FILE_SERIES

NAN = "NaN"
"""Stands for NaN in what is compared, because NaN equals nothing."""


def plain(value: Any) -> Any:
    """Return a value with NaN replaced by a text, also inside lists and dictionaries."""
    if isinstance(value, float) and math.isnan(value):
        return NAN
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def table(
    store: Store,
    keys: list[int],
    path: str | None = None,
    type: AttributeType = FLOATS,
    **query: Any,
) -> pa.Table:
    """Return points of one path (None: of all) as the store's table."""
    paths = None if path is None else (path,)
    select = PathSelector(paths=paths, types=frozenset({type}))
    return store.read_series(keys, select, SeriesQuery(**query))


def points(
    store: Store, key: int, path: str, type: AttributeType = FLOATS, **query: Any
) -> list[tuple[float, Any]]:
    """Return (step, value) of one series."""
    found = table(store, [key], path, type, **query)
    steps = [step / STEP_SCALE for step in found["step"].to_pylist()]
    return list(zip(steps, map(plain, found["value"].to_pylist()), strict=True))


def value(store: Store, key: int, path: str) -> tuple[AttributeType, Any]:
    """Return type and value of an attribute."""
    type, found = store.get_value(key, path)
    return type, plain(found)


def attributes(store: Store, key: int, **select: Any) -> dict[str, Any]:
    """Return values of one run by path, the store's own ones left out."""
    return {
        column.path: plain(next(iter(column.values)))
        for column in store.read_attributes([key], PathSelector(**select))
        if not column.path.startswith("sys/")
    }


def run_ids(store: Store, filter: Expression | None = None, **query: Any) -> list[str]:
    """Return the ids of the runs that a query selects."""
    return [run.run_id for run in store.query_runs(RunQuery(filter=filter, **query)).runs]


def column(store: Store, keys: list[int], field: Field) -> dict[int, Any]:
    """Return what `read_aggregates` gives for one field, by position of the run."""
    (found,) = store.read_aggregates(keys, [field])
    rows = [int(row) for row in found.rows]
    assert rows == sorted(rows)
    return dict(zip(rows, map(plain, list(found.values)), strict=True))


def in_every_state(store: Store, check: Callable[[], None]) -> None:
    """Make a check before and after sealing, which nobody who reads may notice."""
    check()
    check()
    for events in (False, True, False):
        store.compact(events=events)
        check()
    assert store.check().ok
