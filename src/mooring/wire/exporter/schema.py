"""Columns of an export's Parquet files.

Readers that know the format take a missing column for null and ignore columns of other names.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from mooring.model import AttributeType

if TYPE_CHECKING:
    import pyarrow as pa

VALUE_COLUMNS = {
    AttributeType.FLOAT: "float_value",
    AttributeType.INT: "int_value",
    AttributeType.STRING: "string_value",
    AttributeType.BOOL: "bool_value",
    AttributeType.DATETIME: "datetime_value",
    AttributeType.STRING_SET: "string_set_value",
    AttributeType.FLOAT_SERIES: "float_value",
    AttributeType.STRING_SERIES: "string_value",
    AttributeType.HISTOGRAM_SERIES: "histogram_value",
    AttributeType.FILE: "file_value",
    AttributeType.FILE_SERIES: "file_value",
    AttributeType.FILE_SET: "file_value",
    AttributeType.ARTIFACT: "file_value",
}
"""The column that holds the values of a type."""

EXPORTER_TYPES = frozenset(VALUE_COLUMNS)
"""Types that its files know."""


@cache
def _schema() -> pa.Schema:
    import pyarrow as pa

    millis = pa.timestamp("ms", "UTC")
    return pa.schema(
        [
            ("project_id", pa.string()),
            ("run_id", pa.string()),
            ("attribute_path", pa.string()),
            ("attribute_type", pa.string()),
            ("step", pa.decimal128(18, 6)),
            ("timestamp", millis),
            ("int_value", pa.int64()),
            ("float_value", pa.float64()),
            ("string_value", pa.string()),
            ("bool_value", pa.bool_()),
            ("datetime_value", millis),
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
            # Ours, which say what the others round or drop.
            ("timestamp_us", pa.int16()),
            (
                "file_blob",
                pa.struct(
                    [
                        ("digest", pa.string()),
                        ("size", pa.int64()),
                        ("mime", pa.string()),
                        ("name", pa.string()),
                    ]
                ),
            ),
        ]
    )


def __getattr__(name: str) -> pa.Schema:
    if name == "SCHEMA":  # made when it is asked for: importing this loads no Arrow
        return _schema()
    raise AttributeError(name)
