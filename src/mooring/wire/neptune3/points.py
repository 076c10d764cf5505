"""Points of many float series, read from the bytes of updates without a message for each.

A client that logs the same metrics again and again sends the same bytes but for the values, the
step and the time. What lies around them is learned once, as a layout; all updates of a request that
have that layout are read by NumPy at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mooring.errors import InvalidValue

if TYPE_CHECKING:
    import numpy as np

_APPEND = 0x42
_STEP, _TIME = 0x0A, 0x12
_MAX_LAYOUTS = 512
_MAX_LAYOUT_BYTES = 32 << 20
_MAX_TRIES = 16
"""Layouts of one length that are looked for among all updates of that length."""
_WORTH = 256
"""After these, one that fewer than this part of the updates have ends the search: what is left is
read one by one. A look at all of them costs as much as that of one in a thousand."""
_LOOKED_AT = 8
"""Known layouts of a size that points are compared with before their own one is learned."""
_HIGHEST = 2**62
_MAX_SECONDS = 9_000_000_000_000
"""Beyond every date, and its microseconds have 64 bits still."""
_NANOS = 1_000_000_000

Span = tuple[int, int]
"""Where the bytes of a number begin and end; both are 0 where it is left out, which means zero."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What the points of an update look like, but for their values."""

    paths: tuple[str, ...]
    around: bytes
    """The bytes, with zeros for the values."""
    positions: np.ndarray
    """Where each byte of a value lies."""
    fixed: np.ndarray
    """255 for each byte that is not of a value."""


@dataclass(frozen=True, slots=True, eq=False)
class FloatPoints:
    """Updates that follow each other, have one layout, and only append numbers.

    Attributes
    ----------
    values : a row for each update, a column for each path of the layout
    whole, micro : the step of each, its millionths apart; None where they have none
    times : microseconds since 1970; None where they have none
    """

    layout: Layout
    values: np.ndarray
    whole: np.ndarray | None
    micro: np.ndarray | None
    times: np.ndarray | None

    def part(self, start: int, end: int) -> FloatPoints:
        """Return some of the updates."""
        rows = slice(start, end)
        return FloatPoints(
            self.layout,
            self.values[rows],
            None if self.whole is None else self.whole[rows],
            None if self.micro is None else self.micro[rows],
            None if self.times is None else self.times[rows],
        )


@dataclass(frozen=True, slots=True)
class _Head:
    """What comes before the points of an update: its length, and where its numbers are."""

    size: int
    step: tuple[Span, Span] | None
    time: tuple[Span, Span] | None


@dataclass(slots=True)
class Layouts:
    """Layouts met so far. Not thread-safe: a batch is read with one of its own, or with a lock."""

    _known: OrderedDict[bytes, Layout] = field(default_factory=OrderedDict)
    _by_size: dict[int, list[Layout]] = field(default_factory=dict)
    _bytes: int = 0

    def read(self, data: bytes, spans: Sequence[Span]) -> Iterator[FloatPoints | bytes]:
        """Yield updates in their order: those that only append numbers, of others the bytes.

        `spans` are where they lie in `data`.
        """
        import numpy as np

        pieces: dict[tuple[int, bool, bool], list[tuple[np.ndarray, FloatPoints]]] = {}
        for places, points in self._read_by_length(data, spans):
            key = (id(points.layout), points.whole is None, points.times is None)
            pieces.setdefault(key, []).append((places, points))
        kinds = np.full(len(spans), -1)
        joined = []
        for number, found in enumerate(pieces.values()):
            places = np.concatenate([places for places, _ in found])
            kinds[places] = number
            joined.append(_join([points for _, points in found], np.argsort(places)))
        taken = [0] * len(joined)
        changes = np.flatnonzero((kinds[1:] != kinds[:-1]) | (kinds[1:] < 0)) + 1
        for start, end in zip([0, *changes.tolist()], [*changes.tolist(), len(kinds)], strict=True):
            kind = int(kinds[start]) if start < end else -1
            if kind >= 0:
                first = taken[kind]
                taken[kind] = first + end - start
                yield joined[kind].part(first, taken[kind])
            else:
                yield from (data[slice(*span)] for span in spans[start:end])

    def _read_by_length(
        self, data: bytes, spans: Sequence[Span]
    ) -> Iterator[tuple[np.ndarray, FloatPoints]]:
        """Yield updates that only append numbers, each layout with their places among all."""
        import numpy as np

        by_length: dict[int, list[int]] = {}
        for place, (start, end) in enumerate(spans):
            by_length.setdefault(end - start, []).append(place)
        for length, members in by_length.items():
            places = np.array(members)
            found = b"".join([data[slice(*spans[place])] for place in members])
            rows = np.frombuffer(found, np.uint8).reshape(len(members), length)
            tries = 0
            while len(places):
                first = rows[0].tobytes()
                head = _read_head(first)
                layout = None if head is None else self._layout(first[head.size :])
                if head is None or layout is None:
                    places, rows = places[1:], rows[1:]
                    continue
                tries += 1
                same = _alike(rows, head, layout)
                yield places[same], _points(rows[same], head, layout)
                if tries >= _MAX_TRIES and np.count_nonzero(same) * _WORTH < len(places):
                    break
                places, rows = places[~same], rows[~same]

    def _layout(self, region: bytes) -> Layout | None:
        """Return the layout of points; None where they are not only numbers."""
        import numpy as np

        data = np.frombuffer(region, np.uint8)
        for layout in self._by_size.get(len(region), ())[-_LOOKED_AT:]:
            bare = data.copy()
            bare[layout.positions] = 0
            if bare.tobytes() == layout.around:
                return layout
        learned = _learn(region)
        if learned is None:
            return None
        known = self._known.get(learned.around)
        if known is None:
            self._keep(learned)
        return known or learned

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


