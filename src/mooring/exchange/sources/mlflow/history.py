"""Metrics as points of series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mooring.exchange.mlflow_tracking.client import read_history
from mooring.exchange.reports import ProblemList
from mooring.exchange.source import make_points
from mooring.model import MAX_STEP, STEP_SCALE, AttributeType

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def read_metrics(
    client: Any,
    run_id: str,
    metrics: Sequence[tuple[str, str]],
    problems: ProblemList,
    *,
    multiplier: int | None = None,
) -> pa.Table:
    """Return the points of metrics, given as path and MLflow's name.

    `multiplier` is what a load has multiplied the steps by; None when no load wrote them.
    """
    import numpy as np
    import pyarrow as pa

    steps, times, values, codes = [], [], [], []
    for code, (_, name) in enumerate(metrics):
        history = read_history(client, run_id, name)
        step, time, value = history["step"], history["time"], history["value"]
        fits = np.abs(step) // (multiplier or 1) <= MAX_STEP
        if not fits.all():
            problems.add(
                f"run {run_id}, metric {name}",
                f"{int((~fits).sum())} points have steps beyond ±10^12 and were left out",
                kind="steps",
            )
            step, time, value = step[fits], time[fits], value[fits]
        steps.append(spread(step, time, multiplier))
        times.append(time * 1_000)
        values.append(value)
        codes.append(np.full(len(step), code, np.int32))
    paths = pa.DictionaryArray.from_arrays(
        pa.array(np.concatenate([*codes, np.empty(0, np.int32)]), pa.int32()),
        pa.array([path for path, _ in metrics], pa.string()),
    )
    return make_points(
        AttributeType.FLOAT_SERIES,
        paths,
        pa.array(np.concatenate([*steps, np.empty(0, np.int64)])),
        pa.array(np.concatenate([*times, np.empty(0, np.int64)])),
        pa.array(np.concatenate([*values, np.empty(0, np.float64)])),
    )


def spread(steps: np.ndarray, times: np.ndarray, multiplier: int | None = None) -> np.ndarray:
    """Return steps in millionths, no two the same.

    The second point at a step, by time, is a millionth of a step later, and so on. Where all are
    0, and no load wrote them, the points are numbered.

    >>> import numpy as np
    >>> spread(np.array([5, 5, 7]), np.array([2, 1, 3])).tolist()
    [5000001, 5000000, 7000000]
    >>> spread(np.array([0, 0]), np.array([2, 1])).tolist()
    [1000000, 0]
    """
    import numpy as np

    factor = multiplier or 1
    micros = steps // factor * STEP_SCALE + steps % factor * STEP_SCALE // factor
    order = np.lexsort((times, micros))
    ordered = micros[order]
    index = np.arange(len(order))
    if multiplier is None and not steps.any():
        placed = index * STEP_SCALE
    else:
        first = np.ones(len(order), bool)
        first[1:] = ordered[1:] != ordered[:-1]
        placed = ordered + (index - np.maximum.accumulate(np.where(first, index, 0)))
    result = np.empty(len(order), np.int64)
    result[order] = placed
    return result
