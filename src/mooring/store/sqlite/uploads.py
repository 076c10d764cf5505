"""Uploads, and what refers to them. See `mooring.store.uploads`.

What a SIGKILL leaves behind: an upload with all that it gives is one transaction. A reference is
entered before the update that writes it: alone it does nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence

from mooring.errors import InvalidInput, ProjectNotFound, RunNotFound, StoreLocked
from mooring.model import AttributeType, FileRef, now_micros
from mooring.store.cells import dumps, encode_text, file_cells, loads
from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.database import Database
from mooring.store.sqlite.schema import (
    LOG_ASSIGN,
    LOG_CHANGE_SET,
    LOG_DELETE,
    LOG_POINTS,
    TYPE_CODES,
)
from mooring.store.sqlite.writer import INSERT_ROW
from mooring.store.uploads import AwaitedFile, Upload

SINGLE = -(2**63)
"""The step of a reference that is no point."""
KEEP_S = 7 * 86_400
"""How long a compaction leaves what waits for its other side."""

_FILE, _SERIES = (TYPE_CODES[type] for type in (AttributeType.FILE, AttributeType.FILE_SERIES))
_WAITING = "SELECT run, attribute, step, mime, time, digest FROM file_references WHERE "
_ENTER = (
    "INSERT INTO uploads (project, path, digest, size, id, due, time) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (project, path)"
)
"""`due`: how many more references to the path there were than uploads."""
_TRIES = 100
_Reference = tuple[int, int, int, str, int, str]


class _Behind(Exception):
    """Something was logged that the derived tables do not show yet."""


class Uploads:
    """Enters uploads and references. Any thread may call."""

    def __init__(self, database: Database, catalog: Catalog, fold: Callable[[], None]) -> None:
        self._database = database
        self._catalog = catalog
        self._fold = fold

    def expect(self, run: int, project: str, files: Sequence[AwaitedFile]) -> None:
        """Enter references. See `TakesUploads.await_files`."""
        for file in files:
            _check(file)
        ids = self._catalog.intern([file.attribute for file in files])
        with self._database.write() as connection:
            number = _project(connection, project)
            if not connection.execute("SELECT 1 FROM runs WHERE id = ?", (run,)).fetchone():
                raise RunNotFound(str(run))
            for id, file in zip(ids, files, strict=True):
                step = SINGLE if file.step is None else file.step
                fact = (number, file.upload, file.time)
                before = connection.execute(
                    "SELECT project, path, time FROM file_references "
                    "WHERE run = ? AND attribute = ? AND step = ?",
                    (run, id, step),
                ).fetchone()
                if before != fact:
                    connection.execute(
                        "INSERT OR REPLACE INTO file_references (run, attribute, step, project, "
                        "path, time, mime, entered, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '')",
                        (run, id, step, *fact, file.mime_type, now_micros()),
                    )
                    connection.execute(
                        f"{_ENTER} DO UPDATE SET due = due + 1",
                        (number, file.upload, "", 0, "", 1, now_micros()),
                    )

    def give(self, run: int, project: str, paths: Sequence[str]) -> None:
        """Give references what came before. See `TakesUploads.give_uploads`."""
        if not self.find(project, paths):
            return

        def enter(connection: sqlite3.Connection) -> None:
            number = _project(connection, project)
            # Each is looked for before any is given: what is given lies in the log, unfolded.
            found: list[tuple[str, Upload, Sequence[_Reference]]] = []
            for path, digest, size, due in connection.execute(
                "SELECT path, digest, size, due FROM uploads WHERE project = ? "
                "AND path IN (SELECT value FROM json_each(?)) AND digest != ''",
                (number, json.dumps(list(paths))),
            ).fetchall():
                waiting = connection.execute(
                    f"{_WAITING} project = ? AND path = ? AND "
                    "CASE digest WHEN '' THEN ? <= 0 ELSE run = ? END",
                    (number, path, due, run),
                ).fetchall()
                found.append((path, Upload(digest, size), waiting))
            _check_current(connection, [one for *_, waiting in found for one in waiting])
            for each in found:
                self._give(connection, *each)

        self._in_step(enter)

    def enter(self, project: str, path: str, upload: Upload) -> None:
        """Enter content that came. See `TakesUploads.enter_upload`."""
        encode_text("upload", path)

        def enter(connection: sqlite3.Connection) -> None:
            number = _project(connection, project)
            last = connection.execute(
                "SELECT digest, id FROM uploads WHERE project = ? AND path = ?", (number, path)
            ).fetchone()
            if upload.id and last == (upload.digest, upload.id):
                return  # it is here already, and what waited for it has it
            waiting = connection.execute(
                f"{_WAITING} project = ? AND path = ?", (number, path)
            ).fetchall()
            _check_current(connection, waiting)
            self._give(connection, path, upload, waiting)
            connection.execute(
                f"{_ENTER} DO UPDATE SET digest = excluded.digest, size = excluded.size, "
                "id = excluded.id, time = excluded.time, due = due - 1",
                (number, path, upload.digest, upload.size_bytes, upload.id, -1, now_micros()),
            )

        self._in_step(enter)

    def find(self, project: str, paths: Iterable[str]) -> dict[str, Upload]:
        """Return what paths stand for. See `TakesUploads.find_uploads`."""
        with self._database.read() as connection:
            return {
                path: Upload(digest, size, id)
                for path, digest, size, id in connection.execute(
                    "SELECT u.path, u.digest, u.size, u.id FROM projects p JOIN uploads u "
                    "ON u.project = p.id WHERE p.name = ? "
                    "AND u.path IN (SELECT value FROM json_each(?)) AND u.digest != ''",
                    (project, json.dumps(list(paths))),
                )
            }

    def _in_step(self, action: Callable[[sqlite3.Connection], None]) -> None:
        """Do something in a transaction that sees in the derived tables all that is logged."""
        for _ in range(_TRIES):
            self._fold()
            try:
                with self._database.write() as connection:
                    action(connection)
                return
            except _Behind:
                continue
        raise StoreLocked(f"{self._database.path}: others log faster than this can be entered")

    def _give(
        self,
        connection: sqlite3.Connection,
        path: str,
        upload: Upload,
        waiting: Sequence[_Reference],
    ) -> None:
        """Write content into what refers to it, of which the log holds nothing unfolded."""
        for run, attribute, step, mime, time, before in waiting:
            row = connection.execute(
                "SELECT type, value FROM attributes WHERE path = ? AND run = ?", (attribute, run)
            ).fetchone()
            if row is None or row[0] != (_FILE if step == SINGLE else _SERIES):
                continue
            file = FileRef(upload.digest, upload.size_bytes, mime, path)
            cells = file_cells(path, file)
            if step == SINGLE:
                held = FileRef(*loads(row[1]))
                if held.name != path or held.digest not in ("", before):
                    continue  # somebody set another file
                if held.digest != upload.digest:
                    data = dumps({str(attribute): [AttributeType.FILE, dumps(cells).decode()]})
                    connection.execute(
                        INSERT_ROW, (run, LOG_ASSIGN, None, now_micros(), None, data)
                    )
            else:
                data = dumps({str(attribute): ["f", *cells]})
                connection.execute(INSERT_ROW, (run, LOG_POINTS, step, time, None, data))
            connection.execute(
                "UPDATE file_references SET digest = ? WHERE run = ? AND attribute = ? "
                "AND step = ?",
                (upload.digest, run, attribute, step),
            )


def inherit(connection: sqlite3.Connection, run: int, parent: int) -> None:
    """Let a fork wait for the files that its parent waits for, in the values it inherited."""
    connection.execute(
        "INSERT INTO file_references (run, attribute, step, project, path, mime, time, entered, "
        "digest) SELECT ?1, attribute, step, project, path, mime, time, entered, digest "
        "FROM file_references f WHERE run = ?2 AND step = ?3 AND EXISTS ("
        "SELECT 1 FROM attributes a WHERE a.path = f.attribute AND a.run = ?1)",
        (run, parent, SINGLE),
    )


def drop_old(connection: sqlite3.Connection) -> None:
    """Forget references of what was deleted, and uploads that nothing refers to any more."""
    before = now_micros() - KEEP_S * 1_000_000
    connection.execute(
        "DELETE FROM file_references WHERE entered < ? AND NOT EXISTS (SELECT 1 FROM attributes a "
        "WHERE a.path = attribute AND a.run = file_references.run)",
        (before,),
    )
    connection.execute(
        "DELETE FROM uploads WHERE time < ? AND NOT EXISTS (SELECT 1 FROM file_references f "
        "WHERE f.project = uploads.project AND f.path = uploads.path)",
        (before,),
    )


def _check(file: AwaitedFile) -> None:
    for text in (file.upload, file.mime_type):
        if not isinstance(text, str):
            raise InvalidInput(f"path and type of an upload are texts, not {text!r:.80}")
        encode_text(file.attribute, text)


def _project(connection: sqlite3.Connection, name: str) -> int:
    row = connection.execute("SELECT id FROM projects WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise ProjectNotFound(name)
    return int(row[0])


def _check_current(connection: sqlite3.Connection, waiting: Iterable[_Reference]) -> None:
    """Raise `_Behind` where the log holds what could have changed or removed a file."""
    runs = sorted({reference[0] for reference in waiting})
    if connection.execute(
        "SELECT 1 FROM log WHERE seq > (SELECT value FROM meta WHERE key = 'watermark') "
        "AND run IN (SELECT value FROM json_each(?)) AND (kind IN (?, ?, ?) OR "
        "(kind = ? AND shape IS NULL)) LIMIT 1",
        (json.dumps(runs), LOG_ASSIGN, LOG_CHANGE_SET, LOG_DELETE, LOG_POINTS),
    ).fetchone():
        raise _Behind
