"""How a project is found: by argument, by environment, or because it is the only one."""

from __future__ import annotations

from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from mooring.client.token import ApiToken
from mooring.errors import (
    InvalidAddress,
    InvalidInput,
    InvalidName,
    ProjectNotFound,
    StoreClosed,
    StoreError,
    StoreNotFound,
    Unauthenticated,
)
from mooring.fetch import ReadOnlyProject
from mooring.hub.accounts import Role
from mooring.store import open_store
from tests.serving import HubThread


def test_by_an_address_as_text_or_path(store, address):
    for form in (address, Path(address)):
        with ReadOnlyProject("local/digits", store=form) as project:
            assert project.project_identifier == "local/digits"
            assert len(project.fetch_runs()) == 3


def test_by_an_open_store_that_stays_open(store):
    with ReadOnlyProject("local/digits", store=store):
        pass
    assert store.list_projects() == ["local/digits"]


def test_a_store_opened_here_is_closed_here(store, address):
    project = ReadOnlyProject("digits", store=address)
    project.close()
    project.close()
    with pytest.raises(StoreClosed):
        project.fetch_runs()


def test_a_bare_name_is_in_the_workspace_local(store):
    assert ReadOnlyProject("digits", store=store).project_identifier == "local/digits"


def test_the_environment_names_store_and_project(store, address, monkeypatch):
    store.create_project("team/other")
    store.create_project("team/third")
    monkeypatch.setenv("MOORING_STORE", address)
    monkeypatch.setenv("NEPTUNE_PROJECT", "team/other")
    with ReadOnlyProject() as project:
        assert project.project_identifier == "team/other"
    monkeypatch.setenv("MOORING_PROJECT", "team/third")
    with ReadOnlyProject() as project:
        assert project.project_identifier == "team/third"
    with ReadOnlyProject("digits") as project:
        assert project.project_identifier == "local/digits"
        monkeypatch.setenv("MOORING_STORE", "nowhere.db")
        assert len(project.fetch_runs()) == 3


def test_the_only_project_needs_no_name(store):
    assert ReadOnlyProject(store=store).project_identifier == "local/digits"
    store.create_project("team/other")
    with pytest.raises(InvalidName, match="2 projects; name one of local/digits, team/other"):
        ReadOnlyProject(store=store)


def test_an_empty_store_has_no_project_to_read(tmp_path):
    with (
        open_store(str(tmp_path / "empty.db")) as empty,
        pytest.raises(ProjectNotFound, match="no project yet"),
    ):
        ReadOnlyProject(store=empty)


def test_an_unknown_project_names_the_closest(store):
    with pytest.raises(ProjectNotFound, match="closest: local/digits") as caught:
        ReadOnlyProject("local/digit", store=store)
    assert caught.value.suggestions == ["local/digits"]
    with pytest.raises(ProjectNotFound, match="which holds local/digits"):
        ReadOnlyProject("team/something-else", store=store)


def test_nothing_at_the_address(tmp_path):
    with pytest.raises(StoreNotFound):
        ReadOnlyProject("digits", store=tmp_path / "nothing.db")
    assert not (tmp_path / "nothing.db").exists()


def test_a_failed_choice_of_project_closes_the_store(store, address, monkeypatch):
    closed = []
    monkeypatch.setattr(type(store), "close", lambda self: closed.append(self))
    with pytest.raises(ProjectNotFound):
        ReadOnlyProject("nope", store=address)
    assert len(closed) == 1


def test_no_store_at_all():
    with pytest.raises(InvalidAddress, match=r"store='runs.db'.* or set MOORING_STORE"):
        ReadOnlyProject("digits")


def test_a_secret_alone_leads_to_no_hub(monkeypatch):
    with pytest.raises(InvalidAddress, match="does not tell where its hub is"):
        ReadOnlyProject("digits", api_token="secret")
    monkeypatch.setenv("NEPTUNE_API_TOKEN", "secret")
    with pytest.raises(InvalidAddress, match="does not tell where its hub is") as caught:
        ReadOnlyProject("digits")
    assert "secret" not in str(caught.value)


class TestHub:
    @pytest.fixture
    def hub(self, store, address):
        started = HubThread(address)
        yield started
        started.stop()

    def test_a_token_leads_there(self, hub, address, monkeypatch):
        with ReadOnlyProject("digits", api_token=hub.admin) as project:
            assert repr(project) == f"ReadOnlyProject('local/digits', store={hub.address!r})"
            read = project.fetch_runs_df()
        with ReadOnlyProject("digits", store=address) as project:
            assert_frame_equal(read, project.fetch_runs_df())
        for name in ("NEPTUNE_API_TOKEN", "MOORING_API_TOKEN"):
            monkeypatch.setenv(name, hub.admin)
            with ReadOnlyProject("digits") as project:
                assert len(project.fetch_runs()) == 3
            with ReadOnlyProject("digits", store=hub.address) as project:
                assert len(project.fetch_runs()) == 3
            monkeypatch.setenv("MOORING_STORE", "another.db")
            with ReadOnlyProject("digits", api_token=hub.admin) as project:
                assert len(project.fetch_runs()) == 3
            monkeypatch.delenv("MOORING_STORE")
            monkeypatch.delenv(name)

    def test_every_frame_is_the_one_of_the_file(self, hub, address):
        def frames(**where):
            with ReadOnlyProject("digits", **where) as project:
                yield project.fetch_runs_df(columns_regex=".*")
                yield project.fetch_experiments_df()
                yield project.fetch_metrics(paths=["metrics/loss"])
                yield project.fetch_metrics(paths=["metrics/loss"], buckets=3)

        pairs = zip(frames(store=address), frames(api_token=hub.admin), strict=True)
        for of_the_file, of_the_hub in pairs:
            assert_frame_equal(of_the_file, of_the_hub)

    def test_a_wrong_token_is_told_without_it(self, hub):
        wrong = ApiToken(hub.address, "a-wrong-secret").encode()
        with pytest.raises(Unauthenticated, match="wrong, expired or revoked") as caught:
            ReadOnlyProject("digits", api_token=wrong)
        assert "a-wrong-secret" not in str(caught.value)
        with pytest.raises(Unauthenticated, match="set MOORING_API_TOKEN"):
            ReadOnlyProject("digits", store=hub.address)

    def test_projects_of_others_do_not_exist(self, hub):
        token = hub.token("eve")
        with pytest.raises(ProjectNotFound) as caught:
            ReadOnlyProject("digit", api_token=token)
        assert caught.value.suggestions == []
        assert "local/digits" not in str(caught.value)
        hub.hub.accounts.grant("local/digits", "eve", Role.VIEWER)
        with ReadOnlyProject("digits", api_token=token) as project:
            assert len(project.fetch_runs()) == 3


def test_a_token_beside_a_store_does_no_harm(store):
    assert ReadOnlyProject("digits", "token", {"https": "proxy"}, store=store)


def test_a_store_that_is_none(store):
    with pytest.raises(InvalidInput, match="address or an open store, not int"):
        ReadOnlyProject("digits", store=3)


def test_a_file_that_is_no_store(tmp_path):
    (tmp_path / "text.db").write_text("hello" * 1000)
    with pytest.raises(StoreError):
        ReadOnlyProject(store=tmp_path / "text.db")


def test_the_repr_names_project_and_store(store, address):
    assert repr(ReadOnlyProject(store=store)) == (
        f"ReadOnlyProject('local/digits', store={store.address!r})"
    )
