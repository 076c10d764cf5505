"""One table of a store as one table of a xetrack file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mooring.errors import InvalidInput
from mooring.exchange.reports import ProblemList, Renamed, TableExport
from mooring.exchange.targets.xetrack.cells import ColumnWriter
from mooring.exchange.targets.xetrack.naming import choose_columns
from mooring.exchange.targets.xetrack.writing import XetrackWriter
from mooring.model import FileRef, Histogram
from mooring.store.cells import dumps, encode_cell
from mooring.store.contract import EventTable, Store
from mooring.tracker.frames import RESERVED, local_texts, track_ids
from mooring.tracker.xetrack.extras import BOOL
from mooring.tracker.xetrack.tables import TIMESTAMP
from mooring.tracker.xetrack.times import parse_timestamp

if TYPE_CHECKING:
    import numpy as np

_BATCH_ROWS = 20_000
_MAX_COLUMNS = 2_000 - 2
"""Columns of SQLite, less the two that every row has."""


@dataclass(slots=True)
class AssetUse:
    """Which assets the rows name: how often, and which one a column names last."""

    counts: Counter[str] = field(default_factory=Counter)
    keys: dict[str, str] = field(default_factory=dict)


class TableExporter:
    """Writes the rows of one project."""

    def __init__(
        self, store: Store, writer: XetrackWriter, problems: ProblemList, use: AssetUse
    ) -> None:
        self._store = store
        self._writer = writer
        self._problems = problems
        self._use = use
        self.renamed: list[Renamed] = []

    def write(
        self,
        project: str,
        table: str,
        *,
        known: Collection[str],
        tell: Callable[[int], None],
    ) -> TableExport:
        """Write the rows of a project; `known` are the hashes of the assets that there are."""
        rows = self._store.read_events(project)
        columns = self._columns(project, rows)
        names = choose_columns(table, [column.name for column in columns])
        self._note_names(project, table, columns, names)
        types = {name: column.sql_type for name, column in zip(names, columns, strict=True)}
        self._writer.create_table(table, types)
        runs = track_ids(self._store, rows).to_pylist()
        times, moved = spread(runs, rows.times)
        texts = local_texts(times).to_pylist()
        for start in range(0, len(rows), _BATCH_ROWS):
            part = slice(start, start + _BATCH_ROWS)
            batch = _Batch(table, runs[part], texts[part])
            self._note_times(batch, rows.times[part])
            shown = [
                self._show(batch, column, name, rows, start, known)
                for column, name in zip(columns, names, strict=True)
            ]
            lines = zip(batch.runs, batch.texts, *shown, strict=True)
            self._writer.insert(table, lines, len(columns))
            tell(min(start + _BATCH_ROWS, len(rows)))
        return TableExport(
            project=project,
            table=table,
            rows=len(rows),
            runs=len(set(runs)),
            columns=len(columns),
            times_moved=moved,
        )

    def _columns(self, project: str, rows: EventTable) -> list[ColumnWriter]:
        from mooring.store.tables import decode

        known = {column.name: column.kinds for column in self._store.list_columns(project)}
        columns = []
        for one in rows.cells.schema:
            kinds = known.get(one.name)
            if kinds is None:  # of a store of the first format, whose sealed columns are not listed
                kinds = tuple(set(map(type, decode(one, rows.cells[one.name]))))
            columns.append(ColumnWriter(one, kinds))
        for column in columns:
            if column.name in RESERVED:
                self._problems.add(
                    f"column {column.name!r} of {project!r}",
                    "a table of xetrack has one of its own of this name",
                )
        columns = [column for column in columns if column.name not in RESERVED]
        for column in columns[_MAX_COLUMNS:]:
            self._problems.add(
                f"column {column.name!r} of {project!r}",
                f"a table of SQLite has {_MAX_COLUMNS + 2} columns at most",
                kind="columns",
            )
        return columns[:_MAX_COLUMNS]

    def _note_names(
        self, project: str, table: str, columns: Sequence[ColumnWriter], names: Sequence[str]
    ) -> None:
        noted: list[tuple[object, ...]] = [(table, None, project, None)]
        for column, name in zip(columns, names, strict=True):
            if column.name != name:
                self.renamed.append(Renamed(table, column.name, column.name, name))
            if column.name != name or column.is_bool:
                noted.append((table, name, column.name, BOOL if column.is_bool else None))
        self._writer.note_names(noted)

    def _note_times(self, batch: _Batch, times: np.ndarray) -> None:
        """Note instants that the text of the timestamp does not tell."""
        self._writer.note_cells(
            (batch.table, run, text, TIMESTAMP, text, str(time))
            for run, text, time in zip(batch.runs, batch.texts, times.tolist(), strict=True)
            if _instant(text) != time
        )

    def _show(
        self,
        batch: _Batch,
        column: ColumnWriter,
        name: str,
        rows: EventTable,
        start: int,
        known: Collection[str],
    ) -> list[object]:
        from mooring.store.tables import decode

        part = rows.cells[column.name].slice(start, _BATCH_ROWS)
        cells = decode(column.field, part)
        shown = column.show(cells)
        self._writer.note_cells(
            (batch.table, run, text, name, there, dumps(encode_cell(column.name, cell)).decode())
            for run, text, cell, there in zip(batch.runs, batch.texts, cells, shown, strict=True)
            if not column.is_exact(cell, there) and self._is_plain(column.name, run, text, cell)
        )
        if known and column.sql_type == "TEXT":
            named = [cell for cell in shown if cell in known]
            self._use.counts.update(named)  # type: ignore[arg-type]
            if named:
                self._use.keys[name] = str(named[-1])
        return shown

    def _is_plain(self, column: str, run: str, text: str, cell: Any) -> bool:
        if not isinstance(cell, (FileRef, Histogram)):
            return True
        self._problems.add(
            f"cell {column!r} of run {run!r} at {text!r}",
            f"it is a {type(cell).__name__}, of which only a text is there",
            kind="cells",
        )
        return False


@dataclass(frozen=True, slots=True)
class _Batch:
    table: str
    runs: Sequence[str]
    texts: Sequence[str]


def spread(runs: Sequence[str], times: np.ndarray) -> tuple[np.ndarray, int]:
    """Return times that no two rows of a run share, and how many had to change.

    Of rows with one time the first keeps it, and each other one takes the next free microsecond.

    >>> import numpy as np
    >>> spread(["a", "a", "b", "a"], np.array([5, 5, 5, 6]))
    (array([5, 6, 5, 7]), 2)
    """
    import numpy as np

    taken: dict[str, dict[int, int]] = {}
    result = []
    for run, time in zip(runs, times.tolist(), strict=True):
        after = taken.setdefault(run, {})
        free = _find_free(after, time)
        after[free] = free + 1
        result.append(free)
    spread_out = np.array(result, dtype=np.int64)
    return spread_out, int(np.count_nonzero(spread_out != times))


def _find_free(after: dict[int, int], time: int) -> int:
    """Return the first free time; `after` leads from each taken one to one that may be free."""
    passed = []
    while time in after:
        passed.append(time)
        time = after[time]
    for one in passed:  # the next search goes there at once
        after[one] = time + 1
    return time


def _instant(text: str) -> int | None:
    try:
        return parse_timestamp(text)
    except InvalidInput:
        return None
