"""Rows of the log kept as Parquet beside it, so that the next process need not parse them.

A cache and nothing else: files may be deleted at any time, and one that does not fit the log is
not used. The name of a file tells the project, the state of its rows (`meta.rows:<project>`,
renewed whenever rows are changed in place), from which row to which it goes, and a digest of that
last row as it stands in the log: a store that was restored from a backup has another one there.
A SIGKILL while a file is written leaves a file `.tmp-…`, which a later compaction removes.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mooring.store.contract import EventTable
from mooring.store.sqlite.schema import LOG_EVENT
from mooring.store.tables import stack

_FIXED = ("sequence", "run", "time")
_TEMPORARY = ".tmp-"
_GRACE_S = 3600.0


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    state: str
    start: int
    until: int
    digest: str


class TableCache:
    """The folder of the cached rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(
        self, connection: sqlite3.Connection, project: int, state: str
    ) -> Iterator[EventTable]:
        """Yield the cached rows of a table from its first one on, as far as they fit the log."""
        files = [file for file in self._files(project) if file.state == state]
        until = 0
        while True:
            follow = [file for file in files if file.start == until and file.until > until]
            if not follow:
                return
            file = max(follow, key=lambda file: file.until)
            table = None
            if file.digest and last_row(connection, file.until) == file.digest:
                table = _read(file.path)
            if table is None:
                files.remove(file)
                continue
            yield table
            until = file.until

    def save(
        self,
        connection: sqlite3.Connection,
        project: int,
        state: str,
        start: int,
        tables: list[EventTable],
    ) -> None:
        """Keep rows that follow the row `start`. That it cannot be written costs nothing but time.

        Files that the new one covers, and those of other states, are removed.
        """
        until = int(tables[-1].sequence[-1])
        digest = last_row(connection, until)
        name = f"{project}-{state}-{start}-{until}-{digest}.parquet"
        temporary = self.folder / f"{_TEMPORARY}{os.getpid()}-{name}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(temporary, tables)
            temporary.replace(self.folder / name)
        except OSError:
            # A folder that is read-only or full: the next process parses the rows again.
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            return
        for file in self._files(project):
            stale = file.state != state or (start <= file.start and file.until <= until)
            if stale and file.path.name != name:
                with suppress(OSError):
                    file.path.unlink(missing_ok=True)

    def sweep(self, states: Mapping[int, str]) -> None:
        """Remove what no table has in this state any more, and what killed processes left."""
        for path in self.folder.glob("*") if self.folder.is_dir() else ():
            parts = path.stem.split("-")
            known = parts[0].isdigit() and states.get(int(parts[0])) == parts[1]
            temporary = path.name.startswith(_TEMPORARY)
            with suppress(OSError):
                if not known and (not temporary or time.time() - path.stat().st_mtime > _GRACE_S):
                    path.unlink()

    def _files(self, project: int) -> list[_File]:
        found = []
        for path in self.folder.glob(f"{project}-*.parquet"):
            parts = path.stem.split("-")
            if len(parts) == 5 and parts[2].isdigit() and parts[3].isdigit():
                found.append(_File(path, parts[1], int(parts[2]), int(parts[3]), parts[4]))
        return found


def last_row(connection: sqlite3.Connection, sequence: int) -> str:
    """Return a digest of a row of the log; empty when it has gone."""
    row = connection.execute(
        f"SELECT run, time, data FROM log WHERE seq = ? AND kind = {LOG_EVENT}", (sequence,)
    ).fetchone()
    if row is None:
        return ""
    return hashlib.blake2b(f"{row[0]},{row[1]},{row[2]}".encode(), digest_size=12).hexdigest()


def _write(path: Path, tables: list[EventTable]) -> None:
    names = list(dict.fromkeys(name for table in tables for name in table.cells.column_names))
    cells = stack([table.cells for table in tables], names)
    fields = [pa.field(name, pa.int64()) for name in _FIXED]
    columns = [
        pa.chunked_array([pa.array(getattr(table, name)) for table in tables])
        for name in ("sequence", "runs", "times")
    ]
    # A dot keeps the names of cells from those of the rows.
    fields += [field.with_name(f".{field.name}") for field in cells.schema]
    table = pa.table([*columns, *cells.columns], schema=pa.schema(fields))
    pq.write_table(
        table,
        path,
        compression="zstd",
        use_dictionary=[f.name for f in fields if pa.types.is_string(f.type)],
        column_encoding={
            f.name: "DELTA_BINARY_PACKED" if f.type == pa.int64() else "BYTE_STREAM_SPLIT"
            for f in fields
            if f.type in (pa.int64(), pa.float64())
        },
        write_page_checksum=True,
        row_group_size=1 << 17,
    )


def _read(path: Path) -> EventTable | None:
    """Return the rows of a file; None, and the file is removed, when it is damaged."""
    try:
        table = pq.read_table(path, page_checksum_verification=True, memory_map=False)
        sequence, runs, times = (table[name].to_numpy() for name in _FIXED)
        cells = table.select(table.column_names[len(_FIXED) :])
    except FileNotFoundError:
        return None
    except (pa.ArrowException, OSError, KeyError):
        with suppress(OSError):
            path.unlink()
        return None
    return EventTable(
        sequence, runs, times, cells.rename_columns([name[1:] for name in cells.column_names])
    )
