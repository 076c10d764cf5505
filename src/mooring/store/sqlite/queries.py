"""Which runs a query selects, page by page, and which attributes runs have."""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from time import thread_time
from typing import TYPE_CHECKING

from mooring.errors import InvalidInput
from mooring.model import ProjectName
from mooring.store.computed import COMPUTED
from mooring.store.contract import PathSelector, RunPage, RunQuery
from mooring.store.sqlite.computed import expression
from mooring.store.sqlite.filters import (
    FilterCompiler,
    field_condition,
    sort_column,
    type_condition,
)
from mooring.store.sqlite.lists import LONG, RunLists, in_order
from mooring.store.sqlite.runs import RunTable

if TYPE_CHECKING:
    import numpy as np

_FEW_PATHS = 500
_MAX_LOOK_UPS = 20_000
"""One look-up takes 2 µs; to bring over an attribute of a run, wanted or not, takes 1 µs."""


class RunQueries:
    """Answers queries of runs from one snapshot of the store."""

    def __init__(self, runs: RunTable, filters: FilterCompiler, lists: RunLists) -> None:
        self._runs = runs
        self._filters = filters
        self._lists = lists

    def query(self, connection: sqlite3.Connection, query: RunQuery) -> RunPage:
        """Return a page of runs."""
        where, parameters = self._where(connection, query, by_run=False)
        if (query.limit or 0) < 0 or query.offset < 0:
            raise InvalidInput("limit and offset cannot be negative")
        limit = -1 if query.limit is None else query.limit
        listed = self._lists.find(
            connection,
            query,
            self._filters.path_id,
            lambda: self._all(connection, query, where, parameters),
            None if query.sort else lambda keys, runs: self._mend(connection, query, keys, runs),
        )
        if listed is not None:
            page = listed[query.offset : query.offset + limit].tolist()
            return RunPage(self._runs.get(connection, page), len(listed))
        matching = self._matching(connection, query, where, parameters) if query.sort else None
        if matching is not None:
            total = len(matching)
        else:
            (total,) = connection.execute(
                f"SELECT count(*) FROM runs WHERE {where}", parameters
            ).fetchone()
        indexed = query.sort is None or (
            sort_column(query.sort.field) == "value" and query.sort.field.path not in COMPUTED
        )
        if indexed and 0 <= limit < total and total > LONG:
            where, parameters = self._where(connection, query, by_run=True)
        began = thread_time()
        keys = self._page(connection, query, where, parameters, limit)
        if matching is not None:
            self._lists.note_page(query, thread_time() - began)
        return RunPage(self._runs.get(connection, keys), total)

    def _where(
        self, connection: sqlite3.Connection, query: RunQuery, *, by_run: bool
    ) -> tuple[str, list[object]]:
        kinds = [str(kind) for kind in query.kinds]
        # One kind is compared by `=`, so that the index of runs also gives their order.
        conditions = [f"runs.kind IN ({', '.join('?' * len(kinds))})"]
        if len(kinds) == 1:
            conditions = ["runs.kind = ?"]
        parameters: list[object] = [*kinds]
        if query.project is not None:
            conditions.append("runs.project = ?")
            parameters.append(self._runs.project_id(connection, query.project))
        if query.projects is not None:
            one_of, ids = self.in_projects(connection, query.projects)
            conditions.append(f"runs.{one_of}")
            parameters += ids
        if query.trashed is not None:
            conditions.append("runs.trashed = ?")
            parameters.append(int(query.trashed))
        if query.filter is not None:
            condition = self._filters.compile(query.filter, by_run=by_run)
            conditions.append(f"({condition.sql})")
            parameters += condition.parameters
        return " AND ".join(conditions), parameters

    def in_projects(
        self, connection: sqlite3.Connection, names: Sequence[str]
    ) -> tuple[str, list[object]]:
        """Return the condition that `project` is one of these, and what is bound to it."""
        full = json.dumps([str(ProjectName.parse(name)) for name in names])
        found = connection.execute(
            "SELECT id FROM projects WHERE name IN (SELECT value FROM json_each(?))", (full,)
        )
        ids = [id for (id,) in found]
        if len(ids) == 1:  # so that the index of runs also gives their order
            return "project = ?", [ids[0]]
        return "project IN (SELECT value FROM json_each(?))", [json.dumps(ids)]

    def _all(
        self,
        connection: sqlite3.Connection,
        query: RunQuery,
        where: str,
        parameters: list[object],
    ) -> np.ndarray:
        """Return the keys of all runs that a query selects, in its order."""
        if query.sort is not None and query.sort.field.path in COMPUTED:
            return self._keys(connection, replace(query, offset=0), where, parameters)
        matching = None
        if query.sort is not None:
            matching = self._matching(connection, query, where, parameters)
        if matching is None:
            matching = self._newest_first(connection, where, parameters)
        path = self._filters.path_id(query.sort.field.path) if query.sort else None
        if query.sort is None or path is None:
            return matching
        column = sort_column(query.sort.field)
        direction = "ASC" if query.sort.ascending else "DESC"
        types = field_condition(query.sort.field)
        rows = connection.execute(
            f"SELECT run, {column} AS sorted FROM attributes WHERE path = ?{types} "
            f"AND sorted IS NOT NULL ORDER BY sorted {direction}",
            (path,),
        ).fetchall()
        return in_order(matching, rows)

    def _matching(
        self,
        connection: sqlite3.Connection,
        query: RunQuery,
        where: str,
        parameters: list[object],
    ) -> np.ndarray | None:
        """Return the keys that a query selects, newest first, if they are worth keeping.

        They outlive the order, which changes more often: a score comes in.
        """
        return self._lists.find(
            connection,
            replace(query, sort=None, offset=0),
            self._filters.path_id,
            lambda: self._newest_first(connection, where, parameters),
            lambda keys, runs: self._mend(connection, query, keys, runs),
        )

    def _mend(
        self,
        connection: sqlite3.Connection,
        query: RunQuery,
        keys: np.ndarray,
        changed: Collection[int],
    ) -> np.ndarray:
        """Return the keys that a query selects, newest first, where only some runs have changed."""
        import numpy as np

        where, parameters = self._where(connection, query, by_run=True)
        rows = connection.execute(
            "SELECT runs.id FROM json_each(?) AS changed "
            f"CROSS JOIN runs ON runs.id = changed.value WHERE {where}",
            (json.dumps(list(changed)), *parameters),
        )
        matching = {key for (key,) in rows}
        gone = np.isin(keys, [run for run in changed if run not in matching])
        keys = keys[~gone]

        def newest_first(key: int) -> tuple[int, int]:
            (created,) = connection.execute(
                "SELECT created FROM runs WHERE id = ?", (int(key),)
            ).fetchone()
            return -created, -int(key)

        for key in matching.difference(keys[np.isin(keys, list(matching))].tolist()):
            place = bisect_left(keys, newest_first(key), key=newest_first)
            keys = np.insert(keys, place, key)
        return keys

    def _newest_first(
        self, connection: sqlite3.Connection, where: str, parameters: list[object]
    ) -> np.ndarray:
        return self._keys(connection, RunQuery(), where, parameters)

    def _keys(
        self,
        connection: sqlite3.Connection,
        query: RunQuery,
        where: str,
        parameters: list[object],
    ) -> np.ndarray:
        import numpy as np

        return np.array(self._page(connection, query, where, parameters, -1), np.int64)

    def _page(
        self,
        connection: sqlite3.Connection,
        query: RunQuery,
        where: str,
        parameters: list[object],
        limit: int,
    ) -> list[int]:
        newest = "runs.created DESC, runs.id DESC"
        path = self._filters.path_id(query.sort.field.path) if query.sort else None
        computed = None if query.sort is None else COMPUTED.get(query.sort.field.path)
        if query.sort is None or path is None or computed is not None:
            order = newest
            if query.sort is not None and computed is not None:
                direction = "ASC" if query.sort.ascending else "DESC"
                order = f"{expression(computed.path)} {direction} NULLS LAST, {newest}"
            rows = connection.execute(
                f"SELECT runs.id FROM runs WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",
                (*parameters, limit, query.offset),
            )
            return [row[0] for row in rows]
        field = query.sort.field
        column = sort_column(field)
        direction = "ASC" if query.sort.ascending else "DESC"
        types = field_condition(field)
        # Runs with a value walk the index of values and stop at the end of the page; the others
        # follow, newest first.
        rows = connection.execute(
            f"SELECT runs.id FROM attributes CROSS JOIN runs ON runs.id = attributes.run "
            f"WHERE attributes.path = ?{types} AND {column} IS NOT NULL AND {where} "
            f"ORDER BY {column} {direction}, {newest} LIMIT ? OFFSET ?",
            (path, *parameters, limit, query.offset),
        )
        keys = [row[0] for row in rows]
        if limit < 0 or len(keys) < limit:
            having = (
                f"EXISTS (SELECT 1 FROM attributes WHERE path = ? AND run = runs.id{types} "
                f"AND {column} IS NOT NULL)"
            )
            (sorted_count,) = connection.execute(
                f"SELECT count(*) FROM runs WHERE {where} AND {having}", (*parameters, path)
            ).fetchone()
            rows = connection.execute(
                f"SELECT runs.id FROM runs WHERE {where} AND NOT {having} "
                f"ORDER BY {newest} LIMIT ? OFFSET ?",
                (
                    *parameters,
                    path,
                    limit if limit < 0 else limit - len(keys),
                    max(0, query.offset - sorted_count),
                ),
            )
            keys += [row[0] for row in rows]
        return keys

    def list_attributes(
        self,
        connection: sqlite3.Connection,
        keys: Sequence[int] | None,
        paths: Iterable[int] | None,
        select: PathSelector,
        project: str | None,
        projects: Sequence[str] | None,
    ) -> list[tuple[int, int]]:
        """Return the distinct (path number, type code) of runs."""
        if select.types is not None and not select.types:
            return []
        condition = f" AND {type_condition(sorted(select.types))}" if select.types else ""
        chosen: list[object] = []
        listed = None if paths is None else list(paths)
        looked_up = listed is not None and (
            len(listed) <= _FEW_PATHS
            or (keys is not None and len(keys) * len(listed) <= _MAX_LOOK_UPS)
        )
        if looked_up:
            condition += " AND path IN (SELECT value FROM json_each(?))"
            chosen.append(json.dumps(listed))
        distinct = "" if keys is not None and len(keys) == 1 else "DISTINCT "
        query = f"SELECT {distinct}path, type FROM attributes WHERE run IN"
        found: set[tuple[int, int]] = set()
        if keys is None:
            inside = "SELECT id FROM runs WHERE 1"
            bound: list[object] = []
            if project is not None:
                inside += " AND project = ?"
                bound = [self._runs.project_id(connection, project)]
            if projects is not None:
                one_of, ids = self.in_projects(connection, projects)
                inside += f" AND {one_of}"
                bound += ids
            found.update(connection.execute(f"{query} ({inside}){condition}", [*bound, *chosen]))
        else:
            for start in range(0, len(keys), 500):
                batch = list(keys[start : start + 500])
                marks = ",".join("?" * len(batch))
                found.update(connection.execute(f"{query} ({marks}){condition}", [*batch, *chosen]))
        if listed is None or looked_up:
            return list(found)
        wanted = set(listed)
        return [entry for entry in found if entry[0] in wanted]
