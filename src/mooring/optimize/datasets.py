"""Data sets described by numbers, and which of them are alike."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeGuard, TypeVar

from mooring.errors import InvalidInput

Id = TypeVar("Id", bound=Hashable)

MAX_FEATURES = 1_000
"""Of a description with more features, the first ones by name count."""
_BIGGEST = 1e300


def describe(manifest: Mapping[str, Any]) -> dict[str, float]:
    """Return the meta-features of a data set: those it comes with, and what its statistics tell.

    Parameters
    ----------
    manifest : fields of a data set: `metafeatures`, names to numbers, kept as they are; and
        `statistics` with `count`, `columns_count` and `stat_data`, a list of columns, which make
        `data/rows`, `data/columns`, `data/categorical` and `data/missing` (shares of the columns
        and of the cells), and for a target of categories `data/classes` and `data/entropy` (of
        the classes, in bits)

    What is no finite number is left out.

    >>> describe({"metafeatures": {"skew": 0.5, "name": "iris"}, "statistics": {"count": 150}})
    {'skew': 0.5, 'data/rows': 150.0}
    """
    given = manifest.get("metafeatures")
    described = _numbers(given if isinstance(given, Mapping) else {})
    statistics = manifest.get("statistics")
    if isinstance(statistics, Mapping):
        described |= _of_statistics(statistics)
    return described


def nearest(
    described: Mapping[str, Any], known: Mapping[Id, Mapping[str, Any]], limit: int
) -> list[tuple[Id, float]]:
    """Return the known data sets that are most like a described one, with distances, nearest first.

    Counts and sizes reach over magnitudes, so each feature is taken as `sign(x) ln(1 + |x|)`, and
    then standardised by mean and deviation of the known data sets. The distance is the root of
    the mean squared difference over the described features. Where a known data set lacks one, the
    square that is expected of any data set stands for it: `1 + z²`. Data sets that share no
    feature are left out; of equal distances the order of `known` decides.

    >>> known = {"iris": {"rows": 150, "classes": 3}, "adult": {"rows": 48_842, "classes": 2}}
    >>> [id for id, distance in nearest({"rows": 178, "classes": 3}, known, limit=1)]
    ['iris']
    """
    import numpy as np

    if limit < 1:
        raise InvalidInput(f"limit is 1 or more, not {limit!r}")
    wanted = _numbers(described)
    names = sorted(wanted)[:MAX_FEATURES]
    if not names or not known:
        return []
    at = _even(np.array([wanted[name] for name in names]))
    table = _even(np.array([_row(features, names) for features in known.values()]))
    there = np.isfinite(table)
    held = there.sum(axis=0)
    values = np.where(there, table, 0.0)
    mean = values.sum(axis=0) / np.maximum(held, 1)
    deviation = np.sqrt(
        np.where(there, (values - mean) ** 2, 0.0).sum(axis=0) / np.maximum(held, 1)
    )
    # One that all known data sets have alike still tells them from the described one.
    deviation = np.where(deviation > 1e-9, deviation, 1.0)
    used = held > 0
    squares = np.where(there, ((values - at) / deviation) ** 2, 1 + ((at - mean) / deviation) ** 2)
    distances = np.sqrt(squares[:, used].mean(axis=1)) if used.any() else np.zeros(len(table))
    ids = list(known)
    order = np.argsort(distances, kind="stable")
    alike = [int(row) for row in order if there[row].any()]
    return [(ids[row], float(distances[row])) for row in alike[:limit]]


def _row(features: Mapping[str, Any], names: Iterable[str]) -> list[float]:
    found = (_number(features.get(name)) for name in names)
    return [math.nan if number is None else number for number in found]


def _even(values: Any) -> Any:
    import numpy as np

    return np.sign(values) * np.log1p(np.abs(values))


def _numbers(features: Mapping[str, Any]) -> dict[str, float]:
    found = {str(name): _number(value) for name, value in features.items()}
    return {name: number for name, number in found.items() if number is not None}


def _number(value: object) -> float | None:
    """Return a finite number or a flag as a float, None for anything else."""
    if not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return _BIGGEST if value > 0 else -_BIGGEST
    return number if math.isfinite(number) else None


def _of_statistics(statistics: Mapping[str, Any]) -> dict[str, float]:
    listed = statistics.get("stat_data")
    columns = [one for one in listed if isinstance(one, Mapping)] if _is_list(listed) else []
    rows = _number(statistics.get("count"))
    counted = _number(statistics.get("columns_count"))
    told: dict[str, float | None] = {
        "data/rows": rows,
        "data/columns": counted if counted is not None else float(len(columns)) or None,
    }
    if columns:
        categories = sum(column.get("datatype") in ("categorical", "string") for column in columns)
        told["data/categorical"] = categories / len(columns)
        missing = [_number(column.get("missing_values")) or 0.0 for column in columns]
        if rows:
            told["data/missing"] = sum(missing) / rows / len(columns)
    target = next((column for column in columns if column.get("isTarget") is True), None)
    if target is not None:
        told |= _of_target(target)
    return {name: value for name, value in told.items() if value is not None}


def _of_target(target: Mapping[str, Any]) -> dict[str, float | None]:
    """Return classes and their entropy; a target of numbers without counts has neither."""
    counts = target.get("value_counts")
    if not isinstance(counts, Mapping):
        return {}
    sizes = [number for size in counts.values() if (number := _number(size)) and number > 0]
    total = math.fsum(sizes)
    entropy = -math.fsum(size / total * math.log2(size / total) for size in sizes) if total else 0.0
    classes = _number(target.get("unique_values"))
    return {"data/classes": classes or float(len(sizes)), "data/entropy": max(0.0, entropy)}


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, (list, tuple))
