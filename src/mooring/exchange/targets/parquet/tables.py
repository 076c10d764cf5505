"""Attributes and points as rows of an export's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mooring.exchange.selection import type_of
from mooring.exchange.source import SourceFile, SourceRun, SourceValue
from mooring.exchange.targets.parquet.places import FileKey
from mooring.model import AttributeType, Typed, micros_from_datetime
from mooring.wire.exporter import SCHEMA, VALUE_COLUMNS
from mooring.wire.exporter.columns import (
    WRITTEN_SCHEMA,
    decimal_steps,
    millis_and_rest,
    missing,
    repeated,
)

_FILE_PATH = SCHEMA.field("file_value").type
_FILE_BLOB = SCHEMA.field("file_blob").type


def values_table(
    run: SourceRun,
    values: Mapping[str, SourceValue],
    files: Mapping[FileKey, str],
    digests: Mapping[FileKey, tuple[str, int]],
) -> pa.Table:
    """Return one row for each attribute that holds a single value, by path.

    `files` tells where the file of an attribute lies, `digests` its SHA-256 and size.
    """
    rows: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    for path in sorted(values):
        value = values[path]
        type = type_of(value)
        plain = value.value if isinstance(value, Typed) else value
        cells: dict[str, Any] = {
            "project_id": run.project,
            "run_id": run.run_id,
            "attribute_path": path,
            "attribute_type": str(type),
        }
        if isinstance(plain, SourceFile):
            digest, size = digests[path, None]
            cells["file_value"] = {"path": _folder_of(type, files[path, None])}
            cells["file_blob"] = {
                "digest": digest,
                "size": size,
                "mime": plain.mime_type,
                "name": plain.name,
            }
        elif type is AttributeType.DATETIME:
            millis, rest = divmod(micros_from_datetime(plain), 1000)  # type: ignore[arg-type]
            cells["datetime_value"], cells["timestamp_us"] = millis, rest
        elif type is AttributeType.STRING_SET:
            cells["string_set_value"] = sorted(plain)  # type: ignore[arg-type]
        else:
            cells[VALUE_COLUMNS[type]] = plain
        for name, column in rows.items():
            column.append(cells.get(name))
    arrays = []
    for field in WRITTEN_SCHEMA:
        column = rows[field.name]
        if field.name == "datetime_value":
            arrays.append(pa.array(column, pa.int64()).view(field.type))
        elif pa.types.is_dictionary(field.type):
            arrays.append(pa.array(column, pa.string()).dictionary_encode().cast(field.type))
        else:
            arrays.append(pa.array(column, field.type))
    return pa.table(arrays, schema=WRITTEN_SCHEMA)


def points_table(
    run: SourceRun, type: AttributeType, points: pa.Table, files: Mapping[FileKey, str]
) -> pa.Table:
    """Return points, as `Source.read_points` returns them, as rows of the same order."""
    count = np.array([points.num_rows])
    millis, rest = millis_and_rest(points["time"].to_numpy())
    columns: dict[str, Any] = {
        "project_id": repeated([run.project], count),
        "run_id": repeated([run.run_id], count),
        "attribute_path": _texts(points["path"]),
        "attribute_type": repeated([str(type)], count),
        "step": decimal_steps(points["step"].to_numpy()),
        "timestamp": millis,
        "timestamp_us": rest,
    }
    values = points["value"]
    match type:
        case AttributeType.HISTOGRAM_SERIES:
            chunk = _whole(values)
            parts = [pc.struct_field(chunk, name) for name in ("kind", "edges", "values")]
            columns["histogram_value"] = pa.StructArray.from_arrays(
                parts, names=["type", "edges", "values"]
            ).cast(SCHEMA.field("histogram_value").type)
        case AttributeType.FILE_SERIES:
            columns |= _file_columns(points, files)
        case _:
            columns[VALUE_COLUMNS[type]] = values
    return pa.table(
        [
            columns[field.name] if field.name in columns else missing(field.type, points.num_rows)
            for field in WRITTEN_SCHEMA
        ],
        schema=WRITTEN_SCHEMA,
    )


def _file_columns(points: pa.Table, files: Mapping[FileKey, str]) -> dict[str, pa.Array]:
    paths = points["path"].cast(pa.string()).to_pylist()
    steps = points["step"].to_pylist()
    places = [{"path": files[key]} for key in zip(paths, steps, strict=True)]
    blobs = [
        {
            "digest": value["digest"],
            "size": value["size_bytes"],
            "mime": value["mime_type"],
            "name": value["name"],
        }
        for value in points["value"].to_pylist()
    ]
    return {
        "file_value": pa.array(places, _FILE_PATH),
        "file_blob": pa.array(blobs, _FILE_BLOB),
    }


def _folder_of(type: AttributeType, path: str) -> str:
    """Return what `file_value` tells: of a set or an artifact, the folder."""
    if type in (AttributeType.FILE_SET, AttributeType.ARTIFACT):
        return path.rpartition("/")[0]
    return path


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    wanted = WRITTEN_SCHEMA.field("attribute_path").type
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    return column.cast(wanted)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined


def describe_files(
    values: Mapping[str, SourceValue], points: Sequence[pa.Table]
) -> list[tuple[FileKey, AttributeType, SourceFile]]:
    """Return every file of a run, by its attribute and step."""
    found: list[tuple[FileKey, AttributeType, SourceFile]] = []
    for path, value in values.items():
        plain = value.value if isinstance(value, Typed) else value
        if isinstance(plain, SourceFile):
            found.append(((path, None), type_of(value), plain))
    for table in points:
        rows = zip(
            table["path"].cast(pa.string()).to_pylist(),
            table["step"].to_pylist(),
            table["value"].to_pylist(),
            strict=True,
        )
        for path, step, value in rows:
            file = SourceFile(
                location=value["location"],
                name=value["name"] or "",
                mime_type=value["mime_type"] or "",
                size_bytes=value["size_bytes"],
                digest=value["digest"],
            )
            found.append(((path, step), AttributeType.FILE_SERIES, file))
    return found
