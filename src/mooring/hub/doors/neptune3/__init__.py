"""Neptune 3's protocol: what `neptune-scale`, `neptune-fetcher` and `neptune-query` speak."""

from __future__ import annotations

from starlette.routing import BaseRoute

from mooring.hub.context import Hub
from mooring.hub.doors.neptune3 import (
    attributes,
    buckets,
    files,
    identity,
    ingest,
    pages,
    projects,
    search,
    series,
)
from mooring.hub.doors.neptune3.door import Door

_PARTS = (identity, projects, ingest, search, attributes, series, buckets, files, pages)


def routes(hub: Hub) -> list[BaseRoute]:
    """Return the routes of the protocol."""
    door = Door(hub)
    return [route for part in _PARTS for route in part.routes(door)]
