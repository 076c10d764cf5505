"""Predictions by the hub's own workers, where the owner of a project lets them."""

from __future__ import annotations

from pathlib import Path

from mooring.errors import ModelFailed, ModelUnusable, ServingOff
from mooring.hub.doors.auger.calls import Call, JsonObject
from mooring.hub.doors.auger.pipelines import model_of_pipeline
from mooring.hub.doors.auger.records import Record
from mooring.hub.serving import ModelFile, PredictionRequest

PREDICTION_ID = "prediction_id"
"""Last column of a result: `<id of the prediction>-<number of the row>`, which actuals name."""
_SERVING = ("creating_files", "packaging", "deploying", "ready")


def predict(call: Call, pipeline: Record, prediction: Record) -> JsonObject:
    """Return the fields of a prediction that is done.

    Raises
    ------
    ServingOff, ModelUnusable, ModelFailed
        When nothing can be predicted; the message tells why.
    """
    project, hub, asked = pipeline.run.project, call.hub, prediction.values
    if not hub.accounts.get_serving(project):
        raise ServingOff(
            f"the owner of {project} did not switch the serving of its models on: "
            f"mooring project serving {project} on"
        )
    if pipeline.get("status") not in _SERVING:
        raise ModelUnusable(f"the pipeline {pipeline.id} is {pipeline.get('status')}")
    model = model_of_pipeline(call, pipeline)
    if model is None:
        raise ModelUnusable(
            f"the pipeline {pipeline.id} has no model yet: upload one as models/{pipeline.id}.zip "
            "of its project"
        )
    features, rows = asked.get("features"), asked.get("records")
    if not isinstance(rows, list) or not isinstance(features, list):
        raise ModelFailed("this hub predicts rows, not files: send records")
    threshold, target = asked.get("threshold"), pipeline.values.get("target_feature")
    request = PredictionRequest(
        features,
        rows,
        threshold=float(threshold) if isinstance(threshold, (int, float)) else None,
        target=target if isinstance(target, str) and target else None,
        with_features=not asked.get("no_features_in_result"),
    )
    with hub.store.open_blob(model.digest) as file:
        found = ModelFile(Path(file.name), model.digest, f"of pipeline {pipeline.id}", project)
        result = hub.workers.predict(found, request)
    columns, data = list(result.columns), [list(row) for row in result.data]
    if PREDICTION_ID not in columns:
        columns.append(PREDICTION_ID)
        for number, row in enumerate(data):
            row.append(f"{prediction.id}-{number}")
    return {"result": {"data": data, "columns": columns}}
