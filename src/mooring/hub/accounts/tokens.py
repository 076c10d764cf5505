"""Tokens, and logging in."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from mooring.client.token import secret_of
from mooring.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    Unauthenticated,
)
from mooring.hub.accounts.database import MAX_ID
from mooring.hub.accounts.passwords import NOBODY, hash_secret, make_secret, matches
from mooring.hub.accounts.records import NewToken, Principal, TokenInfo
from mooring.hub.accounts.schema import failures, tokens, users
from mooring.hub.accounts.users import Users, find_by_email
from mooring.model import ProjectName, now_micros

_MINUTE = 60_000_000
_SESSION = 30 * 24 * 60 * _MINUTE
_MAX_FAILURES = 10
"""Wrong passwords of one account in a minute after which none is tried."""
_MAX_NAME = 200
_KINDS = ("personal", "service", "session")
_REFUSED = "the token is wrong, expired or revoked"

_WHO_HAS = select(
    tokens.c.id,
    tokens.c.user_id,
    tokens.c.kind,
    tokens.c.project,
    tokens.c.cluster,
    tokens.c.expires,
    tokens.c.revoked,
    tokens.c.last_used,
    users.c.name.label("owner"),
    users.c.admin,
    users.c.service,
    users.c.disabled,
).join(users)
_WHO = _WHO_HAS.where(tokens.c.hash == bindparam("hash"))
_WHOSE = _WHO_HAS.where(tokens.c.id == bindparam("id"))


class TokenNotFound(NotFound):
    """No such token."""

    what = "token"


class Tokens(Users):
    """The tokens of a hub's users."""

    def log_in(self, email: str, password: str) -> NewToken:
        """Return a token for an email address and password; it ends after 30 days.

        Raises
        ------
        Unauthenticated
            In the same words whatever is wrong, and after the same time whether there is such
            an account; also after ten wrong passwords for an address within a minute, when none
            is tried.
        """
        now = now_micros()
        # what is counted has to be storable, whatever was sent
        account = hash_secret(email.lower())
        with self._database.read() as connection:
            row = find_by_email(connection, email)
            tried = _recent_failures(connection, account, now)
        if tried >= _MAX_FAILURES:
            raise _not_logged_in()
        kept = NOBODY if row is None or row.password is None else row.password
        good = matches(password, kept)
        if not good or row is None or row.password is None or row.disabled or row.service:
            with self._database.write() as connection:
                connection.execute(delete(failures).where(failures.c.time <= now - _MINUTE))
                connection.execute(insert(failures).values(email=account, time=now))
            raise _not_logged_in()
        with self._database.write() as connection:
            # guesses that were made side by side count too
            if _recent_failures(connection, account, now) >= _MAX_FAILURES:
                raise _not_logged_in()
            connection.execute(
                delete(tokens).where(
                    tokens.c.user_id == row.id, tokens.c.kind == "session", tokens.c.expires <= now
                )
            )
            return self.add_token(
                connection, row.id, row.name, name="login", kind="session", expires=now + _SESSION
            )

    def create_token(
        self,
        user: str,
        *,
        name: str = "",
        kind: str = "personal",
        project: str | None = None,
        cluster: int | None = None,
        expires: int | None = None,
        secret: str | None = None,
    ) -> NewToken:
        """Create a token of a user.

        Parameters
        ----------
        project, cluster : what the token stands for where a request names none
        expires : instant, in microseconds since 1970
        secret : to be kept (as a hash) instead of a new one

        Raises
        ------
        AlreadyExists
            When there is a token of this secret, be it revoked.
        """
        if kind not in _KINDS:
            raise InvalidInput(f"a token is {', '.join(_KINDS)}, not {kind!r}")
        if expires is not None and expires <= now_micros():
            raise InvalidInput("the token would have expired already")
        if secret is not None and not secret.strip():
            raise InvalidInput("a secret cannot be empty")
        if len(name) > _MAX_NAME or not name.isprintable():
            raise InvalidInput(f"the name of a token is up to {_MAX_NAME} printable characters")
        if cluster is not None and not 0 <= cluster <= MAX_ID:
            raise InvalidInput(f"{cluster} is no id of a cluster")
        owner = self.get_user(user)
        full = None if project is None else str(ProjectName.parse(project))
        with self._database.write() as connection:
            return self.add_token(
                connection,
                owner.id,
                owner.name,
                name=name,
                kind=kind,
                project=full,
                cluster=cluster,
                expires=expires,
                secret=secret,
            )

    @staticmethod
    def add_token(
        connection: Connection,
        user: int,
        user_name: str,
        *,
        secret: str | None = None,
        **values: Any,
    ) -> NewToken:
        """Enter a token, in the transaction of the caller."""
        secret = make_secret() if secret is None else secret
        row = {"kind": "personal", "project": None, "cluster": None, "expires": None, **values}
        try:
            made = connection.execute(
                insert(tokens).values(
                    user_id=user,
                    hash=hash_secret(secret_of(secret)),
                    created=now_micros(),
                    **row,
                )
            )
        except IntegrityError:
            raise AlreadyExists("a token of this secret is there already") from None
        id = made.inserted_primary_key[0]
        found = connection.execute(select(tokens).where(tokens.c.id == id)).one()
        return NewToken(info=_token(found, user_name), secret=secret)

    def list_tokens(self, user: str | None = None) -> Sequence[TokenInfo]:
        """Return the tokens of a user (None: of all), oldest first."""
        query = select(tokens, users.c.name.label("owner")).join(users).order_by(tokens.c.id)
        if user is not None:
            query = query.where(users.c.id == self.get_user(user).id)
        with self._database.read() as connection:
            return [_token(row, row.owner) for row in connection.execute(query)]

    def revoke_token(self, id: int) -> TokenInfo:
        """End a token, at once and for good."""
        if not 0 <= id <= MAX_ID:
            raise TokenNotFound(str(id))
        with self._database.write() as connection:
            row = connection.execute(
                select(tokens, users.c.name.label("owner")).join(users).where(tokens.c.id == id)
            ).first()
            if row is None:
                raise TokenNotFound(str(id))
            if row.revoked is None:
                connection.execute(
                    update(tokens).where(tokens.c.id == id).values(revoked=now_micros())
                )
            ended = connection.execute(select(tokens).where(tokens.c.id == id)).one()
        return _token(ended, row.owner)

    def authenticate(self, secret: str) -> Principal:
        """Return whose token this is; it may hold the hub's address too.

        Raises
        ------
        Unauthenticated
            In the same words whether it is wrong, expired, revoked, or of a disabled user.
        """
        wanted = hash_secret(secret_of(secret))
        with self._database.read() as connection:
            row = connection.execute(_WHO, {"hash": wanted}).first()
        return self._principal(row)

    def authenticate_id(self, id: int) -> Principal:
        """Return whose token has this id, which the hub itself told earlier.

        Raises
        ------
        Unauthenticated
            As `authenticate` does.
        """
        with self._database.read() as connection:
            row = connection.execute(_WHOSE, {"id": id}).first()
        return self._principal(row)

    def _principal(self, row: Row[Any] | None) -> Principal:
        now = now_micros()
        if (
            row is None
            or row.revoked is not None
            or row.disabled
            or (row.expires is not None and row.expires <= now)
        ):
            raise Unauthenticated(_REFUSED, status=401)
        if row.last_used is None or row.last_used < now - _MINUTE:
            self._note_use(row.id, now)
        return Principal(
            user=row.user_id,
            name=row.owner,
            admin=row.admin,
            service=row.service or row.kind == "service",
            token=row.id,
            project=row.project,
            cluster=row.cluster,
        )

    def _note_use(self, id: int, now: int) -> None:
        query = update(tokens).where(
            tokens.c.id == id, (tokens.c.last_used.is_(None)) | (tokens.c.last_used < now - _MINUTE)
        )
        # a full disk must not keep users from reading: the next request notes it
        with (
            suppress(StoreFull, StoreLocked, StoreReadOnly),
            self._database.write() as connection,
        ):
            connection.execute(query.values(last_used=now))


def _recent_failures(connection: Connection, account: str, now: int) -> int:
    query = select(func.count()).where(failures.c.email == account, failures.c.time > now - _MINUTE)
    return int(connection.execute(query).scalar_one())


def _not_logged_in() -> Unauthenticated:
    return Unauthenticated("Email or password incorrect", status=401)


def _token(row: Row[Any], user: str) -> TokenInfo:
    return TokenInfo(
        id=row.id,
        user=user,
        name=row.name,
        kind=row.kind,
        project=row.project,
        created=row.created,
        expires=row.expires,
        revoked=row.revoked,
        last_used=row.last_used,
    )
