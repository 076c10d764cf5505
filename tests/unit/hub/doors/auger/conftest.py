"""A hub of one test file, and places in it: a new project for each test, with clients on it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from auger.hub_api_client import HubApiClient

from tests.serving import HubThread

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubThread]:
    folder = tmp_path_factory.mktemp("hub")
    started = HubThread(Path(folder) / "runs.db", max_body_bytes=1 << 20, max_upload_bytes=1 << 20)
    yield started
    started.stop()


@dataclass
class Place:
    """A user with a project of their own, and the client package on it."""

    hub: HubThread
    user: str
    name: str
    id: int
    token: str
    client: Any

    @property
    def project(self) -> str:
        return f"{self.user}/{self.name}"

    def session(self, **fields: object) -> dict[str, Any]:
        """Create an experiment with a session."""
        experiment = self.client.create_experiment(name="first")["data"]
        created = self.client.create_experiment_session(experiment_id=experiment["id"], **fields)
        return dict(created["data"])

    def trial(self, id: str | None = None, **fields: object) -> dict[str, Any]:
        """Create a trial in a session of its own."""
        item = {
            "uid": id or f"T{next(_NUMBERS)}",
            "score": 0.75,
            "score_name": "accuracy",
            "task_type": "classification",
            "algorithm_name": "SVC",
            "algorithm_params": {"C": 1.5},
            **fields,
        }
        made = self.client.update_trials(experiment_session_id=self.session()["id"], trials=[item])
        return dict(made["data"][0])

    def upload(self, path: str, content: bytes, name: str = "file") -> dict[str, Any]:
        """Upload a file as other clients do; return the fields of its form."""
        form = self.client.create_project_file_url(project_id=self.id, file_path=path)["data"]
        answer = requests.post(
            form["url"], data=form["fields"], files={"file": (name, content)}, timeout=30
        )
        assert answer.status_code in (200, 201), answer.text
        return dict(form["fields"])

    def send(self, method: str, path: str, body: object = None, **options: Any) -> Any:
        """Send a request as the client does, token in the body."""
        payload = {**(body or {}), "token": self.token}  # type: ignore[dict-item]
        return requests.request(
            method, f"{self.hub.address}{path}", json=payload, timeout=30, **options
        )


def client_of(hub: HubThread, **config: Any) -> Any:
    return HubApiClient(hub_app_url=hub.address, retries_count=0, **config)


@pytest.fixture
def make_place(hub: HubThread) -> Callable[..., Place]:
    def make() -> Place:
        number = next(_NUMBERS)
        user, name = f"user{number}", f"project{number}"
        token = hub.token(user)
        own = client_of(hub, token=token)
        organization = own.get_organizations(name=user)["data"][0]
        id = own.create_project(name=name, organization_id=organization["id"])["data"]["id"]
        scoped = hub.token(user, project=f"{user}/{name}")
        return Place(hub, user, name, id, token, client_of(hub, hub_project_api_token=scoped))

    return make


@pytest.fixture
def place(make_place: Callable[..., Place]) -> Place:
    return make_place()
