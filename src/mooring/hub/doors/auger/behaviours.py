"""Which resource has which behaviour. What is not here is told by the table alone."""

from __future__ import annotations

from collections.abc import Mapping

from mooring.hub.doors.auger.actuals import ACTUAL, ENDPOINT_ACTUAL
from mooring.hub.doors.auger.calls import Behaviour
from mooring.hub.doors.auger.endpoints import ENDPOINT, ENDPOINT_PIPELINE, REVIEW_ALERT
from mooring.hub.doors.auger.experiments import EXPERIMENT, SESSION
from mooring.hub.doors.auger.files import PROJECT_FILE, PROJECT_FILE_URL
from mooring.hub.doors.auger.infrastructure import (
    CLUSTER,
    CLUSTER_STATUS,
    CLUSTER_TASK,
    INSTANCE_TYPE,
    POD_LOG,
)
from mooring.hub.doors.auger.organizations import ORGANIZATION
from mooring.hub.doors.auger.pipelines import PIPELINE, PIPELINE_FILE
from mooring.hub.doors.auger.predictions import (
    ENDPOINT_PREDICTION,
    PREDICTION,
    PREDICTION_GROUP,
)
from mooring.hub.doors.auger.projects import PROJECT
from mooring.hub.doors.auger.reviews import REVIEW_ALERT_ITEM, ROI_VALIDATION
from mooring.hub.doors.auger.searches import REQUEST, TRIAL_SEARCH
from mooring.hub.doors.auger.statuses import STATUS
from mooring.hub.doors.auger.trials import HYPERPARAMETER, TRIAL

BEHAVIOURS: Mapping[str, Behaviour] = {
    "actual": ACTUAL,
    "cluster": CLUSTER,
    "cluster_status": CLUSTER_STATUS,
    "cluster_task": CLUSTER_TASK,
    "dataset_manifest": Behaviour(everywhere=True),
    "endpoint": ENDPOINT,
    "endpoint_actual": ENDPOINT_ACTUAL,
    "endpoint_pipeline": ENDPOINT_PIPELINE,
    "endpoint_prediction": ENDPOINT_PREDICTION,
    "endpoint_roi_validation": ROI_VALIDATION,
    "experiment": EXPERIMENT,
    "experiment_session": SESSION,
    "hyperparameter": HYPERPARAMETER,
    "instance_type": INSTANCE_TYPE,
    "organization": ORGANIZATION,
    "pipeline": PIPELINE,
    "pipeline_file": PIPELINE_FILE,
    "pod_log": POD_LOG,
    "prediction": PREDICTION,
    "prediction_group": PREDICTION_GROUP,
    "project": PROJECT,
    "project_file": PROJECT_FILE,
    "project_file_url": PROJECT_FILE_URL,
    "review_alert": REVIEW_ALERT,
    "review_alert_item": REVIEW_ALERT_ITEM,
    "similar_trials_request": REQUEST,
    "status": STATUS,
    "trial": TRIAL,
    "trial_search": TRIAL_SEARCH,
    "warm_start_request": REQUEST,
}
