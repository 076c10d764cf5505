"""Many protobuf messages of one shape at once, as rows of a NumPy array.

All rows have one length: numbers of variable length are padded to the longest among them, which
the format allows. Nothing here loops over rows in Python: 10 million points take about a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Column: TypeAlias = NDArray[np.float64] | NDArray[np.float32] | NDArray[np.int64]
Part: TypeAlias = bytes | tuple[int, Column]
"""Bytes that are the same in every row, or a field's number and its values."""
Records: TypeAlias = NDArray[np.uint8]
"""Rows of bytes."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_AT_ONCE = 1 << 15
"""Rows that are packed together, so that they stay in the cache."""


def pack_records(parts: Sequence[Part], count: int, *, field: int | None = None) -> Records:
    """Return `count` messages, each a row.

    Doubles and floats travel as they are, integers as varints. With `field` each is preceded by
    what makes it a field of that number of a greater message.

    Examples
    --------
    >>> rows = pack_records([(1, np.array([3, 300])), (2, np.array([1.0, 2.0]))], 2)
    >>> rows[0].tobytes().hex()
    '08830011000000000000f03f'
    """
    template, places = _lay_out(parts)
    if field is not None:
        template, places = _lay_out([prefix(field, len(template)), *parts])
    rows = np.empty((count, len(template)), np.uint8)
    for start in range(0, count, _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        some[:] = template
        for offset, width, values in places:
            _put(some, offset, width, values[start : start + _AT_ONCE], template)
    return rows


def prefix(number: int, length: int) -> bytes:
    """Return what stands before a field of so many bytes: a message, a text.

    >>> prefix(1, 300).hex()
    '0aac02'
    """
    return varint(number << 3 | _LENGTH) + varint(length)


def varint(value: int) -> bytes:
    """Return a whole number that is not negative, seven bits a byte."""
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _lay_out(parts: Sequence[Part]) -> tuple[NDArray[np.uint8], list[tuple[int, int, Column]]]:
    """Return the bytes that all rows share, and where the others go: (offset, width, values).

    Varints come first in the list: what is written of one may reach into what follows it.
    """
    shared = bytearray()
    places: list[tuple[int, int, Column]] = []
    for part in parts:
        if isinstance(part, bytes):
            shared += part
            continue
        number, values = part
        if values.dtype == np.float64:
            kind, width = _FIXED64, 8
        elif values.dtype == np.float32:
            kind, width = _FIXED32, 4
        else:
            kind, width = _VARINT, _varint_width(values)
        shared += varint(number << 3 | kind)
        places.append((len(shared), width, values))
        shared += bytes(width)
    places.sort(key=lambda place: place[2].dtype.kind == "f")
    return np.frombuffer(bytes(shared), np.uint8), places


def _varint_width(values: Column) -> int:
    if not len(values):
        return 1
    if int(values.min()) < 0:
        return 10
    return max(1, -(-int(values.max()).bit_length() // 7))


def _put(
    rows: Records, offset: int, width: int, values: Column, template: NDArray[np.uint8]
) -> None:
    if values.dtype.kind == "f":
        field = np.dtype({"names": ["x"], "formats": [f"<f{width}"], "offsets": [offset],
                          "itemsize": rows.shape[1]})  # fmt: skip
        rows.view(field)["x"][:, 0] = values
        return
    numbers = values.astype(np.int64, copy=False).view(np.uint64)
    if 1 < width <= 8 and offset + 8 <= rows.shape[1]:
        field = np.dtype({"names": ["x"], "formats": ["<u8"], "offsets": [offset],
                          "itemsize": rows.shape[1]})  # fmt: skip
        rows.view(field)["x"][:, 0] = _spread(numbers, width, template[offset + width : offset + 8])
        return
    for place in range(width):
        more = 0x80 if place < width - 1 else 0
        byte = (numbers >> np.uint64(7 * place)) & np.uint64(0x7F)
        rows[:, offset + place] = byte.astype(np.uint8) | np.uint8(more)


def _spread(
    numbers: NDArray[np.uint64], width: int, following: NDArray[np.uint8]
) -> NDArray[np.uint64]:
    """Return varints of `width` bytes, and the bytes that follow them, as words of eight."""
    shared = bytes([0x80] * (width - 1) + [0]) + following.tobytes()
    words = numbers & np.uint64(0x7F)
    for place in range(1, width):
        words |= (numbers & np.uint64(0x7F << 7 * place)) << np.uint64(place)
    words |= np.uint64(int.from_bytes(shared, "little"))
    return words
