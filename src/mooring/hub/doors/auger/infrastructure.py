"""Clusters, tasks and logs: state that an agent reports; this hub runs none of it.

Beside what clients know, an agent reports samples by `POST /api/v1/cluster_statuses`, lines of
logs by `POST /api/v1/pod_logs`, and types of machines by `POST /api/v1/instance_types`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from mooring.hub.doors.auger.calls import Answer, Behaviour, Call, JsonObject
from mooring.hub.doors.auger.projects import state_machine
from mooring.hub.doors.auger.records import Record
from mooring.hub.doors.auger.refusals import invalid
from mooring.hub.doors.auger.views import objects_of, plain

_TERMINATE = dict.fromkeys(("terminating", "error"), ("terminate", "terminate"))


def prepare_task(call: Call, values: JsonObject) -> None:
    """Read arguments that come as text."""
    encoded = values.pop("args_encoded", None)
    if encoded is not None and values.get("args") is None:
        try:
            values["args"] = json.loads(encoded, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise invalid("args_encoded", "is not JSON") from None


def _no_constant(name: str) -> None:
    raise ValueError(name)


def change_task(call: Call, record: Record, changes: JsonObject) -> None:
    """Show a traceback where clients look for it."""
    if changes.get("traceback") is not None:
        changes["exception"] = changes["traceback"]


def view_clusters(call: Call, records: Sequence[Record], objects: Sequence[JsonObject]) -> None:
    """Fill in what is embedded. No secret is in it."""
    for record, shown in zip(records, objects, strict=True):
        status = str(record.get("status"))
        seconds = int((record.updated - record.created).total_seconds())
        kind = record.values.get("instance_type")
        shown["state_machine"] = state_machine(status, {}, _TERMINATE)
        shown["file_uploader_service"] = {"url": None, "params": {}}
        shown["components"] = shown.get("components") or []
        shown["uptime_seconds"] = shown.get("uptime_seconds") or 0
        shown["seconds_since_created"] = max(0, seconds)
        if isinstance(kind, str):
            shown["instance_type"] = {"id": kind, "object": "instance_type", "deleted": False}
        shown["created_by"] = {
            "object": "user",
            "deleted": False,
            "id": call.principal.user,
            "email": None,
            "created_at": plain(record.created),
        }


def prepare_cluster(call: Call, values: JsonObject) -> None:
    """Refuse a cluster of nothing, and name one that has no name."""
    values.setdefault("name", "cluster")


def place_status(call: Call) -> str:
    """Return the project of a sample: that of its cluster, where the hub knows it."""
    cluster = call.records.find("cluster", call.given.get("cluster_id"))
    return call.project_for_new(needed=False) if cluster is None else cluster.run.project


def delete_cluster(call: Call) -> Answer:
    """Answer that a cluster terminates; it is not found any more."""
    record = call.records.get("cluster", call.id)
    call.need_contributor(record.run.project)
    record = call.records.update(record, {"status": "terminating"})
    call.records.trash(record)
    return Answer(objects_of(call, [record], CLUSTER)[0])


def prepare_log(call: Call, values: JsonObject) -> None:
    """Date lines that came without a time."""
    values.setdefault("timestamp", datetime.now(UTC))


CLUSTER_TASK = Behaviour(prepare=prepare_task, change=change_task)
CLUSTER = Behaviour(
    everywhere=True,
    prepare=prepare_cluster,
    view=view_clusters,
    actions={"delete": delete_cluster},
)
CLUSTER_STATUS = Behaviour(everywhere=True, place=place_status)
INSTANCE_TYPE = Behaviour(everywhere=True)
POD_LOG = Behaviour(in_project=True, prepare=prepare_log)
