"""Files that an artifact tracks where they lie: fetched when that was asked for.

An artifact is a list of files with their hashes. Where a file is local it can be copied, and only
when its content has the hash that was tracked: a list is data from outside, and must not be able
to name just any file of this machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mooring.errors import SourceUnreadable
from mooring.exchange.backup.folders import CHUNK_BYTES


@dataclass(frozen=True, slots=True)
class TrackedFile:
    """A file of an artifact: its name there, SHA-1 of its content, kind and place."""

    path: str
    sha1: str
    kind: str
    place: str


def list_tracked(content: bytes) -> Sequence[TrackedFile]:
    """Return what the list of an artifact tracks; `SourceUnreadable` for what is no such list."""
    try:
        return [_tracked(entry) for entry in json.loads(content)]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SourceUnreadable(f"no list of tracked files: {error}") from error


def _tracked(entry: dict[str, Any]) -> TrackedFile:
    metadata = {one["key"]: one["value"] for one in entry.get("metadata") or ()}
    return TrackedFile(
        path=str(entry["filePath"]),
        sha1=str(entry["fileHash"]),
        kind=str(entry.get("type", "")),
        place=str(metadata.get("file_path") or metadata.get("location") or ""),
    )


def read_tracked(file: TrackedFile) -> Iterator[bytes]:
    """Yield the content of a tracked file; `SourceUnreadable` when it is not to be had.

    It is read twice: nothing is yielded of a file whose content is not the one that was tracked.
    """
    if file.kind != "Local":
        raise SourceUnreadable(
            f"it is tracked at {file.place or 'an unknown place'} ({file.kind or 'no type'}), and "
            "only local files can be fetched; download it with the tool of that storage",
            where=file.place,
        )
    parts = urlsplit(file.place)
    path = Path(unquote(parts.path) if parts.scheme == "file" else file.place)
    try:
        if not path.is_file():
            raise SourceUnreadable(f"{path} is no file on this machine", where=str(path))
        hasher = hashlib.sha1(usedforsecurity=False)
        for part in _parts(path):
            hasher.update(part)
        if hasher.hexdigest() != file.sha1:
            raise SourceUnreadable(
                f"{path} has changed since it was tracked (SHA-1 {hasher.hexdigest()[:12]}…, not "
                f"{file.sha1[:12]}…), so it is left out",
                where=str(path),
            )
    except OSError as error:
        raise SourceUnreadable(f"{path}: {error.strerror or error}", where=str(path)) from error
    return _parts(path)


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(CHUNK_BYTES):
            yield part
