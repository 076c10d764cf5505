"""The store as one user may see and change it.

What a user may not see does not exist for them: it is not found, not listed, and suggested to
nobody. What they see and may not change is `AccessDenied`. Every door uses this and nothing else.
"""

from __future__ import annotations

import fcntl
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from mooring.errors import (
    AccessDenied,
    InvalidInput,
    NotFound,
    ProjectNotFound,
    RunNotFound,
    SegmentMissing,
)
from mooring.hub.accounts import Accounts, Principal, Role
from mooring.hub.guarded_import import GuardedImport, digest_of
from mooring.model import AttributeType, ProjectName, RunInfo, RunSpec, SeriesStats
from mooring.query import Field
from mooring.store.appending import Assign, LogPoints, LogRows, Receipt, Update
from mooring.store.blobs import file_error
from mooring.store.contract import (
    AttributeColumn,
    CompactionReport,
    EventTable,
    PathSelector,
    RunPage,
    RunQuery,
    SeriesQuery,
    StoreCheck,
    TableColumn,
)
from mooring.store.summaries import StatsColumn
from mooring.store.transfer import RunImport
from mooring.store.uploads import AwaitedFile, Upload
from mooring.store.usage import DiskUsage, UsageBy

if TYPE_CHECKING:
    import pyarrow as pa

    from mooring.store.sqlite.store import SqliteStore

_Result = TypeVar("_Result")

_MAX_KNOWN = 200_000
_MAX_LEASE_S = 600.0


