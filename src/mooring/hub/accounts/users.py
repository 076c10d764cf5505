"""Users: who they are, and their passwords."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from mooring.errors import AlreadyExists, InvalidInput, InvalidName, NotFound
from mooring.hub.accounts.database import AccountsDatabase
from mooring.hub.accounts.passwords import MAX_PASSWORD, hash_password
from mooring.hub.accounts.records import User
from mooring.hub.accounts.schema import tokens, users
from mooring.hub.accounts.workspaces import Workspaces
from mooring.model import now_micros
from mooring.model.names import DEFAULT_WORKSPACE

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_EMAIL = re.compile(
    r"[^@\s\x00-\x1f\x7f\ud800-\udfff]{1,200}@[^@\s\x00-\x1f\x7f\ud800-\udfff]{1,200}"
)
_MIN_PASSWORD = 8


class UserNotFound(NotFound):
    """No such user."""

    what = "user"


class Users(Workspaces):
    """The users of a hub."""

    _database: AccountsDatabase

    def create_user(
        self,
        name: str,
        *,
        email: str | None = None,
        password: str | None = None,
        admin: bool = False,
        service: bool = False,
    ) -> User:
        """Create a user, and a workspace of their name where that is free.

        Whether it is free the store has a say in: see `Workspaces`.
        """
        _check_name(name)
        if email is not None and not _EMAIL.fullmatch(email):
            raise InvalidName(f"{email!r} is no email address")
        kept = None if password is None else hash_password(_checked_password(password))
        with self._database.write() as connection:
            if connection.execute(select(users.c.id).where(users.c.name == name)).first():
                raise AlreadyExists(f"there is a user {name!r} already")
            if email is not None and find_by_email(connection, email) is not None:
                raise AlreadyExists(f"there is a user with the email address {email!r} already")
            id = self.add_user(
                connection, name, email=email, password=kept, admin=admin, service=service
            )
            if (
                not service
                and name != DEFAULT_WORKSPACE
                and not self.has_workspace(connection, name)
            ):
                self.add_workspace(connection, name, id, {})
        return self.get_user(name)

    @staticmethod
    def add_user(
        connection: Connection,
        name: str,
        *,
        email: str | None = None,
        password: str | None = None,
        admin: bool = False,
        service: bool = False,
    ) -> int:
        """Enter a user, in the transaction of the caller."""
        made = connection.execute(
            insert(users).values(
                name=name,
                email=None if email is None else email.lower(),
                password=password,
                admin=admin,
                service=service,
                disabled=False,
                created=now_micros(),
            )
        )
        return int(made.inserted_primary_key[0])

    def find_user(self, name: str) -> User | None:
        """Return a user by name, or None."""
        if not _NAME.fullmatch(name):
            return None  # nobody has it, and not every text can be asked for
        with self._database.read() as connection:
            row = connection.execute(select(users).where(users.c.name == name)).first()
        return None if row is None else user_of(row)

    def get_user(self, name: str) -> User:
        """Return a user by name."""
        found = self.find_user(name)
        if found is None:
            raise UserNotFound(name, known=[user.name for user in self.list_users()])
        return found

    def list_users(self) -> Sequence[User]:
        """Return all users, by name."""
        with self._database.read() as connection:
            return [
                user_of(row) for row in connection.execute(select(users).order_by(users.c.name))
            ]

    def set_password(self, name: str, password: str) -> None:
        """Give a user another password; their sessions end."""
        user = self.get_user(name)
        kept = hash_password(_checked_password(password))
        with self._database.write() as connection:
            connection.execute(update(users).where(users.c.id == user.id).values(password=kept))
            connection.execute(
                update(tokens)
                .where(
                    tokens.c.user_id == user.id,
                    tokens.c.kind == "session",
                    tokens.c.revoked.is_(None),
                )
                .values(revoked=now_micros())
            )

    def disable_user(self, name: str) -> None:
        """Refuse a user's tokens and password from now on."""
        self._set_disabled(name, True)

    def enable_user(self, name: str) -> None:
        """Take a disabled user back, with the tokens that they had."""
        self._set_disabled(name, False)

    def _set_disabled(self, name: str, disabled: bool) -> None:
        user = self.get_user(name)
        with self._database.write() as connection:
            connection.execute(update(users).where(users.c.id == user.id).values(disabled=disabled))


def find_by_email(connection: Connection, email: str) -> Row[Any] | None:
    """Return the row of the user with an email address, whatever its case, or None."""
    if not _EMAIL.fullmatch(email):
        return None
    return connection.execute(select(users).where(users.c.email == email.lower())).first()


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidName(
            f"{name!r} is no name of a user; up to 64 letters, digits, '.', '_' and '-', of which "
            "the first is a letter or digit"
        )


def _checked_password(password: str) -> str:
    if len(password) < _MIN_PASSWORD:
        raise InvalidInput(f"a password has {_MIN_PASSWORD} characters or more")
    if len(password) > MAX_PASSWORD:
        raise InvalidInput("a password has 1,024 characters or fewer")
    return password


def user_of(row: Row[Any]) -> User:
    """Return the user of a row of the table."""
    return User(
        id=row.id,
        name=row.name,
        email=row.email,
        admin=row.admin,
        service=row.service,
        disabled=row.disabled,
        created=row.created,
    )
