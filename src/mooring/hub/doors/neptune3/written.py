"""What runs have so far, as far as it decides whether an update can be taken.

Of each run that is being written the types of its attributes and the ends of its series are kept,
until somebody else writes to it, by whatever door or process.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mooring.errors import InvalidPath
from mooring.hub.doors.neptune3.file_refs import awaited_file, stored_file
from mooring.hub.guarded import GuardedStore
from mooring.model import (
    MAX_STEP,
    MAX_TIME,
    MIN_TIME,
    STEP_SCALE,
    AttributeType,
    FileRef,
    Histogram,
    RunInfo,
    Value,
    now_micros,
    validate_path,
)
from mooring.store.appending import Assign, ChangeSet, LogPoints, LogSteps
from mooring.store.appending import Update as StoreUpdate
from mooring.store.uploads import AwaitedFile
from mooring.store.values import WRITABLE_SYSTEM_PATHS
from mooring.wire.neptune3.ingest import Update, WireFile, WireValue
from mooring.wire.neptune3.points import FloatPoints, Layout
from mooring.wire.neptune3.requests import Code, Verdict

if TYPE_CHECKING:
    import numpy as np

_KEPT_RUNS = 256
_MAX_PATH = 1024
_MAX_TEXT = 1 << 20
_MAX_FILE = 4 << 10
_YEARS = range(1900, 2300)
_WRITABLE = WRITABLE_SYSTEM_PATHS.keys() - {"sys/name"}
_NO_STEP = -(2**63)
_FLOATS = AttributeType.FLOAT_SERIES


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done with a request, and what becomes of its operations."""

    updates: list[StoreUpdate] = field(default_factory=list)
    awaited: list[AwaitedFile] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Counter)

    def await_files(self, values: Mapping[str, object], step: int | None, time: int) -> None:
        """Note which of these values are files, whose content comes apart from them."""
        self.awaited.extend(
            awaited_file(path, value, step=step, time=time)
            for path, value in values.items()
            if isinstance(value, FileRef)
        )


