"""What every door is given: the hub's parts, and who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mooring.hub.settings import HubSettings

if TYPE_CHECKING:
    from mooring.hub.accounts import Accounts, Principal
    from mooring.hub.guarded import GuardedStore
    from mooring.hub.links import LinkSigner
    from mooring.store.sqlite.store import SqliteStore


@dataclass(frozen=True, slots=True)
class Hub:
    """The parts of a hub process.

    `store` is the whole store, which sees everything: doors use `store_for`, and the whole one only
    for what no user asked for.
    """

    settings: HubSettings
    store: SqliteStore
    accounts: Accounts
    links: LinkSigner

    def store_for(self, principal: Principal) -> GuardedStore:
        """Return the store as this user may see and change it."""
        from mooring.hub.guarded import GuardedStore

        return GuardedStore(self.store, self.accounts, principal)
