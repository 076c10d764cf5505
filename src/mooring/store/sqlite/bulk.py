"""Many points at once, from columns straight into a segment."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mooring.errors import InvalidInput, InvalidPath, RunNotFound, TypeConflict
from mooring.model import (
    AttributeType,
    validate_path,
)
from mooring.store.points import floats_of, steps_of, times_of
from mooring.store.sqlite import aggregates as row_of
from mooring.store.sqlite import receipts
from mooring.store.sqlite.catalog import Catalog
from mooring.store.sqlite.database import Database
from mooring.store.sqlite.fold import Fold, read_rows
from mooring.store.sqlite.schema import TYPE_CODES, TYPES
from mooring.store.sqlite.sealing import Sealer
from mooring.store.sqlite.series import Series, join
from mooring.store.values import check_loggable

_FLOAT_SERIES = AttributeType.FLOAT_SERIES


class BulkWriter:
    """Writes columns of points as segments."""

    def __init__(self, database: Database, catalog: Catalog, sealer: Sealer, fold: Fold) -> None:
        self._database = database
        self._catalog = catalog
        self._sealer = sealer
        self._fold = fold

    def write_points(self, key: int, path: str, steps: Any, values: Any, times: Any) -> int:
        """Append points of one series; return how many."""
        numbers = floats_of(values, "values")
        micros = steps_of(steps)
        moments = times_of(times, len(numbers))
        if not len(numbers) == len(micros) == len(moments):
            raise InvalidInput(
                f"steps, values and times differ in length: {len(micros)}, {len(numbers)}, "
                f"{len(moments)}"
            )
        if not len(numbers):
            return 0
        id = self._catalog.intern([path])[0]
        self._enter(key, [Series(key, id, _FLOAT_SERIES, micros, moments, numbers)])
        return len(numbers)

    def write_table(self, key: int, table: pa.Table, request: str | None = None) -> int:
        """Append points of many series; return how many.

        `request` is noted with them; `AnsweredBefore` when that was done already.
        """
        missing = {"path", "step", "value"} - set(table.column_names)
        if missing:
            raise InvalidInput(f"the table lacks the column {sorted(missing)[0]!r}")
        if len(set(table.column_names)) < table.num_columns:
            raise InvalidInput("the table has two columns of one name")
        kind = table.schema.field("path").type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not pa.types.is_string(kind) and not pa.types.is_large_string(kind):
            raise InvalidPath(f"the column 'path' holds no texts, but {kind}")
        if not table.num_rows:
            return 0
        column = table["path"].combine_chunks()
        if not pa.types.is_dictionary(column.type):
            column = pc.dictionary_encode(column)
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        if column.null_count:
            raise InvalidInput("the column 'path' has missing values")
        names = [validate_path(name) for name in column.dictionary.to_pylist()]
        for name in names:
            check_loggable(name)
        codes = column.indices.to_numpy(zero_copy_only=False)
        micros = steps_of(table["step"])
        values = floats_of(table["value"], "the column 'value'")
        times = times_of(table["time"] if "time" in table.column_names else None, table.num_rows)
        if not bool(np.all(codes[1:] >= codes[:-1])):
            order = np.argsort(codes, kind="stable")
            codes, micros, values, times = codes[order], micros[order], values[order], times[order]
        starts = np.flatnonzero(np.concatenate(([True], codes[1:] != codes[:-1])))
        stops = np.append(starts[1:], len(codes))
        ids = self._catalog.intern([names[code] for code in codes[starts]])
        self._enter(
            key,
            [
                Series(key, id, _FLOAT_SERIES, micros[a:b], times[a:b], values[a:b])
                for id, a, b in zip(ids, starts.tolist(), stops.tolist(), strict=True)
            ],
            lambda connection: receipts.enter_answer(connection, request, table.num_rows),
        )
        return int(table.num_rows)

    def _enter(
        self,
        key: int,
        pieces: list[Series],
        note: Callable[[sqlite3.Connection], None] = lambda connection: None,
    ) -> None:
        series = [join([piece], key) for piece in pieces]
        points = sum(len(piece.steps) for piece in series)
        last_step = max(int(piece.steps[-1]) for piece in series)
        last_time = max(int(piece.times.max()) for piece in series)

        def enter(connection: sqlite3.Connection) -> None:
            note(connection)
            self._check_types(connection, key, series)
            self._fold.add_points(connection, key, series, points, last_step, last_time)

        # Segments come before the log where one step has two points: what the run has in the log
        # is sealed first, so that the new points are the later ones.
        self._sealer.seal([key], events=True)
        self._sealer.add(series, enter)

    def _check_types(
        self, connection: sqlite3.Connection, key: int, series: Sequence[Series]
    ) -> None:
        if not connection.execute("SELECT 1 FROM runs WHERE id = ?", (key,)).fetchone():
            raise RunNotFound(str(key), where=str(self._database.path))
        for row in read_rows(connection, key, sorted(piece.path for piece in series)):
            if row[row_of.TYPE] != TYPE_CODES[_FLOAT_SERIES]:
                raise TypeConflict(
                    self._catalog.name(row[row_of.PATH]),
                    expected=str(TYPES[row[row_of.TYPE]]),
                    got=str(_FLOAT_SERIES),
                )
