"""Predictions by the hub's own workers, where the owner of a project lets them."""

from __future__ import annotations

from mooring.errors import ServingOff
from mooring.hub.doors.auger.calls import Call, JsonObject
from mooring.hub.doors.auger.records import Record


def predict(call: Call, pipeline: Record, prediction: Record) -> JsonObject:
    """Return the fields of a prediction that is done.

    Raises
    ------
    ServingOff, ModelUnusable, ModelFailed
        When nothing can be predicted; the message tells why.
    """
    raise ServingOff("this hub serves no models yet")
