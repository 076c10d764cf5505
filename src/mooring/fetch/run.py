"""`ReadOnlyRun`: one run, its fields and their values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mooring.errors import AttributeNotFound, InvalidInput
from mooring.fetch.fields import Field, make_field
from mooring.fetch.nearest import near_paths
from mooring.fetch.points import StepRange, block_starts, parse_step_range
from mooring.fetch.progress import ProgressBar, open_progress
from mooring.fetch.selection import texts
from mooring.model import AttributeType, RunInfo
from mooring.store.contract import Lineage, PathSelector, SeriesQuery, Store

if TYPE_CHECKING:
    from mooring.fetch.project import ReadOnlyProject


@dataclass(frozen=True, slots=True)
class _Points:
    """Points of a series that were prefetched, previews among them."""

    query: SeriesQuery
    table: pa.Table


class ReadOnlyRun:
    """One run, for reading.

    Parameters
    ----------
    read_only_project : the project it belongs to
    with_id : short id, such as `DIG-1`
    custom_id : the run's own id (`sys/custom_run_id`)
    experiment_name : name of an experiment; its newest run is taken
    eager_load_fields : accepted for Neptune's sake; fields are always looked up when they are used

    Exactly one of `with_id`, `custom_id` and `experiment_name` is given. An id that the project
    does not hold raises `RunNotFound`, which names the closest. Trashed runs can be read.

    Values are read when they are asked for, so they are always current; what `prefetch` or
    `prefetch_series_values` read stays as it was then, until `del run[path]`.

    Examples
    --------
    >>> run = ReadOnlyRun(project, with_id="DIG-1")
    >>> run["params/lr"].fetch()
    0.01
    >>> run["metrics/loss"].fetch_values()
       step  value                 timestamp
    0   0.0    0.8 2026-01-05 12:00:00+00:00
    1   1.0    0.7 2026-01-05 12:00:01+00:00
    2   2.0    0.5 2026-01-05 12:00:02+00:00
    >>> run["params/l"]
    Traceback (most recent call last):
        ...
    mooring.errors.AttributeNotFound: attribute 'params/l' not found in ...; closest: params/lr
    """

    def __init__(
        self,
        read_only_project: ReadOnlyProject,
        with_id: str | None = None,
        custom_id: str | None = None,
        experiment_name: str | None = None,
        eager_load_fields: bool = True,
    ) -> None:
        given = [text for text in (with_id, custom_id, experiment_name) if text is not None]
        if len(given) != 1:
            raise InvalidInput("give exactly one of with_id, custom_id and experiment_name")
        if not isinstance(given[0], str):
            raise InvalidInput(f"a run is named by text, not {given[0]!r}")
        self._attach(
            read_only_project,
            read_only_project._find_run(with_id, custom_id, experiment_name),
        )

    @classmethod
    def _of(cls, project: ReadOnlyProject, info: RunInfo) -> ReadOnlyRun:
        run = cls.__new__(cls)
        run._attach(project, info)
        return run

    def _attach(self, project: ReadOnlyProject, info: RunInfo) -> None:
        self.project = project
        self.with_id = info.sys_id
        self.custom_id = info.run_id
        self._info = info
        self._store: Store = project._store
        self._values: dict[str, tuple[AttributeType, Any]] = {}
        self._points: dict[str, _Points] = {}

    def __repr__(self) -> str:
        return f"ReadOnlyRun({self.project!r}, with_id={self.with_id!r})"

    @property
    def field_names(self) -> Iterator[str]:
        """Paths of the run's attributes, sorted."""
        found = self._store.list_attributes([self._info.key], PathSelector())
        return iter([path for path, _ in found])

    def __getitem__(self, path: str) -> Field[Any]:
        """Return the field of a path; `AttributeNotFound` names the closest."""
        if not isinstance(path, str):
            raise InvalidInput(f"a field is named by its path, not by {path!r}")
        if path in self._values:
            return make_field(self, path, self._values[path][0])
        found = self._store.list_attributes([self._info.key], PathSelector(paths=(path,)))
        if not found:
            raise self._not_found(path)
        return make_field(self, path, found[0][1])

    def __contains__(self, path: object) -> bool:
        return path in self._values or bool(
            isinstance(path, str)
            and self._store.list_attributes([self._info.key], PathSelector(paths=(path,)))
        )

    def __iter__(self) -> Iterator[str]:
        return self.field_names

    def __delitem__(self, path: str) -> None:
        """Forget what was prefetched of a path, so that it is read again."""
        self._values.pop(path, None)
        self._points.pop(path, None)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.field_names)

    def prefetch(self, paths: Sequence[str]) -> None:
        """Read the values of many fields in one go; `fetch` then answers from memory.

        Paths that the run does not have are passed over; `run[path]` tells of them.
        """
        missing = tuple(path for path in texts("paths", paths) if path not in self._values)
        if not missing:
            return
        columns = self._store.read_attributes([self._info.key], PathSelector(paths=missing))
        for column in columns:
            if len(column.values):
                self._values[column.path] = (column.type, column.values[0])

    def prefetch_series_values(
        self,
        paths: Sequence[str],
        use_threads: bool = False,
        progress_bar: ProgressBar = True,
        include_inherited: bool = True,
        step_range: StepRange = (None, None),
    ) -> None:
        """Read the points of many series in one go; `fetch_values` then answers from memory.

        Parameters
        ----------
        paths : the series; those that the run does not have, or that are none, are passed over
        use_threads : accepted for Neptune's sake; the store reads all of them at once anyway
        progress_bar : as in `ReadOnlyProject.fetch_runs_df`
        include_inherited, step_range : as in `fetch_values`, which answers from memory where
            both are the same
        """
        wanted = texts("paths", paths)
        query = _series_query(include_inherited, step_range)
        found = self._store.list_attributes([self._info.key], PathSelector(paths=tuple(wanted)))
        with open_progress(progress_bar, "Fetching series") as progress:
            self.prefetch(wanted)
            for type in dict.fromkeys(type for _, type in found if type.is_series):
                names = tuple(path for path, its_type in found if its_type is type)
                select = PathSelector(paths=names, types=frozenset({type}))
                points = self._store.read_series([self._info.key], select, query)
                empty = points.slice(0, 0)
                self._points |= {path: _Points(query, empty) for path in names}
                self._points |= {
                    path: _Points(query, table) for path, table in _split_paths(points)
                }
                progress.update(by=len(names), total=len(found))

    def _read_value(self, path: str) -> Any:
        if path in self._values:
            return self._values[path][1]
        try:
            return self._store.get_value(self._info.key, path)[1]
        except AttributeNotFound:
            raise self._not_found(path) from None

    def _read_points(
        self,
        path: str,
        type: AttributeType,
        *,
        include_inherited: bool,
        step_range: StepRange,
        include_previews: bool,
    ) -> pa.Table:
        query = _series_query(include_inherited, step_range, include_previews=include_previews)
        held = self._points.get(path)
        if held and held.query == _series_query(include_inherited, step_range):
            table = held.table
            if include_previews:
                return table
            return table.filter(pc.is_null(table.column("completion")))
        select = PathSelector(paths=(path,), types=frozenset({type}))
        return self._store.read_series([self._info.key], select, query)

    def _not_found(self, path: str) -> AttributeNotFound:
        return AttributeNotFound(
            path, where=f"run {self.with_id}", known=near_paths(path, list(self.field_names))
        )


def _series_query(
    include_inherited: bool, step_range: StepRange, *, include_previews: bool = True
) -> SeriesQuery:
    low, high = parse_step_range(step_range)
    return SeriesQuery(
        step_from=low,
        step_to=high,
        lineage=Lineage.FULL if include_inherited else Lineage.OWN,
        include_previews=include_previews,
    )


def _split_paths(points: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Yield the points of each path, which stand in one block a path."""
    if not len(points):
        return
    points = points.combine_chunks()
    paths = points.column("path").chunk(0)
    codes = paths.indices.to_numpy()
    starts = block_starts(codes)
    ends = np.append(starts[1:], len(codes))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield paths[start].as_py(), points.slice(start, end - start)
