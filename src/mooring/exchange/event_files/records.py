"""TensorBoard's event files: where they lie, their records, and the framing of new ones.

A record is its length (8 bytes), a checksum of that, the payload (a serialized `Event`), and a
checksum of the payload. TensorBoard's own reader stops silently at the first record that is
damaged and checks byte by byte in Python; this one tells where the damage is, and goes on
behind it.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mooring.errors import SourceUnreadable
from mooring.exchange.event_files.crc32c import masked_crc32c
from mooring.exchange.packages import require_package
from mooring.exchange.reading.files import walk
from mooring.exchange.reports import ProblemList

if TYPE_CHECKING:
    Numbers = np.ndarray[Any, np.dtype[np.int64]]
    Bytes = np.ndarray[Any, np.dtype[np.uint8]]

_HEADER = struct.Struct("<QI")
_LENGTH = struct.Struct("<Q")
_HEADER_BYTES = 12
_FRAME_BYTES = 16
_SEARCH_BYTES = 1 << 20
_BATCH_BYTES = 8 << 20
_BATCH_RECORDS = 50_000

EVENT_FILE_MARK = "tfevents"
"""What TensorBoard knows an event file's name by."""

FILE_VERSION = "brain.Event:2"
"""What the first event of a file says."""


def require_tensorboard() -> None:
    """Raise `MissingExtra` unless TensorBoard is installed. TensorFlow is not needed."""
    require_package("tensorboard.compat.proto.event_pb2", extra="tensorboard")


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of an event file that cannot be read.

    `offset` is where they begin; `cut` tells that the file ends within a record, as it does when
    its writer was killed.
    """

    offset: int
    why: str
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Frames:
    """Where the payloads of an event file's records begin, their lengths, and what is damaged."""

    starts: Numbers
    lengths: Numbers
    damages: Sequence[Damage]


def find_event_files(root: Path, problems: ProblemList | None = None) -> dict[str, Sequence[Path]]:
    """Return the event files of each folder below `root`, by its relative path (`.`: `root`).

    Links to folders are followed, each folder once. Folders that cannot be listed are told.
    """
    found: dict[str, Sequence[Path]] = {}
    for folder, files in walk(root, problems, follow_links=True):
        events = [
            folder / name
            for name in files
            if EVENT_FILE_MARK in name and not name.endswith(".profile-empty")
        ]
        if events:
            found[folder.relative_to(root).as_posix()] = events
    return dict(sorted(found.items()))


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap | bytes]:
    """Map a file into memory."""
    data: mmap.mmap | bytes = b""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise SourceUnreadable(f"{path} cannot be read: {error}", where=str(path)) from error
    try:
        yield data
    finally:
        if isinstance(data, mmap.mmap):
            with suppress(BufferError):  # an iterator that was left still looks at it
                data.close()


def frame(data: mmap.mmap | bytes) -> Frames:
    """Find the records of an event file. Only their lengths are read and checked.

    >>> frames = frame(encode([b"one", b"three"])[:-1])
    >>> frames.starts.tolist(), frames.lengths.tolist(), frames.damages[0].offset
    ([12], [3], 19)
    """
    size = len(data)
    starts: list[int] = []
    lengths: list[int] = []
    checks: list[int] = []
    damages: list[Damage] = []
    position = _walk(data, 0, starts, lengths, checks)
    while True:
        bad = _first_bad_length(lengths, checks)
        if bad is not None:
            position = starts[bad] - _HEADER_BYTES
            del starts[bad:], lengths[bad:], checks[bad:]
        elif position + _FRAME_BYTES > size or _is_length(data, position):
            if position < size:
                damages.append(Damage(position, "the file ends within a record", cut=True))
            break
        # The length of a record is damaged: the next one is found by its own checksum.
        following = _find_length(data, position + 1)
        if following is None:
            damages.append(Damage(position, "damaged up to the end of the file", cut=True))
            break
        damages.append(
            Damage(position, f"the length of a record is damaged; {following - position} bytes")
        )
        checked = len(lengths)
        position = _walk(data, following, starts, lengths, checks)
        checks[:checked] = [-1] * checked
    return Frames(np.array(starts, np.int64), np.array(lengths, np.int64), damages)


def iter_records(data: mmap.mmap | bytes, frames: Frames) -> Iterator[tuple[int, bytes | None]]:
    """Yield the offset (of the record) and payload of each record; None where it is damaged."""
    if not len(frames.starts):
        return
    view = np.frombuffer(data, np.uint8)
    try:
        ends = np.cumsum(frames.lengths)
        first = 0
        while first < len(ends):
            begun = int(ends[first] - frames.lengths[first])
            last = int(np.searchsorted(ends, begun + _BATCH_BYTES, side="right"))
            last = min(max(last, first + 1), first + _BATCH_RECORDS)
            starts, lengths = frames.starts[first:last], frames.lengths[first:last]
            whole = masked_crc32c(view, starts, lengths) == _words(view, starts + lengths)
            for start, length, good in zip(
                starts.tolist(), lengths.tolist(), whole.tolist(), strict=True
            ):
                yield start - _HEADER_BYTES, data[start : start + length] if good else None
            first = last
    finally:
        del view  # a mapping cannot be closed while an array looks at it


