"""Points of series, page by page: float series, and those of texts, histograms and files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from starlette.routing import BaseRoute

from mooring.errors import InvalidInput
from mooring.hub.doors.neptune3.door import PROTOBUF, Answer, Asked, Door
from mooring.hub.doors.neptune3.points import Key, Kind, Points, find_keys, read_points
from mooring.hub.doors.neptune3.values import value_pages
from mooring.model import AttributeType
from mooring.store.contract import Lineage
from mooring.wire.neptune3.packed import Records
from mooring.wire.neptune3.series import (
    SeriesQuestion,
    SeriesRequest,
    decode_question,
    encode_float_answer,
    encode_points,
)
from mooring.wire.neptune3.steps import first_from, last_to

_ROOT = "/api/leaderboard/v1/proto/attributes/series"
_DEFAULT_LIMIT = 10_000
_MAX_POINTS = 4_000_000
"""Points of one answer, 128 MB; clients ask for a million."""
_FEW = 16
_NO_ROWS: Records = np.empty((0, 0), np.uint8)

Page: TypeAlias = tuple[int, int, int]
"""Position of a request, and its points: first and end."""


def routes(door: Door) -> list[BaseRoute]:
    """Return the routes of series."""
    return [
        door.route(f"{_ROOT}/float", float_points),
        door.route(_ROOT, other_points),
    ]


def other_points(asked: Asked) -> Answer:
    """Answer a page of points of string, histogram and file series."""
    return value_pages(asked.store, decode_question(asked.json()))


def float_points(asked: Asked) -> Answer:
    """Answer a page of each float series that is asked for, in this order.

    A page is full unless the series ends with it: so readers know that nothing follows.
    """
    question = decode_question(asked.json())
    limit = _DEFAULT_LIMIT if question.limit is None else question.limit
    keys = find_keys(asked.store, (request.holder for request in question.requests))
    rows: list[Records] = [_NO_ROWS] * len(question.requests)
    total = 0
    for kind, members in _kinds(question, limit, keys).items():
        places: dict[Key, list[int]] = {}
        for place in members:
            request = question.requests[place]
            places.setdefault((keys[request.holder], request.path), []).append(place)
        for read, points in read_points(asked.store, kind, places):
            pages = list(_pages(question, limit, points, places, read))
            total += sum(end - start for _, start, end in pages)
            if total > _MAX_POINTS:
                raise InvalidInput(
                    f"the answer has more than {_MAX_POINTS} points: lower perSeriesPointsLimit"
                )
            for place, encoded in _encode(points, pages, descending=question.descending):
                rows[place] = encoded
    answer = encode_float_answer(
        (request.id, len(rows[place]), rows[place])
        for place, request in enumerate(question.requests)
    )
    return Answer(answer, media_type=PROTOBUF)


def _kinds(question: SeriesQuestion, limit: int, keys: Mapping[str, int]) -> dict[Kind, list[int]]:
    """Return the requests of runs that are there, by what can be read together.

    Readers mostly go on at the same step in all series: the store cuts those. Where there are many
    steps it would be asked as many times: then pages are cut out of what it returns.
    """
    alike = len({request.after for request in question.requests}) <= _FEW
    found: dict[Kind, list[int]] = {}
    for place, request in enumerate(question.requests):
        if request.holder in keys:
            low, high = _bounds(question, request if alike else None)
            tail = limit if alike and question.descending else None
            kind = Kind(
                AttributeType.FLOAT_SERIES, Lineage(request.lineage), request.previews,
                low, high, tail,
            )  # fmt: skip
            found.setdefault(kind, []).append(place)
    return found


def _bounds(
    question: SeriesQuestion, request: SeriesRequest | None
) -> tuple[int | None, int | None]:
    low, high = question.step_from, question.step_to
    if request is None or request.after is None:
        return low, high
    if question.descending:
        bound = last_to(request.after, exclusive=True)
        return low, bound if high is None else min(high, bound)
    bound = first_from(request.after, exclusive=True)
    return bound if low is None else max(low, bound), high


def _pages(
    question: SeriesQuestion,
    limit: int,
    points: Points,
    places: Mapping[Key, Sequence[int]],
    read: Iterable[Key],
) -> Iterator[Page]:
    """Yield the page of each request whose series was read, as places in the table."""
    steps = points.column("step")
    for key in read:
        if key not in points.spans:
            continue
        for place in places.get(key, ()):
            start, end = points.spans[key]
            request = question.requests[place]
            if request.after is not None:
                low, high = _bounds(question, request)
                if high is not None:
                    end = start + int(np.searchsorted(steps[start:end], high, "right"))
                if low is not None:
                    start += int(np.searchsorted(steps[start:end], low, "left"))
            if question.descending:
                yield place, max(start, end - limit), end
            else:
                yield place, start, min(end, start + limit)


def _encode(
    points: Points, pages: Sequence[Page], *, descending: bool
) -> Iterator[tuple[int, Records]]:
    """Yield the rows of each page, in the order of the answer."""
    columns = _Columns.of(points)
    count = sum(end - start for _, start, end in pages)
    if 2 * count < len(columns.steps):
        columns, pages = columns.gather(pages)
    if descending:
        columns = columns.reversed()
    rows = columns.encode()
    for place, start, end in pages:
        yield place, rows[len(rows) - end : len(rows) - start] if descending else rows[start:end]


@dataclass(frozen=True, slots=True)
class _Columns:
    steps: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    completion: NDArray[np.float64] | None

    @classmethod
    def of(cls, points: Points) -> _Columns:
        completion: NDArray[Any] | None = None
        if "completion" in points.table.column_names:
            completion = points.column("completion")
        return cls(points.column("step"), points.column("time"), points.column("value"), completion)

    def gather(self, pages: Sequence[Page]) -> tuple[_Columns, list[Page]]:
        """Return the points of some pages alone, and where each page is among them."""
        starts = np.array([start for _, start, _ in pages], np.int64)
        counts = np.array([end - start for _, start, end in pages], np.int64)
        ends = np.cumsum(counts)
        rows = np.repeat(starts - ends + counts, counts) + np.arange(counts.sum())
        moved = zip(pages, (ends - counts).tolist(), ends.tolist(), strict=True)
        return self._at(rows), [(place, start, end) for (place, _, _), start, end in moved]

    def reversed(self) -> _Columns:
        """Return the points in the opposite order."""
        return self._at(slice(None, None, -1))

    def _at(self, rows: NDArray[np.int64] | slice) -> _Columns:
        completion = None if self.completion is None else self.completion[rows]
        return _Columns(self.steps[rows], self.times[rows], self.values[rows], completion)

    def encode(self) -> Records:
        """Return the points as they travel."""
        return encode_points(self.steps, self.times, self.values, self.completion)
