"""Histograms from edges and counts, or from the values themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mooring.errors import InvalidValue
from mooring.model import Histogram

DEFAULT_BINS = 64


def as_histogram(name: str, data: object, *, bins: int = DEFAULT_BINS) -> Histogram:
    """Return a histogram of `data`.

    `data` is a `Histogram`; or a pair of counts and edges as `numpy.histogram` returns them (in
    either order: there is one edge more); or any array of raw values, of which the finite ones
    are counted in `bins` bins of equal width.

    >>> as_histogram("weights", ([3, 4], [0.0, 1.0, 2.0]))
    Histogram(edges=(0.0, 1.0, 2.0), values=(3.0, 4.0), kind='COUNTING')
    """
    if isinstance(data, Histogram):
        return data
    if pair := _pair(data):
        counts, edges = pair
        try:
            return Histogram(edges=tuple(map(float, edges)), values=tuple(map(float, counts)))
        except (TypeError, ValueError) as error:
            raise InvalidValue(f"{name!r}: {error}") from None
    return _count(name, data, bins)


def _pair(data: object) -> tuple[Sequence[Any], Sequence[Any]] | None:
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        return None
    first, second = data
    if not (hasattr(first, "__len__") and hasattr(second, "__len__")):
        return None
    if len(second) == len(first) + 1:
        return first, second
    return (second, first) if len(first) == len(second) + 1 else None


def _count(name: str, data: Any, bins: int) -> Histogram:
    import numpy as np

    if callable(detach := getattr(data, "detach", None)):
        data = detach().cpu()
    try:
        values = np.asarray(data, dtype=np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise InvalidValue(f"{name!r}: a histogram needs numbers: {error}") from None
    values = values[np.isfinite(values)]
    if not values.size:
        raise InvalidValue(f"{name!r}: a histogram needs at least one finite value")
    try:
        counts, edges = np.histogram(values, bins=bins)
    except (TypeError, ValueError) as error:
        raise InvalidValue(f"{name!r}: {error}") from None
    return Histogram(edges=tuple(edges.tolist()), values=tuple(map(float, counts.tolist())))
