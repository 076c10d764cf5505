"""The parts of one run: written beside, closed, journalled, and renamed in the end.

Order of events, and what a SIGKILL after each leaves behind:

1. a part is written as `….parquet.tmp`                a file that the next export overwrites
2. the journal tells its digest                        a part that the next export keeps
3. parts of an older export are removed, part 0 first  a run that readers do not see
4. parts are synced and renamed, part 0 last           the same; the journal tells which are whole
5. the manifest is written                             the run, whole
6. the journal is removed                              a journal that the next export removes
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from mooring.errors import ExportDamaged
from mooring.exchange.points import rows_by_path
from mooring.exchange.writing import sync_file, sync_folder, write_whole
from mooring.model import AttributeType
from mooring.store.transfer import SealedFile
from mooring.wire.exporter import part_name, sanitize_id
from mooring.wire.exporter.columns import (
    PARQUET_OPTIONS,
    POINTS_ENCODING,
    ROW_GROUP,
    WRITTEN_SCHEMA,
)
from mooring.wire.exporter.manifest import PartEntry, SeriesEntry

PART_BYTES = 50 << 20
"""A part that has grown beyond it is closed before the next table of points."""

_MAX_NAME_BYTES = 255


@dataclass
class _Journal:
    """Parts that are whole, of an export of this content."""

    content: str
    parts: list[PartEntry] = field(default_factory=list)
    series: list[SeriesEntry] = field(default_factory=list)

    def encode(self) -> bytes:
        return orjson.dumps(
            {
                "content": self.content,
                "parts": [[p.name, p.rows, p.size_bytes, p.digest] for p in self.parts],
                "series": [
                    [s.path, str(s.type), s.part, s.first_row, s.count] for s in self.series
                ],
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> _Journal:
        record: dict[str, Any] = orjson.loads(data)
        return cls(
            record["content"],
            [PartEntry(name=n, rows=r, size_bytes=b, digest=d) for n, r, b, d in record["parts"]],
            [
                SeriesEntry(path=p, type=AttributeType(t), part=n, first_row=f, count=c)
                for p, t, n, f, c in record["series"]
            ],
        )


class RunParts:
    """Writes the parts of one run.

    Parameters
    ----------
    folder, manifests : where parts, and the journal, go
    content : digest of what the run is; parts of a cut export of the same content are kept
    """

    def __init__(self, folder: Path, manifests: Path, run_id: str, content: str) -> None:
        self._folder = folder
        self._run_id = run_id
        self._journal_path = _journal_of(manifests, run_id)
        self._journal = self._resume(content)
        self._writer: pq.ParquetWriter | None = None
        self._rows = 0
        self._series: list[SeriesEntry] = []

    def _resume(self, content: str) -> _Journal:
        fresh = _Journal(content)
        try:
            found = _Journal.decode(self._journal_path.read_bytes())
        except (OSError, ValueError, KeyError, TypeError):
            return fresh  # none, or one that was cut: the parts are written again
        if found.content != content:
            return fresh
        kept = [part for part in found.parts if self._is_whole(part)]
        return found if len(kept) == len(found.parts) else fresh

    def _is_whole(self, part: PartEntry) -> bool:
        for path in (self._temporary(part.name), self._folder / part.name):
            with suppress(OSError):
                if path.stat().st_size == part.size_bytes and digest_of(path) == part.digest:
                    return True
        return False

    def _temporary(self, name: str) -> Path:
        temporary = f"{name}.tmp"
        if len(temporary.encode()) > _MAX_NAME_BYTES:  # a long id, and a number of two digits
            temporary = name.removesuffix("parquet") + "tmp"
        return self._folder / temporary

    @property
    def done(self) -> frozenset[str]:
        """Paths of the series that lie in whole parts of an export that was cut."""
        return frozenset(one.path for one in self._journal.series)

    @property
    def parts(self) -> Sequence[PartEntry]:
        """The parts that are whole."""
        return self._journal.parts

    @property
    def series(self) -> Sequence[SeriesEntry]:
        """Where each series lies, of the parts that are whole."""
        return self._journal.series

    @property
    def has_values(self) -> bool:
        """Whether the first part, which holds the single values, is whole already."""
        return bool(self._journal.parts)

    def add(self, table: pa.Table, type: AttributeType | None = None) -> None:
        """Append rows, of series of one type or of single values, as row groups of the part."""
        if self._writer is not None and self._open_bytes() > PART_BYTES:
            self.close_part()
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._new_temporary(),
                WRITTEN_SCHEMA,
                column_encoding=POINTS_ENCODING,
                **PARQUET_OPTIONS,
            )
            self._rows = 0
        if type is not None:
            number = len(self._journal.parts)
            named = table.select(["attribute_path"]).rename_columns(["path"])
            self._series += [
                SeriesEntry(path=path, type=type, part=number, first_row=self._rows + at, count=n)
                for path, at, n in rows_by_path(named)
            ]
        self._writer.write_table(table, row_group_size=ROW_GROUP)
        self._rows += table.num_rows

    def copy(self, file: SealedFile) -> None:
        """Take a Parquet file with points of this run as a part of its own."""
        self.close_part()
        temporary = self._new_temporary()
        digest = copy_file(file.file, temporary)
        if digest != file.digest:
            raise ExportDamaged(
                f"segment {file.file} has changed since it was written; run 'mooring doctor'",
                where=str(file.file),
                run=self._run_id,
            )
        number = len(self._journal.parts)
        self._series = [
            SeriesEntry(
                path=s.path,
                type=s.type,
                part=number,
                first_row=s.first_row,
                count=s.count,
                stats=s.stats,
            )
            for s in file.series
        ]
        self._enter(
            PartEntry(name=self._name(), rows=file.rows, size_bytes=file.size_bytes, digest=digest)
        )

    def _new_temporary(self) -> Path:
        """Return where the next part is written, with nothing there: no link is followed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._temporary(self._name())
        temporary.unlink(missing_ok=True)
        return temporary

    def _name(self) -> str:
        return part_name(self._run_id, len(self._journal.parts))

    def _open_bytes(self) -> int:
        # What the footer will add is not there yet, as in the other tool.
        return self._temporary(self._name()).stat().st_size

    def close_part(self) -> None:
        """Finish the part that is open, if one is."""
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        path = self._temporary(self._name())
        self._enter(
            PartEntry(
                name=self._name(),
                rows=self._rows,
                size_bytes=path.stat().st_size,
                digest=digest_of(path),
            )
        )

    def _enter(self, part: PartEntry) -> None:
        self._journal.parts.append(part)
        self._journal.series += self._series
        self._series = []
        if len(self._journal.parts) > 1 or part.size_bytes > PART_BYTES:
            # One small part is written again as fast as it is looked for.
            write_whole(self._journal_path, self._journal.encode(), sync=False)

    def finish(self) -> None:
        """Force the parts to the disk and give them their names; older ones of the run go first."""
        names = [part.name for part in self._journal.parts]
        if all(self._temporary(name).exists() for name in names):  # none renamed before a kill
            self._remove_old_parts()
        for name in reversed(names):
            temporary = self._temporary(name)
            if temporary.exists():
                sync_file(temporary)
                temporary.replace(self._folder / name)
        number = len(names)  # what a larger export that was cut has left
        while (left := self._temporary(part_name(self._run_id, number))).exists():
            left.unlink()
            number += 1
        sync_folder(self._folder)

    def _remove_old_parts(self) -> None:
        """Remove the parts of an older export: part 0, then from the highest number down."""
        numbered = [self._folder / part_name(self._run_id, 0)]
        while (path := self._folder / part_name(self._run_id, len(numbered))).exists():
            numbered.append(path)
        for path in [numbered[0], *reversed(numbered[1:])]:
            path.unlink(missing_ok=True)

    def remove_journal(self) -> None:
        """Remove the journal: the manifest tells that all is whole."""
        self._journal_path.unlink(missing_ok=True)

    def abort(self) -> None:
        """Close what is open; parts that are whole are kept for the next export."""
        if self._writer is not None:
            with suppress(OSError, pa.ArrowException):
                self._writer.close()
            self._writer = None
            self._temporary(self._name()).unlink(missing_ok=True)


def _journal_of(manifests: Path, run_id: str) -> Path:
    return manifests / f"{sanitize_id(run_id)}.journal"


def remove_journal(manifests: Path, run_id: str) -> None:
    """Remove the journal of a run that is whole, if there is one."""
    _journal_of(manifests, run_id).unlink(missing_ok=True)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def copy_file(source: Path, target: Path) -> str:
    """Copy a file; return the SHA-256 of what was read, in hex."""
    hasher = hashlib.sha256()
    with source.open("rb") as reading, target.open("wb") as writing:
        while chunk := reading.read(4 << 20):
            hasher.update(chunk)
            writing.write(chunk)
    with suppress(OSError):
        shutil.copymode(source, target)
    return hasher.hexdigest()
