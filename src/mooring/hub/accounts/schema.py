"""Tables of the accounts, and their migrations.

The format is a number in the table `accounts_format`. A new database gets the tables as they are
written here; one that is there is led on by the migrations from its format.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()
_ID = BigInteger().with_variant(Integer, "sqlite")

formats = Table("accounts_format", metadata, Column("format", Integer, nullable=False))

facts = Table(
    "facts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("email", Text, unique=True),
    Column("password", Text),
    Column("admin", Boolean, nullable=False),
    Column("service", Boolean, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("project", Text),
    Column("cluster", BigInteger),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("revoked", BigInteger),
    Column("last_used", BigInteger),
    sqlite_autoincrement=True,
)

failures = Table(
    "login_failures",
    metadata,
    Column("email", Text, nullable=False),  # its hash, since anything may have been sent
    Column("time", BigInteger, nullable=False),
    Index("login_failures_email", "email", "time"),
)

workspaces = Table(
    "workspaces",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("deleted", BigInteger),
    Column("properties", Text, nullable=False),
    sqlite_autoincrement=True,
)

workspace_roles = Table(
    "workspace_roles",
    metadata,
    Column("workspace_id", ForeignKey("workspaces.id"), primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("role", String(16), nullable=False),
    Index("workspace_roles_user", "user_id"),
)

project_roles = Table(
    "project_roles",
    metadata,
    Column("project", Text, primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("role", String(16), nullable=False),
    Index("project_roles_user", "user_id"),
)

projects = Table(
    "projects",
    metadata,
    Column("project", Text, primary_key=True),
    Column("serving", Boolean, nullable=False),
)

uploads = Table(
    "uploads",
    metadata,
    Column("digest", String(64), nullable=False),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("time", BigInteger, nullable=False),
    UniqueConstraint("digest", "user_id"),
)

MIGRATIONS: Sequence[Callable[[Connection], None]] = ()
"""The first leads from format 1 to 2, and so on. They name tables in SQL, as they were then."""
