"""`mooring user`, `token`, `project`, `hub`, `sync`: the commands around a hub."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

import mooring
from mooring.client.token import ApiToken
from mooring.errors import Unauthenticated
from mooring.hub.accounts import Accounts, Role
from mooring.store.sqlite.store import SqliteStore
from tests.serving import HubProcess, HubThread

Mooring = Callable[..., Result]


@pytest.fixture
def runs() -> Path:
    """A store with a project."""
    with mooring.Run("team/digits", store="runs.db", run_id="a", on_error="raise") as run:
        run.log({"loss": 1.0}, step=0)
    return Path("runs.db")


def rows(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    found: list[dict[str, object]] = json.loads(result.stdout)
    return found


class TestUsers:
    def test_are_made_listed_disabled_and_enabled(self, mooring: Mooring, runs: Path) -> None:
        made = mooring("user", "create", "ada", "--email", "Ada@x.org", "--password-stdin",
                       "--store", runs, input="correct horse\n")  # fmt: skip
        assert made.exit_code == 0, made.output
        assert "correct horse" not in made.output
        (ada,) = rows(mooring("user", "list", "--store", runs, "--json"))
        assert (ada["user"], ada["email"], ada["admin"], ada["disabled"]) == (
            "ada", "ada@x.org", False, False
        )  # fmt: skip
        accounts = Accounts.open("runs.db-data/hub.db")
        assert accounts.log_in("ada@x.org", "correct horse").info.user == "ada"
        assert mooring("user", "disable", "ada", "--store", runs).exit_code == 0
        with pytest.raises(Unauthenticated):
            accounts.log_in("ada@x.org", "correct horse")
        assert mooring("user", "enable", "ada", "--store", runs).exit_code == 0
        changed = mooring("user", "password", "ada", "--password-stdin", "--store", runs,
                          input="another horse\n")  # fmt: skip
        assert changed.exit_code == 0, changed.output
        assert accounts.log_in("ada@x.org", "another horse")
        accounts.close()

    @pytest.mark.parametrize("name", ["", "../x", "a b", "a" * 65, "-x", "é", "a/b"])
    def test_names_that_cannot_be(self, mooring: Mooring, runs: Path, name: str) -> None:
        result = mooring("user", "create", "--store", runs, "--", name)
        assert result.exit_code == 1
        assert "no name of a user" in result.stderr

    def test_a_name_that_is_taken(self, mooring: Mooring, runs: Path) -> None:
        mooring("user", "create", "ada", "--store", runs)
        again = mooring("user", "create", "ada", "--store", runs)
        assert (again.exit_code, "already" in again.stderr) == (1, True)

    def test_one_who_is_not_there(self, mooring: Mooring, runs: Path) -> None:
        mooring("user", "create", "ada", "--store", runs)
        result = mooring("user", "disable", "adda", "--store", runs)
        assert result.exit_code == 1
        assert "'adda' not found; closest: ada" in result.stderr

    def test_a_store_that_is_not_there(self, mooring: Mooring) -> None:
        result = mooring("user", "list", "--store", "none.db")
        assert result.exit_code == 1
        assert "no store at none.db" in result.stderr
        assert not Path("none.db-data").exists()

    def test_at_an_address(self, mooring: Mooring) -> None:
        result = mooring("user", "list", "--store", "http://127.0.0.1:1")
        assert result.exit_code == 1
        assert "where the hub's store lies" in result.stderr


class TestTokens:
    def test_are_shown_once_and_kept_as_a_hash(self, mooring: Mooring, runs: Path) -> None:
        mooring("user", "create", "ada", "--store", runs)
        made = mooring("token", "create", "ada", "--expires", "90d", "--address",
                       "https://runs.example.org/", "--store", runs, "--json")  # fmt: skip
        assert made.exit_code == 0, made.output
        token = ApiToken.parse(json.loads(made.stdout)["token"])
        assert token.address == "https://runs.example.org"
        accounts = Accounts.open("runs.db-data/hub.db")
        assert accounts.authenticate(token.secret).name == "ada"
        listed = mooring("token", "list", "--store", runs, "--json")
        assert token.secret not in listed.output
        (info,) = rows(listed)
        assert (info["user"], info["kind"]) == ("ada", "personal")
        assert info["expires"] is not None
        database = Path("runs.db-data/hub.db")
        held = b"".join(each.read_bytes() for each in database.parent.glob("hub.db*"))
        assert token.secret.encode() not in held
        assert stat.S_IMODE(database.stat().st_mode) == 0o600
        assert mooring("token", "revoke", info["id"], "--store", runs).exit_code == 0
        with pytest.raises(Unauthenticated):
            accounts.authenticate(token.secret)
        accounts.close()

    @pytest.mark.parametrize("span", ["", "90", "d90", "1y", "-1d", "1.5d"])
    def test_spans_that_cannot_be(self, mooring: Mooring, runs: Path, span: str) -> None:
        mooring("user", "create", "ada", "--store", runs)
        result = mooring("token", "create", "ada", f"--expires={span}", "--store", runs)
        assert (result.exit_code, "no span of time" in result.stderr) == (1, True)

    def test_of_nobody(self, mooring: Mooring, runs: Path) -> None:
        assert "'eve' not found" in mooring("token", "create", "eve", "--store", runs).stderr
        assert "'7' not found" in mooring("token", "revoke", "7", "--store", runs).stderr


class TestProjects:
    def test_are_made_shared_and_deleted(self, mooring: Mooring, runs: Path) -> None:
        for user in ("ada", "bob"):
            mooring("user", "create", user, "--store", runs)
        made = mooring("project", "create", "team/new", "--owner", "ada", "--store", runs)
        assert made.exit_code == 0, made.output
        shared = mooring("project", "share", "team/new", "bob", "--role", "viewer", "--store", runs)
        assert shared.exit_code == 0, shared.output
        assert mooring("project", "serving", "team/new", "on", "--store", runs).exit_code == 0
        listed = {row["project"]: row for row in rows(mooring("project", "list", "--store", runs,
                                                              "--json"))}  # fmt: skip
        assert set(listed) == {"team/digits", "team/new"}
        assert listed["team/new"]["members"] == "ada (owner), bob (viewer)"
        assert listed["team/new"]["serving"] is True
        assert mooring("project", "unshare", "team/new", "bob", "--store", runs).exit_code == 0
        members = rows(mooring("project", "members", "team/new", "--store", runs, "--json"))
        assert members == [{"user": "ada", "role": "owner"}]
        tried = mooring("project", "delete", "team/new", "--dry-run", "--store", runs)
        assert tried.exit_code == 0
        asked = mooring("project", "delete", "team/new", "--store", runs, input="n\n")
        assert asked.exit_code == 1
        assert len(rows(mooring("project", "list", "--store", runs, "--json"))) == 2
        gone = mooring("project", "delete", "team/new", "--yes", "--store", runs)
        assert gone.exit_code == 0, gone.output
        assert [row["project"] for row in rows(
            mooring("project", "list", "--store", runs, "--json"))] == ["team/digits"]  # fmt: skip
        accounts = Accounts.open("runs.db-data/hub.db")
        assert accounts.list_members("team/new") == []
        accounts.close()

    def test_one_that_is_not_there(self, mooring: Mooring, runs: Path) -> None:
        mooring("user", "create", "ada", "--store", runs)
        result = mooring("project", "share", "team/digit", "ada", "--store", runs)
        assert result.exit_code == 1
        assert "closest: team/digits" in result.stderr

    def test_an_owner_who_is_not_there_makes_nothing(self, mooring: Mooring, runs: Path) -> None:
        result = mooring("project", "create", "team/new", "--owner", "eve", "--store", runs)
        assert result.exit_code == 1
        with SqliteStore(runs) as store:
            assert list(store.list_projects()) == ["team/digits"]


class TestHub:
    def test_of_an_address(self, mooring: Mooring) -> None:
        result = mooring("hub", "--store", "http://127.0.0.1:1")
        assert (result.exit_code, "a hub serves a store file" in result.stderr) == (1, True)

    def test_a_port_that_is_taken(self, mooring: Mooring, tmp_path: Path) -> None:
        hub = HubThread(tmp_path / "other.db")
        result = mooring("hub", "--store", "runs.db", "--port", hub.settings.port)
        hub.stop()
        assert result.exit_code == 1
        assert "Another" in result.stderr or "another" in result.stderr

    def test_help_has_an_example(self, mooring: Mooring) -> None:
        assert "mooring hub --store runs.db" in mooring("hub", "--help").stdout


class TestSync:
    @pytest.fixture(autouse=True)
    def _place(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("MOORING_SPOOL", str(tmp_path / "spool"))

    def test_nothing_waits(self, mooring: Mooring) -> None:
        result = mooring("sync")
        assert (result.exit_code, "nothing waits" in result.stderr) == (0, True)

    @pytest.mark.skipif(sys.platform == "win32", reason="spools need flock")
    def test_what_a_hub_missed_is_sent(
        self, mooring: Mooring, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        import mooring as library

        hub = HubProcess(tmp_path / "team.db")
        monkeypatch.setenv("MOORING_API_TOKEN", hub.admin)
        monkeypatch.setattr("mooring.store.hub.buffering.CLOSE_TIMEOUT_S", 0.1)
        run = library.Run("team/digits", store=hub.address, run_id="away")
        run.log({"x": 0.0}, step=0)
        hub.kill()
        for step in range(1, 50):
            run.log({"x": float(step)}, step=step)
        run.close()
        assert dict(run.failures) == {}
        (waiting,) = rows(mooring("sync", "--dry-run", "--json"))
        assert (waiting["run"], waiting["alive"]) == ("away", False)
        assert mooring("sync").exit_code == 1  # the hub is away
        hub.start()
        (sent,) = rows(mooring("sync", "--json"))
        assert (sent["project"], sent["run"], sent["left"]) == ("team/digits", "away", 0)
        assert "nothing waits" in mooring("sync").stderr
        with library.open_store(hub.address) as store:
            found = store.find_run("team/digits", run_id="away")
            assert found is not None
            stats = store.get_stats(found.key, "x")
            assert (stats.count, stats.last) == (50, 49.0)
            assert store.get_value(found.key, "sys/state")[1] == "inactive"
        assert hub.stop() == 0


def test_roles_of_the_option_are_those_of_accounts() -> None:
    assert {str(role) for role in Role} == {"owner", "contributor", "viewer"}