class RunStates:
    """The states of runs, one user at a time for each, also among processes of the hub."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "neptune3.lock"
        self._file: int | None = None
        self._lock = threading.Lock()
        self._states: OrderedDict[int, RunState] = OrderedDict()

    @contextmanager
    def of(self, store: GuardedStore, run: RunInfo) -> Iterator[RunState]:
        """Yield the state of a run, which is as the store has it."""
        while True:
            state = self._find(run)
            with state.lock:
                if self._states.get(run.key) is not state:
                    continue  # it was dropped before it was locked, and there is another one
                assert self._file is not None
                # A lock of the process on one byte: threads have theirs, and others wait here.
                fcntl.lockf(self._file, fcntl.LOCK_EX, 1, run.key)
                try:
                    state.refresh(store)
                    yield state
                finally:
                    fcntl.lockf(self._file, fcntl.LOCK_UN, 1, run.key)
                return

    def _find(self, run: RunInfo) -> RunState:
        with self._lock:
            if self._file is None:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            state = self._states.get(run.key)
            if state is None:
                state = self._states[run.key] = RunState(run)
            self._states.move_to_end(run.key)
            if len(self._states) > _KEPT_RUNS:
                oldest = next(iter(self._states))
                if not self._states[oldest].lock.locked():
                    del self._states[oldest]
            return state


class RunState:
    """Types and ends of one run, and what they say to updates. Use it under its lock."""

    def __init__(self, run: RunInfo) -> None:
        self.lock = threading.Lock()
        self._run = run
        self._mark: tuple[int, int] | None = None
        self._types: dict[str, AttributeType] = {}
        self._places: dict[str, int] = {}
        self._steps: np.ndarray
        self._values: np.ndarray
        self._by_layout: dict[int, tuple[Layout, np.ndarray]] = {}

    def forget(self) -> None:
        """Read it anew the next time."""
        self._mark = None

    def keep(self, store: GuardedStore) -> None:
        """Enter that what it has planned is in the store."""
        self._mark = store.mark_changes()

    def refresh(self, store: GuardedStore) -> None:
        """Read it, unless nobody else has written since."""
        import numpy as np

        if self._mark is not None and not store.changed_since(self._run.key, self._mark):
            return
        mark = store.mark_changes()
        self._types = dict(store.attribute_types(self._run.key))
        ends = store.series_ends(self._run.key)
        fork = self._run.fork_step
        if fork is not None:
            # What was inherited binds nobody: these are own points only.
            ends = {path: end for path, end in ends.items() if end[0] > fork}
        self._places = {path: place for place, path in enumerate(ends)}
        size = max(64, 2 * len(ends))
        self._steps = np.full(size, _NO_STEP, np.int64)
        self._values = np.full(size, np.nan)
        if ends:
            self._steps[: len(ends)] = [step for step, _ in ends.values()]
            self._values[: len(ends)] = [value for _, value in ends.values()]
        self._by_layout = {}
        self._mark = mark

    def plan(self, updates: Iterable[FloatPoints | Update]) -> Plan:
        """Return what the store is to apply of updates, and what becomes of each operation."""
        plan = Plan()
        for update in updates:
            if isinstance(update, FloatPoints):
                self._plan_numbers(update, plan)
            else:
                self._plan(update, plan)
        return plan

    # points of one layout

    def _plan_numbers(self, points: FloatPoints, plan: Plan) -> None:
        """Plan updates of numbers, as many at once as can all be taken."""
        if self._take_all(points, plan):
            return
        count = len(points.values)
        if count > 1:
            self._plan_numbers(points.part(0, count // 2), plan)
            self._plan_numbers(points.part(count // 2, count), plan)
            return
        step = None
        if points.whole is not None and points.micro is not None:
            micro = int(points.micro[0])
            if micro >= STEP_SCALE:
                plan.verdict[Code.SERIES_STEP_INVALID] += len(points.layout.paths)
                return
            step = int(points.whole[0]) * STEP_SCALE + micro
        update = Update(
            step=step,
            time=None if points.times is None else int(points.times[0]),
            append=dict(zip(points.layout.paths, points.values[0].tolist(), strict=True)),
        )
        self._plan(update, plan)

    def _take_all(self, points: FloatPoints, plan: Plan) -> bool:
        """Plan points that can all be taken; return False where each has to be looked at."""
        import numpy as np

        if points.whole is None or points.micro is None:
            return False
        if bool((points.micro >= STEP_SCALE).any() or (points.whole >= MAX_STEP).any()):
            return False
        steps = points.whole * STEP_SCALE + points.micro
        known = self._by_layout.get(id(points.layout))
        if known is None:
            if self._check_layout(points.layout) is None:
                return False
            known = self._by_layout[id(points.layout)]
        places = known[1]
        if bool((self._steps[places] >= steps[0]).any() or (steps[1:] <= steps[:-1]).any()):
            return False
        self._steps[places] = steps[-1]
        self._values[places] = points.values[-1]
        if points.times is None:
            times = np.full(len(steps), now_micros())
        else:
            wrong = (points.times < MIN_TIME) | (points.times > MAX_TIME)
            times = np.where(wrong, now_micros(), points.times)
        plan.verdict[Code.OK] += points.values.size
        plan.updates.append(LogSteps(points.layout.paths, points.values, steps, times))
        return True

    def _check_layout(self, layout: Layout) -> np.ndarray | None:
        import numpy as np

        for path in layout.paths:
            if self._types.get(path, _FLOATS) is not _FLOATS or _check_path(path, series=True):
                return None
        for path in layout.paths:
            self._types[path] = _FLOATS
        places = np.array([self._place(path) for path in layout.paths], np.int64)
        if len(self._by_layout) >= 256:
            self._by_layout.clear()
        self._by_layout[id(layout)] = (layout, places)
        return places

    def _place(self, path: str) -> int:
        import numpy as np

        place = self._places.get(path)
        if place is None:
            place = self._places[path] = len(self._places)
            if place >= len(self._steps):
                more = np.full(len(self._steps), _NO_STEP, np.int64)
                self._steps = np.concatenate((self._steps, more))
                self._values = np.concatenate((self._values, np.full(len(more), np.nan)))
        return place

    # any update

    def _plan(self, update: Update, plan: Plan) -> None:
        time, verdict = _time(update.time), plan.verdict
        verdict.update(map(Code, update.codes))
        kept: dict[str, Value] = {}
        for path, value in update.assign.items():
            code, stored = self._single(path, value)
            verdict[code] += 1
            if code is Code.OK and stored is not None:
                kept[path] = stored
        if kept:
            plan.updates.append(Assign(kept, time))
            plan.await_files(kept, None, time)
        for path in {**update.add, **update.remove}:
            add, remove = update.add.get(path, ()), update.remove.get(path, ())
            code = self._check(path, AttributeType.STRING_SET)
            if code is Code.OK and _size([*add, *remove]) > _MAX_TEXT:
                code = Code.STRING_SET_EXCEEDS_SIZE_LIMIT
            verdict[code] += 1
            if code is Code.OK:
                self._types[path] = AttributeType.STRING_SET
                plan.updates.append(ChangeSet(path, sorted(add), sorted(remove), time))
        if update.append:
            self._plan_points(update, time, plan)

    def _single(self, path: str, value: WireValue) -> tuple[Code, Value | None]:
        """Return whether an attribute can take a value, and how the store has it."""
        stored: Value
        match value:
            case bool():
                type, stored = AttributeType.BOOL, value
            case int():
                type, stored = AttributeType.INT, value
            case float():
                type, stored = AttributeType.FLOAT, value
            case str():
                type, stored = AttributeType.STRING, value
            case datetime():
                type, stored = AttributeType.DATETIME, value
            case frozenset():
                type, stored = AttributeType.STRING_SET, value
            case WireFile():
                type, stored = AttributeType.FILE, stored_file(value)
            case _:
                return Code.FIELD_TYPE_UNSUPPORTED, None
        code = self._check(path, type)
        if code is Code.OK:
            code = _check_value(value)
        if code is Code.OK:
            self._types[path] = type
        return code, stored

    def _check(self, path: str, type: AttributeType) -> Code:
        found = _check_path(path, series=type.is_series)
        if found is None and self._types.get(path, type) is not type:
            found = Code.FIELD_TYPE_CONFLICTING
        return found or Code.OK

    def _plan_points(self, update: Update, time: int, plan: Plan) -> None:
        verdict = plan.verdict
        taken: dict[str, tuple[AttributeType, object]] = {}
        for path, value in update.append.items():
            type, stored = _point(value)
            code = Code.FIELD_TYPE_UNSUPPORTED if type is None else self._check(path, type)
            if code is Code.OK:
                code = _check_value(value)
            if code is Code.OK and type is not None:
                taken[path] = (type, stored)
            else:
                verdict[code] += 1
        step = self._next_step(taken) if update.step is None else update.step
        if not 0 <= step < MAX_STEP * STEP_SCALE:
            verdict[Code.SERIES_STEP_TOO_LARGE] += len(taken)
            return
        numbers: dict[str, object] = {}
        others: dict[str, object] = {}
        for path, (type, stored) in taken.items():
            code = Code.OK
            place = self._place(path)
            last = int(self._steps[place])
            if type is _FLOATS and isinstance(stored, float):
                code = self._check_step(place, last, step, stored, update.preview is not None)
            verdict[code] += 1
            if code is not Code.OK:
                continue
            self._types[path] = type
            if type is _FLOATS:
                numbers[path] = stored
                if update.preview is None:
                    self._steps[place], self._values[place] = step, stored
            else:
                others[path] = stored
                self._steps[place] = max(last, step)
        if numbers:
            plan.updates.append(LogPoints(numbers, step, time, update.preview))
        if others:
            plan.updates.append(LogPoints(others, step, time))
            plan.await_files(others, step, time)

    def _check_step(self, place: int, last: int, step: int, value: float, preview: bool) -> Code:
        if step > last:
            return Code.OK
        if preview:
            return Code.SERIES_PREVIEW_STEP_NOT_AFTER_LAST_COMMITTED_STEP
        before = float(self._values[place])
        if step == last and (before == value or (before != before and value != value)):
            return Code.SERIES_POINT_DUPLICATE
        return Code.SERIES_STEP_NON_INCREASING

    def _next_step(self, paths: Iterable[str]) -> int:
        """Return the next whole step after the highest one of these series."""
        places = [self._places[path] for path in paths if path in self._places]
        highest = max((int(self._steps[place]) for place in places), default=_NO_STEP)
        return 0 if highest < 0 else (highest // STEP_SCALE + 1) * STEP_SCALE


def _time(time: int | None) -> int:
    return now_micros() if time is None or not MIN_TIME <= time <= MAX_TIME else time


def _point(value: WireValue) -> tuple[AttributeType | None, object]:
    match value:
        case bool():
            return None, None
        case int() | float():
            return _FLOATS, float(value)
        case str():
            return AttributeType.STRING_SERIES, value
        case Histogram():
            return AttributeType.HISTOGRAM_SERIES, value
        case WireFile():
            return AttributeType.FILE_SERIES, stored_file(value)
    return None, None


def _check_path(path: str, *, series: bool) -> Code | None:
    if not path:
        return Code.FIELD_PATH_EMPTY
    try:
        validate_path(path)
    except InvalidPath:
        if len(path.encode()) > _MAX_PATH:
            return Code.FIELD_PATH_EXCEEDS_SIZE_LIMIT
        return Code.FIELD_PATH_INVALID
    if path.startswith("sys/") and (series or path not in _WRITABLE):
        return Code.FIELD_PATH_NON_WRITABLE
    return None


def _check_value(value: WireValue) -> Code:
    match value:
        case str() if len(value) > _MAX_TEXT // 4 and _size([value]) > _MAX_TEXT:
            return Code.STRING_VALUE_EXCEEDS_SIZE_LIMIT
        case frozenset() if _size(value) > _MAX_TEXT:
            return Code.STRING_SET_EXCEEDS_SIZE_LIMIT
        case datetime() if value.year not in _YEARS:
            return Code.DATETIME_VALUE_OUT_OF_RANGE
        case WireFile() if _size([value.path, value.mime_type]) > _MAX_FILE:
            return Code.FILE_REF_EXCEEDS_SIZE_LIMIT
    return Code.OK


def _size(texts: Iterable[str]) -> int:
    return sum(len(text.encode()) for text in texts)
