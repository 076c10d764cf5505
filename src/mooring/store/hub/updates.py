"""Updates of a run as JSON arrays: one is a record of the spool, many are the body of a request.

======================================================= ==============================
``["p", {path: value}, step, time]`` and a completion   points; the step in millionths
``["m", [path], values, steps, times]``                 points of many steps, as base64
``["r", [[{name: cell}, time], …]]``                    rows of a tracker's table
``["a", {path: value}, time]``                          single values
``["s", path, [add], [remove], time]``                  changes of a set
``["d", path, time]``                                   a deletion
======================================================= ==============================

Values are tagged as in `mooring.wire.native.messages` where JSON cannot say them.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any

import orjson

from mooring.errors import InvalidInput, InvalidValue
from mooring.store.appending import (
    Assign,
    ChangeSet,
    Delete,
    LogPoints,
    LogRows,
    LogSteps,
    Refused,
    Update,
)
from mooring.store.hub.messages import CODEC

_PLAIN = frozenset({int, float, bool, str, type(None)})
_DASH = "an update is not of its form"


def encode_update(update: Update) -> bytes:
    """Return an update as a record.

    Raises
    ------
    InvalidValue
        For a value that no record can hold.
    """
    plain = CODEC.plain
    record: list[Any]
    match update:
        case LogPoints(values, step, time, completion):
            record = ["p", plain(values), step, time]
            if completion is not None:
                record.append(completion)
        case LogSteps(paths, values, steps, times):
            arrays = values.astype("<f8"), steps.astype("<i8"), times.astype("<i8")
            record = ["m", list(paths), *(b64encode(a.tobytes()).decode() for a in arrays)]
        case LogRows(rows):
            record = ["r", [[plain(values), time] for values, time in rows]]
        case Assign(values, time):
            record = ["a", plain(values), time]
        case ChangeSet(path, add, remove, time):
            record = ["s", path, list(add), list(remove), time]
        case Delete(path, time):
            record = ["d", path, time]
        case Refused(error):
            raise error
    try:
        return orjson.dumps(record)
    except TypeError as error:
        raise InvalidValue(f"a value cannot be sent: {error}") from None


def decode_updates(body: bytes) -> Sequence[Update]:
    """Return the updates of a body.

    Raises
    ------
    InvalidInput
        When it is no JSON array of updates.
    """
    try:
        records = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the updates are no JSON: {error}") from None
    if not isinstance(records, list):
        raise InvalidInput("the updates are no JSON array")
    return [_decode(record) for record in records]


def _decode(record: Any) -> Update:
    try:
        kind = record[0]
        if kind == "p":
            return _points(record)
        if kind == "m":
            return _steps(record)
        if kind == "r":
            _, rows = record
            return LogRows([(_values(values), _time(time)) for values, time in rows])
        if kind == "a":
            _, values, time = record
            return Assign(_values(values), _time(time))
        if kind == "s":
            _, path, add, remove, time = record
            for texts in (add, remove):
                if type(texts) is not list or not all(type(text) is str for text in texts):
                    raise InvalidInput(_DASH)
            return ChangeSet(_text(path), add, remove, _time(time))
        if kind == "d":
            _, path, time = record
            return Delete(_text(path), _time(time))
    except (TypeError, ValueError, KeyError, IndexError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{_DASH}: {error}") from None
    raise InvalidInput(f"{_DASH}: there is no kind {str(kind)[:20]!r}")


def _points(record: list[Any]) -> LogPoints:
    values, step, time = record[1:4]
    if step is not None and type(step) is not int:
        raise InvalidInput("the step of an update is an integer of millionths")
    completion = record[4] if len(record) > 4 else None
    if completion is not None and type(completion) not in (int, float):
        raise InvalidInput("the completion of a preview is a number")
    return LogPoints(_values(values), step, _time(time), completion)


def _steps(record: list[Any]) -> LogSteps:
    import numpy as np

    _, paths, *texts = record
    if type(paths) is not list or not paths:
        raise InvalidInput(f"{_DASH}: its paths are no list")
    values, steps, times = (b64decode(_text(text), validate=True) for text in texts)
    table = np.frombuffer(values, "<f8").reshape(-1, len(paths))
    integers = [np.frombuffer(numbers, "<i8") for numbers in (steps, times)]
    return LogSteps(tuple(map(_text, paths)), table, *integers)


def _values(values: Any) -> dict[str, Any]:
    if type(values) is not dict:
        raise InvalidInput(f"{_DASH}: its values are no object")
    if _PLAIN.issuperset(map(type, values.values())):
        return values
    found = CODEC.restore(values)
    if type(found) is not dict:
        raise InvalidInput(f"{_DASH}: its values are no object")
    return found


def _text(text: Any) -> str:
    if type(text) is not str:
        raise InvalidInput(f"{_DASH}: its path is no text")
    return text


def _time(time: Any) -> int:
    if type(time) is not int:
        raise InvalidInput("the time of an update is an integer of microseconds since 1970")
    return time
