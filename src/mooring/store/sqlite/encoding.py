"""What updates become: rows of the log, checked and encoded.

An encoder knows the types of one run's attributes and hands each row to whoever appends it: a
writer to the log at once, a batch to a list. A call that raises has handed over nothing.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from time import time_ns
from typing import TYPE_CHECKING, Any

from mooring.errors import InvalidInput, InvalidStep, InvalidValue, StoreClosed, TypeConflict
from mooring.model import (
    MAX_STEP,
    MAX_TIME,
    MIN_TIME,
    STEP_SCALE,
    AttributeType,
    RunInfo,
    Typed,
    step_to_micros,
    validate_path,
)
from mooring.store.cells import (
    dumps,
    encode_cell,
    encode_point,
    encode_text,
    number_code,
    series_type,
)
from mooring.store.sqlite.codec import as_float, store_value, typed_value
from mooring.store.sqlite.columns import TableColumns, cell_kind
from mooring.store.sqlite.schema import (
    LOG_ASSIGN,
    LOG_CHANGE_SET,
    LOG_DELETE,
    LOG_EVENT,
    LOG_POINTS,
    LOG_PREVIEW,
)
from mooring.store.values import (
    WRITABLE_SYSTEM_PATHS,
    check_loggable,
    check_settable,
    checked_time,
    value_type,
)

if TYPE_CHECKING:
    import numpy as np

    from mooring.store.sqlite.catalog import Catalog
    from mooring.store.sqlite.database import Database

_PLAIN = frozenset({int, float, bool, str, type(None)})
_INT64 = range(-(2**63), 2**63)
_MAX_EVENT_PLANS = 4096
"""Different rows, by names and types, that one writer knows to have their columns."""
_MAX_SHAPES = 512
"""Different sets of names that one writer packs; calls beyond that are rows of JSON."""

_Plan = tuple[int, Callable[..., bytes]]
_EventPlan = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""Numbers of the paths, and the names of the cells that are floats and integers."""


Row = tuple[Any, ...]
"""A row of the log, less its number."""


