"""Frame formats: pandas, polars, Arrow."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pyarrow as pa

from mooring.errors import InvalidInput, MissingExtra


class FrameFormat(StrEnum):
    """What a frame is returned as."""

    PANDAS = "pandas"
    POLARS = "polars"
    ARROW = "arrow"


def parse_format(format: str) -> FrameFormat:
    """Return the format of this name, once it is known that it can be made.

    Asked before a read begins: nobody waits for points that cannot be shown.
    """
    try:
        parsed = FrameFormat(format)
    except ValueError:
        names = ", ".join(repr(str(known)) for known in FrameFormat)
        raise InvalidInput(f"format is one of {names}, not {format!r}") from None
    if parsed is FrameFormat.POLARS:
        _import_polars()
    return parsed


def to_polars(table: pa.Table) -> Any:
    """Return an Arrow table as a polars DataFrame."""
    return _import_polars().from_arrow(table)


def _import_polars() -> Any:
    try:
        import polars
    except ImportError:
        raise MissingExtra("polars", extra="polars") from None
    return polars
