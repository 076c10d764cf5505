"""The optimizers service: `/next_trials`, `/v2/next_trials` and `/fte`, beside the resource API.

In the hub's own process a request is only read, and its token looked up; what it asks for is
computed by `mooring.hub.optimizing`.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

import orjson
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mooring.client.token import secret_of
from mooring.errors import (
    InvalidInput,
    MooringError,
    RequestTooLarge,
    Unauthenticated,
)
from mooring.hub.accounts import Principal
from mooring.hub.bodies import PRIVATE_HEADERS, read_body
from mooring.hub.context import Hub
from mooring.hub.doors.auger.earlier_trials import best_trials, timed_trials
from mooring.hub.doors.auger.failures import failure_of
from mooring.hub.doors.auger.refusals import Refused, invalid, no_route, no_token
from mooring.hub.identity import bearer_text
from mooring.hub.optimizing import Given, Reply
from mooring.wire.auger import messages
from mooring.wire.auger.optimizers import (
    FTE,
    OPTIMIZER_CALLS,
    OptimizerCall,
    find_token,
    parse_request,
    token_of,
)

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_KEPT_S = 2.0
"""How long what the hub's trials tell is kept for the next request."""


class OptimizersDoor:
    """The optimizers service of one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        # A few more than the pool takes, so that it is the pool that says that it is full.
        self._threads = CapacityLimiter(hub.optimizers.most + 4)
        self._lock = threading.Lock()
        self._known: dict[tuple[str, tuple[str, ...]], tuple[float, Given]] = {}

    def routes(self) -> list[BaseRoute]:
        """Return a route for each call."""
        return [Route(call.path, _Endpoint(self, call)) for call in OPTIMIZER_CALLS]

    async def answer(self, request: Request, call: OptimizerCall) -> Response:
        """Answer one request."""
        try:
            if request.method != "POST":
                raise no_route()
            body = await self._read(request)
            # Threads of its own: those who wait for a search take none from other requests.
            reply = await to_thread.run_sync(self._act, request, call, body, limiter=self._threads)
        except messages.MalformedBody:
            reply = Reply(400, messages.MALFORMED)
        except MooringError as error:
            refused = failure_of(self._hub, None, error)
            reply = _refusal(refused)
        if reply.fault:
            record = {"fault": call.name, "traceback": reply.fault}
            sys.stderr.write(orjson.dumps(record).decode() + "\n")
        kind = "text/html" if reply.body == messages.MALFORMED else "application/json"
        return Response(
            reply.body,
            status_code=reply.status,
            media_type=f"{kind}; charset=utf-8",
            headers=PRIVATE_HEADERS,
        )

    async def _read(self, request: Request) -> bytes:
        settings = self._hub.settings
        try:
            return await read_body(
                request, limit=settings.max_search_bytes, timeout_s=settings.body_timeout_s
            )
        except RequestTooLarge as error:
            raise invalid("body", str(error)) from None
        except InvalidInput as error:
            raise messages.MalformedBody(str(error)) from None

    # in a thread

    def _act(self, request: Request, call: OptimizerCall, body: bytes) -> Reply:
        bearer = bearer_text(request)
        # A look at the text does not tell a token from a parameter of that name: where the header
        # holds one too, the body has to be read.
        token = None if bearer else find_token(body)
        if token is None:
            token = token_of(parse_request(body))
        principal = self._authenticate(token or bearer)
        if principal is not None:
            request.scope["mooring.user"] = principal.name
        given = Given() if principal is None else self._given(call, principal)
        reply = self._hub.optimizers.ask(call.name, body, given)
        # A look at the text may have found a nested one; the body's own is what counts.
        if token is not None and reply.token is not None and reply.token != token:
            raise no_token()
        return reply

    def _authenticate(self, token: str | None) -> Principal | None:
        """Return who asks; None for a signed token, which sees no project."""
        if not token:
            raise no_token()
        secret = self._hub.settings.optimizers_secret
        if secret is not None and token.count(".") == 2:
            from mooring.hub.doors.auger.signed_tokens import is_signed

            if not is_signed(token, secret):
                raise no_token()
            return None
        try:
            return self._hub.accounts.authenticate(secret_of(token))
        except Unauthenticated:
            raise no_token() from None

    def _given(self, call: OptimizerCall, principal: Principal) -> Given:
        """Return what the hub's own trials tell, as far as the user sees them."""
        store = self._hub.store_for(principal)
        projects = (
            tuple(store.list_projects()) if principal.project is None else (principal.project,)
        )
        key = (FTE.name if call is FTE else "tried", projects)
        now = time.monotonic()
        with self._lock:
            held = self._known.get(key)
            if held is not None and now - held[0] < _KEPT_S:
                return held[1]
        if call is FTE:
            given = Given(fits=timed_trials(store, projects))
        else:
            given = Given(tried=best_trials(store, projects))
        with self._lock:
            if len(self._known) > 100:
                self._known.clear()
            self._known[key] = (now, given)
        return given


class _Endpoint:
    """A path, as an ASGI application, so that Starlette leaves all methods to it."""

    def __init__(self, door: OptimizersDoor, call: OptimizerCall) -> None:
        self._door = door
        self._call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._door.answer(Request(scope, receive, send), self._call)
        await response(scope, receive, send)


def _refusal(refused: Refused) -> Reply:
    status = refused.status or 400
    return Reply(status, messages.encode({"meta": {"status": status, "errors": refused.errors}}))
