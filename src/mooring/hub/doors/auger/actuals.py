"""What turned out to be true, for predictions of a pipeline or of an endpoint.

Actuals are records beside the predictions; there is no call that reads them. Deleting them is a
cluster task for those who wait for one, and is done when it is answered.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mooring.hub.doors.auger.calls import Answer, Behaviour, Call, JsonObject
from mooring.hub.doors.auger.endpoints import members
from mooring.hub.doors.auger.fields import Form, equals, parse_time
from mooring.hub.doors.auger.predictions import get_endpoint, micros_of
from mooring.hub.doors.auger.records import NewRecord, Record, Scope
from mooring.hub.doors.auger.refusals import invalid
from mooring.hub.doors.auger.views import objects_of
from mooring.hub.doors.auger.watching import watch, watch_pipeline
from mooring.model import micros_from_datetime

_KEPT = (
    "actuals",
    "actual_column_names",
    "actual_date_column",
    "actuals_path",
    "actuals_at",
    "experiment_params",
    "prediction_group_id",
)
_DELETES = "mooring.hub.delete_actuals"


def create(call: Call) -> Answer:
    """Keep actuals of a pipeline."""
    pipeline = call.records.get("pipeline", call.given.get("pipeline_id"))
    _keep(call, pipeline.run.project, {"pipeline_id": str(pipeline.id)})
    watch_pipeline(call, pipeline)
    return Answer({})


def create_for_endpoint(call: Call) -> Answer:
    """Keep actuals of what an endpoint predicted."""
    endpoint = get_endpoint(call)
    group = call.given.get("prediction_group_id")
    if group is not None:
        call.records.get("prediction_group", group)
    values = {
        "endpoint_id": str(endpoint.id),
        "pipeline_id": endpoint.values.get("primary_pipeline_id"),
    }
    _keep(call, endpoint.run.project, values)
    watch(call, endpoint)
    return Answer({})


def _keep(call: Call, project: str, values: JsonObject) -> None:
    call.need_contributor(project)
    given = call.given
    if given.get("actuals") is None and given.get("actuals_path") is None:
        raise invalid("actuals", "is required")
    names = given.get("actual_column_names")
    for row in given.get("actuals") or ():
        named = isinstance(row, dict)
        if not named and not (isinstance(row, list) and names and len(row) == len(names)):
            raise invalid("actuals", "should be an array of objects, or of rows of named columns")
    kept = {name: given[name] for name in _KEPT if given.get(name) is not None}
    call.records.create(
        NewRecord(
            resource="actual",
            project=project,
            values={**values, **kept},
            request=call.request,
            user=call.principal.user,
        )
    )


def delete(call: Call) -> Answer:
    """Delete actuals of a pipeline in a range of days; answers the task of it."""
    pipeline = call.records.get("pipeline", call.given.get("pipeline_id"))
    return Answer(_delete(call, pipeline, endpoint=None))


def delete_of_endpoint(call: Call) -> Answer:
    """Delete actuals of an endpoint; answers a task for each of its pipelines."""
    endpoint = get_endpoint(call)
    ids = [link.values.get("pipeline_id") for link in members(call, endpoint)]
    if call.given.get("primary_only"):
        ids = [endpoint.values.get("primary_pipeline_id")]
    found = [call.records.find("pipeline", id) for id in dict.fromkeys(ids)]
    return Answer([_delete(call, each, endpoint=endpoint) for each in found if each is not None])


def _delete(call: Call, pipeline: Record, *, endpoint: Record | None) -> JsonObject:
    call.need_contributor(pipeline.run.project)
    first, last = _range(call)
    arguments: JsonObject = {
        "begin_date": call.given.get("from"),
        "end_date": call.given.get("to"),
        "with_predictions": bool(call.given.get("with_predictions")),
        "hub_info": {
            "pipeline_id": pipeline.id,
            "endpoint_id": None if endpoint is None else endpoint.id,
            "project_id": call.keys.of(pipeline.run.project),
        },
    }
    task = call.records.create(
        NewRecord(
            resource="cluster_task",
            project=pipeline.run.project,
            values={"name": _DELETES, "status": "pending", "args": [arguments]},
        )
    )
    shown = objects_of(call, [task])[0]
    count = _trash(call, "actual", pipeline, endpoint, first, last)
    if call.given.get("with_predictions"):
        for resource in ("prediction", "prediction_group"):
            _trash(call, resource, pipeline, endpoint, first, last)
    call.records.update(task, {"status": "success", "result": {"deleted": count}})
    return shown


def _trash(
    call: Call,
    resource: str,
    pipeline: Record,
    endpoint: Record | None,
    first: int | None,
    last: int | None,
) -> int:
    conditions = [equals("pipeline_id", Form.TEXT, str(pipeline.id))]
    if endpoint is not None:
        conditions.append(equals("endpoint_id", Form.TEXT, str(endpoint.id)))
    keys = []
    for record in call.records.page(resource, Scope(pipeline.run.project), conditions).records:
        told = record.values.get("actuals_at")
        at = micros_from_datetime(told) if isinstance(told, datetime) else micros_of(record)
        if (first is None or at >= first) and (last is None or at < last):
            keys.append(record.run.key)
    call.store.trash_runs(keys)
    return len(keys)


def _range(call: Call) -> tuple[int | None, int | None]:
    """Return the first moment of a range of days, and the first one after it."""
    first, last = (
        None if call.given.get(name) is None else parse_time(name, str(call.given[name]))
        for name in ("from", "to")
    )
    if last is not None and len(str(call.given["to"])) <= 10:
        last = min(last, datetime.max.replace(tzinfo=UTC) - timedelta(days=1)) + timedelta(days=1)
    return (
        None if first is None else micros_from_datetime(first),
        None if last is None else micros_from_datetime(last),
    )


ACTUAL = Behaviour(actions={"create": create, "delete_all": delete})
ENDPOINT_ACTUAL = Behaviour(
    actions={"create": create_for_endpoint, "delete_all": delete_of_endpoint}
)
