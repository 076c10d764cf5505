"""Rows of tracker's tables: read as columns, and changed back in time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from mooring.errors import StoreReadOnly
from mooring.store.cells import decode_cell, dumps, encode_cell, loads, series_type
from mooring.store.contract import EventTable
from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.database import Database, overtake
from mooring.store.sqlite.fold import Fold
from mooring.store.sqlite.schema import LOG_EVENT, TYPES
from mooring.store.sqlite.sealing import Sealer

_CHUNK = 20_000


class EventRows:
    """Reads and changes the rows of tracker's tables."""

    def __init__(self, database: Database, catalog: Catalog, sealer: Sealer, fold: Fold) -> None:
        self._database = database
        self._catalog = catalog
        self._sealer = sealer
        self._fold = fold

    def read(self, connection: sqlite3.Connection, keys: Sequence[int]) -> EventTable:
        """Return the rows of these runs, oldest first."""
        rows: list[tuple[int, int, int, str | bytes]] = [
            (seq, run, time, data)
            for run, seq, _, time, data in self._sealer.read_sealed_events(connection, keys)
        ]
        for key in keys:
            rows += connection.execute(
                "SELECT l.seq, l.run, l.time, l.data FROM log_index x JOIN log l ON l.seq = x.seq "
                f"WHERE x.run = ? AND l.kind = {LOG_EVENT}",
                (key,),
            )
        rows.sort(key=lambda row: row[0])
        columns: dict[str, list[Any]] = {}
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            texts = [text if isinstance(text, str) else text.decode() for *_, text in chunk]
            for i, record in enumerate(loads("[" + ",".join(texts) + "]"), start):
                for id, cell in record.items():
                    column = columns.get(id)
                    if column is None:
                        column = columns[id] = []
                    if len(column) < i:
                        column.extend([None] * (i - len(column)))
                    column.append(decode_cell(cell) if type(cell) is list else cell)
        for column in columns.values():
            column.extend([None] * (len(rows) - len(column)))
        names = self._catalog.names([int(id) for id in columns])
        return EventTable(
            sequence=[row[0] for row in rows],
            runs=[row[1] for row in rows],
            times=[row[2] for row in rows],
            columns=dict(zip(names, columns.values(), strict=True)),
        )

    def set_cells(
        self, key: int, path: str, value: object, where: tuple[str, object] | None
    ) -> int:
        """Set a cell in the rows of a run; return how many changed."""
        if self._database.read_only:
            raise StoreReadOnly(f"{self._database.path} is opened for reading only")
        cell = encode_cell(path, value)
        id = self._catalog.intern([path])[0]
        condition = None
        if where is not None:
            condition = (
                str(self._catalog.intern([where[0]])[0]),
                encode_cell(where[0], where[1]),
            )
        with self._database.write() as connection:
            self._sealer.unseal_events(connection, key)
            overtake(connection)
            changed = []
            for seq, data in connection.execute(
                "SELECT l.seq, l.data FROM log_index x JOIN log l ON l.seq = x.seq "
                f"WHERE x.run = ? AND l.kind = {LOG_EVENT}",
                (key,),
            ).fetchall():
                record = loads(data)
                if condition is None or record.get(condition[0]) == condition[1]:
                    record[str(id)] = cell
                    changed.append((dumps(record).decode(), seq))
            connection.executemany("UPDATE log SET data = ? WHERE seq = ?", changed)
            if changed:
                self._follow(connection, key, id, cell)
        return len(changed)

    def _follow(self, connection: sqlite3.Connection, key: int, path: int, cell: object) -> None:
        """Let the series of a column follow its cells; an attribute of one value stays."""
        row = connection.execute(
            "SELECT type FROM attributes WHERE path = ? AND run = ?", (path, key)
        ).fetchone()
        types = [TYPES[row[0]]] if row else []
        if not types or types[0].is_series:
            for type in [*types, series_type(cell)]:
                if type and self._fold.recompute(connection, (key, path), type):
                    return
