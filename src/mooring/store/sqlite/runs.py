"""Projects and runs: creation, identity, queries, trash and deletion."""

from __future__ import annotations

import getpass
import sqlite3
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mooring.errors import (
    AlreadyExists,
    InvalidInput,
    ProjectNotFound,
    RunNotFound,
)
from mooring.model import (
    STEP_SCALE,
    AttributeType,
    ProjectName,
    RunInfo,
    RunKind,
    RunSpec,
    now_micros,
    validate_run_id,
)
from mooring.store.sqlite import experiments, uploads
from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.codec import store_value
from mooring.store.sqlite.database import Database, overtake
from mooring.store.sqlite.holders import INACTIVE
from mooring.store.sqlite.schema import ATTRIBUTE_COLUMNS, TYPE_CODES

if TYPE_CHECKING:
    from mooring.store.sqlite.series import SeriesReader

_COLUMNS = (
    "runs.id, projects.name, runs.sys_id, runs.run_id, runs.kind, runs.created, runs.trashed, "
    "runs.parent, runs.fork_step"
)
_JOIN = "runs JOIN projects ON projects.id = runs.project"
_SERIES_CODES = ", ".join(str(TYPE_CODES[type]) for type in AttributeType if type.is_series)


INHERITED_SYSTEM_PATHS = ("sys/tags", "sys/group_tags", "sys/description")

SYSTEM_PATHS = (
    "sys/id",
    "sys/custom_run_id",
    "sys/name",
    "sys/creation_time",
    "sys/modification_time",
    "sys/ping_time",
    "sys/running_time_seconds",
    "sys/state",
    "sys/owner",
    "sys/description",
    "sys/tags",
    "sys/group_tags",
    "sys/trashed",
    "sys/archived",
    "sys/failed",
    "sys/family",
    "sys/forking/depth",
    "sys/forking/parent",
    "sys/forking/step",
    "sys/experiment/name",
    "sys/experiment/is_head",
)
"""Attributes that the store keeps for every run."""


def _info(row: tuple) -> RunInfo:  # type: ignore[type-arg]
    return RunInfo(
        key=row[0],
        project=row[1],
        sys_id=row[2],
        run_id=row[3],
        kind=RunKind(row[4]),
        created=row[5],
        trashed=bool(row[6]),
        parent=row[7],
        fork_step=row[8],
    )


