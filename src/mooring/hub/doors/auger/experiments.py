"""Experiments and their sessions."""

from __future__ import annotations

from collections.abc import Sequence

from mooring.hub.doors.auger.calls import Behaviour, Call, JsonObject
from mooring.hub.doors.auger.fields import Form, equals
from mooring.hub.doors.auger.files import find_by_url
from mooring.hub.doors.auger.records import Record, Scope
from mooring.hub.doors.auger.refusals import missing
from mooring.hub.doors.auger.views import objects_of, plain
from mooring.query import Or


def prepare_experiment(call: Call, values: JsonObject) -> None:
    """Find the data set and the file that an experiment is about."""
    manifest = values.get("dataset_manifest_id")
    if manifest is not None:
        call.records.get("dataset_manifest", manifest)
    url = values.pop("data_path", None)
    file = None
    if values.get("project_file_id") is not None:
        file = call.records.get("project_file", values["project_file_id"])
    elif isinstance(url, str):
        file = find_by_url(call, call.project_for_new(needed=True), url)
        if file is None:
            raise missing("project_file")
    if file is not None:
        values["project_file_id"] = file.run.key
        values["data_path_url"] = file.values.get("url")


def view_experiments(call: Call, records: Sequence[Record], objects: Sequence[JsonObject]) -> None:
    """Embed the data sets, and tell of the last session of each."""
    manifests = call.records.find_many(
        "dataset_manifest", [record.values.get("dataset_manifest_id") for record in records]
    )
    shown = _by_id(call, list(manifests.values()))
    sessions = call.records.find_many(
        "experiment_session",
        [record.values.get("last_experiment_session_id") for record in records],
    )
    for record, object in zip(records, objects, strict=True):
        object["dataset_manifest"] = shown.get(record.values.get("dataset_manifest_id"))
        last = record.values.get("last_experiment_session_id")
        session = sessions.get((record.run.project, str(last)))
        object["last_experiment_session_id"] = last
        object["last_experiment_session_status"] = (
            None if session is None else session.get("status")
        )
        object["last_experiment_session_created_at"] = (
            None if session is None else plain(session.created)
        )


def _by_id(call: Call, manifests: Sequence[Record]) -> dict[object, JsonObject]:
    objects = objects_of(call, manifests)
    return {record.id: object for record, object in zip(manifests, objects, strict=True)}


def place_session(call: Call) -> str:
    """Return the project of a session: that of its experiment."""
    return call.records.get("experiment", call.given.get("experiment_id")).run.project


def prepare_session(call: Call, values: JsonObject) -> None:
    """Number a session, and take over what its experiment is about."""
    experiment = call.records.get("experiment", values["experiment_id"])
    of_it = equals("experiment_id", Form.TEXT, str(experiment.id))
    before = call.records.page(
        "experiment_session", Scope(experiment.run.project), [of_it], limit=0
    )
    values["experiment_id"] = str(experiment.id)
    values["number"] = before.total + 1
    values.setdefault("dataset_manifest_id", experiment.values.get("dataset_manifest_id"))
    if values["dataset_manifest_id"] is not None:
        values["dataset_manifest_id"] = str(values["dataset_manifest_id"])
    values["project_file_id"] = experiment.values.get("project_file_id")
    values["starter_user_id"] = call.principal.user
    values["datasource_name"] = experiment.values.get("name")
    file = experiment.values.get("project_file_id")
    found = call.records.find("project_file", file) if file is not None else None
    if found is not None:
        values["datasource_name"] = found.values.get("name")


def session_created(call: Call, record: Record) -> Record:
    """Note at the experiment which session is its last."""
    experiment = call.records.find("experiment", record.values.get("experiment_id"))
    if experiment is not None:
        call.records.update(experiment, {"last_experiment_session_id": str(record.id)})
    return record


def view_sessions(call: Call, records: Sequence[Record], objects: Sequence[JsonObject]) -> None:
    """Embed the pipelines that were made from the trials of each session."""
    ids = [str(record.id) for record in records]
    of_one = Or(tuple(equals("experiment_session_id", Form.TEXT, id) for id in ids))
    pipelines = call.records.page("pipeline", Scope(), [of_one]).records
    for record, object in zip(records, objects, strict=True):
        mine = [
            pipeline
            for pipeline in pipelines
            if pipeline.values.get("experiment_session_id") == record.id
            and pipeline.run.project == record.run.project
        ]
        object["pipelines"] = objects_of(call, mine)
        object["notebook_uid"] = object.get("experiment_id")
        object["statistics"] = object.get("dataset_statistics") or {}
        object["model_settings"] = object.get("model_settings") or {}


EXPERIMENT = Behaviour(in_project=True, prepare=prepare_experiment, view=view_experiments)
SESSION = Behaviour(
    place=place_session, prepare=prepare_session, created=session_created, view=view_sessions
)
