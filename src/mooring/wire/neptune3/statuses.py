"""What became of operations: codes, and ids of requests that tell it.

A request is applied before it is answered, so its id can hold the outcome: `<uuid>.<outcome>`, the
outcome as `code-count` pairs joined by `_`. Whoever asks for it later, also of a hub that was
restarted since, gets it from the id alone. An id that tells nothing stands for what went well.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import IntEnum

from mooring.errors import InvalidValue
from mooring.wire.neptune3.schema import message

MAX_IDS = 10_000
"""So many ids one question holds at most; clients ask for a thousand at a time."""

_OUTCOME = re.compile(r"[0-9a-f]{32}\.((?:[0-9]{1,3}-[0-9]{1,9})(?:_[0-9]{1,3}-[0-9]{1,9})*)")


class IngestCode(IntEnum):
    """Why an operation was not applied, or that it changed nothing."""

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
    STRING_VALUE_EXCEEDS_SIZE_LIMIT = 36
    FILE_REF_EXCEEDS_SIZE_LIMIT = 38
    SERIES_PREVIEW_STEP_NOT_AFTER_LAST_COMMITTED_STEP = 42


_GOOGLE = {
    IngestCode.OK: 0,
    IngestCode.PROJECT_NOT_FOUND: 5,
    IngestCode.RUN_NOT_FOUND: 5,
    IngestCode.RUN_DUPLICATE: 6,
    IngestCode.SERIES_POINT_DUPLICATE: 6,
}
"""Codes of google.rpc; others are INVALID_ARGUMENT."""
_INVALID_ARGUMENT = 3

Outcome = Mapping[int, int]
"""How many operations ended with which code."""


def make_id(outcome: Outcome) -> str:
    """Return a new id that tells an outcome.

    >>> read_id(make_id({IngestCode.OK: 5, IngestCode.SERIES_STEP_NON_INCREASING: 1}))
    {0: 5, 25: 1}
    """
    told = "_".join(f"{int(code)}-{count}" for code, count in sorted(outcome.items()) if count)
    return f"{uuid.uuid4().hex}.{told or '0-1'}"


def read_id(text: str) -> dict[int, int]:
    """Return the outcome that an id tells; nothing where it tells none."""
    found = _OUTCOME.fullmatch(text)
    if found is None:
        return {}
    pairs = (pair.split("-") for pair in found.group(1).split("_"))
    return {int(code): int(count) for code, count in pairs}


def encode_submitted(id: str) -> bytes:
    """Return the answer to a request that was applied."""
    data: bytes = message("SubmitResponse")(request_id=id, request_ids=[id]).SerializeToString()
    return data


def decode_ids(data: bytes) -> list[str]:
    """Read a `RequestIdList`; `InvalidValue` when it is none, or too long."""
    kind = message("RequestIdList")
    from google.protobuf.message import DecodeError

    try:
        ids = [each.value for each in kind.FromString(data).ids]
    except DecodeError as error:
        raise InvalidValue(f"{len(data)} bytes are no list of request ids: {error}") from None
    if len(ids) > MAX_IDS:
        raise InvalidValue(f"{len(ids)} request ids are asked for at once; {MAX_IDS} are the limit")
    return ids


def encode_statuses(outcomes: Iterable[Outcome]) -> bytes:
    """Return a `BulkRequestStatus`, a status for each outcome in this order."""
    answer = message("BulkRequestStatus")()
    for outcome in outcomes:
        status = answer.statuses.add()
        for code, count in outcome.items():
            google = _GOOGLE.get(code, _INVALID_ARGUMENT)  # type: ignore[call-overload]
            status.code_by_count.add(code=google, count=count, detail=code)
    data: bytes = answer.SerializeToString()
    return data


class Tally:
    """Counts outcomes of the operations of one request."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()

    def add(self, code: IngestCode, count: int = 1) -> None:
        """Count operations that ended so."""
        self.counts[int(code)] += count
