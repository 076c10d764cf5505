"""Points of series: what readers ask for, and answers with points of float series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mooring.errors import InvalidInput
from mooring.model import STEP_SCALE
from mooring.wire.neptune3.bodies import (
    read_count,
    read_flag,
    read_object,
    read_objects,
    read_text,
)
from mooring.wire.neptune3.packed import Part, Records, pack_records, prefix, varint
from mooring.wire.neptune3.steps import first_from, last_to

_ORDERS = {None: False, "ascending": False, "descending": True}
_LINEAGES = {
    ("FULL", "RUN"): "full",
    ("FULL", "EXPERIMENT"): "full",
    ("NONE", "RUN"): "own",
    ("NONE", "EXPERIMENT"): "experiment",
}


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """One series that a reader asks for.

    Attributes
    ----------
    id : what the answer is called
    holder : the identifier of the run
    path : the attribute
    lineage : which points of ancestors belong to it: `full`, `own` or `experiment`
    previews : whether provisional points do
    after : the last step that the reader has, which it sees as a double
    token : where the last page ended, "" for the first page
    finished : whether the reader was told that nothing follows
    """

    id: str
    holder: str
    path: str
    lineage: str
    previews: bool = False
    after: float | None = None
    token: str = ""
    finished: bool = False


@dataclass(frozen=True, slots=True)
class SeriesQuestion:
    """Series, and which of their points: of steps in millionths, both ends included.

    `limit` is of each series; None where the reader leaves it open.
    """

    requests: list[SeriesRequest]
    descending: bool
    step_from: int | None
    step_to: int | None
    limit: int | None


def decode_question(body: object) -> SeriesQuestion:
    """Read the body of a request for points; `InvalidInput` when it is none.

    >>> holder = {"identifier": "team/nets/NETS-1", "type": "experiment"}
    >>> series = {"attribute": "loss", "holder": holder, "lineage": "NONE"}
    >>> asked = decode_question({"requests": [{"requestId": "0", "series": series}]})
    >>> asked.requests[0].path, asked.requests[0].lineage, asked.limit
    ('loss', 'own', None)
    """
    given = read_object(body, "the body")
    order = given.get("order")
    if not (order is None or isinstance(order, str)) or order not in _ORDERS:
        raise InvalidInput("order is ascending or descending")
    steps = read_object(given.get("stepRange"), "stepRange")
    low, high = (_number(steps.get(end), f"stepRange.{end}") for end in ("from", "to"))
    limit = given.get("perSeriesPointsLimit")
    return SeriesQuestion(
        requests=[_request(each) for each in read_objects(given.get("requests"), "requests") or ()],
        descending=_ORDERS[order],
        step_from=None if low is None else first_from(low),
        step_to=None if high is None else last_to(high),
        limit=None if limit is None else read_count(limit, "perSeriesPointsLimit", default=0),
    )


def _request(given: Mapping[str, Any]) -> SeriesRequest:
    series = given.get("series")
    if not isinstance(series, dict):
        raise InvalidInput("each of the requests has a JSON object series")
    holder = series.get("holder")
    identifier = holder.get("identifier") if isinstance(holder, dict) else None
    id, path = given.get("requestId"), series.get("attribute")
    if not (isinstance(id, str) and isinstance(path, str) and isinstance(identifier, str)):
        raise InvalidInput("requestId, series.attribute and series.holder.identifier are texts")
    entity = series.get("lineageEntityType") or "RUN"
    lineage = _LINEAGES.get((str(series.get("lineage") or "FULL"), str(entity)))
    if lineage is None:
        raise InvalidInput("lineage is FULL or NONE, lineageEntityType RUN or EXPERIMENT")
    search = given.get("searchAfter")
    after = read_object(search, "searchAfter") if search is not None else {}
    return SeriesRequest(
        id,
        identifier,
        path,
        lineage,
        read_flag(series.get("includePreview"), "includePreview"),
        _number(given.get("afterStep"), "afterStep"),
        read_text(after.get("token"), "searchAfter.token") or "",
        read_flag(after.get("finished"), "searchAfter.finished"),
    )


def _number(value: object, what: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidInput(f"{what} is a number")
    return float(value)


def encode_points(
    steps: NDArray[np.int64],
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    completion: NDArray[np.float64] | None = None,
) -> Records:
    """Return points of float series as fields of a series, each a row.

    Steps are in millionths, times in microseconds; `completion` is NaN for final points, and None
    when all are.
    """
    if completion is None:
        ratios = np.ones(len(steps), np.float32)
        previews: list[Part] = []
    else:
        final = np.isnan(completion)
        ratios = np.where(final, 1.0, completion).astype(np.float32)
        previews = [(4, (~final).astype(np.int64))]
    parts: list[Part] = [
        (1, times // 1_000),
        (2, steps / STEP_SCALE),
        (3, values),
        *previews,
        (5, ratios),
    ]
    return pack_records(parts, len(steps), field=2)


def encode_float_answer(series: Iterable[tuple[str, int, Records]]) -> bytes:
    """Return `ProtoFloatSeriesValuesResponseDTO`: id, count of all points, rows of the page.

    >>> rows = encode_points(np.array([0]), np.array([0]), np.array([1.0]))
    >>> encode_float_answer([("7", 1, rows)])[:5].hex()
    '0a220a0137'
    """
    pieces: list[bytes | memoryview] = []
    for id, total, rows in series:
        name = id.encode()
        head = b"\x08" + varint(total)
        inner = prefix(2, len(head) + rows.size) + head
        outer = prefix(1, len(name)) + name + inner
        pieces.append(prefix(1, len(outer) + rows.size) + outer)
        if rows.size:
            pieces.append(rows.data)
    return b"".join(pieces)
