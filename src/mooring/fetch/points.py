"""Points of series as frames, whole or in buckets.

Everything here works on whole columns: 10 million points take a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from mooring.errors import InvalidInput
from mooring.fetch.buckets import Buckets, summarize_buckets
from mooring.fetch.formats import FrameFormat, to_polars
from mooring.model import STEP_SCALE, FileRef, Histogram, step_to_micros

StepRange = tuple[float | None, float | None]
"""First and last step, both included; None leaves that end open."""

_TIMES = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Labels:
    """A column of few distinct texts: `names[codes[i]]` is the text of row i."""

    codes: NDArray[np.integer]
    names: list[str]

    def to_pandas(self) -> Any:
        """Return the column as a categorical."""
        return pd.Categorical.from_codes(
            self.codes, categories=pd.Index(self.names, dtype="str"), validate=False
        )

    def to_arrow(self) -> pa.Array:
        """Return the column as a dictionary array."""
        return pa.DictionaryArray.from_arrays(
            pa.array(self.codes.astype(np.int32)), pa.array(self.names, pa.string())
        )

    def at(self, rows: NDArray[np.integer]) -> Labels:
        """Return the labels of these rows."""
        return Labels(self.codes[rows], self.names)


def parse_step_range(step_range: object) -> tuple[int | None, int | None]:
    """Return a step range in millionths; `InvalidInput` for what is none."""
    if step_range is None:
        return None, None
    if not isinstance(step_range, (tuple, list)) or len(step_range) != 2:
        raise InvalidInput(
            f"step_range is a pair (first, last), either of them None, not {step_range!r}"
        )
    low, high = (None if end is None else step_to_micros(end) for end in step_range)
    if low is not None and high is not None and low > high:
        raise InvalidInput(f"step_range {step_range!r} ends before it begins")
    return low, high


def series_frame(
    points: pa.Table,
    format: FrameFormat,
    *,
    include_timestamp: bool = True,
    include_previews: bool = False,
) -> Any:
    """Return points of one series: step, value and what is asked for beside them."""
    columns = {"step": _step_column(points), "value": _values(points, format)}
    if include_timestamp:
        columns["timestamp"] = _times(points, format)
    if include_previews:
        columns |= _preview_columns(points)
    return _frame(columns, len(points), format)


def metrics_frame(
    points: pa.Table,
    runs: Mapping[int, str],
    format: FrameFormat,
    *,
    include_previews: bool = False,
) -> Any:
    """Return points of many series in long form. `runs` tells the label of each run's key."""
    columns: dict[str, Any] = {
        "run": _label_column(_run_labels(points, runs), format),
        "path": _label_column(_path_labels(points), format),
        "step": _step_column(points),
        "timestamp": _times(points, format),
        "value": _values(points, format),
    }
    if include_previews:
        columns |= _preview_columns(points)
    return _frame(columns, len(points), format)


