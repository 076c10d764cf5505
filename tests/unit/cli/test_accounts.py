"""`mooring user`, `token`, `project`: what scripts get of them, and whom a name gives nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from mooring.client.token import ApiToken
from mooring.errors import Unauthenticated
from mooring.hub.accounts import Accounts, Principal, Role
from mooring.store.sqlite.store import SqliteStore

Mooring = Callable[..., Result]
DATABASE = "team.db-data/hub.db"


def asking(accounts: Accounts, name: str) -> Principal:
    return accounts.authenticate(accounts.create_token(name).secret)


class TestTokens:
    @pytest.fixture(autouse=True)
    def _ada(self, mooring: Mooring, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MOORING_STORE", store)
        assert mooring("user", "create", "ada").exit_code == 0

    @pytest.mark.parametrize("options", [(), ("--format", "table"), ("--format", "markdown")])
    def test_standard_output_is_the_token_alone(self, mooring: Mooring, options: list[str]) -> None:
        made = mooring("token", "create", "ada", *options)
        (line,) = made.stdout.splitlines()
        token = ApiToken.parse(line)
        accounts = Accounts.open(DATABASE)
        assert accounts.authenticate(token.secret).name == "ada"
        accounts.close()
        assert token.address == "http://127.0.0.1:8080"
        assert "shown this once" in made.stderr
        assert "NEPTUNE_API_TOKEN" in made.stderr
        assert line not in made.stderr
        assert token.secret not in made.stderr

    def test_names_the_address_that_the_hub_had_last(self, mooring: Mooring) -> None:
        accounts = Accounts.open(DATABASE)
        accounts.set_address("https://runs.example.org")
        accounts.close()
        made = mooring("token", "create", "ada")
        assert ApiToken.parse(made.stdout).address == "https://runs.example.org"

    def test_of_a_service_with_a_project(self, mooring: Mooring) -> None:
        made = mooring("token", "create", "ada", "--service", "--project", "team/digits", "--json")
        accounts = Accounts.open(DATABASE)
        found = accounts.authenticate(ApiToken.parse(json.loads(made.stdout)["token"]).secret)
        accounts.close()
        assert (found.service, found.project) == (True, "team/digits")

    def test_a_name_that_would_reach_the_terminal(self, mooring: Mooring) -> None:
        result = mooring("token", "create", "ada", "--name", "a\x1b[2Jb")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "\x1b" not in result.stderr

    def test_a_number_beyond_any(self, mooring: Mooring) -> None:
        result = mooring("token", "revoke", 10**30)
        assert (result.exit_code, "not found" in result.stderr) == (1, True)

    def test_end_with_their_user(self, mooring: Mooring) -> None:
        secret = ApiToken.parse(mooring("token", "create", "ada").stdout).secret
        assert mooring("user", "disable", "ada").exit_code == 0
        accounts = Accounts.open(DATABASE)
        with pytest.raises(Unauthenticated):
            accounts.authenticate(secret)
        assert mooring("user", "enable", "ada").exit_code == 0
        assert accounts.authenticate(secret).name == "ada"
        accounts.close()


class TestUsers:
    def test_get_no_projects_by_their_name(self, mooring: Mooring, store: str) -> None:
        made = mooring("user", "create", "team", "--store", store)
        assert made.exit_code == 0, made.output
        assert "has no part in it" in made.stderr
        accounts = Accounts.open(DATABASE)
        assert accounts.role_of(asking(accounts, "team"), "team/digits") is None
        accounts.close()

    def test_get_a_workspace_where_it_is_free(self, mooring: Mooring, store: str) -> None:
        made = mooring("user", "create", "ada", "--store", store)
        assert "has no part in it" not in made.stderr
        accounts = Accounts.open(DATABASE)
        assert accounts.role_of(asking(accounts, "ada"), "ada/digits") is Role.OWNER
        accounts.close()

    def test_a_password_is_no_argument(self, mooring: Mooring, store: str) -> None:
        mooring("user", "create", "ada", "--store", store)
        given = mooring("user", "password", "ada", "correct horse", "--store", store)
        assert given.exit_code == 2
        asked = mooring("user", "password", "ada", "--store", store)
        assert (asked.exit_code, "--password-stdin" in asked.stderr) == (1, True)

    def test_a_password_that_is_too_short_is_not_repeated(
        self, mooring: Mooring, store: str
    ) -> None:
        result = mooring(
            "user", "create", "ada", "--password-stdin", "--store", store, input="hunter2\n"
        )
        assert result.exit_code == 1
        assert "hunter2" not in result.output
        assert json.loads(mooring("user", "list", "--store", store, "--json").stdout) == []


class TestProjects:
    def test_a_new_one_has_none_of_the_roles_of_an_old_one(
        self, mooring: Mooring, store: str
    ) -> None:
        for user in ("ada", "eve"):
            mooring("user", "create", user, "--store", store)
        accounts = Accounts.open(DATABASE)
        accounts.grant("club/new", "eve", Role.OWNER)  # as a kill leaves it
        made = mooring("project", "create", "club/new", "--owner", "ada", "--store", store)
        assert made.exit_code == 0, made.output
        assert [user.name for user, _ in accounts.list_members("club/new")] == ["ada"]
        accounts.close()

    def test_one_that_is_there_keeps_its_roles(self, mooring: Mooring, store: str) -> None:
        mooring("user", "create", "ada", "--store", store)
        mooring("project", "share", "team/digits", "ada", "--store", store)
        again = mooring("project", "create", "team/digits", "--store", store)
        assert (again.exit_code, "exists already" in again.stderr) == (1, True)
        members = mooring("project", "members", "team/digits", "--store", store, "--json")
        assert json.loads(members.stdout) == [{"user": "ada", "role": "viewer"}]

    def test_their_workspace_cannot_be_taken_by_name(self, mooring: Mooring, store: str) -> None:
        mooring("user", "create", "eve", "--store", store)
        mooring("project", "create", "club/new", "--store", store)
        mooring("user", "create", "club", "--store", store)
        accounts = Accounts.open(DATABASE)
        assert accounts.role_of(asking(accounts, "club"), "club/new") is None
        accounts.close()

    @pytest.mark.parametrize("name", ["", "a/b/c", "/x", "x/", "a\nb"])
    def test_names_that_cannot_be(self, mooring: Mooring, store: str, name: str) -> None:
        result = mooring("project", "create", name, "--store", store)
        assert (result.exit_code, "no project name" in result.stderr) == (1, True)
        with SqliteStore(Path(store)) as opened:
            assert list(opened.list_projects()) == ["team/digits"]

    @pytest.mark.parametrize(
        "arguments",
        [("share", "team/digits", "ada", "--role", "king"), ("serving", "team/digits", "yes")],
    )
    def test_misuse(self, mooring: Mooring, store: str, arguments: tuple[str, ...]) -> None:
        mooring("user", "create", "ada", "--store", store)
        assert mooring("project", *arguments, "--store", store).exit_code == 2
