"""Endpoints: stable addresses before pipelines, their members, alerts and validations."""

from __future__ import annotations

from collections.abc import Sequence

from mooring.hub.doors.auger.calls import Behaviour, Call, JsonObject
from mooring.hub.doors.auger.fields import Form, equals
from mooring.hub.doors.auger.records import NewRecord, Record, Scope
from mooring.hub.doors.auger.refusals import invalid
from mooring.hub.doors.auger.views import objects_of
from mooring.hub.doors.auger.watching import describe
from mooring.query import Or

_KINDS = {
    "model_accuracy": (0.7, 72),
    "feature_average_range": (1.0, 168),
    "runtime_errors_burst": (5.0, 1),
}
"""Kinds of alerts, each with its threshold and sensitivity in hours."""
_CHOICES = {
    "kind": tuple(_KINDS),
    "actions": ("no_actions", "retrain", "retrain_deploy"),
    "notifications": ("no_notifications", "user", "organization"),
    "threshold_policy": ("all_values", "average_value", "any_value"),
}


def place(call: Call) -> str:
    """Return the project of an endpoint: that of its pipeline."""
    return call.records.get("pipeline", call.given.get("pipeline_id")).run.project


def prepare(call: Call, values: JsonObject) -> None:
    """Make the pipeline the primary one."""
    pipeline = call.records.get("pipeline", values.pop("pipeline_id"))
    values["primary_pipeline_id"] = str(pipeline.id)
    values["primary_experiment_session_id"] = pipeline.values.get("experiment_session_id")
    values["dataset_signature"] = pipeline.values.get("dataset_signature")


def created(call: Call, record: Record) -> Record:
    """Enter the primary pipeline as the first member.

    A kill before leaves an endpoint without a member; the next membership of its pipeline mends it.
    """
    pipeline = str(record.values["primary_pipeline_id"])
    if not any(link.values.get("pipeline_id") == pipeline for link in members(call, record)):
        call.records.create(
            NewRecord(
                resource="endpoint_pipeline",
                project=record.run.project,
                values={
                    "endpoint_id": str(record.id),
                    "pipeline_id": pipeline,
                    "active": True,
                },
                request=None if call.request is None else f"{call.request[:56]}-first",
                user=call.principal.user,
            )
        )
    return record


def members(call: Call, endpoint: Record) -> Sequence[Record]:
    """Return the memberships of an endpoint, newest first."""
    of_it = equals("endpoint_id", Form.TEXT, str(endpoint.id))
    return call.records.page("endpoint_pipeline", Scope(endpoint.run.project), [of_it]).records


def removed(call: Call, record: Record) -> None:
    """Remove the memberships of a deleted endpoint."""
    call.store.trash_runs([link.run.key for link in members(call, record)])


def view(call: Call, records: Sequence[Record], objects: Sequence[JsonObject]) -> None:
    """Embed the members; one endpoint that is shown tells how its predictions did."""
    of_one = Or(tuple(equals("endpoint_id", Form.TEXT, str(record.id)) for record in records))
    links = call.records.page("endpoint_pipeline", Scope(), [of_one]).records
    for record, shown in zip(records, objects, strict=True):
        mine = [link for link in links if link.values.get("endpoint_id") == record.id]
        shown["endpoint_pipelines"] = objects_of(call, mine)
        if record.deleted:
            shown["primary_pipeline_id"] = shown["primary_experiment_session_id"] = None
            shown["endpoint_pipelines"] = []
        if call.operation.name == "index":
            for name in ("stats", "daily_model_performance", "daily_feature_distribution"):
                shown.pop(name, None)
        elif call.operation.name == "show":
            shown.update(describe(call, record))


# members


def place_member(call: Call) -> str:
    """Return the project of a membership: that of its endpoint."""
    return call.records.get("endpoint", call.given.get("endpoint_id")).run.project


def prepare_member(call: Call, values: JsonObject) -> None:
    """Let only pipelines of the same data into an endpoint."""
    endpoint = call.records.get("endpoint", values["endpoint_id"])
    pipeline = call.records.get("pipeline", values["pipeline_id"])
    values["endpoint_id"], values["pipeline_id"] = str(endpoint.id), str(pipeline.id)
    values.setdefault("active", True)
    wanted = endpoint.values.get("dataset_signature")
    if pipeline.run.project != endpoint.run.project or (
        wanted is not None and pipeline.values.get("dataset_signature") != wanted
    ):
        raise invalid("pipeline_id", "has other features than the endpoint")


def member_created(call: Call, record: Record) -> Record:
    """Make the first pipeline of an endpoint that has none the primary one."""
    endpoint = call.records.find("endpoint", record.values.get("endpoint_id"))
    if endpoint is not None and endpoint.values.get("primary_pipeline_id") is None:
        pipeline = call.records.get("pipeline", record.values["pipeline_id"])
        call.records.update(
            endpoint,
            {
                "primary_pipeline_id": str(pipeline.id),
                "primary_experiment_session_id": pipeline.values.get("experiment_session_id"),
            },
        )
    return record


# alerts


def prepare_alert(call: Call, values: JsonObject) -> None:
    """Fill in what a kind of alert starts from."""
    values["endpoint_id"] = str(call.records.get("endpoint", values["endpoint_id"]).id)
    check_choices(values)
    threshold, sensitivity = _KINDS[values["kind"]]
    for name, value in (
        ("threshold", threshold),
        ("sensitivity", sensitivity),
        ("actions", "no_actions"),
        ("notifications", "no_notifications"),
        ("active", True),
        ("threshold_policy", "all_values"),
    ):
        if values.get(name) is None:
            values[name] = value


def check_choices(values: JsonObject) -> None:
    """Raise `Refused` for a word that is not one of its list."""
    for name, words in _CHOICES.items():
        if values.get(name) is not None and values[name] not in words:
            listed = ", ".join(f'"{word}"' for word in words)
            raise invalid(name, f"is not in the list [{listed}]")


def change_alert(call: Call, record: Record, changes: JsonObject) -> None:
    """Refuse words that no alert knows."""
    check_choices(changes)


def alert_removed(call: Call, record: Record) -> None:
    """Leave the firings of a deleted alert, without it."""
    of_it = equals("review_alert_id", Form.INTEGER, record.run.key)
    for item in call.records.page("review_alert_item", Scope(record.run.project), [of_it]).records:
        call.records.update(item, {"review_alert_id": None})


ENDPOINT = Behaviour(
    in_project=True, place=place, prepare=prepare, created=created, removed=removed, view=view
)
ENDPOINT_PIPELINE = Behaviour(
    in_project=True, place=place_member, prepare=prepare_member, created=member_created
)
REVIEW_ALERT = Behaviour(
    in_project=True,
    place=place_member,
    prepare=prepare_alert,
    change=change_alert,
    removed=alert_removed,
)