def buckets_frame(
    points: pa.Table,
    runs: Mapping[int, str],
    format: FrameFormat,
    *,
    buckets: int,
    low: int | None,
    high: int | None,
) -> Any:
    """Return a summary of many series, cut into equal buckets of one range of steps.

    An open end of the range is at the first or last step of all the points.
    """
    steps = _int64s(points, "step")
    if len(steps):
        low = int(steps.min()) if low is None else low
        high = int(steps.max()) if high is None else high
    run, path = _run_labels(points, runs), _path_labels(points)
    series = run.codes.astype(np.int64) * max(len(path.names), 1) + path.codes
    cut = summarize_buckets(
        series, steps, _floats(points), low=low or 0, high=high or low or 0, buckets=buckets
    )
    width = max(len(path.names), 1)
    columns: dict[str, Any] = {
        "run": _label_column(
            Labels(_small(cut.series // width, len(run.names)), run.names), format
        ),
        "path": _label_column(Labels(_small(cut.series % width, width), path.names), format),
        **_bucket_columns(cut),
    }
    return _frame(columns, len(cut), format)


def _bucket_columns(cut: Buckets) -> dict[str, Any]:
    empty = cut.finite_count == 0
    minimum_step, maximum_step = _steps(cut.minimum_step), _steps(cut.maximum_step)
    minimum_step[empty] = maximum_step[empty] = np.nan
    return {
        "bucket": cut.bucket,
        "step_from": _steps(cut.step_from),
        "step_to": _steps(cut.step_to),
        "count": cut.count,
        "min": cut.minimum,
        "min_step": minimum_step,
        "max": cut.maximum,
        "max_step": maximum_step,
        "first": cut.first,
        "last": cut.last,
        "mean": cut.mean,
        "nan_count": cut.nan_count,
        "positive_inf_count": cut.positive_inf_count,
        "negative_inf_count": cut.negative_inf_count,
    }


def _frame(columns: dict[str, Any], length: int, format: FrameFormat) -> Any:
    if format is FrameFormat.PANDAS:
        return pd.DataFrame(columns, index=pd.RangeIndex(length), copy=False)
    table = pa.table(columns)
    return table if format is FrameFormat.ARROW else to_polars(table)


def _whole(points: pa.Table, name: str) -> pa.Array:
    column = points.column(name).unify_dictionaries()
    if column.num_chunks == 1:
        return column.chunk(0)
    return column.combine_chunks() if column.num_chunks else pa.array([], column.type)


def _int64s(points: pa.Table, name: str) -> NDArray[np.int64]:
    numbers: NDArray[np.int64] = _whole(points, name).to_numpy()
    return numbers


def _floats(points: pa.Table) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = _whole(points, "value").to_numpy()
    return numbers


def _steps(micros: NDArray[np.int64]) -> NDArray[np.float64]:
    return micros / STEP_SCALE


def _step_column(points: pa.Table) -> NDArray[np.float64]:
    """Return the steps of points, chunk by chunk: no whole column of integers is made."""
    steps = np.empty(len(points))
    start = 0
    for chunk in points.column("step").chunks:
        end = start + len(chunk)
        np.divide(chunk.to_numpy(), STEP_SCALE, out=steps[start:end])
        start = end
    return steps


def _own(points: pa.Table, name: str) -> NDArray[Any]:
    """Return numbers in memory of their own: Arrow's is read-only, a frame must not be."""
    chunks = [chunk.to_numpy() for chunk in points.column(name).chunks]
    return np.concatenate(chunks) if chunks else _whole(points, name).to_numpy()


def _times(points: pa.Table, format: FrameFormat) -> Any:
    if format is FrameFormat.PANDAS:
        return pd.DatetimeIndex(_own(points, "time").view("M8[us]"), copy=False).tz_localize("UTC")
    return _whole(points, "time").cast(_TIMES)


def _values(points: pa.Table, format: FrameFormat) -> Any:
    if format is FrameFormat.PANDAS and pa.types.is_floating(points.schema.field("value").type):
        return _own(points, "value")
    values = _whole(points, "value")
    if format is not FrameFormat.PANDAS:
        return values
    if not pa.types.is_struct(values.type):
        return values.to_pandas().array
    cells = np.empty(len(values), object)
    cells[:] = [point_value(value) for value in values.to_pylist()]
    return cells


def point_value(value: dict[str, Any]) -> FileRef | Histogram:
    """Return the file or histogram that one struct of a series holds."""
    if "digest" in value:
        return FileRef(**value)
    return Histogram(edges=tuple(value["edges"]), values=tuple(value["values"]), kind=value["kind"])


def _preview_columns(points: pa.Table) -> dict[str, Any]:
    completion = _whole(points, "completion")
    final = completion.is_null().to_numpy(zero_copy_only=False)
    ratio = completion.fill_null(1.0).to_numpy(zero_copy_only=False).astype(np.float64)
    return {"preview": ~final, "completion_ratio": ratio}


def _label_column(labels: Labels, format: FrameFormat) -> Any:
    return labels.to_pandas() if format is FrameFormat.PANDAS else labels.to_arrow()


def _run_labels(points: pa.Table, runs: Mapping[int, str]) -> Labels:
    """Return the labels of runs, in the order in which they come."""
    indices, keys = _dictionary(points, "run")
    starts = block_starts(indices)
    order = list(dict.fromkeys(indices[starts].tolist()))
    return _block_labels(indices, starts, order, [runs[keys[index]] for index in order])


def _path_labels(points: pa.Table) -> Labels:
    """Return the labels of paths, sorted."""
    indices, paths = _dictionary(points, "path")
    starts = block_starts(indices)
    order = sorted(set(indices[starts].tolist()), key=paths.__getitem__)
    return _block_labels(indices, starts, order, [paths[index] for index in order])


def _dictionary(points: pa.Table, name: str) -> tuple[NDArray[np.integer[Any]], list[Any]]:
    column = _whole(points, name)
    return column.indices.to_numpy(), column.dictionary.to_pylist()


def block_starts(indices: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return where each block of equal numbers begins: of points, those of one run or path."""
    if not len(indices):
        return np.zeros(0, np.int64)
    return np.concatenate(([0], np.flatnonzero(indices[1:] != indices[:-1]) + 1))


def _block_labels(
    indices: NDArray[np.integer[Any]],
    starts: NDArray[np.int64],
    order: list[int],
    names: list[str],
) -> Labels:
    """Return labels for those numbers only that are there: `order` tells their new order."""
    code_of = {index: code for code, index in enumerate(order)}
    codes = np.array([code_of[index] for index in indices[starts].tolist()], np.int64)
    sizes = np.diff(starts, append=len(indices))
    return Labels(np.repeat(_small(codes, len(order)), sizes), names)


def _small(codes: NDArray[np.integer[Any]], names: int) -> NDArray[np.integer[Any]]:
    """Return codes in the smallest type that counts this many names, as categoricals have it."""
    return codes.astype(np.min_scalar_type(-max(names, 1)))
