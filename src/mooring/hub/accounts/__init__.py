"""Who uses a hub, and who may do what: users, workspaces, roles in projects, tokens."""

from mooring.hub.accounts.accounts import Accounts, accounts_of
from mooring.hub.accounts.records import (
    NewToken,
    Principal,
    Role,
    TokenInfo,
    User,
    Workspace,
)

__all__ = [
    "Accounts",
    "NewToken",
    "Principal",
    "Role",
    "TokenInfo",
    "User",
    "Workspace",
    "accounts_of",
]
