"""`Neptune3Source`: the projects of a Neptune 3 server."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from mooring.errors import InvalidName, InvalidStep, TargetUnreachable
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import (
    RunExtras,
    SourceFile,
    SourceRun,
    SourceSeries,
    SourceValue,
)
from mooring.exchange.sources.neptune3.points import PROBED, fetch_points, to_micros
from mooring.exchange.sources.neptune3.reading import Column, Reader, RunName
from mooring.exchange.sources.neptune3.server import Neptune3Server
from mooring.model import (
    AttributeType,
    micros_from_datetime,
    step_to_micros,
    validate_run_id,
)

_AHEAD = 8
_THREADS = 4
_STORED = re.compile(r"[0-9a-f]{64}")
_OF_SERVER = frozenset({"sys/size"})
"""Attributes that tell of the server and not of the run: this one changes when it tidies up."""
_SERIES = {str(type): type for type in AttributeType if type.is_series}


@dataclass(slots=True)
class _Known:
    """What was read of a run, and is kept for what is asked next.

    Attributes
    ----------
    own : series that the run itself has points of; None until it is asked
    previews : provisional points, which are asked together with `own`
    """

    values: dict[str, SourceValue]
    series: dict[str, AttributeType]
    own: set[str] | None = None
    previews: pa.Table | None = None


class Neptune3Source:
    """Reads the runs of a Neptune 3 server, or of a hub, through `neptune-query`.

    The server and the user are those of the token in `NEPTUNE_API_TOKEN`. All attributes come,
    with the types of Neptune 3; a fork has its own points, and names its parent; previews come as
    such. What the protocol does not tell cannot come: times are in milliseconds, steps are doubles
    (exact to a millionth up to 8·10^9), and of a file its media type and size.

    Values of the next runs are fetched ahead, by a few threads; points in blocks; files one by
    one, as they are opened, and their sizes are compared with what the server told.

    Parameters
    ----------
    address : the server, as in the token
    """

    def __init__(self, address: str) -> None:
        self._server = Neptune3Server(address)
        self._reader = Reader(self._server)
        self._problems = ProblemList()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="mooring-neptune3")
        self._tables: OrderedDict[RunName, Future[dict[str, tuple[str, Any]]]] = OrderedDict()
        self._known: OrderedDict[RunName, _Known] = OrderedDict()
        self._listed: list[RunName] = []
        self._places: dict[RunName, int] = {}
        self._next = 0
        try:
            self._server.check()
        except BaseException:
            self.close()
            raise

    @property
    def address(self) -> str:
        """Where the server is."""
        return self._server.address

    @property
    def problems(self) -> ProblemList:
        """What could not be read so far."""
        return self._problems

    def list_projects(self) -> Sequence[str]:
        """Return the projects that the server lists to the token's user, sorted."""
        return self._server.list_projects()

    def has_project(self, project: str) -> bool:
        """Return whether there is a project, listed or not, that the token may read."""
        return self._server.has_project(project)

    def list_runs(self, project: str) -> Sequence[SourceRun]:
        """Return all runs of a project, those in its trash too, oldest first."""
        found: dict[str, SourceRun] = {}
        for trashed in (False, True):
            for head in self._reader.list_heads(project, trashed=trashed):
                run = self._describe(project, head, trashed=trashed)
                if run is not None:
                    found[run.run_id] = run
        runs = sorted(found.values(), key=lambda run: (run.created or 0, run.sys_id or ""))
        start = len(self._listed)
        self._listed += map(_name, runs)
        self._places.update((_name(run), start + at) for at, run in enumerate(runs))
        return runs

    def read_values(self, run: SourceRun) -> Mapping[str, SourceValue]:
        """Return all attributes of a run that are no series."""
        return dict(self._read(run).values)

    def list_series(self, run: SourceRun) -> Sequence[SourceSeries]:
        """Return the series of a run; their numbers of points are not known before they are read.

        Of a fork those that have points of its own.
        """
        known = self._read(run)
        own = self._read_own(run, known)
        return [SourceSeries(path, known.series[path]) for path in sorted(own)]

    def read_points(
        self, run: SourceRun, type: AttributeType, paths: Sequence[str] | None = None
    ) -> pa.Table:
        """Return the points of a run's own series of one type."""
        series = self._read(run).series
        wanted = sorted(series) if paths is None else paths
        chosen = [path for path in wanted if series.get(path) is type]
        name = _name(run)

        def locate(file: Any) -> dict[str, object]:
            found = _source_file(run.project, file)
            return {
                "location": found.location,
                "name": found.name,
                "mime_type": found.mime_type,
                "size_bytes": found.size_bytes,
                "digest": None,
            }

        return fetch_points(self._reader, name, type, chosen, locate, self._problems)

    def read_extras(self, run: SourceRun) -> RunExtras:
        """Return the provisional points of a run."""
        known = self._read(run)
        self._read_own(run, known)
        return RunExtras(previews=known.previews)

    @contextmanager
    def open_file(self, file: SourceFile) -> Iterator[BinaryIO]:
        """Download a file, and open it."""
        project, path = json.loads(file.location)
        with (
            self._reader.download(
                project, path, mime_type=file.mime_type, size_bytes=file.size_bytes or 0
            ) as local,
            local.open("rb") as content,
        ):
            yield content

    def close(self) -> None:
        """End the threads. Idempotent."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._tables.clear()
        self._known.clear()
        self._listed, self._places = [], {}
        self._reader.close()

    def _describe(
        self, project: str, head: Mapping[str, Any], *, trashed: bool
    ) -> SourceRun | None:
        run_id = str(head["sys/custom_run_id"])
        try:
            validate_run_id(run_id)
            step = head.get("sys/forking/step")
            fork_step = None if step is None else step_to_micros(step)
        except (InvalidName, InvalidStep) as error:
            self._problems.add(f"run {run_id!r} of {project}", f"left out: {error}", kind="runs")
            return None
        created = head.get("sys/creation_time")
        return SourceRun(
            project=project,
            run_id=run_id,
            sys_id=head.get("sys/id"),
            name=head.get("sys/name"),
            created=None if created is None else micros_from_datetime(created.to_pydatetime()),
            parent=head.get("sys/forking/parent"),
            fork_step=fork_step,
            trashed=trashed or bool(head.get("sys/archived") or head.get("sys/trashed")),
            handle=trashed or bool(head.get("sys/trashed")),
        )

    # what is read of a run

    def _read(self, run: SourceRun) -> _Known:
        name = _name(run)
        if name not in self._known:
            self._known[name] = self._take_table(run, self._fetch_table(name))
            while len(self._known) > _AHEAD:
                self._known.popitem(last=False)
        return self._known[name]

    def _fetch_table(self, name: RunName) -> dict[str, tuple[str, Any]]:
        """Return the attributes of a run.

        Those of the next ones are asked for meanwhile, where runs are read as they were listed.
        """
        at = self._places.get(name, 0)
        follows, self._next = at == self._next, at + 1
        found = self._tables.pop(name, None)
        for each in self._listed[at + 1 : at + _AHEAD] if follows or found else ():
            if each not in self._tables and each not in self._known:
                self._tables[each] = self._threads.submit(self._reader.read_table, each)
        while len(self._tables) > 2 * _AHEAD:
            self._tables.popitem(last=False)[1].cancel()
        if found is not None:
            try:
                return found.result()
            except TargetUnreachable:
                pass  # a while ago; it may answer now
        return self._reader.read_table(name)

    def _take_table(self, run: SourceRun, table: Mapping[str, tuple[str, Any]]) -> _Known:
        known = _Known({}, {})
        for path, (type, value) in table.items():
            if path in _OF_SERVER:
                continue
            if type in _SERIES:
                known.series[path] = _SERIES[type]
            else:
                known.values[path] = _source_value(run.project, type, value)
        return known

    def _read_own(self, run: SourceRun, known: _Known) -> Collection[str]:
        """Return the series that a run itself has points of; previews are noted by the way."""
        if known.own is None:
            name = _name(run)
            own = set(known.series) if run.parent is None else set()
            open_ended: list[str] = []
            for type in dict.fromkeys(known.series.values()):
                paths = sorted(path for path, found in known.series.items() if found is type)
                for start in range(0, len(paths), PROBED):
                    some = paths[start : start + PROBED]
                    if type is AttributeType.FLOAT_SERIES:
                        ends = self._reader.read_numbers(name, some, most=1, previews=True)
                        open_ended += [end.path for end in ends if _is_preview(end).any()]
                    elif run.parent is not None:
                        ends = self._reader.read_objects(name, type, some, most=1)
                    else:
                        continue
                    own.update(end.path for end in ends)
            tables = []
            for column, alone in self._iter_previews(name, open_ended):
                if alone:  # a series of previews alone has no points
                    own.discard(column.path)
                tables.append(_previews_of(column))
            if tables:
                order = [("path", "ascending"), ("step", "ascending")]
                known.previews = pa.concat_tables(tables).sort_by(order)
            known.own = own
        return known.own

    def _iter_previews(self, name: RunName, paths: Sequence[str]) -> Iterator[tuple[Column, bool]]:
        """Yield the provisional points of series, which come last, and whether these are all."""
        most = 100
        while paths:
            longer = []
            for column in self._reader.read_numbers(name, paths, most=most, previews=True):
                alone = bool(_is_preview(column).all())
                if alone and len(column.steps) >= most:
                    longer.append(column.path)  # there may be more of them before
                else:
                    yield column, alone
            paths, most = longer, most * 10


def _previews_of(column: Column) -> pa.Table:
    """Return the provisional points among those of a series."""
    steps, fits = to_micros(column.steps)
    kept = _is_preview(column) & fits
    return pa.table(
        {
            "path": pa.array([column.path] * int(kept.sum()), pa.string()),
            "step": steps[kept],
            "time": column.times[kept],
            "value": column.values[kept].astype(np.float64),
            "completion": column.completions[kept],
        }
    )


def _is_preview(column: Column) -> np.ndarray:
    provisional: np.ndarray = ~np.isnan(column.completions)
    return provisional


def _name(run: SourceRun) -> RunName:
    return RunName(run.project, run.run_id, bool(run.handle))


def _source_value(project: str, type: str, value: Any) -> SourceValue:
    match type:
        case "int":
            return int(value)
        case "float":
            return float(value)
        case "bool":
            return bool(value)
        case "string_set":
            return frozenset(value)
        case "datetime":
            moment: datetime = value.to_pydatetime() if hasattr(value, "to_pydatetime") else value
            return moment
        case "file":
            return _source_file(project, value)
    return str(value)


def _source_file(project: str, file: Any) -> SourceFile:
    """Return a file as a source tells it.

    Its name is the last part of its path in the server's storage. A hub's own paths are the digest
    of the content and then the name.
    """
    first, _, rest = file.path.partition("/")
    name = rest if _STORED.fullmatch(first) else file.path.rpartition("/")[2]
    return SourceFile(
        location=json.dumps([project, file.path]),
        name=name,
        mime_type=file.mime_type,
        size_bytes=file.size_bytes,
    )
