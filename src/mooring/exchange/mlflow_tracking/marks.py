"""Tags and artifacts that tell of a run in MLflow where it is from, and MLflow's own tags."""

from __future__ import annotations

from hashlib import sha256

# Tags of a run that a load made. `SOURCE` is a digest, so that no name from outside gets into the
# text of a search.
SOURCE = "mooring.source"
PROJECT = "mooring.project"
RUN_ID = "mooring.run_id"
SYS_ID = "mooring.sys_id"
NAME = "mooring.name"
KIND = "mooring.kind"
CONTENT = "mooring.content"
COMPLETE = "mooring.complete"
PARENT = "mooring.parent"
FORK_STEP = "mooring.fork_step"
MULTIPLIER = "mooring.step_multiplier"
ATTRIBUTES = "mooring.attributes"

ATTRIBUTES_FILE = "mooring/attributes.json"
"""Artifact that holds what the tag `ATTRIBUTES` would, where that is too long."""

CREATED = "mooring.created"
"""Microseconds since 1970; MLflow's own start of a run is in milliseconds."""

NOTE = "mlflow.note.content"
USER = "mlflow.user"
PARENT_RUN = "mlflow.parentRunId"
RUN_NAME = "mlflow.runName"


def source_mark(project: str, run_id: str) -> str:
    """Return the digest that a run of a project is found by.

    >>> source_mark("team/digits", "run-1")
    'a3210de8abc0b250e2353cea5c35a360'
    """
    return sha256(f"{len(project)}:{project}{run_id}".encode()).hexdigest()[:32]
