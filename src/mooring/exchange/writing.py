"""Files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from mooring.errors import ExchangeError, StoreFull
from mooring.store.blobs import sync_file, sync_folder

__all__ = ["disk_error", "sync_file", "sync_folder", "write_stream", "write_whole"]

_CHUNK = 1 << 20


def write_whole(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a file beside its place, and rename it when it is complete."""
    temporary = _beside(path)
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            if sync:
                os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_stream(path: Path, source: BinaryIO) -> tuple[str, int]:
    """Write what a stream gives to a file; return its SHA-256 in hex, and its size in bytes."""
    temporary = _beside(path)
    hasher = hashlib.sha256()
    size = 0
    try:
        with temporary.open("xb") as stream:
            while chunk := source.read(_CHUNK):
                hasher.update(chunk)
                stream.write(chunk)
                size += len(chunk)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return hasher.hexdigest(), size


def _beside(path: Path) -> Path:
    """Return where a file is written before it has its name.

    The place depends on the name alone: what a killed process leaves there, the next one removes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.blake2b(os.fsencode(path.name), digest_size=16).hexdigest()
    temporary = path.with_name(f".tmp-{digest}")
    temporary.unlink(missing_ok=True)  # also a link that somebody put there
    return temporary


def disk_error(error: OSError, where: Path) -> Exception:
    """Return our error for a failed write: `StoreFull` for a full disk, which ends everything."""
    import errno

    name = error.filename or where
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(
            f"the disk that holds {name} is full; what is complete is kept. Free some space and "
            "run the same command again: it goes on from there",
            address=str(where),
        )
    return ExchangeError(f"{name}: {error.strerror or error}", where=str(where))
