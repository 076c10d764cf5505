"""Earlier runs as observations: what was tried before, whichever door logged it.

A run counts when it has the metric, and all parameters of the space that can be tuned with values
within it; `mooring.optimize.stored_params` tells where they are looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from mooring.errors import AttributeNotFound, InvalidInput
from mooring.model import AttributeType, RunInfo
from mooring.optimize.observations import Direction, Observation, TrialState
from mooring.optimize.spaces import Constant, Parameters, SearchSpace
from mooring.optimize.stored_params import ABSENT, ParamReader, as_list, param_paths
from mooring.optimize.trial_runs import STATE
from mooring.query import Aggregate, And, Exists, Expression, Field, Or
from mooring.store.contract import PathSelector, RunQuery, Store

if TYPE_CHECKING:
    import numpy as np

ALGORITHM = ("trial/algorithm", "auger/algorithm_name")
"""Attributes that tell which algorithm a run is of; the first one that it has counts."""
RUNNING_TIME = "sys/running_time_seconds"

_NUMBERS = frozenset({AttributeType.FLOAT, AttributeType.INT, AttributeType.FLOAT_SERIES})
_VALUES = _NUMBERS | {AttributeType.STRING, AttributeType.STRING_SERIES, AttributeType.BOOL}
_COMPARED = 2_000


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """A run, and what it tells a sampler."""

    run: RunInfo
    observation: Observation


def earlier_observations(
    store: Store,
    space: SearchSpace,
    *,
    metric: str,
    project: str | None = None,
    projects: Sequence[str] | None = None,
    filter: Expression | None = None,
    direction: Direction = Direction.MAXIMIZE,
    best: bool = False,
    limit: int | None = 100,
) -> list[EarlierRun]:
    """Return the earlier runs that fit a space, best first; of equal ones the newest first.

    Parameters
    ----------
    space : of several algorithms a run has to tell which one it is of, by `trial/algorithm` or
        `auger/algorithm_name`; of one without a name ("") it need not
    metric : path of a number, or of a float series
    project, projects : where to look; `project` has to exist; default: everywhere
    filter : which runs count, besides
    direction : which values of the metric are better
    best : of a series take the best value; default: the last one
    limit : so many runs at most; None: all

    Runs without the metric or with NaN or an infinity in it, trashed runs, and trials that are not
    complete are left out. Raises `AttributeNotFound` where no run has the metric, and
    `InvalidInput` where it is no number.
    """
    if limit is not None and limit < 0:
        raise InvalidInput(f"limit is 0 or more, not {limit}")
    direction = Direction(direction)
    has_metric = Or(tuple(Exists(Field(metric, type)) for type in _NUMBERS))
    query = RunQuery(
        project=project,
        projects=None if projects is None else tuple(projects),
        filter=has_metric if filter is None else And((has_metric, filter)),
    )
    runs = store.query_runs(query).runs
    if not runs:
        _check_metric(store, query, metric)
        return []
    spaces = {name: _tunable(parameters) for name, parameters in space.algorithms.items()}
    own = [metric, STATE, RUNNING_TIME, *ALGORITHM]
    table = _Table(store, [run.key for run in runs], [*own, *param_paths(spaces.values())])
    scores = table.scores(metric, direction if best else None)
    observed = _observe(spaces, table, scores, _best_first(scores, direction))
    return [EarlierRun(runs[row], observation) for row, observation in islice(observed, limit)]


def _tunable(parameters: Parameters) -> Parameters:
    return {
        name: parameter
        for name, parameter in parameters.items()
        if not isinstance(parameter, Constant)
    }


def _best_first(scores: np.ndarray, direction: Direction) -> list[int]:
    import numpy as np

    rows = np.flatnonzero(np.isfinite(scores))
    values = scores[rows] if direction is Direction.MINIMIZE else -scores[rows]
    ordered: list[int] = rows[np.argsort(values, kind="stable")].tolist()
    return ordered


def _observe(
    spaces: Mapping[str, Parameters], table: _Table, scores: np.ndarray, rows: Sequence[int]
) -> Iterator[tuple[int, Observation]]:
    """Yield those of some rows that fit one of the spaces."""
    readers = {
        algorithm: [ParamReader(name, one, table.value) for name, one in space.items()]
        for algorithm, space in spaces.items()
    }
    for row in rows:
        if table.value(STATE, row) not in (ABSENT, TrialState.COMPLETE):
            continue
        algorithm = _algorithm(spaces, table, row)
        params = None if algorithm is None else _params(readers[algorithm], row)
        if algorithm is None or params is None:
            continue
        seconds = table.value(RUNNING_TIME, row)
        yield (
            row,
            Observation(
                algorithm=algorithm,
                params=params,
                values=(float(scores[row]),),
                seconds=None if seconds is ABSENT else float(seconds),
            ),
        )


def _algorithm(spaces: Mapping[str, Parameters], table: _Table, row: int) -> str | None:
    """Return which algorithm of the space a run is of."""
    for path in ALGORITHM:
        told = table.value(path, row)
        if isinstance(told, str) and told in spaces:
            return told
    return "" if "" in spaces else None


def _params(readers: Sequence[ParamReader], row: int) -> dict[str, Any] | None:
    """Return the parameters of a run, None where one is missing or outside the space."""
    params = {}
    for reader in readers:
        value = reader.read(row)
        if value is ABSENT:
            return None
        params[reader.name] = value
    return params


class _Table:
    """Attributes of many runs: for each path one array with a place for each run."""

    def __init__(self, store: Store, keys: Sequence[int], paths: Sequence[str]) -> None:
        import numpy as np

        self._store, self._keys = store, keys
        self._columns: dict[str, np.ndarray] = {}
        for column in store.read_attributes(keys, PathSelector(paths=tuple(paths), types=_VALUES)):
            held = self._columns.get(column.path)
            if held is None:
                held = self._columns[column.path] = np.full(len(keys), ABSENT, object)
            held[np.asarray(column.rows, np.int64)] = as_list(column.values)

    def value(self, path: str, row: int) -> Any:
        """Return a value, `ABSENT` where the run has none."""
        held = self._columns.get(path)
        return ABSENT if held is None else held[row]

    def scores(self, metric: str, best: Direction | None) -> np.ndarray:
        """Return the metric of each run; with `best` that value of a series, not its last."""
        import numpy as np

        held = self._columns[metric].tolist()
        scores = np.array([np.nan if value is ABSENT else value for value in held], np.float64)
        if best is not None:
            aggregate = Aggregate.MIN if best is Direction.MINIMIZE else Aggregate.MAX
            field = Field(metric, AttributeType.FLOAT_SERIES, aggregate)
            for column in self._store.read_aggregates(self._keys, [field]):
                scores[np.asarray(column.rows, np.int64)] = as_list(column.values)
        return scores


def _check_metric(store: Store, query: RunQuery, metric: str) -> None:
    """Refuse a metric that no run has; a filter can leave none of those that do."""
    where: dict[str, Any] = {"project": query.project, "projects": query.projects}
    types = [
        type for _, type in store.list_attributes(None, PathSelector(paths=(metric,)), **where)
    ]
    if _NUMBERS.intersection(types):
        return
    if types:
        raise InvalidInput(f"{metric!r} is no metric: it is a {types[0]}, not a number")
    listed = store.list_attributes(None, PathSelector(types=_NUMBERS), **where)
    leaf = metric.rpartition("/")[2]
    known = sorted(
        (path for path, _ in listed if not path.startswith("sys/")),
        key=lambda path: (path.rpartition("/")[2] != leaf, abs(len(path) - len(metric))),
    )
    raise AttributeNotFound(metric, where=_place(query), known=known[:_COMPARED])


def _place(query: RunQuery) -> str:
    if query.project is not None:
        return f"project {query.project}"
    if query.projects is not None:
        return f"projects {', '.join(query.projects)}"
    return "the store"
