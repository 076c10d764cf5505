"""The engine: a request becomes a call, the call an answer, the same way for every resource.

Order: route, body, token, parameters, handler, envelope. Whatever goes wrong on the way is one of
the answers that clients know how to read; nothing here answers 405, 409, 413 or 422.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mooring.client.token import secret_of
from mooring.errors import InvalidInput, MooringError, RequestTooLarge, Unauthenticated
from mooring.hub.accounts import Principal
from mooring.hub.bodies import PRIVATE_HEADERS, read_body
from mooring.hub.context import Hub
from mooring.hub.doors.auger.behaviours import BEHAVIOURS
from mooring.hub.doors.auger.calls import Answer, Behaviour, Call, JsonObject, ProjectKeys
from mooring.hub.doors.auger.common import answering
from mooring.hub.doors.auger.failures import failure_of
from mooring.hub.doors.auger.records import Records
from mooring.hub.doors.auger.refusals import Refused, invalid, no_route
from mooring.hub.doors.auger.tokens import log_in
from mooring.hub.identity import bearer_text
from mooring.wire.auger import messages, openapi, validation
from mooring.wire.auger.resources import RESOURCES
from mooring.wire.auger.table import Operation, Resource

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

API = "/api/v1"
TOKEN_KEYS = ("project_api_token", "cluster_api_token", "token", "system_token")
_REQUEST = re.compile(r"[0-9A-Za-z_-]{1,64}")
_ALIASES = {
    "/api/v1/projects/{id}/files": ("project_file", "project_id"),
    "/api/v1/experiment_sessions/{id}/trials": ("trial", "experiment_session_id"),
    "/api/v1/experiment_sessions/{id}/pipelines": ("pipeline", "experiment_session_id"),
}
"""Paths that other clients use for lists: the resource, and the parameter that the id is."""


@dataclass(frozen=True, slots=True)
class _Target:
    """What a method of a path does. `named`: the parameter that the id of an alias is."""

    resource: Resource
    operation: Operation
    named: str | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request as it was read."""

    target: _Target
    ids: Mapping[str, str]
    sent: JsonObject
    tokens: Mapping[str, object]
    bearer: str | None
    request: str | None
    scope: dict[str, object] = field(default_factory=dict)


