"""Data sets and their files."""

from __future__ import annotations

from mooring.wire.auger.table import IdKind, Resource, StateMachine
from mooring.wire.auger.writing import create, delete, fields, index, operation, show, update

DATASET_MANIFEST = Resource(
    name="dataset_manifest",
    plural="dataset_manifests",
    what="What is known of a data set: statistics, meta-features, place.",
    id=IdKind.STRING,
    operations=(
        index(
            "/api/v1/dataset_manifests",
        ),
        show(
            "/api/v1/dataset_manifests",
        ),
        create(
            "/api/v1/dataset_manifests",
            required="id string|integer, name string, statistics object",
        ),
        update(
            "/api/v1/dataset_manifests",
            optional="dataset_url string, name string, statistics object",
        ),
    ),
    fields=fields(
        """
        id string
        name string
        statistics object
        dataset_url string?
        display_name string
        description string?
        industry string?
        image_url string?
        metafeatures object
        metafeatures_preprocess object?
        correlation_matrix array
        correlation_to_target array
        """
    ),
)

PROJECT_FILE = Resource(
    name="project_file",
    plural="project_files",
    what="A data file that is registered in a project.",
    id=IdKind.INTEGER,
    operations=(
        index(
            "/api/v1/project_files",
            filters="project_id integer, name string",
        ),
        show(
            "/api/v1/project_files",
        ),
        create(
            "/api/v1/project_files",
            required="name string, project_id integer, url string",
            optional="file_name string, description string",
        ),
        delete(
            "/api/v1/project_files",
        ),
    ),
    fields=fields(
        """
        id integer
        project_id integer
        name string
        url string
        content_type string?
        status string
        image_url string?
        industry string?
        description string?
        error_message string?
        created_at string
        updated_at string
        providers array
        providers_data object
        statistics object?
        """
    ),
    states=(
        StateMachine(
            field="status",
            initial="processing",
            transitions={
                "processing": (
                    "processed",
                    "processed_with_error",
                ),
            },
        ),
    ),
)

PROJECT_FILE_URL = Resource(
    name="project_file_url",
    plural="project_file_urls",
    what="Signed links to upload and download files of a project.",
    id=IdKind.NONE,
    object_type=None,
    operations=(
        operation(
            "create",
            "POST",
            "/api/v1/project_file_urls",
            required="project_id integer, file_path string",
            optional="file_size integer, async boolean",
            answer="other",
        ),
        operation(
            "index",
            "GET",
            "/api/v1/project_file_urls",
            required="project_id integer, file_path string",
            answer="other",
        ),
    ),
    fields=fields(
        """
        url string
        fields object
        """
    ),
)

RESOURCES = (
    DATASET_MANIFEST,
    PROJECT_FILE,
    PROJECT_FILE_URL,
)
