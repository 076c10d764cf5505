"""Buckets of float series: which ranges of steps they are, and messages of both directions.

Bounds are the doubles of the protocol's formula, so that a point on a bound falls left:
bucket i holds the steps of (b[i], b[i+1]], with b[i] = low + (i - 1)·(high - low)/(n - 1) for
1 <= i <= n, and all that is below and above in buckets 0 and n.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mooring.errors import InvalidInput
from mooring.model import MAX_STEP
from mooring.wire.neptune3.packed import Part, Records, pack_records, prefix
from mooring.wire.neptune3.schema import message

MAX_BUCKETS = 10_000
_MAX_SERIES = 2_000
_MAX_ANSWER = 4_000_000
"""Buckets of all series together; clients ask for a million."""
_ONLY_OWNED, _OF_EXPERIMENT = 1, 0
_FORMULA = re.compile(r"\$\{((?:[^\\${}]|\\[\\${}])+)\}")
_ESCAPED = re.compile(r"\\(.)")

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BucketRequest:
    """One series that is to be cut into buckets; `lineage` as `SeriesRequest` has it."""

    id: str
    holder: str
    path: str
    lineage: str
    previews: bool


@dataclass(frozen=True, slots=True)
class BucketQuestion:
    """Series, the range of steps (None: that of all points), and how many buckets.

    `step_from` and `step_to` leave points out, which the range does not.
    """

    requests: list[BucketRequest]
    low: float | None
    high: float | None
    buckets: int
    step_from: float | None
    step_to: float | None


def decode_buckets(data: bytes) -> BucketQuestion:
    """Read a `ProtoGetTimeseriesBucketsRequest`; `InvalidInput` when it is none."""
    from google.protobuf.message import DecodeError

    try:
        asked = message("ProtoGetTimeseriesBucketsRequest").FromString(data)
    except DecodeError as error:
        raise InvalidInput(f"the body is no request for buckets: {error}") from None
    view = asked.view
    axis = view.xAxis.WhichOneof("value")
    if axis not in (None, "steps") or view.xScale:
        raise InvalidInput("buckets are made of steps, on a linear scale")
    if not 1 <= view.maxBuckets <= MAX_BUCKETS:
        raise InvalidInput(f"maxBuckets is 1 to {MAX_BUCKETS}")
    if len(asked.expressions) > _MAX_SERIES:
        raise InvalidInput(f"more than {_MAX_SERIES} series in one question")
    if len(asked.expressions) * view.maxBuckets > _MAX_ANSWER:
        raise InvalidInput(f"more than {_MAX_ANSWER} buckets in one question")
    low, high = _bound(view, "from"), _bound(view, "to")
    if low is not None and high is not None and low > high:
        raise InvalidInput(f"the range of steps {low} to {high} ends before it begins")
    steps = view.pointFilters.stepRange
    return BucketQuestion(
        [_request(each) for each in asked.expressions],
        low,
        high,
        view.maxBuckets,
        _bound(steps, "from"),
        _bound(steps, "to"),
    )


def _request(expression: Any) -> BucketRequest:
    lineage = "full"
    if expression.lineage == _ONLY_OWNED:
        lineage = "experiment" if expression.entityType == _OF_EXPERIMENT else "own"
    return BucketRequest(
        expression.requestId,
        expression.runId,
        decode_formula(expression.customYFormula),
        lineage,
        expression.includePreview,
    )


def decode_formula(formula: str) -> str:
    r"""Return the attribute that a formula names; `InvalidInput` where it does more than that.

    >>> decode_formula(r"${metrics/\{a\}\\b}")
    'metrics/{a}\\b'
    """
    found = _FORMULA.fullmatch(formula)
    if found is None:
        raise InvalidInput(f"customYFormula {formula[:80]!r} is not ${{attribute}}")
    return _ESCAPED.sub(r"\1", found[1])


def _bound(holder: Any, name: str) -> float | None:
    if not holder.HasField(name):
        return None
    value = float(getattr(holder, name))
    if not abs(value) <= MAX_STEP:
        raise InvalidInput(f"{name} is a step up to 10^12, not {value}")
    return value


def bucket_bounds(low: float, high: float, buckets: int) -> Floats:
    """Return b[0] to b[n + 1]; where low and high are equal, the bounds of a single bucket.

    >>> bucket_bounds(0.0, 9.0, 4).tolist()
    [-inf, 0.0, 3.0, 6.0, 9.0, inf]
    """
    if low == high:
        return np.array([low, math.inf])
    width = (high - low) / max(buckets - 1, 1)
    return np.concatenate(([-math.inf], low + width * np.arange(buckets), [math.inf]))


def bucket_of(steps: Floats, bounds: Floats) -> Int64s:
    """Return the bucket of each step; -1 for those below a single bucket."""
    if len(bounds) == 2:
        return np.where(steps >= bounds[0], 0, -1).astype(np.int64)
    return np.searchsorted(bounds[1:-1], steps, side="left").astype(np.int64)


@dataclass(frozen=True, slots=True)
class BucketRows:
    """Buckets that hold a point, each at one place of the arrays; see `TimeseriesBucket`."""

    index: Int64s
    from_x: Floats
    to_x: Floats
    first_x: Floats
    first_y: Floats
    last_x: Floats
    last_y: Floats
    minimum: Floats
    maximum: Floats
    sum: Floats
    finite: Int64s
    nan: Int64s
    positive_inf: Int64s
    negative_inf: Int64s


def encode_bucket_rows(rows: BucketRows) -> list[bytes]:
    """Return each bucket as a field of its entry. Without a finite point it tells of none."""
    count = len(rows.index)
    head: list[Part] = [(1, rows.index), (2, rows.from_x), (3, rows.to_x)]
    counts: list[Part] = [
        (8, rows.finite), (9, rows.nan), (10, rows.positive_inf), (11, rows.negative_inf),
    ]  # fmt: skip
    point = 18  # bytes of x and y
    finite: list[Part] = [
        prefix(4, point), (1, rows.first_x), (2, rows.first_y),
        prefix(5, point), (1, rows.last_x), (2, rows.last_y),
        (6, rows.minimum), (7, rows.maximum), (12, rows.sum),
    ]  # fmt: skip
    whole = _split(pack_records([*head, *counts, *finite], count, field=2))
    empty = rows.finite == 0
    if not empty.any():
        return whole
    bare = _split(pack_records([*head, *counts], count, field=2))
    return [bare[i] if hollow else whole[i] for i, hollow in enumerate(empty.tolist())]


def _split(rows: Records) -> list[bytes]:
    data, width = rows.tobytes(), rows.shape[1]
    return [data[start : start + width] for start in range(0, len(data), width)]


def encode_bucket_answer(entries: Iterable[tuple[str, Iterable[bytes]]]) -> bytes:
    """Return `ProtoTimeseriesBucketsDTO` of the buckets of each request."""
    pieces: list[bytes] = []
    for id, buckets in entries:
        name = id.encode()
        entry = prefix(1, len(name)) + name + b"".join(buckets)
        pieces += [prefix(1, len(entry)), entry]
    return b"".join(pieces)
