"""Models and predictions."""

from __future__ import annotations

from mooring.wire.auger.table import IdKind, Resource, StateMachine
from mooring.wire.auger.writing import create, fields, index, show, update

PIPELINE = Resource(
    name="pipeline",
    plural="pipelines",
    what="A model made from a trial, deployed or about to be.",
    id=IdKind.STRING,
    operations=(
        index(
            "/api/v1/pipelines",
            filters="""
                organization_id integer
                experiment_id string
                active boolean
                experiment_session_id string
            """,
        ),
        show(
            "/api/v1/pipelines",
        ),
        create(
            "/api/v1/pipelines",
            optional="""
                trial_id string
                id string
                experiment_session_id string
                trial object
                name string
                is_review_model_enabled boolean
                refit_data_path string?
                metadata object
                project_id integer
                target_column string
                score_name string
                score_value number
                task_type string
                algorithm_name string
                binary_classification boolean
            """,
        ),
        update(
            "/api/v1/pipelines",
            optional="status string, name string",
        ),
    ),
    fields=fields(
        """
        id string
        status string
        lambda_package_s3_path string?
        project_id integer
        organization_id integer
        trial object?
        datasource_manifest_name string
        error_message string?
        created_at string
        updated_at string
        experiment_session_id string
        trial_id string
        avg_prediction_time_sec number?
        is_review_model_enabled boolean
        has_review_data boolean
        dataset_signature string
        endpoint_pipelines array
        stats object?
        daily_model_performance array?
        daily_feature_distribution array?
        target_feature string
        provider string
        """
    ),
    states=(
        StateMachine(
            field="status",
            initial="creating_files",
            transitions={
                "creating_files": (
                    "packaging",
                    "created_files_with_error",
                ),
                "packaging": (
                    "deploying",
                    "packaged_with_error",
                ),
                "deploying": (
                    "ready",
                    "deployed_with_error",
                ),
                "ready": ("undeploying",),
                "undeploying": (
                    "undeployed",
                    "undeployed_with_error",
                ),
                "undeployed": ("packaging",),
                "created_files_with_error": (
                    "creating_files",
                    "packaging",
                ),
                "packaged_with_error": ("packaging",),
                "deployed_with_error": (
                    "packaging",
                    "deploying",
                    "undeploying",
                ),
                "undeployed_with_error": ("undeploying",),
            },
        ),
    ),
)

PIPELINE_FILE = Resource(
    name="pipeline_file",
    plural="pipeline_files",
    what="Request for a model that can be downloaded.",
    id=IdKind.INTEGER,
    operations=(
        index(
            "/api/v1/pipeline_files",
            filters="""
                organization_id integer
                experiment_id string
                experiment_session_id string
            """,
        ),
        show(
            "/api/v1/pipeline_files",
        ),
        create(
            "/api/v1/pipeline_files",
            required="trial_id string",
        ),
    ),
    fields=fields(
        """
        id integer
        model_path string?
        model_path_status string
        s3_model_path string?
        s3_model_path_status string
        signed_s3_model_path string?
        signed_s3_model_path_status string
        error_message string?
        experiment_session_id string
        trial_id string
        created_at string
        updated_at string
        """
    ),
    states=(
        StateMachine(
            field="model_path_status",
            initial="pending",
            transitions={
                "pending": (
                    "success",
                    "error",
                ),
            },
        ),
        *(
            StateMachine(
                field=field,
                initial="not_requested",
                transitions={
                    "not_requested": ("pending",),
                    "pending": (
                        "success",
                        "error",
                    ),
                },
            )
            for field in ("s3_model_path_status", "signed_s3_model_path_status")
        ),
    ),
)

PREDICTION = Resource(
    name="prediction",
    plural="predictions",
    what="A request to predict by a pipeline, in the older form.",
    id=IdKind.UUID,
    operations=(
        index(
            "/api/v1/predictions",
        ),
        show(
            "/api/v1/predictions",
        ),
        create(
            "/api/v1/predictions",
            required="pipeline_id string",
            optional="""
                records array?
                features array[string]?
                threshold number?
                file_url string
                predicted_at string
                no_features_in_result boolean
                score boolean
                score_true_data any
                predict_labels any
            """,
        ),
    ),
    fields=fields(
        """
        id integer|string
        pipeline_id string
        status string
        records_count integer?
        time_consumed_ms integer?
        result object?
        endpoint_id string?
        error_message string?
        created_at string
        predicted_at string
        provider string
        """
    ),
    states=(
        StateMachine(
            field="status",
            initial="requested",
            transitions={
                "requested": (
                    "running",
                    "error",
                ),
                "running": (
                    "done",
                    "error",
                ),
            },
        ),
    ),
)

PREDICTION_GROUP = Resource(
    name="prediction_group",
    plural="prediction_groups",
    what="A request to predict, by a pipeline or through an endpoint.",
    id=IdKind.UUID,
    operations=(
        index(
            "/api/v1/prediction_groups",
        ),
        show(
            "/api/v1/prediction_groups",
        ),
        create(
            "/api/v1/prediction_groups",
            required="""
                pipeline_id string
                records array
                features array[string]
            """,
        ),
    ),
    fields=fields(
        """
        id string
        pipeline_id string
        endpoint_id string?
        status string
        records_count integer?
        time_consumed_ms integer?
        result any?
        error_message string?
        created_at string
        predicted_at string
        """
    ),
    states=(
        StateMachine(
            field="status",
            initial="requested",
            transitions={
                "requested": (
                    "running",
                    "error",
                ),
                "running": (
                    "done",
                    "error",
                ),
            },
        ),
    ),
)

RESOURCES = (
    PIPELINE,
    PIPELINE_FILE,
    PREDICTION,
    PREDICTION_GROUP,
)
