"""Identifiers of this protocol: of projects and runs, to the store's and back."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from mooring.errors import RunNotFound
from mooring.hub.guarded import GuardedStore
from mooring.model import RunInfo

_PROJECTS = uuid.UUID("6f1c1b59-2f6b-5d1e-9b0e-3d3f9d7f3a01")
_RUNS = 0x6D6F6F72_0000_4000_8000_000000000000
"""The lowest uuid of a run; its key is added to it."""
_MAX_KEY = 1 << 48
CUSTOM = "CUSTOM/"


def project_uuid(name: str) -> str:
    """Return the id of a project, `workspace/name`."""
    return str(uuid.uuid5(_PROJECTS, name))


def workspace_uuid(name: str) -> str:
    """Return the id of a workspace."""
    return str(uuid.uuid5(_PROJECTS, f"{name}/"))


def run_uuid(key: int) -> str:
    """Return the id of a run.

    >>> key_of(run_uuid(17))
    17
    """
    return str(uuid.UUID(int=_RUNS + key))


def key_of(text: str) -> int | None:
    """Return the key of the run that a uuid is the id of, or None."""
    try:
        key = uuid.UUID(text).int - _RUNS
    except ValueError:
        return None
    return key if 0 < key < _MAX_KEY else None


def find_project(names: Iterable[str], identifier: str) -> str:
    """Return a project's name by its id; anything else as it is."""
    if "/" in identifier:
        return identifier
    return next((name for name in names if project_uuid(name) == identifier), identifier)


def find_run(store: GuardedStore, identifier: object) -> RunInfo:
    """Return the run of `ws/name/KEY-n`, `CUSTOM/ws/name/<run id>` or of its uuid.

    Raises
    ------
    RunNotFound, ProjectNotFound
        Also where the user does not see it.
    """
    text = identifier if isinstance(identifier, str) else ""
    key = key_of(text)
    if key is not None:
        return store.get_runs([key])[0]
    found: RunInfo | None = None
    if text.startswith(CUSTOM):
        workspace, _, rest = text.removeprefix(CUSTOM).partition("/")
        name, _, run_id = rest.partition("/")
        if run_id:
            found = store.find_run(f"{workspace}/{name}", run_id=run_id)
    elif text.count("/") >= 2:
        project, _, sys_id = text.rpartition("/")
        found = store.find_run(project, sys_id=sys_id)
    if found is None:
        raise RunNotFound(text[:200])
    return found
