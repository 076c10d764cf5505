"""Who and where: organizations, projects, logging in."""

from __future__ import annotations

from mooring.wire.auger.table import IdKind, Resource, StateMachine
from mooring.wire.auger.writing import create, delete, fields, index, operation, show, update

ORGANIZATION = Resource(
    name="organization",
    plural="organizations",
    what="The tenant that projects belong to: a workspace.",
    id=IdKind.INTEGER,
    operations=(
        index(
            "/api/v1/organizations",
            filters="name string",
        ),
        show(
            "/api/v1/organizations",
        ),
        create(
            "/api/v1/organizations",
            required="name string",
        ),
        update(
            "/api/v1/organizations",
            optional="role_to_assume_arn string, name string",
        ),
        delete(
            "/api/v1/organizations",
        ),
    ),
    fields=fields(
        """
        id integer
        name string
        subdomain string
        main_bucket string
        status string
        state_machine object
        is_demo boolean
        is_jupyter_enabled boolean
        error_message string?
        created_at string
        updated_at string
        cluster_mode string
        subscriptions array
        existing_customer boolean
        included_trial_worker_minutes integer
        monthly_trial_worker_minutes_used integer
        real_time_usage_minutes integer
        included_actual_counts integer?
        monthly_actual_counts_used integer
        """
    ),
    states=(
        StateMachine(
            field="status",
            initial="created",
            transitions={
                "created": (
                    "waiting",
                    "ready",
                    "terminating",
                ),
                "waiting": (
                    "ready",
                    "terminating",
                ),
                "ready": (
                    "waiting",
                    "terminating",
                ),
            },
        ),
    ),
)

PROJECT = Resource(
    name="project",
    plural="projects",
    what="Container of files, experiments and models, whose workers can be started.",
    id=IdKind.INTEGER,
    operations=(
        index(
            "/api/v1/projects",
            filters="organization_id integer, name string",
        ),
        show(
            "/api/v1/projects",
        ),
        create(
            "/api/v1/projects",
            required="name string, organization_id integer",
        ),
        update(
            "/api/v1/projects",
            optional="""
                default_worker_nodes_count integer
                default_kubernetes_stack string
                cluster_autoterminate_minutes integer
                worker_type_id integer
                workers_count integer
                kubernetes_stack string
                name string
            """,
        ),
        delete(
            "/api/v1/projects",
        ),
        operation(
            "deploy",
            "PATCH",
            "/api/v1/projects/{id}/deploy",
            optional="""
                worker_type_id integer
                workers_count integer
                kubernetes_stack string
            """,
        ),
        operation(
            "undeploy",
            "PATCH",
            "/api/v1/projects/{id}/undeploy",
        ),
        operation(
            "logs",
            "GET",
            "/api/v1/projects/{id}/logs",
            answer="text",
            client_method="get_project_logs",
        ),
    ),
    fields=fields(
        """
        id integer
        name string
        url string
        status string
        deleting boolean
        state_machine object
        deploy_progress object
        services_status object
        jobs_status object
        kube_service_port integer?
        organization_id integer
        cluster_id integer?
        created_at string
        updated_at string
        components array
        default_worker_nodes_count integer?
        default_workers_per_node_count integer
        default_instance_type any?
        default_kubernetes_stack string?
        cluster_autoterminate_minutes integer
        default_workers_count integer
        default_worker_type_id integer
        starter_user_id integer?
        workers_count integer
        worker_type_id integer
        will_be_autoterminated_at string?
        search_space object?
        search_space_status string
        kubernetes_stack string
        """
    ),
    states=(
        StateMachine(
            field="status",
            initial="undeployed",
            transitions={
                "undeployed": ("deploying",),
                "deploying": (
                    "deployed",
                    "running",
                    "undeploying",
                ),
                "deployed": (
                    "running",
                    "undeploying",
                ),
                "running": (
                    "scaling",
                    "zero_scaled",
                    "undeploying",
                ),
                "scaling": (
                    "running",
                    "undeploying",
                ),
                "zero_scaled": (
                    "scaling",
                    "running",
                    "undeploying",
                ),
                "undeploying": ("undeployed",),
            },
        ),
    ),
)

TOKEN = Resource(
    name="token",
    plural="tokens",
    what="A login by email address and password.",
    id=IdKind.NONE,
    object_type=None,
    operations=(
        operation(
            "create",
            "POST",
            "/api/v1/tokens",
            required="email string, password string",
            answer="other",
        ),
    ),
    fields=fields(
        """
        token string
        confirmation_required boolean
        """
    ),
)

RESOURCES = (
    ORGANIZATION,
    PROJECT,
    TOKEN,
)
