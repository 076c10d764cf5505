"""What an export adds to a file, so that an import gives back what xetrack's tables cannot hold.

==================  ===============================================================================
`mooring_names`     the name that a table (`column_name` NULL: its project) or column had, and
                    `kind` "bool" for a column of bools, which are 0 and 1 in the file
`mooring_cells`     cells that the file shows as something else: `shown` there, and `cell` as JSON
                    (see `mooring.store.cells`). For the column `timestamp` the exact instant
==================  ===============================================================================

xetrack leaves foreign tables alone. A cell counts only while the file still shows what it showed
at the export, so that a value which xetrack changed afterwards stays changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mooring.errors import InvalidValue
from mooring.store.cells import decode_cell, loads
from mooring.tracker.xetrack.file import XetrackFile

NAMES_TABLE = "mooring_names"
NAMES_COLUMNS = ("table_name", "column_name", "original", "kind")
CELLS_TABLE = "mooring_cells"
CELLS_COLUMNS = ("table_name", "track_id", "timestamp", "column_name", "shown", "cell")
BOOL = "bool"

_PLAIN = frozenset({int, float, str, bool, bytes})


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What an export noted of one table.

    Attributes
    ----------
    project : the project that it was, None when the file does not tell
    names : names that columns had, by their names in the file
    bools : columns, by their names in the file, whose 0 and 1 were bools
    cells : by track id and timestamp, and then by column: what is shown, and what it was
    unreadable : texts that stand where a cell should and are none
    """

    project: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    bools: frozenset[str] = frozenset()
    cells: Mapping[tuple[str, str], Mapping[str, tuple[object, Any]]] = field(default_factory=dict)
    unreadable: Sequence[str] = ()


def read_extras(file: XetrackFile, table: str) -> Extras:
    """Return what an export noted of a table; nothing of a file that xetrack made itself."""
    project = None
    names: dict[str, str] = {}
    bools: set[str] = set()
    for _, column, original, kind in file.read_records(NAMES_TABLE, NAMES_COLUMNS, table):
        if column is None:
            project = original if isinstance(original, str) else None
        elif isinstance(column, str) and isinstance(original, str):
            names[column] = original
            if kind == BOOL:
                bools.add(column)
    cells: dict[tuple[str, str], dict[str, tuple[object, Any]]] = {}
    unreadable: list[str] = []
    for _, track_id, time, column, shown, cell in file.read_records(
        CELLS_TABLE, CELLS_COLUMNS, table
    ):
        try:
            cells.setdefault((track_id, time), {})[column] = (shown, _decode(cell))
        except InvalidValue:
            unreadable.append(repr(cell))
    return Extras(
        project=project,
        names=names,
        bools=frozenset(bools),
        cells=cells,
        unreadable=unreadable,
    )


def _decode(text: object) -> Any:
    try:
        value = decode_cell(loads(text))  # type: ignore[arg-type]
    except Exception as error:  # noqa: BLE001 - whatever stands in a file that others can edit
        raise InvalidValue(f"{text!r} is no cell: {error}") from None
    if type(value) not in _PLAIN:
        raise InvalidValue(f"{text!r} is no plain value")
    return value
