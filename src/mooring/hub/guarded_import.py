"""A run that comes in whole, as far as its user may bring it: files that are theirs only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mooring.model import AttributeType, FileRef, RunInfo, Typed, Value
from mooring.store.transfer import RunImport, SealedSeries

if TYPE_CHECKING:
    import pyarrow as pa


class GuardedImport:
    """The `RunImport` of one user.

    Parameters
    ----------
    inner : the import itself
    need_blob : raises unless the user may read the content of a digest
    enter : commits, if the user may still create the run; makes them owner of a new project
    """

    def __init__(
        self,
        inner: RunImport,
        *,
        need_blob: Callable[[str], None],
        enter: Callable[[Callable[[], RunInfo]], RunInfo],
    ) -> None:
        self._inner = inner
        self._need_blob = need_blob
        self._enter = enter

    def set_values(self, values: Mapping[str, Value | Typed]) -> None:
        """Set attributes that hold a single value. See `RunImport.set_values`."""
        for value in values.values():
            self._check(value)
        self._inner.set_values(values)

    def write_points(self, type: AttributeType, points: pa.Table) -> int:
        """Add points of series. See `RunImport.write_points`."""
        if type is AttributeType.FILE_SERIES and "value" in points.column_names:
            for value in points["value"].to_pylist():
                if isinstance(value, dict) and isinstance(value.get("digest"), str):
                    self._need_blob(value["digest"])
        return self._inner.write_points(type, points)

    def attach(self, file: Path, series: Sequence[SealedSeries], *, digest: str, how: str) -> int:
        """Take a Parquet file as it is. See `RunImport.attach`."""
        return self._inner.attach(file, series, digest=digest, how=how)

    def write_rows(self, rows: pa.Table) -> int:
        """Add rows of a tracker's table. See `RunImport.write_rows`."""
        from mooring.store.tables import to_cells

        for name in rows.column_names:
            for cell in to_cells(rows.schema.field(name), rows[name]):
                if isinstance(cell, list) and cell[0] == "f":
                    self._need_blob(cell[1])
        return self._inner.write_rows(rows)

    def write_previews(self, points: pa.Table) -> int:
        """Add provisional points. See `RunImport.write_previews`."""
        return self._inner.write_previews(points)

    def do_not_inherit(self, paths: Sequence[str]) -> None:
        """Name what a fork deleted. See `RunImport.do_not_inherit`."""
        self._inner.do_not_inherit(paths)

    def commit(self) -> RunInfo:
        """Enter the run. See `RunImport.commit`."""
        return self._enter(self._inner.commit)

    def _check(self, value: object) -> None:
        digest = digest_of(value)
        if digest is not None:
            self._need_blob(digest)

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._inner.__exit__(kind, error, traceback)


def digest_of(value: object) -> str | None:
    """Return the digest of the content that a value refers to, or None where it is no file."""
    if isinstance(value, Typed):
        value = value.value
    return value.digest if isinstance(value, FileRef) else None
