"""Files that another tracker left on this machine."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import BinaryIO

from mooring.errors import InvalidInput, SourceUnreadable


def open_file(location: str) -> BinaryIO:
    """Open the content of a file; `SourceUnreadable` when that cannot be read."""
    try:
        return Path(location).open("rb")
    except (OSError, ValueError) as error:
        raise SourceUnreadable(f"{location} cannot be read: {error}", where=location) from error


def size_of(file: Path) -> int:
    """Return the length of a file in bytes; `InvalidInput` when it cannot be read."""
    try:
        status = file.stat()
    except OSError as error:
        raise InvalidInput(f"the file {file} cannot be read: {error}") from None
    if not stat.S_ISREG(status.st_mode):
        raise InvalidInput(f"{file} is no file")
    return status.st_size
