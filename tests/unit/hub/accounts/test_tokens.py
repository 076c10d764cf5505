"""Tokens: what they are good for, until when, and that nobody learns their secret."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from sqlalchemy import event

from mooring.client.token import ApiToken
from mooring.errors import (
    AlreadyExists,
    InvalidInput,
    InvalidName,
    NotFound,
    StoreReadOnly,
    Unauthenticated,
)
from mooring.hub.accounts import Accounts
from mooring.model import now_micros

REFUSED = "the token is wrong, expired or revoked"


@pytest.fixture(autouse=True)
def _ada(accounts: Accounts) -> None:
    accounts.create_user("ada")


def test_tells_who_asks_and_what_it_stands_for(accounts: Accounts) -> None:
    made = accounts.create_token("ada", name="laptop", project="digits", cluster=7)
    found = accounts.authenticate(made.secret)
    assert found.token == made.info.id
    assert (found.name, found.admin, found.service) == ("ada", False, False)
    assert (found.project, found.cluster) == ("local/digits", 7)
    assert accounts.role_of(found, "local/digits") is None  # a default gives no authority


def test_may_hold_the_address_too(accounts: Accounts) -> None:
    made = accounts.create_token("ada")
    token = ApiToken("http://hub", made.secret).encode()
    assert accounts.authenticate(token).name == "ada"


def test_of_services(accounts: Accounts) -> None:
    accounts.create_user("bot", service=True)
    assert accounts.authenticate(accounts.create_token("bot").secret).service
    assert accounts.authenticate(accounts.create_token("ada", kind="service").secret).service


def test_a_secret_that_was_given_is_taken_once(accounts: Accounts) -> None:
    made = accounts.create_token("ada", secret="given")
    assert accounts.authenticate("given").token == made.info.id
    with pytest.raises(AlreadyExists) as caught:
        accounts.create_token("ada", secret="given")
    assert "given" not in str(caught.value)
    accounts.revoke_token(made.info.id)
    with pytest.raises(AlreadyExists):
        accounts.create_token("ada", secret="given")
    assert len(accounts.list_tokens()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "root"},
        {"secret": " "},
        {"expires": 1},
        {"name": "a\x1b[2J"},
        {"name": "\ud800"},
        {"name": "x" * 201},
        {"cluster": 2**63},
        {"cluster": -1},
    ],
)
def test_what_cannot_be(accounts: Accounts, wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        accounts.create_token("ada", **wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidName):
        accounts.create_token("ada", project="a/b/c")
    assert accounts.list_tokens() == []


@pytest.mark.parametrize(
    "secret", ["", "x", "\x00", "\ud800", "' OR 1=1 --", "x" * 1_000_000, ApiToken("h", "\ud800")]
)
def test_one_that_is_wrong(accounts: Accounts, secret: str | ApiToken) -> None:
    accounts.create_token("ada")
    text = secret if isinstance(secret, str) else secret.encode()
    with pytest.raises(Unauthenticated) as caught:
        accounts.authenticate(text)
    assert (str(caught.value), caught.value.status) == (REFUSED, 401)


def test_one_that_expired(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    made = accounts.create_token("ada", expires=now_micros() + 60_000_000)
    assert accounts.authenticate(made.secret).name == "ada"
    later = made.info.expires
    monkeypatch.setattr("mooring.hub.accounts.tokens.now_micros", lambda: later)
    with pytest.raises(Unauthenticated, match=REFUSED):
        accounts.authenticate(made.secret)


def test_one_that_was_revoked_is_refused_everywhere_at_once(
    accounts: Accounts, place: Path
) -> None:
    other = Accounts.open(place)
    made, kept = accounts.create_token("ada"), accounts.create_token("ada")
    assert other.authenticate(made.secret).name == "ada"
    ended = accounts.revoke_token(made.info.id)
    assert ended.revoked is not None
    with pytest.raises(Unauthenticated, match=REFUSED):
        other.authenticate(made.secret)
    assert accounts.revoke_token(made.info.id).revoked == ended.revoked
    assert other.authenticate(kept.secret).name == "ada"
    other.close()


@pytest.mark.parametrize("id", [0, 99, -1, 2**63, 10**30])
def test_one_that_is_not_there(accounts: Accounts, id: int) -> None:
    with pytest.raises(NotFound, match="token"):
        accounts.revoke_token(id)


def test_use_is_noted_once_a_minute(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    start = now_micros()
    made = accounts.create_token("ada")
    assert made.info.last_used is None
    for after, noted in ((0, 0), (30, 0), (61, 61), (90, 61)):
        instant = start + after * 1_000_000
        monkeypatch.setattr("mooring.hub.accounts.tokens.now_micros", lambda now=instant: now)
        accounts.authenticate(made.secret)
        (info,) = accounts.list_tokens("ada")
        assert info.last_used == start + noted * 1_000_000


def test_a_file_that_cannot_be_written_keeps_nobody_out(accounts: Accounts) -> None:
    made = accounts.create_token("ada")
    engine = accounts._database.engine
    engine.dispose()
    event.listen(engine, "connect", lambda opened, _: opened.execute("PRAGMA query_only = 1"))
    with pytest.raises(StoreReadOnly):
        accounts.create_user("bob")
    assert accounts.authenticate(made.secret).name == "ada"
    assert accounts.list_tokens("ada")[0].last_used is None


def test_are_listed_by_user(accounts: Accounts) -> None:
    accounts.create_user("bob")
    first, second = accounts.create_token("ada", name="one"), accounts.create_token("bob")
    assert [token.id for token in accounts.list_tokens()] == [first.info.id, second.info.id]
    assert accounts.list_tokens("ada") == [first.info]
    with pytest.raises(NotFound):
        accounts.list_tokens("eve")


def test_nobody_learns_a_secret(
    accounts: Accounts, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = accounts.create_token("ada", name="laptop")
    accounts.authenticate(made.secret)
    with pytest.raises(AlreadyExists) as caught:
        accounts.create_token("ada", secret=made.secret)
    shown = [
        repr(made), str(made), repr(accounts), repr(accounts.list_tokens()), caplog.text,
        repr(caught.value), repr(caught.value.__context__),
        repr(accounts.authenticate(made.secret)),
    ]  # fmt: skip
    assert not any(made.secret in text for text in shown)
    accounts.close()
    held = b"".join(file.read_bytes() for file in place.parent.iterdir())
    assert made.secret.encode() not in held
    assert len(made.secret) >= 43
