"""Attributes and points of all runs of a store as tables of SQL: `db.attributes`, `db.points` …"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mooring.model import AttributeType, RunInfo
from mooring.store.contract import AttributeColumn, PathSelector, RunQuery, SeriesQuery, Store

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBERS = frozenset({AttributeType.INT, AttributeType.FLOAT, AttributeType.FLOAT_SERIES})
_MICROS = 1_000_000


def attributes_table(store: Store) -> pa.Table:
    """Return a row for each attribute of each run: project, run, path, type, value, number.

    `value` is text, JSON where it is no text by itself; of a series it is the last one. `number`
    is the value of numbers. Runs in the trash have none.
    """
    import pyarrow as pa

    schema = pa.schema(
        [(name, pa.string()) for name in ("project", "run", "path", "type", "value")]
        + [("number", pa.float64())]
    )
    parts = [
        _attribute_rows(project, runs, column, schema)
        for project, runs in _runs(store)
        for column in store.read_attributes([run.key for run in runs], PathSelector())
    ]
    return pa.concat_tables([schema.empty_table(), *parts])


def _attribute_rows(
    project: str, runs: Sequence[RunInfo], column: AttributeColumn, schema: pa.Schema
) -> pa.Table:
    import pyarrow as pa

    count = len(column.rows)
    if column.type in _NUMBERS:
        values = pa.array(column.values)
        # Doubles say whole numbers up to 2**53; `value` has all digits.
        number = values.cast(pa.float64(), safe=False)
        text = values.cast(pa.string())
    else:
        text = pa.array([_text(value) for value in column.values], pa.string())
        number = pa.nulls(count, pa.float64())
    return pa.table(
        [
            pa.repeat(project, count),
            pa.array([runs[row].run_id for row in column.rows], pa.string()),
            pa.repeat(column.path, count),
            pa.repeat(str(column.type), count),
            text,
            number,
        ],
        schema=schema,
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset):
        value = sorted(value)
    elif is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    return json.dumps(value, ensure_ascii=False)


def points_table(store: Store) -> pa.Table:
    """Return the points of all float series: project, run, path, step, time (UTC), value.

    A fork has those that it inherits too. Provisional points and runs in the trash are left out.
    """
    return _points(store, AttributeType.FLOAT_SERIES)


def texts_table(store: Store) -> pa.Table:
    """Return what `points_table` does, of series of texts."""
    return _points(store, AttributeType.STRING_SERIES)


def _points(store: Store, type: AttributeType) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    value = pa.float64() if type is AttributeType.FLOAT_SERIES else pa.string()
    schema = pa.schema(
        [(name, pa.string()) for name in ("project", "run", "path")]
        + [("step", pa.float64()), ("time", pa.timestamp("us")), ("value", value)]
    )
    parts = [schema.empty_table()]
    for project, runs in _runs(store):
        keys = [run.key for run in runs]
        read = store.read_series(keys, PathSelector(types=frozenset({type})), SeriesQuery())
        ids = pa.array([run.run_id for run in runs], pa.string())
        place = pc.index_in(read["run"].cast(pa.int64()), value_set=pa.array(keys, pa.int64()))
        columns = [
            pa.repeat(project, read.num_rows),
            pc.take(ids, place),
            read["path"].cast(pa.string()),
            pc.divide(read["step"].cast(pa.float64(), safe=False), float(_MICROS)),
            read["time"].cast(pa.timestamp("us")),
            read["value"].cast(value),
        ]
        parts.append(pa.table(columns, schema=schema))
    return pa.concat_tables(parts)


def _runs(store: Store) -> Iterator[tuple[str, Sequence[RunInfo]]]:
    for project in store.list_projects():
        runs = store.query_runs(RunQuery(project=project)).runs
        if runs:
            yield project, runs


RUN_TABLES: dict[str, Callable[[Store], pa.Table]] = {
    "attributes": attributes_table,
    "points": points_table,
    "texts": texts_table,
}
"""Tables by their names in SQL, unless a tracker's table is called so."""
