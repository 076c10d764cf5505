"""Attributes of many runs, by column."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Any

import numpy as np

from mooring.model import AttributeType
from mooring.query import Aggregate, Field, compile_pattern
from mooring.store.contract import AttributeColumn, PathSelector
from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.codec import load_value
from mooring.store.sqlite.cycles import no_search_for_cycles
from mooring.store.sqlite.filters import AGGREGATES, field_condition, type_condition
from mooring.store.sqlite.schema import TYPES

_MANY_RUNS = 30
_MANY_PATHS = 20_000
_IN = 500
_FLOATS = (AttributeType.FLOAT, AttributeType.FLOAT_SERIES)


class AttributeReader:
    """Reads attribute values from one snapshot of the store."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def select_paths(
        self, connection: sqlite3.Connection, select: PathSelector
    ) -> list[int] | None:
        """Return the numbers of the selected paths, sorted by path; None for all."""
        if select.paths is None and select.patterns is None:
            return None
        names = set(select.paths or ())
        chosen = dict(self._catalog.find_ids(sorted(names)))
        if select.patterns:
            known = self._catalog.all_names()
            texts = list(known.values())
            for pattern in select.patterns:
                found = compile_pattern(pattern).search_all(texts)
                chosen.update((name, id) for id, name in compress(known.items(), found))
        return [id for _, id in sorted(chosen.items())]

    def read(
        self, connection: sqlite3.Connection, keys: Sequence[int], select: PathSelector
    ) -> list[AttributeColumn]:
        """Return the selected attributes of runs, sorted by path and type."""
        if not keys:
            return []
        paths = self.select_paths(connection, select)
        types = f" AND {type_condition(sorted(select.types))}" if select.types else ""
        if select.types is not None and not select.types:
            return []
        count = connection.execute("SELECT max(id) FROM paths").fetchone()[0] or 0
        walked = count if paths is None else len(paths)
        if paths is None and not self._is_dense(connection, keys, count):
            walked = _MANY_PATHS
        if len(keys) > _MANY_RUNS and walked < _MANY_PATHS:
            columns = self._by_path(connection, keys, paths, types)
        else:
            columns = self._by_run(connection, keys, paths, types)
        with no_search_for_cycles():
            return sorted(columns, key=lambda column: (column.path, column.type))

    @staticmethod
    def _is_dense(connection: sqlite3.Connection, keys: Sequence[int], paths: int) -> bool:
        """Return whether these runs have enough attributes for a look at every path there is.

        To look for these runs at one path takes as long as to bring over 15 attributes of a run.
        """
        held = 0
        for key in (keys[0], keys[len(keys) // 2], keys[-1]):
            (count,) = connection.execute(
                "SELECT count(*) FROM attributes WHERE run = ?", (key,)
            ).fetchone()
            held = max(held, count)
        return paths * 15 <= held * len(keys)

    def _by_path(
        self,
        connection: sqlite3.Connection,
        keys: Sequence[int],
        paths: list[int] | None,
        types: str,
    ) -> Iterator[AttributeColumn]:
        """Walk the table in its own order: path by path."""
        names = self._catalog.all_names()
        positions = Positions(keys)
        inside, bound = positions.condition()
        rest = f"FROM attributes WHERE path = ? AND {inside} AND count IS NOT 0{types} ORDER BY run"
        everybody = positions.is_dense
        for path in sorted(names) if paths is None else paths:
            if everybody:
                # As many rows as runs: no need to be told which. A third less to bring over.
                rows = connection.execute(f"SELECT type, value {rest}", (path, *bound)).fetchall()
                if len(rows) == len(keys):
                    codes, values = zip(*rows, strict=True)
                    yield from _columns(names[path], positions, positions.all, codes, values)
                    continue
            rows = connection.execute(f"SELECT run, type, value {rest}", (path, *bound)).fetchall()
            everybody = positions.is_dense and len(rows) == len(keys)
            if rows:
                runs, codes, values = zip(*rows, strict=True)
                yield from _columns(names[path], positions, runs, codes, values)

    def _by_run(
        self,
        connection: sqlite3.Connection,
        keys: Sequence[int],
        paths: list[int] | None,
        types: str,
    ) -> Iterator[AttributeColumn]:
        """Walk the attributes of each run."""
        found: dict[int, list[tuple[int, int, Any]]] = {}
        wanted = None if paths is None or len(paths) <= _IN else set(paths)
        condition = ""
        bound: list[int] = []
        if paths is not None and len(paths) <= _IN:
            condition = f" AND path IN ({','.join('?' * len(paths))})"
            bound = paths
        for key in keys:
            for path, code, value in connection.execute(
                f"SELECT path, type, value FROM attributes WHERE run = ?{condition} "
                f"AND count IS NOT 0{types}",
                (key, *bound),
            ):
                if wanted is None or path in wanted:
                    found.setdefault(path, []).append((key, code, value))
        self._catalog.names(list(found))
        positions = Positions(keys)
        for path, rows in found.items():
            if len(rows) == 1:
                ((key, code, value),) = rows
                yield AttributeColumn(
                    self._catalog.name(path),
                    TYPES[code],
                    [positions.of(key)],
                    [load_value(TYPES[code], value)],
                )
            else:
                runs, codes, values = zip(*rows, strict=True)
                yield from _columns(self._catalog.name(path), positions, runs, codes, values)

    def aggregates(
        self, connection: sqlite3.Connection, keys: Sequence[int], fields: Sequence[Field]
    ) -> list[AttributeColumn]:
        """Return one column for each field, in their order; aggregates are floats."""
        if not keys:
            return []
        positions = Positions(keys)
        inside, bound = positions.condition()
        columns = []
        ids = self._catalog.find_ids([field.path for field in fields])
        for field in fields:
            types = field_condition(field)
            rows = connection.execute(
                f"SELECT run, type, {AGGREGATES[field.aggregate]} FROM attributes "
                f"WHERE path = ? AND {inside} AND count IS NOT 0{types}",
                (ids.get(field.path, -1), *bound),
            ).fetchall()
            plain = field.aggregate in (None, Aggregate.LAST, Aggregate.FIRST)
            found: list[AttributeColumn] = []
            if rows:
                runs, codes, values = zip(*rows, strict=True)
                if not plain:
                    codes = (_FLOAT_CODE,) * len(codes)
                found = list(_columns(field.path, positions, runs, codes, values))
            columns += found or [
                AttributeColumn(field.path, field.type or AttributeType.FLOAT, [], [])
            ]
        return columns


class Positions:
    """Where each run stands in the list that was asked for."""

    def __init__(self, keys: Sequence[int]) -> None:
        self.low, self.high = min(keys), max(keys)
        self._keys = keys
        self._table = np.full(self.high - self.low + 1, -1, np.int64)
        self._table[np.asarray(keys, np.int64) - self.low] = np.arange(len(keys))

    def condition(self) -> tuple[str, tuple[object, ...]]:
        """Return a condition on `run` that these runs meet, and its parameters.

        A walk over a range passes about eight rows in the time of one look-up.
        """
        if self.high - self.low < 8 * len(self._keys):
            return "run BETWEEN ? AND ?", (self.low, self.high)
        return "run IN (SELECT value FROM json_each(?))", (
            json.dumps([int(key) for key in self._keys]),
        )

    @property
    def is_dense(self) -> bool:
        """Whether every run of the range was asked for."""
        return self.high - self.low + 1 == len(self._keys)

    @property
    def all(self) -> np.ndarray:
        """The keys of a dense range, ascending."""
        return np.arange(self.low, self.high + 1)

    def of(self, key: int) -> int:
        """Return the position of one run."""
        return int(self._table[key - self.low])

    def of_many(self, keys: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the positions of runs, -1 for those that were not asked for."""
        return self._table[np.asarray(keys, np.int64) - self.low]


def _columns(
    path: str,
    positions: Positions,
    runs: Sequence[int] | np.ndarray,
    codes: Sequence[int],
    values: Sequence[Any],
) -> Iterator[AttributeColumn]:
    rows = positions.of_many(runs)
    for code in sorted(set(codes)):
        type = TYPES[code]
        if type in _FLOATS:
            loaded: Any = np.array(values if len(set(codes)) == 1 else _none(values), np.float64)
        else:
            loaded = np.empty(len(values), object)
            loaded[:] = values
        chosen = rows >= 0
        if len(set(codes)) > 1:
            chosen &= np.array(codes) == code
        at, loaded = rows[chosen], loaded[chosen]
        if len(at) > 1 and not bool(np.all(at[1:] > at[:-1])):
            order = np.argsort(at)
            at, loaded = at[order], loaded[order]
        if not len(at):
            continue
        if type not in _FLOATS:
            loaded = loaded.tolist()
            if type not in _AS_STORED:
                loaded = [load_value(type, value) for value in loaded]
        yield AttributeColumn(path, type, at, loaded)


def _none(values: Sequence[Any]) -> list[Any]:
    return [value if isinstance(value, (int, float)) else None for value in values]


_AS_STORED = frozenset(
    {
        AttributeType.INT,
        AttributeType.STRING,
        AttributeType.STRING_SERIES,
        AttributeType.RUN_STATE,
    }
)
_FLOAT_CODE = next(code for code, type in TYPES.items() if type is AttributeType.FLOAT)
