"""Tables of points, as `Source.read_points` returns them: series by series, NumPy columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def rows_by_path(table: pa.Table) -> list[tuple[str, int, int]]:
    """Return (path, first row, number of rows) of each series; its rows lie together.

    >>> points = pa.table({"path": pa.array(["a", "a", "b"]).dictionary_encode()})
    >>> rows_by_path(points)
    [('a', 0, 2), ('b', 2, 1)]
    """
    if not table.num_rows:
        return []
    column = table["path"]
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries()
    names = column.chunk(0).dictionary.to_pylist()
    codes = np.concatenate([c.indices.to_numpy(zero_copy_only=False) for c in column.chunks])
    starts = np.flatnonzero(np.concatenate(([True], codes[1:] != codes[:-1])))
    stops = np.append(starts[1:], len(codes))
    return [
        (names[code], int(first), int(stop - first))
        for code, first, stop in zip(
            codes[starts].tolist(), starts.tolist(), stops.tolist(), strict=True
        )
    ]


def iter_series(points: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Yield the path and the points of each series of `points`, in order and uncopied.

    >>> from mooring.exchange.source import make_points
    >>> from mooring.model import AttributeType
    >>> points = make_points(
    ...     AttributeType.FLOAT_SERIES, ["b", "a", "b"], [0, 0, 5], [1, 1, 1], [9.0, 1.0, 2.0]
    ... )
    >>> [(path, len(series)) for path, series in iter_series(points)]
    [('a', 1), ('b', 2)]
    """
    for path, first, count in rows_by_path(points):
        yield path, points.slice(first, count)


def in_pieces(points: pa.Table, limit: int) -> Iterator[pa.Table]:
    """Yield points in pieces of whole series, with no more than `limit` points, but for one series.

    >>> from mooring.exchange.source import make_points
    >>> from mooring.model import AttributeType
    >>> points = make_points(
    ...     AttributeType.FLOAT_SERIES, ["a", "a", "b", "c"], [0, 1, 0, 0], [1] * 4, [0.5] * 4
    ... )
    >>> [len(piece) for piece in in_pieces(points, 3)]
    [3, 1]
    """
    start = end = 0
    for _, first, count in rows_by_path(points):
        if first > start and first + count - start > limit:
            yield points.slice(start, first - start)
            start = first
        end = first + count
    if end > start:
        yield points.slice(start, end - start)


def numbers(points: pa.Table, name: str) -> npt.NDArray[np.int64]:
    """Return a column of steps or times."""
    return points.column(name).to_numpy()  # type: ignore[no-any-return]


def doubles(points: pa.Table) -> npt.NDArray[np.float64]:
    """Return the values of points of float series."""
    return points.column("value").to_numpy()  # type: ignore[no-any-return]
