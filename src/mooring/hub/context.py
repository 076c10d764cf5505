"""What every door is given: the hub's parts, and who asks."""

from __future__ import annotations

from dataclasses import dataclass

from mooring.hub.accounts import Accounts, Principal
from mooring.hub.guarded import GuardedStore, RunProjects
from mooring.hub.links import LinkSigner
from mooring.hub.optimizing import OptimizerPool
from mooring.hub.serving import ModelWorkers
from mooring.hub.settings import HubSettings
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
    projects: RunProjects
    workers: ModelWorkers
    optimizers: OptimizerPool

    def store_for(self, principal: Principal) -> GuardedStore:
        """Return the store as this user may see and change it."""
        return GuardedStore(self.store, self.accounts, principal, self.projects)

    def close(self) -> None:
        """End the processes of models and searches; close store and accounts."""
        self.workers.close()
        self.optimizers.close()
        self.store.close()
        self.accounts.close()

    def told(self, message: str) -> str:
        """Return a message without the place where the hub keeps its files."""
        return message.replace(str(self.store.path), self.settings.address).replace(
            str(self.settings.data), self.settings.address
        )


def open_hub(settings: HubSettings) -> Hub:
    """Open store and accounts of a hub.

    Errors: those of `open_store`, and of `Accounts.open`.
    """
    from mooring.hub.accounts import accounts_of

    path = settings.store.removeprefix("sqlite://")
    store = SqliteStore(path)
    try:
        accounts = accounts_of(settings)
    except BaseException:
        store.close()
        raise
    return Hub(
        settings=settings,
        store=store,
        accounts=accounts,
        links=LinkSigner(accounts.signing_key(), settings.address),
        projects=RunProjects(store),
        workers=ModelWorkers(settings),
        optimizers=OptimizerPool(
            size=settings.optimizer_processes, seconds=settings.optimizer_seconds
        ),
    )
