"""A durable queue of records on the local disk, between a process that logs and a hub.

A spool is a folder of its own, `<writer>.spool`:

- `head.json`: which run of which hub the records are for. Never a token. Who has it open holds a
  lock (`flock`) on it for life, which ends with the process however that ends.
- `<number>.seg`: frames of records (`frames.py`), the first of which has the number of the name.
- `acknowledged`: the number of the last record that the hub has.

Records are opaque bytes, numbered 1, 2, 3, …; together with the writer's name that makes a
delivery which is repeated one that changes nothing. A name is appended to by the one process that
created it: a forked child goes on under a name of its own, and what a dead process left is sent,
never added to. So a number never means two records, whatever a power cut took.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
import uuid
import weakref
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

from mooring.client.frames import LARGEST_RECORD, encode, encode_all, measure
from mooring.client.spool_files import (
    DAMAGED_SUFFIX,
    FORMAT,
    HEAD_FILE,
    MARK_FILE,
    SUFFIX,
    WRITER,
    SpoolHead,
    default_folder,
    encode_mark,
    is_at,
    lock_file,
    open_guard,
    open_private,
    read_head,
    read_mark,
    segment_path,
    segments_of,
    sync_file,
    sync_folder,
    translated,
    try_lock,
    write_whole,
)
from mooring.client.spool_reading import SegmentReader
from mooring.errors import (
    InvalidInput,
    InvalidValue,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreNotFound,
    StoreReadOnly,
)

__all__ = ["Spool", "SpoolHead", "default_folder"]

SEGMENT_BYTES = 8 << 20

Durability = Literal["process", "power"]
AnySpool = TypeVar("AnySpool", bound="Spool")


@dataclass(slots=True)
class _Segment:
    first: int
    size: int


class Spool:
    """A queue of records that outlives its process; one process appends, one delivers.

    Safe for threads. When `append` returned, the record survives SIGKILL; with
    `durability="power"` also a power cut. Records are read in the order of their numbers, and
    those that are acknowledged are deleted, a segment at a time. After a fork the child's object
    is an empty spool of a new writer, whose files appear with the first record; the parent's
    goes on. Errors are `StoreError`s that name the file.
    """

    def __init__(
        self,
        folder: Path,
        head: SpoolHead,
        *,
        durability: Durability,
        limit_bytes: int,
        segment_bytes: int,
    ) -> None:
        self._folder = folder
        self._head = head
        self._power = durability == "power"
        self._limit = limit_bytes
        self._segment_bytes = segment_bytes
        self._closed = False
        self._adopted = False
        self._start_empty()
        _SPOOLS.add(self)

    def _start_empty(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()  # appending; what it guards changes in one step
        self._reading = threading.RLock()  # reading and acknowledging; taken before `_lock`
        self._guard = -1  # head.json, locked
        self._mark = -1  # acknowledged
        self._file = -1  # the segment that is appended to
        self._dirty = False  # it may hold bytes beyond its size: a call that did not return
        self._reader = SegmentReader(self.path)
        self._segments: list[_Segment] = []
        self._bytes = 0  # of all segments
        self._done_bytes = 0  # acknowledged, at the start of the first segment
        self._last = 0
        self._acknowledged = 0
        self.cut_bytes = 0

    # ---- opening --------------------------------------------------------------------------------

    @classmethod
    def create(
        cls: type[AnySpool],
        folder: Path,
        head: SpoolHead,
        *,
        durability: Durability = "process",
        limit_bytes: int,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> AnySpool:
        """Create the spool of a writer in `folder`, which is made (for its user alone) if missing.

        A kill leaves a hidden folder, which `sync` removes later, or the whole empty spool.
        """
        if not WRITER.fullmatch(head.writer):
            raise InvalidInput(f"a writer is named by a UUID of 32 hex digits, not {head.writer!r}")
        if durability not in ("process", "power"):
            raise InvalidInput(f"durability is 'process' or 'power', not {durability!r}")
        spool = cls(
            folder,
            head,
            durability=durability,
            limit_bytes=limit_bytes,
            segment_bytes=segment_bytes,
        )
        spool._make_folder()
        return spool

    def _make_folder(self) -> None:
        """Make the folder of the spool under a hidden name, locked, and give it its own name."""
        hidden = self._folder / f".{self._head.writer}.new"
        guard = mark = -1
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            hidden.mkdir(mode=0o700)
            guard = open_private(hidden / HEAD_FILE, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            lock_file(guard, hidden / HEAD_FILE)
            text = json.dumps({"format": FORMAT, **asdict(self._head)}, ensure_ascii=True)
            write_whole(guard, text.encode() + b"\n")
            mark = open_private(hidden / MARK_FILE, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            write_whole(mark, encode_mark(0))
            if self._power:
                os.fsync(guard)
                os.fsync(mark)
                sync_folder(hidden)
            hidden.rename(self.path)
            if self._power:
                sync_folder(self._folder)
        except (OSError, StoreError) as error:
            for opened in (guard, mark):
                if opened >= 0:
                    os.close(opened)
            shutil.rmtree(hidden, ignore_errors=True)
            if isinstance(error, OSError):
                raise translated(error, self.path) from error
            raise
        self._guard, self._mark = guard, mark

    @classmethod
    def adopt(cls: type[AnySpool], path: Path) -> AnySpool | None:
        """Take over the spool of a dead process; None while a process has it open.

        A torn tail, of a call that never returned, is cut off (`cut_bytes` tells how much). The
        spool can be read and acknowledged, not appended to.

        Raises
        ------
        StoreNotFound
            When it is not there, or no longer.
        StoreCorrupt
            When its head cannot be read. Damage among the records shows when they are read.
        StoreTooNew
            When a newer Mooring wrote it.
        """
        guard = open_guard(path)
        try:
            if not try_lock(guard, path / HEAD_FILE):
                os.close(guard)
                return None
            # Another one may have sent and deleted it between opening and locking.
            if not is_at(guard, path / HEAD_FILE):
                raise StoreNotFound(f"{path} is not there any more", address=str(path))
            head = read_head(path, guard)
            spool = cls(
                path.parent,
                head,
                durability="process",
                limit_bytes=0,
                segment_bytes=SEGMENT_BYTES,
            )
            spool._adopted = True
            spool._load(path)
        except OSError as error:
            os.close(guard)
            raise translated(error, path) from error
        except StoreError:
            os.close(guard)
            raise
        spool._guard = guard
        return spool

    def _load(self, path: Path) -> None:
        """Take over what lies on the disk; a kill between any two lines changes nothing of it."""
        if path != self.path:
            raise StoreCorrupt(
                f"{path / HEAD_FILE} is the head of another spool: it names the writer "
                f"{self._head.writer}",
                address=str(path / HEAD_FILE),
            )
        for first, file in segments_of(path):
            self._segments.append(_Segment(first, file.stat().st_size))
        acknowledged = read_mark(path)
        if self._segments:
            newest = self._segments[-1]
            file = self._segment_path(newest.first)
            extent = measure(file.read_bytes(), first=newest.first)
            if extent.size < newest.size:
                os.truncate(file, extent.size)
                self.cut_bytes = newest.size - extent.size
                newest.size = extent.size
            # A segment that is gone was acknowledged, even where the mark did not reach the disk.
            acknowledged = max(acknowledged, self._segments[0].first - 1)
            self._last = max(extent.last, acknowledged)
        else:
            self._last = acknowledged
        self._mark = open_private(path / MARK_FILE, os.O_RDWR | os.O_CREAT)
        self._acknowledged = acknowledged
        self._bytes = sum(segment.size for segment in self._segments)
        self._drop_done(acknowledged)

    # ---- what it tells --------------------------------------------------------------------------

    @property
    def head(self) -> SpoolHead:
        """Whose records these are; a forked child has a writer of its own."""
        return self._head

    @property
    def path(self) -> Path:
        """The folder of this spool."""
        return self._folder / f"{self._head.writer}{SUFFIX}"

    @property
    def exists(self) -> bool:
        """Whether it has files: a forked child's spool has them from its first record on."""
        return self._guard >= 0

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    @property
    def last(self) -> int:
        """The number of the last record; 0 for none."""
        return self._last

    @property
    def acknowledged(self) -> int:
        """The number of the last record that the hub has; 0 for none."""
        return self._acknowledged

    @property
    def pending(self) -> int:
        """How many records the hub does not have."""
        return self._last - self._acknowledged

    @property
    def pending_bytes(self) -> int:
        """What they take on the disk."""
        return self._bytes - self._done_bytes if self._last > self._acknowledged else 0

    def __repr__(self) -> str:
        return f"<Spool {self.path} pending={self.pending}>"

    # ---- appending ------------------------------------------------------------------------------

    def append(self, record: bytes) -> int:
        """Append a record; return its number.

        One `write` of one frame. A kill before it leaves nothing of the record, a kill after it
        the record; one amid it a torn tail, which is cut off when the spool is adopted.

        Raises
        ------
        StoreFull
            When `limit_bytes` wait for the hub, or the disk is full. Nothing before is lost, and
            of this record nothing is kept.
        """
        if os.getpid() != self._pid:
            self._part()
        with self._lock:
            number = self._last + 1
            frame = encode(number, record)
            size = len(frame)
            if (
                self._dirty
                or self._file < 0
                or self._bytes - self._done_bytes + size > self._limit
                or self._segments[-1].size + size > self._segment_bytes
            ):
                self._make_ready(number, size)
            self._write(frame, number)
            return number

    def append_all(self, records: Iterable[bytes]) -> int:
        """Append records, all or none also when the process is killed; return the last number."""
        listed = list(records)
        if os.getpid() != self._pid:
            self._part()
        with self._lock:
            if not listed:
                return self._last
            number = self._last + 1
            frames = encode_all(number, listed)
            self._make_ready(number, len(frames))
            self._write(frames, number + len(listed) - 1)
            return self._last

    def _make_ready(self, number: int, size: int) -> None:
        """See to it that `size` bytes may be written to a segment."""
        if self._closed:
            raise StoreClosed(f"{self.path} is closed", address=str(self.path))
        if self._adopted:
            raise StoreReadOnly(
                f"{self.path} is what another process left: it is sent, not added to",
                address=str(self.path),
            )
        if size > LARGEST_RECORD:
            raise InvalidValue(f"an update of {size:,} bytes; at most {LARGEST_RECORD:,} can wait")
        if self.pending_bytes + size > self._limit:
            raise StoreFull(
                f"{self.path} is full: {self.pending:,} updates ({self.pending_bytes:,} bytes) "
                f"wait for {self._head.hub}, and {self._limit:,} bytes may. This update was not "
                "kept, everything before is safe. Bring the hub back, or allow the spool more",
                address=str(self.path),
            )
        try:
            if self._dirty:
                os.ftruncate(self._file, self._segments[-1].size)
                self._dirty = False
            if not self.exists:
                self._make_folder()
            if self._file < 0 or 0 < self._segments[-1].size > self._segment_bytes - size:
                self._begin_segment(number)
        except OSError as error:
            raise translated(error, self.path) from error

    def _begin_segment(self, number: int) -> None:
        # A kill after this leaves an empty segment, which tells the next number.
        # O_TRUNC: a file of this name can only be left over by a call that was interrupted here.
        file = open_private(
            self._segment_path(number), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC
        )
        if self._power:
            sync_folder(self.path)
        full, self._file = self._file, file
        self._segments.append(_Segment(number, 0))
        if full >= 0:
            os.close(full)

    def _write(self, frames: bytes, last: int) -> None:
        # Dirty first: an interrupt (Ctrl-C) after the write and before the count leaves bytes
        # that the next call has to cut, or their number would be there twice.
        self._dirty = True
        try:
            written = os.write(self._file, frames)
            while written < len(frames):
                written += os.write(self._file, memoryview(frames)[written:])
            if self._power:
                sync_file(self._file)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._segments[-1].size)
                self._dirty = False
            raise translated(error, self.path) from error
        self._segments[-1].size += written
        self._bytes += written
        self._last = last
        self._dirty = False

    # ---- delivering -----------------------------------------------------------------------------

    def read(self, *, after: int, max_bytes: int, max_count: int) -> list[tuple[int, bytes]]:
        """Return the records that follow number `after`, with their numbers, in order.

        Up to `max_count` of them and `max_bytes` in all; at least one where there is one.

        Raises
        ------
        StoreCorrupt
            When the next record is damaged; the message names file and offset. Records before the
            damage come without an error.
        """
        with self._reading:
            with self._lock:
                if self._closed:
                    raise StoreClosed(f"{self.path} is closed", address=str(self.path))
                last = self._last
                segments = [(segment.first, segment.size) for segment in self._segments]
            if after >= last:
                return []
            try:
                return self._reader.read(
                    segments, after=after, last=last, max_bytes=max_bytes, max_count=max_count
                )
            except OSError as error:
                raise translated(error, self.path) from error

    def acknowledge(self, last: int) -> None:
        """Note that the hub has all records up to number `last`, and delete what is done with.

        The mark is written first, then segments are deleted, oldest first. A kill in between
        leaves segments that are skipped. A mark that a power cut or a full disk lost means that
        records are sent again, which the hub passes over.
        """
        with self._reading:
            if self._closed or self._mark < 0:
                return
            last = min(last, self._last)
            if last <= self._acknowledged:
                return
            try:
                os.pwrite(self._mark, encode_mark(last), 0)
            except OSError as error:
                failure = translated(error, self.path / MARK_FILE)
                if not isinstance(failure, StoreFull):
                    raise failure from error
            with self._lock:
                self._acknowledged = last
                done = self._drop_done(last)
            for segment in done:
                with suppress(FileNotFoundError):
                    self._segment_path(segment.first).unlink()

    def _drop_done(self, last: int) -> list[_Segment]:
        """Forget segments that end with record `last` or before; return them.

        The newest is kept: its name tells the next number.
        """
        kept = 0
        while kept + 1 < len(self._segments) and self._segments[kept + 1].first <= last + 1:
            kept += 1
        done, self._segments = self._segments[:kept], self._segments[kept:]
        self._bytes -= sum(segment.size for segment in done)
        self._done_bytes = 0
        if last >= self._last and self._segments:
            self._done_bytes = self._segments[-1].size
        elif (place := self._reader.place_after(last)) and place[0] == self._segments[0].first:
            self._done_bytes = place[1]
        return done

    # ---- closing --------------------------------------------------------------------------------

    def close(self) -> None:
        """Delete the spool where the hub has everything; else keep it for `sync`. Ends the lock.

        A kill leaves the spool, or a hidden folder that `sync` removes.
        """
        if os.getpid() != self._pid:
            self._part()
        with self._reading, self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                if self.exists and self._last <= self._acknowledged:
                    hidden = self._folder / f".{self._head.writer}.gone"
                    with suppress(FileNotFoundError):
                        self.path.rename(hidden)
                    shutil.rmtree(hidden, ignore_errors=True)
            except OSError as error:
                raise translated(error, self.path) from error
            finally:
                self._close_files()

    def set_aside(self) -> Path:
        """Close a damaged spool under a name that `sync` leaves alone; return the new path."""
        with self._reading, self._lock:
            aside = self.path.with_suffix(DAMAGED_SUFFIX)
            try:
                self.path.rename(aside)
            except OSError as error:
                raise translated(error, self.path) from error
            self._closed = True
            self._close_files()
        return aside

    def _close_files(self) -> None:
        self._reader.close()
        files = (self._file, self._mark, self._guard)
        self._file = self._mark = self._guard = -1
        for file in files:
            if file >= 0:
                os.close(file)

    def _part(self) -> None:
        """In a forked child: leave the parent's files alone, and be an empty spool of its own.

        Closing them leaves the parent its lock, and keeps it from outliving the parent here.
        """
        self._close_files()
        self._head = replace(self._head, writer=uuid.uuid4().hex, created=time.time_ns() // 1000)
        self._closed = self._closed or self._adopted
        self._start_empty()

    def _segment_path(self, first: int) -> Path:
        return segment_path(self.path, first)


_SPOOLS: weakref.WeakSet[Spool] = weakref.WeakSet()


def _part_all() -> None:
    for spool in list(_SPOOLS):
        spool._part()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_part_all)
