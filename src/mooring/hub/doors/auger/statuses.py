"""The light question for the status of one object."""

from __future__ import annotations

from mooring.hub.doors.auger import organizations, projects
from mooring.hub.doors.auger.calls import Answer, Behaviour, Call
from mooring.hub.doors.auger.common import settled
from mooring.hub.doors.auger.files import PROJECT_FILE
from mooring.hub.doors.auger.pipelines import PIPELINE
from mooring.hub.doors.auger.refusals import camel_case, invalid, missing

_RESOURCES = (
    "cluster",
    "cluster_task",
    "component",
    "experiment_session",
    "organization",
    "pipeline",
    "project",
    "project_file",
    "similar_trials_request",
    "subscription",
    "warm_start_request",
)
_NAMES = {camel_case(name): name for name in _RESOURCES}
_SETTLING = {"pipeline": PIPELINE, "project_file": PROJECT_FILE}


def show(call: Call) -> Answer:
    """Answer the status of one object."""
    name = _NAMES.get(str(call.given.get("object")))
    if name is None:
        listed = ", ".join(f'"{each}"' for each in _NAMES)
        raise invalid("object", f"is not in the list [{listed}]")
    id = call.given.get("id")
    if name == "organization":
        return Answer({"status": organizations.status_of(call, id)})
    if name == "project":
        record = projects.get_project(call, id)
        return Answer({"status": record.get("status") or "undeployed"})
    if name in ("component", "subscription"):
        raise missing(name)  # this hub has none
    record = call.records.get(name, id)
    return Answer({"status": settled(call, _SETTLING.get(name, Behaviour()), record).get("status")})


STATUS = Behaviour(actions={"show": show})
