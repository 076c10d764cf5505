"""What a line of a log says, and how: the time, a level, the place that logged, and JSON.

::

    2023-12-14 21:46:55.290 | TRACKING | train:main:69!📁!{"loss":0.1,"track_id":"quiet-heron-0042"}

NaN and infinities are written as Python's `json` writes them (`NaN`, `Infinity`, `-Infinity`), so
that they are not null. A character of the delimiter that stands in a value is written as `\\uXXXX`,
so that the delimiter stands in a line once.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import orjson

from mooring.errors import InvalidInput
from mooring.tracker.constants import LOGURU_PARAMS
from mooring.tracker.flatten import as_mapping
from mooring.tracker.values import PLAIN_TYPES, refusal, to_plain

MONITOR: Final = LOGURU_PARAMS.MONITOR
TRACKING: Final = LOGURU_PARAMS.TRACKING
EXPERIMENT: Final = LOGURU_PARAMS.EXPERIMENT

LEVELS: Mapping[str, int] = {
    "DEBUG": 10,
    "INFO": 20,
    MONITOR: 26,
    TRACKING: 27,
    EXPERIMENT: 28,
    "WARNING": 30,
    "ERROR": 40,
}
"""Levels and their numbers, those of loguru and the three of our own."""

DEFAULT_DELIMITER: Final = LOGURU_PARAMS.DELIMITER

JSONL_TIMESTAMP, JSONL_LEVEL = "timestamp", "level"
_JSONL_OWN = frozenset({JSONL_TIMESTAMP, JSONL_LEVEL})

_QUARTER_HOUR = 15 * 60 * 1_000_000
_JSON_STRUCTURE = frozenset('{}[]:,"\\ +-.')
_SAMPLE_PREFIX = "2023-12-14 21:46:55.290 | TRACKING | a.b:<module>:69"


def delimiter_from_environment(environ: Mapping[str, str] | None = None) -> str:
    """Return `LOGS_DELIMITER`, else the default; read where a log is opened or read.

    Raises
    ------
    InvalidInput
        For one that what stands before it can hold too.

    Examples
    --------
    >>> delimiter_from_environment({}), delimiter_from_environment({"LOGS_DELIMITER": "|||"})
    ('!📁!', '|||')
    """
    environ = os.environ if environ is None else environ
    delimiter = environ.get("LOGS_DELIMITER") or DEFAULT_DELIMITER
    named = all(char.isalnum() or char in "_. " for char in delimiter)
    if named or not delimiter.isprintable() or delimiter in _SAMPLE_PREFIX:
        raise InvalidInput(
            f"LOGS_DELIMITER is {delimiter!r}, which a line can hold before its data too; choose "
            f"one with other characters, such as {DEFAULT_DELIMITER!r}"
        )
    return delimiter


def check_level(level: object) -> str:
    """Return the name of a level, or raise `InvalidInput` for what would break the line."""
    if isinstance(level, str) and level.isprintable() and "|" not in level and level.strip():
        return level
    raise InvalidInput(f"a level is a name such as 'MONITOR', without '|', not {level!r}")


# the place and the time


def find_caller() -> str:
    """Return `module:function:line` of the nearest caller outside of Mooring."""
    frame = sys._getframe(1)
    while (module := str(frame.f_globals.get("__name__")))[:8] == "mooring.":
        if frame.f_back is None:
            break
        frame = frame.f_back
    return f"{module}:{frame.f_code.co_name}:{frame.f_lineno}"


@lru_cache(maxsize=1024)
def head(level: str, place: str, delimiter: str) -> bytes:
    """Return what stands in a line between its time and its data.

    >>> head("TRACKING", "train:main:69", "!!")
    b' | TRACKING | train:main:69!!'
    """
    return f" | {level:<8} | {place}{delimiter}".encode("utf-8", "backslashreplace")


def iso_text(micros: int, local: str) -> str:
    """Return an instant as ISO 8601 with its zone; `local` is its `times.local_text`."""
    return f"{local[:10]}T{local[11:]}{_zone(micros // _QUARTER_HOUR)}"


@lru_cache(maxsize=64)
def _zone(quarter: int) -> str:
    """Return the offset from UTC, which cannot change within a quarter of an hour."""
    instant = datetime.fromtimestamp(quarter * _QUARTER_HOUR // 1_000_000).astimezone()
    return instant.isoformat(timespec="seconds")[19:]


# the data


def to_part(name: str, value: object) -> object:
    """Return a value as JSON can say it, or raise `InvalidValue` that says `name`.

    Leaves become what they become as cells of a tracker (`values.to_cell`). Lists, dicts, sets,
    dataclasses and arrays stay nested; bytes become hex digits.

    >>> to_part("shape", (3, {"a": b"\\x01"}))
    [3, {'a': '01'}]
    """
    plain = to_plain(name, value)
    if type(plain) in PLAIN_TYPES:
        return plain
    if isinstance(plain, datetime):
        return plain.isoformat(sep=" ")
    if isinstance(plain, (list, tuple)):
        return [to_part(name, item) for item in plain]
    if isinstance(plain, AbstractSet):
        return [to_part(name, item) for item in sorted(plain, key=str)]
    if isinstance(plain, (bytes, bytearray, memoryview)):
        return bytes(plain).hex()
    if callable(to_list := getattr(plain, "tolist", None)):
        return to_part(name, to_list())
    if type(plain).__name__ == "NAType":  # pandas.NA
        return None
    if (parts := as_mapping(plain)) is not None:
        return {str(key): to_part(name, part) for key, part in parts.items()}
    raise refusal(name, value, "JSON cannot hold it; log a number, a text, a list or a dict")


def records_of(data: object) -> Iterator[Mapping[Any, object]]:
    """Yield the rows of a dict, of a list of dicts, or of a pandas, polars or Arrow table.

    Raises
    ------
    InvalidInput
        When a row is none of these.
    """
    if isinstance(data, Mapping):
        yield data
    elif callable(to_pylist := getattr(data, "to_pylist", None)):  # Arrow
        yield from to_pylist()
    elif callable(iter_rows := getattr(data, "iter_rows", None)):  # polars
        yield from iter_rows(named=True)
    elif hasattr(data, "iloc") and callable(to_dict := getattr(data, "to_dict", None)):  # pandas
        yield from _pandas_rows(data) if hasattr(data, "columns") else [to_dict()]
    elif (parts := as_mapping(data)) is not None:
        yield parts
    elif isinstance(data, Iterable) and not isinstance(data, (str, bytes)):
        for row in data:
            yield from records_of(row)
    else:
        raise InvalidInput(
            f"a log takes a dict, a list of dicts or a data frame, not a {type(data).__qualname__}"
        )


def _pandas_rows(frame: Any) -> Iterator[Mapping[Any, object]]:
    """Yield the rows of a frame; NaN is a value in columns of floats, and missing in others."""
    others = [name for name, dtype in frame.dtypes.items() if getattr(dtype, "kind", "") != "f"]
    for row in frame.to_dict("records"):
        for name in others:
            if isinstance(row[name], float) and math.isnan(row[name]):
                row[name] = None
        yield row


def dump(record: Mapping[str, object], *, indent: int | None = None) -> bytes:
    """Return a record as JSON: on one line, or on several with so many spaces for each level.

    >>> dump({"loss": float("nan"), "lr": None, "name": "é"}).decode()
    '{"loss":NaN,"lr":null,"name":"é"}'
    """
    if indent is None:
        try:
            text = orjson.dumps(record)
        except TypeError:  # deeper than 254 levels
            text = b"null"
        if b"null" not in text:  # where no NaN can have become null
            return text
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(record, ensure_ascii=False, indent=indent, separators=separators).encode()


def escaper(delimiter: str) -> tuple[bytes, bytes]:
    """Return a character of the delimiter that JSON holds in texts only, and its escape.

    Both are empty when there is none.

    >>> escaper("!📁!"), escaper(",1")
    ((b'!', b'\\\\u0021'), (b'', b''))
    """
    for char in delimiter:
        if not char.isalnum() and char not in _JSON_STRUCTURE:
            units = char.encode("utf-16-be").hex()
            pairs = (units[start : start + 4] for start in range(0, len(units), 4))
            return char.encode(), "".join(f"\\u{pair}" for pair in pairs).encode()
    return b"", b""


def jsonl_name(name: str) -> str:
    """Return the name of a field in JSONL.

    `timestamp` and `level` are the line's own; a field of that name gets an underscore before it,
    one that has underscores before such a name one more, so that no two become one.

    >>> [jsonl_name(name) for name in ("loss", "level", "_level", "levels")]
    ['loss', '_level', '__level', 'levels']
    """
    return f"_{name}" if name.lstrip("_") in _JSONL_OWN else name


@lru_cache(maxsize=256)
def _jsonl_names(names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the names of fields in JSONL, or None where they are as they were."""
    renamed = tuple(map(jsonl_name, names))
    return None if renamed == names else renamed


