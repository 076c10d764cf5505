"""The manifest of a run: what its files hold, counted and checksummed.

It lies beside the parts of the run, in a folder that begins with a dot, which other readers of the
format pass over. It is the last file of a run to be written: a run without it is not whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mooring.errors import ExportDamaged
from mooring.model import MAX_TIME, MIN_TIME, AttributeType, RunKind
from mooring.wire.exporter.schema import VALUE_COLUMNS

_T = TypeVar("_T")

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
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    return sign_manifest(text.encode())


_CHECKSUM = b',"checksum":"'


def sign_manifest(data: bytes) -> bytes:
    """Return a JSON object with a checksum of itself as its last member.

    >>> sign_manifest(b'{"format":1}')[:40]
    b'{"format":1,"checksum":"12285bd869bd7156'
    """
    body = data.rstrip().removesuffix(b"}")
    return body + _CHECKSUM + hashlib.sha256(body).hexdigest().encode() + b'"}'


def decode_manifest(data: bytes, *, where: str) -> Manifest:
    """Return the manifest of its JSON; `ExportDamaged` names `where` when it is none."""
    try:
        record = json.loads(data)
        if int(record["format"]) > MANIFEST_FORMAT:
            raise ExportDamaged(
                f"{where} has format {record['format']}; this Mooring reads formats up to "
                f"{MANIFEST_FORMAT}. Upgrade Mooring (pip install -U mooring) to read it",
                where=where,
            )
        body, _, rest = data.rpartition(_CHECKSUM)
        if rest.rstrip(b'"}\n') != hashlib.sha256(body).hexdigest().encode():
            raise ValueError("its checksum is another one")
        return _decode(record)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ExportDamaged(
            f"{where} is no manifest of an export ({type(error).__name__}: {error}); "
            "export the run again",
            where=where,
        ) from error


def _decode(record: Mapping[str, Any]) -> Manifest:
    return Manifest(
        kind=RunKind(record["kind"]),
        project=_text(record["project"]),
        run_id=_text(record["run_id"]),
        sys_id=_optional(_text, record["sys_id"]),
        name=_optional(_text, record["name"]),
        created=_optional(_time, record["created"]),
        parent=_optional(_text, record["parent"]),
        fork_step=_optional(_number, record["fork_step"]),
        trashed=_checked(bool, record["trashed"]),
        tool=_text(record["tool"]),
        exported=_text(record["exported"]),
        content=_text(record["content"]),
        values=_count(record["values"]),
        parts=tuple(_part(one) for one in record["parts"]),
        series=tuple(
            SeriesEntry(
                path=_text(path),
                type=_series_type(type),
                part=_count(number),
                first_row=_count(first),
                count=_count(count),
            )
            for path, type, number, first, count in record["series"]
        ),
        files=tuple(
            FileEntry(path=_text(path), size_bytes=_count(size), digest=_text(digest))
            for path, size, digest in record["files"]
        ),
        others=tuple(_other(*one) for one in record["others"]),
        rows=_optional(_part, record["rows"]),
        previews=_optional(_part, record["previews"]),
        not_inherited=tuple(_text(path) for path in _checked(list, record["not_inherited"])),
        missing=tuple((_text(path), _text(why)) for path, why in record["missing"]),
        options=_checked(dict, record["options"]),
    )


def _checked(kind: type[_T], value: object) -> _T:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _optional(read: Callable[[Any], _T], value: object) -> _T | None:
    return None if value is None else read(value)


def _text(value: object) -> str:
    return _checked(str, value)


def _number(value: object) -> int:
    number = _checked(int, value)
    if isinstance(value, bool) or not -(2**63) <= number < 2**63:
        raise ValueError(f"{value!r} does not fit 64 bits")
    return number


def _count(value: object) -> int:
    number = _number(value)
    if number < 0:
        raise ValueError(f"{value!r} is no count")
    return number


def _time(value: object) -> int:
    number = _number(value)
    if not MIN_TIME <= number <= MAX_TIME:
        raise ValueError(f"{value!r} is not within the years 1 to 9999")
    return number


def _series_type(value: Any) -> AttributeType:
    type = AttributeType(value)
    if not type.is_series:
        raise ValueError(f"{value!r} is no type of a series")
    return type


def _other(path: object, type: Any, value: Any) -> tuple[str, str, Any]:
    """Return an attribute of a type that the Parquet files do not know."""
    known = AttributeType(type)
    if known in VALUE_COLUMNS:
        raise ValueError(f"{type!r} is a type of the files")
    return _text(path), str(known), value


def _part(one: Sequence[Any]) -> PartEntry:
    name, rows, size, digest = one
    if "/" in _text(name) or "\\" in name or "\0" in name or name in ("", ".", ".."):
        raise ValueError(f"{name!r} is no name of a file")
    return PartEntry(name=name, rows=_count(rows), size_bytes=_count(size), digest=_text(digest))
