"""Predictions: of a pipeline or through an endpoint, and what was true afterwards.

Every prediction is a record first, `running`, and then what became of it: a kill between the two
leaves a prediction that is running, which says an error once it is asked for after its time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from mooring.errors import MooringError
from mooring.hub.doors.auger.calls import Answer, Behaviour, Call, JsonObject
from mooring.hub.doors.auger.common import pagination, paging, settled
from mooring.hub.doors.auger.endpoints import members
from mooring.hub.doors.auger.fields import Form, equals, parse_time
from mooring.hub.doors.auger.models import predict
from mooring.hub.doors.auger.records import NewRecord, Record, Scope
from mooring.hub.doors.auger.refusals import invalid, missing
from mooring.hub.doors.auger.views import objects_of
from mooring.hub.doors.auger.watching import watch
from mooring.model import micros_from_datetime

_WRONG_ROWS = (
    "records should be an array of arrays of plain values, each records size should be equal to "
    "the features count"
)
_LOST = "an internal error occurred, please try again"
_OPTIONS = (
    "threshold",
    "file_url",
    "predicted_at",
    "no_features_in_result",
    "score",
    "score_true_data",
    "predict_labels",
    "primary_only",
)
_PLAIN = (str, int, float, bool, type(None))


def create_prediction(call: Call) -> Answer:
    """Predict by a pipeline, as the older call does."""
    return _create(call, "prediction")


def create_group(call: Call) -> Answer:
    """Predict by a pipeline."""
    return _create(call, "prediction_group")


def _create(call: Call, resource: str) -> Answer:
    pipeline = call.records.get("pipeline", call.given.get("pipeline_id"))
    record = make_prediction(call, resource, pipeline, endpoint=None)
    return Answer(objects_of(call, [record], BEHAVIOURS_OF_PREDICTIONS[resource])[0])


def create_through_endpoint(call: Call) -> Answer:
    """Predict by the primary pipeline of an endpoint."""
    endpoint = get_endpoint(call)
    pipeline = call.records.find("pipeline", endpoint.values.get("primary_pipeline_id"))
    if pipeline is None:
        raise invalid("endpoint_id", "has no primary pipeline")
    record = make_prediction(call, "prediction_group", pipeline, endpoint=endpoint)
    if not call.given.get("primary_only"):
        _predict_by_others(call, endpoint, pipeline)
    watch(call, endpoint)
    return Answer(objects_of(call, [record], PREDICTION_GROUP)[0])


def _predict_by_others(call: Call, endpoint: Record, primary: Record) -> None:
    """Let the other active pipelines of an endpoint predict too, for comparison."""
    for link in members(call, endpoint):
        id = link.values.get("pipeline_id")
        if id == primary.id or not link.values.get("active"):
            continue
        pipeline = call.records.find("pipeline", id)
        if pipeline is not None:
            make_prediction(call, "prediction_group", pipeline, endpoint=endpoint)


def get_endpoint(call: Call) -> Record:
    """Return the endpoint that a nested path names."""
    return call.records.get("endpoint", call.parent)


def make_prediction(
    call: Call, resource: str, pipeline: Record, *, endpoint: Record | None
) -> Record:
    """Enter a prediction, make it, and enter what came of it."""
    call.need_contributor(pipeline.run.project)
    given = call.given
    features, rows = check_rows(given)
    told = given.get("predicted_at")
    values: JsonObject = {name: given[name] for name in _OPTIONS if given.get(name) is not None}
    values.update(
        pipeline_id=str(pipeline.id),
        endpoint_id=None if endpoint is None else str(endpoint.id),
        status="running",
        features=features,
        records=rows,
        records_count=None if rows is None else len(rows),
        predicted_at=datetime.now(UTC) if told is None else parse_time("predicted_at", str(told)),
    )
    request = call.request
    if request is not None and endpoint is not None:
        request = f"{request[:40]}-{str(pipeline.id)[-20:]}"
    record = call.records.create(
        NewRecord(
            resource=resource,
            project=pipeline.run.project,
            values=values,
            request=request,
            user=call.principal.user,
        )
    )
    if record.get("status") != "running":
        return record  # the same request came before
    start = time.perf_counter()
    try:
        changes = predict(call, pipeline, record)
        changes["status"] = "done"
    except MooringError as error:
        changes = {"status": "error", "error_message": call.hub.told(str(error))[:2000]}
    changes["time_consumed_ms"] = round((time.perf_counter() - start) * 1000)
    return call.records.update(record, changes)


def check_rows(given: JsonObject) -> tuple[list[str] | None, list[list[object]] | None]:
    """Return names and rows of a request; `Refused` where they do not fit."""
    features, rows = given.get("features"), given.get("records")
    if rows is None:
        if given.get("file_url") is None:
            raise invalid("records", "is required")
        return features, None
    if features is None:
        raise invalid("features", "is required")
    if not all(isinstance(name, str) for name in features):
        raise invalid("features", "should be an array of strings")
    fits = all(
        isinstance(row, list)
        and len(row) == len(features)
        and all(isinstance(cell, _PLAIN) for cell in row)
        for row in rows
    )
    if not fits:
        raise invalid("records", _WRONG_ROWS, echo=True)
    return features, rows


def settle(call: Call, record: Record) -> JsonObject:
    """Tell an error of a prediction whose process was killed."""
    limit = timedelta(seconds=2 * call.hub.settings.serving_seconds + 60)
    late = datetime.now(UTC) - record.updated > limit
    if record.get("status") in ("requested", "running") and late:
        return {"status": "error", "error_message": _LOST}
    return {}


def index_of_endpoint(call: Call) -> Answer:
    """Answer a page of the predictions through an endpoint."""
    endpoint = get_endpoint(call)
    limit, offset = paging(call)
    of_it = equals("endpoint_id", Form.TEXT, str(endpoint.id))
    found = call.records.page(
        "prediction_group", Scope(endpoint.run.project), [of_it], limit=limit, offset=offset
    )
    objects = objects_of(call, found.records, PREDICTION_GROUP)
    return Answer(objects, pagination(limit, offset, len(objects), found.total))


def show_of_endpoint(call: Call) -> Answer:
    """Answer one prediction through an endpoint."""
    endpoint = get_endpoint(call)
    record = call.records.get("prediction_group", call.id)
    if record.values.get("endpoint_id") != endpoint.id:
        raise missing("prediction_group")
    record = settled(call, PREDICTION_GROUP, record)
    return Answer(objects_of(call, [record], PREDICTION_GROUP)[0])


def view_groups(call: Call, records: Sequence[Record], objects: Sequence[JsonObject]) -> None:
    """Show what was asked for, not what was asked with."""
    for record, shown in zip(records, objects, strict=True):
        shown["predicted_at"] = shown.get("predicted_at") or shown.get("created_at")
        shown.setdefault("endpoint_id", record.values.get("endpoint_id"))


def micros_of(record: Record) -> int:
    """Return when a prediction was made, in microseconds since 1970."""
    told = record.values.get("predicted_at")
    return micros_from_datetime(told) if isinstance(told, datetime) else record.run.created


PREDICTION = Behaviour(
    in_project=True,
    settle=settle,
    view=view_groups,
    actions={"create": create_prediction},
)
PREDICTION_GROUP = Behaviour(
    in_project=True,
    settle=settle,
    view=view_groups,
    actions={"create": create_group},
)
BEHAVIOURS_OF_PREDICTIONS = {"prediction": PREDICTION, "prediction_group": PREDICTION_GROUP}
ENDPOINT_PREDICTION = Behaviour(
    actions={
        "index": index_of_endpoint,
        "show": show_of_endpoint,
        "create": create_through_endpoint,
    }
)
