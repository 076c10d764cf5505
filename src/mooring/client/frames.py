"""Frames of a spool's file: how records lie one after another, and what of a file is whole.

A frame is a magic (4 bytes), a CRC-32 (4), the number of the record (8), the length of the record
(4), and the record; integers are little-endian, and the CRC covers everything after it. The
highest bit of the length says that the next frame belongs to the same call: frames of one call
count together or not at all.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

MAGIC = b"\xf5MSp"
HEAD_BYTES = 20
LARGEST_RECORD = 1 << 30

_MORE = 1 << 31
_FRAME = struct.Struct("<4sIQI")
_CHECKED = struct.Struct("<QI")


def encode(number: int, record: bytes, *, more: bool = False) -> bytes:
    """Return the frame of a record.

    >>> take(encode(1, b"loss"), number=1, max_bytes=100, max_count=9).records
    [b'loss']
    """
    checked = _CHECKED.pack(number, len(record) | _MORE if more else len(record))
    crc = crc32(record, crc32(checked))
    return b"".join((MAGIC, crc.to_bytes(4, "little"), checked, record))


@dataclass(frozen=True, slots=True)
class Taken:
    """Records from the start of some bytes, and the offset after each of them.

    `needs` is how many bytes the next frame takes where its end is not among the bytes; 0 where
    the bounds ended the taking, or what follows is no frame.
    """

    records: list[bytes]
    ends: list[int]
    needs: int = 0


def take(
    data: bytes, *, number: int, max_bytes: int, max_count: int, required: bool = True
) -> Taken:
    """Take the frames at the start of `data`, numbered from `number` on, up to what is no frame.

    Where one is `required`, the first is taken also when it is larger than `max_bytes`.
    """
    records: list[bytes] = []
    ends: list[int] = []
    at, size, left, needs = 0, len(data), max_bytes, 0
    while len(records) < max_count and at < size:
        if at + HEAD_BYTES > size:
            needs = HEAD_BYTES
            break
        magic, crc, found, word = _FRAME.unpack_from(data, at)
        if magic != MAGIC or found != number:
            break
        length = word & ~_MORE
        if (records or not required) and length > left:
            break
        end = at + HEAD_BYTES + length
        if end > size:
            needs = HEAD_BYTES + length
            break
        record = data[at + HEAD_BYTES : end]
        if crc32(record, crc32(data[at + 8 : at + HEAD_BYTES])) != crc:
            break
        records.append(record)
        ends.append(end)
        number += 1
        left -= length
        at = end
    return Taken(records, ends, needs)


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a file of frames goes: the number of its last record, and its whole bytes.

    `damaged` is the offset of what is no frame although frames follow it; else what lies beyond
    `size` is the torn tail of a call that never returned.
    """

    last: int
    size: int
    damaged: int | None = None


def measure(data: bytes, *, first: int) -> Extent:
    """Find the end of a file whose first frame has the number `first`.

    >>> torn = encode(1, b"loss") + encode(2, b"accuracy")[:-1]
    >>> measure(torn, first=1)
    Extent(last=1, size=24, damaged=None)
    """
    at, number, more = _walk(data, 0, first)
    if at == len(data) and not more:
        return Extent(number - 1, at)
    damaged, highest = at, None
    later = data.find(MAGIC, at + 1)
    while later >= 0:
        found = _number_at(data, later)
        if found is not None and found > number:
            end, number, _ = _walk(data, later, found)
            highest = number - 1
            later = data.find(MAGIC, end)
        else:
            later = data.find(MAGIC, later + 1)
    if highest is not None:
        return Extent(highest, len(data), damaged)
    return _whole_calls(data, first)


def _walk(data: bytes, at: int, number: int) -> tuple[int, int, bool]:
    """Return the offset and number after the frames from `at` on, and whether a call goes on."""
    more = False
    while at + HEAD_BYTES <= len(data):
        found, end, goes_on = _frame_at(data, at)
        if found != number:
            break
        at, number, more = end, number + 1, goes_on
    return at, number, more


def _whole_calls(data: bytes, first: int) -> Extent:
    """Return how far the frames go whose call is whole."""
    at, number, extent = 0, first, Extent(first - 1, 0)
    while at + HEAD_BYTES <= len(data):
        found, at, more = _frame_at(data, at)
        if found != number:
            break
        number += 1
        if not more:
            extent = Extent(found, at)
    return extent


def _frame_at(data: bytes, at: int) -> tuple[int, int, bool]:
    """Return number, end, and whether more follows of the whole frame at an offset; 0 for none."""
    magic, crc, number, word = _FRAME.unpack_from(data, at)
    end = at + HEAD_BYTES + (word & ~_MORE)
    if magic != MAGIC or end > len(data):
        return 0, at, False
    if crc32(memoryview(data)[at + 8 : end]) != crc:
        return 0, at, False
    return number, end, bool(word & _MORE)


def _number_at(data: bytes, at: int) -> int | None:
    if at + HEAD_BYTES > len(data):
        return None
    return _frame_at(data, at)[0] or None


def encode_all(first: int, records: Sequence[bytes]) -> bytes:
    """Return the frames of one call: they count together, or not at all."""
    until = len(records) - 1
    return b"".join(
        encode(first + index, record, more=index < until) for index, record in enumerate(records)
    )
