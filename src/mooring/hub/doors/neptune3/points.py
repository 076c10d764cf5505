"""Points of many series of many runs, read from the store in few questions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mooring.hub.doors.neptune3.identifiers import CUSTOM, run_uuid
from mooring.hub.doors.neptune3.reading import find_runs
from mooring.hub.guarded import GuardedStore
from mooring.model import AttributeType
from mooring.query import Aggregate, Field
from mooring.store.contract import Lineage, PathSelector, SeriesQuery

_MAX_PATHS = 500
"""Paths that are read at once: the store looks up so many by its index."""
_MAX_POINTS = 4_000_000
"""Points that the store is asked for at once, 100 MB, unless one series has more."""
Key = tuple[int, str]
"""Run and path."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What series must have in common to be read together. `low` and `high` in millionths."""

    type: AttributeType
    lineage: Lineage
    previews: bool = False
    low: int | None = None
    high: int | None = None
    tail: int | None = None


@dataclass(frozen=True, slots=True)
class Points:
    """Points of series, by ascending step; those of a series are `spans[run, path]`."""

    table: pa.Table
    spans: dict[Key, tuple[int, int]]

    def column(self, name: str) -> NDArray[Any]:
        """Return numbers, NaN where there is none."""
        numbers: NDArray[Any] = self.table.column(name).to_numpy()
        return numbers


def find_keys(store: GuardedStore, identifiers: Iterable[str]) -> dict[str, int]:
    """Return the keys of runs by their identifiers; those that the user lacks are left out."""
    known: dict[str, int] = {}
    for run in find_runs(store, list(dict.fromkeys(identifiers))):
        names = f"{run.project}/{run.sys_id}", f"{CUSTOM}{run.project}/{run.run_id}"
        known.update(dict.fromkeys((*names, run_uuid(run.key)), run.key))
    return known


def read_points(
    store: GuardedStore, kind: Kind, wanted: Iterable[Key]
) -> Iterator[tuple[list[Key], Points]]:
    """Read series of one kind; yield them as they come, with those that were asked for.

    Runs of which the same series are wanted are read together.
    """
    query = SeriesQuery(
        step_from=kind.low,
        step_to=kind.high,
        tail=kind.tail,
        lineage=kind.lineage,
        include_previews=kind.previews,
    )
    if kind.low is not None and kind.high is not None and kind.low > kind.high:
        return
    for runs, names in together(wanted):
        for keys, paths in _portions(store, kind.type, runs, names):
            select = PathSelector(paths=tuple(paths), types=frozenset({kind.type}))
            table = store.read_series(keys, select, query)
            yield [(key, path) for key in keys for path in paths], Points(table, _spans(table))


def together(wanted: Iterable[Key]) -> Iterator[tuple[list[int], Sequence[str]]]:
    """Yield runs and paths, so that each run and path that is wanted comes once.

    >>> list(together([(1, "a"), (2, "a"), (3, "b"), (1, "a")]))
    [([1, 2], ('a',)), ([3], ('b',))]
    """
    by_run: dict[int, dict[str, None]] = {}
    for key, path in wanted:
        by_run.setdefault(key, {})[path] = None
    by_paths: dict[tuple[str, ...], list[int]] = {}
    for key, paths in by_run.items():
        by_paths.setdefault(tuple(sorted(paths)), []).append(key)
    for names, keys in by_paths.items():
        for start in range(0, len(names), _MAX_PATHS):
            yield keys, names[start : start + _MAX_PATHS]


def _portions(
    store: GuardedStore, type: AttributeType, keys: Sequence[int], paths: Sequence[str]
) -> Iterator[tuple[Sequence[int], Sequence[str]]]:
    """Yield runs and paths so that the store has a bounded number of points in hand at a time.

    It does have all points of a series in hand, also where only the last ones are wanted.
    """
    if len(keys) * len(paths) == 1:
        yield keys, paths
        return
    fields = [Field(path, type, Aggregate.COUNT) for path in paths]
    columns = store.read_aggregates(keys, fields)
    counts = [int(np.asarray(column.values, np.int64).sum()) for column in columns]
    start, points = 0, 0
    for place, count in enumerate(counts):
        if points and points + count > _MAX_POINTS:
            yield keys, paths[start:place]
            start, points = place, 0
        if count > _MAX_POINTS and len(keys) > 1:
            half = len(keys) // 2
            for some in (keys[:half], keys[half:]):
                yield from _portions(store, type, some, paths[place : place + 1])
            start = place + 1
            continue
        points += count
    if start < len(paths):
        yield keys, paths[start:]


def _spans(table: pa.Table) -> dict[Key, tuple[int, int]]:
    if not len(table):
        return {}
    runs, keys = _coded(table, "run")
    codes, paths = _coded(table, "path")
    changes = (runs[1:] != runs[:-1]) | (codes[1:] != codes[:-1])
    starts = np.concatenate(([0], np.flatnonzero(changes) + 1))
    ends = np.append(starts[1:], len(table))
    return {
        (keys[run], paths[path]): (start, end)
        for run, path, start, end in zip(
            runs[starts].tolist(), codes[starts].tolist(), starts.tolist(), ends.tolist(),
            strict=True,
        )
    }  # fmt: skip


def _coded(table: pa.Table, name: str) -> tuple[NDArray[Any], list[Any]]:
    column = table.column(name).unify_dictionaries().combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0)
    return column.indices.to_numpy(), column.dictionary.to_pylist()
