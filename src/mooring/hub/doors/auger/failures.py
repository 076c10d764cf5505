"""Errors of Mooring as the answers that clients of this API know."""

from __future__ import annotations

from mooring.errors import (
    AccessDenied,
    AlreadyExists,
    HubError,
    InvalidInput,
    MooringError,
    NotFound,
    ProjectNotFound,
    RequestTooLarge,
    Transient,
    TypeConflict,
    Unauthenticated,
)
from mooring.hub.context import Hub
from mooring.hub.doors.auger.fields import PREFIX
from mooring.hub.doors.auger.refusals import Refused, denied, invalid, missing
from mooring.wire.auger.table import Resource
from mooring.wire.auger.validation import ParametersInvalid


def failure_of(hub: Hub, resource: Resource | None, error: MooringError) -> Refused:
    """Return the refusal that an error is answered with.

    Errors that are faults of the hub's own are raised again, for the edge that writes them down.
    """
    name = "object" if resource is None else resource.name
    match error:
        case Refused():
            return error
        case Unauthenticated():
            message = str(error)
            if message != "Email or password incorrect":
                message = "User should be logged in"
            return Refused(401, {"error_type": "unauthenticated", "message": message})
        case ParametersInvalid():
            return Refused(400, *error.errors)
        case AccessDenied():
            return denied(hub.told(str(error)))
        case ProjectNotFound():
            return missing("project")
        case NotFound():
            return missing(name)
        case AlreadyExists():
            return invalid("id", "has already been taken")
        case TypeConflict():
            return invalid(error.path.removeprefix(PREFIX), hub.told(str(error)))
        case InvalidInput() | RequestTooLarge():
            return invalid(name, hub.told(str(error)))
        case Transient():
            message = hub.told(str(error))
            return Refused(503, {"error_type": "unavailable", "message": message})
        case HubError() if error.status is not None and error.status < 500:
            return invalid(name, hub.told(str(error)))
        case _:
            raise error
