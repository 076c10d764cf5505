"""The table of resources: what the API has, in the order in which it is told."""

from mooring.wire.auger.resources import (
    access,
    data,
    experiments,
    infrastructure,
    models,
    review,
    searches,
)
from mooring.wire.auger.table import Resource

RESOURCES: tuple[Resource, ...] = (
    *access.RESOURCES,
    *experiments.RESOURCES,
    *data.RESOURCES,
    *models.RESOURCES,
    *review.RESOURCES,
    *searches.RESOURCES,
    *infrastructure.RESOURCES,
)
"""Every resource."""


def get_resource(name: str) -> Resource:
    """Return a resource by its name; `KeyError` for what is none."""
    return _BY_NAME[name]


_BY_NAME = {resource.name: resource for resource in RESOURCES}
