"""Endpoints, actual values, and what watches over both."""

from __future__ import annotations

from mooring.wire.auger.table import IdKind, Resource
from mooring.wire.auger.writing import create, delete, fields, index, operation, show, update

ACTUAL = Resource(
    name="actual",
    plural="actuals",
    what="True values that are sent back for predictions of a pipeline. They are not read as such.",
    id=IdKind.NONE,
    object_type=None,
    operations=(
        operation(
            "create",
            "POST",
            "/api/v1/actuals",
            required="pipeline_id string",
            optional="""
                actuals array
                actual_column_names array[string]
                actual_date_column string
                actuals_path string
                actuals_at string
                experiment_params object
            """,
            answer="other",
        ),
        operation(
            "delete_all",
            "DELETE",
            "/api/v1/actuals",
            required="pipeline_id string",
            optional="from string, to string, with_predictions boolean",
            client_method="delete_actuals",
        ),
    ),
)

ENDPOINT = Resource(
    name="endpoint",
    plural="endpoints",
    what="A stable address before one or more pipelines with the same features.",
    id=IdKind.UUID,
    operations=(
        index(
            "/api/v1/endpoints",
        ),
        show(
            "/api/v1/endpoints",
        ),
        create(
            "/api/v1/endpoints",
            required="pipeline_id string",
            optional="name string",
        ),
        update(
            "/api/v1/endpoints",
            optional="""
                name string
                review_metric string
                roi_filter string
                roi_investment string
                roi_revenue string
                false_positive_cost_amount number
                false_negative_cost_amount number
                regression_cost_over_amount number
                regression_cost_under_amount number
            """,
        ),
        delete(
            "/api/v1/endpoints",
        ),
    ),
    fields=fields(
        """
        id string
        name string?
        project_id integer
        dataset_signature string
        organization_id integer
        primary_pipeline_id string?
        primary_experiment_session_id string?
        avg_prediction_time_ms number?
        created_at string
        updated_at string
        endpoint_pipelines array
        stats object?
        daily_model_performance array?
        daily_feature_distribution array?
        """
    ),
)

ENDPOINT_ACTUAL = Resource(
    name="endpoint_actual",
    plural="endpoint_actuals",
    what="Actual values that are sent to an endpoint.",
    id=IdKind.NONE,
    parent="endpoint",
    object_type=None,
    operations=(
        operation(
            "create",
            "POST",
            "/api/v1/endpoints/{endpoint_id}/actuals",
            optional="""
                prediction_group_id string
                actuals array
                actual_column_names array[string]
                actual_date_column string
                actuals_path string
                actuals_at string
                experiment_params object
            """,
            answer="other",
        ),
        operation(
            "delete_all",
            "DELETE",
            "/api/v1/endpoints/{endpoint_id}/actuals",
            optional="""
                from string
                to string
                with_predictions boolean
                primary_only boolean
            """,
            answer="list",
            client_method="delete_endpoint_actuals",
        ),
    ),
)

ENDPOINT_PIPELINE = Resource(
    name="endpoint_pipeline",
    plural="endpoint_pipelines",
    what="Membership of a pipeline in an endpoint.",
    id=IdKind.INTEGER,
    operations=(
        create(
            "/api/v1/endpoint_pipelines",
            required="endpoint_id string, pipeline_id string",
            optional="active boolean",
        ),
        update(
            "/api/v1/endpoint_pipelines",
            optional="active boolean",
        ),
        delete(
            "/api/v1/endpoint_pipelines",
        ),
    ),
    fields=fields(
        """
        id integer
        endpoint_id string
        pipeline_id string
        active boolean
        created_at string
        updated_at string
        """
    ),
)

ENDPOINT_PREDICTION = Resource(
    name="endpoint_prediction",
    plural="endpoint_predictions",
    what="Predictions through an endpoint; its objects are prediction groups.",
    id=IdKind.UUID,
    parent="endpoint",
    object_type="prediction_group",
    operations=(
        index(
            "/api/v1/endpoints/{endpoint_id}/predictions",
        ),
        show(
            "/api/v1/endpoints/{endpoint_id}/predictions",
        ),
        create(
            "/api/v1/endpoints/{endpoint_id}/predictions",
            optional="""
                records array
                features array[string]
                primary_only boolean
                threshold number
                file_url string
                predicted_at string
                no_features_in_result boolean
                score boolean
                score_true_data any
                predict_labels any
            """,
        ),
    ),
)

ENDPOINT_ROI_VALIDATION = Resource(
    name="endpoint_roi_validation",
    plural="endpoint_roi_validations",
    what="Asks whether expressions of return on investment are valid.",
    id=IdKind.NONE,
    parent="endpoint",
    object_type="cluster_task",
    operations=(
        create(
            "/api/v1/endpoints/{endpoint_id}/roi_validations",
            required="expressions array[string]",
        ),
    ),
    fields=fields(
        """
        id integer
        external_uid string?
        cluster_id integer?
        project_id integer
        queue string?
        status string
        name string
        args array?
        result any?
        exception any?
        """
    ),
)

REVIEW_ALERT = Resource(
    name="review_alert",
    plural="review_alerts",
    what="A rule that watches an endpoint.",
    id=IdKind.INTEGER,
    operations=(
        index(
            "/api/v1/review_alerts",
            filters="endpoint_id string",
        ),
        show(
            "/api/v1/review_alerts",
        ),
        create(
            "/api/v1/review_alerts",
            required="endpoint_id string, kind string",
            optional="""
                threshold number
                sensitivity integer
                actions string
                notifications string
                active boolean
                threshold_policy string
            """,
        ),
        update(
            "/api/v1/review_alerts",
            optional="""
                threshold number
                sensitivity integer
                kind string
                actions string
                notifications string
                active boolean
                threshold_policy string
            """,
        ),
        delete(
            "/api/v1/review_alerts",
        ),
    ),
    fields=fields(
        """
        id integer
        endpoint_id string
        kind string
        threshold number
        sensitivity integer
        actions string
        notifications string
        active boolean
        created_at string
        updated_at string
        """
    ),
)

REVIEW_ALERT_ITEM = Resource(
    name="review_alert_item",
    plural="review_alert_items",
    what="One firing of a review alert, made by the hub only.",
    id=IdKind.INTEGER,
    operations=(
        index(
            "/api/v1/review_alert_items",
            filters="endpoint_id string",
        ),
        show(
            "/api/v1/review_alert_items",
        ),
    ),
    fields=fields(
        """
        id integer
        endpoint_id string
        review_alert_id integer?
        opened_at string
        kind string
        threshold number
        sensitivity integer
        values array
        action_results object?
        notification_results object?
        created_at string
        updated_at string
        """
    ),
)

RESOURCES = (
    ACTUAL,
    ENDPOINT,
    ENDPOINT_ACTUAL,
    ENDPOINT_PIPELINE,
    ENDPOINT_PREDICTION,
    ENDPOINT_ROI_VALIDATION,
    REVIEW_ALERT,
    REVIEW_ALERT_ITEM,
)
