"""A hub for bad input: two projects, users of every role, and a way to see that nothing changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from mooring.client.token import secret_of
from mooring.hub.accounts import Role
from mooring.model import RunKind, RunSpec
from mooring.store.appending import LogPoints
from mooring.store.contract import PathSelector, RunQuery
from tests.serving import HubThread


@dataclass
class Site:
    """A hub with the project `team/open`, in which users have the roles of their names."""

    hub: HubThread
    run: int
    blob: str
    client: httpx.Client
    secrets: dict[str, str] = field(default_factory=dict)

    def headers(self, user: str | None) -> dict[str, str]:
        return {} if user is None else {"authorization": f"Bearer {self.secrets[user]}"}

    def send(
        self, method: str, path: str, *, user: str | None = "owner", **options: object
    ) -> httpx.Response:
        """Send a request; it is answered, and not by a fault."""
        headers = {**self.headers(user), **options.pop("headers", {})}  # type: ignore[dict-item]
        answer = self.client.request(method, path, headers=headers, **options)  # type: ignore[arg-type]
        assert answer.status_code < 500, (method, path, answer.status_code, answer.text)
        return answer

    def content(self) -> object:
        """Return what the store holds, for comparison."""
        store = self.hub.hub.store
        kinds = tuple(RunKind)
        runs = store.query_runs(RunQuery(kinds=kinds, trashed=None)).runs
        keys = [run.key for run in runs]
        columns = store.read_attributes(keys, PathSelector())
        return (
            store.list_projects(),
            runs,
            [(c.path, c.type, list(c.rows), list(map(str, c.values))) for c in columns],
            [store.count_points(key) for key in keys],
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("hub")
    hub = HubThread(
        folder / "runs.db", body_timeout_s=1.0, max_body_bytes=1 << 20, max_stream_bytes=4 << 20
    )
    store = hub.hub.store
    run = store.create_run(RunSpec(project="team/open", run_id="r")).key
    store.append_batch(run, "0" * 32, 1, [LogPoints({"loss": 0.5}, 1, 1)])
    digest, _ = store.put_blob(b"content")
    site = Site(hub, run, digest, httpx.Client(base_url=hub.address, timeout=60))
    site.secrets["admin"] = secret_of(hub.admin)
    for user in ("none", "viewer", "contributor", "owner"):
        site.secrets[user] = secret_of(hub.token(user))
    for role in Role:
        hub.hub.accounts.grant("team/open", str(role), role)
    # A project's number is made when somebody first asks for it, which is no change that counts.
    site.send("GET", "/api/v1/projects")
    yield site
    site.client.close()
    assert store.check().ok
    hub.stop()
