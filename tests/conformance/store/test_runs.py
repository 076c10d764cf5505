"""Runs: creation, identity, what the store keeps of each, experiments."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mooring.errors import AlreadyExists, InvalidInput, InvalidName, InvalidPath, RunNotFound
from mooring.model import AttributeType, RunInfo, RunKind, RunSpec, datetime_from_micros
from mooring.query import field
from mooring.store import PathSelector, RunQuery, Store
from tests.conformance.store.reading import run_ids, value

CREATED = 1_700_000_000_123_456


def test_a_run_is_found_by_each_of_its_names(store: Store) -> None:
    run = store.create_run(RunSpec(project="team/digits", run_id="first", created=CREATED))
    assert run.project == "team/digits"
    assert run.sys_id == "DIG-1"
    assert run.created == CREATED
    assert (run.kind, run.trashed, run.parent, run.fork_step) == (RunKind.RUN, False, None, None)
    assert store.find_run("team/digits", run_id="first") == run
    assert store.find_run("team/digits", sys_id="DIG-1") == run
    assert store.get_runs([run.key]) == [run]
    assert store.query_runs(RunQuery(project="team/digits")).runs == [run]


def test_short_ids_count_up_and_are_never_given_twice(store: Store) -> None:
    first = store.create_run(RunSpec(project="digits"))
    second = store.create_run(RunSpec(project="digits"))
    store.delete_runs([second.key])
    third = store.create_run(RunSpec(project="digits"))
    assert [run.sys_id for run in (first, second, third)] == ["DIG-1", "DIG-2", "DIG-3"]
    assert len({first.key, second.key, third.key}) == 3


def test_a_run_without_id_gets_one(store: Store) -> None:
    ids = {store.create_run(RunSpec(project="p")).run_id for _ in range(5)}
    assert len(ids) == 5
    assert all(ids)


def test_an_id_is_taken_once_in_a_project(store: Store, run: RunInfo) -> None:
    with pytest.raises(AlreadyExists, match="'a'"):
        store.create_run(RunSpec(project="p", run_id="a"))
    other = store.create_run(RunSpec(project="q", run_id="a"))
    assert other.key != run.key
    assert store.query_runs(RunQuery()).total == 2


def test_a_trashed_run_keeps_its_id(store: Store, run: RunInfo) -> None:
    store.trash_runs([run.key])
    with pytest.raises(AlreadyExists):
        store.create_run(RunSpec(project="p", run_id="a"))


@pytest.mark.parametrize("run_id", ["", "  ", "a\nb", "x" * 731, "\0"])
def test_ids_that_cannot_be(store: Store, run_id: str) -> None:
    with pytest.raises(InvalidName):
        store.create_run(RunSpec(project="p", run_id=run_id))
    assert store.query_runs(RunQuery()).total == 0


def test_odd_ids_work(store: Store) -> None:
    for run_id in ("é" * 365, "' OR 1=1 --", "a/b c", "%", "_", "日本"):
        run = store.create_run(RunSpec(project="p", run_id=run_id))
        assert store.find_run("p", run_id=run_id) == run
        assert value(store, run.key, "sys/custom_run_id") == (AttributeType.STRING, run_id)


def test_unknown_runs(store: Store, run: RunInfo) -> None:
    assert store.find_run("p", run_id="b") is None
    assert store.find_run("p", sys_id="P-99") is None
    with pytest.raises(RunNotFound):
        store.get_runs([run.key, 999_999])
    with pytest.raises(RunNotFound):
        store.open_writer(999_999)
    with pytest.raises(RunNotFound):
        store.get_value(999_999, "sys/id")
    with pytest.raises(RunNotFound):
        store.trash_runs([999_999])
    with pytest.raises(RunNotFound):
        store.delete_runs([999_999])
    with pytest.raises(RunNotFound):
        store.create_run(RunSpec(project="p", parent=999_999))
    with pytest.raises(RunNotFound):
        store.write_points(999_999, "x", steps=[1], values=[1.0])
    with pytest.raises(RunNotFound):
        store.set_events(999_999, "x", 1)


def test_find_run_wants_one_name(store: Store, run: RunInfo) -> None:
    with pytest.raises(InvalidInput):
        store.find_run("p")
    with pytest.raises(InvalidInput):
        store.find_run("p", run_id="a", sys_id="P-1")


def test_runs_come_in_the_order_asked_for(store: Store) -> None:
    runs = [store.create_run(RunSpec(project="p")) for _ in range(4)]
    asked = [runs[2], runs[0], runs[3]]
    assert store.get_runs([run.key for run in asked]) == asked
    assert store.get_runs([]) == []


def test_kinds(store: Store) -> None:
    for kind in RunKind:
        run = store.create_run(RunSpec(project="p", run_id=str(kind), kind=kind))
        assert run.kind is kind
        assert run_ids(store, kinds=(kind,)) == [str(kind)]
    assert run_ids(store) == ["run"]
    assert set(run_ids(store, kinds=tuple(RunKind))) == {str(kind) for kind in RunKind}


def test_what_the_store_keeps_of_a_run(store: Store) -> None:
    run = store.create_run(
        RunSpec(project="team/digits", run_id="a", name="exp", created=CREATED, owner="ada")
    )
    moment = datetime_from_micros(CREATED)
    expected = {
        "sys/id": (AttributeType.STRING, "DIG-1"),
        "sys/custom_run_id": (AttributeType.STRING, "a"),
        "sys/name": (AttributeType.STRING, "exp"),
        "sys/experiment/name": (AttributeType.STRING, "exp"),
        "sys/experiment/is_head": (AttributeType.BOOL, True),
        "sys/owner": (AttributeType.STRING, "ada"),
        "sys/family": (AttributeType.STRING, "a"),
        "sys/creation_time": (AttributeType.DATETIME, moment),
        "sys/modification_time": (AttributeType.DATETIME, moment),
        "sys/ping_time": (AttributeType.DATETIME, moment),
        "sys/running_time_seconds": (AttributeType.FLOAT, 0.0),
        "sys/state": (AttributeType.RUN_STATE, "inactive"),
        "sys/failed": (AttributeType.BOOL, False),
        "sys/trashed": (AttributeType.BOOL, False),
        "sys/tags": (AttributeType.STRING_SET, frozenset()),
        "sys/group_tags": (AttributeType.STRING_SET, frozenset()),
    }
    found = {path: store.get_value(run.key, path) for path in expected}
    assert found == expected


def test_logging_moves_the_times(store: Store) -> None:
    run = store.create_run(RunSpec(project="p", created=CREATED))
    writer = store.open_writer(run.key)
    writer.log({"loss": 1.0}, time=CREATED + 5_500_000)
    writer.log({"loss": 1.0}, time=CREATED + 1_000_000)
    moment = datetime_from_micros(CREATED) + timedelta(seconds=5.5)
    assert store.get_value(run.key, "sys/modification_time")[1] == moment
    assert store.get_value(run.key, "sys/ping_time")[1] == moment
    assert store.get_value(run.key, "sys/running_time_seconds")[1] == 5.5
    assert store.get_value(run.key, "sys/creation_time")[1] == datetime_from_micros(CREATED)


def test_a_run_is_active_while_a_writer_is_open(store: Store, run: RunInfo) -> None:
    def state() -> object:
        return store.get_value(run.key, "sys/state")

    assert state() == (AttributeType.RUN_STATE, "inactive")
    first, second = store.open_writer(run.key), store.open_writer(run.key)
    assert state() == (AttributeType.RUN_STATE, "active")
    first.close()
    first.close()
    assert state() == (AttributeType.RUN_STATE, "active")
    second.close()
    assert state() == (AttributeType.RUN_STATE, "inactive")


def test_the_store_keeps_its_own_paths(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    for path in ("sys/id", "sys/state", "sys/trashed", "sys/creation_time", "sys/anything"):
        with pytest.raises(InvalidPath, match=path):
            writer.assign({path: "x"})
        with pytest.raises(InvalidPath, match=path):
            writer.delete(path)
        with pytest.raises(InvalidPath, match=path):
            writer.change_set(path, add=["x"])
        with pytest.raises(InvalidPath, match=path):
            writer.log({path: 1.0})
        with pytest.raises(InvalidPath, match=path):
            store.write_points(run.key, path, steps=[1], values=[1.0])
    assert value(store, run.key, "sys/id") == (AttributeType.STRING, run.sys_id)


def test_what_users_may_set_below_sys(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    writer.assign({"sys/description": "why", "sys/failed": True, "sys/tags": {"a"}})
    writer.change_set("sys/tags", add=["b"], remove=["a"])
    writer.change_set("sys/group_tags", add=["g"])
    assert value(store, run.key, "sys/description")[1] == "why"
    assert value(store, run.key, "sys/failed")[1] is True
    assert value(store, run.key, "sys/tags")[1] == {"b"}
    assert value(store, run.key, "sys/group_tags")[1] == {"g"}


class TestExperiments:
    def heads(self, store: Store) -> set[str]:
        return set(run_ids(store, field("sys/experiment/is_head") == True))  # noqa: E712

    def test_the_head_is_the_newest_run_of_the_name(self, store: Store) -> None:
        store.create_run(RunSpec(project="p", run_id="a", name="x"))
        assert self.heads(store) == {"a"}
        store.create_run(RunSpec(project="p", run_id="b", name="x"))
        store.create_run(RunSpec(project="p", run_id="c", name="y"))
        store.create_run(RunSpec(project="p", run_id="d"))
        store.create_run(RunSpec(project="q", run_id="e", name="x"))
        assert self.heads(store) == {"b", "c", "e"}
        assert set(run_ids(store, field("sys/experiment/name") == "x", project="p")) == {"a", "b"}

    def test_a_name_that_is_set_later_makes_a_head(self, store: Store) -> None:
        store.create_run(RunSpec(project="p", run_id="a", name="x"))
        run = store.create_run(RunSpec(project="p", run_id="b"))
        store.open_writer(run.key).assign({"sys/name": "x"})
        assert value(store, run.key, "sys/name") == (AttributeType.STRING, "x")
        assert value(store, run.key, "sys/experiment/name") == (AttributeType.STRING, "x")
        assert self.heads(store) == {"b"}

    def test_a_renamed_head_leaves_the_older_run_as_head(self, store: Store) -> None:
        store.create_run(RunSpec(project="p", run_id="a", name="x"))
        run = store.create_run(RunSpec(project="p", run_id="b", name="x"))
        store.open_writer(run.key).assign({"sys/name": "y"})
        assert self.heads(store) == {"a", "b"}
        assert value(store, run.key, "sys/experiment/name")[1] == "y"

    def test_a_deleted_head_leaves_the_older_run_as_head(self, store: Store) -> None:
        store.create_run(RunSpec(project="p", run_id="a", name="x"))
        run = store.create_run(RunSpec(project="p", run_id="b", name="x"))
        store.delete_runs([run.key])
        assert self.heads(store) == {"a"}


def test_many_attributes_of_a_run_are_listed(store: Store, run: RunInfo) -> None:
    writer = store.open_writer(run.key)
    writer.assign({f"params/{i}": i for i in range(3_000)})
    found = store.list_attributes([run.key], PathSelector(patterns=("^params/",)))
    assert sorted(found) == list(found)
    assert {path for path, _ in found} == {f"params/{i}" for i in range(3_000)}
