"""The layout that Neptune Exporter made common: names, columns and types of its Parquet files."""

from mooring.wire.exporter.names import (
    PART_NAME,
    part_name,
    sanitize_file_path,
    sanitize_id,
)
from mooring.wire.exporter.schema import EXPORTER_TYPES, SCHEMA, VALUE_COLUMNS

__all__ = [
    "EXPORTER_TYPES",
    "PART_NAME",
    "SCHEMA",
    "VALUE_COLUMNS",
    "part_name",
    "sanitize_file_path",
    "sanitize_id",
]
