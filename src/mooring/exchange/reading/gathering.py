"""Points of a run as a reader meets them, and what it could not take, gathered by series."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mooring.exchange.reading.tag_paths import TagPaths
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import SourceSeries, SourceValue, make_points, value_type
from mooring.model import MAX_STEP, MAX_TIME, MIN_TIME, STEP_SCALE, AttributeType

if TYPE_CHECKING:
    import pyarrow as pa

Tell: TypeAlias = Callable[[str, str], None]
"""Called with what does not come in as it was, and why."""

_LIMIT = MAX_STEP * STEP_SCALE


def teller(run_id: str, problems: ProblemList) -> Tell:
    """Return what adds to the problems of a run; of many only the first are named."""
    return lambda what, why: problems.add(f"run {run_id}, {what}", why, kind=run_id)


@dataclass(frozen=True, slots=True)
class RunContent:
    """All of a run, in memory.

    Attributes
    ----------
    values : attributes that are no series
    points : a table for each series type, as `Source.read_points` returns it
    """

    values: Mapping[str, SourceValue]
    points: Mapping[AttributeType, pa.Table]

    def list_series(self) -> Sequence[SourceSeries]:
        """Return the series, sorted by path."""
        found = []
        for type, points in self.points.items():
            column = points["path"].combine_chunks()
            names = column.dictionary.to_pylist()
            counts = np.bincount(column.indices.to_numpy(), minlength=len(names)).tolist()
            found += [
                SourceSeries(name, type, count)
                for name, count in zip(names, counts, strict=True)
                if count
            ]
        return sorted(found, key=lambda series: (series.path, series.type))

    def read_points(self, type: AttributeType, paths: Sequence[str] | None = None) -> pa.Table:
        """Return the points of these series (None: of all of this type)."""
        import pyarrow as pa
        import pyarrow.compute as pc

        points = self.points.get(type)
        if points is None:
            return make_points(type, [], [], [], [])
        if paths is None:
            return points
        names = points["path"].cast(pa.string())
        return points.filter(pc.is_in(names, value_set=pa.array(list(paths), pa.string())))


@dataclass(slots=True)
class _Points:
    codes: array[int] = field(default_factory=lambda: array("i"))
    steps: array[int] = field(default_factory=lambda: array("q"))
    walls: array[float] = field(default_factory=lambda: array("d"))
    values: Any = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)


class Gathered:
    """Gathers the points of one run.

    `tags` gives names their paths. `left_out` and `changed` count, by what and why.
    """

    def __init__(self) -> None:
        self.tags = TagPaths()
        self.left_out: Counter[tuple[str, str]] = Counter()
        self.changed: Counter[tuple[str, str]] = Counter()
        self._points = {type: _Points() for type in AttributeType if type.is_series}
        self._points[AttributeType.FLOAT_SERIES].values = array("d")

    def add(self, type: AttributeType, path: str, step: int, wall: float, value: object) -> None:
        """Add a point: step in millionths, time in seconds since 1970.

        A histogram is a pair of arrays of doubles, edges and counts; a file a tuple of its fields.
        """
        if not -_LIMIT <= step <= _LIMIT:
            self.left_out[path, "steps beyond ±10^12"] += 1
            return
        points = self._points[type]
        points.codes.append(points.names.setdefault(path, len(points.names)))
        points.steps.append(step)
        points.walls.append(wall)
        points.values.append(value)

    def finish(self, values: Mapping[str, SourceValue], tell: Tell) -> RunContent:
        """Return what was gathered, and tell what was left out or changed."""
        tables = {}
        for type, points in self._points.items():
            if len(points.steps):
                tables[type] = self._make_table(type, points)
        for (name, path), why in self.tags.renamed.items():
            tell(repr(name), f"comes in as {path!r}: {why}")
        for (what, why), count in self.left_out.items():
            tell(what, f"{count} left out: {why}")
        for (what, why), count in self.changed.items():
            tell(what, f"{count} changed: {why}")
        return RunContent(values, tables)

    def _make_table(self, type: AttributeType, points: _Points) -> pa.Table:
        import pyarrow as pa

        names = list(points.names)
        codes = np.frombuffer(points.codes, np.int32)
        steps = np.frombuffer(points.steps, np.int64)
        micros = np.frombuffer(points.walls, np.float64) * 1e6
        valid = (micros >= MIN_TIME) & (micros <= MAX_TIME)
        for code, count in Counter(codes[~valid].tolist()).items():
            self.changed[names[code], "times that are no instants; they are 1970 now"] += count
        table = make_points(
            type,
            pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names, pa.string())),
            pa.array(steps),
            pa.array(np.rint(np.where(valid, micros, 0.0)).astype(np.int64)),
            _value_array(type, points.values),
        )
        if table.num_rows < len(codes):
            self._count_repeated(names, codes, steps)
        return table

    def _count_repeated(self, names: Sequence[str], codes: Any, steps: Any) -> None:
        order = np.lexsort((steps, codes))
        again = (codes[order][1:] == codes[order][:-1]) & (steps[order][1:] == steps[order][:-1])
        for code, count in Counter(codes[order][1:][again].tolist()).items():
            why = "steps written again, as after a restart: the last value of each is kept"
            self.left_out[names[code], why] += count


def _value_array(type: AttributeType, values: Any) -> pa.Array:
    import pyarrow as pa

    kind = value_type(type)
    match type:
        case AttributeType.FLOAT_SERIES:
            return pa.array(np.frombuffer(values, np.float64))
        case AttributeType.HISTOGRAM_SERIES:
            kinds = pa.array(["COUNTING"] * len(values), pa.string())
            sides = [_lists([value[side] for value in values]) for side in range(2)]
            return pa.StructArray.from_arrays([kinds, *sides], fields=list(kind))
        case AttributeType.FILE_SERIES:
            columns = zip(*values, strict=True)
            arrays = [
                pa.array(list(column), field.type)
                for column, field in zip(columns, kind, strict=True)
            ]
            return pa.StructArray.from_arrays(arrays, fields=list(kind))
        case _:
            return pa.array(values, pa.string())


def _lists(parts: Sequence[array[float]]) -> pa.Array:
    import pyarrow as pa

    offsets = np.zeros(len(parts) + 1, np.int32)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    joined = np.concatenate([np.frombuffer(part, np.float64) for part in parts])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(joined))