class RunProjects:
    """Which project a run belongs to, remembered: that never changes."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._known: OrderedDict[int, str] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, keys: Sequence[int]) -> list[str]:
        """Return the project of each run; `RunNotFound` for one that the store never had."""
        with self._lock:
            missing = [key for key in dict.fromkeys(keys) if key not in self._known]
        if missing:
            found = self._store.get_runs(missing)
            with self._lock:
                self._known.update({run.key: run.project for run in found})
                while len(self._known) > _MAX_KNOWN:
                    self._known.popitem(last=False)
        with self._lock:
            known = [self._known.get(key) for key in keys]
        if None in known:  # more runs in one question than are remembered
            return [run.project for run in self._store.get_runs(keys)]
        return [project for project in known if project is not None]


class GuardedStore:
    """The `Store` of one user: its law, less what the user may not see or do.

    Cheap to make: one for each request. Thread safety: any thread may call.
    """

    def __init__(
        self,
        store: SqliteStore,
        accounts: Accounts,
        principal: Principal,
        projects: RunProjects | None = None,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self.principal = principal
        self._projects = projects or RunProjects(store)
        self._roles: dict[str, Role | None] = {}

    def __repr__(self) -> str:
        return f"GuardedStore({self.address!r}, user={self.principal.name!r})"

    @property
    def address(self) -> str:
        """Where the store is."""
        return self._store.address

    @property
    def read_only(self) -> bool:
        """Whether writes are refused."""
        return self._store.read_only

    # who may what

    def role_in(self, project: str) -> Role | None:
        """Return the user's role in a project; None: it does not exist for them."""
        if project not in self._roles:
            self._roles[project] = self._accounts.role_of(self.principal, project)
        return self._roles[project]

    def need_project(self, name: str, role: Role = Role.VIEWER) -> str:
        """Return a project's full name, if the user has this role in it.

        Raises
        ------
        ProjectNotFound
            When it does not exist, or not for this user.
        AccessDenied
            When the user sees it, with a lesser role.
        """
        full = str(ProjectName.parse(name))
        held = self.role_in(full)
        known = self._store.list_projects()
        if held is None or full not in known:
            raise ProjectNotFound(full, known=self._accounts.visible(self.principal, known))
        self._check_role(full, held, role)
        return full

    def need_runs(self, keys: Iterable[int], role: Role = Role.VIEWER) -> list[int]:
        """Return the keys of runs, if the user has this role in the project of each."""
        wanted = list(keys)
        if not wanted:
            return wanted
        for key, project in zip(wanted, self._find_projects(wanted), strict=True):
            held = self.role_in(project)
            if held is None:
                raise _no_run(key)
            self._check_role(project, held, role)
        return wanted

    def _find_projects(self, keys: Sequence[int]) -> list[str]:
        for key in keys:
            if not -(2**63) <= key < 2**63:
                raise _no_run(key)
        try:
            return self._projects.find(keys)
        except RunNotFound as error:
            raise RunNotFound(error.name) from None

    def _check_role(self, project: str, held: Role, needed: Role) -> None:
        if not held.covers(needed):
            raise AccessDenied(
                f"{self.principal.name} is {held} of {project}; this needs the role {needed}",
                status=403,
            )

    def need_admin(self, what: str) -> None:
        """Raise `AccessDenied` unless the user administers this hub."""
        if not self.principal.admin:
            raise AccessDenied(f"{what} is for administrators of this hub", status=403)

    def _visible(self) -> tuple[str, ...] | None:
        """Return the projects that the user sees; None for all."""
        if self.principal.admin:
            return None
        return tuple(self._accounts.visible(self.principal, self._store.list_projects()))

    def _seen_of(self, asked: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Return those of the projects asked for (None: of all) that the user sees."""
        visible = self._visible()
        if asked is None or visible is None:
            return visible if asked is None else asked
        return tuple(name for name in asked if name in set(visible))

    # projects

    def create_project(self, name: str) -> str:
        """Create a project, whose owner is the user. See `Store.create_project`."""
        full = str(ProjectName.parse(name))
        return self._enter(full, Role.VIEWER, lambda: self._store.create_project(full))

    def ensure_project(self, name: str) -> str:
        """Return a project, created when it is missing. See `Store.ensure_project`."""
        full = str(ProjectName.parse(name))
        return self._enter(full, Role.VIEWER, lambda: self._store.ensure_project(full))

    def _enter(self, project: str, role: Role, create: Callable[[], _Result]) -> _Result:
        """Do what creates a project when it is missing; the user owns it then.

        Where it is there, the user needs the role in it. They become its owner before it is made:
        what a kill leaves behind is an owner of what is not there, which is forgotten when
        somebody creates it.
        """
        if self._need_entrance(project, role):
            return create()
        with self._alone():
            if project not in self._store.list_projects():
                self._accounts.reserve_workspaces([project])
                self._accounts.forget_project(project)
                self._accounts.grant(project, self.principal.name, Role.OWNER)
                self._roles.pop(project, None)
                try:
                    return create()
                except BaseException:
                    if project not in self._store.list_projects():
                        self._accounts.forget_project(project)
                    self._roles.pop(project, None)
                    raise
        # Somebody else was faster: it is theirs.
        self._roles.pop(project, None)
        self._need_entrance(project, role)
        return create()

    def _need_entrance(self, project: str, role: Role) -> bool:
        """Return whether a project is there, where the user has the role; else they may create it.

        Who may do neither is answered the same whether it is there or not.
        """
        parsed = ProjectName.parse(project)
        there = project in self._store.list_projects()
        if there and self.role_in(project) is not None:
            self.need_project(project, role)
            return True
        if not self._accounts.may_create_in(self.principal, parsed.workspace):
            raise AccessDenied(
                f"{self.principal.name} may not create projects in the workspace "
                f"{parsed.workspace!r}: ask one of its owners, or create it as "
                f"{self.principal.name}/{parsed.name}",
                status=403,
            )
        if there:
            self.need_project(project, role)
        return there

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other threads and processes from creating or deleting projects meanwhile."""
        path = Path(f"{self._store.path}-data") / "projects.lock"
        try:
            file = path.open("ab")
        except OSError as error:
            raise file_error(error, path) from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def list_projects(self) -> Sequence[str]:
        """Return the projects that the user sees. See `Store.list_projects`."""
        return self._accounts.visible(self.principal, self._store.list_projects())

    def delete_project(self, name: str) -> None:
        """Delete a project with its runs. See `Store.delete_project`."""
        full = self.need_project(name, Role.OWNER)
        with self._alone():
            self._store.delete_project(full)
            self._accounts.forget_project(full)

    # runs

    def create_run(self, spec: RunSpec) -> RunInfo:
        """Create a run. See `Store.create_run`."""
        checked = self._checked_spec(spec)
        return self._enter(
            checked.project, Role.CONTRIBUTOR, lambda: self._store.create_run(checked)
        )

    def _checked_spec(self, spec: RunSpec) -> RunSpec:
        if spec.parent is not None:
            self.need_runs([spec.parent])
        return replace(
            spec,
            project=str(ProjectName.parse(spec.project)),
            owner=spec.owner or self.principal.name,
        )

    def find_run(
        self, project: str, *, run_id: str | None = None, sys_id: str | None = None
    ) -> RunInfo | None:
        """Return a run, or None. See `Store.find_run`."""
        full = str(ProjectName.parse(project))
        if self.role_in(full) is None:
            return None
        return self._store.find_run(full, run_id=run_id, sys_id=sys_id)

    def get_runs(self, keys: Sequence[int]) -> Sequence[RunInfo]:
        """Return runs by key. See `Store.get_runs`."""
        wanted = self.need_runs(keys)
        try:
            return self._store.get_runs(wanted)
        except RunNotFound as error:
            raise RunNotFound(error.name) from None

    def query_runs(self, query: RunQuery) -> RunPage:
        """Return the runs that a query selects. See `Store.query_runs`."""
        if query.project is not None:
            return self._store.query_runs(replace(query, project=self.need_project(query.project)))
        return self._store.query_runs(replace(query, projects=self._seen_of(query.projects)))

    def trash_runs(self, keys: Sequence[int]) -> None:
        """Mark runs as trashed. See `Store.trash_runs`."""
        self._store.trash_runs(self.need_runs(keys, Role.CONTRIBUTOR))

    def restore_runs(self, keys: Sequence[int]) -> None:
        """Take runs out of the trash. See `Store.restore_runs`."""
        self._store.restore_runs(self.need_runs(keys, Role.CONTRIBUTOR))

    def delete_runs(self, keys: Sequence[int]) -> None:
        """Delete runs for good. See `Store.delete_runs`."""
        self._store.delete_runs(self.need_runs(keys, Role.OWNER))

    # writing

    def append_batch(self, key: int, writer: str, first: int, updates: Sequence[Update]) -> Receipt:
        """Apply numbered updates. See `AppendsBatches.append_batch`."""
        self.need_runs([key], Role.CONTRIBUTOR)
        for digest in _digests(updates):
            self.need_blob(digest)
        return self._store.append_batch(key, writer, first, updates)

    def append_once(self, key: int, name: str, updates: Sequence[Update]) -> Receipt:
        """Apply a batch once. See `TakesRequests.append_once`."""
        self.need_runs([key], Role.CONTRIBUTOR)
        for digest in _digests(updates):
            self.need_blob(digest)
        return self._store.append_once(key, name, updates)

    def find_receipt(self, key: int, name: str) -> Receipt | None:
        """Return what became of a batch. See `TakesRequests.find_receipt`."""
        self.need_runs([key], Role.CONTRIBUTOR)
        return self._store.find_receipt(key, name)

    def last_applied(self, key: int, writer: str) -> int:
        """Return a writer's last number. See `AppendsBatches.last_applied`."""
        self.need_runs([key], Role.CONTRIBUTOR)
        return self._store.last_applied(key, writer)

    def hold_run(self, key: int, writer: str, *, seconds: float) -> None:
        """Keep a run active. See `AppendsBatches.hold_run`."""
        if not 0 < seconds <= _MAX_LEASE_S:
            raise InvalidInput(f"a run is held for up to {_MAX_LEASE_S:g} seconds, not {seconds:g}")
        self.need_runs([key], Role.CONTRIBUTOR)
        self._store.hold_run(key, writer, seconds=seconds)

    def release_run(self, key: int, writer: str) -> None:
        """End a hold. See `AppendsBatches.release_run`."""
        self.need_runs([key], Role.CONTRIBUTOR)
        self._store.release_run(key, writer)

    def attribute_types(self, key: int) -> Mapping[str, AttributeType]:
        """Return the types of a run's attributes. See `AppendsBatches.attribute_types`."""
        self.need_runs([key])
        return self._store.attribute_types(key)

    def series_ends(self, key: int) -> Mapping[str, tuple[int, float]]:
        """Return last step and value of a run's series. See `TakesRequests.series_ends`."""
        self.need_runs([key])
        return self._store.series_ends(key)

    def mark_changes(self) -> tuple[int, int]:
        """Return how far the store is. See `TakesRequests.mark_changes`."""
        return self._store.mark_changes()

    def changed_since(self, key: int, mark: tuple[int, int]) -> bool:
        """Return whether a run may have changed. See `TakesRequests.changed_since`."""
        self.need_runs([key])
        return self._store.changed_since(key, mark)

    def write_table_once(self, key: int, table: pa.Table, *, request: str) -> int:
        """Append points of many series. See `AppendsBatches.write_table_once`."""
        self.need_runs([key], Role.CONTRIBUTOR)
        return self._store.write_table_once(key, table, request=request)

    def set_events_once(
        self,
        key: int,
        path: str,
        value: object,
        *,
        where: tuple[str, object] | None = None,
        request: str,
    ) -> int:
        """Set a cell in logged rows. See `AppendsBatches.set_events_once`."""
        self.need_runs([key], Role.CONTRIBUTOR)
        digest = digest_of(value)
        if digest is not None:
            self.need_blob(digest)
        return self._store.set_events_once(key, path, value, where=where, request=request)

    def import_run(self, spec: RunSpec, *, request: str | None = None) -> RunImport:
        """Begin to import a run. See `TransfersRuns.import_run`."""
        checked = self._checked_spec(spec)
        self._need_entrance(checked.project, Role.CONTRIBUTOR)
        return GuardedImport(
            self._store.import_run(checked, request=request),
            need_blob=self.need_blob,
            enter=lambda commit: self._enter(checked.project, Role.CONTRIBUTOR, commit),
        )

    # runs as a whole

    def count_points(self, key: int) -> Sequence[tuple[str, AttributeType, int]]:
        """Return a run's own series. See `TransfersRuns.count_points`."""
        return self._store.count_points(self.need_runs([key])[0])

    def read_rows(self, key: int) -> pa.Table | None:
        """Return the rows of a table that a run logged. See `TransfersRuns.read_rows`."""
        return self._store.read_rows(self.need_runs([key])[0])

    def read_previews(self, key: int) -> pa.Table | None:
        """Return the provisional points of a run. See `TransfersRuns.read_previews`."""
        return self._store.read_previews(self.need_runs([key])[0])

    def list_not_inherited(self, key: int) -> Sequence[str]:
        """Return what a fork deleted. See `TransfersRuns.list_not_inherited`."""
        return self._store.list_not_inherited(self.need_runs([key])[0])

    # reading

    def list_attributes(
        self,
        keys: Sequence[int] | None,
        select: PathSelector,
        *,
        project: str | None = None,
        projects: tuple[str, ...] | None = None,
    ) -> Sequence[tuple[str, AttributeType]]:
        """Return distinct paths and types. See `Store.list_attributes`."""
        if keys is not None:
            return self._store.list_attributes(self.need_runs(keys), select)
        if project is not None:
            full = self.need_project(project)
            return self._store.list_attributes(None, select, project=full)
        return self._store.list_attributes(None, select, projects=self._seen_of(projects))

    def read_attributes(
        self, keys: Sequence[int], select: PathSelector
    ) -> Sequence[AttributeColumn]:
        """Return attribute values by column. See `Store.read_attributes`."""
        return self._store.read_attributes(self.need_runs(keys), select)

    def read_aggregates(
        self, keys: Sequence[int], fields: Sequence[Field]
    ) -> Sequence[AttributeColumn]:
        """Return one column for each field. See `Store.read_aggregates`."""
        return self._store.read_aggregates(self.need_runs(keys), fields)

    def read_computed(self, keys: Sequence[int], paths: Sequence[str]) -> Sequence[AttributeColumn]:
        """Return what is computed. See `ComputesAttributes.read_computed`."""
        return self._store.read_computed(self.need_runs(keys), paths)

    def get_stats(self, key: int, path: str) -> SeriesStats:
        """Return what is kept of a series. See `Store.get_stats`."""
        return self._store.get_stats(self.need_runs([key])[0], path)

    def read_stats(self, keys: Sequence[int], select: PathSelector) -> Sequence[StatsColumn]:
        """Return what is kept of many series. See `SummarisesSeries.read_stats`."""
        return self._store.read_stats(self.need_runs(keys), select)

    def read_series(
        self, keys: Sequence[int], select: PathSelector, query: SeriesQuery
    ) -> pa.Table:
        """Return points of series. See `Store.read_series`."""
        return self._store.read_series(self.need_runs(keys), select, query)

    def read_events(
        self,
        project: str,
        keys: Sequence[int] | None = None,
        *,
        columns: Sequence[str] | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> EventTable:
        """Return rows of a tracker's table. See `Store.read_events`."""
        full = self.need_project(project)
        wanted = None if keys is None else self.need_runs(keys)
        return self._store.read_events(full, wanted, columns=columns, first=first, last=last)

    def count_events(self, project: str, keys: Sequence[int] | None = None) -> int:
        """Return the number of rows of a tracker's table. See `Store.count_events`."""
        full = self.need_project(project)
        return self._store.count_events(full, None if keys is None else self.need_runs(keys))

    def list_columns(self, project: str) -> Sequence[TableColumn]:
        """Return the columns of a tracker's table. See `Store.list_columns`."""
        return self._store.list_columns(self.need_project(project))

    def get_value(self, key: int, path: str) -> tuple[AttributeType, Any]:
        """Return type and value of an attribute. See `Store.get_value`."""
        return self._store.get_value(self.need_runs([key])[0], path)

    # files

    def put_blob(self, source: BinaryIO | bytes) -> tuple[str, int]:
        """Store content, which the user may read from then on. See `Store.put_blob`."""
        digest, size = self._store.put_blob(source)
        self._accounts.note_upload(digest, self.principal.user)
        return digest, size

    def open_blob(self, digest: str) -> BinaryIO:
        """Open content for reading. See `Store.open_blob`."""
        self.need_blob(digest)
        return self._store.open_blob(digest)

    def need_blob(self, digest: str) -> None:
        """Raise `SegmentMissing` unless the user brought this content or sees a run that has it."""
        if not digest:
            return  # there is none yet to see
        if self.principal.admin or self._accounts.uploaded_by(digest, self.principal.user):
            return
        if not self._store.refers_to(None, digest, projects=self._visible()):
            raise SegmentMissing(f"there is no file {digest[:12]}…")

    def await_files(self, key: int, files: Sequence[AwaitedFile]) -> None:
        """Enter references to uploads. See `TakesUploads.await_files`."""
        self.need_runs([key], Role.CONTRIBUTOR)
        self._store.await_files(key, files)

    def give_uploads(self, key: int, uploads: Sequence[str]) -> None:
        """Give references what came before. See `TakesUploads.give_uploads`."""
        self.need_runs([key], Role.CONTRIBUTOR)
        self._store.give_uploads(key, uploads)

    def enter_upload(self, project: str, path: str, upload: Upload) -> None:
        """Enter content that came. See `TakesUploads.enter_upload`."""
        full = self.need_project(project, Role.CONTRIBUTOR)
        self.need_blob(upload.digest)
        self._store.enter_upload(full, path, upload)

    def find_uploads(self, project: str, paths: Sequence[str]) -> Mapping[str, Upload]:
        """Return what paths stand for. See `TakesUploads.find_uploads`."""
        return self._store.find_uploads(self.need_project(project), paths)

    # care

    def compact(
        self,
        project: str | None = None,
        *,
        events: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> CompactionReport:
        """Seal, join and clean up. See `Store.compact`."""
        if project is None:
            self.need_admin("compacting the whole store")
        else:
            project = self.need_project(project, Role.OWNER)
        return self._store.compact(project, events=events, progress=progress)

    def check(self, *, repair: bool = False) -> StoreCheck:
        """Look for damage. See `Store.check`."""
        self.need_admin("checking the store")
        return self._store.check(repair=repair)

    def measure_usage(self, by: UsageBy = "project") -> DiskUsage:
        """Tell what takes how many bytes. See `MeasuresUsage.measure_usage`."""
        usage = self._store.measure_usage(by)
        if self.principal.admin:
            return usage
        visible = set(self.list_projects())
        return replace(usage, parts=[part for part in usage.parts if part.project in visible])

    def close(self) -> None:
        """Do nothing: the store is the hub's."""


def _no_run(key: int) -> NotFound:
    return RunNotFound(str(key))


def _digests(updates: Sequence[Update]) -> set[str]:
    """Return the content that updates refer to."""
    found: set[str] = set()
    for update in updates:
        match update:
            case LogPoints(values) | Assign(values):
                held: Iterable[object] = values.values()
            case LogRows(rows):
                held = (cell for values, _ in rows for cell in values.values())
            case _:
                continue
        found.update(digest for digest in map(digest_of, held) if digest)
    return found
