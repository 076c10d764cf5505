"""Mooring's own door: the store's contract over HTTP, as `mooring.store.hub` speaks it."""

from __future__ import annotations

from starlette.routing import BaseRoute

from mooring.hub.context import Hub
from mooring.hub.doors.native.calls import CallRoutes
from mooring.hub.doors.native.files import FileRoutes
from mooring.hub.doors.native.streams import StreamRoutes


def routes(hub: Hub) -> list[BaseRoute]:
    """Return the routes below `/api/mooring/v1`."""
    return [
        *CallRoutes(hub).routes,
        *StreamRoutes(hub).routes,
        *FileRoutes(hub).routes,
    ]
