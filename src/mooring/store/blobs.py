"""Files by the hash of their content: one copy, however often logged."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from mooring.errors import InvalidInput, SegmentMissing, StoreError, StoreFull, StoreReadOnly

_CHUNK = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")


class LocalBlobs:
    """Blobs in a folder, each in a file named by its SHA-256, below its first two digits.

    Content is complete and forced to the disk before it gets its name, so a name never stands
    for half a file. A killed writer leaves a temporary file that `sweep` removes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path_of(self, digest: str) -> Path:
        """Return where the content of this hash lies or would lie."""
        if not _DIGEST.fullmatch(digest):
            raise InvalidInput(f"{digest!r} is no SHA-256 in hex")
        return self.folder / digest[:2] / digest

    def put(self, source: BinaryIO | bytes) -> tuple[str, int]:
        """Store content; return its SHA-256 in hex and its size in bytes."""
        if isinstance(source, (bytes, bytearray, memoryview)):
            digest = hashlib.sha256(source).hexdigest()
            if _renew(self.path_of(digest)):
                return digest, len(source)
        hasher = hashlib.sha256()
        size = 0
        temporary = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=".tmp-", dir=self.folder)
            temporary = Path(name)
            with os.fdopen(descriptor, "wb") as file:
                for chunk in _chunks(source):
                    hasher.update(chunk)
                    file.write(chunk)
                    size += len(chunk)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(_mode_of(self.folder))
            final = self.path_of(hasher.hexdigest())
            if not _renew(final):
                final.parent.mkdir(exist_ok=True)
                temporary.replace(final)
                sync_folder(final.parent)
        except OSError as error:
            raise file_error(error, self.folder) from error
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
        return hasher.hexdigest(), size

    def open(self, digest: str) -> BinaryIO:
        """Open content for reading; `SegmentMissing` when it is not there."""
        need_content(digest)
        path = self.path_of(digest)
        try:
            return path.open("rb")
        except FileNotFoundError:
            raise SegmentMissing(
                f"the file {digest[:12]}… is missing from {self.folder}; the folder belongs to "
                "the store file and must be moved and copied with it",
                address=str(path),
            ) from None
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}", address=str(path)) from None

    def digests(self) -> Iterator[str]:
        """Yield the hash of each blob."""
        if self.folder.is_dir():
            for part in sorted(self.folder.iterdir()):
                if len(part.name) == 2 and part.is_dir():
                    for file in sorted(part.iterdir()):
                        if _DIGEST.fullmatch(file.name):
                            yield file.name

    def remove(self, digest: str) -> int:
        """Delete content; return the bytes freed."""
        path = self.path_of(digest)
        size = path.stat().st_size if path.exists() else 0
        path.unlink(missing_ok=True)
        return size


def need_content(digest: str) -> None:
    """Raise `SegmentMissing` for the digest of a file whose content has not come."""
    if not digest:
        raise SegmentMissing(
            "the content of this file has not arrived: whoever logged it did not upload it yet"
        )


def _renew(path: Path) -> bool:
    """Return whether a blob is there, with a new date: it is about to be used again.

    A compaction removes only what has been unused for long.
    """
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except PermissionError:  # another user's, who can renew it
        return True
    return True


def _mode_of(folder: Path) -> int:
    """Return the access for a new file: that of its folder. `mkstemp` makes private ones."""
    return folder.stat().st_mode & 0o666


def _chunks(source: BinaryIO | bytes) -> Iterator[bytes]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        yield bytes(source)
        return
    while chunk := source.read(_CHUNK):
        yield chunk


def sync_file(path: Path) -> None:
    """Force the content of a file to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to the disk, where the platform can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def file_error(error: OSError, path: Path) -> StoreError:
    """Return our error for a failed write beside the store."""
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(
            f"the disk that holds {path} is full; nothing of this call was kept, everything before "
            "it is safe. Free some space and try again",
            address=str(path),
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreReadOnly(f"{path} cannot be written: {error.strerror}", address=str(path))
    return StoreError(f"{path}: {error.strerror or error}", address=str(path))
