"""The application: every door on one hub, watched, with its health and metrics beside them."""

from __future__ import annotations

import sys
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TextIO

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mooring.errors import AccessDenied, HubFailed, MooringError, NotFound
from mooring.hub.context import Hub
from mooring.hub.doors.auger import routes as auger_routes
from mooring.hub.doors.native import routes as native_routes
from mooring.hub.doors.native.answers import error_answer, json_answer, told_errors
from mooring.hub.doors.neptune3 import routes as neptune3_routes
from mooring.hub.identity import authenticate
from mooring.hub.observing import Meters, Observed
from mooring.hub.prefix import Prefixed


def create_app(hub: Hub, *, lines: TextIO | None = None) -> Starlette:
    """Return the ASGI application of a hub.

    Parameters
    ----------
    lines : where a line of JSON is written for each request; None: nowhere
    """
    meters = Meters()

    async def health(request: Request) -> Response:
        await run_in_threadpool(hub.store.list_projects)
        return json_answer({"status": "ok"})

    async def metrics(request: Request) -> Response:
        principal = await run_in_threadpool(authenticate, hub.accounts, request)
        if not (principal.admin or principal.service):
            raise AccessDenied("metrics are for administrators and service tokens", status=403)
        return PlainTextResponse(meters.render(), media_type=meters.content_type)

    async def not_found(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        if status in (404, 405):
            return error_answer(hub, NotFound(request.url.path, where="this hub"))
        return error_answer(hub, HubFailed(f"status {status}", status=status))

    async def failed(request: Request, error: Exception) -> Response:
        meters.faults.inc()
        name = request.scope.get("mooring.request", "")
        told = "".join(traceback.format_exception(error))
        record = {"fault": name, "route": _route(request), "traceback": told}
        (lines or sys.stderr).write(orjson.dumps(record).decode() + "\n")
        return error_answer(
            hub,
            HubFailed(
                f"the hub failed over this request; its log tells why under {name}", status=500
            ),
        )

    async def told(request: Request, error: Exception) -> Response:
        assert isinstance(error, MooringError)
        return error_answer(hub, error)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(hub.close)

    return Starlette(
        routes=[
            Route("/health", health, methods=["GET"]),
            Route("/metrics", told_errors(hub, metrics), methods=["GET"]),
            *native_routes(hub),
            *auger_routes(hub),
            *neptune3_routes(hub),
        ],
        middleware=[
            Middleware(Observed, meters=meters, lines=lines),
            Middleware(Prefixed, address=hub.settings.address),
        ],
        exception_handlers={HTTPException: not_found, MooringError: told, Exception: failed},
        lifespan=lifespan,
    )


def _route(request: Request) -> str:
    return str(getattr(request.scope.get("route"), "path", "other"))
