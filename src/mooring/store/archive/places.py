"""Finds the runs of an export: in the present layout, and in the three older ones.

====== ================================================= =======================================
layout project folder, parts                             told apart by
====== ================================================= =======================================
C      `S(project)/S(run)_part_<n>.parquet`              the digest in the part's name
B      `replace(project)/replace(run)_part_<n>.parquet`  no digest
A      `replace(project)/part_<n>.parquet`               all runs of the project in common parts
A0     `workspace/project/part_<n>.parquet`              the same in two nested folders
====== ================================================= =======================================

Names are only used to find files; ids are those of the columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mooring.errors import StoreNotFound
from mooring.model import RunKind
from mooring.wire.exporter import PART_NAME
from mooring.wire.exporter.manifest import MANIFEST_FOLDER
from mooring.wire.exporter.names import HIDDEN_FOLDERS, MODEL_FOLDERS

_COMMON_PART = re.compile(r"^part_(\d+)\.parquet\Z")
_DIGEST = re.compile(r"-[0-9a-f]{16}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Roots:
    """The four roots of an export; None for one that is not there."""

    data: Path
    files: Path | None
    model_data: Path | None = None
    model_files: Path | None = None


@dataclass(frozen=True, slots=True)
class RunParts:
    """Parquet files that belong together.

    Attributes
    ----------
    kind : what their folder says
    parts : the files, by number
    missing : numbers that are missing between them
    manifest : where their manifest would be; None in layouts that have none
    common : whether several runs share the files
    files : roots that paths of files may be relative to
    """

    kind: RunKind
    parts: tuple[Path, ...]
    missing: tuple[int, ...]
    manifest: Path | None
    common: bool
    files: tuple[Path, ...]


def find_roots(folder: Path, files: Path | None = None) -> Roots:
    """Return the roots of the export at a folder: the one that holds `data`, or `data` itself.

    Raises `StoreNotFound` when there is no Parquet of an export.
    """
    if not folder.is_dir():
        raise StoreNotFound(f"there is no folder {folder}", address=str(folder))
    inner = folder / "data"
    if inner.is_dir() or (folder / "model_data").is_dir():
        data, beside = inner, folder
    else:
        data, beside = folder, folder.parent

    def there(path: Path) -> Path | None:
        return path if path.is_dir() else None

    roots = Roots(
        data=data,
        files=files or there(beside / "files"),
        model_data=there(beside / "model_data"),
        model_files=there(beside / "model_files"),
    )
    if next(find_parts(roots), None) is None:
        raise StoreNotFound(
            f"{folder} holds no export: there is no <project>/<run>_part_0.parquet in it",
            address=str(folder),
        )
    return roots


def is_export(folder: Path) -> bool:
    """Return whether a folder holds an export."""
    try:
        find_roots(folder)
    except StoreNotFound:
        return False
    return True


def find_parts(roots: Roots) -> Iterator[RunParts]:
    """Yield the files of each run (or of several, in the oldest layouts)."""
    for project in _folders(roots.data):
        files = _file_roots(roots.files, project.name)
        yield from _in_folder(project, RunKind.RUN, files)
        for kind, name in HIDDEN_FOLDERS.items():
            hidden = project / MANIFEST_FOLDER / name
            if hidden.is_dir():
                yield from _in_folder(hidden, kind, files)
        for nested in _folders(project):
            if _parts_in(nested, _COMMON_PART):  # workspace/project
                name = f"{project.name}_{nested.name}"
                yield from _in_folder(nested, RunKind.RUN, _file_roots(roots.files, name))
    if roots.model_data is None:
        return
    for project in _folders(roots.model_data):
        files = _file_roots(roots.model_files, project.name)
        for kind, name in MODEL_FOLDERS.items():
            if (project / name).is_dir():
                yield from _in_folder(project / name, kind, files)


def _folders(root: Path) -> Sequence[Path]:
    if not root.is_dir():
        return []
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _file_roots(root: Path | None, project: str) -> tuple[Path, ...]:
    """Return the folders that hold the files of a project, its name with and without digest."""
    if root is None:
        return ()
    names = dict.fromkeys((project, _DIGEST.sub("", project)))
    return tuple(root / name for name in names if (root / name).is_dir())


def _parts_in(folder: Path, pattern: re.Pattern[str]) -> list[tuple[int, Path]]:
    found = []
    for path in folder.iterdir():
        if match := pattern.match(path.name):
            found.append((int(match.groups()[-1]), path))
    return sorted(found)


def _in_folder(folder: Path, kind: RunKind, files: tuple[Path, ...]) -> Iterator[RunParts]:
    common = _parts_in(folder, _COMMON_PART)
    if common:
        # On its first day the oldest layout was numbered from 1.
        numbers = [number for number, _ in common]
        missing = sorted(set(range(min(numbers), max(numbers) + 1)) - set(numbers))
        yield RunParts(kind, tuple(p for _, p in common), tuple(missing), None, True, files)
    runs: dict[str, dict[int, Path]] = {}
    for path in sorted(folder.iterdir()):
        match = PART_NAME.match(path.name)
        if match and not _COMMON_PART.match(path.name):
            runs.setdefault(match["run"], {})[int(match["number"])] = path
    for name, parts in runs.items():
        missing = sorted(set(range(max(parts) + 1)) - parts.keys())
        yield RunParts(
            kind,
            tuple(parts[number] for number in sorted(parts)),
            tuple(missing),
            folder / MANIFEST_FOLDER / f"{name}.json",
            False,
            files,
        )
