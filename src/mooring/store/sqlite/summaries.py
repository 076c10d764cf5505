"""What is kept of series, of many runs and series in one snapshot."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from mooring.model import AttributeType, SeriesStats
from mooring.store.contract import PathSelector
from mooring.store.sqlite.aggregates import PATH, RUN, TYPE, stats_of
from mooring.store.sqlite.attributes import AttributeReader, Positions
from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.cycles import no_search_for_cycles
from mooring.store.sqlite.filters import type_condition
from mooring.store.sqlite.schema import ATTRIBUTE_COLUMNS, TYPES
from mooring.store.summaries import StatsColumn

_SERIES = frozenset(type for type in AttributeType if type.is_series)
_IN = 500
_MANY_RUNS = 30
_MANY_PATHS = 20_000


def read_stats(
    connection: sqlite3.Connection,
    catalog: Catalog,
    reader: AttributeReader,
    keys: Sequence[int],
    select: PathSelector,
) -> list[StatsColumn]:
    """Return what is kept of series. See `SummarisesSeries.read_stats`."""
    types = sorted(_SERIES if select.types is None else _SERIES & select.types)
    if not keys or not types:
        return []
    paths = reader.select_paths(connection, select)
    condition = f"{type_condition(types)} AND count > 0"
    positions = Positions(keys)
    with no_search_for_cycles():
        if paths is None or len(paths) > (_MANY_PATHS if len(keys) > _MANY_RUNS else _IN):
            rows = _by_run(connection, keys, paths, condition)
        else:
            rows = _by_path(connection, positions, paths, condition)
        found: dict[tuple[int, int], list[tuple[int, SeriesStats]]] = {}
        for row in rows:
            at = positions.of(row[RUN])
            if at >= 0:
                found.setdefault((row[PATH], row[TYPE]), []).append((at, stats_of(row)))
        names = catalog.names([path for path, _ in found])
        columns = []
        for name, ((_, code), series) in zip(names, found.items(), strict=True):
            series.sort(key=lambda each: each[0])
            at_rows, stats = zip(*series, strict=True)
            columns.append(StatsColumn(name, TYPES[code], at_rows, stats))
        return sorted(columns, key=lambda column: (column.path, column.type))


def _by_run(
    connection: sqlite3.Connection, keys: Sequence[int], paths: list[int] | None, condition: str
) -> Iterator[tuple[Any, ...]]:
    """Walk all series of each run."""
    wanted = None if paths is None else set(paths)
    for key in keys:
        rows = connection.execute(
            f"SELECT {', '.join(ATTRIBUTE_COLUMNS)} FROM attributes WHERE run = ? AND {condition}",
            (key,),
        ).fetchall()
        yield from rows if wanted is None else (row for row in rows if row[PATH] in wanted)


def _by_path(
    connection: sqlite3.Connection, positions: Positions, paths: list[int], condition: str
) -> Iterator[tuple[Any, ...]]:
    """Look for these runs at each path."""
    inside, bound = positions.condition()
    for start in range(0, len(paths), _IN):
        batch = paths[start : start + _IN]
        yield from connection.execute(
            f"SELECT {', '.join(ATTRIBUTE_COLUMNS)} FROM attributes "
            f"WHERE path IN ({','.join('?' * len(batch))}) AND {inside} AND {condition}",
            (*batch, *bound),
        ).fetchall()
