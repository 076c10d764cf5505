"""Float series summarised by buckets of steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from starlette.routing import BaseRoute

from mooring.hub.doors.neptune3.door import PROTOBUF, Answer, Asked, Door
from mooring.hub.doors.neptune3.points import Key, Kind, Points, find_keys, read_points
from mooring.hub.guarded import GuardedStore
from mooring.model import STEP_SCALE, AttributeType
from mooring.store.blocks import Blocks, Floats
from mooring.store.contract import Lineage
from mooring.wire.neptune3.buckets import (
    BucketQuestion,
    BucketRows,
    bucket_bounds,
    bucket_of,
    decode_buckets,
    encode_bucket_answer,
    encode_bucket_rows,
)
from mooring.wire.neptune3.steps import first_from, last_to, shown

_MAX_KEPT = 8_000_000
"""Points that are kept from one reading to the next, 200 MB."""
_Wanted: TypeAlias = tuple[Kind, Key]


def routes(door: Door) -> list[BaseRoute]:
    """Return the route of buckets."""
    return [door.route("/api/leaderboard/v1/proto/attributes/timeseries/buckets", buckets)]


def buckets(asked: Asked) -> Answer:
    """Answer the buckets of each series that is asked for; of one that is not there, none."""
    question = decode_buckets(asked.body)
    keys = find_keys(asked.store, (request.holder for request in question.requests))
    wanted: list[tuple[str, _Wanted | None]] = []
    for request in question.requests:
        key = keys.get(request.holder)
        kind = _kind(question, request.lineage, request.previews)
        wanted.append((request.id, None if key is None else (kind, (key, request.path))))
    series = [each for _, each in wanted if each is not None]
    bounds, read = _measure(asked.store, question, series)
    found = {
        (kind, key): rows for kind, points in read for key, rows in _cut(points, bounds).items()
    }
    entries = [(id, () if each is None else found.get(each, ())) for id, each in wanted]
    return Answer(encode_bucket_answer(entries), media_type=PROTOBUF)


def _measure(
    store: GuardedStore, question: BucketQuestion, wanted: Sequence[_Wanted]
) -> tuple[Floats, Iterable[tuple[Kind, Points]]]:
    """Return the bounds of buckets, and the points.

    Where the range is not given it is that of all points together. Those that were read to know it
    are kept, unless they are very many: then they are read again.
    """
    if question.low is not None and question.high is not None:
        bounds = bucket_bounds(question.low, question.high, question.buckets)
        return bounds, _read(store, wanted)
    kept: list[tuple[Kind, Points]] | None = []
    ends: list[float] = []
    count = 0
    for kind, points in _read(store, wanted):
        steps = points.column("step")
        ends += shown(int(steps.min())), shown(int(steps.max()))
        count += len(steps)
        if count > _MAX_KEPT:
            kept = None
        if kept is not None:
            kept.append((kind, points))
    low = min(ends, default=0.0) if question.low is None else question.low
    high = max(ends, default=0.0) if question.high is None else question.high
    if low > high:  # one end is given, and lies beside all points
        low, high = (low, low) if question.high is None else (high, high)
    bounds = bucket_bounds(low, high, question.buckets)
    return bounds, _read(store, wanted) if kept is None else kept


def _read(store: GuardedStore, wanted: Iterable[_Wanted]) -> Iterator[tuple[Kind, Points]]:
    by_kind: dict[Kind, list[Key]] = {}
    for kind, key in wanted:
        by_kind.setdefault(kind, []).append(key)
    for kind, keys in by_kind.items():
        for _, points in read_points(store, kind, keys):
            if len(points.table):
                yield kind, points


def _kind(question: BucketQuestion, lineage: str, previews: bool) -> Kind:
    return Kind(
        AttributeType.FLOAT_SERIES,
        Lineage(lineage),
        previews,
        None if question.step_from is None else first_from(question.step_from),
        None if question.step_to is None else last_to(question.step_to),
    )


def _cut(points: Points, bounds: Floats) -> dict[Key, list[bytes]]:
    """Return the buckets of each series that has points in any."""
    steps, values = points.column("step") / STEP_SCALE, points.column("value")
    names = list(points.spans)
    series = np.repeat(np.arange(len(names)), [end - start for start, end in points.spans.values()])
    indices = bucket_of(steps, bounds)
    inside = indices >= 0
    if not inside.all():
        steps, values, series = steps[inside], values[inside], series[inside]
        indices = indices[inside]
    blocks = Blocks.of(series, indices, values)
    first, last = blocks.finite_ends()
    held = indices[blocks.starts]
    rows = encode_bucket_rows(
        BucketRows(
            index=held,
            from_x=bounds[held],
            to_x=bounds[held + 1],
            first_x=steps[first],
            first_y=values[first],
            last_x=steps[last],
            last_y=values[last],
            minimum=blocks.minimum(values),
            maximum=blocks.maximum(values),
            sum=blocks.sum(values),
            finite=blocks.finite_counts,
            nan=blocks.nan_counts,
            positive_inf=blocks.positive_inf_counts,
            negative_inf=blocks.negative_inf_counts,
        )
    )
    found: dict[Key, list[bytes]] = {}
    for number, row in zip(series[blocks.starts].tolist(), rows, strict=True):
        found.setdefault(names[number], []).append(row)
    return found
