"""Projects: creation, names, deletion."""

from __future__ import annotations

import pytest

from mooring.errors import AlreadyExists, InvalidName, NotFound, ProjectNotFound
from mooring.model import RunSpec
from mooring.store import RunQuery, Store


def test_a_name_without_workspace_is_in_local(store: Store) -> None:
    assert store.create_project("digits") == "local/digits"
    assert store.ensure_project("local/digits") == "local/digits"
    assert store.list_projects() == ["local/digits"]


def test_projects_are_listed_in_order(store: Store) -> None:
    for name in ("team/b", "a", "team/a", "Z/z"):
        store.ensure_project(name)
    assert store.list_projects() == ["Z/z", "local/a", "team/a", "team/b"]


def test_create_fails_where_ensure_does_not(store: Store) -> None:
    store.create_project("p")
    with pytest.raises(AlreadyExists, match="local/p"):
        store.create_project("local/p")
    assert store.ensure_project("p") == "local/p"


@pytest.mark.parametrize("name", ["", "/", "a/", "/a", "a/b/c", " ", "a\nb", "x" * 731])
def test_names_that_cannot_be(store: Store, name: str) -> None:
    with pytest.raises(InvalidName):
        store.create_project(name)
    assert store.list_projects() == []


def test_odd_names_work(store: Store) -> None:
    for name in ("Ünï/日本", "w/'; DROP TABLE projects; --", 'w/a "b" %_', "w/..", "w/-x"):
        assert store.create_project(name) == name
        run = store.create_run(RunSpec(project=name, run_id="a"))
        assert run.project == name
        assert store.find_run(name, run_id="a") == run


def test_an_unknown_project_names_the_closest(store: Store) -> None:
    store.create_project("team/digits")
    for ask in (
        lambda: store.query_runs(RunQuery(project="team/digts")),
        lambda: store.find_run("team/digts", run_id="a"),
        lambda: store.delete_project("team/digts"),
        lambda: store.read_events("team/digts"),
    ):
        with pytest.raises(ProjectNotFound, match="closest: team/digits") as caught:
            ask()
        assert caught.value.suggestions == ("team/digits",) or list(caught.value.suggestions) == [
            "team/digits"
        ]
        assert isinstance(caught.value, NotFound)


def test_a_deleted_project_takes_its_runs_along(store: Store) -> None:
    gone = store.create_run(RunSpec(project="p", run_id="a"))
    kept = store.create_run(RunSpec(project="q", run_id="a"))
    store.delete_project("p")
    assert store.list_projects() == ["local/q"]
    with pytest.raises(NotFound):
        store.get_runs([gone.key])
    assert store.get_runs([kept.key]) == [kept]
    again = store.create_run(RunSpec(project="p", run_id="a"))
    assert again.key not in (gone.key, kept.key)
    assert store.list_projects() == ["local/p", "local/q"]
