"""What agents of a cluster report, and the light question for a status."""

from __future__ import annotations

from mooring.wire.auger.table import IdKind, Resource, StateMachine
from mooring.wire.auger.writing import create, delete, fields, index, operation, show, update

_REPORTED = "For an agent that reports what it sees; hubs of Mooring alone have it."

CLUSTER = Resource(
    name="cluster",
    plural="clusters",
    what="A cluster of machines, which current clients do not have any more.",
    id=IdKind.INTEGER,
    client=False,
    operations=(
        index(
            "/api/v1/clusters",
            filters="organization_id integer",
        ),
        show(
            "/api/v1/clusters",
        ),
        create(
            "/api/v1/clusters",
            required="organization_id integer, project_id integer",
            optional="""
                name string
                instance_type string
                worker_nodes_count integer
                workers_per_node_count integer
                kubernetes_stack string
                docker_image_tag string
                autoterminate_minutes integer
            """,
        ),
        delete(
            "/api/v1/clusters",
        ),
    ),
    fields=fields(
        """
        id integer
        name string
        status string
        error_message string?
        organization_id integer
        created_by object
        worker_nodes_count integer
        workers_per_node_count integer
        total_memory_mb integer
        instance_type object
        uptime_seconds integer
        seconds_since_created integer
        ip_address string?
        file_uploader_service object
        components array
        docker_image_tag string
        created_at string
        updated_at string
        platform string
        project_name string?
        autoterminate_minutes integer
        state_machine object
        """
    ),
    states=(
        StateMachine(
            field="status",
            initial="waiting",
            transitions={
                "waiting": (
                    "provisioning",
                    "terminating",
                    "error",
                ),
                "provisioning": (
                    "bootstrapping",
                    "terminating",
                    "error",
                ),
                "bootstrapping": (
                    "running",
                    "terminating",
                    "error",
                ),
                "running": (
                    "terminating",
                    "error",
                ),
                "error": ("terminating",),
                "terminating": (
                    "terminated",
                    "error",
                ),
            },
        ),
    ),
)

CLUSTER_STATUS = Resource(
    name="cluster_status",
    plural="cluster_statuses",
    what="Samples of the load of a cluster.",
    id=IdKind.INTEGER,
    operations=(
        index(
            "/api/v1/cluster_statuses",
            filters="cluster_id integer",
        ),
        create(
            "/api/v1/cluster_statuses",
            required="cluster_id integer, cpu integer, memory integer",
            optional="""
                cpu_status string
                memory_status string
                slave_data object
                pods_data array
                project_id integer
            """,
            note=_REPORTED,
        ),
    ),
    fields=fields(
        """
        id integer
        cluster_id integer
        cpu integer
        cpu_status string
        memory integer
        memory_status string
        created_at string
        slave_data object
        pods_data array
        """
    ),
)

CLUSTER_TASK = Resource(
    name="cluster_task",
    plural="cluster_tasks",
    what="A unit of work for an agent; also the answer to what is done in the background.",
    id=IdKind.INTEGER,
    operations=(
        index(
            "/api/v1/cluster_tasks",
            filters="project_id integer",
        ),
        show(
            "/api/v1/cluster_tasks",
        ),
        create(
            "/api/v1/cluster_tasks",
            required="name string",
            optional="""
                queue string?
                args array?
                args_encoded string
                project_id integer
            """,
        ),
        update(
            "/api/v1/cluster_tasks",
            optional="status string, result any, traceback string",
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
    states=(
        StateMachine(
            field="status",
            initial="pending",
            transitions={
                "pending": (
                    "received",
                    "started",
                    "success",
                    "failure",
                ),
                "received": (
                    "started",
                    "success",
                    "failure",
                ),
                "started": (
                    "retry",
                    "success",
                    "failure",
                ),
                "retry": (
                    "received",
                    "started",
                    "success",
                    "failure",
                ),
            },
        ),
    ),
)

INSTANCE_TYPE = Resource(
    name="instance_type",
    plural="instance_types",
    what="Kinds of machines on offer.",
    id=IdKind.STRING,
    operations=(
        index(
            "/api/v1/instance_types",
        ),
        create(
            "/api/v1/instance_types",
            required="id string, description string",
            note=_REPORTED,
        ),
    ),
    fields=fields(
        """
        id string
        description string
        """
    ),
)

POD_LOG = Resource(
    name="pod_log",
    plural="pod_logs",
    what="Lines that the workers of a project logged.",
    id=IdKind.INTEGER,
    operations=(
        index(
            "/api/v1/pod_logs",
            filters="project_id integer",
        ),
        create(
            "/api/v1/pod_logs",
            required="pod_name string, data string",
            optional="timestamp string, project_id integer",
            note=_REPORTED,
        ),
    ),
    fields=fields(
        """
        id integer
        timestamp string
        pod_name string
        project_id integer
        data string
        """
    ),
)

STATUS = Resource(
    name="status",
    plural="status",
    what="The status of one object, and nothing else.",
    id=IdKind.NONE,
    object_type=None,
    operations=(
        operation(
            "show",
            "GET",
            "/api/v1/status",
            required="object string, id integer|string",
            answer="other",
        ),
    ),
    fields=fields(
        """
        status string
        """
    ),
)

RESOURCES = (
    CLUSTER,
    CLUSTER_STATUS,
    CLUSTER_TASK,
    INSTANCE_TYPE,
    POD_LOG,
    STATUS,
)
