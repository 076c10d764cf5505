"""Series as CSV and values as JSON, in the text forms of pandas and Python that the script has.

A series is `step,value,timestamp`: steps with a point, NaN as nothing, times without an offset in a
zone that is told elsewhere. `is_exact` tells which points come back from such a text as they were.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import BinaryIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from mooring.errors import InvalidInput
from mooring.model import MAX_STEP, STEP_SCALE, AttributeType, datetime_from_micros

HEADER = b"step,value,timestamp\n"
EMPTY = b"\n"
"""The whole file of a series without points."""

UTC = "UTC"
_ROWS = 1 << 18
"""Rows that are turned into text at once."""
_BLOCK_BYTES = 1 << 24
_MAX_BLOCK_BYTES = (1 << 31) - 1
_DAY_S = 86_400
_QUARTER = 900_000_000
_MICROSECOND = timedelta(microseconds=1)
_MICROS = pa.timestamp("us")
_FIRST_EXACT_TIME, _LAST_EXACT_TIME = -30_610_224_000_000_000, 253_402_214_400_000_000
"""The years 1000 to 9999, less a day."""


def check_zone(zone: str) -> str:
    """Return the name of a time zone, or raise `InvalidInput`."""
    if zone == UTC:
        return zone
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(
            f"{zone!r} is no time zone; write UTC, or a name such as 'Europe/Berlin'"
        ) from None
    return zone


# numbers


def format_floats(values: np.ndarray) -> pa.Array:
    """Return doubles as Python writes them, NaN as nothing.

    >>> format_floats(np.array([1.0, 0.1, 1e-05, 1e16, float("nan"), float("-inf")])).to_pylist()
    ['1.0', '0.1', '1e-05', '1e+16', '', '-inf']
    """
    size = np.abs(values)
    # Between these bounds Arrow writes what Python does, but for whole numbers.
    plain = ((size >= 1e-4) & (size < 1e10)) | (values == 0)
    texts = pc.cast(pa.array(np.where(plain, values, 0.5)), pa.large_string())
    with np.errstate(invalid="ignore"):  # NaN
        whole = pa.array(plain & (values == np.trunc(values)))
    if pc.any(whole).as_py():
        texts = pc.if_else(whole, _concatenated(texts, ".0"), texts)
    odd = np.flatnonzero(~plain)
    if len(odd):
        written = ["" if text == "nan" else text for text in map(repr, values[odd].tolist())]
        texts = pc.replace_with_mask(texts, pa.array(~plain), pa.array(written, pa.large_string()))
    return texts


def steps_of(steps: np.ndarray) -> np.ndarray:
    """Return steps in millionths of steps as numbers."""
    micros: np.ndarray = np.rint(steps * STEP_SCALE).astype(np.int64)
    return micros


# times


def _local(micros: np.ndarray, zone: str) -> np.ndarray:
    """Return instants as local times, both in microseconds."""
    return micros if zone == UTC else micros + _offsets(micros, ZoneInfo(zone), local=False)


def _instants(micros: np.ndarray, zone: str) -> np.ndarray:
    """Return local times as instants; of an hour that a zone has twice, the earlier."""
    return micros if zone == UTC else micros - _offsets(micros, ZoneInfo(zone), local=True)


def _offsets(micros: np.ndarray, zone: ZoneInfo, *, local: bool) -> np.ndarray:
    """Return the offset from UTC at each instant or local time, in microseconds.

    Zones change their offset at whole quarters of an hour, so each quarter is asked for once. Where
    one did not, as in the 19th century, `is_exact` finds it out.
    """
    quarters, places = np.unique(micros // _QUARTER, return_inverse=True)
    offsets = np.zeros(len(quarters), np.int64)
    for place, quarter in enumerate(quarters.tolist()):
        with suppress(OverflowError):  # before the year 1, after 9999
            instant = datetime_from_micros(quarter * _QUARTER)
            placed = instant.replace(tzinfo=zone) if local else instant.astimezone(zone)
            offsets[place] = (placed.utcoffset() or timedelta()) // _MICROSECOND
    return offsets[places]


def _unit(local: np.ndarray) -> str:
    """Return the unit that pandas shows a column of times in: that of its finest one."""
    if np.any(local % 1_000):
        return "us"
    if np.any(local % 1_000_000):
        return "ms"
    return "D" if not np.any(local % (_DAY_S * 1_000_000)) else "s"


def _format_times(local: np.ndarray, unit: str) -> pa.Array:
    times = pa.array(local, _MICROS)
    if unit == "D":
        return pc.cast(pc.cast(times, pa.date32()), pa.large_string())
    return pc.cast(pc.cast(times, pa.timestamp(unit)), pa.large_string())


# series


class SeriesFormat:
    """Writes series as CSV, with times in one zone.

    Series of a run are mostly logged together: texts of steps and times are kept for the next one.
    """

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._last: tuple[np.ndarray, np.ndarray, pa.Array, pa.Array] | None = None

    def parts(self, steps: np.ndarray, times: np.ndarray, values: pa.Array) -> Iterator[bytes]:
        """Yield the parts of the CSV file of a float or string series."""
        if not len(steps):
            yield EMPTY
            return
        yield HEADER
        local = None
        for start in range(0, len(steps), _ROWS):
            part = slice(start, start + _ROWS)
            known = self._known(steps, times)
            if known is None:
                if local is None:
                    local = _local(times, self._zone)
                    unit = _unit(local)
                known = (
                    _concatenated(format_floats(steps[part] / STEP_SCALE), ","),
                    _concatenated(",", _format_times(local[part], unit), "\n"),
                )
                if len(steps) <= _ROWS:
                    self._last = (steps, times, *known)
            chosen = values.slice(start, _ROWS)
            if pa.types.is_floating(chosen.type):
                shown = format_floats(chosen.to_numpy(zero_copy_only=False))
            else:
                shown = _quoted(chosen)
            yield _joined(_concatenated(known[0], shown, known[1]))

    def _known(self, steps: np.ndarray, times: np.ndarray) -> tuple[pa.Array, pa.Array] | None:
        if self._last is None:
            return None
        last_steps, last_times, before, after = self._last
        if np.array_equal(last_steps, steps) and np.array_equal(last_times, times):
            return before, after
        return None


def _quoted(texts: pa.Array) -> pa.Array:
    texts = pc.cast(texts, pa.large_string())
    odd = pc.match_substring_regex(texts, '[,"\r\n]')
    if not pc.any(odd).as_py():
        return texts
    doubled = pc.replace_substring(texts, '"', '""')
    return pc.if_else(odd, _concatenated('"', doubled, '"'), texts)


def _concatenated(*texts: pa.Array | str) -> pa.Array:
    large = [
        pa.scalar(text, pa.large_string()) if isinstance(text, str) else text for text in texts
    ]
    return pc.binary_join_element_wise(*large, pa.scalar("", pa.large_string()))


def _joined(texts: pa.Array) -> bytes:
    """Return the bytes of all texts, one after the other."""
    _, _, data = texts.buffers()
    offsets = pc.binary_length(texts)
    return data.slice(0, pc.sum(offsets).as_py()).to_pybytes() if data is not None else b""


def is_exact(steps: np.ndarray, times: np.ndarray, values: pa.Array, zone: str) -> bool:
    """Return whether points come back from their CSV file as they are."""
    if not np.array_equal(steps_of(steps / STEP_SCALE), steps):
        return False
    if len(times) and (times.min() < _FIRST_EXACT_TIME or times.max() >= _LAST_EXACT_TIME):
        return False
    if zone != UTC and not np.array_equal(_instants(_local(times, zone), zone), times):
        return False
    if pa.types.is_floating(values.type):
        return True
    # What readers of CSV do with these differs.
    return not pc.any(pc.match_substring_regex(values, "[\\x00\r\ufeff]")).as_py()


def read_series(
    open_file: Callable[[], BinaryIO], zone: str, *, texts: bool, missing: int = 0
) -> pa.Table:
    """Return the points of a CSV file: columns step (millionths), time (microseconds), value.

    Values are texts or doubles; `missing` is the time of points that have none. Raises
    `InvalidInput` for what is no such file.
    """
    for block in (_BLOCK_BYTES, _MAX_BLOCK_BYTES):
        file = open_file()
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        try:
            batches = [
                _read_batch(batch, zone, texts, missing)
                for batch in _open_csv(file, min(block, size + 1))
            ]
        except pa.ArrowInvalid as error:
            # a text longer than a block; then the whole file is one
            if "straddl" in str(error) and block < _MAX_BLOCK_BYTES:
                continue
            raise InvalidInput(f"no CSV of a series: {error}") from error
        except KeyError as error:
            raise InvalidInput(f"no CSV of a series: it has no column {error}") from error
        finally:
            file.close()
        if batches:
            return pa.Table.from_batches(batches)
        break
    value = pa.string() if texts else pa.float64()
    return pa.schema([("step", pa.int64()), ("time", pa.int64()), ("value", value)]).empty_table()


def _open_csv(file: BinaryIO, block: int) -> pcsv.CSVStreamingReader:
    return pcsv.open_csv(
        pa.PythonFile(file, mode="r"),
        read_options=pcsv.ReadOptions(block_size=block, use_threads=False),
        parse_options=pcsv.ParseOptions(newlines_in_values=True),
        convert_options=pcsv.ConvertOptions(
            column_types={name: pa.string() for name in ("step", "value", "timestamp")},
            strings_can_be_null=False,
        ),
    )


def _read_batch(batch: pa.RecordBatch, zone: str, texts: bool, missing: int) -> pa.RecordBatch:
    values = batch["value"] if texts else _read_floats(batch["value"])
    steps = _read_steps(batch["step"])
    times = _read_times(batch["timestamp"], zone, missing)
    return pa.record_batch(
        [pa.array(steps), pa.array(times), values], names=["step", "time", "value"]
    )


def _read_steps(column: pa.Array) -> np.ndarray:
    try:
        numbers = pc.cast(column, pa.float64()).to_numpy()
    except pa.ArrowInvalid as error:
        raise InvalidInput(f"no step: {error}") from error
    if len(numbers) and not np.all(np.abs(numbers) <= MAX_STEP):
        raise InvalidInput("a step that is no finite number within ±10^12")
    return steps_of(numbers)


def _read_times(column: pa.Array, zone: str, missing: int) -> np.ndarray:
    empty = pc.equal(column, "")
    if pc.any(empty).as_py():
        column = pc.if_else(empty, None, column)
    try:
        local = pc.cast(pc.utf8_slice_codeunits(column, 0, 26), _MICROS)
    except pa.ArrowInvalid as error:
        raise InvalidInput(f"no time: {error}") from error
    known = pc.is_valid(local).to_numpy(zero_copy_only=False)
    micros = pc.fill_null(pc.cast(local, pa.int64()), 0).to_numpy()
    return np.where(known, _instants(micros, zone), missing)


def _read_floats(column: pa.Array) -> pa.Array:
    """Return values as doubles, nothing as NaN."""
    try:
        return pc.cast(pc.if_else(pc.equal(column, ""), "nan", column), pa.float64())
    except pa.ArrowInvalid as error:
        raise InvalidInput(f"no number: {error}") from error


# values


def format_metadata(values: Mapping[str, object]) -> bytes:
    """Return `simple_metadata.json`: flat, sorted, and with Python's texts for the rest.

    >>> print(format_metadata({"b": frozenset({"y", "x"}), "a": 0.1}).decode())
    {
        "a": 0.1,
        "b": "{'x', 'y'}"
    }
    """
    shown = {path: _shown(value) for path, value in values.items()}
    return json.dumps(shown, indent=4, sort_keys=True).encode()


def _shown(value: object) -> object:
    if isinstance(value, datetime):
        return str(value)
    if isinstance(value, (frozenset, set)):
        return set_text(sorted(value))
    return value


def set_text(texts: Sequence[str]) -> str:
    """Return Python's text of a set, in this order.

    >>> set_text(["a", "b"]), set_text([])
    ("{'a', 'b'}", 'set()')
    """
    return f"{{{', '.join(map(repr, texts))}}}" if texts else "set()"


SHOWN_TYPES = frozenset(
    {
        AttributeType.INT,
        AttributeType.FLOAT,
        AttributeType.STRING,
        AttributeType.BOOL,
        AttributeType.DATETIME,
        AttributeType.STRING_SET,
    }
)
"""Types that `simple_metadata.json` holds."""
