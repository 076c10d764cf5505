"""SQL on the tables of a xetrack file, by the connection that a store's tables have too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mooring.tracker.xetrack.file import XetrackFile
from mooring.tracker.xetrack.frames import to_arrow
from mooring.tracker.xetrack.tables import NEW_TABLE, OLD_TABLE, quote

if TYPE_CHECKING:
    import pyarrow as pa


class XetrackTables:
    """The tables of a file for `mooring.tracker.sql.SqlConnection`, read when they are named."""

    def __init__(self, file: XetrackFile) -> None:
        self._file = file

    def names(self) -> dict[str, str]:
        """Return the tables by name; `events` and `default` are both there when one of them is."""
        tables = self._file.tables
        found = {name: name for name in tables}
        if NEW_TABLE in tables or OLD_TABLE in tables:
            for name in (OLD_TABLE, NEW_TABLE):
                found.setdefault(name, self._file.find_table(name))
        return found

    def load(self, key: str, version: str) -> tuple[str, pa.Table, str] | None:
        """Return the rows of a table, unless the file is as it was at this version."""
        import pyarrow as pa

        from mooring.store.tables import decode, is_mixed

        now = self._file.version
        if now == version:
            return None
        rows = to_arrow(self._file.read(key))
        for i, field in enumerate(rows.schema):
            if is_mixed(field):  # SQLite shows such a column too, and DuckDB has one type for it
                texts = [None if cell is None else str(cell) for cell in decode(field, rows[i])]
                rows = rows.set_column(i, field.name, pa.array(texts, pa.string()))
        names = rows.column_names
        columns = ", ".join(f"c{i} AS {quote(name)}" for i, name in enumerate(names))
        return now, rows.rename_columns([f"c{i}" for i in range(len(names))]), columns
