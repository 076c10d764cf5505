"""Rows of a xetrack file as rows of a tracker's table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mooring.errors import InvalidInput
from mooring.exchange.reports import ProblemList, Renamed
from mooring.model import MAX_TIME, MIN_TIME, validate_path, validate_run_id
from mooring.tracker.values import Cell
from mooring.tracker.xetrack.extras import Extras
from mooring.tracker.xetrack.tables import TIMESTAMP, TRACK_ID, XetrackColumn
from mooring.tracker.xetrack.times import parse_timestamp

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_MAX_NAME_BYTES = 1_000


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its run, its instant in microseconds since 1970, and the cells that it has."""

    track_id: str
    timestamp: str
    time: int
    cells: dict[str, Cell]


class RowReader:
    """Turns the rows of one table into ours; what it cannot turn is a problem and no row.

    A NULL is a missing cell. Cells keep the type that SQLite stored them with, whatever the
    column declares.
    """

    def __init__(
        self,
        table: str,
        columns: Sequence[XetrackColumn],
        extras: Extras,
        problems: ProblemList,
    ) -> None:
        self._table = table
        self._extras = extras
        self._problems = problems
        self.renamed: list[Renamed] = []
        self._names = self._choose_names([column.name for column in columns])
        self._run_at = self._names.index(TRACK_ID)
        self._time_at = self._names.index(TIMESTAMP)
        self._names[self._run_at] = self._names[self._time_at] = ""
        old = {column.name: i for i, column in enumerate(columns)}
        self._bools = [self._names[old[name]] for name in extras.bools if name in old]
        self._new_names = {name: self._names[i] for name, i in old.items()}
        self._runs: dict[object, str] = {}
        self._last: dict[str, int] = {}
        self._number = 0

    @property
    def names(self) -> Sequence[str]:
        """Names of the columns, in the order of the file, without the tracker's own two."""
        return [name for name in self._names if name]

    def read(self, raw: Sequence[Any]) -> Row | None:
        """Return a row, or None when it cannot be held."""
        self._number += 1
        text = raw[self._time_at]
        try:
            track_id = self._run(raw[self._run_at])
            time = self._time(raw[self._run_at], track_id, text)
        except InvalidInput as error:
            self._problems.add(
                f"row {self._number} of table {self._table!r} (run {raw[self._run_at]!r} at "
                f"{text!r})",
                f"{error}; the row was left out",
                kind=f"rows:{self._table}",
            )
            return None
        cells: dict[str, Cell] = {
            name: value
            for name, value in zip(self._names, raw, strict=True)
            if value is not None and name
        }
        for name in self._bools:
            if (value := cells.get(name)) in (0, 1) and type(value) is int:
                cells[name] = bool(value)
        if self._extras.cells:
            self._restore(cells, raw[self._run_at], text)
        return Row(track_id, str(text), time, cells)

    def _run(self, value: object) -> str:
        found = self._runs.get(value)
        if found is None:
            if value is None or isinstance(value, bytes):
                raise InvalidInput(f"{value!r} is no track id")
            found = self._runs[value] = validate_run_id(escape(str(value)))
            if found != str(value):
                self.renamed.append(Renamed(self._table, None, str(value), found))
        return found

    def _time(self, run: object, track_id: str, text: object) -> int:
        exact = self._extras.cells.get((run, text), {}).get(TIMESTAMP)  # type: ignore[arg-type]
        if exact is not None and type(exact[1]) is int:
            time = exact[1]
        else:
            time = parse_timestamp(text, not_before=self._last.get(track_id))
        if not MIN_TIME <= time <= MAX_TIME:
            raise InvalidInput(f"{text!r} is no timestamp of the years 1 to 9999")
        self._last[track_id] = time
        return time

    def _restore(self, cells: dict[str, Cell], run: object, text: object) -> None:
        """Put back what an export could not show, where the file still shows the same."""
        noted: Mapping[str, tuple[object, Any]]
        noted = self._extras.cells.get((run, text), {})  # type: ignore[arg-type]
        for column, (shown, cell) in noted.items():
            name = self._new_names.get(column, "")
            held = cells.get(name)
            if name and type(held) is type(shown) and held == shown:
                cells[name] = cell

    def _choose_names(self, columns: Sequence[str]) -> list[str]:
        """Return a name for each column: as it was before an export, else as it is, if it can."""
        names: list[str] = []
        taken = {TRACK_ID, TIMESTAMP}
        for column in columns:
            if column in (TRACK_ID, TIMESTAMP):
                names.append(column)
                continue
            wanted = self._extras.names.get(column, column)
            name = _valid_path(wanted)
            number = 1
            while name in taken:
                number += 1
                name = f"{_valid_path(wanted)}_{number}"
            taken.add(name)
            names.append(name)
            if name != wanted:
                self.renamed.append(Renamed(self._table, column, column, name))
        return names


def _valid_path(name: str) -> str:
    try:
        return validate_path(name)
    except InvalidInput:
        cut = escape(name).encode()[:_MAX_NAME_BYTES].decode(errors="ignore")
        return cut or "unnamed"


def escape(text: str) -> str:
    """Return a text whose control characters are written as `%0A`: the name of a run or column."""
    return _CONTROL.sub(lambda found: f"%{ord(found.group()):02X}", text)
