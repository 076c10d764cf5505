"""Requests to find hyper-parameters."""

from __future__ import annotations

from mooring.wire.auger.table import IdKind, Resource, StateMachine
from mooring.wire.auger.writing import create, fields, index, show, update

SIMILAR_TRIALS_REQUEST = Resource(
    name="similar_trials_request",
    plural="similar_trials_requests",
    what="Asks for earlier trials of the same algorithm on similar data sets.",
    id=IdKind.INTEGER,
    operations=(
        show(
            "/api/v1/similar_trials_requests",
        ),
        create(
            "/api/v1/similar_trials_requests",
            required="dataset_manifest_id string, algorithm_name string",
            optional="algorithm_params_hash string, limit integer",
        ),
    ),
    fields=fields(
        """
        id integer
        algorithm_name string
        algorithm_params_hash string
        limit integer
        status string
        time_consumed_ms integer?
        trials array
        """
    ),
    states=(
        StateMachine(
            field="status",
            initial="requested",
            transitions={
                "requested": (
                    "done",
                    "error",
                ),
            },
        ),
    ),
)

TRIAL_SEARCH = Resource(
    name="trial_search",
    plural="trial_searches",
    what="A search for hyper-parameters, step by step.",
    id=IdKind.INTEGER,
    operations=(
        index(
            "/api/v1/trial_searches",
        ),
        show(
            "/api/v1/trial_searches",
        ),
        create(
            "/api/v1/trial_searches",
            required="trials_total_count integer, search_space object",
            optional="dataset_metafeatures object, trials_limit integer",
        ),
        update(
            "/api/v1/trial_searches",
            required="trials_history array[object]",
            optional="trials_limit integer",
        ),
    ),
    fields=fields(
        """
        id integer
        status string
        trials_total_count integer
        trials_limit integer
        search_space object
        dataset_metafeatures object
        trials_history array
        next_trials array?
        error_message string?
        """
    ),
    states=(
        StateMachine(
            field="status",
            initial="requested",
            transitions={
                "requested": (
                    "done",
                    "error",
                ),
                "done": ("requested",),
            },
        ),
    ),
)

WARM_START_REQUEST = Resource(
    name="warm_start_request",
    plural="warm_start_requests",
    what="Asks for good first hyper-parameters for a data set.",
    id=IdKind.INTEGER,
    operations=(
        show(
            "/api/v1/warm_start_requests",
        ),
        create(
            "/api/v1/warm_start_requests",
            required="dataset_manifest_id string, score_name string",
            optional="limit integer",
        ),
    ),
    fields=fields(
        """
        id integer
        score_name string
        limit integer
        status string
        time_consumed_ms integer?
        hyperparameters array
        """
    ),
    states=(
        StateMachine(
            field="status",
            initial="requested",
            transitions={
                "requested": (
                    "done",
                    "error",
                ),
            },
        ),
    ),
)

RESOURCES = (
    SIMILAR_TRIALS_REQUEST,
    TRIAL_SEARCH,
    WARM_START_REQUEST,
)
