"""`Accounts`: the one home of who may do what."""

from __future__ import annotations

import secrets
from pathlib import Path

from sqlalchemy import select

from mooring.hub.accounts.database import AccountsDatabase, add_missing, put
from mooring.hub.accounts.records import NewToken
from mooring.hub.accounts.roles import Roles
from mooring.hub.accounts.schema import facts, uploads, users
from mooring.hub.accounts.tokens import Tokens
from mooring.hub.settings import HubSettings
from mooring.model import now_micros
from mooring.model.names import DEFAULT_WORKSPACE

ADMINISTRATOR = "admin"


class Accounts(Tokens, Roles):
    """Users, workspaces, roles and tokens of a hub. Any thread and process may use it.

    Times are microseconds since 1970. Errors: `NotFound`, `AlreadyExists`,
    `InvalidInput`, `Unauthenticated`; `StoreError` and its children where the database fails.
    """

    def __init__(self, database: AccountsDatabase) -> None:
        self._database = database

    @classmethod
    def open(cls, place: str | Path) -> Accounts:
        """Open the accounts in a file, or at a URL of SQLAlchemy; made when missing."""
        return cls(AccountsDatabase(place))

    def __repr__(self) -> str:
        return f"Accounts({self._database.engine.url.render_as_string(hide_password=True)!r})"

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    # the hub itself

    def ensure_administrator(self) -> NewToken | None:
        """Make the first user, `admin`, and return their token; None where there are users.

        They own the workspaces `admin` and `local`.
        """
        with self._database.write() as connection:
            if connection.execute(select(users.c.id).limit(1)).first():
                return None
            user = self.add_user(connection, ADMINISTRATOR, admin=True)
            for name in (DEFAULT_WORKSPACE, ADMINISTRATOR):
                if not self.has_workspace(connection, name):
                    self.add_workspace(connection, name, user, {})
            return self.add_token(connection, user, ADMINISTRATOR, name="first start")

    def signing_key(self) -> bytes:
        """Return the key that links are signed with, made the first time."""
        found = self._fact("signing_key")
        if found is None:
            with self._database.write() as connection:
                add_missing(connection, facts, name="signing_key", value=secrets.token_bytes(32))
            found = self._fact("signing_key")
        assert found is not None
        return found

    def get_address(self) -> str | None:
        """Return the address that the hub had last, for tokens that are made beside it."""
        found = self._fact("address")
        return None if found is None else found.decode()

    def set_address(self, address: str) -> None:
        """Remember the hub's address."""
        if self.get_address() != address:
            with self._database.write() as connection:
                put(connection, facts, name="address", value=address.encode())

    def _fact(self, name: str) -> bytes | None:
        with self._database.read() as connection:
            found = connection.execute(select(facts.c.value).where(facts.c.name == name)).scalar()
        return None if found is None else bytes(found)

    # files

    def note_upload(self, digest: str, user: int) -> None:
        """Remember that a user brought this content."""
        with self._database.write() as connection:
            add_missing(connection, uploads, digest=digest, user_id=user, time=now_micros())

    def uploaded_by(self, digest: str, user: int) -> bool:
        """Return whether a user brought this content."""
        with self._database.read() as connection:
            found = connection.execute(
                select(uploads.c.time).where(uploads.c.digest == digest, uploads.c.user_id == user)
            ).first()
        return found is not None


def accounts_of(settings: HubSettings) -> Accounts:
    """Open the accounts of a hub: where its settings say, else beside its store."""
    return Accounts.open(settings.accounts or settings.data / "hub.db")
