"""A hub behind a server that gives it a part of its addresses: `https://host/mooring/...`."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send


class Prefixed:
    """ASGI middleware: takes the path of the public address off, where the server before left it.

    Servers do both: they pass a path on as it came, or without the part by which they chose.
    """

    def __init__(self, app: ASGIApp, address: str) -> None:
        self._app = app
        self._prefix = urlsplit(address).path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if self._prefix and scope["type"] == "http":
            path = scope["path"]
            if path == self._prefix or path.startswith(f"{self._prefix}/"):
                scope["path"] = path[len(self._prefix) :] or "/"
        await self._app(scope, receive, send)
