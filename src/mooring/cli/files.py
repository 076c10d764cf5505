"""Files that commands write: whole under their name, or not at all.

A SIGKILL at any instant leaves the file that was there before, or the new one, and at worst a
hidden `.mooring-*` file beside it, which nothing reads.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from mooring.errors import AlreadyExists, InvalidInput


def check_free(path: str, *, overwrite: bool) -> None:
    """Refuse a file that is there, before anything long begins."""
    if path != "-" and not overwrite and os.path.lexists(path):
        raise _taken(path)


def write_bytes(path: str, content: bytes, *, overwrite: bool) -> None:
    """Write a file, or standard output where the path is `-`.

    Raises
    ------
    AlreadyExists
        When the file is there and `overwrite` is false.
    InvalidInput
        When bytes would go to a terminal.
    """
    if path == "-":
        if sys.stdout.isatty():
            raise InvalidInput("bytes are not written to a terminal; name a file, or use a pipe")
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        write_file(Path(path), lambda file: file.write(content), overwrite=overwrite)


def write_file(path: Path, write: Callable[[BinaryIO], object], *, overwrite: bool) -> None:
    """Let `write` fill a file that gets its name when it is complete and forced to the disk."""
    check_free(str(path), overwrite=overwrite)
    descriptor, name = tempfile.mkstemp(prefix=".mooring-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        if overwrite:
            temporary.replace(path)
        else:
            try:
                os.link(temporary, path)  # fails where somebody else was first
            except FileExistsError:
                raise _taken(str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)


def _taken(path: str) -> AlreadyExists:
    return AlreadyExists(f"{path} is there already; add --overwrite to replace it")


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