class UpdateEncoder:
    """Encodes the updates of one run.

    `append` takes each row, `append_all` the rows of one update; when they raise, the update has
    not happened.
    """

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        columns: TableColumns,
        run: RunInfo,
        load_types: Callable[[], dict[str, AttributeType]],
        append: Callable[[Row], None],
        append_all: Callable[[Sequence[Row]], None],
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._columns = columns
        self._project: int | None = None
        self._event_plans: dict[tuple[tuple[str, ...], tuple[type, ...]], _EventPlan] = {}
        self._run = run
        self._key = run.key
        self._load_types = load_types
        self._plans: dict[tuple[str, ...], _Plan] = {}
        self._append = append
        self._append_all = append_all
        self._closed = False
        self.types_changed = False
        """Whether an update since this was last set to False changed the type of an attribute."""

    @property
    def run(self) -> RunInfo:
        """The run it writes to."""
        return self._run

    @cached_property
    def _types(self) -> dict[str, AttributeType]:
        """Types of the run's attributes; read when the first is needed, which may take a fold."""
        return WRITABLE_SYSTEM_PATHS | self._load_types()

    def forget_types(self) -> None:
        """Read the types of the run's attributes anew when the next is needed."""
        self.__dict__.pop("_types", None)
        self._plans = {}

    def log(
        self,
        values: Mapping[str, object],
        *,
        step: object = None,
        time: int | None = None,
        preview_completion: float | None = None,
    ) -> None:
        """Append one point to each named series. See `RunWriter.log`."""
        if step is not None:
            if type(step) is int and -MAX_STEP <= step <= MAX_STEP:
                step *= 1_000_000
            else:
                step = step_to_micros(step)
        self.log_at(values, step, time, preview_completion)

    def log_at(
        self,
        values: Mapping[str, object],
        step: int | None,
        time: int | None,
        preview_completion: float | None,
    ) -> None:
        """Append one point to each named series; `step` in millionths, within its bounds."""
        if time is None:
            time = time_ns() // 1000
        elif type(time) is not int or not MIN_TIME <= time <= MAX_TIME:
            time = checked_time(time)
        if preview_completion is None:
            plan = self._plans.get(tuple(values))
            if plan is not None:
                try:
                    data = plan[1](*values.values())
                except (struct.error, TypeError, ValueError, OverflowError):
                    pass
                else:
                    self._append((self._key, LOG_POINTS, step, time, plan[0], data))
                    return
        self._log_slowly(values, step, time, preview_completion)

    def _log_slowly(
        self, values: Mapping[str, object], step: Any, time: int, preview: float | None
    ) -> None:
        self._check_open()
        if not values:
            return
        for path in values:
            check_loggable(validate_path(path))
        cells = {path: encode_point(path, value) for path, value in values.items()}
        types = {}
        for path, cell in cells.items():
            kind = series_type(cell)
            if kind is None:
                raise InvalidValue(f"attribute {path!r}: {values[path]!r} is no point of a series")
            self._check_type(path, kind)
            types[path] = kind
        numbers = all(kind is AttributeType.FLOAT_SERIES for kind in types.values())
        if preview is not None:
            if not numbers:
                raise InvalidValue("only numbers can be logged as previews")
            if number_code(preview) is None:
                raise InvalidValue(f"preview_completion is a number from 0 to 1, not {preview!r}")
            completion = min(1.0, max(0.0, float(preview))) if preview == preview else 0.0
            record = {"c": completion, "v": self._by_id(cells)}
            self._append((self._key, LOG_PREVIEW, step, time, None, dumps(record)))
        elif numbers and len(self._plans) < _MAX_SHAPES:
            shape, pack = plan = self._new_plan(tuple(values))
            data = pack(*(float(value) for value in values.values()))  # type: ignore[arg-type]
            self._append((self._key, LOG_POINTS, step, time, shape, data))
            self._plans[tuple(values)] = plan
        else:
            self._append((self._key, LOG_POINTS, step, time, None, dumps(self._by_id(cells))))
        self._learn(types)

    def _new_plan(self, paths: tuple[str, ...]) -> _Plan:
        shape = self._catalog.intern_shape(self._catalog.intern(list(paths)))
        return shape.id, struct.Struct(f"<{len(paths)}d").pack

    def log_steps(
        self, paths: tuple[str, ...], values: np.ndarray, steps: np.ndarray, times: np.ndarray
    ) -> None:
        """Append one point to each path at each of many steps, all or none. See `LogSteps`."""
        self._check_open()
        count, width = len(steps), 8 * len(paths)
        if not count or not width:
            return
        if (
            values.shape != (count, len(paths))
            or len(times) != count
            or len(set(paths)) < len(paths)
        ):
            raise InvalidInput("there is one value for each step and path, and no path comes twice")
        limit = MAX_STEP * STEP_SCALE
        if not -limit <= int(steps.min()) <= int(steps.max()) <= limit:
            raise InvalidStep("a step is an integer up to ±10^18 here")
        checked_time(int(times.min()))
        checked_time(int(times.max()))
        plan = self._plans.get(paths)
        if plan is None:
            for path in paths:
                check_loggable(validate_path(path))
            for path in paths:
                self._check_type(path, AttributeType.FLOAT_SERIES)
            plan = self._new_plan(paths)
            if len(self._plans) < _MAX_SHAPES:
                self._plans[paths] = plan
        data = values.astype("<f8").tobytes()
        self._append_all(
            [
                (self._key, LOG_POINTS, step, time, plan[0], data[start : start + width])
                for step, time, start in zip(
                    steps.tolist(), times.tolist(), range(0, len(data), width), strict=True
                )
            ]
        )
        self._learn(dict.fromkeys(paths, AttributeType.FLOAT_SERIES))

    def log_event(self, values: Mapping[str, object], *, time: int | None = None) -> None:
        """Append one row to the tracker's table. See `RunWriter.log_event`."""
        self._append(self._event(values, time))

    def log_events(self, rows: Sequence[tuple[Mapping[str, object], int | None]]) -> None:
        """Append several rows, all or none. See `RunWriter.log_events`."""
        self._append_all([self._event(values, time) for values, time in rows])

    def _event(self, values: Mapping[str, object], time: int | None) -> tuple[Any, ...]:
        if time is None:
            time = time_ns() // 1000
        elif type(time) is not int or not MIN_TIME <= time <= MAX_TIME:
            time = checked_time(time)
        plan = self._event_plans.get((tuple(values), tuple(map(type, values.values()))))
        if plan is not None:
            ids, floats, integers = plan
            get = values.__getitem__
            if all(map(math.isfinite, map(get, floats))) and all(  # type: ignore[arg-type]
                map(_INT64.__contains__, map(get, integers))
            ):
                try:
                    data = dumps(dict(zip(ids, values.values(), strict=True))).decode()
                except TypeError:
                    pass  # a text that UTF-8 cannot hold
                else:
                    if self._columns.behind:
                        self._columns.refresh()
                    return (self._key, LOG_EVENT, None, time, None, data)
        return (self._key, LOG_EVENT, None, time, None, self._encode_event(values))

    def _encode_event(self, values: Mapping[str, object]) -> str:
        """Return a row as JSON; its columns are entered first, where they are new."""
        self._check_open()
        for path in values:
            validate_path(path)
        ids = self._id_texts(list(values))
        cells = dict(zip(ids, map(encode_cell, values, values.values()), strict=True))
        data = dumps(cells).decode()
        if self._project is None:
            with self._database.read() as connection:
                row = connection.execute(
                    "SELECT project FROM runs WHERE id = ?", (self._key,)
                ).fetchone()
            if row is None:
                return data  # the run has been deleted: its rows go the same way
            self._project = row[0]
        self._columns.declare(
            self._project, {int(id): cell_kind(cell) for id, cell in cells.items()}
        )
        types = tuple(map(type, values.values()))
        # Of other types the type alone does not tell what the cell is.
        if _PLAIN.issuperset(types) and len(self._event_plans) < _MAX_EVENT_PLANS:
            names = tuple(values)
            floats = tuple(n for n, kind in zip(names, types, strict=True) if kind is float)
            integers = tuple(n for n, kind in zip(names, types, strict=True) if kind is int)
            self._event_plans[names, types] = (tuple(ids), floats, integers)
        return data

    def assign(self, values: Mapping[str, Any], *, time: int | None = None) -> None:
        """Set attributes that hold a single value, all or none. See `RunWriter.assign`."""
        self._check_open()
        cells = {}
        types = {}
        for path, value in values.items():
            check_settable(validate_path(path))
            if isinstance(value, Typed):
                type, value = typed_value(path, value)
            else:
                type = value_type(path, value)
            if type is AttributeType.INT and self._types.get(path) is AttributeType.FLOAT:
                type, value = AttributeType.FLOAT, as_float(path, value)
            self._check_type(path, type)
            cells[path] = [str(type), store_value(path, type, value)]
            types[path] = type
        if cells:
            self._append_record(LOG_ASSIGN, self._by_id(cells), time)
            self._learn(types)

    def change_set(
        self,
        path: str,
        *,
        add: Iterable[str] = (),
        remove: Iterable[str] = (),
        time: int | None = None,
    ) -> None:
        """Add to and remove from a string set. See `RunWriter.change_set`."""
        self._check_open()
        check_settable(validate_path(path))
        self._check_type(path, AttributeType.STRING_SET)
        changes = []
        for texts in (add, remove):
            if isinstance(texts, str):
                texts = [texts]
            texts = list(texts)
            if not all(isinstance(text, str) for text in texts):
                raise InvalidValue(f"attribute {path!r}: a set holds texts only")
            changes.append([encode_text(path, text) for text in texts])
        self._append_record(LOG_CHANGE_SET, self._by_id({path: changes}), time)
        self._learn({path: AttributeType.STRING_SET})

    def delete(self, path: str, *, time: int | None = None) -> None:
        """Remove an attribute with its points. See `RunWriter.delete`."""
        self._check_open()
        check_settable(validate_path(path))
        self._append_record(LOG_DELETE, self._by_id({path: None}), time)
        self._types.pop(path, None)
        self.types_changed = True
        self._plans = {paths: plan for paths, plan in self._plans.items() if path not in paths}

    def _append_record(self, kind: int, record: Mapping[str, object], time: int | None) -> None:
        moment = time_ns() // 1000 if time is None else checked_time(time)
        self._append((self._key, kind, None, moment, None, dumps(record)))

    def _learn(self, types: Mapping[str, AttributeType]) -> None:
        if not types.items() <= self._types.items():
            self._types.update(types)
            self.types_changed = True

    def _id_texts(self, paths: Sequence[str]) -> list[str]:
        return [str(id) for id in self._catalog.intern(paths)]

    def _by_id(self, cells: Mapping[str, object]) -> dict[str, object]:
        return dict(zip(self._id_texts(list(cells)), cells.values(), strict=True))

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed(f"the writer of run {self._run.run_id!r} is closed")

    def _check_type(self, path: str, type: AttributeType) -> None:
        known = self._types.get(path, type)
        if known is not type:
            raise TypeConflict(path, expected=str(known), got=str(type))
