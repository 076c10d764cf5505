"""What writers send: the creation of runs, and updates of them.

A request is applied before it is answered. Its id tells what became of it, so that nothing has to
be kept for the question that follows. Operations that cannot be taken are told in that status:
clients repeat a request that is refused for ever.

A request that comes again is known by its content, for an hour at least. What was found wrong with
it is kept with it, so that the second answer is the first one. Later, points that are there are
told as duplicates, and values and members of sets are set once more.

What a SIGKILL leaves behind: a run that is whole, or none; when its creation comes again it is told
as a duplicate. Of an update all of its operations with what was found wrong, or none: they are one
transaction. Before it stands at most what `file_refs.expect` entered. After it, content that came
earlier may not be given to its files yet: the update that comes again does that.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Sequence

from starlette.routing import BaseRoute

from mooring.errors import (
    AccessDenied,
    AlreadyExists,
    AttributeNotFound,
    InvalidInput,
    InvalidName,
    InvalidPath,
    InvalidStep,
    MooringError,
    ProjectNotFound,
    TypeConflict,
)
from mooring.hub.accounts import Role
from mooring.hub.doors.neptune3.door import PROTOBUF, Answer, Asked, Door
from mooring.hub.doors.neptune3.file_refs import expect, settle
from mooring.hub.doors.neptune3.written import RunStates
from mooring.hub.guarded import GuardedStore
from mooring.model import (
    MAX_TIME,
    MIN_TIME,
    ProjectName,
    RunInfo,
    RunSpec,
    now_micros,
    validate_run_id,
)
from mooring.store.appending import Assign, Refused
from mooring.wire.neptune3.ingest import CreateRun, Update, WireFile
from mooring.wire.neptune3.points import Layouts
from mooring.wire.neptune3.requests import (
    Code,
    Operation,
    Verdict,
    decode_operation,
    decode_request_ids,
    decode_verdict,
    encode_statuses,
    encode_submitted,
    encode_verdict,
    make_request_id,
    verdict_of,
)


def routes(door: Door) -> list[BaseRoute]:
    """Return the routes of writers."""
    ingest = Ingest(door)
    return [
        door.route("/api/client/v1/ingest", ingest.submit),
        door.route("/api/client/v1/ingest/check", ingest.check),
    ]


class Ingest:
    """Takes operations, and tells what became of them."""

    def __init__(self, door: Door) -> None:
        self._states = RunStates(door.hub.settings.data)
        self._local = threading.local()

    def submit(self, asked: Asked) -> Answer:
        """Apply a request; its answer says that it is on the disk."""
        operation = decode_operation(asked.body, self._layouts())
        digest = hashlib.blake2b(asked.body, digest_size=16).hexdigest()
        verdict = self._apply(asked.store, operation, digest)
        return Answer(encode_submitted(make_request_id(digest, verdict)), media_type=PROTOBUF)

    def check(self, asked: Asked) -> Answer:
        """Tell what became of requests, in the order of their ids."""
        ids = decode_request_ids(asked.body)
        return Answer(encode_statuses(map(verdict_of, ids)), media_type=PROTOBUF)

    def _layouts(self) -> Layouts:
        found = getattr(self._local, "layouts", None)
        if not isinstance(found, Layouts):
            found = self._local.layouts = Layouts()
        return found

    def _apply(self, store: GuardedStore, operation: Operation, digest: str) -> Verdict:
        try:
            project = str(ProjectName.parse(operation.project))
        except InvalidName:
            return Counter({Code.PROJECT_INVALID_NAME: 1})
        if operation.create is not None:
            return self._create(store, project, operation.run_id, operation.create, digest)
        try:
            store.need_project(project, Role.CONTRIBUTOR)
            run = store.find_run(project, run_id=operation.run_id)
        except ProjectNotFound:
            return Counter({Code.PROJECT_NOT_FOUND: max(1, len(operation.updates))})
        if run is None:
            return Counter({Code.RUN_NOT_FOUND: max(1, len(operation.updates))})
        return self._update(store, run, operation, digest)

    # creation

    def _create(
        self, store: GuardedStore, project: str, run_id: str, create: CreateRun, digest: str
    ) -> Verdict:
        invalid = Counter({Code.RUN_INVALID_CREATION_PARAMETERS: 1})
        if project in store.list_projects():
            store.need_project(project, Role.CONTRIBUTOR)
        try:
            validate_run_id(run_id)
        except InvalidName:
            return invalid
        if "/" in run_id or (create.parent is not None and create.parent == run_id):
            return invalid
        found = _find(store, project, run_id)
        if found is not None:
            return self._create_again(store, found, create, digest)
        parent = None
        if create.parent is not None:
            parent = _find(store, create.parent_project or project, create.parent)
        created = now_micros() if create.created is None else create.created
        try:
            store.create_run(
                RunSpec(
                    project=project,
                    run_id=run_id,
                    name=create.experiment,
                    parent=None if parent is None else parent.key,
                    fork_step=None if parent is None else create.fork_step,
                    inherit_attributes=create.inherit_configs,
                    inherit_tags=True,
                    created=min(max(created, MIN_TIME), MAX_TIME),
                )
            )
        except AlreadyExists:
            found = _find(store, project, run_id)
            if found is None:
                raise
            return self._create_again(store, found, create, digest)
        except AccessDenied:
            if project in store.list_projects():
                raise
            return Counter({Code.PROJECT_NOT_FOUND: 1})
        except InvalidInput:
            return invalid
        missing = create.parent is not None and parent is None
        return Counter({Code.RUN_FORK_PARENT_NOT_FOUND if missing else Code.OK: 1})

    def _create_again(
        self, store: GuardedStore, run: RunInfo, create: CreateRun, digest: str
    ) -> Verdict:
        """Compare a creation with the run that is there; clients send one whenever they resume."""
        store.need_runs([run.key], Role.CONTRIBUTOR)
        if create.parent is not None:
            parent = _find(store, create.parent_project or run.project, create.parent)
            same = (None if parent is None else parent.key) == run.parent
            if not same or (
                run.parent is not None and create.fork_step not in (None, run.fork_step)
            ):
                return Counter({Code.RUN_CONFLICTING: 1})
        if create.experiment:
            self._enter_experiment(store, run, create.experiment, digest)
        return Counter({Code.RUN_DUPLICATE: 1})

    @staticmethod
    def _enter_experiment(store: GuardedStore, run: RunInfo, name: str, digest: str) -> None:
        try:
            _, current = store.get_value(run.key, "sys/name")
        except AttributeNotFound:
            current = None
        if current != name:
            store.append_once(run.key, f"n3-{digest}", [Assign({"sys/name": name})])

    # updates

    def _update(
        self, store: GuardedStore, run: RunInfo, operation: Operation, digest: str
    ) -> Verdict:
        name = f"n3-{digest}"
        uploads = _uploads(operation)
        with self._states.of(store, run) as state:
            receipt = store.find_receipt(run.key, name)
            if receipt is not None:
                settle(store, run, uploads)
                return _told(receipt.refused, Counter({Code.OK: max(1, len(operation.updates))}))
            try:
                plan = state.plan(operation.updates)
                if any(code is not Code.OK for code in +plan.verdict):
                    plan.updates.insert(0, Refused(InvalidInput(encode_verdict(+plan.verdict))))
                if not plan.updates:
                    return +plan.verdict
                expect(store, run, plan.awaited)
                receipt = store.append_once(run.key, name, plan.updates)
            except BaseException:
                state.forget()  # it has learned what the store does not have
                raise
            if any(decode_verdict(str(error)) == {} for _, error in receipt.refused):
                state.forget()
            else:
                state.keep(store)
            settle(store, run, uploads)
            return _told(receipt.refused, plan.verdict)


def _uploads(operation: Operation) -> set[str]:
    """Return the paths of the uploads that an operation tells of."""
    return {
        value.path
        for update in operation.updates
        if isinstance(update, Update)
        for values in (update.assign, update.append)
        for value in values.values()
        if isinstance(value, WireFile)
    }


def _find(store: GuardedStore, project: str, run_id: str) -> RunInfo | None:
    try:
        return store.find_run(project, run_id=run_id)
    except (ProjectNotFound, InvalidName):
        return None


def _told(refused: Sequence[tuple[int, MooringError]], verdict: Verdict) -> Verdict:
    """Return a verdict with what the store refused; the first refusal is what was found before."""
    told: Verdict = Counter(verdict)
    for number, error in refused:
        before = decode_verdict(str(error)) if number == 1 else {}
        if before:
            told = Counter(before)
        else:
            told[_code(error)] += 1
            told[Code.OK] = max(0, told[Code.OK] - 1)
    return +told


def _code(error: MooringError) -> Code:
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return Code.INTERNAL


_CODES: tuple[tuple[type[MooringError], Code], ...] = (
    (TypeConflict, Code.FIELD_TYPE_CONFLICTING),
    (InvalidPath, Code.FIELD_PATH_INVALID),
    (InvalidStep, Code.SERIES_STEP_INVALID),
    (InvalidInput, Code.FIELD_TYPE_UNSUPPORTED),
)
