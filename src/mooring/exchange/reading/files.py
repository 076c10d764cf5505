"""Files that another tracker left on this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mooring.errors import InvalidInput, SourceUnreadable
from mooring.exchange.reports import ProblemList


def walk(
    root: Path, problems: ProblemList | None = None, *, follow_links: bool = False
) -> Iterator[tuple[Path, list[str]]]:
    """Yield a folder and each one below it, with the names of its files, both in their order.

    A folder that cannot be listed is added to `problems`: what lies in it is not read.
    `follow_links`: links to folders are followed, each folder once.
    """
    about = root.stat()
    seen = {(about.st_dev, about.st_ino)}

    def tell(error: OSError) -> None:
        if problems is not None:
            why = f"what lies in it was left out: {error.strerror or error}"
            problems.add(str(error.filename), why, kind="folders")

    def is_new(folder: Path) -> bool:
        try:
            about = folder.stat()
        except OSError as error:
            tell(error)
            return False
        before = len(seen)
        seen.add((about.st_dev, about.st_ino))
        return len(seen) > before

    for folder, folders, files in os.walk(root, onerror=tell, followlinks=follow_links):
        folders.sort()
        if follow_links:
            folders[:] = [name for name in folders if is_new(Path(folder, name))]
        yield Path(folder), sorted(files)


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
