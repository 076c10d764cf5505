"""Writing to a run of a hub: checked here, numbered, and sent at once or by way of the spool.

What a SIGKILL leaves behind: with the spool, every update whose call returned, on this disk; it
is sent by the next process or `mooring sync`. Without it, the same in the hub; a call that raised
because the answer got lost may have been written, and its number is never given to another.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import time_ns
from typing import TYPE_CHECKING, Any

from mooring.errors import InvalidValue, StoreClosed, TypeConflict
from mooring.model import (
    AttributeType,
    RunInfo,
    Typed,
    Value,
    step_to_micros,
    validate_path,
)
from mooring.store.appending import Assign, ChangeSet, Delete, LogPoints, LogRows, Receipt
from mooring.store.cells import (
    decode_cell,
    dumps,
    encode_cell,
    encode_point,
    encode_text,
    number_code,
    series_type,
)
from mooring.store.hub.updates import encode_update
from mooring.store.values import (
    WRITABLE_SYSTEM_PATHS,
    check_loggable,
    check_settable,
    check_value,
    checked_time,
    value_type,
)

if TYPE_CHECKING:
    from mooring.client.spool import Spool

_MAX_PLANS = 512

Deliver = Callable[[int, str, int, Sequence[bytes]], Receipt]
"""Sends records of a writer to a run: key, writer, first number, records."""


class HubWriter:
    """The `RunWriter` of a hub's store."""

    def __init__(
        self,
        run: RunInfo,
        *,
        name: str,
        types: Mapping[str, AttributeType],
        deliver: Deliver,
        last_applied: Callable[[int, str], int],
        open_spool: Callable[[str], Spool] | None,
        wake: Callable[[], None],
        closed: Callable[[HubWriter], None],
    ) -> None:
        self._run = run
        self._types = {**WRITABLE_SYSTEM_PATHS, **types}
        self._deliver = deliver
        self._last_applied = last_applied
        self._open_spool = open_spool
        self._wake = wake
        self._tell_closed = closed
        self._plans: set[tuple[str, ...]] = set()
        self._closed = False
        self._lock = threading.RLock()
        self._begin(name)

    def _begin(self, name: str) -> None:
        self.name = name
        self._number: int | None = 0
        """Of the last update sent; None when an answer got lost, and the hub has to be asked."""
        self._process = os.getpid()
        self.spool = None if self._open_spool is None else self._open_spool(name)

    @property
    def run(self) -> RunInfo:
        """The run it writes to."""
        return self._run

    # points and rows

    def log(
        self,
        values: Mapping[str, object],
        *,
        step: object = None,
        time: int | None = None,
        preview_completion: float | None = None,
    ) -> None:
        """Append one point to each named series. See `RunWriter.log`."""
        micros = None if step is None else step_to_micros(step)
        moment = time_ns() // 1000 if time is None else checked_time(time)
        if preview_completion is None and tuple(values) in self._plans:
            for value in values.values():
                if type(value) is not float or value - value != 0.0:
                    break
            else:
                self._submit(dumps(["p", values, micros, moment]))
                return
        self._log_slowly(values, micros, moment, preview_completion)

    def _log_slowly(
        self, values: Mapping[str, object], step: int | None, time: int, preview: float | None
    ) -> None:
        self._check_open()
        if not values:
            return
        points: dict[str, object] = {}
        types: dict[str, AttributeType] = {}
        for path, value in values.items():
            check_loggable(validate_path(path))
            cell = encode_point(path, value)
            kind = series_type(cell)
            if kind is None:
                raise InvalidValue(f"attribute {path!r}: {value!r} is no point of a series")
            self._check_type(path, kind)
            types[path] = kind
            points[path] = (
                float(decode_cell(cell))
                if kind is AttributeType.FLOAT_SERIES
                else decode_cell(cell)
            )
        numbers = all(kind is AttributeType.FLOAT_SERIES for kind in types.values())
        completion = None
        if preview is not None:
            if not numbers:
                raise InvalidValue("only numbers can be logged as previews")
            if number_code(preview) is None:
                raise InvalidValue(f"preview_completion is a number from 0 to 1, not {preview!r}")
            completion = min(1.0, max(0.0, float(preview))) if preview == preview else 0.0
        self._submit(encode_update(LogPoints(points, step, time, completion)))
        self._types.update(types)
        if numbers and len(self._plans) < _MAX_PLANS and type(values) is dict:
            self._plans.add(tuple(values))

    def log_event(self, values: Mapping[str, object], *, time: int | None = None) -> None:
        """Append one row to the tracker's table. See `RunWriter.log_event`."""
        self._submit(encode_update(LogRows([_row(values, time)])))

    def log_events(self, rows: Sequence[tuple[Mapping[str, object], int | None]]) -> None:
        """Append several rows, all or none. See `RunWriter.log_events`."""
        checked = [_row(values, time) for values, time in rows]
        if checked:
            self._submit(encode_update(LogRows(checked)))

    # attributes

    def assign(self, values: Mapping[str, Value]) -> None:
        """Set attributes that hold a single value, all or none. See `RunWriter.assign`."""
        self._check_open()
        checked: dict[str, Value | Typed] = {}
        types = {}
        for path, value in values.items():
            check_settable(validate_path(path))
            type_ = value_type(path, value)
            if type_ is AttributeType.INT and self._types.get(path) is AttributeType.FLOAT:
                type_, value = AttributeType.FLOAT, float(value)  # type: ignore[arg-type]
            self._check_type(path, type_)
            checked[path] = check_value(path, type_, value)
            types[path] = type_
        if checked:
            self._submit(encode_update(Assign(checked, time_ns() // 1000)))
            self._types.update(types)

    def change_set(self, path: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Add to and remove from a string set. See `RunWriter.change_set`."""
        self._check_open()
        check_settable(validate_path(path))
        self._check_type(path, AttributeType.STRING_SET)
        changes = []
        for texts in (add, remove):
            texts = [texts] if isinstance(texts, str) else list(texts)
            if not all(isinstance(text, str) for text in texts):
                raise InvalidValue(f"attribute {path!r}: a set holds texts only")
            changes.append([encode_text(path, text) for text in texts])
        self._submit(encode_update(ChangeSet(path, changes[0], changes[1], time_ns() // 1000)))
        self._types[path] = AttributeType.STRING_SET

    def delete(self, path: str) -> None:
        """Remove an attribute with its points. See `RunWriter.delete`."""
        self._check_open()
        check_settable(validate_path(path))
        self._submit(encode_update(Delete(path, time_ns() // 1000)))
        self._types.pop(path, None)
        self._plans = {names for names in self._plans if path not in names}

    # sending

    def _submit(self, record: bytes) -> None:
        if self._closed:
            self._check_open()
        if self.spool is not None:
            self.spool.append(record)  # which a forked child has one of its own of
            self._wake()
            return
        if self._process != os.getpid():
            self._begin_again()
        with self._lock:
            if self._number is None:
                self._number = self._last_applied(self._run.key, self.name)
            number = self._number + 1
            self._number = None
            receipt = self._deliver(self._run.key, self.name, number, [record])
            self._number = receipt.last
        for _, error in receipt.refused:
            self._forget_types()
            raise error

    def _begin_again(self) -> None:
        """Go on in a forked child, as a writer of its own."""
        self._lock = threading.RLock()
        self._begin(uuid.uuid4().hex)

    def _forget_types(self) -> None:
        """Drop what was believed of types: the hub knows better."""
        self._types = dict(WRITABLE_SYSTEM_PATHS)
        self._plans = set()

    def close(self) -> None:
        """Send what is pending and end this writer's activity on the run."""
        if self._closed:
            return
        self._closed = True
        self._tell_closed(self)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed(f"the writer of run {self._run.run_id!r} is closed")

    def _check_type(self, path: str, type: AttributeType) -> None:
        known = self._types.get(path, type)
        if known is not type:
            raise TypeConflict(path, expected=str(known), got=str(type))


def _row(values: Mapping[str, object], time: int | None) -> tuple[dict[str, object], int]:
    """Return a row as it can be sent; raises what a local store would."""
    moment = time_ns() // 1000 if time is None else checked_time(time)
    cells: dict[str, object] = {}
    for path, value in values.items():
        cell = encode_cell(validate_path(path), value)
        cells[path] = cell if type(cell) is not list else _sent(value, cell)
    return cells, moment


def _sent(value: object, cell: Any) -> object:
    """Return a cell that JSON cannot say as the value that it stands for."""
    return value if isinstance(value, (bytes, bytearray, memoryview)) else decode_cell(cell)
