"""trackio's SQLite files as a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from mooring.errors import InvalidInput, SourceUnreadable
from mooring.exchange.reading.files import open_file
from mooring.exchange.reading.last_run import LastRunSource
from mooring.exchange.reading.replay import RunReplay, tell_replaced
from mooring.exchange.reading.untouched import open_untouched
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import SourceFile, SourceRun
from mooring.exchange.sources.trackio.values import (
    iter_leaves,
    parse_object,
    parse_time,
    to_point,
    to_value,
)
from mooring.model import STEP_SCALE, AttributeType, ProjectName

if TYPE_CHECKING:
    import sqlite3


_NEEDED = frozenset({"run_name", "timestamp", "step", "metrics"})


def holds_trackio(path: Path) -> bool:
    """Return whether a folder or file looks like trackio's."""
    for file in [path] if path.is_file() else path.glob("*.db"):
        try:
            if _key_column(file):
                return True
        except SourceUnreadable:
            continue
    return False


def open_trackio(path: str | Path, *, project: str | None = None) -> TrackioSource:
    """Open trackio's folder (`TRACKIO_DIR`), or the SQLite file of one project.

    `project` is the one whose runs are wanted, None for all. Raises `SourceUnreadable` when
    nothing of trackio is there.
    """
    only = None if project is None else str(ProjectName.parse(project))
    return TrackioSource(Path(path), only=only)


@dataclass(frozen=True, slots=True)
class _Handle:
    file: Path
    id: str


_Refuse: TypeAlias = Callable[[str, str, str], None]


class TrackioSource(LastRunSource[RunReplay]):
    """Reads the runs of trackio.

    A project is named after its file, in the workspace `local`: trackio keeps no other name. The
    configuration comes below `config/`, measures of the machine below `system/` and alerts as the
    text series `alerts`; nested metrics come below the name of what holds them. Traces, captions
    of media and versioned artifacts have no place in a store and are told of.
    """

    def __init__(self, path: Path, *, only: str | None = None) -> None:
        super().__init__(path.absolute())
        if not path.exists():
            raise SourceUnreadable(f"nothing is at {path}", where=str(path))
        files = [self._address] if path.is_file() else sorted(self._address.glob("*.db"))
        self._projects: dict[str, tuple[Path, str]] = {}
        for file in files:
            try:
                name = str(ProjectName("local", file.stem))
                if only in (None, name) and (key := _key_column(file)):
                    self._projects[name] = (file, key)
            except SourceUnreadable as error:
                self._problems.add(str(file), f"left out: {error}", kind="files")
        if not self._projects:
            named = "; ".join(map(str, self._problems.named))
            raise SourceUnreadable(
                f"{path} has no runs of trackio"
                + (f" in project {only}" if only else "")
                + (f" ({named})" if named else ": no *.db file with its tables"),
                where=str(path),
            )

    def list_projects(self) -> Sequence[str]:
        """Return the full names of all projects, sorted."""
        return sorted(self._projects)

    def list_runs(self, project: str) -> Sequence[SourceRun]:
        """Return all runs of a project, oldest first."""
        if project not in self._projects:
            return []
        file, key = self._projects[project]
        runs: dict[str, SourceRun] = {}
        with open_untouched(file) as connection:
            configured = dict(connection.execute(f"SELECT {key}, created_at FROM configs"))
            named: dict[str, tuple[str, str]] = {}
            for table in ("metrics", "system_metrics"):
                for id, name, first in connection.execute(
                    f"SELECT {key}, run_name, min(timestamp) FROM {table} GROUP BY {key}"
                ):
                    known = named.get(id)
                    named[id] = (name, min(first, known[1]) if known else first)
            for id, name, first in connection.execute(
                f"SELECT {key}, run_name, created_at FROM configs"
            ):
                named.setdefault(id, (name, first))
        for id, (name, first) in named.items():
            try:
                created: int | None = parse_time(min(first, configured.get(id, first)))
            except InvalidInput:
                created = None
            runs[id] = SourceRun(
                project=project, run_id=id, name=name, created=created, handle=_Handle(file, id)
            )
        return sorted(runs.values(), key=lambda run: (run.created or 0, run.run_id))

    def open_file(self, file: SourceFile) -> AbstractContextManager[BinaryIO]:
        """Open the content of a file."""
        return open_file(file.location)

    def _read(self, run: SourceRun, problems: ProblemList) -> RunReplay:
        """Return a run with all that it logged."""
        handle = run.handle
        assert isinstance(handle, _Handle)
        replay = RunReplay()

        def refuse(path: str, where: str, why: str) -> None:
            problems.add(
                f"run {run.run_id}, attribute {path!r} ({where} of {handle.file})",
                f"left out: {why}",
                kind=where.split()[0],
            )

        _, key = self._projects[run.project]
        with open_untouched(handle.file) as connection:
            reader = _Reader(connection, replay, key, handle, refuse)
            reader.read_config()
            reader.read_metrics()
            reader.read_system()
            reader.read_alerts()
            for what, why in reader.list_left_out():
                problems.add(f"run {run.run_id} ({handle.file})", f"{what} left out: {why}")
        tell_replaced(replay, run.run_id, problems)
        return replay


