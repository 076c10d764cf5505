"""Parquet as Neptune Exporter's own writer makes it, spelled out anew: nothing here is Mooring's.

Facts: fourteen nullable columns in fixed order, Snappy, one row group for each batch that was
saved, part 0 last, names that end in a digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

MILLIS = pa.timestamp("ms", "UTC")
SCHEMA = pa.schema(
    [
        ("project_id", pa.string()),
        ("run_id", pa.string()),
        ("attribute_path", pa.string()),
        ("attribute_type", pa.string()),
        ("step", pa.decimal128(18, 6)),
        ("timestamp", MILLIS),
        ("int_value", pa.int64()),
        ("float_value", pa.float64()),
        ("string_value", pa.string()),
        ("bool_value", pa.bool_()),
        ("datetime_value", MILLIS),
        ("string_set_value", pa.list_(pa.string())),
        ("file_value", pa.struct([("path", pa.string())])),
        (
            "histogram_value",
            pa.struct(
                [
                    ("type", pa.string()),
                    ("edges", pa.list_(pa.float64())),
                    ("values", pa.list_(pa.float64())),
                ]
            ),
        ),
    ]
)
VALUES = {
    "float": "float_value",
    "int": "int_value",
    "string": "string_value",
    "bool": "bool_value",
    "datetime": "datetime_value",
    "string_set": "string_set_value",
    "float_series": "float_value",
    "string_series": "string_value",
    "histogram_series": "histogram_value",
    "file": "file_value",
    "file_series": "file_value",
    "file_set": "file_value",
    "artifact": "file_value",
}
NOON = datetime(2025, 1, 1, 12, 0, 0, 123_000, tzinfo=UTC)
PROJECT = "team/digits"
Row = dict[str, Any]


def sanitized(id: str) -> str:
    """Return the name of a project or run in an export."""
    digest = hashlib.blake2b(id.encode(), digest_size=8).hexdigest()
    return "".join(c if c.isalnum() or c in "_-" else "_" for c in id) + "-" + digest


def row(path: str | None, type: str | None, value: Any = None, **cells: Any) -> Row:
    """Return a row of one value, or one point; a null value is an attribute the run lacks."""
    made: Row = {"attribute_path": path, "attribute_type": type, **cells}
    if value is not None:
        column = VALUES.get(type or "", "string_value")
        made[column] = {"path": value} if column == "file_value" else value
    return made


def points(path: str, values: Sequence[Any], type: str = "float_series", *, first: int = 0) -> list:
    """Return points at whole steps, a second apart."""
    return [
        row(path, type, value, step=Decimal(first + i), timestamp=NOON + timedelta(seconds=i))
        for i, value in enumerate(values)
    ]


def identity(run: str) -> list[Row]:
    """Return the rows of what identifies a run."""
    return [
        row("sys/custom_run_id", "string", run),
        row("sys/name", "string", "baseline"),
        row("sys/creation_time", "datetime", NOON),
    ]


def make_table(
    rows: Sequence[Row],
    *,
    project: str | None = PROJECT,
    run: str | None = "a",
    schema: pa.Schema = SCHEMA,
) -> pa.Table:
    """Return rows as a table; `project` and `run` where a row does not tell."""
    default = {"project_id": project, "run_id": run}
    full = [{**default, **one} for one in rows]
    return pa.table(
        [pa.array([one.get(field.name) for one in full], field.type) for field in schema],
        schema=schema,
    )


def write_part(path: Path, batches: Sequence[pa.Table], **options: Any) -> Path:
    """Write batches as row groups of a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(
        path, batches[0].schema, **{"compression": "snappy", **options}
    ) as writer:
        for batch in batches:
            writer.write_table(batch)
    return path


def export_run(
    root: Path,
    run: str,
    *parts: Sequence[Sequence[Row]],
    project: str = PROJECT,
    files: Mapping[str, bytes] | None = None,
) -> list[Path]:
    """Write a run as the exporter does: for each part its batches of rows. Return the parts."""
    folder = root / "data" / sanitized(project)
    written = [
        write_part(
            folder / f"{sanitized(run)}_part_{number}.parquet",
            [make_table(rows, project=project, run=run) for rows in batches],
        )
        for number, batches in enumerate(parts)
    ]
    for name, content in (files or {}).items():
        path = root / "files" / sanitized(project) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return written
