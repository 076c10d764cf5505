"""Accounts in a file of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.hub.accounts import Accounts, Principal


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "runs.db-data" / "hub.db"


@pytest.fixture
def accounts(place: Path) -> Iterator[Accounts]:
    opened = Accounts.open(place)
    yield opened
    opened.close()


def principal(accounts: Accounts, name: str) -> Principal:
    """Return a user as they ask by a token of theirs; they are made when missing."""
    if accounts.find_user(name) is None:
        accounts.create_user(name)
    return accounts.authenticate(accounts.create_token(name).secret)
