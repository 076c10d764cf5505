"""Reads the records of a spool from its segments, and remembers where they lie."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

from mooring.client.frames import Taken, take
from mooring.client.spool_files import open_private, segment_path
from mooring.errors import InvalidInput, StoreCorrupt

_CHUNK = 1 << 16
_SKIP_BYTES = 8 << 20

Place = tuple[int, int]
"""The first number of a segment, and an offset in it."""


class SegmentReader:
    """Not safe for threads: its spool locks it. Segments are given as (first number, bytes)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self._first = 0  # which segment the file is
        self._after = 0  # the places are those after this record, and after each that follows
        self._places: list[Place] = []

    def read(
        self,
        segments: Sequence[tuple[int, int]],
        *,
        after: int,
        last: int,
        max_bytes: int,
        max_count: int,
    ) -> list[tuple[int, bytes]]:
        """Return records from `after + 1` to `last` in order, as far as the bounds allow."""
        index, offset = self._locate(segments, after)
        number, left = after + 1, max_bytes
        found: list[tuple[int, bytes]] = []
        places = [(segments[index][0], offset)]
        while number <= last and len(found) < max_count:
            first, size = segments[index]
            if offset >= size and index + 1 < len(segments) and segments[index + 1][0] == number:
                index, offset = index + 1, 0
                continue
            taken = self._take(
                (first, size), offset, number, left, max_count - len(found), required=not found
            )
            if not taken.records:
                break
            for record, end in zip(taken.records, taken.ends, strict=True):
                found.append((number, record))
                places.append((first, offset + end))
                left -= len(record)
                number += 1
            offset += taken.ends[-1]
        self._after, self._places = after, places
        return found

    def place_after(self, number: int) -> Place | None:
        """Return where a record ends that was just read; None where that is not known."""
        index = number - self._after
        return self._places[index] if 0 <= index < len(self._places) else None

    def close(self) -> None:
        """Close the file; another read opens it again."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _locate(self, segments: Sequence[tuple[int, int]], after: int) -> tuple[int, int]:
        """Return the index of the segment, and the offset, where the next record begins."""
        firsts = [first for first, _ in segments]
        place = self.place_after(after)
        if place is not None:
            index = bisect_right(firsts, place[0]) - 1
            if index >= 0 and firsts[index] == place[0]:
                return index, place[1]
        index = bisect_right(firsts, after + 1) - 1
        if index < 0:
            raise InvalidInput(
                f"{self._path} has no record {after + 1} any more: it was acknowledged"
            )
        offset, number = 0, firsts[index]
        while number <= after and offset < segments[index][1]:
            skipped = self._take(
                segments[index], offset, number, _SKIP_BYTES, after + 1 - number, required=True
            )
            number += len(skipped.records)
            offset += skipped.ends[-1]
        return index, offset

    def _take(
        self,
        segment: tuple[int, int],
        offset: int,
        number: int,
        max_bytes: int,
        max_count: int,
        *,
        required: bool,
    ) -> Taken:
        """Take records at an offset; none only where none is required."""
        first, size = segment
        wanted = min(size - offset, max(max_bytes, 0) + _CHUNK)
        while True:
            data = self._pread(first, wanted, offset)
            taken = take(
                data, number=number, max_bytes=max_bytes, max_count=max_count, required=required
            )
            if taken.records or not required:
                return taken
            if len(data) < wanted or not wanted < taken.needs <= size - offset:
                raise self._damage(first, offset, number)
            wanted = taken.needs

    def _damage(self, first: int, offset: int, number: int) -> StoreCorrupt:
        file = segment_path(self._path, first)
        return StoreCorrupt(
            f"{file} is damaged at byte {offset}: record {number} cannot be read. Records before "
            "it are whole",
            address=str(file),
        )

    def _pread(self, first: int, size: int, offset: int) -> bytes:
        if self._file < 0 or self._first != first:
            opened = open_private(segment_path(self._path, first), os.O_RDONLY)
            self.close()
            self._file, self._first = opened, first
        return os.pread(self._file, size, offset)
