"""Users: names, passwords, and who is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.errors import AlreadyExists, InvalidInput, InvalidName, NotFound, Unauthenticated
from mooring.hub.accounts import Accounts, Role
from mooring.model import now_micros
from tests.unit.hub.accounts.conftest import principal

HOSTILE = [
    "",
    " ",
    "a b",
    "../x",
    "-x",
    ".x",
    "a/b",
    "é",
    "a" * 65,
    "a\n",
    "a\x00",
    "\ud800",
    "'--",
]
PASSWORD = "correct horse"


def test_the_first_is_the_administrator(accounts: Accounts) -> None:
    made = accounts.ensure_administrator()
    assert made is not None
    admin = accounts.authenticate(made.secret)
    assert (admin.name, admin.admin) == ("admin", True)
    assert [each.name for each in accounts.list_workspaces(admin)] == ["local", "admin"]
    assert accounts.ensure_administrator() is None


def test_there_is_no_administrator_where_there_is_a_user(accounts: Accounts) -> None:
    accounts.create_user("ada")
    assert accounts.ensure_administrator() is None


def test_are_made_and_listed(accounts: Accounts) -> None:
    bob = accounts.create_user("bob", admin=True)
    ada = accounts.create_user("ada", email="Ada@Example.org")
    assert accounts.list_users() == [ada, bob]
    assert accounts.get_user("ada") == ada
    assert (ada.email, ada.admin, bob.admin, ada.disabled) == (
        "ada@example.org", False, True, False
    )  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_cannot_be(accounts: Accounts, name: str) -> None:
    with pytest.raises(InvalidName, match="no name of a user"):
        accounts.create_user(name)
    assert accounts.find_user(name) is None
    with pytest.raises(NotFound):
        accounts.disable_user(name)
    assert accounts.list_users() == []


@pytest.mark.parametrize("email", ["", "ada", "a@", "@b", "a b@c", "a@b\x00", "\ud800@b", "a@b@c"])
def test_addresses_that_cannot_be(accounts: Accounts, email: str) -> None:
    with pytest.raises(InvalidName, match="no email address"):
        accounts.create_user("ada", email=email)
    assert accounts.list_users() == []


def test_names_and_addresses_that_are_taken(accounts: Accounts) -> None:
    accounts.create_user("ada", email="ada@example.org")
    with pytest.raises(AlreadyExists, match="'ada'"):
        accounts.create_user("ada")
    with pytest.raises(AlreadyExists, match="email"):
        accounts.create_user("bob", email="ADA@example.org")
    assert [user.name for user in accounts.list_users()] == ["ada"]


def test_one_who_is_not_there(accounts: Accounts) -> None:
    accounts.create_user("ada")
    with pytest.raises(NotFound, match="user 'adda' not found; closest: ada"):
        accounts.get_user("adda")


@pytest.mark.parametrize("password", ["", "short", "x" * 1025])
def test_passwords_that_cannot_be(accounts: Accounts, password: str) -> None:
    with pytest.raises(InvalidInput, match="a password has"):
        accounts.create_user("ada", password=password)
    accounts.create_user("ada")
    with pytest.raises(InvalidInput, match="a password has"):
        accounts.set_password("ada", password)


def test_passwords_are_kept_as_salted_hashes(accounts: Accounts, place: Path) -> None:
    for name in ("ada", "bob"):
        accounts.create_user(name, email=f"{name}@example.org", password=PASSWORD)
    accounts.close()
    held = b"".join(file.read_bytes() for file in place.parent.iterdir())
    assert PASSWORD.encode() not in held
    start = held.index(b"scrypt$")
    kept = held[start : start + 80]
    assert held.count(kept) < held.count(b"scrypt$")  # the two differ by their salts


class TestLogin:
    @pytest.fixture(autouse=True)
    def _ada(self, accounts: Accounts) -> None:
        accounts.create_user("ada", email="ada@example.org", password=PASSWORD)

    def test_gives_a_session(self, accounts: Accounts) -> None:
        made = accounts.log_in("ADA@example.org", PASSWORD)
        assert (made.info.kind, made.info.user) == ("session", "ada")
        assert made.info.expires == pytest.approx(
            made.info.created + 30 * 86_400_000_000, abs=60_000_000
        )
        assert accounts.authenticate(made.secret).name == "ada"

    @pytest.mark.parametrize(
        ("email", "password"),
        [
            ("ada@example.org", "wrong horse"),
            ("ada@example.org", ""),
            ("ada@example.org", "x" * 2000),
            ("ada@example.org", "\ud800"),
            ("eve@example.org", PASSWORD),
            ("ada", PASSWORD),
            ("", ""),
            ("\ud800@\x00", PASSWORD),
            ("x" * 5000 + "@example.org", PASSWORD),
        ],
    )
    def test_of_nobody_is_refused_in_the_same_words(
        self, accounts: Accounts, email: str, password: str
    ) -> None:
        with pytest.raises(Unauthenticated) as caught:
            accounts.log_in(email, password)
        assert str(caught.value) == "Email or password incorrect"
        assert caught.value.status == 401

    def test_without_a_password_is_refused(self, accounts: Accounts) -> None:
        accounts.create_user("bob", email="bob@example.org")
        with pytest.raises(Unauthenticated):
            accounts.log_in("bob@example.org", "")

    def test_of_a_service_is_refused(self, accounts: Accounts) -> None:
        accounts.create_user("bot", email="bot@example.org", password=PASSWORD, service=True)
        with pytest.raises(Unauthenticated, match="Email or password incorrect"):
            accounts.log_in("bot@example.org", PASSWORD)

    def test_of_a_disabled_user_is_refused(self, accounts: Accounts) -> None:
        accounts.disable_user("ada")
        with pytest.raises(Unauthenticated, match="Email or password incorrect"):
            accounts.log_in("ada@example.org", PASSWORD)

    def test_is_not_tried_after_ten_wrong_ones_for_a_minute(
        self, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        accounts.create_user("bob", email="bob@example.org", password=PASSWORD)
        for number in range(10):
            with pytest.raises(Unauthenticated):
                accounts.log_in("ada@example.org", f"wrong {number}")
        for email in ("ada@example.org", "ADA@example.org"):
            with pytest.raises(Unauthenticated, match="Email or password incorrect"):
                accounts.log_in(email, PASSWORD)
        assert accounts.log_in("bob@example.org", PASSWORD).info.user == "bob"
        _pass_seconds(monkeypatch, 61)
        assert accounts.log_in("ada@example.org", PASSWORD).info.user == "ada"

    def test_ends_with_the_password(self, accounts: Accounts) -> None:
        session = accounts.log_in("ada@example.org", PASSWORD)
        kept = accounts.create_token("ada")
        accounts.set_password("ada", "another horse")
        with pytest.raises(Unauthenticated):
            accounts.authenticate(session.secret)
        with pytest.raises(Unauthenticated):
            accounts.log_in("ada@example.org", PASSWORD)
        assert accounts.authenticate(kept.secret).name == "ada"
        assert accounts.log_in("ada@example.org", "another horse")

    def test_forgets_sessions_that_have_expired(
        self, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = accounts.log_in("ada@example.org", PASSWORD)
        _pass_seconds(monkeypatch, 31 * 86_400)
        new = accounts.log_in("ada@example.org", PASSWORD)
        assert [token.id for token in accounts.list_tokens("ada")] == [new.info.id]
        with pytest.raises(Unauthenticated):
            accounts.authenticate(old.secret)


def test_a_disabled_user_is_out_at_once_and_back_with_everything(accounts: Accounts) -> None:
    ada = principal(accounts, "ada")
    secret = accounts.create_token("ada").secret
    accounts.grant("team/digits", "ada", Role.VIEWER)
    accounts.disable_user("ada")
    assert accounts.get_user("ada").disabled
    with pytest.raises(Unauthenticated):
        accounts.authenticate(secret)
    accounts.enable_user("ada")
    assert accounts.authenticate(secret).user == ada.user
    assert accounts.role_of(ada, "team/digits") is Role.VIEWER


def _pass_seconds(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    monkeypatch.setattr(
        "mooring.hub.accounts.tokens.now_micros", lambda: now_micros() + seconds * 1_000_000
    )
