"""Series of a run in portions: so many that they are worth a read, so few that they fit memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from mooring.exchange.source import SourceSeries
from mooring.model import AttributeType

_POINTS = 1 << 21
_SERIES = 1_000
_UNKNOWN = 1 << 18
"""Points that a series is taken to have when its source does not know."""
_WEIGHTS = {AttributeType.STRING_SERIES: 8, AttributeType.HISTOGRAM_SERIES: 64}
"""How much larger than a float's the points of a type tend to be."""


def chunk_series(series: Sequence[SourceSeries]) -> Iterator[tuple[AttributeType, list[str]]]:
    """Yield series of one type that are read together.

    >>> one, two = (SourceSeries(path, AttributeType.FLOAT_SERIES, 2_000_000) for path in "ab")
    >>> [paths for _, paths in chunk_series([one, two])]
    [['a'], ['b']]
    """
    for type in AttributeType:
        portion: list[str] = []
        points = 0
        for one in sorted((one for one in series if one.type is type), key=lambda one: one.path):
            count = (_UNKNOWN if one.count is None else one.count) * _WEIGHTS.get(type, 1)
            if portion and (points + count > _POINTS or len(portion) >= _SERIES):
                yield type, portion
                portion, points = [], 0
            portion.append(one.path)
            points += count
        if portion:
            yield type, portion


def split_series(points: pa.Table) -> dict[str, pa.Table]:
    """Return the points of each series of a table that is sorted by path."""
    if not points.num_rows:
        return {}
    column = points["path"]
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries()
    names = column.chunk(0).dictionary.to_pylist()
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in column.chunks])
    starts = np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]]).tolist()
    return {
        names[codes[start]]: points.slice(start, stop - start)
        for start, stop in zip(starts[:-1], starts[1:], strict=True)
    }
