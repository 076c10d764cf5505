"""Which run to write to: created, forked or resumed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mooring.errors import AlreadyExists, InvalidInput, RunNotFound
from mooring.model import ProjectName, RunInfo, RunSpec, step_to_micros
from mooring.store.contract import RunQuery, Store
from mooring.tracker.names import generate_run_id, generate_track_id

DEFAULT_TABLE = "events"
"""Table of a tracker; `default` is another name of it."""

Resume = bool | Literal["allow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a caller said of the run that is wanted; see `Run` for each of them."""

    project: str
    run_id: str | None = None
    name: str | None = None
    parent: RunInfo | str | None = None
    fork_step: object = None
    inherit_attributes: bool = False
    resume: Resume = False


def open_run(store: Store, request: RunRequest) -> tuple[RunInfo, bool]:
    """Return the run, and whether it was there before."""
    if request.resume not in (True, False, "allow"):
        raise InvalidInput(f"resume is True, False or 'allow', not {request.resume!r}")
    if request.resume is True and request.run_id is None:
        raise InvalidInput("resume=True needs the run_id of the run to go on with")
    if request.resume == "allow":
        store.ensure_project(request.project)
    if request.resume and (found := _find_living(store, request)):
        return found, True
    if request.resume is True:
        raise run_not_found(store, request.project, request.run_id or "")
    try:
        return store.create_run(_specify(store, request)), False
    except AlreadyExists:
        # another process was first, between the search and the creation
        if request.resume and (found := _find_living(store, request)):
            return found, True
        raise


def run_not_found(store: Store, project: str, name: str) -> RunNotFound:
    """Return the error for a run that is not there, with the names that come closest."""
    page = store.query_runs(RunQuery(project=project, trashed=None, limit=1000))
    known = [known for run in page.runs for known in (run.run_id, run.sys_id)]
    return RunNotFound(name, where=f"project {project}", known=known)


def _find_living(store: Store, request: RunRequest) -> RunInfo | None:
    if request.run_id is None:
        return None
    found = store.find_run(request.project, run_id=request.run_id)
    if found is not None and found.trashed:
        raise InvalidInput(
            f"run {request.run_id!r} of {request.project} is in the trash; "
            "restore it first, or choose another run_id"
        )
    return found


def _specify(store: Store, request: RunRequest) -> RunSpec:
    if request.parent is None and request.fork_step is not None:
        raise InvalidInput("fork_step needs the parent that it is a step of")
    parent = request.parent
    if isinstance(parent, str):
        found = store.find_run(request.project, run_id=parent)
        found = found or store.find_run(request.project, sys_id=parent)
        if found is None:
            raise run_not_found(store, request.project, parent)
        parent = found
    return RunSpec(
        project=request.project,
        run_id=generate_run_id() if request.run_id is None else request.run_id,
        name=request.name,
        parent=None if parent is None else parent.key,
        fork_step=None if request.fork_step is None else step_to_micros(request.fork_step),
        inherit_attributes=request.inherit_attributes,
    )


def table_project(table: str) -> str:
    """Return the project that a tracker's table is. `default` is another name of `events`.

    >>> table_project("predictions"), table_project("default"), table_project("team/digits")
    ('local/predictions', 'local/events', 'team/digits')
    """
    return str(ProjectName.parse(DEFAULT_TABLE if table == "default" else table))


def open_tracker_run(store: Store, project: str, track_id: str | None) -> RunInfo:
    """Return the run of this track id, created if it is new; of None a new one."""
    if track_id is not None:
        return open_run(store, RunRequest(project=project, run_id=track_id, resume="allow"))[0]
    while True:
        try:
            request = RunRequest(project=project, run_id=generate_track_id())
            return open_run(store, request)[0]
        except AlreadyExists:  # one in 40 million for each run of the table
            continue
