"""The manifest of a run: what its files hold, counted and checksummed.

It lies beside the parts of the run, in a folder that begins with a dot, which other readers of the
format pass over. It is the last file of a run to be written: a run without it is not whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mooring.errors import ExportDamaged
from mooring.model import AttributeType, RunKind

MANIFEST_FOLDER = ".mooring"
MANIFEST_FORMAT = 1
"""Version of the manifest; a reader refuses later ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartEntry:
    """A Parquet file of a run: its name, number of rows, bytes, SHA-256."""

    name: str
    rows: int
    size_bytes: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesEntry:
    """A series: in which part its points lie together, from which row on, and how many."""

    path: str
    type: AttributeType
    part: int
    first_row: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """An exported file: where it lies below the files of the project, bytes, SHA-256."""

    path: str
    size_bytes: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the export holds of a run.

    Attributes
    ----------
    content : digest of what the run was when it was exported; another one means it has changed
    parts, series, files : what was written
    values : number of attributes that hold a single value
    others : attributes of types that the Parquet files do not know: [path, type, value]
    rows, previews : names and digests of files with what only our own stores know, in the
        manifest's folder
    not_inherited : attributes that a fork has deleted
    missing : what is not in the export, and why: [path, reason]
    """

    project: str
    run_id: str
    kind: RunKind
    sys_id: str | None
    name: str | None
    created: int | None
    parent: str | None
    fork_step: int | None
    trashed: bool
    tool: str
    exported: str
    content: str
    parts: Sequence[PartEntry]
    series: Sequence[SeriesEntry]
    files: Sequence[FileEntry] = ()
    values: int = 0
    others: Sequence[tuple[str, str, Any]] = ()
    rows: PartEntry | None = None
    previews: PartEntry | None = None
    not_inherited: Sequence[str] = ()
    missing: Sequence[tuple[str, str]] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether nothing of what was asked for is missing."""
        return not self.missing

    @property
    def points(self) -> int:
        """Number of points."""
        return sum(one.count for one in self.series)


_RUN_FIELDS = (
    "project",
    "run_id",
    "sys_id",
    "name",
    "created",
    "parent",
    "fork_step",
    "trashed",
    "tool",
    "exported",
    "content",
    "values",
)


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the manifest as JSON."""

    def part(one: PartEntry | None) -> list[Any] | None:
        return None if one is None else [one.name, one.rows, one.size_bytes, one.digest]

    record = {
        "format": MANIFEST_FORMAT,
        "kind": str(manifest.kind),
        **{name: getattr(manifest, name) for name in _RUN_FIELDS},
        "parts": [part(one) for one in manifest.parts],
        "series": [[s.path, str(s.type), s.part, s.first_row, s.count] for s in manifest.series],
        "files": [[f.path, f.size_bytes, f.digest] for f in manifest.files],
        "others": [list(one) for one in manifest.others],
        "rows": part(manifest.rows),
        "previews": part(manifest.previews),
        "not_inherited": list(manifest.not_inherited),
        "missing": [list(one) for one in manifest.missing],
        "options": dict(manifest.options),
    }
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def decode_manifest(data: bytes, *, where: str) -> Manifest:
    """Return the manifest of its JSON; `ExportDamaged` names `where` when it is none."""

    def part(one: Sequence[Any] | None) -> PartEntry | None:
        if one is None:
            return None
        name, rows, size, digest = one
        return PartEntry(
            name=_leaf(str(name)), rows=int(rows), size_bytes=int(size), digest=str(digest)
        )

    def _leaf(name: str) -> str:
        if "/" in name or "\\" in name or name in ("", ".", ".."):
            raise ValueError(f"{name!r} is no name of a file")
        return name

    try:
        record = json.loads(data)
        if int(record["format"]) > MANIFEST_FORMAT:
            raise ExportDamaged(
                f"{where} has format {record['format']}; this Mooring reads formats up to "
                f"{MANIFEST_FORMAT}. Upgrade Mooring (pip install -U mooring) to read it",
                where=where,
            )
        return Manifest(
            kind=RunKind(record["kind"]),
            **{name: record[name] for name in _RUN_FIELDS},
            parts=tuple(p for one in record["parts"] if (p := part(one))),
            series=tuple(
                SeriesEntry(
                    path=path, type=AttributeType(type), part=number, first_row=first, count=count
                )
                for path, type, number, first, count in record["series"]
            ),
            files=tuple(
                FileEntry(path=path, size_bytes=size, digest=digest)
                for path, size, digest in record["files"]
            ),
            others=tuple((path, type, value) for path, type, value in record["others"]),
            rows=part(record["rows"]),
            previews=part(record["previews"]),
            not_inherited=tuple(record["not_inherited"]),
            missing=tuple((path, why) for path, why in record["missing"]),
            options=record["options"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ExportDamaged(
            f"{where} is no manifest of an export ({type(error).__name__}: {error}); "
            "export the run again",
            where=where,
        ) from error
