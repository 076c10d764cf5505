"""What `neptune-query` is asked, and what it answers, as plain values and NumPy columns."""

from __future__ import annotations

import importlib
import os
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mooring.errors import SourceUnreadable, TargetUnreachable
from mooring.exchange.packages import require_package
from mooring.exchange.sources.neptune3.server import (
    PATIENCE_VARIABLE,
    TOKEN_VARIABLE,
    Neptune3Server,
    patience,
)
from mooring.model import AttributeType

if TYPE_CHECKING:
    import pandas as pd

_CUSTOM_ID = "sys/custom_run_id"
_HEAD = (
    "sys/id",
    "sys/name",
    "sys/creation_time",
    "sys/forking/parent",
    "sys/forking/step",
    "sys/archived",
    "sys/trashed",
)
_STYLES = re.compile(r"\x1b\[[0-9;]*m")
_NUMBERS = "float_series"
_TYPES = (
    "float",
    "int",
    "string",
    "bool",
    "datetime",
    "string_set",
    "file",
    _NUMBERS,
    "string_series",
    "histogram_series",
    "file_series",
)


@dataclass(frozen=True, slots=True)
class RunName:
    """How a run is asked for."""

    project: str
    run_id: str
    trashed: bool


@dataclass(frozen=True, slots=True)
class Column:
    """Points of one series, ascending: steps as the server tells them, times in microseconds.

    `completions` is NaN where a point is none of the provisional ones.
    """

    path: str
    steps: np.ndarray
    times: np.ndarray
    values: np.ndarray
    completions: np.ndarray


class Reader:
    """Reads a server through `neptune_query.runs`. Any thread may use it.

    Errors: `TargetUnreachable` when the server is away for longer than is waited, and from then on
    at once, until it answers again; `SourceUnreadable` for what it refuses.
    """

    def __init__(self, server: Neptune3Server) -> None:
        package = require_package("neptune_query", extra="neptune3", package="neptune-query")
        self._runs: Any = importlib.import_module("neptune_query.runs")
        self._filters: Any = importlib.import_module("neptune_query.filters")
        self._types: Any = importlib.import_module("neptune_query.types")
        self._server = server
        self._patience_s = patience()
        self._set = not os.environ.get(PATIENCE_VARIABLE)
        if self._set:  # the package reads it at each request; its own default is half an hour
            os.environ[PATIENCE_VARIABLE] = str(self._patience_s)
        self._away = threading.Event()
        package.set_api_token(server.token)

    def close(self) -> None:
        """Take back what was set in the environment. Idempotent."""
        if self._set:
            os.environ.pop(PATIENCE_VARIABLE, None)
            self._set = False

    def list_heads(self, project: str, *, trashed: bool) -> list[dict[str, Any]]:
        """Return what identifies each run of a project, oldest first; or each in its trash."""
        chosen = self._in_trash() if trashed else None
        with self._answering(project):
            frame = self._runs.fetch_runs_table(
                project=project,
                runs=chosen,
                attributes=list(_HEAD),
                sort_direction="asc",
                type_suffix_in_column_names=True,
            )
        rows = _records(frame)
        return [{_CUSTOM_ID: id} | row for id, row in zip(frame.index, rows, strict=True)]

    def read_table(self, run: RunName) -> dict[str, tuple[str, Any]]:
        """Return type and value of each attribute of a run; of a series the last value, or None."""
        chosen = self._filters.AttributeFilter(type=list(_TYPES))
        numbers = self._filters.AttributeFilter(type=[_NUMBERS])
        with self._answering(run.project, run.run_id):
            frame = self._runs.fetch_runs_table(
                project=run.project,
                runs=self._filter(run),
                attributes=chosen,
                type_suffix_in_column_names=True,
            )
            # A series of provisional points alone has a name, and no value.
            series = self._runs.list_attributes(
                project=run.project, runs=self._filter(run), attributes=numbers
            )
        if len(frame) != 1:
            raise SourceUnreadable(
                f"run {run.run_id!r} of {run.project} is not there any more",
                where=self._server.address,
                run=run.run_id,
            )
        found: dict[str, tuple[str, Any]] = dict.fromkeys(series, (_NUMBERS, None))
        # As objects: a table of rows alone would make floats of whole numbers.
        values = frame.to_numpy(dtype=object)[0].tolist()
        for named, value in zip(frame.columns.tolist(), values, strict=True):
            path, _, type = str(named).rpartition(":")
            found[path] = (type, value)
        return found

    def read_numbers(
        self,
        run: RunName,
        paths: Sequence[str],
        *,
        most: int,
        until: float | None = None,
        previews: bool = False,
    ) -> list[Column]:
        """Return the last points of a run's own float series, at most `most` of each."""
        with self._answering(run.project, run.run_id):
            frame = self._runs.fetch_metrics(
                project=run.project,
                runs=[run.run_id],
                attributes=list(paths),
                include_time="absolute",
                step_range=(None, until),
                lineage_to_the_root=False,
                tail_limit=most,
                include_point_previews=previews,
            )
        return list(_columns(frame))

    def read_objects(
        self,
        run: RunName,
        type: AttributeType,
        paths: Sequence[str],
        *,
        most: int,
        until: float | None = None,
    ) -> list[Column]:
        """Return the last points of a run's own series of another type, at most `most` of each."""
        chosen = self._filters.AttributeFilter(name=list(paths), type=[str(type)])
        with self._answering(run.project, run.run_id):
            frame = self._runs.fetch_series(
                project=run.project,
                runs=self._filter(run),
                attributes=chosen,
                include_time="absolute",
                step_range=(None, until),
                lineage_to_the_root=False,
                tail_limit=most,
            )
        return list(_columns(frame))

    @contextmanager
    def download(
        self, project: str, path: str, *, mime_type: str, size_bytes: int
    ) -> Iterator[Path]:
        """Download a file; it is there for the time of a block."""
        # Names of our own: those that the package makes of paths are as long and odd as these.
        wanted = self._types.File(
            project_identifier=project,
            experiment_name=None,
            run_id="run",
            attribute_path="file",
            step=None,
            path=path,
            size_bytes=size_bytes,
            mime_type=mime_type,
        )
        with tempfile.TemporaryDirectory(prefix="mooring-neptune3-") as folder:
            with self._answering(project, attribute=path):
                self._runs.download_files(files=[wanted], destination=folder)
            found = [one for one in Path(folder).rglob("*") if one.is_file()]
            if not found:
                raise SourceUnreadable(
                    f"the server has no content for {path!r}",
                    where=self._server.address,
                    attribute=path,
                )
            if found[0].stat().st_size != size_bytes:
                raise SourceUnreadable(
                    f"{path!r} should have {size_bytes:,} bytes and came with "
                    f"{found[0].stat().st_size:,}",
                    where=self._server.address,
                    attribute=path,
                )
            yield found[0]

    def _filter(self, run: RunName) -> Any:
        same = self._filters.Filter.eq(
            self._filters.Attribute(_CUSTOM_ID, type="string"), run.run_id
        )
        return same & self._in_trash() if run.trashed else same

    def _in_trash(self) -> Any:
        return self._filters.Filter.eq(self._filters.Attribute("sys/trashed", type="bool"), True)

    @contextmanager
    def _answering(
        self, project: str, run: str | None = None, *, attribute: str | None = None
    ) -> Iterator[None]:
        """Turn the package's errors into ours."""
        errors: Any = importlib.import_module("neptune_query.exceptions")
        if self._away.is_set():  # or each run that is left would wait as long
            self._server.check(patience_s=0)
            self._away.clear()
        try:
            yield
        except errors.NeptuneRetryError as error:
            self._away.set()
            why = _first_line(error.__cause__ or error)
            raise TargetUnreachable(
                f"the server at {self._server.address} did not answer as it should for "
                f"{self._patience_s} s: {why} ({PATIENCE_VARIABLE} tells how long is waited)",
                where=self._server.address,
                run=run,
            ) from error
        except errors.NeptuneInvalidCredentialsError as error:
            raise SourceUnreadable(
                f"the server at {self._server.address} refuses the token in {TOKEN_VARIABLE}: it "
                "is wrong or revoked",
                where=self._server.address,
                run=run,
            ) from error
        except errors.NeptuneProjectInaccessible as error:
            raise SourceUnreadable(
                f"project {project} is not at {self._server.address}, or the token may not read it",
                where=self._server.address,
                run=run,
            ) from error
        except errors.NeptuneError as error:
            raise SourceUnreadable(
                f"{self._server.address}: {_first_line(error)}",
                where=self._server.address,
                run=run,
                attribute=attribute,
            ) from error


