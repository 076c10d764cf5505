"""What Neptune 3's clients begin with: their configuration, access tokens, projects."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from mooring.client.token import secret_of
from mooring.hub.doors.neptune3 import access
from tests.serving import HubThread

EXCHANGE = "/api/backend/v1/authorization/oauth-token"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubThread]:
    started = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    yield started
    started.stop()


@pytest.fixture
def client(hub: HubThread) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=hub.address) as client:
        yield client


def exchanged(client: httpx.Client, token: str) -> Any:
    answer = client.get(EXCHANGE, headers={"X-Neptune-Api-Token": token})
    assert answer.status_code == 200, answer.text
    return answer.json()


def projects(client: httpx.Client, token: str) -> httpx.Response:
    return client.get("/api/backend/v1/projects", headers={"Authorization": f"Bearer {token}"})


def test_a_client_finds_its_way(hub: HubThread, client: httpx.Client) -> None:
    config = client.get("/api/backend/v1/clients/config").json()
    assert set(config["pyLibVersions"].values()) == {None}
    discovered = httpx.get(config["security"]["openIdDiscovery"]).json()
    tokens = exchanged(client, hub.admin)
    assert tokens["username"] == "admin"
    claims = jwt.decode(tokens["accessToken"], options={"verify_signature": False})
    assert claims["azp"] == config["security"]["clientId"]
    assert claims["exp"] - time.time() > 300
    # Clients refresh below the issuer, or at the address that was discovered.
    assert f"{claims['iss']}/protocol/openid-connect/token" == discovered["token_endpoint"]
    assert projects(client, tokens["accessToken"]).status_code == 200
    form = {
        "grant_type": "refresh_token",
        "refresh_token": tokens["refreshToken"],
        "client_id": claims["azp"],
        "expires_in": "-1.5",
    }
    fresh = httpx.post(discovered["token_endpoint"], data=form).json()
    assert projects(client, fresh["access_token"]).status_code == 200
    again = httpx.post(
        discovered["token_endpoint"], data={**form, "refresh_token": fresh["refresh_token"]}
    )
    assert again.status_code == 200


def test_a_secret_alone_is_a_token(hub: HubThread, client: httpx.Client) -> None:
    assert exchanged(client, secret_of(hub.admin))["username"] == "admin"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        base64.b64encode(json.dumps({"api_url": "http://x", "api_key": "wrong"}).encode()).decode(),
    ],
)
def test_a_token_that_is_wrong(client: httpx.Client, token: str) -> None:
    answer = client.get(EXCHANGE, headers={"X-Neptune-Api-Token": token})
    assert answer.status_code == 401
    assert answer.json()["errorType"] == "UNAUTHORIZED"


def test_revoking_ends_access_at_once(hub: HubThread, client: httpx.Client) -> None:
    accounts = hub.hub.accounts
    hub.token("ann")
    made = accounts.create_token("ann")
    tokens = exchanged(client, made.secret)
    assert projects(client, tokens["accessToken"]).status_code == 200
    accounts.revoke_token(made.info.id)
    refused = projects(client, tokens["accessToken"])
    assert (refused.status_code, refused.json()["errorType"]) == (403, "ACCESS_DENIED")
    form = {"refresh_token": tokens["refreshToken"]}
    refreshed = client.post("/auth/realms/neptune/protocol/openid-connect/token", data=form)
    assert refreshed.status_code == 401


def test_access_tokens_that_the_hub_did_not_make(hub: HubThread, client: httpx.Client) -> None:
    tokens = exchanged(client, hub.admin)
    claims = jwt.decode(tokens["accessToken"], options={"verify_signature": False})
    forged = [
        jwt.encode(claims, "another key of thirty-two bytes!!", algorithm="HS256"),
        jwt.encode(claims, None, algorithm="none"),
        tokens["accessToken"][:-2],
        tokens["refreshToken"],
        secret_of(hub.admin),
    ]
    assert [projects(client, text).status_code for text in forged] == [401] * len(forged)
    assert client.get("/api/backend/v1/projects").status_code == 401


def test_an_access_token_ends(hub: HubThread, monkeypatch: pytest.MonkeyPatch) -> None:
    made = access.AccessTokens.of(b"key", "http://hub")
    assert made.read(made.make(7, "ann")) == 7
    monkeypatch.setattr(access, "ACCESS_S", -60)
    with pytest.raises(access.Unauthenticated):
        made.read(made.make(7, "ann"))


def test_projects_are_created_found_and_listed(hub: HubThread, client: httpx.Client) -> None:
    token = exchanged(client, hub.token("bob"))["accessToken"]
    headers = {"Authorization": f"Bearer {token}"}
    wanted = {"name": "digits", "organizationIdentifier": "bob", "visibility": "priv"}
    made = client.post("/api/backend/v1/projects", json=wanted, headers=headers)
    assert made.status_code == 200
    again = client.post("/api/backend/v1/projects", json=wanted, headers=headers)
    assert again.status_code == 409
    found = client.get(
        "/api/backend/v1/projects/get",
        params={"projectIdentifier": "bob/digits"},
        headers=headers,
    ).json()
    assert {"id", "name", "organizationName", "organizationId", "projectKey", "version"} <= set(
        found
    )
    assert (found["organizationName"], found["name"], found["projectKey"]) == (
        "bob",
        "digits",
        "DIG",
    )
    by_id = client.get(
        "/api/backend/v1/projects/get",
        params={"projectIdentifier": found["id"]},
        headers=headers,
    )
    assert by_id.json() == found
    listed = projects(client, token).json()["entries"]
    assert [entry["name"] for entry in listed] == ["digits"]


def test_projects_of_others_are_not_there(hub: HubThread, client: httpx.Client) -> None:
    hub.hub.store.ensure_project("admin/secret")
    token = exchanged(client, hub.token("eve"))["accessToken"]
    answer = client.get(
        "/api/backend/v1/projects/get",
        params={"projectIdentifier": "admin/secret"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 404
    assert projects(client, token).json()["entries"] == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"name": 5}', b'{"name": "a/b"}'])
def test_a_project_that_cannot_be_created(
    hub: HubThread, client: httpx.Client, body: bytes, tmp_path: Path
) -> None:
    token = exchanged(client, hub.admin)["accessToken"]
    answer = client.post(
        "/api/backend/v1/projects", content=body, headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 400
    assert answer.json()["errorType"] == "BAD_REQUEST"
