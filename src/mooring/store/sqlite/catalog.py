"""Interned attribute paths and shapes: small numbers for what each update repeats."""

from __future__ import annotations

import hashlib
import sqlite3
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mooring.store.sqlite.database import Database

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Shape:
    """An ordered list of paths.

    A row of the log that names a shape holds one little-endian double for each, in this order.
    """

    id: int
    paths: Sequence[int]


class Catalog:
    """Numbers of paths and shapes, cached. They are only ever added, so caches stay true."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ids: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._shapes: dict[int, Shape] = {}
        self._last_loaded = 0

    def _remember(self, rows: Iterable[tuple[int, str]]) -> None:
        for id, path in rows:
            self._ids[path] = id
            self._names[id] = path

    def find_ids(self, paths: Sequence[str]) -> dict[str, int]:
        """Return the numbers of those paths that have one."""
        missing = [path for path in paths if path not in self._ids]
        if missing:
            with self._database.read() as connection:
                if len(missing) > 20 * _BATCH:
                    self._remember(self._select_new(connection))
                for start in range(0, len(missing), _BATCH):
                    batch = missing[start : start + _BATCH]
                    marks = ",".join("?" * len(batch))
                    self._remember(
                        connection.execute(
                            f"SELECT id, path FROM paths WHERE path IN ({marks})", batch
                        )
                    )
                    if len(missing) > 20 * _BATCH:
                        break
        return {path: self._ids[path] for path in paths if path in self._ids}

    def intern(self, paths: Sequence[str]) -> list[int]:
        """Return the number of each path, giving one to those that have none."""
        ids = self._ids
        missing = [path for path in paths if path not in ids]
        if missing:
            known = self.find_ids(missing)
            new = [path for path in dict.fromkeys(missing) if path not in known]
            if new:
                with self._database.write() as connection:
                    connection.executemany(
                        "INSERT OR IGNORE INTO paths (path) VALUES (?)", ((path,) for path in new)
                    )
                    # Remembered after the commit only: until then the numbers are not ours.
                    if len(new) > 20 * _BATCH:
                        rows = self._select_new(connection)
                    else:
                        rows = []
                        for start in range(0, len(new), _BATCH):
                            batch = new[start : start + _BATCH]
                            marks = ",".join("?" * len(batch))
                            rows += connection.execute(
                                f"SELECT id, path FROM paths WHERE path IN ({marks})", batch
                            ).fetchall()
                self._remember(rows)
        return [ids[path] for path in paths]

    def _select_new(self, connection: sqlite3.Connection) -> list[tuple[int, str]]:
        return connection.execute(
            "SELECT id, path FROM paths WHERE id > ?", (self._last_loaded,)
        ).fetchall()

    def name(self, id: int) -> str:
        """Return the path of a number."""
        found = self._names.get(id)
        return self.names([id])[0] if found is None else found

    def names(self, ids: Sequence[int]) -> list[str]:
        """Return the paths of numbers."""
        names = self._names
        missing = [id for id in ids if id not in names]
        if missing:
            with self._database.read() as connection:
                if len(missing) > 10:
                    low, high = min(missing), max(missing)
                    self._remember(
                        connection.execute(
                            "SELECT id, path FROM paths WHERE id BETWEEN ? AND ?", (low, high)
                        )
                    )
                else:
                    for id in missing:
                        self._remember(
                            connection.execute("SELECT id, path FROM paths WHERE id = ?", (id,))
                        )
        return [names[id] for id in ids]

    def all_names(self) -> dict[int, str]:
        """Return every path by its number."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT id, path FROM paths WHERE id > ?", (self._last_loaded,)
            ).fetchall()
        self._remember(rows)
        if rows:
            self._last_loaded = rows[-1][0]
        return self._names

    def system(self, path: str) -> int:
        """Return the number of a `sys/` path."""
        found = self._ids.get(path)
        return self.intern([path])[0] if found is None else found

    def intern_shape(self, paths: Sequence[int]) -> Shape:
        """Return the shape of these paths, made when it is new."""
        packed = array("I", paths).tobytes()
        digest = hashlib.blake2b(packed, digest_size=16).digest()
        with self._database.write() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO shapes (digest, paths) VALUES (?, ?)", (digest, packed)
            )
            id = connection.execute("SELECT id FROM shapes WHERE digest = ?", (digest,)).fetchone()
        shape = Shape(id[0], tuple(paths))
        self._shapes[shape.id] = shape
        return shape

    def shape(self, id: int) -> Shape:
        """Return the shape of a number."""
        shape = self._shapes.get(id)
        if shape is None:
            with self._database.read() as connection:
                (packed,) = connection.execute(
                    "SELECT paths FROM shapes WHERE id = ?", (id,)
                ).fetchone()
            shape = Shape(id, array("I", packed))
            self._shapes[id] = shape
        return shape
