"""Files of an export, found where its rows say that they are, and nowhere else."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mooring.errors import SourceUnreadable
from mooring.model import AttributeType

_FOLDERS = (AttributeType.FILE_SET, AttributeType.ARTIFACT)


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A file of an export; `digest` and `size_bytes` are known where Mooring wrote the export."""

    path: Path
    name: str
    mime_type: str
    size_bytes: int | None = None
    digest: str | None = None


def find_file(
    roots: Sequence[Path],
    type: AttributeType,
    place: str | None,
    blob: Mapping[str, Any] | None,
    *,
    run: str,
) -> ArchivedFile:
    """Return the file at a place below one of the roots.

    Parameters
    ----------
    roots : folders that the place may be relative to
    place : what a row tells; of a set or an artifact the folder
    blob : what Mooring noted of it when it wrote the export
    run : the run's id, for what is told

    Raises
    ------
    SourceUnreadable
        When there is no such file, or it is outside the root.
    """
    if not place:
        raise SourceUnreadable(f"run {run!r}: a file without a path", run=run)
    try:
        path = _locate(roots, place, run)
        if type in _FOLDERS and path.is_dir():
            wanted = "files.zip" if type is AttributeType.FILE_SET else "files_list.json"
            inside = sorted(p for p in path.iterdir() if p.is_file())
            leaf = next((p for p in inside if p.name == wanted), inside[0] if inside else None)
            path = path if leaf is None else _locate(roots, f"{place}/{leaf.name}", run)
        if not path.is_file():
            raise SourceUnreadable(f"run {run!r}: {path} is no file", where=place, run=run)
    except (OSError, ValueError) as error:  # a name that no file can have
        raise SourceUnreadable(
            f"run {run!r}: the file path {place[:100]!r} cannot be ({error})",
            where=place,
            run=run,
        ) from error
    if blob is None:
        mime = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return ArchivedFile(path, path.name, mime)
    return ArchivedFile(path, blob["name"], blob["mime"], blob["size"], blob["digest"])


def _locate(roots: Sequence[Path], place: str, run: str) -> Path:
    for root in roots:
        path = root / place
        if not path.resolve().is_relative_to(root.resolve()):
            raise SourceUnreadable(
                f"run {run!r}: the file path {place!r} leads out of {root}", where=place, run=run
            )
        if path.exists():
            return path
    root = roots[0] if roots else Path("files")
    raise SourceUnreadable(f"run {run!r}: {root / place} is missing", where=place, run=run)
