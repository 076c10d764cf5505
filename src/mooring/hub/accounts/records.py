"""What accounts know: users, workspaces, tokens, and who asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """What a user is to a project or workspace; each may do what the later ones may.

    >>> Role.OWNER.covers(Role.VIEWER), Role.VIEWER.covers(Role.CONTRIBUTOR)
    (True, False)
    """

    OWNER = "owner"
    """Shares, deletes, switches the serving of models."""
    CONTRIBUTOR = "contributor"
    """Logs and changes."""
    VIEWER = "viewer"
    """Reads."""

    def covers(self, other: Role) -> bool:
        """Return whether this role may do what the other may."""
        order = list(Role)
        return order.index(self) <= order.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks: a user, by a token.

    `project` and `cluster` are the token's defaults, for requests that name none. They give no
    authority, which is the user's.
    """

    user: int
    name: str
    admin: bool = False
    service: bool = False
    token: int | None = None
    project: str | None = None
    cluster: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person, or with `service` a program. `created` in microseconds since 1970."""

    id: int
    name: str
    email: str | None
    admin: bool
    service: bool
    disabled: bool
    created: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Where projects belong together. `properties` are what a door keeps of it."""

    id: int
    name: str
    created: int
    updated: int
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenInfo:
    """What may be told of a token: everything but its secret. Times in microseconds since 1970.

    `kind` is "personal", "service", or "session" for one that a login made.
    """

    id: int
    user: str
    name: str
    kind: str
    project: str | None
    created: int
    expires: int | None
    revoked: int | None
    last_used: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token that was just made: the one time that its secret is told."""

    info: TokenInfo
    secret: str = field(repr=False)
