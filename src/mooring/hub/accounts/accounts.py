"""`Accounts`: the one home of who may do what."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Row, and_, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from mooring.client.token import secret_of
from mooring.errors import (
    AlreadyExists,
    InvalidInput,
    InvalidName,
    NotFound,
    StoreFull,
    StoreLocked,
    Unauthenticated,
)
from mooring.hub.accounts.passwords import (
    NOBODY,
    hash_password,
    hash_secret,
    make_secret,
    matches,
)
from mooring.hub.accounts.records import NewToken, Principal, Role, TokenInfo, User, Workspace
from mooring.hub.accounts.schema import (
    AccountsDatabase,
    facts,
    failures,
    project_roles,
    projects,
    tokens,
    uploads,
    users,
    workspace_roles,
    workspaces,
)
from mooring.hub.settings import HubSettings
from mooring.model import ProjectName, now_micros
from mooring.model.names import DEFAULT_WORKSPACE

ADMINISTRATOR = "admin"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MINUTE = 60_000_000
_SESSION = 30 * 24 * 60 * _MINUTE
_MAX_FAILURES = 10
"""Wrong passwords of one account in a minute after which none is tried."""
_MIN_PASSWORD = 8
_KINDS = ("personal", "service", "session")
_REFUSED = "the token is wrong, expired or revoked"


class Accounts:
    """Users, workspaces, roles and tokens of a hub. Any thread and process may use it.

    Times are microseconds since 1970. Errors: `NotFound`, `AlreadyExists`, `InvalidName`,
    `Unauthenticated`; `StoreError` and its children where the database fails.
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
        """Make the first user, `admin`, and return their token; None where there are users."""
        with self._database.write() as connection:
            if connection.execute(select(users.c.id).limit(1)).first():
                return None
            user = self._add_user(connection, ADMINISTRATOR, admin=True)
            self._add_workspace(connection, DEFAULT_WORKSPACE, user, {})
            return self._add_token(connection, user, ADMINISTRATOR, name="first start")

    def signing_key(self) -> bytes:
        """Return the key that links are signed with, made the first time."""
        found = self._fact("signing_key")
        if found is None:
            with self._database.write() as connection:
                _ensure(connection, facts, name="signing_key", value=secrets.token_bytes(32))
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
                connection.execute(delete(facts).where(facts.c.name == "address"))
                connection.execute(insert(facts).values(name="address", value=address.encode()))

    def _fact(self, name: str) -> bytes | None:
        with self._database.read() as connection:
            found = connection.execute(select(facts.c.value).where(facts.c.name == name)).scalar()
        return None if found is None else bytes(found)

    # users

    def create_user(
        self,
        name: str,
        *,
        email: str | None = None,
        password: str | None = None,
        admin: bool = False,
        service: bool = False,
    ) -> User:
        """Create a user, and a workspace of their name where that is free."""
        _check_name(name)
        if email is not None and not re.fullmatch(r"[^@\s]{1,200}@[^@\s]{1,200}", email):
            raise InvalidName(f"{email!r} is no email address")
        kept = None if password is None else hash_password(_checked_password(password))
        with self._database.write() as connection:
            if connection.execute(select(users.c.id).where(users.c.name == name)).first():
                raise AlreadyExists(f"there is a user {name!r} already")
            if email is not None and _by_email(connection, email) is not None:
                raise AlreadyExists(f"there is a user with the email address {email!r} already")
            id = self._add_user(
                connection, name, email=email, password=kept, admin=admin, service=service
            )
            taken = select(workspaces.c.id).where(workspaces.c.name == name)
            if not service and not connection.execute(taken).first():
                self._add_workspace(connection, name, id, {})
        return self.get_user(name)

    @staticmethod
    def _add_user(
        connection: Connection,
        name: str,
        *,
        email: str | None = None,
        password: str | None = None,
        admin: bool = False,
        service: bool = False,
    ) -> int:
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
        with self._database.read() as connection:
            row = connection.execute(select(users).where(users.c.name == name)).first()
        return None if row is None else _user(row)

    def get_user(self, name: str) -> User:
        """Return a user by name."""
        found = self.find_user(name)
        if found is None:
            raise _UserNotFound(name, known=[user.name for user in self.list_users()])
        return found

    def list_users(self) -> Sequence[User]:
        """Return all users, by name."""
        with self._database.read() as connection:
            return [_user(row) for row in connection.execute(select(users).order_by(users.c.name))]

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

    # tokens

    def log_in(self, email: str, password: str) -> NewToken:
        """Return a token for an email address and password; it ends after 30 days.

        Raises
        ------
        Unauthenticated
            In the same words, and after the same time, whatever is wrong; also after ten wrong
            passwords of an account within a minute.
        """
        now = now_micros()
        email = email.lower()
        with self._database.read() as connection:
            row = _by_email(connection, email)
            recent = connection.execute(
                select(func.count()).where(
                    failures.c.email == email, failures.c.time > now - _MINUTE
                )
            ).scalar_one()
        kept = NOBODY if row is None or row.password is None else row.password
        good = matches(password, kept) and row is not None and row.password is not None
        if not good or row is None or row.disabled or row.service or recent >= _MAX_FAILURES:
            with self._database.write() as connection:
                connection.execute(delete(failures).where(failures.c.time < now - _MINUTE))
                connection.execute(insert(failures).values(email=email[:400], time=now))
            raise Unauthenticated("Email or password incorrect", status=401)
        with self._database.write() as connection:
            return self._add_token(
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
        """
        if kind not in _KINDS:
            raise InvalidInput(f"a token is {', '.join(_KINDS)}, not {kind!r}")
        if expires is not None and expires <= now_micros():
            raise InvalidInput("the token would have expired already")
        if secret is not None and not secret.strip():
            raise InvalidInput("a secret cannot be empty")
        owner = self.get_user(user)
        full = None if project is None else str(ProjectName.parse(project))
        with self._database.write() as connection:
            return self._add_token(
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
    def _add_token(
        connection: Connection,
        user: int,
        user_name: str,
        *,
        secret: str | None = None,
        **values: Any,
    ) -> NewToken:
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
        with self._database.write() as connection:
            row = connection.execute(
                select(tokens, users.c.name.label("owner")).join(users).where(tokens.c.id == id)
            ).first()
            if row is None:
                raise _TokenNotFound(str(id))
            if row.revoked is None:
                connection.execute(
                    update(tokens).where(tokens.c.id == id).values(revoked=now_micros())
                )
        return next(token for token in self.list_tokens(row.owner) if token.id == id)

    def authenticate(self, secret: str) -> Principal:
        """Return whose token this is; it may hold the hub's address too.

        Raises
        ------
        Unauthenticated
            In the same words whether it is wrong, expired, revoked, or of a disabled user.
        """
        now = now_micros()
        wanted = hash_secret(secret_of(secret))
        with self._database.read() as connection:
            row = connection.execute(_WHO, {"hash": wanted}).first()
        if (
            row is None
            or row.revoked is not None
            or row.disabled
            or (row.expires is not None and row.expires <= now)
        ):
            raise Unauthenticated(_REFUSED, status=401)
        if row.last_used is None or row.last_used < now - _MINUTE:
            # A full disk keeps nobody from reading.
            with suppress(StoreFull, StoreLocked), self._database.write() as connection:
                connection.execute(
                    update(tokens).where(tokens.c.id == row.id).values(last_used=now)
                )
        return Principal(
            user=row.user_id,
            name=row.owner,
            admin=row.admin,
            service=row.service or row.kind == "service",
            token=row.id,
            project=row.project,
            cluster=row.cluster,
        )

    # workspaces

    def create_workspace(
        self, name: str, owner: int, *, properties: Mapping[str, Any] | None = None
    ) -> Workspace:
        """Create a workspace, owned by a user."""
        ProjectName.parse(f"{name}/x")
        with self._database.write() as connection:
            if connection.execute(select(workspaces.c.id).where(workspaces.c.name == name)).first():
                raise AlreadyExists(f"there is a workspace {name!r} already")
            id = self._add_workspace(connection, name, owner, properties or {})
        return self.get_workspace(id)

    @staticmethod
    def _add_workspace(
        connection: Connection, name: str, owner: int, properties: Mapping[str, Any]
    ) -> int:
        now = now_micros()
        made = connection.execute(
            insert(workspaces).values(
                name=name, created=now, updated=now, properties=orjson.dumps(properties).decode()
            )
        )
        id = int(made.inserted_primary_key[0])
        connection.execute(
            insert(workspace_roles).values(workspace_id=id, user_id=owner, role=str(Role.OWNER))
        )
        return id

    def find_workspace(self, id: int | str) -> Workspace | None:
        """Return a workspace by id or name, or None."""
        column = workspaces.c.id if isinstance(id, int) else workspaces.c.name
        with self._database.read() as connection:
            row = connection.execute(
                select(workspaces).where(column == id, workspaces.c.deleted.is_(None))
            ).first()
        return None if row is None else _workspace(row)

    def get_workspace(self, id: int | str) -> Workspace:
        """Return a workspace by id or name."""
        found = self.find_workspace(id)
        if found is None:
            raise _WorkspaceNotFound(str(id))
        return found

    def list_workspaces(self, principal: Principal) -> Sequence[Workspace]:
        """Return the workspaces of which a user is a member (an administrator: all), by id."""
        query = select(workspaces).where(workspaces.c.deleted.is_(None)).order_by(workspaces.c.id)
        if not principal.admin:
            query = query.join(workspace_roles).where(workspace_roles.c.user_id == principal.user)
        with self._database.read() as connection:
            return [_workspace(row) for row in connection.execute(query)]

    def update_workspace(self, id: int, properties: Mapping[str, Any]) -> Workspace:
        """Set properties of a workspace; others stay."""
        with self._database.write() as connection:
            row = connection.execute(
                select(workspaces.c.properties).where(workspaces.c.id == id)
            ).first()
            if row is None:
                raise _WorkspaceNotFound(str(id))
            merged = {**orjson.loads(row.properties), **properties}
            connection.execute(
                update(workspaces)
                .where(workspaces.c.id == id)
                .values(properties=orjson.dumps(merged).decode(), updated=now_micros())
            )
        return self.get_workspace(id)

    def delete_workspace(self, id: int) -> None:
        """Hide a workspace; its projects stay where they are."""
        workspace = self.get_workspace(id)
        with self._database.write() as connection:
            connection.execute(
                update(workspaces)
                .where(workspaces.c.id == workspace.id)
                .values(deleted=now_micros())
            )

    def workspace_role(self, principal: Principal, name: str) -> Role | None:
        """Return what a user is to a workspace; None: nothing."""
        if principal.admin:
            return Role.OWNER if self.find_workspace(name) else None
        with self._database.read() as connection:
            role = connection.execute(
                select(workspace_roles.c.role)
                .join(workspaces)
                .where(
                    workspaces.c.name == name,
                    workspaces.c.deleted.is_(None),
                    workspace_roles.c.user_id == principal.user,
                )
            ).scalar()
        return None if role is None else Role(role)

    def set_workspace_role(self, name: str, user: str, role: Role) -> None:
        """Make a user a member of a workspace, or change what they are to it."""
        workspace, member = self.get_workspace(name), self.get_user(user)
        with self._database.write() as connection:
            connection.execute(_role_of(workspace.id, member.id))
            connection.execute(
                insert(workspace_roles).values(
                    workspace_id=workspace.id, user_id=member.id, role=str(role)
                )
            )

    def remove_workspace_role(self, name: str, user: str) -> None:
        """End a membership."""
        workspace, member = self.get_workspace(name), self.get_user(user)
        with self._database.write() as connection:
            connection.execute(_role_of(workspace.id, member.id))

    def may_create_in(self, principal: Principal, workspace: str) -> bool:
        """Return whether a user may create projects in a workspace."""
        if principal.admin:
            return True
        role = self.workspace_role(principal, workspace)
        return role is not None and role.covers(Role.CONTRIBUTOR)

    # projects

    def role_of(self, principal: Principal, project: str) -> Role | None:
        """Return what a user is to a project; None: it does not exist for them."""
        if principal.admin:
            return Role.OWNER
        workspace = project.partition("/")[0]
        if self.workspace_role(principal, workspace) is Role.OWNER:
            return Role.OWNER
        with self._database.read() as connection:
            role = connection.execute(
                select(project_roles.c.role).where(
                    project_roles.c.project == project, project_roles.c.user_id == principal.user
                )
            ).scalar()
        return None if role is None else Role(role)

    def visible(self, principal: Principal, names: Iterable[str]) -> list[str]:
        """Return those projects that a user sees, in the order given."""
        wanted = list(names)
        if principal.admin:
            return wanted
        with self._database.read() as connection:
            shared = set(
                connection.execute(
                    select(project_roles.c.project).where(project_roles.c.user_id == principal.user)
                ).scalars()
            )
            owned = set(
                connection.execute(
                    select(workspaces.c.name)
                    .join(workspace_roles)
                    .where(
                        workspace_roles.c.user_id == principal.user,
                        workspace_roles.c.role == str(Role.OWNER),
                        workspaces.c.deleted.is_(None),
                    )
                ).scalars()
            )
        return [name for name in wanted if name in shared or name.partition("/")[0] in owned]

    def grant(self, project: str, user: str, role: Role) -> None:
        """Give a user a role in a project, instead of the one they have."""
        member = self.get_user(user)
        full = str(ProjectName.parse(project))
        with self._database.write() as connection:
            connection.execute(_project_role_of(full, member.id))
            connection.execute(
                insert(project_roles).values(project=full, user_id=member.id, role=str(role))
            )

    def revoke(self, project: str, user: str) -> None:
        """Take a user's role in a project."""
        member = self.get_user(user)
        with self._database.write() as connection:
            connection.execute(_project_role_of(str(ProjectName.parse(project)), member.id))

    def list_members(self, project: str) -> Sequence[tuple[User, Role]]:
        """Return who has a role in a project itself, by name."""
        query = (
            select(users, project_roles.c.role)
            .join(project_roles)
            .where(project_roles.c.project == str(ProjectName.parse(project)))
            .order_by(users.c.name)
        )
        with self._database.read() as connection:
            return [(_user(row), Role(row.role)) for row in connection.execute(query)]

    def forget_project(self, project: str) -> None:
        """Forget the roles in a project, and its settings: it is gone."""
        full = str(ProjectName.parse(project))
        with self._database.write() as connection:
            connection.execute(delete(project_roles).where(project_roles.c.project == full))
            connection.execute(delete(projects).where(projects.c.project == full))

    def get_serving(self, project: str) -> bool:
        """Return whether the owner of a project switched the serving of models on."""
        with self._database.read() as connection:
            found = connection.execute(
                select(projects.c.serving).where(projects.c.project == project)
            ).scalar()
        return bool(found)

    def set_serving(self, project: str, on: bool) -> None:
        """Switch the serving of a project's models."""
        full = str(ProjectName.parse(project))
        with self._database.write() as connection:
            connection.execute(delete(projects).where(projects.c.project == full))
            connection.execute(insert(projects).values(project=full, serving=on))

    # files

    def note_upload(self, digest: str, user: int) -> None:
        """Remember that a user brought this content."""
        with self._database.write() as connection:
            _ensure(connection, uploads, digest=digest, user_id=user, time=now_micros())

    def uploaded_by(self, digest: str, user: int) -> bool:
        """Return whether a user brought this content."""
        with self._database.read() as connection:
            found = connection.execute(
                select(uploads.c.time).where(uploads.c.digest == digest, uploads.c.user_id == user)
            ).first()
        return found is not None


class _UserNotFound(NotFound):
    what = "user"


class _TokenNotFound(NotFound):
    what = "token"


class _WorkspaceNotFound(NotFound):
    what = "workspace"


_WHO = (
    select(
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
    )
    .join(users)
    .where(tokens.c.hash == bindparam("hash"))
)


def accounts_of(settings: HubSettings) -> Accounts:
    """Open the accounts of a hub: where its settings say, else beside its store."""
    return Accounts.open(settings.accounts or settings.data / "hub.db")


def _ensure(connection: Connection, table: Any, **values: Any) -> None:
    """Insert a row, unless one of this key is there."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(table).values(**values).on_conflict_do_nothing())


def _role_of(workspace: int, user: int) -> Any:
    return delete(workspace_roles).where(
        and_(workspace_roles.c.workspace_id == workspace, workspace_roles.c.user_id == user)
    )


def _project_role_of(project: str, user: int) -> Any:
    return delete(project_roles).where(
        and_(project_roles.c.project == project, project_roles.c.user_id == user)
    )


def _by_email(connection: Connection, email: str) -> Row[Any] | None:
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
    if len(password) > 1024:
        raise InvalidInput("a password has 1,024 characters or fewer")
    return password


def _user(row: Row[Any]) -> User:
    return User(
        id=row.id,
        name=row.name,
        email=row.email,
        admin=row.admin,
        service=row.service,
        disabled=row.disabled,
        created=row.created,
    )


def _workspace(row: Row[Any]) -> Workspace:
    return Workspace(
        id=row.id,
        name=row.name,
        created=row.created,
        updated=row.updated,
        properties=orjson.loads(row.properties),
    )


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
