"""A store with two projects, and users who are something different to each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mooring.hub.accounts import Accounts, Principal, Role
from mooring.hub.guarded import GuardedStore, RunProjects
from mooring.model import FileRef, RunSpec
from mooring.store.appending import Assign, LogPoints, LogRows
from mooring.store.sqlite.store import SqliteStore

WRITER = "a" * 32


@dataclass(frozen=True)
class World:
    """Project `team/open` has a viewer, a contributor and an owner; `other/secret` has another."""

    store: SqliteStore
    accounts: Accounts
    open_run: int
    secret_run: int
    open_blob: str
    secret_blob: str

    def principal(self, name: str) -> Principal:
        user = self.accounts.get_user(name)
        return Principal(user=user.id, name=user.name, admin=user.admin)

    def as_user(self, name: str) -> GuardedStore:
        """Return the store as this user sees it."""
        return GuardedStore(self.store, self.accounts, self.principal(name), self.projects)

    @property
    def projects(self) -> RunProjects:
        return RunProjects(self.store)


def _fill(store: SqliteStore, project: str, run_id: str) -> tuple[int, str]:
    key = store.create_run(RunSpec(project=project, run_id=run_id)).key
    digest, size = store.put_blob(f"content of {run_id}".encode())
    updates = [
        LogPoints({f"{run_id}/loss": 0.5}, 1_000_000, 1),
        LogRows([({f"{run_id}-column": 1}, 1)]),
        Assign({f"{run_id}/file": FileRef(digest, size)}, 1),
    ]
    store.append_batch(key, "0" * 32, 1, updates)
    return key, digest


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = SqliteStore(tmp_path / "runs.db")
    accounts = Accounts.open(tmp_path / "runs.db-data" / "hub.db")
    accounts.ensure_administrator()
    for name in ("none", "viewer", "contributor", "owner", "stranger"):
        accounts.create_user(name)
    open_run, open_blob = _fill(store, "team/open", "lightrun")
    secret_run, secret_blob = _fill(store, "other/secret", "darkrun")
    for role in Role:
        accounts.grant("team/open", str(role), role)
    accounts.grant("other/secret", "stranger", Role.OWNER)
    yield World(store, accounts, open_run, secret_run, open_blob, secret_blob)
    store.close()
    accounts.close()
