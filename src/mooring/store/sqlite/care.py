"""Care of a store: deletion for good, compaction, and checks."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from mooring.errors import MooringError, SegmentMissing, StoreCorrupt
from mooring.model import AttributeType
from mooring.store.blobs import LocalBlobs
from mooring.store.cells import loads
from mooring.store.contract import CompactionReport, Finding, StoreCheck
from mooring.store.sqlite import experiments, receipts, uploads
from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.columns import EVENTS_PATH, rows_states
from mooring.store.sqlite.database import Database, overtake
from mooring.store.sqlite.runs import RunTable
from mooring.store.sqlite.schema import FILE_TYPES, LOG_MARK, TYPE_CODES, TYPES
from mooring.store.sqlite.sealing import Sealer, keep_sequence
from mooring.store.sqlite.segments import SegmentFolder
from mooring.store.sqlite.series import Series, SeriesReader
from mooring.store.sqlite.table_cache import TableCache
from mooring.store.tables import is_mixed, to_cells

GRACE_S = 3600.0
"""Files younger than this may belong to a write that is going on; they are left alone."""

_SERIES_TYPES = tuple(type for type in TYPES.values() if type.is_series)


class Care:
    """Deletes, compacts and checks."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        runs: RunTable,
        segments: SegmentFolder,
        blobs: LocalBlobs,
        sealer: Sealer,
        series: SeriesReader,
        cache: TableCache,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._runs = runs
        self._segments = segments
        self._blobs = blobs
        self._sealer = sealer
        self._series = series
        self._cache = cache

    # deletion

    def delete_runs(self, keys: Sequence[int]) -> None:
        """Delete runs. Their forks get what they inherited as points of their own first."""
        doomed = set(keys)
        with self._database.read() as connection:
            self._runs.get(connection, list(keys))
            heirs = [
                child
                for key in keys
                for (child,) in connection.execute("SELECT id FROM runs WHERE parent = ?", (key,))
                if child not in doomed
            ]
        for heir in heirs:
            self._give_own_points(heir)
        with self._database.write() as connection:
            for key in keys:
                experiments.leave(connection, self._catalog, key)
                connection.execute(
                    "DELETE FROM log WHERE seq IN (SELECT seq FROM log_index WHERE run = ?)", (key,)
                )
                for table in (
                    "attributes",
                    "log_index",
                    "run_state",
                    "previews",
                    "erased",
                    "conflicts",
                    "segment_series",
                    "run_holders",
                    "receipts",
                    "refusals",
                    "file_references",
                ):
                    connection.execute(f"DELETE FROM {table} WHERE run = ?", (key,))
                connection.execute("DELETE FROM runs WHERE id = ?", (key,))
            keep_sequence(connection)
            overtake(connection)

    def _give_own_points(self, run: int) -> None:
        """Make a fork independent of its parent: what it sees becomes its own.

        Its own points that the lineage hides go: they have to leave the log and its segments.
        """
        self._sealer.seal([run], events=True)
        with self._database.read() as connection:
            series: list[Series] = []
            for type in _SERIES_TYPES:
                series += self._series.read(connection, [run], None, type).values()

        def detach(connection: object) -> None:
            connection.execute(  # type: ignore[attr-defined]
                "UPDATE runs SET parent = NULL, fork_step = NULL WHERE id = ?", (run,)
            )
            connection.execute(  # type: ignore[attr-defined]
                f"DELETE FROM segment_series WHERE run = ? AND path != {EVENTS_PATH}", (run,)
            )

        if series:
            # What has come to its log since then stays after the new segment, and wins.
            self._sealer.add(series, detach)
        else:
            with self._database.write() as connection:
                detach(connection)
                overtake(connection)

    # compaction

    def compact(
        self, project: str | None, *, events: bool, progress: Callable[[int, int], None] | None
    ) -> CompactionReport:
        """Seal, join, remove what nothing refers to, and give the space back."""
        with self._database.read() as connection:
            condition, bound = "", []
            if project is not None:
                condition = "WHERE run IN (SELECT id FROM runs WHERE project = ?)"
                bound = [self._runs.project_id(connection, project)]
            runs = [
                run
                for (run,) in connection.execute(
                    f"SELECT DISTINCT run FROM log_index {condition}", bound
                )
            ]
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
        points = written = 0
        for start in range(0, len(runs), 100):
            sealed, segments = self._sealer.seal(runs[start : start + 100], events=events)
            points, written = points + sealed, written + segments
            if progress:
                progress(min(start + 100, len(runs)), len(runs))
        joined, removed, freed = self._sealer.join_segments(runs)
        self._remove_rows_of_deleted_runs()
        with self._database.write() as connection:
            receipts.drop_old(connection)
            uploads.drop_old(connection)
        with self._database.read() as connection:
            self._cache.sweep(rows_states(connection))
        blobs, blob_bytes = self._remove_unused_blobs()
        with self._database.lock, self._database.errors():
            connection = self._database.writer
            # execute() takes one step of it, which frees one page.
            connection.executescript("PRAGMA incremental_vacuum")
            # Without waiting for readers: while it waits no process could log.
            connection.execute("PRAGMA busy_timeout = 0")
            try:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                timeout_ms = int(self._database.settings.timeout_s * 1000)
                connection.execute(f"PRAGMA busy_timeout = {timeout_ms}")
            left = connection.execute("PRAGMA page_count").fetchone()[0]
            size = connection.execute("PRAGMA page_size").fetchone()[0]
        return CompactionReport(
            points_sealed=points,
            segments_written=written + joined,
            segments_removed=removed,
            blobs_removed=blobs,
            bytes_freed=max(0, freed) + blob_bytes + max(0, pages - left) * size,
        )

    def _remove_rows_of_deleted_runs(self) -> None:
        """Drop what a writer logged that did not know yet that its run is deleted."""
        with self._database.write() as connection:
            connection.execute(
                f"DELETE FROM log WHERE kind != {LOG_MARK} AND run NOT IN (SELECT id FROM runs) "
                "AND seq <= (SELECT value FROM meta WHERE key = 'watermark')"
            )
            keep_sequence(connection)

    def _remove_unused_blobs(self) -> tuple[int, int]:
        present = list(self._blobs.digests())
        if not present:
            return 0, 0
        used = set(self._used_blobs())
        self._database.sync()
        count = size = 0
        for digest in present:
            path = self._blobs.path_of(digest)
            if digest not in used and _age(path) > GRACE_S:
                size += self._blobs.remove(digest)
                count += 1
        return count, size

    def _used_blobs(self) -> Iterator[str]:
        """Yield the hash of every file that an attribute, point or update refers to.

        That of a file whose content has not come is empty.
        """
        with self._database.read() as connection:
            for (digest,) in connection.execute("SELECT digest FROM uploads WHERE digest != ''"):
                yield digest
            codes = [TYPE_CODES[type] for type in FILE_TYPES]
            for (text,) in connection.execute(
                "SELECT value FROM attributes WHERE type IN (?, ?, ?)", codes
            ):
                yield loads(text)[0]
            runs = [
                run
                for (run,) in connection.execute(
                    "SELECT DISTINCT run FROM attributes WHERE type = ?",
                    (TYPE_CODES[AttributeType.FILE_SERIES],),
                )
            ]
            for series in self._series.read(
                connection, runs, None, AttributeType.FILE_SERIES
            ).values():
                for cell in series.values:
                    yield cell[1]
            sealed = self._sealer.read_sealed_events(connection, None).cells
            for column in filter(is_mixed, sealed.schema):
                for cell in to_cells(column, sealed[column.name]):
                    if type(cell) is list and cell[0] == "f":
                        yield cell[1]
            # Rows that are not folded yet may name a file too.
            for (data,) in connection.execute(
                "SELECT data FROM log WHERE shape IS NULL AND data IS NOT NULL AND "
                "(instr(data, '\"f\"') OR instr(data, '\"file') OR instr(data, '\"artifact\"'))"
            ):
                for cell in loads(data).values():
                    if isinstance(cell, list) and cell and cell[0] == "f":
                        yield cell[1]
                    elif isinstance(cell, list) and cell and cell[0] in FILE_TYPES:
                        yield loads(cell[1])[0]

    # checks

    def check(self, *, repair: bool) -> StoreCheck:
        """Look for damage and leftovers."""
        findings: list[Finding] = []
        with self._database.read() as connection:
            for (text,) in connection.execute("PRAGMA quick_check"):
                if text != "ok":
                    findings.append(Finding("error", f"database: {text}"))
            segments = connection.execute(
                "SELECT name, rows, bytes, digest FROM segments"
            ).fetchall()
            conflicts = connection.execute(
                "SELECT runs.run_id, c.path, c.expected, c.got, c.count FROM conflicts c "
                "JOIN runs ON runs.id = c.run"
            ).fetchall()
            views = connection.execute(
                "SELECT p.name, m.value FROM meta m JOIN projects p "
                "ON m.key = 'view_error:' || p.id"
            ).fetchall()
        for project, reason in views:
            findings.append(
                Finding("note", f"the SQL view of table {project} could not be made: {reason}")
            )
        for name, rows, size, digest in segments:
            findings += self._check_segment(name, rows, size, digest)
        for run, path, expected, got, count in conflicts:
            findings.append(
                Finding(
                    "note",
                    f"run {run!r}: {count} values of attribute {self._catalog.name(path)!r} are "
                    f"{TYPES[got]} and not shown, because it is a {TYPES[expected]}",
                )
            )
        findings += self._check_blobs()
        findings += self._check_orphans({name for name, *_ in segments}, repair)
        return StoreCheck(tuple(findings))

    def _check_segment(self, name: str, rows: int, size: int, digest: str) -> Iterator[Finding]:
        path = self._segments.path_of(name)
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size != size:
                    yield Finding("error", f"segment {path} has another size than was written")
                elif _digest(file) != digest:
                    yield Finding("error", f"segment {path} has changed since it was written")
        except OSError as error:
            if not self._is_listed(name):
                return  # a compaction has replaced it meanwhile
            yield Finding("error", f"segment {path} with {rows} rows: {error.strerror}")

    def _is_listed(self, name: str) -> bool:
        with self._database.read() as connection:
            found = connection.execute("SELECT 1 FROM segments WHERE name = ?", (name,)).fetchone()
        return found is not None

    def _check_blobs(self) -> Iterator[Finding]:
        used: list[str] | None = None
        while used is None:
            try:
                used = sorted(set(self._used_blobs()))
            except StoreCorrupt as error:
                missing = isinstance(error, SegmentMissing)
                if missing and not self._is_listed(Path(error.address).name):
                    continue
                yield Finding("error", f"files were not checked: {error}")
                return
        if "" in used:
            used.remove("")
            yield Finding("note", "the content of some files has not been uploaded")
        for digest in used:
            try:
                with self._blobs.open(digest) as file:
                    if _digest(file) != digest:
                        yield Finding("error", f"file {digest} is damaged")
            except MooringError as error:
                yield Finding("error", str(error))

    def _check_orphans(self, known: set[str], repair: bool) -> Iterator[Finding]:
        folders = (self._segments.folder, self._blobs.folder)
        for folder in folders:
            for path in sorted(folder.glob("*")) if folder.is_dir() else ():
                if path.is_dir() or path.name in known or _age(path) < GRACE_S:
                    continue
                if repair:
                    with suppress(FileNotFoundError):
                        path.unlink()
                yield Finding(
                    "warning", f"{path} belongs to nothing (left by a killed process)", repair
                )


def _digest(file: BinaryIO) -> str:
    hasher = hashlib.sha256()
    while chunk := file.read(1 << 20):
        hasher.update(chunk)
    return hasher.hexdigest()


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
