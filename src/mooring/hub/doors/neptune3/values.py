"""Pages of string, histogram and file series, which are told where they ended by a token.

A page holds points of the first series that fit. Of one that is not there nothing is told; of one
that does not fit any more, that it is there; of the others, where to go on, or that they are done.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mooring.errors import InvalidInput
from mooring.hub.doors.neptune3.door import Answer, proto_answer
from mooring.hub.doors.neptune3.points import (
    Key,
    Kind,
    Points,
    find_keys,
    read_points,
    together,
)
from mooring.hub.guarded import GuardedStore
from mooring.model import MAX_STEP, STEP_SCALE, AttributeType
from mooring.store.contract import Lineage, PathSelector
from mooring.wire.neptune3.objects import fill_point, point_size
from mooring.wire.neptune3.schema import message
from mooring.wire.neptune3.series import SeriesQuestion, SeriesRequest

MAX_REQUESTS = 2_000
_PAGE_POINTS = 10_000
_PAGE_BYTES = 16 << 20
_AT_ONCE = 100
"""Series that are read together: of what comes after a full page little is read in vain."""
_TOKEN = re.compile(r"(-?[0-9]{1,19})/([0-9]{1,18})", re.ASCII)
_TYPES = frozenset(
    {
        AttributeType.STRING_SERIES,
        AttributeType.HISTOGRAM_SERIES,
        AttributeType.FILE_SERIES,
    }
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a series goes on: after a step (in millionths), with so many points delivered."""

    step: int | None = None
    delivered: int = 0

    @classmethod
    def of(cls, token: str) -> _Place:
        if not token:
            return cls()
        found = _TOKEN.fullmatch(token)
        if found is None or abs(int(found[1])) > MAX_STEP * STEP_SCALE:
            raise InvalidInput(f"the token {token[:80]!r} was not made by this hub")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.step or 0}/{self.delivered}"


@dataclass(slots=True)
class _Wanted:
    """A series that is there, and what is wanted of it."""

    request: SeriesRequest
    key: Key
    type: AttributeType
    place: _Place
    left: int | None

    @property
    def done(self) -> bool:
        """Whether no point is to be delivered any more."""
        return self.request.finished or (self.left is not None and self.left <= 0)


@dataclass(slots=True)
class _Room:
    """What still fits on the page."""

    points: int = _PAGE_POINTS
    bytes: int = _PAGE_BYTES

    @property
    def full(self) -> bool:
        return self.points <= 0 or self.bytes <= 0


def value_pages(store: GuardedStore, question: SeriesQuestion) -> Answer:
    """Answer one page."""
    if len(question.requests) > MAX_REQUESTS:
        raise InvalidInput(f"more than {MAX_REQUESTS} series in one question")
    answer = message("ProtoSeriesValuesResponseDTO")()
    wanted = list(_existing(store, question))
    room = _Room()
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        read = {} if room.full else _read(store, question, some, room.points)
        for number, each in enumerate(some):
            entry = answer.series.add(requestId=each.request.id)
            if each.done:
                _end(entry, each.place, finished=True)
            elif not room.full:
                _fill(entry, each, read.get(number), question, room)
    return proto_answer(answer)


def _existing(store: GuardedStore, question: SeriesQuestion) -> Iterator[_Wanted]:
    keys = find_keys(store, (request.holder for request in question.requests))
    asked = [
        ((keys[request.holder], request.path), request)
        for request in question.requests
        if request.holder in keys
    ]
    types = _types(store, (key for key, _ in asked))
    for key, request in asked:
        if key in types:
            place = _Place.of(request.token)
            left = None if question.limit is None else question.limit - place.delivered
            yield _Wanted(request, key, types[key], place, left)


def _types(store: GuardedStore, wanted: Iterable[Key]) -> Mapping[Key, AttributeType]:
    found: dict[Key, AttributeType] = {}
    for keys, paths in together(wanted):
        for column in store.read_attributes(keys, PathSelector(paths=tuple(paths), types=_TYPES)):
            for row in column.rows:
                found[keys[row], column.path] = column.type
    return found


def _read(
    store: GuardedStore, question: SeriesQuestion, wanted: Sequence[_Wanted], most: int
) -> dict[int, tuple[Points, int, int]]:
    """Return the points that come next in each series, as places in a table.

    There is one more than fits on the page where the series goes on.
    """
    by_kind: dict[Kind, dict[Key, list[int]]] = {}
    for number, each in enumerate(wanted):
        if not each.done:
            kind = _kind(question, each, most)
            by_kind.setdefault(kind, {}).setdefault(each.key, []).append(number)
    found: dict[int, tuple[Points, int, int]] = {}
    for kind, numbers in by_kind.items():
        for _, points in read_points(store, kind, numbers):
            for key, (start, end) in points.spans.items():
                found.update(dict.fromkeys(numbers.get(key, ()), (points, start, end)))
    return found


def _kind(question: SeriesQuestion, wanted: _Wanted, most: int) -> Kind:
    low, high, step = question.step_from, question.step_to, wanted.place.step
    if step is not None and question.descending:
        high = step - 1 if high is None else min(high, step - 1)
    elif step is not None:
        low = step + 1 if low is None else max(low, step + 1)
    tail = most + 1 if question.descending else None
    lineage = Lineage(wanted.request.lineage)
    return Kind(wanted.type, lineage, low=low, high=high, tail=tail)


def _fill(
    entry: Any,
    wanted: _Wanted,
    found: tuple[Points, int, int] | None,
    question: SeriesQuestion,
    room: _Room,
) -> None:
    """Write the next points of a series, and where it goes on."""
    entry.seriesValues.SetInParent()
    if found is None:
        _end(entry, wanted.place, finished=True)
        return
    points, start, end = found
    available = end - start
    most = min(available, room.points, available if wanted.left is None else wanted.left)
    first = end - most if question.descending else start
    rows = points.table.slice(first, most)
    columns = [rows.column(name).to_pylist() for name in ("step", "time", "value")]
    order = reversed(range(most)) if question.descending else range(most)
    steps, times, values = columns
    taken, last = 0, wanted.place.step
    for row in order:
        if room.full:
            break
        fill_point(
            entry.seriesValues.values.add(), wanted.type, steps[row], times[row], values[row]
        )
        room.points -= 1
        room.bytes -= point_size(wanted.type, values[row])
        taken, last = taken + 1, steps[row]
    reached = wanted.left is not None and taken >= wanted.left
    place = _Place(last, wanted.place.delivered + taken)
    _end(entry, place, finished=taken == available or reached)


def _end(entry: Any, place: _Place, *, finished: bool) -> None:
    entry.searchAfter.finished = finished
    entry.searchAfter.token = str(place)