class AugerDoor:
    """The resource API of one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._keys = ProjectKeys(hub)

    def routes(self) -> list[BaseRoute]:
        """Return a route for each path, which answers every method, and one for all others."""
        targets: dict[str, dict[str, _Target]] = {}
        for resource in RESOURCES:
            for operation in resource.operations:
                targets.setdefault(operation.path, {}).setdefault(
                    operation.method, _Target(resource, operation)
                )
        for path, (name, parameter) in _ALIASES.items():
            resource = next(each for each in RESOURCES if each.name == name)
            index = resource.find("index")
            assert index is not None
            targets.setdefault(path, {})["GET"] = _Target(resource, index, parameter)
        # Paths without an id first: those of one length cannot be confused otherwise.
        routes: list[BaseRoute] = [
            Route(path, _Endpoint(self, targets[path]))
            for path in sorted(targets, key=lambda path: (path.count("{"), path))
        ]
        routes.insert(0, Route(f"{API}/openapi.json", self._describe, methods=["GET"]))
        routes.append(Route(API + "/{rest:path}", _Endpoint(self, {})))
        return routes

    async def _describe(self, request: Request) -> Response:
        """Answer the description of this API, which needs no token."""
        return _json(openapi.describe(self._hub.settings.address), 200)

    async def answer(self, request: Request, targets: Mapping[str, _Target]) -> Response:
        """Answer one request."""
        method = "PATCH" if request.method == "PUT" else request.method
        target = targets.get(method)
        try:
            if target is None:
                raise no_route()
            body = await self._read(request)
            asked = self._asked(request, target, body)
            return await run_in_threadpool(self._act, asked)
        except _Malformed:
            return _malformed()
        except MooringError as error:
            refused = failure_of(self._hub, target.resource if target else None, error)
            return _refusal(refused)

    async def _read(self, request: Request) -> bytes:
        settings = self._hub.settings
        try:
            return await read_body(
                request, limit=settings.max_body_bytes, timeout_s=settings.body_timeout_s
            )
        except RequestTooLarge as error:
            raise invalid("body", str(error)) from None
        except InvalidInput:
            raise _Malformed from None

    @staticmethod
    def _asked(request: Request, target: _Target, body: bytes) -> _Asked:
        try:
            sent = messages.parse_body(body)
        except messages.MalformedBody:
            raise _Malformed from None
        query = dict(request.query_params)
        tokens: dict[str, object] = {}
        for source in (query, sent):
            for key in TOKEN_KEYS:
                if key in source and (source is sent or key not in sent):
                    tokens[key] = source[key]
        if target.resource.name != "token":
            sent = {key: value for key, value in sent.items() if key not in TOKEN_KEYS}
        if not sent:
            sent = {key: value for key, value in query.items() if key not in TOKEN_KEYS}
        ids = {name: str(value) for name, value in request.path_params.items()}
        if target.named is not None:
            sent[target.named] = ids.pop("id")
        name = request.headers.get("idempotency-key")
        return _Asked(
            target,
            ids,
            sent,
            tokens,
            bearer_text(request),
            name if name is not None and _REQUEST.fullmatch(name) else None,
            request.scope,  # type: ignore[arg-type]
        )

    # in a thread

    def _act(self, asked: _Asked) -> Response:
        target = asked.target
        if target.resource.name == "token":
            given = validation.check(target.operation, asked.sent)
            return _envelope(log_in(self._hub.accounts, given["email"], given["password"]))
        principal = self._authenticate(asked)
        asked.scope["mooring.user"] = principal.name
        call = self._call(asked, principal)
        try:
            call.given = validation.check(target.operation, _completed(asked, call))
            behaviour = BEHAVIOURS.get(target.resource.name, Behaviour())
            handler = answering(target.operation.name, behaviour)
            if handler is None:
                raise no_route()
            return _envelope(handler(call))
        except MooringError as error:
            refused = failure_of(self._hub, target.resource, error)
            return _refusal(refused, _echo(asked, call) if refused.echo else None)

    def _authenticate(self, asked: _Asked) -> Principal:
        for key in TOKEN_KEYS:
            if key in asked.tokens:
                text = asked.tokens[key]
                if not isinstance(text, str) or not text:
                    break
                return self._hub.accounts.authenticate(secret_of(text))
        else:
            if asked.bearer is not None:
                return self._hub.accounts.authenticate(secret_of(asked.bearer))
        raise Unauthenticated("User should be logged in", status=401)

    def _call(self, asked: _Asked, principal: Principal) -> Call:
        store = self._hub.store_for(principal)
        hidden = self._keys.hidden()
        default = principal.project
        if default is not None and (default in hidden or store.role_in(default) is None):
            default = None
        return Call(
            hub=self._hub,
            keys=self._keys,
            principal=principal,
            store=store,
            records=Records(store, default, hidden),
            resource=asked.target.resource,
            operation=asked.target.operation,
            id=asked.ids.get("id"),
            parent=next((v for k, v in asked.ids.items() if k != "id"), None),
            sent=asked.sent,
            request=asked.request,
        )


class _Malformed(Exception):
    """A body that is no JSON object."""


class _Endpoint:
    """A path, as an ASGI application, so that Starlette leaves all methods to it."""

    def __init__(self, door: AugerDoor, targets: Mapping[str, _Target]) -> None:
        self._answer = partial(door.answer, targets=targets)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope, receive, send))
        await response(scope, receive, send)


def _completed(asked: _Asked, call: Call) -> JsonObject:
    """Return what was sent, with the project that the token stands for where one is needed."""
    sent = dict(asked.sent)
    needed = any(
        each.name == "project_id" and each.required for each in asked.target.operation.parameters
    )
    default = call.records.default_project
    if needed and sent.get("project_id") is None and default is not None:
        sent["project_id"] = call.keys.of(default)
    return sent


def _echo(asked: _Asked, call: Call) -> JsonObject:
    """Return what was asked, tokens hidden, as `meta.request_params` tells it."""
    project = call.records.default_project
    echoed: JsonObject = dict(asked.sent)
    echoed.update(dict.fromkeys(asked.tokens, "****"))
    shown = {each.name for each in call.resource.fields}
    echoed[call.resource.name] = {
        name: value for name, value in asked.sent.items() if name in shown
    }
    if project is not None:
        echoed["project_id"] = call.keys.of(project)
    return echoed


def _envelope(answer: Answer) -> Response:
    if answer.text is not None:
        return Response(
            answer.text, media_type="text/plain; charset=utf-8", headers=PRIVATE_HEADERS
        )
    meta: JsonObject = {"status": 200}
    if answer.pagination is not None:
        meta["pagination"] = answer.pagination
    return _json({"data": answer.data, "meta": meta}, 200)


def _refusal(refused: Refused, echo: JsonObject | None = None) -> Response:
    status = refused.status or 400
    meta: JsonObject = {"status": status, "errors": refused.errors}
    if echo is not None:
        meta["request_params"] = echo
    return _json({"meta": meta}, status)


def _json(body: JsonObject, status: int) -> Response:
    return Response(
        messages.encode(body),
        status_code=status,
        media_type="application/json; charset=utf-8",
        headers=PRIVATE_HEADERS,
    )


def _malformed() -> Response:
    return Response(
        messages.MALFORMED,
        status_code=400,
        media_type="text/html; charset=utf-8",
        headers=PRIVATE_HEADERS,
    )
