"""Workspaces, and who belongs to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Row, and_, delete, insert, select, update

from mooring.errors import AlreadyExists, NotFound
from mooring.hub.accounts.records import Principal, Role, User, Workspace
from mooring.hub.accounts.schema import AccountsDatabase, workspace_roles, workspaces
from mooring.model import ProjectName, now_micros


class WorkspaceNotFound(NotFound):
    """No such workspace."""

    what = "workspace"


class Workspaces:
    """The workspaces of a hub."""

    _database: AccountsDatabase

    def get_user(self, name: str) -> User:
        """Return a user by name."""
        raise NotImplementedError

    def create_workspace(
        self, name: str, owner: int, *, properties: Mapping[str, Any] | None = None
    ) -> Workspace:
        """Create a workspace, owned by a user."""
        ProjectName.parse(f"{name}/x")
        with self._database.write() as connection:
            if connection.execute(select(workspaces.c.id).where(workspaces.c.name == name)).first():
                raise AlreadyExists(f"there is a workspace {name!r} already")
            id = self.add_workspace(connection, name, owner, properties or {})
        return self.get_workspace(id)

    @staticmethod
    def add_workspace(
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
        with self._database.write() as connection:
            row = connection.execute(
                select(workspaces.c.properties).where(workspaces.c.id == id)
            ).first()
            if row is None:
                raise WorkspaceNotFound(str(id))
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
