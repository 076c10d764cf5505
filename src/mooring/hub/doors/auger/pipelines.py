"""Pipelines and the archives of their models.

The model of a pipeline is the file attribute `model` of its trial's run (`auger/model` of the
pipeline where it has no trial): logged by a run, or uploaded under
`workspace/projects/<project>/models/<trial id>`. A pipeline whose model is there is ready; without
one it waits in the state that its client gave it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from mooring.hub.doors.auger.calls import Behaviour, Call, JsonObject
from mooring.hub.doors.auger.fields import Form, equals
from mooring.hub.doors.auger.files import blob_link
from mooring.hub.doors.auger.records import Record, Scope
from mooring.hub.doors.auger.refusals import invalid
from mooring.hub.doors.auger.trials import find_trial, get_trial, trial_objects
from mooring.hub.doors.auger.uploads import MODEL
from mooring.hub.doors.auger.views import objects_of
from mooring.model import AttributeType, FileRef, RunKind
from mooring.query import Compare, Expression, Field, Not, Operator, Or
from mooring.store.contract import PathSelector

_ON_THE_WAY = ("creating_files", "packaging", "deploying")
_OVER = (
    "undeployed",
    "created_files_with_error",
    "packaged_with_error",
    "deployed_with_error",
    "undeployed_with_error",
)


def place(call: Call) -> str:
    """Return the project of a pipeline: that of its trial, or the one named."""
    trial = call.given.get("trial_id")
    if trial is not None:
        return get_trial(call, str(trial)).run.project
    if call.given.get("project_id") is None:
        raise invalid("trial_id", "is required")
    return call.project_for_new(needed=True)


def prepare(call: Call, values: JsonObject) -> None:
    """Take over what is known of the trial. A pipeline without an id has that of its trial."""
    id = values.get("trial_id")
    session = None
    if id is not None:
        trial = get_trial(call, str(id))
        values["trial_id"] = str(id)
        values.setdefault("id", call.given.get("id") or str(id))
        session = trial.values.get("experiment_session_id")
        if isinstance(session, str):
            values["experiment_session_id"] = session
        if model_file(call, trial.run.key) is not None:
            values["status"] = "ready"
    else:
        values["external"] = True
        values["target_feature"] = values.get("target_column")
    found = call.records.find("experiment_session", session) if session else None
    if found is not None:
        values["experiment_id"] = found.values.get("experiment_id")
        values["datasource_manifest_name"] = found.values.get("datasource_name")
        settings = found.values.get("model_settings")
        if isinstance(settings, dict) and isinstance(settings.get("evaluation_options"), dict):
            target = settings["evaluation_options"].get("targetFeature")
            values["target_feature"] = target if isinstance(target, str) else None
    values["dataset_signature"] = signature_of(found, id)


def signature_of(session: Record | None, trial: object) -> str:
    """Return what pipelines of one endpoint have in common: a digest of the features."""
    names: list[str] = []
    told = session.values.get("dataset_statistics") if session is not None else None
    if isinstance(told, dict) and isinstance(told.get("stat_data"), list):
        names = sorted(
            str(column.get("column_name"))
            for column in told["stat_data"]
            if isinstance(column, dict)
        )
    basis = names or [str(session.values.get("experiment_id") if session else trial)]
    return hashlib.sha256("\n".join(basis).encode()).hexdigest()[:32]


def model_file(call: Call, key: int, path: str = MODEL) -> FileRef | None:
    """Return the model that a run has, or None."""
    select = PathSelector(paths=(path,), types=frozenset({AttributeType.FILE}))
    for column in call.hub.store.read_attributes([key], select):
        for value in column.values:
            if isinstance(value, FileRef):
                return value
    return None


def model_of_pipeline(call: Call, pipeline: Record) -> FileRef | None:
    """Return the model of a pipeline, or None where none has been brought."""
    own = pipeline.values.get("model")
    if isinstance(own, FileRef):
        return own
    trial = pipeline.values.get("trial_id")
    if not isinstance(trial, str):
        return None
    run = call.hub.store.find_run(pipeline.run.project, run_id=trial)
    return None if run is None or run.kind is not RunKind.RUN else model_file(call, run.key)


def settle(call: Call, record: Record) -> JsonObject:
    """Make a pipeline ready whose model has arrived; end what waits for no worker."""
    status = record.get("status")
    if status in _ON_THE_WAY and model_of_pipeline(call, record) is not None:
        return {"status": "ready"}
    return {"status": "undeployed"} if status == "undeploying" else {}


def view(call: Call, records: Sequence[Record], objects: Sequence[JsonObject]) -> None:
    """Embed the trial of each pipeline, and where it serves."""
    links = links_of(call, [str(record.id) for record in records])
    for record, shown in zip(records, objects, strict=True):
        id = record.values.get("trial_id")
        trial = find_trial(call, id) if isinstance(id, str) else None
        shown["trial"] = None if trial is None else trial_objects(call, [trial])[0]
        mine = [link for link in links if link.values.get("pipeline_id") == record.id]
        shown["endpoint_pipelines"] = objects_of(call, mine)
        shown["has_review_data"] = bool(shown.get("has_review_data"))
        model = model_of_pipeline(call, record)
        if model is not None and shown.get("lambda_package_s3_path") is None:
            shown["lambda_package_s3_path"] = f"workspace/pipelines/{record.id}"


def links_of(call: Call, pipelines: Sequence[str]) -> Sequence[Record]:
    """Return the memberships of pipelines in endpoints."""
    of_one = Or(tuple(equals("pipeline_id", Form.TEXT, id) for id in pipelines))
    return call.records.page("endpoint_pipeline", Scope(), [of_one]).records


def is_active(call: Call, value: object) -> Expression:
    """Return the condition that a pipeline is, or is not, on its way or ready."""
    status = Field("auger/status", AttributeType.STRING)
    over = Or(tuple(Compare(status, Operator.EQ, name) for name in (*_OVER, "undeploying")))
    return Not(over) if value else over


# archives


def place_file(call: Call) -> str:
    """Return the project of an archive: that of its trial."""
    return get_trial(call, str(call.given["trial_id"])).run.project


def prepare_archive(call: Call, values: JsonObject) -> None:
    """Note which session and experiment the trial belongs to."""
    trial = get_trial(call, str(values["trial_id"]))
    session = trial.values.get("experiment_session_id")
    values["trial_id"] = str(values["trial_id"])
    values["experiment_session_id"] = session
    found = call.records.find("experiment_session", session) if session else None
    if found is not None:
        values["experiment_id"] = found.values.get("experiment_id")


def view_archives(call: Call, records: Sequence[Record], objects: Sequence[JsonObject]) -> None:
    """Show the model that has been brought, by a link that expires."""
    for record, shown in zip(records, objects, strict=True):
        id = record.values.get("trial_id")
        run = call.hub.store.find_run(record.run.project, run_id=str(id))
        model = None if run is None else model_file(call, run.key)
        if model is None:
            shown["model_path_status"] = "pending"
            shown["s3_model_path_status"] = "not_requested"
            shown["signed_s3_model_path_status"] = "not_requested"
            continue
        shown["model_path"] = shown["s3_model_path"] = model.name or f"model-{id}"
        shown["signed_s3_model_path"] = blob_link(call, model, f"model-{id}")
        for name in ("model_path", "s3_model_path", "signed_s3_model_path"):
            shown[f"{name}_status"] = "success"


PIPELINE = Behaviour(
    in_project=True,
    place=place,
    prepare=prepare,
    settle=settle,
    view=view,
    filters={"active": is_active},
)
PIPELINE_FILE = Behaviour(
    in_project=True, place=place_file, prepare=prepare_archive, view=view_archives
)