def _read_head(update: bytes) -> _Head | None:
    """Read what comes before the points; None where that is more than a step and a time."""
    found: dict[int, tuple[Span, Span]] = {}
    at, end = 0, len(update)
    try:
        while at < end and update[at] != _APPEND:
            tag = update[at]
            if tag not in (_STEP, _TIME):
                return None
            start, at = _sized(update, at + 1)
            found[tag] = _two_numbers(update, start, at)
        if _TIME in found and _number(update, found[_TIME][1]) >= _NANOS:
            return None
    except (InvalidValue, IndexError):
        return None
    return _Head(at, found.get(_STEP), found.get(_TIME)) if at < end else None


def _alike(rows: np.ndarray, head: _Head, layout: Layout) -> np.ndarray:
    """Return which updates are as the first one, but for values and numbers of as many bytes."""
    import numpy as np

    if len(rows) == 1:
        return np.ones(1, bool)
    before = np.full(head.size, 255, np.uint8)
    for numbers in (head.step, head.time):
        for span in numbers or ():
            before[slice(*span)] = 0x80  # whether another byte of the number follows
    same: np.ndarray = ~((rows ^ rows[0]) & np.concatenate((before, layout.fixed))).any(axis=1)
    if head.time is not None:
        same &= _numbers(rows, head.time[1]) < _NANOS
    return same


def _points(rows: np.ndarray, head: _Head, layout: Layout) -> FloatPoints:
    import numpy as np

    values = np.ascontiguousarray(rows[:, head.size :][:, layout.positions])
    whole = micro = times = None
    if head.step is not None:
        whole, micro = (
            np.minimum(_numbers(rows, span), _HIGHEST).astype(np.int64) for span in head.step
        )
    if head.time is not None:
        # They are signed: before 1970 they are negative.
        seconds = _numbers(rows, head.time[0]).view(np.int64).clip(-_MAX_SECONDS, _MAX_SECONDS)
        nanos = _numbers(rows, head.time[1]).astype(np.int64)
        # Clients get at nanoseconds through a double: 0.1 s comes as 99,999,904 ns.
        times = seconds * 1_000_000 + (nanos + 500) // 1_000
    return FloatPoints(layout, values.view("<f8"), whole, micro, times)


def _numbers(rows: np.ndarray, span: Span) -> np.ndarray:
    """Return a number of each update."""
    import numpy as np

    found = np.zeros(len(rows), np.uint64)
    for place, at in enumerate(range(*span)):
        found |= (rows[:, at] & 0x7F).astype(np.uint64) << np.uint64(7 * place)
    return found


def _join(parts: Sequence[FloatPoints], order: np.ndarray) -> FloatPoints:
    """Return updates of one layout in another order."""
    import numpy as np

    def joined(arrays: Sequence[np.ndarray | None]) -> np.ndarray | None:
        there = [array for array in arrays if array is not None]
        return np.concatenate(there)[order] if there else None

    return FloatPoints(
        parts[0].layout,
        np.concatenate([part.values for part in parts])[order],
        joined([part.whole for part in parts]),
        joined([part.micro for part in parts]),
        joined([part.times for part in parts]),
    )


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
    fixed = np.full(len(bare), 255, np.uint8)
    fixed[positions] = 0
    return Layout(tuple(paths), bare.tobytes(), positions, fixed)


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


def _two_numbers(data: bytes, at: int, end: int) -> tuple[Span, Span]:
    """Return where fields 1 and 2 of a message of two numbers are."""
    found = [(0, 0), (0, 0)]
    while at < end:
        tag = data[at]
        if tag not in (0x08, 0x10):
            raise InvalidValue("not two numbers")
        start = at + 1
        _, at = _varint(data, start)
        found[tag == 0x10] = (start, at)
    if at != end:
        raise InvalidValue("a message ends within a field")
    return found[0], found[1]


def _number(data: bytes, span: Span) -> int:
    return _varint(data, span[0])[0] if span[1] else 0
