"""Experiments, their sessions, and trials."""

from __future__ import annotations

from mooring.wire.auger.table import IdKind, Resource, StateMachine
from mooring.wire.auger.writing import create, delete, fields, index, operation, show, update

EXPERIMENT = Resource(
    name="experiment",
    plural="experiments",
    what="A named series of sessions over one data set.",
    id=IdKind.STRING,
    operations=(
        index(
            "/api/v1/experiments",
            filters="project_id integer, name string",
        ),
        show(
            "/api/v1/experiments",
        ),
        create(
            "/api/v1/experiments",
            required="name string",
            optional="""
                id string
                dataset_manifest_id string
                project_id integer
                data_path string
                project_file_id integer
            """,
        ),
        update(
            "/api/v1/experiments",
            optional="name string, notes string",
        ),
        delete(
            "/api/v1/experiments",
        ),
    ),
    fields=fields(
        """
        id string
        name string
        project_id integer
        project_file_id integer
        data_path_url string
        search_space object|string?
        search_space_status string
        created_at string
        updated_at string
        dataset_manifest object
        last_experiment_session_id string?
        last_experiment_session_status string?
        notes string?
        last_experiment_session_created_at string?
        """
    ),
)

EXPERIMENT_SESSION = Resource(
    name="experiment_session",
    plural="experiment_sessions",
    what="One run of an experiment: settings, status, trials.",
    id=IdKind.STRING,
    operations=(
        index(
            "/api/v1/experiment_sessions",
            filters="project_id integer, experiment_id string",
        ),
        show(
            "/api/v1/experiment_sessions",
        ),
        create(
            "/api/v1/experiment_sessions",
            required="experiment_id string",
            optional="""
                id string
                dataset_manifest_id string
                status string
                leaderbord object
                model_settings object
                message string
                project_id integer
                dataset_statistics object
                model_type string
            """,
        ),
        update(
            "/api/v1/experiment_sessions",
            optional="""
                status string
                model_settings object
                model_type string
                message string
                dataset_statistics object
            """,
        ),
    ),
    fields=fields(
        """
        id string
        number integer
        model_type string?
        top_score_value number?
        starter_user_id integer
        project_id integer
        project_file_id integer
        experiment_id string
        dataset_manifest_id string
        status string
        message string?
        model_settings object
        search_space any?
        created_at string
        updated_at string
        dataset_statistics object?
        providers array
        providers_data object
        notebook_uid string
        pipelines array
        statistics object
        correlation_to_target array?
        correlation_to_target_status string
        correlation_matrix array?
        correlation_matrix_status string
        datasource_name string
        """
    ),
    states=(
        StateMachine(
            field="status",
            initial="waiting",
            transitions={
                "waiting": (
                    "preprocess",
                    "started",
                    "interrupted",
                    "error",
                ),
                "preprocess": (
                    "started",
                    "completed",
                    "interrupted",
                    "error",
                ),
                "started": (
                    "completed",
                    "interrupted",
                    "error",
                ),
            },
        ),
    ),
)

HYPERPARAMETER = Resource(
    name="hyperparameter",
    plural="hyperparameters",
    what="Parameters of an algorithm, which trials share.",
    id=IdKind.INTEGER,
    operations=(
        index(
            "/api/v1/hyperparameters",
        ),
        show(
            "/api/v1/hyperparameters",
        ),
        create(
            "/api/v1/hyperparameters",
            required="algorithm_name string, algorithm_params object",
            optional="algorithm_params_hash string",
        ),
    ),
    fields=fields(
        """
        id integer
        algorithm_name string
        algorithm_params object
        algorithm_params_hash string?
        """
    ),
)

TRIAL = Resource(
    name="trial",
    plural="trials",
    what="One evaluated candidate of a session: an algorithm with its parameters.",
    id=IdKind.STRING,
    operations=(
        index(
            "/api/v1/trials",
            filters="experiment_session_id string",
        ),
        show(
            "/api/v1/trials",
            optional="experiment_session_id string",
        ),
        create(
            "/api/v1/trials",
            required="id string, refit_data_path string",
        ),
        update(
            "/api/v1/trials",
            optional="""
                task_type string
                evaluation_type string
                score_name string
                score_value number
                hyperparameter object
            """,
        ),
        operation(
            "update_many",
            "PATCH",
            "/api/v1/trials",
            required="experiment_session_id string, trials array[object]",
            answer="list",
            client_method="update_trials",
        ),
    ),
    fields=fields(
        """
        id integer|string
        experiment_session_id string
        hyperparameter object
        score_name string
        score_value number?
        task_type string
        raw_data object
        created_at string
        updated_at string
        metrics object?
        metrics_status string
        project_id integer
        pdf_data any?
        pdf_data_status string
        trial_metrics_count integer
        provider string
        dataset_manifest_id integer|string
        project_run_id integer|string
        evaluation_type string
        """
    ),
)

RESOURCES = (
    EXPERIMENT,
    EXPERIMENT_SESSION,
    HYPERPARAMETER,
    TRIAL,
)
