"""Calls of the store's contract, by name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mooring.errors import InvalidInput, NotFound
from mooring.hub.bodies import is_short, read_body
from mooring.hub.context import Hub
from mooring.hub.doors.native.answers import json_answer, told_errors, value_answer
from mooring.hub.identity import authenticate
from mooring.store.hub.messages import CALLS, CODEC, PROTOCOL, ROOT, check_arguments


class CallRoutes:
    """`GET /` tells of the hub, `POST /call/<name>` makes a call."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.routes = [
            Route(ROOT, told_errors(hub, self._describe), methods=["GET"]),
            Route(f"{ROOT}/call/{{name}}", told_errors(hub, self._call), methods=["POST"]),
        ]

    async def _describe(self, request: Request) -> Response:
        principal = await run_in_threadpool(authenticate, self._hub.accounts, request)
        return json_answer(
            {
                "protocol": PROTOCOL,
                "version": version("mooring"),
                "user": principal.name,
                "project": principal.project,
                "address": self._hub.settings.address,
            }
        )

    async def _call(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in CALLS:
            raise NotFound(name, where="the calls of this hub", known=CALLS)
        settings, accounts = self._hub.settings, self._hub.accounts
        # The token first: who has none learns nothing of what else is wrong. With a short body at
        # hand, the thread that reads it also does the rest: each way to a thread takes 0.1 ms.
        known = None
        if not is_short(request):
            known = await run_in_threadpool(authenticate, accounts, request)
        body = await read_body(
            request, limit=settings.max_body_bytes, timeout_s=settings.body_timeout_s
        )

        def act() -> Response:
            principal = known or authenticate(accounts, request)
            arguments = decode_arguments(name, body)
            method = getattr(self._hub.store_for(principal), name)
            return value_answer(method(**arguments))

        return await run_in_threadpool(act)


def decode_arguments(name: str, body: bytes) -> Mapping[str, Any]:
    """Return the arguments of a call, checked against its signature."""
    arguments = CODEC.decode(body) if body else {}
    if not isinstance(arguments, dict):
        raise InvalidInput(f"{name} takes its arguments by name")
    return check_arguments(name, arguments)
