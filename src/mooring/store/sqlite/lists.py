"""Long lists of runs that are asked for page by page: kept whole, as long as they are true.

A list is true for a state of the store: up to which row of the log it is folded, how often
something else changed what a fold builds on, and which run was created last. Folds of this process
tell which attributes they touch, so that a list outlives those that touch none of its own, and of
which runs: where those are few, only they are looked at again.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mooring.query import And, Compare, Exists, Expression, Not, Or
from mooring.store.computed import SIZE
from mooring.store.contract import RunQuery

if TYPE_CHECKING:
    import numpy as np

LONG = 1_000
"""Shorter lists are found quickly enough each time."""
_DEEP = 5_000
"""A page that ends beyond takes as long as the whole list."""
_KEPT_BYTES = 64 << 20
_KEPT_LISTS = 256
_LONGEST_QUESTION = 10_000
_FEW_RUNS = 64
"""Runs that are looked at one by one, which takes 20 µs each."""
_KEPT_FOLDS = 256
_QUICK_S = 0.02
"""To sort 100,000 runs takes 80 ms, and the order is gone with the next score."""
_UNTOLD = frozenset({"sys/state", SIZE})
"""Attributes that change without a trace in the state: a writer dies, a file comes."""


@dataclass(frozen=True, slots=True)
class ListState:
    """What a list is true for."""

    watermark: int
    changes: int
    last_run: int


@dataclass(frozen=True, slots=True)
class _Kept:
    state: ListState
    keys: np.ndarray | None
    """None: asked for once, not worth keeping yet."""
    is_quick: bool = False
    """Whether the page that was asked for was found quickly without a list."""


class RunLists:
    """Keeps lists of keys by question. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._bytes = 0
        self._since = self._until = 0
        self._touched: dict[int, int] = {}
        """Until which row the last fold that touched a path went, of the folds from `_since`."""
        self._folds: deque[tuple[int, int, Collection[int] | None]] = deque(maxlen=_KEPT_FOLDS)
        """The last folds: from and to which row, and the runs that they touched; None for many."""

    def folded(
        self, before: int, after: int, paths: Iterable[int], runs: Collection[int] | None
    ) -> None:
        """Tell that a fold from one row of the log to another touched these paths of these runs."""
        with self._lock:
            if before != self._until:  # another process was at it meanwhile
                self._since = before
                self._touched.clear()
                self._folds.clear()
            self._until = after
            few = runs is not None and len(runs) <= _FEW_RUNS
            self._folds.append((before, after, runs if few else None))
            self._touched.update(dict.fromkeys(paths, after))

    def find(
        self,
        connection: sqlite3.Connection,
        query: RunQuery,
        path_id: Callable[[str], int | None],
        build: Callable[[], np.ndarray],
        mend: Callable[[np.ndarray, Collection[int]], np.ndarray] | None = None,
    ) -> np.ndarray | None:
        """Return the keys that a query selects in all, in its order; None if not worth it.

        `build` finds them; it is called when the list was asked for before, and for deep pages.
        `mend` returns a list that is true again from one that is, but for some runs.
        """
        question = _question(query)
        if question is None:
            return None
        paths = [path_id(path) for path in _paths(query)]
        state = read_state(connection)
        with self._lock:
            kept = self._kept.get(question)
            still = kept is not None and self._holds(kept.state, state, paths)
            if kept is not None and still:
                self._kept.move_to_end(question)
                if kept.keys is not None:
                    return kept.keys
                if kept.is_quick and _is_early(query):
                    return None
            changed = None
            if kept is not None and not still and mend is not None:
                changed = self._changed(kept.state, state)
        if kept is not None and kept.keys is not None and changed is not None and mend is not None:
            keys = mend(kept.keys, changed)
            self._keep(question, _Kept(state, keys))
            return keys
        if not still and changed is None and _is_early(query):
            self._keep(question, _Kept(state, None))
            return None
        keys = build()
        self._keep(question, _Kept(state, keys))
        return keys

    def note_page(self, query: RunQuery, seconds: float) -> None:
        """Tell how long it took to find a page without its list, which `find` did not give."""
        question = _question(query)
        with self._lock:
            kept = None if question is None else self._kept.get(question)
            if question is not None and kept is not None and kept.keys is None:
                self._kept[question] = replace(kept, is_quick=seconds < _QUICK_S)

    def _holds(self, old: ListState, new: ListState, paths: Iterable[int | None]) -> bool:
        if (old.changes, old.last_run) != (new.changes, new.last_run):
            return False
        low, high = sorted((old.watermark, new.watermark))
        if low == high:
            return True
        if low < self._since or high > self._until:
            return False
        return all(path is not None and self._touched.get(path, 0) <= low for path in paths)

    def _changed(self, old: ListState, new: ListState) -> Collection[int] | None:
        """Return the runs that folds have touched from one state to a later one; None for many."""
        if (old.changes, old.last_run) != (new.changes, new.last_run):
            return None
        if not self._folds or old.watermark < self._folds[0][0] or new.watermark > self._until:
            return None
        found: set[int] = set()
        for before, after, runs in self._folds:
            if before < new.watermark and after > old.watermark:
                if runs is None:
                    return None
                found.update(runs)
        return found if len(found) <= _FEW_RUNS and old.watermark <= new.watermark else None

    def _keep(self, question: str, kept: _Kept) -> None:
        with self._lock:
            self._forget(self._kept.pop(question, None))
            self._kept[question] = kept
            self._bytes += 0 if kept.keys is None else kept.keys.nbytes
            while self._bytes > _KEPT_BYTES or len(self._kept) > _KEPT_LISTS:
                self._forget(self._kept.popitem(last=False)[1])

    def _forget(self, kept: _Kept | None) -> None:
        if kept is not None and kept.keys is not None:
            self._bytes -= kept.keys.nbytes