class _Reader:
    """Reads what trackio keeps of one run."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        run: RunReplay,
        key: str,
        handle: _Handle,
        refuse: _Refuse,
    ) -> None:
        self._connection = connection
        self._run = run
        self._key = key
        self._id = handle.id
        self._media = handle.file.parent / "media"
        self._refuse = refuse
        self._captions = 0
        self._tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}

    def _rows(self, columns: str, table: str) -> Iterator[tuple[Any, ...]]:
        if table in self._tables:  # both names are ours, see the callers
            yield from self._connection.execute(
                f"SELECT {columns} FROM {table} WHERE {self._key} = ? ORDER BY id", (self._id,)
            )

    def read_config(self) -> None:
        for number, text in self._rows("id, config", "configs"):
            try:
                config = parse_object(text)
            except InvalidInput as error:
                self._refuse("config", f"configs row {number}", str(error))
                continue
            for path, value in iter_leaves(config, "config/"):
                try:
                    self._run.assign(path, to_value(value))
                except InvalidInput as error:
                    self._refuse(path, f"configs row {number}", str(error))

    def read_metrics(self) -> None:
        for number, time, step, text in self._rows("id, timestamp, step, metrics", "metrics"):
            self._read_row("metrics", "", number, time, step * STEP_SCALE, text)

    def read_system(self) -> None:
        for number, time, text in self._rows("id, timestamp, metrics", "system_metrics"):
            self._read_row("system_metrics", "system/", number, time, None, text)

    def _read_row(
        self, table: str, above: str, number: int, time: str, step: int | None, text: bytes
    ) -> None:
        where = f"{table} row {number}"
        try:
            micros = parse_time(time)
            values = parse_object(text)
        except InvalidInput as error:
            self._refuse(above, where, str(error))
            return
        for path, value in iter_leaves(values, above):
            try:
                type, point = to_point(value, self._media, self._run.type_of(path))
                self._run.append(path, type, step, micros, point)
                if isinstance(value, dict) and value.get("caption"):
                    self._captions += 1
            except (InvalidInput, KeyError, TypeError, ValueError) as error:
                self._refuse(path, where, str(error))

    def read_alerts(self) -> None:
        columns = "id, timestamp, level, title, text, step"
        for number, time, level, title, text, step in self._rows(columns, "alerts"):
            series = self._run.series("alerts", AttributeType.STRING_SERIES)
            micros = series.next_step if step is None else step * STEP_SCALE
            if series.highest is not None and micros <= series.highest:
                micros = series.highest + 1  # several alerts of one step stay apart
            shown = f"{level}: {title}" + (f": {text}" if text else "")
            try:
                series.append(micros, parse_time(time), shown)
            except InvalidInput as error:
                self._refuse("alerts", f"alerts row {number}", str(error))

    def list_left_out(self) -> Iterator[tuple[str, str]]:
        """Yield what a store has no place for."""
        if self._captions:
            yield f"{self._captions} captions of media were", "a store has no place for them"
        if traces := sum(1 for _ in self._rows("id", "traces")):
            yield f"{traces} traces were", "a store has no place for them"
        links = "run_artifact_links"
        if links in self._tables:
            (count,) = self._connection.execute(
                f"SELECT count(*) FROM {links} WHERE {self._key} = ?", (self._id,)
            ).fetchone()
            if count:
                yield f"{count} links to versioned artifacts were", "a store has no place for them"


def _key_column(file: Path) -> str:
    """Return the column that tells runs apart; empty when the file is not trackio's.

    Old versions know runs by their name only.
    """
    with open_untouched(file) as connection:
        columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(metrics)")}
    if not columns >= _NEEDED:
        return ""
    return "run_id" if "run_id" in columns else "run_name"
