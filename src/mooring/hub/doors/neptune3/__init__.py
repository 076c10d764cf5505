"""Neptune 3's protocol: what `neptune-scale`, `neptune-fetcher` and `neptune-query` speak."""

from __future__ import annotations

from starlette.routing import BaseRoute

from mooring.hub.context import Hub
from mooring.hub.doors.neptune3 import identity, ingest, projects
from mooring.hub.doors.neptune3.door import Door


def routes(hub: Hub) -> list[BaseRoute]:
    """Return the routes of the protocol."""
    door = Door(hub)
    return [*identity.routes(door), *projects.routes(door), *ingest.routes(door)]
