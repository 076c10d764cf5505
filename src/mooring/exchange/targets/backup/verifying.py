"""Whether a backup holds what its source holds: every file read, every value compared."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping

from mooring.errors import MooringError
from mooring.exchange.backup.content import (
    digest_file,
    digest_points,
    digest_table,
    digest_value,
    file_of,
    type_of,
)
from mooring.exchange.backup.folders import CHUNK_BYTES, Folder
from mooring.exchange.backup.manifest import Manifest
from mooring.exchange.backup.reading import RunReader
from mooring.exchange.backup.series import chunk_series, split_series
from mooring.exchange.source import HasExtras, RunExtras, Source, SourceFile, SourceRun
from mooring.model import AttributeType


def verify_run(
    source: Source, run: SourceRun, folder: Folder, manifest: Manifest, tell: Callable[..., None]
) -> bool:
    """Read a run of a backup back; tell what differs from its manifest and from its source.

    Returns whether nothing does. What the source could not give is in the manifest, and is no
    difference.
    """
    reader = RunReader(folder, manifest, tell)
    equal = True
    for what, why in reader.check_files():
        tell(what, f"{why}. Run the backup again with --full to write it anew")
        equal = False
    missing = {what for what, _ in manifest.missing}
    for path, why in _differences(source, run, reader):
        what = f"{run.project}, run {run.run_id!r}" + (f", attribute {path!r}" if path else "")
        if what not in missing:
            tell(what, f"{why}; it may have changed meanwhile, then run the backup again")
            equal = False
    return equal


def _differences(source: Source, run: SourceRun, reader: RunReader) -> Iterator[tuple[str, str]]:
    def digest_of(file: SourceFile) -> str:
        return file.digest or _read_digest(source, file)

    there = _digest_values(source.read_values(run), digest_of)
    here = _digest_values(reader.read_values(), lambda file: file.digest or "")
    yield from _compare(there, here)
    series = source.list_series(run)
    names = {one.path for one in series}
    for one in reader.list_series():
        if one.path not in names:
            yield one.path, "is in the backup, and not in the source"
    for type, paths in chunk_series(series):
        points = split_series(source.read_points(run, type, paths))
        copies = split_series(reader.read_points(type, paths))
        yield from _compare(
            {path: _digest_series(type, one, digest_of) for path, one in points.items()},
            {path: digest_points(type, one) for path, one in copies.items()},
        )
    if isinstance(source, HasExtras):
        yield from _compare(
            _digest_extras(source.read_extras(run)), _digest_extras(reader.read_extras())
        )


def _compare(there: Mapping[str, str], here: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for path in sorted(there.keys() | here.keys()):
        if path not in here:
            yield path, "is in the source, and not in the backup"
        elif path not in there:
            yield path, "is in the backup, and not in the source"
        elif there[path] != here[path]:
            yield path, "is another one in the backup than in the source"


def _digest_values(
    values: Mapping[str, object], digest_of: Callable[[SourceFile], str]
) -> dict[str, str]:
    digests = {}
    for path, value in values.items():
        file = file_of(value)  # type: ignore[arg-type]
        if file is None:
            digests[path] = digest_value(value)  # type: ignore[arg-type]
        else:
            kind = type_of(value)  # type: ignore[arg-type]
            digests[path] = digest_file(kind, file, digest_of(file))
    return digests


def _digest_series(
    type: AttributeType, points: object, digest_of: Callable[[SourceFile], str]
) -> str:
    import pyarrow as pa

    assert isinstance(points, pa.Table)
    if type is not AttributeType.FILE_SERIES:
        return digest_points(type, points)
    cells = [
        {**cell, "digest": cell["digest"] or digest_of(SourceFile(location=cell["location"]))}
        for cell in points["value"].to_pylist()
    ]
    column = points.column_names.index("value")
    value = pa.array(cells, points["value"].type)
    return digest_points(type, points.set_column(column, "value", value))


def _digest_extras(extras: RunExtras) -> dict[str, str]:
    return {
        "(rows of a tracker's table)": digest_table(extras.rows),
        "(previews)": digest_table(extras.previews),
        "(not inherited)": "\0".join(sorted(extras.not_inherited)),
    }


def _read_digest(source: Source, file: SourceFile) -> str:
    hasher = hashlib.sha256()
    try:
        with source.open_file(file) as content:
            while part := content.read(CHUNK_BYTES):
                hasher.update(part)
    except MooringError:
        return ""
    return hasher.hexdigest()
