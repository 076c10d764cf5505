"""Where a case takes place: a user with a project of their own on a hub, and a client on it."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import requests
from auger.hub_api_client import HubApiClient

from mooring import HubClient
from mooring.hub.accounts import Accounts, accounts_of
from mooring.hub.settings import HubSettings
from tests.conformance.auger.registry import ORIGINAL
from tests.serving import HubProcess

_NUMBERS = itertools.count(1)


def unique(word: str) -> str:
    """Return a name that no other test uses."""
    return f"{word}-{os.getpid()}-{next(_NUMBERS)}"


class Served:
    """A hub as a process, and its accounts."""

    def __init__(self, folder: Path) -> None:
        self.process = HubProcess(folder / "runs.db")
        self.address = self.process.address
        self.accounts: Accounts = accounts_of(HubSettings(store=str(self.process.store)))

    def close(self) -> None:
        self.accounts.close()
        self.process.stop()


class Recorder:
    """A client that notes which of its methods were called."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.called: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.called.add(name)
        return getattr(self._client, name)


def connect(kind: str, address: str, **config: Any) -> Any:
    """Return a client of a kind; it repeats nothing unless it is told to."""
    config = {"retries_count": 0, "retry_wait_seconds": 0, **config}
    if kind == ORIGINAL:
        return HubApiClient(hub_app_url=address, **config)
    return HubClient(hub_app_url=address, **config)


class Place:
    """A user with an organization and a project, and a client with the project's token."""

    def __init__(self, hub: Served, kind: str) -> None:
        self.hub, self.kind = hub, kind
        self.user = unique("user")
        self.password = "correct horse battery"
        self.email = f"{self.user}@example.org"
        hub.accounts.create_user(self.user)
        self.token = hub.accounts.create_token(self.user).secret
        self.errors: Any = HubApiClient if kind == ORIGINAL else HubClient
        own = connect(kind, hub.address, token=self.token)
        self.organization = own.get_organizations(name=self.user)["data"][0]["id"]
        self.name = unique("project")
        made = own.create_project(name=self.name, organization_id=self.organization)
        self.id = int(made["data"]["id"])
        self.project = f"{self.user}/{self.name}"
        self.project_token = hub.accounts.create_token(self.user, project=self.project).secret
        self.client: Any = Recorder(
            connect(kind, hub.address, hub_project_api_token=self.project_token)
        )
        self._clients = [own, self.client._client]

    def close(self) -> None:
        """Close the connections of clients that keep some."""
        for client in self._clients:
            if hasattr(client, "close"):
                client.close()

    def connect(self, address: str | None = None, **config: Any) -> Any:
        """Return another client of the same kind."""
        self._clients.append(connect(self.kind, address or self.hub.address, **config))
        return self._clients[-1]

    # what cases need to be there

    def experiment(self) -> Any:
        return self.client.create_experiment(name="first")["data"]

    def session(self, **fields: object) -> Any:
        return self.client.create_experiment_session(
            experiment_id=self.experiment()["id"], **fields
        )["data"]

    def trial(self, session: str | None = None, **fields: object) -> Any:
        item = {
            "uid": unique("T"),
            "score": 0.75,
            "score_name": "accuracy",
            "task_type": "classification",
            "algorithm_name": "SVC",
            "algorithm_params": {"C": 1.5},
            **fields,
        }
        session = session or self.session()["id"]
        made = self.client.update_trials(experiment_session_id=session, trials=[item])
        return made["data"][0]

    def pipeline(self) -> Any:
        return self.client.create_pipeline(trial_id=self.trial()["id"])["data"]

    def endpoint(self) -> Any:
        return self.client.create_endpoint(pipeline_id=self.pipeline()["id"], name="e")["data"]

    def manifest(self) -> Any:
        return self.client.create_dataset_manifest(
            id=unique("d"), name="Iris", statistics={"count": 150}
        )["data"]

    def upload(self, path: str, content: bytes) -> None:
        """Upload a file by the form that the hub hands out."""
        form = self.client.create_project_file_url(project_id=self.id, file_path=path)["data"]
        answer = requests.post(
            form["url"], data=form["fields"], files={"file": ("file", content)}, timeout=30
        )
        assert answer.status_code in (200, 201), answer.text

    def report(self, path: str, body: dict[str, Any]) -> Any:
        """Report to the hub as an agent does: no client has these calls."""
        answer = requests.post(
            f"{self.hub.address}/api/v1/{path}", json={**body, "token": self.token}, timeout=30
        )
        assert answer.status_code == 200, answer.text
        return json.loads(answer.text)["data"]
