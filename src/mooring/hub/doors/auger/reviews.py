"""ROI validations and what alerts found: computed from stored predictions and actuals."""

from __future__ import annotations

from mooring.hub.doors.auger.calls import Answer, Behaviour, Call
from mooring.hub.doors.auger.predictions import get_endpoint
from mooring.hub.doors.auger.records import NewRecord
from mooring.hub.doors.auger.views import objects_of

_VALIDATES = "mooring.hub.validate_roi"


def validate(call: Call) -> Answer:
    """Check ROI expressions; answers the task of it, which is done already when it is asked for."""
    endpoint = get_endpoint(call)
    call.need_contributor(endpoint.run.project)
    expressions = call.given.get("expressions")
    arguments = {
        "expressions": expressions,
        "hub_info": {
            "endpoint_id": endpoint.id,
            "project_id": call.keys.of(endpoint.run.project),
        },
    }
    task = call.records.create(
        NewRecord(
            resource="cluster_task",
            project=endpoint.run.project,
            values={"name": _VALIDATES, "status": "pending", "args": [arguments]},
            request=call.request,
            user=call.principal.user,
        )
    )
    return Answer(objects_of(call, [task])[0])


ROI_VALIDATION = Behaviour(actions={"create": validate})
REVIEW_ALERT_ITEM = Behaviour(in_project=True)