def read_record(path: Path, offset: int) -> bytes:
    """Return the payload of the record at `offset`; `SourceUnreadable` when it is damaged."""
    with mapped(path) as data:
        if not 0 <= offset <= len(data) - _FRAME_BYTES or not _is_length(data, offset):
            raise SourceUnreadable(f"{path} has no record at byte {offset}", where=str(path))
        length = _LENGTH.unpack_from(data, offset)[0]
        start = offset + _HEADER_BYTES
        one = Frames(np.array([start], np.int64), np.array([length], np.int64), ())
        if start + length + 4 <= len(data):
            for _, payload in iter_records(data, one):
                if payload is not None:
                    return payload
    raise SourceUnreadable(f"{path}: the record at byte {offset} is damaged", where=str(path))


def encode(payloads: Sequence[bytes]) -> bytes:
    """Return payloads as records of an event file."""
    if not payloads:
        return b""
    lengths = np.array([len(payload) for payload in payloads], np.int64)
    joined = np.frombuffer(b"".join(payloads), np.uint8)
    begins = np.cumsum(lengths) - lengths
    checks = masked_crc32c(joined, begins, lengths).tolist()
    sizes = lengths.astype("<u8")
    headers = np.frombuffer(sizes.tobytes(), np.uint8)
    places = np.arange(len(payloads), dtype=np.int64) * 8
    head = masked_crc32c(headers, places, np.full(len(payloads), 8, np.int64)).tolist()
    parts = []
    for payload, check, length_check in zip(payloads, checks, head, strict=True):
        parts += [
            _HEADER.pack(len(payload), length_check),
            payload,
            check.to_bytes(4, "little"),
        ]
    return b"".join(parts)


def _walk(
    data: mmap.mmap | bytes,
    position: int,
    starts: list[int],
    lengths: list[int],
    checks: list[int],
) -> int:
    """Add the records from `position` on; return where the first one begins that is not whole."""
    size = len(data)
    unpack = _HEADER.unpack_from
    while position + _FRAME_BYTES <= size:
        length, check = unpack(data, position)
        following = position + _FRAME_BYTES + length
        if following > size:
            break
        starts.append(position + _HEADER_BYTES)
        lengths.append(length)
        checks.append(check)
        position = following
    return position


def _first_bad_length(lengths: Sequence[int], checks: Sequence[int]) -> int | None:
    """Return the first record whose length does not fit its checksum (-1: is known to fit)."""
    if not lengths:
        return None
    sizes = np.frombuffer(np.array(lengths, "<u8").tobytes(), np.uint8)
    places = np.arange(len(lengths), dtype=np.int64) * 8
    found = masked_crc32c(sizes, places, np.full(len(lengths), 8, np.int64)).astype(np.int64)
    told = np.array(checks, np.int64)
    bad = np.flatnonzero((told >= 0) & (told != found))
    return int(bad[0]) if len(bad) else None


def _is_length(data: mmap.mmap | bytes, position: int) -> bool:
    length, check = _HEADER.unpack_from(data, position)
    one = np.frombuffer(_LENGTH.pack(length), np.uint8)
    found = masked_crc32c(one, np.zeros(1, np.int64), np.full(1, 8, np.int64))
    return int(found[0]) == int(check)


def _find_length(data: mmap.mmap | bytes, position: int) -> int | None:
    """Return the next place at which a length stands that fits its checksum and the file."""
    size = len(data)
    while position + _FRAME_BYTES <= size:
        window = np.frombuffer(data[position : position + _SEARCH_BYTES + _HEADER_BYTES], np.uint8)
        places = np.arange(len(window) - _HEADER_BYTES + 1, dtype=np.int64)
        checks = masked_crc32c(window, places, np.full(len(places), 8, np.int64))
        for place in np.flatnonzero(checks == _words(window, places + 8)).tolist():
            length = int(window[place : place + 8].view("<u8")[0])
            if position + place + _FRAME_BYTES + length <= size:
                return position + place
        position += len(places)
    return None


def _words(data: Bytes, places: Numbers) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """Return the 32-bit numbers at these places."""
    word = np.zeros(len(places), np.uint32)
    for byte in range(4):
        word |= data[places + byte].astype(np.uint32) << np.uint32(8 * byte)
    return word
