"""Loads runs into GoodSeed's own files, through its package."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mooring.errors import TargetRefused, TargetUnreachable
from mooring.exchange.filling import marks
from mooring.exchange.filling.texts import histogram_json, iso_time
from mooring.exchange.filling.values import plain_value
from mooring.exchange.names import short_digest
from mooring.exchange.packages import require_package
from mooring.exchange.points import doubles, iter_series, numbers
from mooring.exchange.source import FILE_TYPES, SourceFile, SourceRun, SourceValue
from mooring.exchange.target import Capabilities, FoundRun, Inventory, LoadSettings, Lost
from mooring.exchange.targets.goodseed.names import attribute_names, project_name, run_names
from mooring.exchange.targets.goodseed.settings import GoodSeedSettings
from mooring.model import STEP_SCALE, AttributeType, now_micros

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 20_000
_RENAMED = "mooring/renamed"
"""Key of a file's own notes (not of an attribute): names that are not the paths, as JSON."""

CAPABILITIES = Capabilities(
    types=frozenset(AttributeType) - FILE_TYPES - {AttributeType.FILE_SERIES},
    nan=False,
    infinity=True,
    decimal_steps=True,
    negative_steps=True,
    point_times=True,
    microseconds=False,
    run_times=True,
    forks="tag",
    finds_runs=True,
    resumes=True,
    reads_back=True,
    notes=(
        "times of points are whole seconds",
        "a histogram is kept as the text of a string series: JSON with type, edges and values",
        (
            "runs are local files; `goodseed upload` brings them to its server, which was "
            "not tried and, as of 0.4.0, takes whole steps only"
        ),
    ),
)


class GoodSeedTarget:
    """A home folder of GoodSeed."""

    def __init__(self, settings: GoodSeedSettings, load: LoadSettings | None = None) -> None:
        require_package("goodseed", extra="goodseed")
        self._settings = settings
        self._load = load or LoadSettings()

    @property
    def name(self) -> str:
        """`goodseed`."""
        return "goodseed"

    @property
    def address(self) -> str:
        """The home folder."""
        return str(self._settings.home)

    @property
    def capabilities(self) -> Capabilities:
        """What a file of GoodSeed holds."""
        return CAPABILITIES

    def find_run(self, run: SourceRun) -> FoundRun | None:
        """Return the run that an earlier load made of this one, or None."""
        for name in run_names(run, self._load.name_prefix):
            mark = self._read_mark(run, name)
            if mark is not None and mark.is_of(run):
                return FoundRun(self._id(run, name), mark.complete, mark.content)
        return None

    def open_run(
        self, run: SourceRun, values: Mapping[str, SourceValue], *, parent: str | None, found: bool
    ) -> GoodSeedRun:
        """Create the run, or go on with it where `found`."""
        earlier = self.find_run(run) if found else None
        if earlier is not None:
            name = earlier.id.rpartition("/")[2]
        else:
            name = next(
                (
                    name
                    for name in run_names(run, self._load.name_prefix)
                    if not self._file(run, name).exists()
                ),
                "",
            )
            if not name:
                raise TargetRefused(
                    f"{self._file(run, run_names(run, self._load.name_prefix)[0])} and the other "
                    "name that the run could have are files of other runs; load into another "
                    "--goodseed-project or with a --name-prefix",
                    where=self.address,
                    run=run.run_id,
                )
            self._create(run, name, values)
        return GoodSeedRun(self._id(run, name), self._file(run, name), run, values, parent)

    def close(self) -> None:
        """Do nothing: runs close their files."""

    def _project(self, run: SourceRun) -> str:
        return project_name(self._settings.project or run.project)

    def _id(self, run: SourceRun, name: str) -> str:
        return f"{self._project(run)}/{name}"

    def _file(self, run: SourceRun, name: str) -> Path:
        from goodseed.config import get_run_db_path

        return Path(get_run_db_path(self._project(run), name, self._settings.home))

    def _read_mark(self, run: SourceRun, name: str) -> marks.Mark | None:
        from goodseed.storage import read_configs

        file = self._file(run, name)
        if not file.exists():
            return None
        with _told(file, run.run_id):
            return marks.Mark.read(read_configs(file))

    def _create(self, run: SourceRun, name: str, values: Mapping[str, SourceValue]) -> None:
        """Make the file of a run. It is there with its mark, or not at all."""
        import goodseed

        file = self._file(run, name)
        making = self._settings.home / ".mooring" / short_digest(self._project(run), name)
        # It tells on standard output of each run that it opens and closes.
        with _told(file, run.run_id), contextlib.redirect_stdout(io.StringIO()):
            shutil.rmtree(making, ignore_errors=True)  # of a load that was killed
            made = goodseed.Run(
                project=self._project(run),
                run_id=name,
                log_dir=making,
                created_at=None if run.created is None else iso_time(run.created),
                modified_at=_time_of(values, "sys/modification_time"),
                name=_display_name(run),
                storage="local",
                git_ref=False,
                capture_hardware_metrics=False,
                capture_stdout=False,
                capture_stderr=False,
                capture_traceback=False,
            )
            made.log_configs(marks.begun(run))
            made.close(status="failed")
            file.parent.mkdir(parents=True, exist_ok=True)
            (making / file.name).rename(file)
            shutil.rmtree(making, ignore_errors=True)


