"""Who a client is: its configuration, the exchange of its API token, fresh access tokens."""

from __future__ import annotations

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mooring.client.token import secret_of
from mooring.errors import MooringError, Unauthenticated
from mooring.hub.bodies import PRIVATE_HEADERS, read_body
from mooring.hub.doors.neptune3.access import CLIENT_ID, REALM
from mooring.hub.doors.neptune3.door import Answer, Door, json_answer
from mooring.wire.neptune3.swagger import describe_operations

TOKEN_HEADER = "x-neptune-api-token"
DISCOVERY = f"{REALM}/.well-known/openid-configuration"
_MAX_FORM = 64 << 10


def routes(door: Door) -> list[BaseRoute]:
    """Return the routes that need no access token."""
    identity = Identity(door)
    return [
        Route("/api/backend/v1/clients/config", identity.config, methods=["GET"]),
        Route("/api/backend/swagger.json", identity.operations, methods=["GET"]),
        Route(DISCOVERY, identity.discovery, methods=["GET"]),
        Route("/api/backend/v1/authorization/oauth-token", identity.exchange, methods=["GET"]),
        Route(f"{REALM}/protocol/openid-connect/token", identity.refresh, methods=["POST"]),
    ]


class Identity:
    """The requests that clients begin with."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._address = door.hub.settings.address

    async def config(self, request: Request) -> Response:
        """Answer where everything is; versions are no matter here."""
        return _response(
            json_answer(
                {
                    "apiUrl": self._address,
                    "applicationUrl": self._address,
                    "pyLibVersions": {
                        "minRecommendedVersion": None,
                        "minCompatibleVersion": None,
                        "maxCompatibleVersion": None,
                    },
                    "security": {
                        "clientId": CLIENT_ID,
                        "openIdDiscovery": f"{self._address}{DISCOVERY}",
                    },
                }
            )
        )

    async def operations(self, request: Request) -> Response:
        """Answer the operations that Neptune's older client finds here."""
        return _response(json_answer(describe_operations()))

    async def discovery(self, request: Request) -> Response:
        """Answer where tokens are refreshed."""
        issuer = self._door.access.issuer
        return _response(
            json_answer(
                {
                    "issuer": issuer,
                    "authorization_endpoint": f"{issuer}/protocol/openid-connect/auth",
                    "token_endpoint": f"{issuer}/protocol/openid-connect/token",
                }
            )
        )

    async def exchange(self, request: Request) -> Response:
        """Answer an access token for an API token."""
        text = request.headers.get(TOKEN_HEADER, "").strip()
        return await self._told(lambda: self._exchange(text))

    def _exchange(self, text: str) -> Answer:
        if not text:
            raise Unauthenticated("the header X-Neptune-Api-Token is missing", status=401)
        principal = self._door.hub.accounts.authenticate(secret_of(text))
        access, token = self._door.access, principal.token
        assert token is not None  # it came by one
        return json_answer(
            {
                "accessToken": access.make(token, principal.name),
                "refreshToken": access.make(token, principal.name, kind="refresh"),
                "username": principal.name,
            }
        )

    async def refresh(self, request: Request) -> Response:
        """Answer a fresh access token for a refresh token."""
        try:
            body = await read_body(
                request,
                limit=_MAX_FORM,
                timeout_s=self._door.hub.settings.body_timeout_s,
            )
        except MooringError as error:
            return _response(self._door.refusal(error))
        return await self._told(lambda: self._refresh(body))

    def _refresh(self, body: bytes) -> Answer:
        from urllib.parse import parse_qs

        form = parse_qs(body.decode("utf-8", "replace"))
        text = form.get("refresh_token", [""])[0]
        access = self._door.access
        token = access.read(text, kind="refresh")
        principal = self._door.hub.accounts.authenticate_id(token)
        return json_answer(
            {
                "access_token": access.make(token, principal.name),
                "refresh_token": access.make(token, principal.name, kind="refresh"),
                "token_type": "bearer",
            }
        )

    async def _told(self, act: Callable[[], Answer]) -> Response:
        try:
            return _response(await run_in_threadpool(act))
        except MooringError as error:
            return _response(self._door.refusal(error))


def _response(answer: Answer) -> Response:
    return Response(
        answer.body,
        status_code=answer.status,
        media_type=answer.media_type,
        headers=PRIVATE_HEADERS,
    )
