"""The files of a spool: where they lie, what they hold, and who has them locked."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from mooring.errors import (
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreNotFound,
    StoreReadOnly,
    StoreTooNew,
    UnsafeFilesystem,
)

FORMAT = 1
SUFFIX = ".spool"
DAMAGED_SUFFIX = ".damaged"
HEAD_FILE = "head.json"
MARK_FILE = "acknowledged"
WRITER = re.compile(r"[0-9a-f]{32}")

_FULL = (errno.ENOSPC, errno.EDQUOT)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_SEGMENT = re.compile(r"(\d{20})\.seg")
_ADOPT_TRIES = 5  # `list_spools` holds a spool for an instant: that is no living process

sync_file = getattr(os, "fdatasync", os.fsync)


@dataclass(frozen=True, slots=True)
class SpoolHead:
    """Whose records a spool holds: `key` is the run's on the hub, `created` in µs since 1970."""

    hub: str
    project: str
    run_id: str
    key: int
    writer: str
    created: int


def default_folder() -> Path:
    """Return where spools lie: MOORING_SPOOL, or `mooring/spool` in the user's state folder.

    It need not be there yet; whoever makes the first spool makes it, for the user alone.
    """
    named = os.environ.get("MOORING_SPOOL")
    if named:
        return Path(named).expanduser().absolute()
    state = os.environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(state):  # noqa: PTH117 - the XDG rule: a relative path is no path
        return Path(state) / "mooring" / "spool"
    try:
        return Path.home() / ".local" / "state" / "mooring" / "spool"
    except RuntimeError as error:
        raise StoreError(
            "there is no home folder to keep updates for a hub in; set MOORING_SPOOL to a folder"
        ) from error


def segment_path(path: Path, first: int) -> Path:
    """Return the file of a spool whose first record has this number."""
    return path / f"{first:020d}.seg"


def segments_of(path: Path) -> list[tuple[int, Path]]:
    """Return the segments of a spool by the number of their first record, oldest first."""
    found = [(_SEGMENT.fullmatch(file.name), file) for file in path.iterdir()]
    return sorted((int(match[1]), file) for match, file in found if match)


def read_head(path: Path, guard: int) -> SpoolHead:
    """Read the head of a spool; `guard` is the open file of it."""
    file = path / HEAD_FILE
    try:
        fields = json.loads(os.pread(guard, 1 << 20, 0))
        version = fields.pop("format")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _damaged_head(file) from error
    if type(version) is int and version > FORMAT:
        raise StoreTooNew(str(path), found=version, supported=FORMAT)
    try:
        head = SpoolHead(**fields)
    except TypeError as error:
        raise _damaged_head(file) from error
    texts = (head.hub, head.project, head.run_id, head.writer)
    numbers = (head.key, head.created, version)
    if (
        not all(type(text) is str for text in texts)
        or not all(type(number) is int for number in numbers)
        or not WRITER.fullmatch(head.writer)
    ):
        raise _damaged_head(file)
    return head


def _damaged_head(file: Path) -> StoreCorrupt:
    return StoreCorrupt(
        f"{file} is damaged: it does not tell which run of which hub the updates beside it "
        "belong to",
        address=str(file),
    )


def read_mark(path: Path) -> int:
    """Return the number of the last acknowledged record; 0 where the mark is lost or damaged."""
    try:
        data = (path / MARK_FILE).read_bytes()[:12]
    except FileNotFoundError:
        return 0
    number = int.from_bytes(data[:8], "little")
    return number if data == encode_mark(number) else 0


def encode_mark(number: int) -> bytes:
    """Return the bytes that the mark of a number is."""
    data = number.to_bytes(8, "little")
    return data + crc32(data).to_bytes(4, "little")


def open_guard(path: Path) -> int:
    """Open the head of a spool, which is what its process has locked."""
    try:
        return open_private(path / HEAD_FILE, os.O_RDWR)
    except FileNotFoundError as error:
        if not path.is_dir():
            raise StoreNotFound(f"{path} is not there", address=str(path)) from error
        file = path / HEAD_FILE
        raise StoreCorrupt(f"{file} is missing", address=str(file)) from error
    except OSError as error:
        raise translated(error, path / HEAD_FILE) from error


def open_private(path: Path, flags: int) -> int:
    """Open a file that nobody else may read; never through a link."""
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def lock_file(file: int, path: Path) -> None:
    """Lock a file for its process; BlockingIOError where another one has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        raise UnsafeFilesystem(
            f"{path} cannot be locked ({error.strerror}): two processes could send the same "
            "updates. Set MOORING_SPOOL to a folder on a local disk",
            address=str(path),
        ) from error


def try_lock(file: int, path: Path) -> bool:
    """Lock a file, unless a living process has it."""
    for attempt in range(_ADOPT_TRIES):
        if attempt:
            time.sleep(0.005)
        with suppress(BlockingIOError):
            lock_file(file, path)
            return True
    return False


def is_locked(guard: int, path: Path) -> bool:
    """Whether a process has a spool open. Asking holds it for an instant, shared with others."""
    try:
        fcntl.flock(guard, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        raise translated(error, path) from error
    fcntl.flock(guard, fcntl.LOCK_UN)
    return False


def is_at(file: int, path: Path) -> bool:
    """Whether an open file still is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(file), path.lstat())
    except FileNotFoundError:
        return False


def write_whole(file: int, data: bytes) -> None:
    """Write all of the data."""
    while data:
        data = data[os.write(file, data) :]


def sync_folder(path: Path) -> None:
    """See to it that names in a folder survive a power cut."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def translated(error: OSError, path: Path) -> StoreError:
    """Return an error of the system in our words."""
    where = str(path)
    if error.errno in _FULL:
        return StoreFull(
            f"the disk that holds {where} is full; this update was not kept, everything before is "
            "safe. Free some space",
            address=where,
        )
    if error.errno in _DENIED:
        return StoreReadOnly(f"{where} cannot be written: {error.strerror}", address=where)
    if error.errno == errno.ENOENT:
        return StoreCorrupt(f"{error.filename or where} is missing", address=where)
    return StoreError(f"{where}: {error.strerror or error}", address=where)