def read_state(connection: sqlite3.Connection) -> ListState:
    """Return the state of a snapshot."""
    return ListState(
        *connection.execute(
            "SELECT (SELECT value FROM meta WHERE key = 'watermark'), "
            "coalesce((SELECT value FROM meta WHERE key = 'changes'), 0), "
            "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'runs'), 0)"
        ).fetchone()
    )


def _question(query: RunQuery) -> str | None:
    """Return what a query asks, less its page, as a text; None when no list of it is kept."""
    if query.limit is None or not _UNTOLD.isdisjoint(_paths(query)):
        return None
    parts = (query.project, query.projects, query.kinds, query.trashed, query.filter, query.sort)
    text = repr(parts)  # not the parts themselves: 1 and True are equal, and mean something else
    return text if len(text) <= _LONGEST_QUESTION else None


def _is_early(query: RunQuery) -> bool:
    return query.offset + (query.limit or 0) <= _DEEP


def _paths(query: RunQuery) -> Iterator[str]:
    if query.filter is not None:
        yield from _paths_of(query.filter)
    if query.sort is not None:
        yield query.sort.field.path


def _paths_of(expression: Expression) -> Iterator[str]:
    match expression:
        case And(operands) | Or(operands):
            for operand in operands:
                yield from _paths_of(operand)
        case Not(operand):
            yield from _paths_of(operand)
        case Exists(field) | Compare(field):
            yield field.path


def in_order(matching: np.ndarray, rows: list[tuple[int, object]]) -> np.ndarray:
    """Return keys sorted by a value, those without one last.

    `matching` are the keys, newest first, which is their order where values are equal; `rows` are
    keys and values, sorted by value, of these runs and of others.
    """
    import numpy as np

    if not rows or not len(matching):
        return matching
    runs = np.fromiter((row[0] for row in rows), np.int64, len(rows))
    values = np.empty(len(rows), object)
    values[:] = [row[1] for row in rows]
    groups = np.concatenate(([0], np.cumsum(values[1:] != values[:-1])))
    places = np.full(max(int(runs.max()), int(matching.max())) + 1, -1, np.int64)
    places[matching] = np.arange(len(matching))
    chosen = places[runs] >= 0
    runs, groups = runs[chosen], groups[chosen]
    runs = runs[np.lexsort((places[runs], groups))]
    rest = np.ones(len(matching), bool)
    rest[places[runs]] = False
    return np.concatenate([runs, matching[rest]])