def _first_line(error: BaseException) -> str:
    """Return what an error of the package tells, without colours, in one line.

    >>> _first_line(ValueError("\\x1b[95mNo: such thing.\\x1b[0m\\n\\nMore."))
    'No: such thing. More.'
    """
    lines = (_STYLES.sub("", line).strip() for line in str(error).splitlines())
    return " ".join(line for line in lines if line)[:500] or type(error).__name__


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows by attribute, without types and without what a run does not have."""
    plain = [str(name).rpartition(":")[0] for name in frame.columns]
    rows = frame.to_numpy(dtype=object).tolist()
    there = frame.notna().to_numpy().tolist()
    return [
        {name: value for name, value, has in zip(plain, row, flags, strict=True) if has}
        for row, flags in zip(rows, there, strict=True)
    ]


def _columns(frame: pd.DataFrame) -> Iterator[Column]:
    """Yield the series of an answer; a point is there where it has a time."""
    if frame.empty:
        return
    steps = frame.index.get_level_values("step").to_numpy(np.float64)
    places: dict[str, dict[str, int]] = {}
    names: list[Any] = frame.columns.tolist()
    for at, (path, what) in enumerate(names):
        places.setdefault(path, {})[what] = at
    for path, place in places.items():
        times = frame.iloc[:, place["absolute_time"]]
        there = times.notna().to_numpy()
        if not there.any():
            continue
        told = _told(frame, place, there)
        yield Column(
            path,
            steps[there],
            times[there].dt.as_unit("us").astype("int64").to_numpy(),
            frame.iloc[:, place["value"]].to_numpy()[there],
            told,
        )


def _told(frame: pd.DataFrame, place: Mapping[str, int], there: np.ndarray) -> np.ndarray:
    """Return how complete provisional points are; NaN for the others."""
    count = int(there.sum())
    if "is_preview" not in place:
        return np.full(count, np.nan)
    provisional = frame.iloc[:, place["is_preview"]].to_numpy()[there].astype(bool)
    completions = frame.iloc[:, place["preview_completion"]].to_numpy(np.float64)[there]
    return np.where(provisional, completions, np.nan)
