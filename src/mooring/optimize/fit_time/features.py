"""One fit as numbers: logarithms of its sizes, and factors that are known without learning."""

from __future__ import annotations

import math
from collections.abc import Mapping

from mooring.errors import InvalidInput
from mooring.optimize.fit_time.families import Family, Split, Trees

MAX_SIZE = 1e12
"""More rows or columns count as this many."""
MAX_WORK = 1e7
_LEAVES = ("max_leaf_nodes", "num_leaves", "max_leaves")


def features(
    family: Family, params: Mapping[str, object], rows: float, columns: float
) -> tuple[tuple[float, float, float, float], float]:
    """Return `[1, ln(rows/1000), ln(columns/10), ln(work/100)]` and the log of known factors.

    A family without work has 0 in its place. Parameters of another type or out of their range
    count as not given.
    """
    log_rows = math.log(rows / 1_000)
    work = 0.0 if family.work is None else math.log(_work(family, params) / 100)
    known = 0.0
    if family.trees is not None:
        known += _log_split(family.trees, params, columns)
        known += _log_depth(family.trees, params, rows)
        known += _log_leaves(family.trees, params)
    if family.small_rows is not None and log_rows < 0:
        known += (family.small_rows - family.rows) * log_rows
    return (1.0, log_rows, math.log(columns / 10), work), known


def size(value: object, name: str) -> float:
    """Return a number of rows or columns; `InvalidInput` unless it is a number from 1 on."""
    number = _number(value)
    if number is None or number < 1:
        raise InvalidInput(f"{name} is a number from 1 on, not {value!r:.80}")
    return min(number, MAX_SIZE)


def _number(value: object) -> float | None:
    """Return a finite number, also one that is written as text; a huge integer is cut."""
    if isinstance(value, str) and len(value) < 100:
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return 1e300 if value > 0 else -1e300
    return number if math.isfinite(number) else None


def _work(family: Family, params: Mapping[str, object]) -> float:
    for name in family.work_names:
        number = _number(params.get(name))
        if number is not None and number >= 1:
            return min(number, MAX_WORK)
    return family.usual_work


def _log_split(trees: Trees, params: Mapping[str, object], columns: float) -> float:
    """Return what looking at other than the usual number of features per split changes."""
    if trees.split is None:
        return 0.0
    usual = math.sqrt(columns) if trees.split is Split.SQRT else columns
    wanted = _features_per_split(params.get("max_features"), columns, usual)
    return trees.split_exponent * math.log(wanted / usual)


def _features_per_split(given: object, columns: float, usual: float) -> float:
    match given:
        case "sqrt":
            return math.sqrt(columns)
        case "log2":
            return max(1.0, math.log2(columns))
    number = _number(given)
    if number is None or number <= 0:
        return usual
    is_share = number < 1 or (number == 1 and isinstance(given, float))
    return min(columns, max(1.0, number * columns if is_share else number))


def _log_depth(trees: Trees, params: Mapping[str, object], rows: float) -> float:
    """Return what a limit of the depth changes; without one trees grow to about 1.2 log2(rows)."""
    if not trees.depth_exponent or "max_depth" not in params:
        return 0.0
    full = max(2.0, trees.depth or 0.0, 1.2 * math.log2(rows))
    usual = trees.depth or full
    depth = _number(params["max_depth"])
    if params["max_depth"] is None:
        depth = full
    elif depth is None or depth < 1:
        depth = usual
    return trees.depth_exponent * math.log(min(depth, full) / usual)


def _log_leaves(trees: Trees, params: Mapping[str, object]) -> float:
    if trees.leaves is None:
        return 0.0
    given = (_number(params.get(name)) for name in _LEAVES)
    leaves = next((number for number in given if number is not None and number >= 2), trees.leaves)
    depth = _number(params.get("max_depth"))
    if depth is not None and depth >= 1:
        leaves = min(leaves, 2.0 ** min(depth, 60.0))
    return trees.leaves_exponent * math.log(min(leaves, 1e6) / trees.leaves)