def jsonl_record(
    record: Mapping[str, object], level: str, time: str, is_tracked: bool
) -> dict[str, object]:
    """Return the object of a JSONL line: time, level, then the fields.

    `is_tracked`: the record is a tracker's row, whose `timestamp` is the line's.

    >>> jsonl_record({"loss": 0.5, "level": 3}, "MONITOR", "2023-12-14T21:46:55Z", False)
    {'timestamp': '2023-12-14T21:46:55Z', 'level': 'MONITOR', 'loss': 0.5, '_level': 3}
    """
    line: dict[str, object] = {JSONL_TIMESTAMP: time, JSONL_LEVEL: level}
    if is_tracked:
        record = {**record}
        record.pop(JSONL_TIMESTAMP, None)
    names = _jsonl_names(tuple(record))
    line.update(record if names is None else zip(names, record.values(), strict=True))
    return line


def serialized(text: str, message: str, level: str, place: str, time: tuple[int, str]) -> bytes:
    """Return a line as a JSON record such as loguru writes: `text`, and what it is made of.

    `time` is in microseconds since 1970 and as ISO 8601.
    """
    module, function, number = place.rsplit(":", 2)
    record = {
        "level": {"name": level, "no": LEVELS.get(level, LEVELS["INFO"])},
        "message": message,
        "name": module,
        "function": function,
        "line": int(number),
        "process": {"id": os.getpid()},
        "time": {"repr": time[1], "timestamp": time[0] / 1_000_000},
    }
    return orjson.dumps({"text": text, "record": record}) + b"\n"
