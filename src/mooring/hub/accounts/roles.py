"""Roles in projects, and what else a hub knows of a project."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import and_, delete, select

from mooring.hub.accounts.database import is_storable, put
from mooring.hub.accounts.records import Principal, Role, User
from mooring.hub.accounts.schema import (
    project_roles,
    projects,
    users,
    workspace_roles,
    workspaces,
)
from mooring.hub.accounts.users import Users, user_of
from mooring.model import ProjectName


class Roles(Users):
    """The roles of a hub's users in its projects."""

    def role_of(self, principal: Principal, project: str) -> Role | None:
        """Return what a user is to a project; None: it does not exist for them."""
        if principal.admin:
            return Role.OWNER
        if not is_storable(project):
            return None
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
            put(connection, project_roles, project=full, user_id=member.id, role=str(Role(role)))

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
            return [(user_of(row), Role(row.role)) for row in connection.execute(query)]

    def forget_project(self, project: str) -> None:
        """Forget the roles in a project, and its settings: it is gone."""
        full = str(ProjectName.parse(project))
        with self._database.write() as connection:
            connection.execute(delete(project_roles).where(project_roles.c.project == full))
            connection.execute(delete(projects).where(projects.c.project == full))

    def get_serving(self, project: str) -> bool:
        """Return whether the owner of a project switched the serving of models on."""
        if not is_storable(project):
            return False
        with self._database.read() as connection:
            found = connection.execute(
                select(projects.c.serving).where(projects.c.project == project)
            ).scalar()
        return bool(found)

    def set_serving(self, project: str, on: bool) -> None:
        """Switch the serving of a project's models."""
        full = str(ProjectName.parse(project))
        with self._database.write() as connection:
            put(connection, projects, project=full, serving=on)


def _project_role_of(project: str, user: int) -> Any:
    return delete(project_roles).where(
        and_(project_roles.c.project == project, project_roles.c.user_id == user)
    )
