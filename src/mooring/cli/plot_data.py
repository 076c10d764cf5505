"""Numbers to draw, from the columns of a tracker's table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mooring.cli.lookup import list_column_names, read_rows
from mooring.errors import AttributeNotFound, InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

    from mooring.cli.lookup import RowSource

_MAX_LINES = 20


@dataclass(frozen=True, slots=True)
class Line:
    """Points of one line, finite all of them."""

    label: str
    x: np.ndarray
    y: np.ndarray


def read_lines(
    store: RowSource,
    table: str,
    columns: Sequence[str],
    *,
    x: str | None = None,
    track_id: str | None = None,
    by_run: bool = True,
) -> tuple[Sequence[Line], int]:
    """Return a line for each column and run, and how many values could not be drawn.

    Raises
    ------
    AttributeNotFound
        When the table lacks a column.
    InvalidInput
        When a column holds no numbers, or there would be too many lines to tell apart.
    """
    names = [*columns, *([] if x is None else [x])]
    rows = _read(store, table, names, track_id)
    owners = rows.column("track_id").to_numpy()
    values = {name: _numbers(rows, name) for name in names}
    runs, where = np.unique(owners, return_inverse=True) if by_run else (np.array([""]), None)
    if len(runs) * len(columns) > _MAX_LINES:
        raise InvalidInput(
            f"{len(runs)} runs make {len(runs) * len(columns)} lines, more than {_MAX_LINES}; "
            "choose a run by --track-id"
        )
    lines, left_out = [], 0
    for i, run in enumerate(runs):
        for name in columns:
            upwards = values[name] if where is None else values[name][where == i]
            across = np.arange(len(upwards), dtype=float)
            if x is not None:
                across = values[x] if where is None else values[x][where == i]
            drawn = np.isfinite(upwards) & np.isfinite(across)
            left_out += int(np.sum(~drawn))
            label = " ".join(part for part in (run, name) if len(columns) > 1 or part == run)
            if drawn.any():
                lines.append(Line(label, across[drawn], upwards[drawn]))
    _check_drawable(lines, columns)
    return lines, left_out


def read_values(
    store: RowSource, table: str, column: str, *, track_id: str | None = None
) -> tuple[Sequence[Line], int]:
    """Return the numbers of one column as the `y` of one line; see `read_lines`."""
    return read_lines(store, table, [column], track_id=track_id, by_run=False)


def _read(store: RowSource, table: str, names: Sequence[str], track_id: str | None) -> pa.Table:
    known = list_column_names(store, table)
    for name in names:
        if name not in known:
            raise AttributeNotFound(name, where=f"table {table!r}", known=known)
    wanted = list(dict.fromkeys(["track_id", *names]))
    return read_rows(store, table, track_id=track_id, columns=wanted)


def _numbers(rows: pa.Table, name: str) -> np.ndarray:
    import pyarrow as pa

    column = rows.column(name)
    kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise InvalidInput(f"column {name!r} holds no numbers, or not only numbers")
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy())


def _check_drawable(lines: Sequence[Line], columns: Sequence[str]) -> None:
    if not lines:
        raise InvalidInput(f"there is no finite number to draw in {', '.join(columns)}")
