"""Requests of writers, as they come in, and what is told of them afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice

from mooring.errors import InvalidValue
from mooring.wire.neptune3.ingest import CreateRun, Update, decode_create, decode_update
from mooring.wire.neptune3.points import FloatPoints, Layouts, iter_fields
from mooring.wire.neptune3.schema import message


class Code(IntEnum):
    """What became of an operation, as clients are told."""

    OK = 0
    PROJECT_NOT_FOUND = 8
    PROJECT_INVALID_NAME = 9
    RUN_NOT_FOUND = 10
    RUN_DUPLICATE = 11
    RUN_CONFLICTING = 12
    RUN_FORK_PARENT_NOT_FOUND = 13
    RUN_INVALID_CREATION_PARAMETERS = 14
    FIELD_PATH_EXCEEDS_SIZE_LIMIT = 16
    FIELD_PATH_EMPTY = 17
    FIELD_PATH_INVALID = 18
    FIELD_PATH_NON_WRITABLE = 19
    FIELD_TYPE_UNSUPPORTED = 20
    FIELD_TYPE_CONFLICTING = 21
    SERIES_POINT_DUPLICATE = 24
    SERIES_STEP_NON_INCREASING = 25
    DATETIME_VALUE_OUT_OF_RANGE = 33
    STRING_VALUE_EXCEEDS_SIZE_LIMIT = 36
    STRING_SET_EXCEEDS_SIZE_LIMIT = 37
    FILE_REF_EXCEEDS_SIZE_LIMIT = 38
    SERIES_STEP_TOO_LARGE = 40
    SERIES_STEP_INVALID = 41
    SERIES_PREVIEW_STEP_NOT_AFTER_LAST_COMMITTED_STEP = 42
    HISTOGRAM_BIN_EDGES_CONTAINS_NAN = 50
    HISTOGRAM_TOO_MANY_BINS = 51
    HISTOGRAM_BIN_EDGES_NOT_INCREASING = 52
    HISTOGRAM_VALUES_LENGTH_DOESNT_MATCH_BINS = 53
    INTERNAL = 64


_RPC = {
    Code.OK: 0,
    Code.PROJECT_NOT_FOUND: 5,
    Code.RUN_NOT_FOUND: 5,
    Code.RUN_DUPLICATE: 6,
    Code.SERIES_POINT_DUPLICATE: 6,
}
_INVALID_ARGUMENT = 3
MAX_UPDATES = 1_000_000
"""Clients send up to 16 MiB, of which each of their updates takes more than 20 bytes."""
MAX_IDS = 10_000
_MAX_COUNT = 2**62
_MAX_ID = 1_000
_PREFIX = "n3"


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One request: the creation of a run, or updates of it in order.

    Updates that follow each other and only append numbers are one element.
    """

    project: str
    run_id: str
    create: CreateRun | None = None
    updates: tuple[FloatPoints | Update, ...] = ()


def decode_operation(data: bytes, layouts: Layouts) -> Operation:
    """Read a message `RunOperation`; `InvalidValue` when it is none."""
    texts = {1: "", 2: ""}
    create: CreateRun | None = None
    spans: list[tuple[int, int]] = []
    for number, start, end in iter_fields(data, 0, len(data)):
        if number in texts:
            try:
                texts[number] = data[start:end].decode()
            except UnicodeDecodeError:
                raise InvalidValue("a name is no UTF-8") from None
        elif number == 6:
            create = decode_create(data[start:end])
        elif number == 7:
            spans.append((start, end))
        elif number == 8:
            fields = iter_fields(data, start, end)
            found = ((begin, stop) for field, begin, stop in fields if field == 1 and begin < stop)
            spans.extend(islice(found, MAX_UPDATES + 1))
        if len(spans) > MAX_UPDATES:
            raise InvalidValue(f"more than {MAX_UPDATES} updates in one request")
    if create is not None and spans:
        raise InvalidValue("an operation either creates a run or updates it")
    updates = (
        decode_update(found) if isinstance(found, bytes) else found
        for found in layouts.read(data, spans)
    )
    kept = tuple(each for each in updates if isinstance(each, FloatPoints) or each.has_operations)
    return Operation(texts[1], texts[2], create, kept)


def encode_submitted(request_id: str) -> bytes:
    """Return the message `SubmitResponse`."""
    made: bytes = message("SubmitResponse")(
        request_id=request_id, request_ids=[request_id]
    ).SerializeToString()
    return made


def decode_request_ids(data: bytes) -> list[str]:
    """Read a message `RequestIdList`; `InvalidValue` when it is none, or of more than `MAX_IDS`."""
    from google.protobuf.message import DecodeError

    # Counted before it is read: a list of nothing takes many times its bytes.
    if sum(1 for _ in islice(iter_fields(data, 0, len(data)), MAX_IDS + 1)) > MAX_IDS:
        raise InvalidValue(f"more than {MAX_IDS} ids are asked for at once")
    try:
        return [each.value for each in message("RequestIdList").FromString(data).ids]
    except DecodeError as error:
        raise InvalidValue(f"{len(data)} bytes are no list of request ids: {error}") from None


def encode_statuses(verdicts: Iterable[Mapping[Code, int]]) -> bytes:
    """Return the message `BulkRequestStatus`, with the codes and counts of each request."""
    answer = message("BulkRequestStatus")()
    for verdict in verdicts:
        status = answer.statuses.add()
        for code, count in sorted(verdict.items()):
            status.code_by_count.add(
                code=_RPC.get(code, _INVALID_ARGUMENT), count=count, detail=int(code)
            )
    made: bytes = answer.SerializeToString()
    return made


def make_request_id(digest: str, verdict: Mapping[Code, int]) -> str:
    """Return an id that tells by itself what became of a request, for as long as it is kept.

    >>> verdict_of(make_request_id("5f", {Code.OK: 4, Code.FIELD_TYPE_CONFLICTING: 1}))
    {<Code.OK: 0>: 4, <Code.FIELD_TYPE_CONFLICTING: 21>: 1}
    """
    return f"{_PREFIX}:{digest}:{encode_verdict(verdict)}"


def verdict_of(request_id: str) -> dict[Code, int]:
    """Return what an id tells. Of one that is not of this server, nothing wrong is known."""
    prefix, _, rest = request_id.partition(":")
    verdict = {}
    if prefix == _PREFIX and len(request_id) <= _MAX_ID:
        verdict = decode_verdict(rest.partition(":")[2])
    return verdict or {Code.OK: 1}


def encode_verdict(verdict: Mapping[Code, int]) -> str:
    """Return codes and counts as a text."""
    return ",".join(f"{int(code)}*{count}" for code, count in sorted(verdict.items()))


def decode_verdict(text: str) -> dict[Code, int]:
    """Return codes and counts of a text; an empty dictionary where it has none."""
    return dict(_counts(text))


def _counts(text: str) -> Iterator[tuple[Code, int]]:
    for part in text.split(","):
        code, _, count = part.partition("*")
        try:
            yield Code(int(code)), min(max(int(count), 1), _MAX_COUNT)
        except ValueError:
            continue


Verdict = Counter[Code]
"""How many operations met which fate."""
