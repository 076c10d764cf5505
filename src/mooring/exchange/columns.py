"""Points as targets walk them: series by series, with NumPy columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa


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
    from mooring.exchange.points import rows_by_path

    for path, first, count in rows_by_path(points):
        yield path, points.slice(first, count)


def numbers(points: pa.Table, name: str) -> npt.NDArray[np.int64]:
    """Return a column of steps or times."""
    return points.column(name).to_numpy()  # type: ignore[no-any-return]


def doubles(points: pa.Table) -> npt.NDArray[np.float64]:
    """Return the values of points of float series."""
    return points.column("value").to_numpy()  # type: ignore[no-any-return]
