"""The door of the resource API and of the optimizers service, as Auger's clients know them.

What each resource is in the store is told in `docs/auger.md`.
"""

from __future__ import annotations

from starlette.routing import BaseRoute

from mooring.hub.context import Hub
from mooring.hub.doors.auger.engine import AugerDoor
from mooring.hub.doors.auger.optimizers import OptimizersDoor
from mooring.hub.doors.auger.presigning import bucket_of
from mooring.hub.doors.auger.uploads import upload_routes


def routes(hub: Hub) -> list[BaseRoute]:
    """Return the routes of the API, and those that its signed urls lead to.

    Raises
    ------
    InvalidInput
        When a bucket is set for presigned links, and its credentials are not in the environment.
    """
    bucket_of(hub.settings)
    return [*AugerDoor(hub).routes(), *OptimizersDoor(hub).routes(), *upload_routes(hub)]