class GoodSeedRun:
    """A run's file that is being filled. Points and values are committed when a call returns."""

    def __init__(
        self,
        id: str,
        file: Path,
        run: SourceRun,
        values: Mapping[str, SourceValue],
        parent: str | None,
    ) -> None:
        from goodseed.storage import LocalStorage

        self._id = id
        self._file = file
        self._run = run
        self._values = values
        self._parent = parent
        with self._told():
            self._storage = LocalStorage(file)
            given = json.loads(self._storage.get_meta(_RENAMED) or "{}")
        self._names = attribute_names(given)
        self._noted = len(given)

    @property
    def id(self) -> str:
        """Project and id of the run in GoodSeed."""
        return self._id

    def plan_names(self, attributes: Sequence[tuple[str, AttributeType]]) -> Sequence[Lost]:
        """Give all attributes their names, and note them in the file."""
        self._names.plan(path for path, _ in attributes)
        with self._told():
            self._note_names()
        return ()

    def write_values(self, values: Mapping[str, SourceValue]) -> Sequence[Lost]:
        """Write single values as configs; files are not held."""
        from goodseed.utils import serialize_value

        configs: dict[str, tuple[str, str]] = {}
        for path, value in values.items():
            configs[self._names.of(path)] = serialize_value(plain_value(value))
        with self._told():
            self._note_names()
            self._storage.log_configs(configs)
        return ()

    def write_points(self, type: AttributeType, points: pa.Table) -> Sequence[Lost]:
        """Write series of numbers and of text; a histogram becomes text."""
        lost: list[Lost] = []
        for path, series in iter_series(points):
            name = self._names.of(path)
            steps = numbers(series, "step") / STEP_SCALE
            times = numbers(series, "time") // 1_000_000
            with self._told(path):
                self._note_names()
                if type is AttributeType.FLOAT_SERIES:
                    lost += self._write_numbers(path, name, steps, times, doubles(series))
                else:
                    self._write_texts(type, name, steps, times, series)
            if met := int(np.count_nonzero(np.diff(steps) == 0)):
                lost.append(Lost(path, "steps that are one as doubles; the later point stays", met))
        return lost

    def _write_numbers(
        self, path: str, name: str, steps: Any, times: Any, values: Any
    ) -> Sequence[Lost]:
        held = ~np.isnan(values)
        rows = zip(
            [name] * int(held.sum()),
            steps[held].tolist(),
            values[held].tolist(),
            times[held].tolist(),
            strict=True,
        )
        batch = list(rows)
        for start in range(0, len(batch), _BATCH):
            self._storage.log_metric_points(batch[start : start + _BATCH])
        missing = len(values) - len(batch)
        return [Lost(path, "GoodSeed refuses NaN in a metric", missing)] if missing else []

    def _write_texts(
        self, type: AttributeType, name: str, steps: Any, times: Any, series: pa.Table
    ) -> None:
        for start in range(0, len(steps), _BATCH):
            values = series.column("value").slice(start, _BATCH).to_pylist()
            if type is AttributeType.HISTOGRAM_SERIES:
                values = [histogram_json(value) for value in values]
            self._storage.log_string_points(
                [
                    (name, step, value, time)
                    for step, value, time in zip(
                        steps[start : start + _BATCH].tolist(),
                        values,
                        times[start : start + _BATCH].tolist(),
                        strict=True,
                    )
                ]
            )

    def write_file(
        self, path: str, type: AttributeType, step: int | None, file: SourceFile, content: Path
    ) -> Sequence[Lost]:
        """Tell that GoodSeed holds no files."""
        return [Lost(path, "GoodSeed holds no files")]

    def finish(self, *, complete: bool, content: str) -> None:
        """Mark the run and close its file."""
        from goodseed.utils import serialize_value

        failed = not complete or self._values.get("sys/failed") is True
        status = "failed" if failed else "finished"
        closed = _time_of(self._values, "sys/modification_time") or iso_time(now_micros())
        # In the same project, where the id alone names it.
        parent = self._parent.rpartition("/")[2] if self._parent else None
        mark: dict[str, object] = {
            **marks.begun(self._run),
            **marks.ended(self._run, parent, complete=complete, content=content),
            "sys/state": status,
            "sys/closed_time": closed,
        }
        if (step := mark.get(marks.FORK_STEP)) is not None:
            mark[marks.FORK_STEP] = float(str(step))
        with self._told():
            self._storage.set_meta("status", status)
            self._storage.set_meta("closed_at", closed)
            self._storage.log_configs({key: serialize_value(value) for key, value in mark.items()})
            self._storage.checkpoint_wal()
            self._storage.close()

    def read_back(self) -> Inventory | None:
        """Return what the file holds now."""
        from goodseed.storage import read_configs, read_string_series

        with self._told():
            configs = read_configs(self._file)
            points = _count_points(self._file)
            # Through its own reader as well: what that does not see is not there for users.
            if read_string_series(self._file, limit=0)["total"] != points.total_texts:
                raise TargetRefused(
                    f"GoodSeed's own reader sees other text points than {self._file} holds",
                    where=str(self._file),
                    run=self._run.run_id,
                )
        known = frozenset(configs) - marks.ALL - {"sys/closed_time", "sys/state", "sys/id"}
        return Inventory(values=known, points=points.by_name)

    def name_of(self, path: str, type: AttributeType, step: int | None = None) -> str:
        """Return the path in GoodSeed."""
        return self._names.of(path)

    def _note_names(self) -> None:
        renamed = self._names.renamed
        if len(renamed) != self._noted:
            self._storage.set_meta(_RENAMED, json.dumps(renamed, ensure_ascii=False))
            self._noted = len(renamed)

    def _told(self, path: str | None = None) -> contextlib.AbstractContextManager[None]:
        return _told(self._file, self._run.run_id, path)


