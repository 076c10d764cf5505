"""Accounts: who is who, until when, and that their file tells nobody a secret."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.client.token import ApiToken
from mooring.errors import (
    AlreadyExists,
    InvalidInput,
    InvalidName,
    NotAStore,
    NotFound,
    StoreError,
    StoreTooNew,
    Unauthenticated,
)
from mooring.hub.accounts import Accounts, Role
from mooring.hub.accounts.schema import FORMAT
from mooring.model import now_micros

SRC = str(Path(__file__).parents[3] / "src")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "data" / "hub.db"


@pytest.fixture
def accounts(place: Path) -> Iterator[Accounts]:
    accounts = Accounts.open(place)
    accounts.ensure_administrator()
    yield accounts
    accounts.close()


def _content(place: Path) -> bytes:
    """Return every byte that the accounts keep."""
    return b"".join(file.read_bytes() for file in sorted(place.parent.iterdir()))


class TestFirstStart:
    def test_of_processes_that_start_at_once_one_makes_the_administrator(self, place: Path) -> None:
        script = (
            "import sys; from mooring.hub.accounts import Accounts\n"
            "sys.stdin.readline()\n"
            "accounts = Accounts.open(sys.argv[1])\n"
            "made = accounts.ensure_administrator()\n"
            "print(made.secret if made else '-', accounts.signing_key().hex())"
        )
        children = [
            subprocess.Popen(
                [sys.executable, "-c", script, str(place)],
                env={"PYTHONPATH": SRC},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(3)
        ]
        for child in children:
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()
        told = [child.communicate(timeout=60)[0].split() for child in children]
        assert [child.returncode for child in children] == [0, 0, 0]
        secrets = [secret for secret, _ in told if secret != "-"]
        assert len(secrets) == 1
        assert len({key for _, key in told}) == 1
        accounts = Accounts.open(place)
        assert accounts.authenticate(secrets[0]).admin
        assert accounts.ensure_administrator() is None
        accounts.close()

    def test_the_file_is_its_owners_alone(self, place: Path, accounts: Accounts) -> None:
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in place.parent.iterdir()}
        assert set(modes.values()) == {0o600}, modes

    def test_secrets_are_kept_as_hashes(self, place: Path, accounts: Accounts) -> None:
        accounts.create_user("ada", email="ada@example.org", password="correct horse battery")
        token = accounts.create_token("ada")
        session = accounts.log_in("ada@example.org", "correct horse battery")
        own = accounts.create_token("ada", secret="a secret of my own")
        kept = _content(place)
        assert b"ada@example.org" in kept
        for secret in (token.secret, session.secret, own.secret, "correct horse battery"):
            assert secret.encode() not in kept
            assert secret not in repr(token) + repr(session) + repr(accounts)


class TestTokens:
    def test_wrong_ones_are_refused_in_the_same_words(self, accounts: Accounts) -> None:
        expiring = accounts.create_token("admin", expires=now_micros() + 200_000)
        revoked = accounts.create_token("admin")
        accounts.revoke_token(revoked.info.id)
        accounts.create_user("gone")
        disabled = accounts.create_token("gone")
        accounts.disable_user("gone")
        assert accounts.authenticate(expiring.secret).name == "admin"
        time.sleep(0.25)
        wrong = ["", "x", "\0", "\ud800", "é" * 5000, ApiToken("http://h", "x").encode()]
        wrong += [expiring.secret, revoked.secret, disabled.secret, revoked.secret[:-1]]
        told = set()
        for secret in wrong:
            with pytest.raises(Unauthenticated) as caught:
                accounts.authenticate(secret)
            told.add(str(caught.value))
            assert not secret.strip() or secret not in str(caught.value) or len(secret) < 3
        assert len(told) == 1

    def test_an_end_counts_at_once_in_every_process(self, place: Path, accounts: Accounts) -> None:
        other = Accounts.open(place)
        accounts.create_user("ada")
        first, second = (accounts.create_token("ada") for _ in range(2))
        for secret in (first.secret, second.secret):
            other.authenticate(secret)
        accounts.revoke_token(first.info.id)
        with pytest.raises(Unauthenticated):
            other.authenticate(first.secret)
        other.authenticate(second.secret)
        accounts.disable_user("ada")
        with pytest.raises(Unauthenticated):
            other.authenticate(second.secret)
        accounts.enable_user("ada")
        other.authenticate(second.secret)
        accounts.grant("team/p", "ada", Role.VIEWER)
        ada = other.authenticate(second.secret)
        assert other.role_of(ada, "team/p") is Role.VIEWER
        accounts.revoke("team/p", "ada")
        assert other.role_of(ada, "team/p") is None
        other.close()

    def test_a_token_works_with_and_without_the_address_in_it(self, accounts: Accounts) -> None:
        token = accounts.create_token("admin")
        whole = ApiToken("http://anywhere", token.secret).encode()
        assert accounts.authenticate(whole) == accounts.authenticate(token.secret)

    def test_what_cannot_be_a_token(self, accounts: Accounts) -> None:
        for options in ({"kind": "root"}, {"expires": 1}, {"secret": "  "}, {"project": "a/b/c"}):
            with pytest.raises(InvalidInput):
                accounts.create_token("admin", **options)  # type: ignore[arg-type]
        with pytest.raises(NotFound):
            accounts.create_token("nobody")
        accounts.create_token("admin", secret="same")
        with pytest.raises(AlreadyExists) as caught:
            accounts.create_token("admin", secret="same")
        assert "same" not in str(caught.value)
        with pytest.raises(NotFound):
            accounts.revoke_token(10**6)


class TestPasswords:
    def test_guessing_is_bounded(self, accounts: Accounts) -> None:
        accounts.create_user("ada", email="Ada@Example.org", password="correct horse")
        accounts.create_user("bob", email="bob@example.org", password="correct horse")
        assert accounts.log_in("ada@example.ORG", "correct horse")
        told = set()
        for guess in [f"guess number {number}" for number in range(10)] + ["correct horse"]:
            with pytest.raises(Unauthenticated) as caught:
                accounts.log_in("ada@example.org", guess)
            told.add(str(caught.value))
        with pytest.raises(Unauthenticated) as caught:
            accounts.log_in("nobody@example.org", "correct horse")
        assert told == {str(caught.value)}
        assert accounts.log_in("bob@example.org", "correct horse")  # it is of one account

    def test_who_has_no_password_cannot_log_in(self, accounts: Accounts) -> None:
        accounts.create_user("ada", email="ada@example.org")
        accounts.create_user("bot", email="bot@example.org", password="correct horse", service=True)
        accounts.create_user("out", email="out@example.org", password="correct horse")
        accounts.disable_user("out")
        for email in ("ada@example.org", "bot@example.org", "out@example.org", "", "\0", "%"):
            for password in ("", "correct horse", "A" * 1000, "\ud800"):
                with pytest.raises(Unauthenticated):
                    accounts.log_in(email, password)

    def test_another_password_ends_the_sessions(self, accounts: Accounts) -> None:
        accounts.create_user("ada", email="ada@example.org", password="correct horse")
        session = accounts.log_in("ada@example.org", "correct horse")
        token = accounts.create_token("ada")
        accounts.set_password("ada", "another horse")
        with pytest.raises(Unauthenticated):
            accounts.authenticate(session.secret)
        accounts.authenticate(token.secret)
        for password in ("short", "x" * 1025):
            with pytest.raises(InvalidInput):
                accounts.set_password("ada", password)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "a b", "a\0", "a\n", "-a", "_a", "é", "x" * 65, "' OR 1=1 --",
     "<b>", "a%2fb", "\ud800", "\uff41"],
)  # fmt: skip
def test_names_of_users_are_plain(accounts: Accounts, name: str) -> None:
    with pytest.raises(InvalidName):
        accounts.create_user(name)
    assert [user.name for user in accounts.list_users()] == ["admin"]
    assert accounts.find_user(name) is None


class TestTheFile:
    def test_of_a_newer_mooring(self, place: Path, accounts: Accounts) -> None:
        accounts.close()
        with sqlite3.connect(place) as connection:
            connection.execute("UPDATE accounts_format SET format = ?", (FORMAT + 1,))
        connection.close()
        with pytest.raises(StoreTooNew) as caught:
            Accounts.open(place)
        assert (caught.value.found, caught.value.supported) == (FORMAT + 1, FORMAT)

    def test_that_is_something_else(self, tmp_path: Path) -> None:
        text = tmp_path / "text.db"
        text.write_text("no database " * 200)
        with pytest.raises(NotAStore):
            Accounts.open(text)
        foreign = tmp_path / "foreign.db"
        with sqlite3.connect(foreign) as connection:
            connection.execute("CREATE TABLE notes (text)")
        connection.close()
        with pytest.raises(NotAStore):
            Accounts.open(foreign)
        with pytest.raises(StoreError):
            Accounts.open(tmp_path)

    def test_roles_survive_a_kill(self, place: Path, accounts: Accounts) -> None:
        script = (
            "import os, signal, sys; from mooring.hub.accounts import Accounts, Role\n"
            "accounts = Accounts.open(sys.argv[1])\n"
            "accounts.create_user('ada'); accounts.grant('team/p', 'ada', Role.OWNER)\n"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
        subprocess.run(
            [sys.executable, "-c", script, str(place)], env={"PYTHONPATH": SRC}, timeout=60
        )
        assert [(u.name, role) for u, role in accounts.list_members("team/p")] == [
            ("ada", Role.OWNER)
        ]
