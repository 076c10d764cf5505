"""`ReadOnlyProject`: the runs of a project as tables, frames of points, and runs to read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from mooring.errors import AttributeNotFound, InvalidInput
from mooring.fetch.connect import FetchSettings, StoreAddress, choose_project, connect_store
from mooring.fetch.formats import FrameFormat, parse_format
from mooring.fetch.lookup import RunLookup
from mooring.fetch.nearest import near_paths
from mooring.fetch.points import StepRange, buckets_frame, metrics_frame, parse_step_range
from mooring.fetch.progress import ProgressBar, open_progress
from mooring.fetch.run import ReadOnlyRun
from mooring.fetch.selection import (
    RunSelection,
    Texts,
    check_sort,
    is_expression,
    parse_count,
    parse_path_regex,
    parse_query,
    parse_sort,
    select_columns,
    texts,
)
from mooring.fetch.tables import RunTable
from mooring.model import AttributeType, RunInfo
from mooring.query import And, Expression, Field
from mooring.query.ast import FieldBuilder
from mooring.store.contract import Lineage, PathSelector, SeriesQuery, Store

_ID, _NAME, _RUN_ID = "sys/id", "sys/name", "sys/custom_run_id"

_CHUNK_RUNS = 5_000
"""Runs whose attributes are read at once; progress moves by that many."""


class ReadOnlyProject:
    """A project, for reading.

    Parameters
    ----------
    project : `workspace/name`, or `name` alone for the workspace `local`. None: the environment
        variable MOORING_PROJECT, else NEPTUNE_PROJECT, else the only project of the store
    api_token : of a hub, which the token leads to. None: MOORING_API_TOKEN, else
        NEPTUNE_API_TOKEN. A store that is a file needs none
    proxies : scheme (`http`, `https`) to the address of a proxy, on the way to a hub
    store : address of a store, such as `runs.db` or `http://hub:8080`, or a store that is open
        already. None: the hub of `api_token`, else the environment variable MOORING_STORE

    The environment is read here and nowhere else. A store that was opened here is closed by
    `close`, or at the end of a `with` block; one that was passed in stays open.

    Errors: `ProjectNotFound` with the closest names; those of `open_store`.

    Examples
    --------
    >>> project = ReadOnlyProject("local/digits", store="runs.db")
    >>> project.fetch_runs_df(columns=["params/lr", "metrics/loss"], sort_by="params/lr")
      sys/id  metrics/loss  params/lr
    0  DIG-2           0.5       0.10
    1  DIG-1           0.5       0.01
    >>> project.close()
    """

    def __init__(
        self,
        project: str | None = None,
        api_token: str | None = None,
        proxies: dict[str, str] | None = None,
        *,
        store: StoreAddress | Store | None = None,
    ) -> None:
        settings = FetchSettings.from_environment()
        self._store, self._owns_store = connect_store(store, api_token, settings, proxies)
        try:
            self.project_identifier = choose_project(self._store, project or settings.project)
        except BaseException:
            self.close()
            raise
        self._runs = RunLookup(self._store, self.project_identifier)

    def __repr__(self) -> str:
        return f"ReadOnlyProject({self.project_identifier!r}, store={self._store.address!r})"

    def close(self) -> None:
        """Close the store, where it was opened by this object. Idempotent."""
        if self._owns_store:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # listing

    def list_runs(self) -> Iterator[dict[str, str | None]]:
        """Yield `sys/id`, `sys/name` and `sys/custom_run_id` of each run, newest first.

        Examples
        --------
        >>> next(project.list_runs())
        {'sys/id': 'DIG-2', 'sys/name': 'large', 'sys/custom_run_id': 'brave-otter'}
        """
        return self._list(RunSelection())

    def list_experiments(self) -> Iterator[dict[str, str | None]]:
        """Yield what `list_runs` does of the newest run of each experiment."""
        return self._list(RunSelection(heads_only=True))

    def fetch_runs(self, *, format: str = "pandas") -> Any:
        """Return `sys/id`, `sys/name` and `sys/custom_run_id` of all runs, newest first.

        Examples
        --------
        >>> project.fetch_runs()
          sys/id sys/name sys/custom_run_id
        0  DIG-2    large       brave-otter
        1  DIG-1    small        calm-heron
        """
        return self._identifiers(RunSelection(), format)

    def fetch_experiments(self, *, format: str = "pandas") -> Any:
        """Return what `fetch_runs` does of the newest run of each experiment."""
        return self._identifiers(RunSelection(heads_only=True), format)

    # tables

    def fetch_runs_df(
        self,
        columns: Texts = None,
        columns_regex: str | None = None,
        names_regex: Texts = None,
        custom_id_regex: Texts = None,
        with_ids: Texts = None,
        custom_ids: Texts = None,
        states: Texts = None,
        owners: Texts = None,
        tags: Texts = None,
        trashed: bool | None = False,
        limit: int | None = None,
        sort_by: str | Field | FieldBuilder = "sys/creation_time",
        ascending: bool = False,
        progress_bar: ProgressBar = None,
        query: str | Expression | None = None,
        *,
        format: str = "pandas",
    ) -> Any:
        """Return a table of runs: one row a run, one column an attribute.

        Parameters
        ----------
        columns : paths of the attributes to show; one that no run has is an empty column.
            None: all, or those of `columns_regex` where that is given. `sys/id` is always there
        columns_regex : shows every attribute in whose path this is found, beside `columns`
        names_regex : only runs in whose `sys/name` this is found; of several, all of them
        custom_id_regex : only runs in whose `sys/custom_run_id` this is found
        with_ids, custom_ids : only runs of these `sys/id`, of these `sys/custom_run_id`
        states : only runs in one of these states, `active` (a process has it open) or `inactive`
        owners : only runs of one of these owners
        tags : only runs that have all of these tags
        trashed : False only runs not in the trash, True only those in it, None both
        limit : at most so many runs; None: all
        sort_by : path of the attribute to sort by, of a series its last value; or a field such
            as `field("metrics/loss").min`. Runs that lack it come last
        ascending : whether small values come first
        progress_bar : None shows a tqdm bar on a terminal, True shows one anywhere, False shows
            none; a subclass of `ProgressBarCallback` is created and told
        query : a filter beside the others, in Neptune's query language or made with
            `mooring.query`
        format : `pandas`, `polars` or `arrow`

        Returns
        -------
        DataFrame
            Columns are ordered by path, `sys/` first and `monitoring/` last. A series shows its
            last value, a string set its elements joined by commas. Whole numbers, numbers and
            truth values have NumPy's types; where runs lack them, whole numbers become floats
            if that loses nothing and objects if it does, truth values objects. Times are
            `datetime64[us, UTC]`. Arrow and polars tell a missing number from NaN.

        Examples
        --------
        >>> project.fetch_runs_df(columns=["sys/name"], columns_regex="^params/", tags="best")
          sys/id sys/name  params/lr
        0  DIG-2    large        0.1
        >>> project.fetch_runs_df(["sys/name"], query="`params/lr`:float < 0.05")
          sys/id sys/name
        0  DIG-1    small
        """
        selection = RunSelection(
            names_regex=names_regex,
            custom_id_regex=custom_id_regex,
            with_ids=with_ids,
            custom_ids=custom_ids,
            states=states,
            owners=owners,
            tags=tags,
            query=query,
            trashed=trashed,
        )
        order = (sort_by, ascending)
        return self._table(selection, columns, columns_regex, limit, order, progress_bar, format)

    def fetch_experiments_df(
        self,
        columns: Texts = None,
        columns_regex: str | None = None,
        names_regex: Texts = None,
        names_exclude_regex: Texts = None,
        custom_id_regex: Texts = None,
        with_ids: Texts = None,
        custom_ids: Texts = None,
        states: Texts = None,
        owners: Texts = None,
        tags: Texts = None,
        trashed: bool | None = False,
        limit: int | None = None,
        sort_by: str | Field | FieldBuilder = "sys/creation_time",
        ascending: bool = False,
        progress_bar: ProgressBar = None,
        query: str | Expression | None = None,
        *,
        format: str = "pandas",
    ) -> Any:
        """Return a table of experiments: the newest run of each name.

        Parameters are those of `fetch_runs_df`, and `names_exclude_regex`: only experiments in
        whose name none of these is found.
        """
        selection = RunSelection(
            names_regex=names_regex,
            names_exclude_regex=names_exclude_regex,
            custom_id_regex=custom_id_regex,
            with_ids=with_ids,
            custom_ids=custom_ids,
            states=states,
            owners=owners,
            tags=tags,
            query=query,
            trashed=trashed,
            heads_only=True,
        )
        order = (sort_by, ascending)
        return self._table(selection, columns, columns_regex, limit, order, progress_bar, format)

    # points

    def fetch_metrics(
        self,
        runs: str | Iterable[str | ReadOnlyRun] | ReadOnlyRun | Expression | None = None,
        paths: Texts = None,
        *,
        query: str | Expression | None = None,
        step_range: StepRange | None = None,
        buckets: int | None = None,
        tail: int | None = None,
        lineage: Lineage | str = Lineage.FULL,
        include_previews: bool = False,
        format: str = "pandas",
    ) -> Any:
        """Return many metrics of many runs as one long frame, whole or summarised.

        Parameters
        ----------
        runs : a list of runs or of their ids (`sys/id` or `sys/custom_run_id`; an unknown one
            raises `RunNotFound`); or a regular expression, found in `sys/custom_run_id`; or a
            filter made with `mooring.query`. None: all runs that are not in the trash
        paths : a list of paths of float series (one that no run has raises `AttributeNotFound`);
            or a regular expression, found in the path. None: all
        query : a filter in Neptune's query language; not with a list of runs
        step_range : first and last step, both included; None leaves an end open
        buckets : cut the range of steps into so many equal parts, and return a summary of each
            instead of its points. The parts are the same for all series: from the first to the
            last step of `step_range`, or of the points where that is open. Part i holds the steps
            from `step_from` up to, not including, `step_to`; the last one includes it. Parts
            without points are left out
        tail : only the last n points of each series
        lineage : of a forked run `full` all points, `own` those it logged itself, `experiment`
            those of its ancestors of the same name too
        include_previews : provisional points too; without buckets, with the columns `preview`
            and `completion_ratio`
        format : `pandas`, `polars` or `arrow`

        Returns
        -------
        DataFrame
            Points: `run` (`sys/custom_run_id`) and `path` as categories, `step` (float64),
            `timestamp` (`datetime64[us, UTC]`) and `value` (float64), sorted by run in the order
            asked for, path and step.
            Buckets: `run`, `path`, `bucket` (from 0), `step_from`, `step_to`, `count`, `min`,
            `min_step`, `max`, `max_step`, `first`, `last`, `mean`, `nan_count`,
            `positive_inf_count`, `negative_inf_count`. All are exact: minimum, maximum (each
            with the first step that has it) and mean are of the finite points, the others of all.

        Examples
        --------
        >>> curves = project.fetch_metrics(paths=["metrics/loss"], buckets=2)
        >>> curves[["run", "step_from", "step_to", "count", "max", "max_step"]]
                   run  step_from  step_to  count   max  max_step
        0  brave-otter        0.0      1.0      1   0.8       0.0
        1  brave-otter        1.0      2.0      2  88.2       1.0
        2   calm-heron        0.0      1.0      1   0.8       0.0
        3   calm-heron        1.0      2.0      2   0.7       1.0
        """
        frame_format = parse_format(format)
        low, high = parse_step_range(step_range)
        buckets = parse_count("buckets", buckets)
        series = SeriesQuery(
            step_from=low,
            step_to=high,
            tail=parse_count("tail", tail),
            lineage=_parse_lineage(lineage),
            include_previews=include_previews,
        )
        select = _select_series(paths)
        chosen = self._choose_runs(runs, query)
        points = self._store.read_series([run.key for run in chosen], select, series)
        if select.paths and chosen:
            self._check_series(select.paths, _names(points))
        labels = {run.key: run.run_id for run in chosen}
        if buckets is None:
            return metrics_frame(points, labels, frame_format, include_previews=include_previews)
        return buckets_frame(points, labels, frame_format, buckets=buckets, low=low, high=high)

    def _check_series(self, paths: Sequence[str], found: Collection[str]) -> None:
        """Refuse a name that is no float series of any run; a step range may hide one that is."""
        missing = [path for path in paths if path not in found]
        if not missing:
            return
        types = frozenset({AttributeType.FLOAT_SERIES})
        project = self.project_identifier
        exact = PathSelector(paths=tuple(missing), types=types)
        known = {path for path, _ in self._store.list_attributes(None, exact, project=project)}
        for path in missing:
            if path not in known:
                listed = self._store.list_attributes(
                    None, PathSelector(types=types), project=project
                )
                raise AttributeNotFound(
                    path,
                    where=f"the float series of project {project}",
                    known=near_paths(path, [name for name, _ in listed]),
                )

    # runs to read

    def fetch_read_only_runs(
        self,
        with_ids: Texts = None,
        custom_ids: Texts = None,
        eager_load_fields: bool = True,
    ) -> Iterator[ReadOnlyRun]:
        """Yield runs to read.

        Parameters
        ----------
        with_ids, custom_ids : ids of the runs, in the order in which they are yielded; an
            unknown one raises `RunNotFound`. Both None: all runs, newest first
        eager_load_fields : accepted for Neptune's sake

        Examples
        --------
        >>> for run in project.fetch_read_only_runs(with_ids=["DIG-1"]):
        ...     print(run["params/lr"].fetch())
        0.01
        """
        if with_ids is None and custom_ids is None:
            found = list(self._runs.query(RunSelection()))
        else:
            found = [self._runs.by_sys_id(id) for id in texts("with_ids", with_ids)]
            found += [self._runs.by_run_id(id) for id in texts("custom_ids", custom_ids)]
        unique = {run.key: run for run in found}
        return (ReadOnlyRun._of(self, run) for run in unique.values())

    def fetch_read_only_experiments(
        self, names: Texts = None, eager_load_fields: bool = True
    ) -> Iterator[ReadOnlyRun]:
        """Yield the newest run of each of these experiments; None: of all of them."""
        if names is None:
            found = list(self._runs.query(RunSelection(heads_only=True)))
        else:
            found = [self._runs.by_experiment(name) for name in texts("names", names)]
        return (ReadOnlyRun._of(self, run) for run in found)

    def _list(self, selection: RunSelection) -> Iterator[dict[str, str | None]]:
        rows = self._identifiers(selection, FrameFormat.ARROW).to_pylist()
        return iter(rows)

    def _identifiers(self, selection: RunSelection, format: str) -> Any:
        order = ("sys/creation_time", False)
        columns = [_ID, _NAME, _RUN_ID]
        frame = self._table(selection, columns, None, None, order, False, format)
        return frame.select(columns) if format != FrameFormat.PANDAS else frame[columns]

    def _table(
        self,
        selection: RunSelection,
        columns: Texts,
        columns_regex: str | None,
        limit: int | None,
        order: tuple[str | Field | FieldBuilder, bool],
        progress_bar: ProgressBar,
        format: str,
    ) -> Any:
        frame_format = parse_format(format)
        select = select_columns(columns, columns_regex)
        sort = parse_sort(*order)
        query = selection.to_query(self.project_identifier, sort=sort, limit=limit)
        with open_progress(progress_bar, "Fetching runs") as progress:
            runs = self._store.query_runs(query).runs
            check_sort(self._store, self.project_identifier, sort, runs)
            table = RunTable(len(runs))
            for offset in range(0, len(runs), _CHUNK_RUNS):
                keys = [run.key for run in runs[offset : offset + _CHUNK_RUNS]]
                table.add(self._store.read_attributes(keys, select), offset=offset)
                progress.update(by=len(keys), total=len(runs))
            return table.to_frame(frame_format, select.paths or (_ID,))

    def _find_run(
        self, with_id: str | None, custom_id: str | None, experiment_name: str | None
    ) -> RunInfo:
        if with_id is not None:
            return self._runs.by_sys_id(with_id)
        if custom_id is not None:
            return self._runs.by_run_id(custom_id)
        return self._runs.by_experiment(str(experiment_name))

    def _choose_runs(
        self,
        runs: str | Iterable[str | ReadOnlyRun] | ReadOnlyRun | Expression | None,
        query: str | Expression | None,
    ) -> Sequence[RunInfo]:
        if runs is None or isinstance(runs, str):
            return self._runs.query(RunSelection(custom_id_regex=runs, query=query))
        if is_expression(runs):
            both = And((runs,) if query is None else (runs, parse_query(query)))
            return self._runs.query(RunSelection(query=both))
        if query is not None:
            raise InvalidInput("query= cannot go with a list of runs; filter the list instead")
        if isinstance(runs, ReadOnlyRun):
            runs = [runs]
        if not isinstance(runs, Iterable):
            raise InvalidInput(f"runs is a list, a regular expression or a filter, not {runs!r}")
        found = [
            run._info if isinstance(run, ReadOnlyRun) else self._runs.by_any_id(run) for run in runs
        ]
        return list({run.key: run for run in found}.values())


def _parse_lineage(lineage: Lineage | str) -> Lineage:
    try:
        return Lineage(lineage)
    except ValueError:
        names = ", ".join(repr(str(known)) for known in Lineage)
        raise InvalidInput(f"lineage is one of {names}, not {lineage!r}") from None


def _select_series(paths: Texts) -> PathSelector:
    types = frozenset({AttributeType.FLOAT_SERIES})
    if paths is None:
        return PathSelector(types=types)
    if isinstance(paths, str):
        return PathSelector(patterns=(parse_path_regex("paths", paths),), types=types)
    return PathSelector(paths=tuple(dict.fromkeys(texts("paths", paths))), types=types)


def _names(points: Any) -> set[str]:
    """Return the paths that a table of points has."""
    return {name for part in points["path"].chunks for name in part.dictionary.to_pylist()}
