"""Workspaces, roles, and what each of them gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mooring.errors import AlreadyExists, InvalidName, InvalidValue, NotFound
from mooring.hub.accounts import Accounts, Role
from tests.unit.hub.accounts.conftest import principal


@pytest.mark.parametrize("held", list(Role))
@pytest.mark.parametrize("needed", list(Role))
def test_roles_cover_what_comes_after(held: Role, needed: Role) -> None:
    strength = {Role.OWNER: 3, Role.CONTRIBUTOR: 2, Role.VIEWER: 1}
    assert held.covers(needed) == (strength[held] >= strength[needed])


class TestWorkspaces:
    def test_each_user_has_one(self, accounts: Accounts) -> None:
        ada, bob = principal(accounts, "ada"), principal(accounts, "bob")
        assert [each.name for each in accounts.list_workspaces(ada)] == ["ada"]
        assert accounts.workspace_role(ada, "ada") is Role.OWNER
        assert accounts.workspace_role(bob, "ada") is None

    def test_a_service_and_local_have_none_of_their_own(self, accounts: Accounts) -> None:
        accounts.create_user("bot", service=True)
        assert accounts.list_workspaces(principal(accounts, "bot")) == []
        assert accounts.list_workspaces(principal(accounts, "local")) == []

    def test_keep_what_a_door_keeps(self, accounts: Accounts) -> None:
        ada = principal(accounts, "ada")
        made = accounts.create_workspace("team", ada, properties={"a": 1})
        changed = accounts.update_workspace(made.id, {"b": ["é", None]})
        assert changed.properties == {"a": 1, "b": ["é", None]}
        assert accounts.get_workspace("team") == accounts.get_workspace(made.id) == changed
        assert changed.updated >= made.created
        with pytest.raises(InvalidValue):
            accounts.update_workspace(made.id, {"c": object()})
        assert accounts.get_workspace("team") == changed

    @pytest.mark.parametrize("name", ["", " ", "a/b", "a\x00", "a\n", "\ud800", "x" * 800, 5, None])
    def test_names_that_cannot_be(self, accounts: Accounts, name: str) -> None:
        ada = principal(accounts, "ada")
        with pytest.raises(InvalidName):
            accounts.create_workspace(name, ada)
        assert len(accounts.list_workspaces(ada)) == 1

    @pytest.mark.parametrize("id", [0, -1, 99, 2**63, 10**30, "none", "\ud800", "a\x00"])
    def test_one_that_is_not_there(self, accounts: Accounts, id: int | str) -> None:
        assert accounts.find_workspace(id) is None
        with pytest.raises(NotFound, match="workspace"):
            accounts.get_workspace(id)
        assert accounts.workspace_role(principal(accounts, "ada"), str(id)) is None

    def test_an_owner_who_is_not_there(self, accounts: Accounts) -> None:
        with pytest.raises(NotFound, match="user"):
            accounts.create_workspace("team", 99)
        assert accounts.find_workspace("team") is None

    def test_one_that_is_deleted_is_hidden_and_its_name_stays_taken(
        self, accounts: Accounts
    ) -> None:
        ada, eve = principal(accounts, "ada"), principal(accounts, "eve")
        made = accounts.create_workspace("team", ada)
        accounts.delete_workspace(made.id)
        assert accounts.find_workspace("team") is None
        assert "team" not in [each.name for each in accounts.list_workspaces(ada)]
        assert accounts.role_of(ada, "team/digits") is None
        assert not accounts.may_create_in(ada, "team")
        for change in (accounts.delete_workspace, lambda id: accounts.update_workspace(id, {})):
            with pytest.raises(NotFound):
                change(made.id)
        with pytest.raises(AlreadyExists):
            accounts.create_workspace("team", eve)
        accounts.create_user("team")
        assert accounts.role_of(principal(accounts, "team"), "team/digits") is None

    def test_members(self, accounts: Accounts) -> None:
        ada, bob = principal(accounts, "ada"), principal(accounts, "bob")
        accounts.create_workspace("team", ada)
        for role, creates, sees in (
            (Role.VIEWER, False, None),
            (Role.CONTRIBUTOR, True, None),
            (Role.OWNER, True, Role.OWNER),
        ):
            accounts.set_workspace_role("team", "bob", role)
            assert accounts.workspace_role(bob, "team") is role
            assert accounts.may_create_in(bob, "team") is creates
            assert accounts.role_of(bob, "team/digits") is sees
            assert accounts.visible(bob, ["team/digits"]) == (["team/digits"] if sees else [])
        accounts.remove_workspace_role("team", "bob")
        assert accounts.workspace_role(bob, "team") is None
        assert accounts.workspace_role(ada, "team") is Role.OWNER


class TestReserved:
    """A store has projects in `team`: whoever owned that workspace would own them."""

    def test_cannot_be_taken_by_name(self, accounts: Accounts) -> None:
        eve = principal(accounts, "eve")
        accounts.reserve_workspaces(["team/digits", "team/other", "ada/x", "plain"])
        for name in ("team", "ada", "local"):
            with pytest.raises(AlreadyExists):
                accounts.create_workspace(name, eve)
        accounts.create_user("team")
        for name in ("eve", "team"):
            user = principal(accounts, name)
            assert accounts.role_of(user, "team/digits") is None
            assert accounts.visible(user, ["team/digits", "ada/x"]) == []
            assert not accounts.may_create_in(user, "team")

    def test_leaves_owners_what_they_own(self, accounts: Accounts) -> None:
        ada = principal(accounts, "ada")
        accounts.reserve_workspaces(["ada/digits"])
        accounts.reserve_workspaces(["ada/digits"])
        assert accounts.role_of(ada, "ada/digits") is Role.OWNER
        assert len(accounts.list_workspaces(ada)) == 1

    def test_can_be_given_to_somebody(self, accounts: Accounts) -> None:
        ada = principal(accounts, "ada")
        accounts.reserve_workspaces(["team/digits"])
        accounts.set_workspace_role("team", "ada", Role.OWNER)
        assert accounts.role_of(ada, "team/digits") is Role.OWNER


class TestProjects:
    def test_are_private(self, accounts: Accounts) -> None:
        ada, bob = principal(accounts, "ada"), principal(accounts, "bob")
        assert accounts.role_of(ada, "ada/digits") is Role.OWNER
        assert accounts.role_of(bob, "ada/digits") is None
        # a name that begins as another does is another one
        assert accounts.role_of(ada, "adam/digits") is None
        assert accounts.visible(ada, ["adam/digits", "ada/digits"]) == ["ada/digits"]

    @pytest.mark.parametrize("name", ["", "/", "ada", "ada/\x00", "\ud800/x", "x" * 5000])
    def test_names_that_no_project_has(self, accounts: Accounts, name: str) -> None:
        eve = principal(accounts, "eve")
        assert accounts.role_of(eve, name) is None
        assert accounts.visible(eve, [name]) == []
        assert not accounts.get_serving(name)

    def test_are_shared_and_taken_back(self, accounts: Accounts) -> None:
        ada, bob = principal(accounts, "ada"), principal(accounts, "bob")
        names = ["team/c", "ada/a", "team/b"]
        for role in Role:
            accounts.grant("team/b", "bob", role)
            assert accounts.role_of(bob, "team/b") is role
            assert [(u.name, r) for u, r in accounts.list_members("team/b")] == [("bob", role)]
        assert accounts.visible(bob, names) == ["team/b"]
        assert accounts.visible(ada, names) == ["ada/a"]
        accounts.revoke("team/b", "bob")
        accounts.revoke("team/b", "bob")
        assert accounts.role_of(bob, "team/b") is None
        with pytest.raises(NotFound, match="user 'eve'"):
            accounts.grant("team/b", "eve", Role.VIEWER)
        with pytest.raises(InvalidName):
            accounts.grant("a/b/c", "bob", Role.VIEWER)

    def test_all_are_an_administrators(self, accounts: Accounts) -> None:
        accounts.create_user("root", admin=True)
        root = principal(accounts, "root")
        assert accounts.role_of(root, "ada/digits") is Role.OWNER
        assert accounts.visible(root, ["x/y", "a/b"]) == ["x/y", "a/b"]
        assert accounts.may_create_in(root, "anywhere")

    def test_serving_is_off_until_it_is_switched_on(self, accounts: Accounts) -> None:
        assert not accounts.get_serving("team/digits")
        for on in (True, True, False):
            accounts.set_serving("team/digits", on)
            assert accounts.get_serving("team/digits") is on

    def test_that_are_gone_are_forgotten_and_others_not(self, accounts: Accounts) -> None:
        bob = principal(accounts, "bob")
        for name in ("team/digits", "team/other"):
            accounts.grant(name, "bob", Role.VIEWER)
            accounts.set_serving(name, True)
        accounts.forget_project("team/digits")
        assert accounts.role_of(bob, "team/digits") is None
        assert not accounts.get_serving("team/digits")
        assert accounts.role_of(bob, "team/other") is Role.VIEWER
        assert accounts.get_serving("team/other")


def test_who_brought_a_file(accounts: Accounts) -> None:
    ada, bob = principal(accounts, "ada"), principal(accounts, "bob")
    for _ in range(2):
        accounts.note_upload("d" * 64, ada.user)
    assert accounts.uploaded_by("d" * 64, ada.user)
    assert not accounts.uploaded_by("d" * 64, bob.user)
    assert not accounts.uploaded_by("e" * 64, ada.user)


def test_roles_survive_a_kill(place: Path, accounts: Accounts) -> None:
    script = (
        "import os, signal, sys; from mooring.hub.accounts import Accounts, Role\n"
        "accounts = Accounts.open(sys.argv[1])\n"
        "accounts.create_user('ada'); accounts.grant('team/p', 'ada', Role.OWNER)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(place)], timeout=60)
    assert [(u.name, role) for u, role in accounts.list_members("team/p")] == [("ada", Role.OWNER)]
