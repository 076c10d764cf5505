"""Answers of the native door: messages, and errors with the status that fits them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson
from starlette.requests import Request
from starlette.responses import Response

from mooring.errors import (
    AccessDenied,
    AlreadyExists,
    HubBusy,
    HubError,
    HubFailed,
    InvalidInput,
    LinkInvalid,
    MooringError,
    NotFound,
    RequestTooLarge,
    SegmentMissing,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    Unauthenticated,
)
from mooring.hub.context import Hub
from mooring.store.hub.messages import CODEC, PROTOCOL, PROTOCOL_HEADER
from mooring.wire.native import MEDIA_TYPE, encode_error

HEADERS = {PROTOCOL_HEADER: str(PROTOCOL), "cache-control": "no-store"}

_STATUSES: tuple[tuple[type[MooringError], int], ...] = (
    (Unauthenticated, 401),
    (AccessDenied, 403),
    (LinkInvalid, 403),
    (RequestTooLarge, 413),
    (NotFound, 404),
    (SegmentMissing, 404),
    (AlreadyExists, 409),
    (InvalidInput, 400),
    (StoreLocked, 503),
    (StoreFull, 507),
    (StoreReadOnly, 403),
    (HubBusy, 408),
    (HubFailed, 500),
    (HubError, 400),
)

Handler = Callable[[Request], Awaitable[Response]]


def value_answer(value: object) -> Response:
    """Return a value as a message."""
    return Response(CODEC.encode(value), media_type=MEDIA_TYPE, headers=HEADERS)


def json_answer(record: object) -> Response:
    """Return JSON."""
    return Response(orjson.dumps(record), media_type="application/json", headers=HEADERS)


def error_answer(hub: Hub, error: MooringError) -> Response:
    """Return what a client makes the same error of; it names no place on the hub's disk."""
    record = encode_error(error)
    record["message"] = hub.told(record["message"])
    record["facts"] = {
        name: hub.told(value) if isinstance(value, str) else value
        for name, value in record["facts"].items()
    }
    status = next((code for kind, code in _STATUSES if isinstance(error, kind)), 500)
    headers = dict(HEADERS)
    if status == 503:
        headers |= {"retry-after": "1", "x-mooring-reason": "the store is locked"}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    body = orjson.dumps({"error": record})
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def told_errors(hub: Hub, handler: Handler) -> Handler:
    """Return a handler whose errors of ours are answers."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except MooringError as error:
            return error_answer(hub, error)

    return answer
