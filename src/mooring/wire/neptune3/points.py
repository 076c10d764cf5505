"""Points of many float series, read from the bytes of updates without a message for each.

A client that logs the same metrics again and again sends the same bytes but for the values. What
lies around them is learned once, as a layout; updates of that layout are read by NumPy.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mooring.errors import InvalidValue

if TYPE_CHECKING:
    import numpy as np

_APPEND = 0x42
_MAX_LAYOUTS = 512
_MAX_LAYOUT_BYTES = 32 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What the points of an update look like, but for their values."""

    paths: tuple[str, ...]
    around: bytes
    """The bytes, with zeros for the values."""
    positions: np.ndarray
    """Where each byte of a value lies."""


@dataclass(frozen=True, slots=True, eq=False)
class FloatPoints:
    """An update that only appends numbers. `step` as whole and millionths, `time` in µs."""

    layout: Layout
    values: np.ndarray
    step: tuple[int, int] | None
    time: int | None


@dataclass(slots=True)
class Layouts:
    """Layouts met so far. Not thread-safe: a batch is read with one of its own, or with a lock."""

    _known: OrderedDict[bytes, Layout] = field(default_factory=OrderedDict)
    _by_size: dict[int, list[Layout]] = field(default_factory=dict)
    _bytes: int = 0

    def read(self, update: bytes) -> FloatPoints | None:
        """Return an update that only appends numbers; None for any other."""
        import numpy as np

        step: tuple[int, int] | None = None
        time: int | None = None
        at, end = 0, len(update)
        try:
            while at < end and update[at] != _APPEND:
                tag = update[at]
                if tag not in (0x0A, 0x12):
                    return None
                start, at = _sized(update, at + 1)
                first, second = _two_numbers(update, start, at)
                if tag == 0x0A:
                    step = (first, second)
                else:
                    if second >= 1_000_000_000 or first >= 1 << 63:
                        return None  # a negative number, as it is before 1970
                    time = first * 1_000_000 + (second + 500) // 1_000
        except (InvalidValue, IndexError):
            return None
        if at >= end:
            return None
        region = update[at:]
        data = np.frombuffer(region, np.uint8)
        for layout in self._by_size.get(len(region), ()):
            if (found := _match(layout, data)) is not None:
                return FloatPoints(layout, found, step, time)
        learned = _learn(region)
        if learned is None:
            return None
        self._keep(learned)
        found = _match(learned, data)
        return None if found is None else FloatPoints(learned, found, step, time)

    def _keep(self, layout: Layout) -> None:
        size = len(layout.around)
        if len(self._known) >= _MAX_LAYOUTS or self._bytes + size > _MAX_LAYOUT_BYTES:
            self._known.clear()
            self._by_size.clear()
            self._bytes = 0
        self._known[layout.around] = layout
        self._by_size.setdefault(size, []).append(layout)
        self._bytes += size


def iter_fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of each field of a message; of a number, those of its bytes.

    Raises `InvalidValue` where the bytes are no message.
    """
    try:
        while start < end:
            tag, start = _varint(data, start)
            kind = tag & 7
            at = start
            if kind == 0:
                _, start = _varint(data, start)
            elif kind == 1:
                start += 8
            elif kind == 2:
                at, start = _sized(data, start)
            elif kind == 5:
                start += 4
            else:
                raise InvalidValue(f"a field of kind {kind} is in no message here")
            if start > end or not tag >> 3:
                raise InvalidValue("a message ends within a field")
            yield tag >> 3, at, start
    except IndexError:
        raise InvalidValue("a message ends within a field") from None


def _match(layout: Layout, data: Any) -> Any:
    import numpy as np

    bare = data.copy()
    values = bare[layout.positions]
    bare[layout.positions] = 0
    if bare.tobytes() != layout.around:
        return None
    return np.frombuffer(values.tobytes(), "<f8")


def _learn(region: bytes) -> Layout | None:
    import numpy as np

    paths: list[str] = []
    starts: list[int] = []
    at, end = 0, len(region)
    try:
        while at < end:
            if region[at] != _APPEND:
                return None
            start, stop = _sized(region, at + 1)
            if stop > end or region[start] != 0x0A:
                return None
            name, close = _sized(region, start + 1)
            if close + 11 != stop or region[close : close + 3] != b"\x12\x09\x09":
                return None
            paths.append(region[name:close].decode())
            starts.append(close + 3)
            at = stop
    except (InvalidValue, IndexError, UnicodeDecodeError):
        return None
    if len(set(paths)) < len(paths):
        return None
    positions = (np.array(starts, np.int64)[:, None] + np.arange(8)).ravel()
    bare = np.frombuffer(region, np.uint8).copy()
    bare[positions] = 0
    return Layout(tuple(paths), bare.tobytes(), positions)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    number, shift = byte & 0x7F, 7
    while True:
        at += 1
        byte = data[at]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & (2**64 - 1), at + 1
        shift += 7
        if shift > 63:
            raise InvalidValue("a number of more than 64 bits")


def _sized(data: bytes, at: int) -> tuple[int, int]:
    size, start = _varint(data, at)
    return start, start + size


def _two_numbers(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return fields 1 and 2 of a message of two numbers."""
    found = [0, 0]
    while at < end:
        tag = data[at]
        if tag not in (0x08, 0x10):
            raise InvalidValue("not two numbers")
        found[tag == 0x10], at = _varint(data, at + 1)
    if at != end:
        raise InvalidValue("a message ends within a field")
    return found[0], found[1]
