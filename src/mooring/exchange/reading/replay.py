"""Runs made by applying updates one after the other, as the logs of clients hold them."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from mooring.errors import InvalidInput, InvalidStep, InvalidValue, TypeConflict
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import SourceSeries, SourceValue, make_points
from mooring.model import (
    MAX_STEP,
    MAX_TIME,
    MIN_TIME,
    STEP_SCALE,
    AttributeType,
    Typed,
    step_to_micros,
    validate_path,
)

if TYPE_CHECKING:
    import pyarrow as pa

_MAX_MICROS = MAX_STEP * STEP_SCALE
_MAX_INT = 2**63
_TYPES: Mapping[type, AttributeType] = {
    bool: AttributeType.BOOL,
    int: AttributeType.INT,
    float: AttributeType.FLOAT,
    str: AttributeType.STRING,
    datetime: AttributeType.DATETIME,
    frozenset: AttributeType.STRING_SET,
}


class ReplayedSeries:
    """Points of a series in the order in which they were logged, kept in little space.

    Steps are in millionths, times in microseconds since 1970.
    """

    __slots__ = ("highest", "steps", "times", "type", "values")

    def __init__(self, type: AttributeType) -> None:
        self.type = type
        self.steps = array("q")
        self.times = array("q")
        self.values: Any = array("d") if type is AttributeType.FLOAT_SERIES else []
        self.highest: int | None = None

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def next_step(self) -> int:
        """The next whole step after the highest one, 0 for the first point."""
        return 0 if self.highest is None else (self.highest // STEP_SCALE + 1) * STEP_SCALE

    def append(self, step: int | None, time: int, value: object) -> None:
        """Add a point; `step` None is the next whole one."""
        if step is None:
            step = self.next_step
        if not -_MAX_MICROS <= step <= _MAX_MICROS:
            raise InvalidStep(f"step {step / STEP_SCALE} is beyond ±10^12")
        if not MIN_TIME <= time <= MAX_TIME:
            raise InvalidValue(f"{time} µs since 1970 is outside the years 1 to 9999")
        self.values.append(value)
        self.steps.append(step)
        self.times.append(time)
        if self.highest is None or step > self.highest:
            self.highest = step

    def count(self) -> tuple[int, int]:
        """Return the number of steps, and of points that a later one at their step replaces.

        A point that is repeated as it was counts as one and is not replaced.
        """
        steps = np.frombuffer(self.steps, np.int64) if len(self) else np.empty(0, np.int64)
        if len(steps) < 2 or bool(np.all(steps[1:] > steps[:-1])):
            return len(steps), 0
        order = np.argsort(steps, kind="stable")
        (again,) = np.nonzero(steps[order][1:] == steps[order][:-1])
        replaced = sum(
            not _same(self.values[order[place]], self.values[order[place + 1]]) for place in again
        )
        return len(steps) - len(again), replaced


class RunReplay:
    """What a run holds after the updates so far.

    Each call raises a child of `InvalidInput` for an update that cannot be taken, which then
    changes nothing. A path keeps its type until it is deleted.

    >>> run = RunReplay()
    >>> run.append("loss", AttributeType.FLOAT_SERIES, None, 1_700_000_000_000_000, 0.5)
    >>> run.assign("lr", 0.1)
    >>> run.values, run.list_series()
    ({'lr': 0.1}, [SourceSeries(path='loss', type=<AttributeType.FLOAT_SERIES: 'float_series'>,
    count=1)])
    """

    def __init__(self) -> None:
        self.values: dict[str, SourceValue] = {}
        self._series: dict[str, ReplayedSeries] = {}
        self._types: dict[str, AttributeType] = {}

    def claim(self, path: str, type: AttributeType) -> None:
        """Give a path its type, or raise `TypeConflict` when it has another one."""
        known = self._types.get(path)
        if known is None:
            self._types[validate_path(path)] = type
        elif known is not type:
            raise TypeConflict(path, expected=known.value, got=type.value)

    def assign(
        self, path: str, value: SourceValue, type: AttributeType = AttributeType.FILE
    ) -> None:
        """Set an attribute that holds a single value.

        Its type is that of the value; `type` is for what is set to a `SourceFile`.
        """
        if isinstance(value, Typed):
            type = value.type
        else:
            type = _TYPES.get(value.__class__, type)
            if type is AttributeType.INT and not -_MAX_INT <= value < _MAX_INT:  # type: ignore[operator]
                raise InvalidValue(f"{value} does not fit in 64 bits")
        self.claim(path, type)
        self.values[path] = value

    def change_set(self, path: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Add to and remove from a string set."""
        self.claim(path, AttributeType.STRING_SET)
        before = self.values.get(path, frozenset())
        assert isinstance(before, frozenset)
        self.values[path] = before - frozenset(remove) | frozenset(add)

    def series(self, path: str, type: AttributeType) -> ReplayedSeries:
        """Return the series at a path, made when it is missing."""
        found = self._series.get(path)
        if found is None or found.type is not type:
            self.claim(path, type)
            found = self._series.setdefault(path, ReplayedSeries(type))
        return found

    def append(
        self, path: str, type: AttributeType, step: int | None, time: int, value: object
    ) -> None:
        """Add a point to a series; `step` None is the next whole one."""
        self.series(path, type).append(step, time, value)

    def clear(self, path: str, type: AttributeType) -> None:
        """Remove the points of a series, or the members of a string set."""
        self.claim(path, type)
        if type is AttributeType.STRING_SET:
            self.values[path] = frozenset()
        self._series.pop(path, None)

    def delete(self, path: str) -> None:
        """Remove an attribute; the path may take another type afterwards."""
        self._types.pop(path, None)
        self.values.pop(path, None)
        self._series.pop(path, None)

    def type_of(self, path: str) -> AttributeType | None:
        """Return the type of the attribute at a path, None when there is none."""
        return self._types.get(path)

    def highest_step(self, path: str) -> int | None:
        """Return the highest step of a series, None when there is no point."""
        found = self._series.get(path)
        return None if found is None else found.highest

    def list_series(self) -> list[SourceSeries]:
        """Return the series that have points, sorted by path."""
        return [
            SourceSeries(path, found.type, found.count()[0])
            for path, found in sorted(self._series.items())
            if len(found)
        ]

    def iter_replaced(self) -> Iterator[tuple[str, int]]:
        """Yield each series in which later points replaced other ones, and how many."""
        for path, found in sorted(self._series.items()):
            if replaced := found.count()[1]:
                yield path, replaced

    def read_points(self, type: AttributeType, paths: Sequence[str] | None = None) -> pa.Table:
        """Return points as `Source.read_points` has to."""
        import pyarrow as pa

        wanted = None if paths is None else set(paths)
        chosen = [
            (path, found)
            for path, found in self._series.items()
            if found.type is type and len(found) and (wanted is None or path in wanted)
        ]
        lengths = [len(found) for _, found in chosen]
        names = pa.DictionaryArray.from_arrays(
            pa.array(np.repeat(np.arange(len(chosen), dtype=np.int32), lengths)),
            pa.array([path for path, _ in chosen], pa.string()),
        )

        def joined(parts: Sequence[array[Any]], kind: str) -> np.ndarray:
            return np.concatenate(
                [np.empty(0, kind), *(np.frombuffer(part, kind) for part in parts)]
            )

        values: Any
        if type is AttributeType.FLOAT_SERIES:
            values = pa.array(joined([found.values for _, found in chosen], "f8"))
        else:
            values = [value for _, found in chosen for value in found.values]
        return make_points(
            type,
            names,
            pa.array(joined([found.steps for _, found in chosen], "i8")),
            pa.array(joined([found.times for _, found in chosen], "i8")),
            values,
        )


def micros_of_step(step: object) -> int | None:
    """Return a step from a log in millionths; None stays None.

    >>> micros_of_step(3), micros_of_step(0.5), micros_of_step(None)
    (3000000, 500000, None)
    """
    if step is None:
        return None
    if isinstance(step, float) and step.is_integer() and abs(step) <= MAX_STEP:
        return int(step) * STEP_SCALE
    return step_to_micros(step)


def micros_of_seconds(seconds: object) -> int:
    """Return an instant from a log, seconds since 1970, in microseconds.

    >>> micros_of_seconds(1.5)
    1500000
    """
    if not isinstance(seconds, (int, float)) or not math.isfinite(seconds):
        raise InvalidInput(f"{seconds!r} is no time in seconds since 1970")
    return round(seconds * 1_000_000)


def tell_replaced(run: RunReplay, run_id: str, problems: ProblemList) -> None:
    """Tell in which series later points replaced other ones."""
    for path, count in run.iter_replaced():
        problems.add(
            f"run {run_id}, series {path!r}",
            f"{count} points were left out: a later one has the same step",
            kind="replaced",
        )


def _same(left: object, right: object) -> bool:
    return left == right or (left != left and right != right)
