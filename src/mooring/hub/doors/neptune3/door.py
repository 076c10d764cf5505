"""What every part of this door is given: who asks, the store as they see it, answers and errors."""

from __future__ import annotations

import gzip
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mooring.errors import (
    AccessDenied,
    HubBusy,
    InvalidInput,
    MooringError,
    NotFound,
    ProjectNotFound,
    RequestTooLarge,
    Transient,
    Unauthenticated,
)
from mooring.hub.accounts import Principal
from mooring.hub.bodies import PRIVATE_HEADERS, is_short, read_body
from mooring.hub.context import Hub
from mooring.hub.doors.neptune3 import identifiers
from mooring.hub.doors.neptune3.access import AccessTokens
from mooring.hub.guarded import GuardedStore
from mooring.hub.identity import bearer_text
from mooring.model import RunInfo

_LONG = 64 << 10
"""Shorter answers are not worth compressing."""
PROTOBUF = "application/x-protobuf"
MAX_BODY = 32 << 20
"""Clients send up to 16 MiB to ingest, and 15 MB of series requests."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler answers. `texts`: it is worth compressing, as names and texts are."""

    body: bytes
    status: int = 200
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    texts: bool = False


def json_answer(value: object, status: int = 200) -> Answer:
    """Return JSON."""
    return Answer(orjson.dumps(value), status, texts=True)


def proto_answer(message: Any, *, texts: bool = False) -> Answer:
    """Return a protobuf message."""
    return Answer(message.SerializeToString(), media_type=PROTOBUF, texts=texts)


@dataclass(slots=True)
class Asked:
    """One request: who asks, with which body."""

    door: Door
    principal: Principal
    store: GuardedStore
    query: dict[str, str]
    body: bytes
    request: Request

    def json(self) -> Any:
        """Return the body as JSON; `InvalidInput` where it is none."""
        try:
            return orjson.loads(self.body or b"{}")
        except orjson.JSONDecodeError as error:
            raise InvalidInput(f"the body is no JSON: {error}") from None

    def project(self, identifier: object) -> str:
        """Return the full name of a project that the user sees, by its name or its id.

        Raises `ProjectNotFound`, which is answered as readers expect it.
        """
        return self.door.find_project(self.store, identifier)

    def run(self, identifier: object) -> RunInfo:
        """Return a run; see `identifiers.find_run`."""
        return identifiers.find_run(self.store, identifier)


Handler = Callable[[Asked], Answer]


class Door:
    """Neptune 3's protocol on one hub. Handlers run in threads, and may raise our errors."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.access = AccessTokens.of(hub.accounts.signing_key(), hub.settings.address)

    def route(self, path: str, handler: Handler, *, method: str = "POST") -> BaseRoute:
        """Return a route whose handler is called for users with an access token."""
        return Route(path, self._endpoint(handler), methods=[method])

    def _endpoint(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                if not is_short(request):  # a short body may be read before its sender is known
                    await run_in_threadpool(self.authenticate, request)
                body = await read_body(
                    request, limit=MAX_BODY, timeout_s=self.hub.settings.body_timeout_s
                )
                found = await run_in_threadpool(self._act, request, body, handler)
            except MooringError as error:
                found = self.refusal(error)
            return Response(
                found.body,
                status_code=found.status,
                media_type=found.media_type,
                headers={**PRIVATE_HEADERS, **found.headers},
            )

        return answer

    def _act(self, request: Request, body: bytes, handler: Handler) -> Answer:
        principal = self.authenticate(request)
        request.scope["mooring.user"] = principal.name
        store = self.hub.store_for(principal)
        found = handler(Asked(self, principal, store, dict(request.query_params), body, request))
        if found.texts and len(found.body) >= _LONG and _is_far(request):
            packed = gzip.compress(found.body, compresslevel=1, mtime=0)
            headers = {**found.headers, "content-encoding": "gzip", "vary": "accept-encoding"}
            return replace(found, body=packed, headers=headers)
        return found

    def authenticate(self, request: Request) -> Principal:
        """Return whose access token a request bears.

        Raises
        ------
        Unauthenticated
            When it bears none that this hub made and that is still good.
        AccessDenied
            When the API token behind it was revoked: writers repeat after a 401 until the access
            token ends by itself, and stop here.
        """
        text = bearer_text(request)
        if text is None:
            raise Unauthenticated("this request needs an access token", status=401)
        token = self.access.read(text)
        try:
            return self.hub.accounts.authenticate_id(token)
        except Unauthenticated as error:
            raise AccessDenied(str(error)) from None

    def refusal(self, error: MooringError) -> Answer:
        """Return the answer to an error, with the type that clients look for."""
        for kind, status, name in _REFUSALS:
            if isinstance(error, kind):
                told = {
                    "code": status,
                    "errorType": name,
                    "message": self.hub.told(str(error)),
                    "title": name.replace("_", " ").capitalize(),
                }
                return json_answer(told, status)
        record = {"fault": "neptune3", "traceback": "".join(traceback.format_exception(error))}
        sys.stderr.write(orjson.dumps(record).decode() + "\n")
        raise error

    # names

    def find_project(self, store: GuardedStore, identifier: object) -> str:
        """Return the full name of a project; see `Asked.project`."""
        if not isinstance(identifier, str) or not identifier:
            raise ProjectNotFound(str(identifier)[:80])
        if "/" not in identifier:
            identifier = identifiers.find_project(store.list_projects(), identifier)
        return store.need_project(identifier)


def _is_far(request: Request) -> bool:
    """Whether compressing saves more than it takes: not where the client is on this machine.

    A server that stands before the hub is there too, and compresses itself, or is near its clients.
    """
    host = "" if request.client is None else request.client.host
    packed = "gzip" in request.headers.get("accept-encoding", "").lower()
    return packed and not (host.startswith("127.") or host in _LOCAL)


_LOCAL = ("", "::1")
_REFUSALS: tuple[tuple[type, int, str], ...] = (
    (Unauthenticated, 401, "UNAUTHORIZED"),
    (ProjectNotFound, 403, "ACCESS_DENIED"),
    (AccessDenied, 403, "ACCESS_DENIED"),
    (NotFound, 404, "NOT_FOUND"),
    (RequestTooLarge, 413, "REQUEST_TOO_LARGE"),
    (HubBusy, 503, "UNAVAILABLE"),
    (InvalidInput, 400, "BAD_REQUEST"),
    (Transient, 503, "UNAVAILABLE"),
)
