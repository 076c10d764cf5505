"""Cells as a column of SQLite that DuckDB's strict scanner reads, too."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBERS = frozenset({int, float, bool})


class ColumnWriter:
    """How the cells of one column are shown in the file.

    `kinds` are the types that its cells have had. The declared type holds every cell: DuckDB
    refuses a table in which a float lies in an INTEGER column, or a text in a REAL one. So bools
    are 0 and 1, NaN is NULL, and numbers in a column that also holds texts are texts.

    Attributes
    ----------
    name : its name in the store
    sql_type : the declared type
    is_bool : whether all cells are bools
    """

    def __init__(self, field: pa.Field, kinds: Collection[type]) -> None:
        import pyarrow as pa

        from mooring.store.tables import is_mixed

        self.field = field
        self.name: str = field.name
        self.is_bool = field.type == pa.bool_()
        if field.type in (pa.int64(), pa.bool_()):
            self.sql_type = "INTEGER"
        elif field.type == pa.float64():
            self.sql_type = "REAL"
        elif field.type == pa.binary():
            self.sql_type = "BLOB"
        elif is_mixed(field) and _NUMBERS.issuperset(kinds):
            self.sql_type = "REAL" if float in kinds else "INTEGER"
        else:
            self.sql_type = "TEXT"
        self._show = _SHOWS[self.sql_type]

    def show(self, cells: Sequence[Any]) -> list[object]:
        """Return what the file holds for cells; None for what is missing."""
        show = self._show
        return [None if cell is None else show(cell) for cell in cells]

    def is_exact(self, cell: object, shown: object) -> bool:
        """Return whether a cell comes back as it was from what is shown."""
        if cell is None or self.is_bool:
            return True
        return type(cell) is type(shown) and cell == shown


def _real(cell: float) -> float | None:
    number = float(cell)
    return None if math.isnan(number) else number


def _text(cell: object) -> str:
    if isinstance(cell, str):
        return cell
    return cell.hex() if isinstance(cell, bytes) else repr(cell)


_SHOWS: Mapping[str, Callable[[Any], object]] = {
    "INTEGER": int,
    "REAL": _real,
    "TEXT": _text,
    "BLOB": bytes,
}
