"""The store as one user may see it: every method, every role, and what must not shine through."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any, Protocol

import pyarrow as pa
import pytest

from mooring.errors import (
    AccessDenied,
    InvalidInput,
    MooringError,
    NotFound,
    ProjectNotFound,
    RunNotFound,
    SegmentMissing,
)
from mooring.hub.accounts import Role
from mooring.hub.guarded import GuardedStore
from mooring.model import AttributeType, FileRef, RunSpec
from mooring.query import Field
from mooring.store.appending import AppendsBatches, Assign, LogPoints, LogRows
from mooring.store.contract import PathSelector, RunQuery, SeriesQuery, Store
from mooring.store.transfer import TransfersRuns
from mooring.store.usage import MeasuresUsage
from tests.unit.hub.conftest import WRITER, World

FLOATS = PathSelector(types=frozenset([AttributeType.FLOAT_SERIES]))
POINTS = pa.table({"path": ["x"], "step": [1], "value": [1.0]})


def _import(store: GuardedStore, project: str) -> None:
    with store.import_run(RunSpec(project=project, run_id="imported")) as incoming:
        incoming.set_values({"x": 1})
        incoming.commit()


class Call(Protocol):
    def __call__(self, store: GuardedStore, project: str, run: int, blob: str) -> object: ...


# What each method of the contracts needs, and a call of it. A method that is missing here fails
# `test_every_method_of_the_contracts_is_in_the_table`.
TABLE: dict[str, tuple[Role | str, Call]] = {
    "create_run": (Role.CONTRIBUTOR, lambda s, p, r, b: s.create_run(RunSpec(project=p))),
    "find_run": (Role.VIEWER, lambda s, p, r, b: s.find_run(p, run_id="lightrun")),
    "get_runs": (Role.VIEWER, lambda s, p, r, b: s.get_runs([r])),
    "query_runs": (Role.VIEWER, lambda s, p, r, b: s.query_runs(RunQuery(project=p))),
    "trash_runs": (Role.CONTRIBUTOR, lambda s, p, r, b: s.trash_runs([r])),
    "restore_runs": (Role.CONTRIBUTOR, lambda s, p, r, b: s.restore_runs([r])),
    "delete_runs": (Role.OWNER, lambda s, p, r, b: s.delete_runs([r])),
    "append_batch": (
        Role.CONTRIBUTOR,
        lambda s, p, r, b: s.append_batch(r, WRITER, 1, [LogPoints({"x": 1.0}, 1, 1)]),
    ),
    "last_applied": (Role.CONTRIBUTOR, lambda s, p, r, b: s.last_applied(r, WRITER)),
    "hold_run": (Role.CONTRIBUTOR, lambda s, p, r, b: s.hold_run(r, WRITER, seconds=1.0)),
    "release_run": (Role.CONTRIBUTOR, lambda s, p, r, b: s.release_run(r, WRITER)),
    "attribute_types": (Role.VIEWER, lambda s, p, r, b: s.attribute_types(r)),
    "write_table_once": (
        Role.CONTRIBUTOR,
        lambda s, p, r, b: s.write_table_once(r, POINTS, request="c" * 32),
    ),
    "set_events_once": (
        Role.CONTRIBUTOR,
        lambda s, p, r, b: s.set_events_once(r, "cell", 1, request="d" * 32),
    ),
    "import_run": (Role.CONTRIBUTOR, lambda s, p, r, b: _import(s, p)),
    "count_points": (Role.VIEWER, lambda s, p, r, b: s.count_points(r)),
    "read_rows": (Role.VIEWER, lambda s, p, r, b: s.read_rows(r)),
    "read_previews": (Role.VIEWER, lambda s, p, r, b: s.read_previews(r)),
    "list_not_inherited": (Role.VIEWER, lambda s, p, r, b: s.list_not_inherited(r)),
    "list_attributes": (Role.VIEWER, lambda s, p, r, b: s.list_attributes([r], PathSelector())),
    "read_attributes": (Role.VIEWER, lambda s, p, r, b: s.read_attributes([r], PathSelector())),
    "read_aggregates": (Role.VIEWER, lambda s, p, r, b: s.read_aggregates([r], [Field("x")])),
    "get_stats": (Role.VIEWER, lambda s, p, r, b: s.get_stats(r, "lightrun/loss")),
    "read_series": (Role.VIEWER, lambda s, p, r, b: s.read_series([r], FLOATS, SeriesQuery())),
    "read_events": (Role.VIEWER, lambda s, p, r, b: s.read_events(p)),
    "count_events": (Role.VIEWER, lambda s, p, r, b: s.count_events(p)),
    "list_columns": (Role.VIEWER, lambda s, p, r, b: s.list_columns(p)),
    "get_value": (Role.VIEWER, lambda s, p, r, b: s.get_value(r, "lightrun/loss")),
    "open_blob": (Role.VIEWER, lambda s, p, r, b: s.open_blob(b).close()),
    "compact": (Role.OWNER, lambda s, p, r, b: s.compact(p)),
    "create_project": ("anybody", lambda s, p, r, b: s.create_project(f"{s.principal.name}/own")),
    "ensure_project": (Role.VIEWER, lambda s, p, r, b: s.ensure_project(p)),
    "delete_project": (Role.OWNER, lambda s, p, r, b: s.delete_project(p)),
    "list_projects": ("anybody", lambda s, p, r, b: s.list_projects()),
    "put_blob": ("anybody", lambda s, p, r, b: s.put_blob(b"x")),
    "measure_usage": ("anybody", lambda s, p, r, b: s.measure_usage()),
    "check": ("admin", lambda s, p, r, b: s.check()),
    "close": ("anybody", lambda s, p, r, b: s.close()),
}
# Methods of the contracts that no hub answers as such: a client makes them of others.
ELSEWHERE = {"open_writer", "write_points", "write_table", "set_events", "list_sealed"}
ROLES = ("none", "viewer", "contributor", "owner", "admin")


def _covers(user: str, needed: Role | str) -> bool:
    if user == "admin" or needed == "anybody":
        return True
    return user != "none" and needed != "admin" and Role(user).covers(Role(needed))


def test_every_method_of_the_contracts_is_in_the_table() -> None:
    methods = {
        name
        for contract in (Store, AppendsBatches, TransfersRuns, MeasuresUsage)
        for name, member in vars(contract).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }
    assert methods - ELSEWHERE == set(TABLE)
    guarded = {name for name in methods if callable(getattr(GuardedStore, name, None))}
    assert guarded == set(TABLE)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_a_role_may_do_what_it_covers_and_nothing_else(world: World, name: str) -> None:
    needed, call = TABLE[name]

    def act(user: str) -> object:
        return call(world.as_user(user), "team/open", world.open_run, world.open_blob)

    before = world.store.get_runs([world.open_run]), world.store.query_runs(RunQuery()).total
    for user in ROLES:
        if _covers(user, needed):
            continue
        if user == "none" and name == "find_run":
            assert act(user) is None
            continue
        with pytest.raises((NotFound, SegmentMissing, AccessDenied)) as caught:
            act(user)
        # Who may create it is asked before it is looked for, so that nobody learns of it.
        creates = name in ("create_run", "import_run", "ensure_project", "check")
        assert isinstance(caught.value, AccessDenied) == (user != "none" or creates)
        after = world.store.get_runs([world.open_run]), world.store.query_runs(RunQuery()).total
        assert after == before
    result = act(next(user for user in ROLES if _covers(user, needed)))
    assert name != "find_run" or result is not None


@pytest.mark.parametrize("name", sorted(TABLE))
def test_what_is_unseen_is_answered_as_what_is_not_there(world: World, name: str) -> None:
    needed, call = TABLE[name]
    if needed in ("anybody", "admin"):
        pytest.skip("asks for no project")
    store = world.as_user("owner")
    missing_run, missing_blob = 10**6, "f" * 64

    def told(project: str, run: int, blob: str) -> tuple[type[MooringError] | None, str]:
        try:
            result = call(store, project, run, blob)
        except MooringError as error:
            text = str(error).replace(blob[:12], "B")
            text = text.replace(project, "P").replace(repr(str(run)), "R")
            text = text.replace(project.partition("/")[2], "N")
            return type(error), text
        return None, str(result)

    unseen = told("other/secret", world.secret_run, world.secret_blob)
    absent = told("other/nothing", missing_run, missing_blob)
    assert unseen == absent
    assert unseen[0] is not None or unseen[1] == "None"


def test_no_error_suggests_what_is_unseen_or_names_a_path(world: World) -> None:
    store = world.as_user("viewer")
    near_misses: list[Callable[[], object]] = [
        lambda: store.query_runs(RunQuery(project="other/secre")),
        lambda: store.query_runs(RunQuery(project="other/secret")),
        lambda: store.count_events("other/secret"),
        lambda: store.get_runs([world.secret_run]),
        lambda: store.get_stats(world.secret_run, "darkrun/loss"),
        lambda: store.get_stats(world.open_run, "darkrun/loss"),
        lambda: store.get_value(world.open_run, "darkrun/los"),
        lambda: store.read_events("team/open", columns=["darkrun-colum"]),
        lambda: store.open_blob(world.secret_blob),
        lambda: store.create_run(RunSpec(project="other/secret2")),
        lambda: store.get_runs([10**6]),
    ]
    for miss in near_misses:
        with pytest.raises(MooringError) as caught:
            miss()
        error = caught.value
        suggested = getattr(error, "suggestions", ())
        assert not [name for name in suggested if "secret" in name or "dark" in name]
        for text in (str(error), repr(vars(error))):
            assert str(world.store.path) not in text


class TestListsAndMixtures:
    def test_lists_hold_what_is_seen(self, world: World) -> None:
        viewer, stranger = world.as_user("viewer"), world.as_user("stranger")
        assert viewer.list_projects() == ["team/open"]
        assert stranger.list_projects() == ["other/secret"]
        assert world.as_user("none").list_projects() == []
        everything = RunQuery()
        asked = RunQuery(projects=("other/secret", "team/open"))
        for query in (everything, asked):
            page = viewer.query_runs(query)
            assert ([run.key for run in page.runs], page.total) == ([world.open_run], 1)
        found = viewer.list_attributes(None, PathSelector())
        assert "lightrun/loss" in dict(found)
        assert "darkrun/loss" not in dict(found)
        assert not viewer.list_attributes(None, PathSelector(), projects=("other/secret",))
        assert {part.project for part in viewer.measure_usage("run").parts} == {"team/open"}

    @pytest.mark.parametrize("name", ["get_runs", "delete_runs", "trash_runs"])
    def test_a_foreign_key_among_own_ones_spoils_all(self, world: World, name: str) -> None:
        store = world.as_user("owner")
        with pytest.raises(RunNotFound):
            getattr(store, name)([world.open_run, world.secret_run])
        with pytest.raises(RunNotFound):
            store.read_events("team/open", [world.open_run, world.secret_run])
        with pytest.raises(RunNotFound):
            store.read_series([world.open_run, world.secret_run], FLOATS, SeriesQuery())
        kept = world.store.get_runs([world.open_run, world.secret_run])
        assert not any(run.trashed for run in kept)

    def test_keys_beyond_every_store(self, world: World) -> None:
        store = world.as_user("owner")
        for key in (-1, 0, 2**63, -(2**70), 10**30):
            with pytest.raises(RunNotFound):
                store.get_runs([key])

    def test_leases_are_short(self, world: World) -> None:
        store = world.as_user("contributor")
        for seconds in (0.0, -1.0, float("nan"), float("inf"), 1e9):
            with pytest.raises(InvalidInput):
                store.hold_run(world.open_run, WRITER, seconds=seconds)


class TestForks:
    def test_nobody_forks_what_they_do_not_see(self, world: World) -> None:
        store = world.as_user("owner")
        fork = RunSpec(project="team/open", parent=world.secret_run, fork_step=10**6)
        with pytest.raises(RunNotFound):
            store.create_run(fork)
        with pytest.raises(RunNotFound):
            store.import_run(fork)
        world.accounts.grant("other/secret", "owner", Role.VIEWER)
        made = world.as_user("owner").create_run(fork)
        assert made.parent == world.secret_run


class TestFiles:
    def test_files_of_others_are_not_there(self, world: World) -> None:
        store = world.as_user("contributor")
        for digest in (world.secret_blob, "0" * 64, "../../../etc/passwd", "", "\0"):
            with pytest.raises(SegmentMissing):
                store.open_blob(digest)
        own, _ = store.put_blob(b"mine")
        with store.open_blob(own) as file:
            assert file.read() == b"mine"
        with pytest.raises(SegmentMissing):
            world.as_user("viewer").open_blob(own)
        # Who brings the same content has it anyway.
        store.put_blob(b"content of darkrun")
        store.open_blob(world.secret_blob).close()

    def test_a_reference_gives_nobody_the_file_of_others(self, world: World) -> None:
        store = world.as_user("owner")
        file = FileRef(world.secret_blob, 18)
        for update in (
            LogPoints({"f": file}, 1, 1),
            Assign({"f": file}, 1),
            LogRows([({"f": file}, 1)]),
        ):
            with pytest.raises(SegmentMissing):
                store.append_batch(world.open_run, WRITER, 1, [update])
        with pytest.raises(SegmentMissing):
            store.set_events_once(world.open_run, "f", file, request="e" * 32)
        with pytest.raises(SegmentMissing):
            store.open_blob(world.secret_blob)

    def test_an_import_gives_nobody_the_file_of_others(self, world: World) -> None:
        store = world.as_user("owner")
        kind = pa.struct(
            [
                ("digest", pa.string()),
                ("size_bytes", pa.int64()),
                ("mime_type", pa.string()),
                ("name", pa.string()),
            ]
        )
        cell = {"digest": world.secret_blob, "size_bytes": 18, "mime_type": "x/y", "name": "f"}
        points = pa.table(
            {"path": ["f"], "step": [1], "time": [1], "value": pa.array([cell], kind)}
        )
        with store.import_run(RunSpec(project="team/open", run_id="thief")) as incoming:
            with pytest.raises(SegmentMissing):
                incoming.set_values({"f": FileRef(world.secret_blob, 18)})
            with pytest.raises(SegmentMissing):
                incoming.write_points(AttributeType.FILE_SERIES, points)
            incoming.commit()
        with pytest.raises(SegmentMissing):
            store.open_blob(world.secret_blob)


class TestNewProjects:
    def test_who_creates_a_project_owns_it(self, world: World) -> None:
        store = world.as_user("viewer")
        assert store.create_project("viewer/own") == "viewer/own"
        run = store.create_run(RunSpec(project="viewer/second"))
        store.delete_runs([run.key])
        store.delete_project("viewer/own")
        assert store.list_projects() == ["team/open", "viewer/second"]

    def test_only_members_create_in_a_workspace(self, world: World) -> None:
        world.accounts.create_workspace("lab", world.principal("owner").user)
        world.accounts.set_workspace_role("lab", "contributor", Role.CONTRIBUTOR)
        world.accounts.set_workspace_role("lab", "viewer", Role.VIEWER)
        assert world.as_user("contributor").create_project("lab/a") == "lab/a"
        for user in ("viewer", "none"):
            for act in (
                lambda store: store.create_project("lab/b"),
                lambda store: store.ensure_project("lab/b"),
                lambda store: store.create_run(RunSpec(project="lab/b")),
                lambda store: store.import_run(RunSpec(project="lab/b")),
            ):
                with pytest.raises(AccessDenied, match="may not create"):
                    act(world.as_user(user))
        assert "lab/b" not in world.store.list_projects()
        # The owner of a workspace owns what is in it.
        assert world.as_user("owner").role_in("lab/a") is Role.OWNER
        with pytest.raises(ProjectNotFound):
            world.as_user("none").query_runs(RunQuery(project="lab/a"))

    def test_what_was_left_of_a_deleted_project_gives_no_role_in_the_next(
        self, world: World
    ) -> None:
        store = world.as_user("owner")
        store.create_project("owner/again")
        world.accounts.grant("owner/again", "viewer", Role.OWNER)
        world.store.delete_project("owner/again")  # and a kill before its roles are forgotten
        world.as_user("owner").create_project("owner/again")
        assert world.as_user("viewer").role_in("owner/again") is None

    def test_a_creation_that_fails_leaves_no_role(self, world: World) -> None:
        store = world.as_user("owner")
        with pytest.raises(MooringError):
            store.create_run(RunSpec(project="owner/failed", run_id="x" * 10_000))
        assert "owner/failed" not in world.store.list_projects()
        assert world.accounts.list_members("owner/failed") == []

    def test_an_import_that_is_dropped_leaves_no_role(self, world: World) -> None:
        store = world.as_user("owner")
        with store.import_run(RunSpec(project="owner/dropped")) as incoming:
            incoming.set_values({"x": 1})
        assert "owner/dropped" not in world.store.list_projects()
        assert world.accounts.list_members("owner/dropped") == []

    def test_an_import_asks_again_when_it_is_committed(self, world: World) -> None:
        spec = RunSpec(project="lab/late", run_id="x")
        world.accounts.create_workspace("lab", world.principal("admin").user)
        for user in ("owner", "contributor"):
            world.accounts.set_workspace_role("lab", user, Role.CONTRIBUTOR)
        with world.as_user("owner").import_run(spec) as incoming:
            world.as_user("contributor").create_project("lab/late")
            with pytest.raises(ProjectNotFound):
                incoming.commit()
        assert world.as_user("contributor").query_runs(RunQuery(project="lab/late")).total == 0

    def test_of_many_who_create_one_project_at_once_one_owns_it(self, world: World) -> None:
        names = [f"racer{number}" for number in range(6)]
        world.accounts.create_workspace("lab", world.principal("admin").user)
        for name in names:
            world.accounts.create_user(name)
            world.accounts.set_workspace_role("lab", name, Role.CONTRIBUTOR)
        for turn in range(5):
            project = f"lab/race{turn}"
            outcomes: dict[str, Any] = {}
            barrier = threading.Barrier(len(names))

            def create(
                name: str,
                project: str = project,
                outcomes: dict[str, Any] = outcomes,
                barrier: threading.Barrier = barrier,
            ) -> None:
                store = world.as_user(name)
                barrier.wait()
                try:
                    outcomes[name] = store.create_run(RunSpec(project=project))
                except MooringError as raised:
                    outcomes[name] = raised

            threads = [threading.Thread(target=create, args=[name]) for name in names]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            winners = [n for n in names if not isinstance(outcomes[n], MooringError)]
            members = [(user.name, role) for user, role in world.accounts.list_members(project)]
            assert [(name, Role.OWNER) for name in winners] == members
            assert len(winners) == 1
            refused = [error for error in outcomes.values() if isinstance(error, MooringError)]
            assert all(isinstance(error, ProjectNotFound) for error in refused)