class RunTable:
    """The projects and runs of a SQLite store."""

    def __init__(self, database: Database, catalog: Catalog) -> None:
        self._database = database
        self._catalog = catalog

    # projects

    def list_projects(self) -> list[str]:
        """Return the names of all projects, sorted."""
        with self._database.read() as connection:
            return [row[0] for row in connection.execute("SELECT name FROM projects ORDER BY name")]

    def project_id(self, connection: sqlite3.Connection, name: str) -> int:
        """Return the number of a project, or raise `ProjectNotFound`."""
        full = str(ProjectName.parse(name))
        row = connection.execute("SELECT id FROM projects WHERE name = ?", (full,)).fetchone()
        if row is None:
            known = [row[0] for row in connection.execute("SELECT name FROM projects")]
            raise ProjectNotFound(full, where=str(self._database.path), known=known)
        return int(row[0])

    def add_project(self, connection: sqlite3.Connection, name: str, *, ensure: bool) -> int:
        """Create a project and return its number."""
        project = ProjectName.parse(name)
        row = connection.execute(
            "SELECT id FROM projects WHERE name = ?", (str(project),)
        ).fetchone()
        if row:
            if not ensure:
                raise AlreadyExists(f"project {str(project)!r} exists already")
            return int(row[0])
        key = base = project.suggest_key()
        number = 1
        while connection.execute("SELECT 1 FROM projects WHERE key = ?", (key,)).fetchone():
            number += 1
            key = f"{base}{number}"
        cursor = connection.execute(
            "INSERT INTO projects (name, key, created) VALUES (?, ?, ?)",
            (str(project), key, now_micros()),
        )
        return int(cursor.lastrowid or 0)

    # runs

    def create(self, spec: RunSpec, reader: SeriesReader) -> RunInfo:
        """Create a run with its system attributes and, of a fork, what it inherits."""
        with self._database.write() as connection:
            run = self.insert(connection, spec, reader)
            if spec.name is not None:
                name_value = store_value("sys/name", AttributeType.STRING, spec.name)
                self.set_system(
                    connection, run.key, {"sys/name": (AttributeType.STRING, name_value)}
                )
                experiments.enter(connection, self._catalog, run.key, str(name_value))
        return run

    def insert(
        self, connection: sqlite3.Connection, spec: RunSpec, reader: SeriesReader
    ) -> RunInfo:
        """Enter a run, yet without its name, in the transaction of the caller."""
        run_id = uuid.uuid4().hex if spec.run_id is None else validate_run_id(spec.run_id)
        created = now_micros() if spec.created is None else spec.created
        project = self.add_project(connection, spec.project, ensure=True)
        if connection.execute(
            "SELECT 1 FROM runs WHERE project = ? AND run_id = ?", (project, run_id)
        ).fetchone():
            raise AlreadyExists(
                f"run {run_id!r} exists already in project {spec.project!r}; resume it, or "
                "give another run_id"
            )
        parent = self._parent(connection, spec)
        fork_step = self._fork_step(connection, spec, parent)
        name, sys_id = self._number(connection, project, spec.sys_id)
        run = int(
            connection.execute(
                "INSERT INTO runs (project, kind, sys_id, run_id, created, parent, fork_step) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (project, str(spec.kind), sys_id, run_id, created, spec.parent, fork_step),
            ).lastrowid
            or 0
        )
        self.set_system(connection, run, self._system_values(spec, sys_id, run_id, created))
        if parent is not None:
            self._inherit(connection, run, parent, fork_step or 0, spec, reader)
            uploads.inherit(connection, run, parent.key)
            overtake(connection)
        return RunInfo(
            key=run,
            project=name,
            sys_id=sys_id,
            run_id=run_id,
            kind=spec.kind,
            created=created,
            parent=spec.parent,
            fork_step=fork_step,
        )

    @staticmethod
    def _number(
        connection: sqlite3.Connection, project: int, wanted: str | None
    ) -> tuple[str, str]:
        """Return the project's name and a short id that is free in it: `wanted` if it is."""
        name, key, last = connection.execute(
            "SELECT name, key, last_number FROM projects WHERE id = ?", (project,)
        ).fetchone()
        taken = "SELECT 1 FROM runs WHERE project = ? AND sys_id = ?"
        if wanted is not None and not connection.execute(taken, (project, wanted)).fetchone():
            prefix, _, digits = wanted.rpartition("-")
            number = int(digits) if digits.isascii() and digits.isdigit() else 0
            if prefix and not last and number and prefix != key:
                # The first run brings the key that the project had where it comes from.
                connection.execute(
                    "UPDATE OR IGNORE projects SET key = ? WHERE id = ? AND NOT EXISTS "
                    "(SELECT 1 FROM projects WHERE key = ?)",
                    (prefix, project, prefix),
                )
            if 0 < number < 2**62:
                connection.execute(
                    "UPDATE projects SET last_number = max(last_number, ?) WHERE id = ?",
                    (number, project),
                )
            return name, wanted
        number = last + 1
        while connection.execute(taken, (project, f"{key}-{number}")).fetchone():
            number += 1
        connection.execute("UPDATE projects SET last_number = ? WHERE id = ?", (number, project))
        return name, f"{key}-{number}"

    def _parent(self, connection: sqlite3.Connection, spec: RunSpec) -> RunInfo | None:
        if spec.parent is None:
            if spec.fork_step is not None:
                raise InvalidInput("a fork step needs a parent run")
            return None
        return self.get(connection, [spec.parent])[0]

    @staticmethod
    def _fork_step(
        connection: sqlite3.Connection, spec: RunSpec, parent: RunInfo | None
    ) -> int | None:
        if parent is None or spec.fork_step is not None:
            return spec.fork_step
        row = connection.execute(
            "SELECT last_step FROM run_state WHERE run = ?", (parent.key,)
        ).fetchone()
        return row[0] if row and row[0] is not None else 0

    @staticmethod
    def _system_values(
        spec: RunSpec, sys_id: str, run_id: str, created: int
    ) -> dict[str, tuple[AttributeType, object]]:
        try:
            owner = spec.owner or getpass.getuser()
        except (KeyError, OSError):
            owner = "unknown"
        values: dict[str, tuple[AttributeType, object]] = {
            "sys/id": (AttributeType.STRING, sys_id),
            "sys/custom_run_id": (AttributeType.STRING, run_id),
            "sys/owner": (AttributeType.STRING, owner),
            "sys/family": (AttributeType.STRING, run_id),
            "sys/forking/depth": (AttributeType.INT, 0),
            "sys/running_time_seconds": (AttributeType.FLOAT, 0.0),
            "sys/state": (AttributeType.RUN_STATE, INACTIVE),
        }
        for path in ("sys/trashed", "sys/archived", "sys/failed"):
            values[path] = (AttributeType.BOOL, 0)
        for path in ("sys/tags", "sys/group_tags"):
            values[path] = (AttributeType.STRING_SET, "[]")
        for path in ("sys/creation_time", "sys/modification_time", "sys/ping_time"):
            values[path] = (AttributeType.DATETIME, created)
        return values

    def set_system(
        self,
        connection: sqlite3.Connection,
        run: int,
        values: dict[str, tuple[AttributeType, object]],
    ) -> None:
        """Set attributes below `sys/`, given with their stored forms."""
        connection.executemany(
            "INSERT OR REPLACE INTO attributes (path, run, type, value) VALUES (?, ?, ?, ?)",
            (
                (self._catalog.system(path), run, TYPE_CODES[type], value)
                for path, (type, value) in values.items()
            ),
        )

    def _inherit(
        self,
        connection: sqlite3.Connection,
        run: int,
        parent: RunInfo,
        fork_step: int,
        spec: RunSpec,
        reader: SeriesReader,
    ) -> None:
        from mooring.store.sqlite.aggregates import series_row
        from mooring.store.sqlite.fold import REPLACE_ATTRIBUTE

        family, depth = (
            connection.execute(
                "SELECT value FROM attributes WHERE path = ? AND run = ?",
                (self._catalog.system(path), parent.key),
            ).fetchone()[0]
            for path in ("sys/family", "sys/forking/depth")
        )
        self.set_system(
            connection,
            run,
            {
                "sys/family": (AttributeType.STRING, family),
                "sys/forking/depth": (AttributeType.INT, depth + 1),
                "sys/forking/parent": (AttributeType.STRING, parent.run_id),
                "sys/forking/step": (AttributeType.FLOAT, fork_step / STEP_SCALE),
            },
        )
        connection.execute(
            "INSERT OR REPLACE INTO run_state VALUES (?, ?, NULL, 0, 0)", (run, fork_step)
        )
        rest = ", ".join(ATTRIBUTE_COLUMNS[2:])
        copy = f"INSERT OR REPLACE INTO attributes (path, run, {rest}) SELECT path, ?, {rest} "
        connection.execute(
            f"{copy} FROM attributes WHERE run = ? AND type IN ({_SERIES_CODES}) "
            "AND last_step <= ?",
            (run, parent.key, fork_step),
        )
        cut: dict[int, list[int]] = {}
        for path, code in connection.execute(
            f"SELECT path, type FROM attributes WHERE run = ? AND type IN ({_SERIES_CODES}) "
            "AND first_step <= ? AND last_step > ?",
            (parent.key, fork_step, fork_step),
        ):
            cut.setdefault(code, []).append(path)
        types = {code: type for type, code in TYPE_CODES.items()}
        for code, paths in cut.items():
            series = reader.read(connection, [run], paths, types[code])
            connection.executemany(REPLACE_ATTRIBUTE, map(series_row, series.values()))
        if spec.inherit_attributes or spec.inherit_tags:
            kept = [self._catalog.system(path) for path in INHERITED_SYSTEM_PATHS]
            wanted = f"path IN ({', '.join('?' * len(kept))})"
            if spec.inherit_attributes:
                wanted += " OR path NOT IN (SELECT id FROM paths WHERE path GLOB 'sys/*')"
            connection.execute(
                f"{copy} FROM attributes WHERE run = ? AND type NOT IN ({_SERIES_CODES}) AND "
                f"({wanted})",
                (run, parent.key, *kept),
            )

    def find(
        self, connection: sqlite3.Connection, project: str, run_id: str | None, sys_id: str | None
    ) -> RunInfo | None:
        """Return the run of this id, or None."""
        if (run_id is None) == (sys_id is None):
            raise InvalidInput("give either run_id or sys_id")
        column = "run_id" if sys_id is None else "sys_id"
        row = connection.execute(
            f"SELECT {_COLUMNS} FROM {_JOIN} WHERE runs.project = ? AND runs.{column} = ?",
            (self.project_id(connection, project), run_id if sys_id is None else sys_id),
        ).fetchone()
        return _info(row) if row else None

    def get(self, connection: sqlite3.Connection, keys: Sequence[int]) -> list[RunInfo]:
        """Return the runs of these keys; `RunNotFound` when one does not exist."""
        found: dict[int, RunInfo] = {}
        for start in range(0, len(keys), 500):
            batch = list(keys[start : start + 500])
            marks = ",".join("?" * len(batch))
            for row in connection.execute(
                f"SELECT {_COLUMNS} FROM {_JOIN} WHERE runs.id IN ({marks})", batch
            ):
                found[row[0]] = _info(row)
        for key in keys:
            if key not in found:
                raise RunNotFound(str(key), where=str(self._database.path))
        return [found[key] for key in keys]

    # trash

    def set_trashed(self, keys: Sequence[int], trashed: bool) -> None:
        """Move runs to the trash or out of it."""
        with self._database.write() as connection:
            self.get(connection, keys)
            self.trash(connection, keys, trashed)

    def trash(self, connection: sqlite3.Connection, keys: Sequence[int], trashed: bool) -> None:
        """Move runs to the trash or out of it, in the transaction of the caller."""
        overtake(connection)  # lists that are kept do not show it
        path = self._catalog.system("sys/trashed")
        for key in keys:
            connection.execute("UPDATE runs SET trashed = ? WHERE id = ?", (trashed, key))
            connection.execute(
                "UPDATE attributes SET value = ? WHERE path = ? AND run = ?",
                (int(trashed), path, key),
            )
