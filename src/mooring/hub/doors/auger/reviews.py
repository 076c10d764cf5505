"""ROI validations and what alerts found: computed from stored predictions and actuals."""

from __future__ import annotations

from mooring.hub.doors.auger.calls import Answer, Behaviour, Call
from mooring.hub.doors.auger.common import index
from mooring.hub.doors.auger.fields import Form, equals
from mooring.hub.doors.auger.predictions import get_endpoint
from mooring.hub.doors.auger.records import NewRecord
from mooring.hub.doors.auger.refusals import invalid
from mooring.hub.doors.auger.views import objects_of
from mooring.hub.doors.auger.watching import features_of, watch
from mooring.hub.review import validate_expression

_VALIDATES = "mooring.hub.validate_roi"
_MOST = 100


def validate(call: Call) -> Answer:
    """Check ROI expressions. Answers a task that is pending, and done once it is asked for.

    The task is stored with its result, in one transaction: there is none that stays pending.
    """
    endpoint = get_endpoint(call)
    call.need_contributor(endpoint.run.project)
    expressions: list[str | None] = call.given.get("expressions") or []
    if len(expressions) > _MOST:
        raise invalid("expressions", f"are more than {_MOST}")
    features = features_of(call, endpoint)
    checks = [validate_expression(text, features) for text in expressions]
    arguments = {
        "expressions": expressions,
        "hub_info": {
            "endpoint_id": endpoint.id,
            "project_id": call.keys.of(endpoint.run.project),
        },
    }
    result = [
        {
            "expression": check.expression,
            "is_valid": check.is_valid,
            "error": check.error,
            "warning": check.warning,
        }
        for check in checks
    ]
    task = call.records.create(
        NewRecord(
            resource="cluster_task",
            project=endpoint.run.project,
            values={
                "name": _VALIDATES,
                "status": "success",
                "args": [arguments],
                "result": result,
            },
            request=call.request,
            user=call.principal.user,
        )
    )
    shown = objects_of(call, [task])[0]
    shown.update(status="pending", result=None)
    return Answer(shown)


def index_items(call: Call) -> Answer:
    """Answer a page of what alerts found, after the alerts looked at what there is by now."""
    if not call.given.get("offset"):
        conditions = [equals("active", Form.FLAG, True)]
        if call.given.get("endpoint_id") is not None:
            conditions.append(equals("endpoint_id", Form.TEXT, call.given["endpoint_id"]))
        alerts = call.records.page("review_alert", call.scope(), conditions, limit=_MOST).records
        for id in dict.fromkeys(alert.values.get("endpoint_id") for alert in alerts):
            endpoint = call.records.find("endpoint", id)
            if endpoint is not None:
                watch(call, endpoint)
    return index(call, REVIEW_ALERT_ITEM)


ROI_VALIDATION = Behaviour(actions={"create": validate})
REVIEW_ALERT_ITEM = Behaviour(in_project=True, actions={"index": index_items})
