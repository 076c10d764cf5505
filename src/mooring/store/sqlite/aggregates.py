"""Aggregates of series as rows of the `attributes` table: made from points, and combined."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from mooring.model import AttributeType, SeriesStats
from mooring.store.cells import decode_cell, dumps
from mooring.store.sqlite.codec import load_value
from mooring.store.sqlite.schema import ATTRIBUTE_COLUMNS, TYPE_CODES, TYPES
from mooring.store.sqlite.series import Series

AttributeRow: TypeAlias = tuple[Any, ...]
"""Values in the order of `ATTRIBUTE_COLUMNS`."""

(
    PATH,
    RUN,
    TYPE,
    VALUE,
    COUNT,
    FIRST_STEP,
    LAST_STEP,
    LAST_TIME,
    FIRST,
    MIN,
    MIN_STEP,
    MAX,
    MAX_STEP,
    SUM,
    SUM_SQUARES,
    NAN,
    PINF,
    NINF,
) = range(len(ATTRIBUTE_COLUMNS))


def value_row(path: int, run: int, type: AttributeType, value: object) -> AttributeRow:
    """Return the row of an attribute with a single value."""
    return (path, run, TYPE_CODES[type], value, *(None,) * (len(ATTRIBUTE_COLUMNS) - 4))


def empty_row(
    path: int, run: int, type: AttributeType = AttributeType.FLOAT_SERIES
) -> AttributeRow:
    """Return the row of a series that has no final point to show: it fixes the type."""
    zeros = (0.0, 0.0, 0, 0, 0) if type is AttributeType.FLOAT_SERIES else (None,) * 5
    return (path, run, TYPE_CODES[type], None, 0, *(None,) * 8, *zeros)


def series_row(series: Series) -> AttributeRow:
    """Return the row of a series: points by ascending step, no step twice, at least one."""
    steps, times, values = series.steps, series.times, series.values
    head = (series.path, series.run, TYPE_CODES[series.type])
    span = (len(steps), int(steps[0]), int(steps[-1]), int(times[-1]))
    if series.type is not AttributeType.FLOAT_SERIES:
        return (
            *head,
            _stored(series.type, values[-1]),
            *span,
            _stored(series.type, values[0]),
            *(None,) * 9,
        )
    if len(steps) == 1:
        value, step = float(values[0]), int(steps[0])
        if math.isfinite(value):
            extremes: AttributeRow = (value, step, value, step, value, value * value, 0, 0, 0)
        else:
            special = (int(value != value), int(value == math.inf), int(value == -math.inf))
            extremes = (None, None, None, None, 0.0, 0.0, *special)
        return (*head, value, *span, value, *extremes)
    finite = np.isfinite(values)
    special = (0, 0, 0)
    if not finite.all():
        special = (
            int(np.isnan(values).sum()),
            int((values == math.inf).sum()),
            int((values == -math.inf).sum()),
        )
        steps, rest = steps[finite], values[finite]
    else:
        rest = values
    extremes = (None, None, None, None, 0.0, 0.0, *special)
    if len(rest):
        low, high = int(rest.argmin()), int(rest.argmax())
        with np.errstate(over="ignore", invalid="ignore"):
            extremes = (
                float(rest[low]),
                int(steps[low]),
                float(rest[high]),
                int(steps[high]),
                float(rest.sum()),
                float(np.dot(rest, rest)),
                *special,
            )
    return (*head, float(values[-1]), *span, float(values[0]), *extremes)


def row_of_stats(path: int, run: int, stats: SeriesStats) -> AttributeRow:
    """Return the row of a float series whose aggregates are known."""
    return (
        path,
        run,
        TYPE_CODES[AttributeType.FLOAT_SERIES],
        stats.last,
        stats.count,
        stats.first_step,
        stats.last_step,
        stats.last_time,
        stats.first,
        stats.minimum,
        stats.minimum_step,
        stats.maximum,
        stats.maximum_step,
        stats.sum,
        stats.sum_squares,
        stats.nan_count,
        stats.positive_inf_count,
        stats.negative_inf_count,
    )


def combine(old: AttributeRow, new: AttributeRow) -> AttributeRow:
    """Return the row of a series whose points after `old` are those of `new`."""
    if not old[COUNT]:
        return new
    low = new if old[MIN] is None or (new[MIN] is not None and new[MIN] < old[MIN]) else old
    high = new if old[MAX] is None or (new[MAX] is not None and new[MAX] > old[MAX]) else old
    if old[SUM] is None:
        sums: tuple[object, ...] = (None,) * 5
    else:
        sums = tuple(old[i] + new[i] for i in (SUM, SUM_SQUARES, NAN, PINF, NINF))
    return (
        *new[:COUNT],
        old[COUNT] + new[COUNT],
        old[FIRST_STEP],
        new[LAST_STEP],
        new[LAST_TIME],
        old[FIRST],
        low[MIN],
        low[MIN_STEP],
        high[MAX],
        high[MAX_STEP],
        *sums,
    )


def stats_of(row: AttributeRow) -> SeriesStats:
    """Return a row of a series as the model has it."""
    type = TYPES[row[TYPE]]
    return SeriesStats(
        count=row[COUNT],
        first_step=row[FIRST_STEP],
        last_step=row[LAST_STEP],
        first=load_value(type, row[FIRST]) if row[COUNT] else None,
        last=load_value(type, row[VALUE]) if row[COUNT] else None,
        last_time=row[LAST_TIME],
        minimum=row[MIN],
        minimum_step=row[MIN_STEP],
        maximum=row[MAX],
        maximum_step=row[MAX_STEP],
        sum=row[SUM] or 0.0,
        sum_squares=row[SUM_SQUARES] or 0.0,
        nan_count=row[NAN] or 0,
        positive_inf_count=row[PINF] or 0,
        negative_inf_count=row[NINF] or 0,
    )


def _stored(type: AttributeType, cell: object) -> object:
    if type is AttributeType.STRING_SERIES:
        return decode_cell(cell)
    return dumps(cell).decode()
