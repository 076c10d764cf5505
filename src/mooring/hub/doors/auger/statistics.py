"""Statistics of a data file: what a hub tells of the columns of a CSV.

Bounded: the columns of the first rows, as many as `_MAX_BYTES` hold; `count` is the number of rows
that were looked at.
"""

from __future__ import annotations

import io
import math
from typing import Any, BinaryIO

from mooring.errors import InvalidInput

_MAX_BYTES = 64 << 20
_MAX_COLUMNS = 2000
_BINS = 10
_TOP_VALUES = 10


def describe_csv(file: BinaryIO, name: str) -> dict[str, Any]:
    """Return the statistics of a CSV file.

    Raises
    ------
    InvalidInput
        When it is no CSV.
    """
    import pyarrow as pa
    import pyarrow.csv as csv

    content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        content = content[: content.rfind(b"\n", 0, _MAX_BYTES) + 1]
    if not content.strip():
        raise InvalidInput(f"{name} is empty")
    try:
        table = csv.read_csv(
            io.BytesIO(content),
            read_options=csv.ReadOptions(use_threads=False),
            parse_options=csv.ParseOptions(delimiter=_delimiter(content)),
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{name} is no CSV: {str(error)[:300]}") from None
    if table.num_columns > _MAX_COLUMNS:
        raise InvalidInput(f"{name} has {table.num_columns} columns; {_MAX_COLUMNS} are described")
    columns = [
        _describe(column, table.column(position))
        for position, column in enumerate(table.column_names)
    ]
    return {"count": table.num_rows, "columns_count": table.num_columns, "stat_data": columns}


def _delimiter(content: bytes) -> str:
    line = content.split(b"\n", 1)[0]
    return max((",", ";", "\t"), key=lambda mark: line.count(mark.encode()))


def _describe(name: str, column: Any) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    type = column.type
    known = column.drop_null()
    told: dict[str, Any] = {
        "column_name": name,
        "orig_datatype": str(type),
        "datatype": _datatype(type),
        "use": True,
        "isTarget": False,
        "missing_values": column.null_count,
        "unique_values": int(pc.count_distinct(known).as_py()) if not pa.types.is_null(type) else 0,
        "range": [],
    }
    if not len(known):
        return told
    if pa.types.is_integer(type) or pa.types.is_floating(type):
        numbers = known.cast(pa.float64()).to_numpy(zero_copy_only=False)
        _describe_numbers(told, numbers)
    else:
        counts = sorted(
            ((str(item["values"]), item["counts"]) for item in pc.value_counts(known).to_pylist()),
            key=lambda item: (-item[1], item[0]),
        )
        told["value_counts"] = dict(counts[:_TOP_VALUES])
    return told


def _describe_numbers(told: dict[str, Any], numbers: Any) -> None:
    import numpy as np

    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return
    low, high = float(finite.min()), float(finite.max())
    told["range"] = [f"{low:g}", f"{high:g}"]
    with np.errstate(over="ignore", invalid="ignore"):
        for key, value in (("avg", finite.mean()), ("std_dev", finite.std())):
            told[key] = float(value) if math.isfinite(value) else None
    if math.isfinite(high - low):
        hist, edges = np.histogram(finite, bins=_BINS)
        told["histogram"] = {"hist": hist.tolist(), "bin_edges": edges.tolist()}


def _datatype(type: Any) -> str:
    import pyarrow as pa

    if pa.types.is_boolean(type):
        return "boolean"
    if pa.types.is_integer(type):
        return "integer"
    if pa.types.is_floating(type):
        return "double"
    if pa.types.is_temporal(type):
        return "datetime"
    return "categorical"