class _Points:
    """How many points each series of a file has."""

    def __init__(self, numbers: Mapping[str, int], texts: Mapping[str, int]) -> None:
        self.by_name = {**numbers, **texts}
        self.total_texts = sum(texts.values())


def _count_points(file: Path) -> _Points:
    # GoodSeed's package has no counts; it would make a dict of every point.
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    try:
        counts = [
            dict(
                connection.execute(
                    f"SELECT s.path, count(*) FROM {points} p "
                    f"JOIN {series} s ON s.id = p.series_id GROUP BY s.path"
                )
            )
            for points, series in (
                ("metric_points", "metric_series"),
                ("string_points", "string_series"),
            )
        ]
    finally:
        connection.close()
    return _Points(*counts)


def _display_name(run: SourceRun) -> str | None:
    """Return the name, if it is one that GoodSeed takes; else it is in `sys/name` only."""
    name = run.name
    if not name or len(name) > 200 or not name.isprintable():
        return None
    return name


def _time_of(values: Mapping[str, SourceValue], path: str) -> str | None:
    value = values.get(path)
    return value.isoformat() if isinstance(value, datetime) else None


@contextlib.contextmanager
def _told(file: Path, run: str, path: str | None = None) -> Iterator[None]:
    """Turn what GoodSeed and SQLite raise into our errors, which name file, run and attribute."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise TargetUnreachable(
            f"{file}: {error}; see whether another program has it open, and whether the disk has "
            "room",
            where=str(file),
            run=run,
            attribute=path,
        ) from error
    except (sqlite3.Error, OSError, RuntimeError, ValueError) as error:
        if isinstance(error, TargetRefused):
            raise
        raise TargetRefused(f"{file}: {error}", where=str(file), run=run, attribute=path) from error
