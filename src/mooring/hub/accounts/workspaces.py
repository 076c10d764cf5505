"""Workspaces, and who belongs to them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Row, and_, delete, insert, select, update

from mooring.errors import AlreadyExists, InvalidName, InvalidValue, NotFound
from mooring.hub.accounts.database import MAX_ID, AccountsDatabase, add_missing, is_storable, put
from mooring.hub.accounts.records import Principal, Role, User, Workspace
from mooring.hub.accounts.schema import users, workspace_roles, workspaces
from mooring.model import ProjectName, now_micros


class WorkspaceNotFound(NotFound):
    """No such workspace."""

    what = "workspace"


class OwnerNotFound(NotFound):
    """No user of this id."""

    what = "user"


class Workspaces(ABC):
    """The workspaces of a hub.

    Who owns a workspace owns the projects in it. So a name under which the store has projects
    must not be free: whoever knows the store calls `reserve_workspaces` before somebody may take
    a name. The name of a deleted workspace stays taken.
    """

    _database: AccountsDatabase

    @abstractmethod
    def get_user(self, name: str) -> User:
        """Return a user by name."""

    def create_workspace(
        self, name: str, owner: Principal | int, *, properties: Mapping[str, Any] | None = None
    ) -> Workspace:
        """Create a workspace, owned by a user.

        Raises
        ------
        AlreadyExists
            When the name is taken, be it by one that is reserved or deleted.
        """
        _check_name(name)
        user = owner.user if isinstance(owner, Principal) else owner
        with self._database.write() as connection:
            if not connection.execute(select(users.c.id).where(users.c.id == user)).first():
                raise OwnerNotFound(str(user))
            if self.has_workspace(connection, name):
                raise AlreadyExists(f"there is a workspace {name!r} already")
            id = self.add_workspace(connection, name, user, properties or {})
        return self.get_workspace(id)

    def reserve_workspaces(self, projects: Iterable[str]) -> None:
        """Make the workspaces of these projects that are missing, without members.

        Administrators see them, and can make somebody their owner.
        """
        wanted = {ProjectName.parse(name).workspace for name in projects}
        with self._database.read() as connection:
            wanted -= set(connection.execute(select(workspaces.c.name)).scalars())
        if not wanted:
            return
        now = now_micros()
        with self._database.write() as connection:
            for name in sorted(wanted):
                add_missing(
                    connection, workspaces, name=name, created=now, updated=now, properties="{}"
                )

    @staticmethod
    def has_workspace(connection: Connection, name: str) -> bool:
        """Return whether the name of a workspace is taken."""
        query = select(workspaces.c.id).where(workspaces.c.name == name)
        return connection.execute(query).first() is not None

    @staticmethod
    def add_workspace(
        connection: Connection, name: str, owner: int, properties: Mapping[str, Any]
    ) -> int:
        """Enter a workspace and its owner, in the transaction of the caller."""
        now = now_micros()
        made = connection.execute(
            insert(workspaces).values(
                name=name, created=now, updated=now, properties=_to_json(properties)
            )
        )
        id = int(made.inserted_primary_key[0])
        connection.execute(
            insert(workspace_roles).values(workspace_id=id, user_id=owner, role=str(Role.OWNER))
        )
        return id

    def find_workspace(self, id: int | str) -> Workspace | None:
        """Return a workspace by id or name, or None."""
        if (isinstance(id, int) and not 0 <= id <= MAX_ID) or not is_storable(id):
            return None
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
            raise WorkspaceNotFound(str(id))
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
        workspace = self.get_workspace(id)
        with self._database.write() as connection:
            row = connection.execute(
                select(workspaces.c.properties).where(
                    workspaces.c.id == workspace.id, workspaces.c.deleted.is_(None)
                )
            ).first()
            if row is None:
                raise WorkspaceNotFound(str(id))
            merged = {**orjson.loads(row.properties), **properties}
            connection.execute(
                update(workspaces)
                .where(workspaces.c.id == id)
                .values(properties=_to_json(merged), updated=now_micros())
            )
        return self.get_workspace(id)

    def delete_workspace(self, id: int) -> None:
        """Hide a workspace, and keep its name taken; its projects stay where they are."""
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
        if not is_storable(name):
            return None
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
            put(
                connection,
                workspace_roles,
                workspace_id=workspace.id,
                user_id=member.id,
                role=str(Role(role)),
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


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise InvalidName(f"the name of a workspace is text, not {type(name).__name__}")
    try:
        ProjectName.parse(f"{name}/x")
    except InvalidName:
        raise InvalidName(
            f"{name[:80]!r} is no name of a workspace; text without '/' and control characters"
        ) from None


def _to_json(properties: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(dict(properties)).decode()
    except TypeError as error:
        raise InvalidValue(f"properties of a workspace that are no JSON: {error}") from None


def _role_of(workspace: int, user: int) -> Any:
    return delete(workspace_roles).where(
        and_(workspace_roles.c.workspace_id == workspace, workspace_roles.c.user_id == user)
    )


def _workspace(row: Row[Any]) -> Workspace:
    return Workspace(
        id=row.id,
        name=row.name,
        created=row.created,
        updated=row.updated,
        properties=orjson.loads(row.properties),
    )
