"""Tokens on every route of the application: a route that is new is in these tests by itself."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from starlette.routing import Route

from mooring.client.token import ApiToken
from mooring.hub.app import create_app
from mooring.model import now_micros
from mooring.store.hub.messages import ROOT
from mooring.wire.auger.resources import RESOURCES
from tests.e2e.hub.conftest import Site

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OPEN = {
    "/health",
    "/api/v1/openapi.json",
    "/api/backend/v1/clients/config",
    "/api/backend/swagger.json",
    "/auth/realms/neptune/.well-known/openid-configuration",
    # Pages that repeat what their address says, and tell nothing of what is there.
    "/{workspace}/{project}/-/run",
    "/{workspace}/{project}/-/run/",
    "/{workspace}/{project}/runs/details",
}
"""What everybody may ask for."""
BY_PASSWORD = {("POST", "/api/v1/tokens")}
"""What is asked for with a password instead."""
SIGNED = re.compile(r"/api/mooring/v1/(files|uploads)/\{|/api/v1/.*files/(stored|blob|upload)")
"""What carries its permission in a signature."""


def _routes(site: Site) -> Iterator[tuple[str, str]]:
    """Yield method and path of everything that the application answers, parameters filled in."""
    for route in create_app(site.hub.hub).routes:
        assert isinstance(route, Route)
        for method in sorted(route.methods or METHODS):
            yield method, route.path


def _fill(path: str, site: Site) -> str:
    values = {"digest": site.blob, "key": str(site.run), "name": "list_projects", "id": "1" * 32}
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda found: values.get(found[1], "1"), path)


def test_no_route_answers_without_a_token(site: Site) -> None:
    answered = set()
    before = site.content()
    for method, path in _routes(site):
        answer = site.send(method, _fill(path, site), user=None)
        answered.add(answer.status_code)
        if path in OPEN or method == "HEAD":
            assert path in OPEN or not answer.is_success
            continue
        if answer.status_code in (403, 400) and not answer.is_success:
            assert "link" in answer.text or "form" in answer.text or (method, path) in BY_PASSWORD
            continue
        assert answer.status_code in (401, 404), (method, path, answer.text)
        if answer.status_code == 404:
            # A path or method that is not there, and not something that was looked up.
            assert "Not Found" in answer.text or "not found in this hub" in answer.text, answer.text
    assert answered >= {200, 401, 403, 404}
    assert site.content() == before


def test_every_operation_of_the_table_wants_a_token(site: Site) -> None:
    for resource in RESOURCES:
        for operation in resource.operations:
            if (operation.method, operation.path) in BY_PASSWORD or resource.name == "token":
                continue
            answer = site.send(operation.method, _fill(operation.path, site), user=None)
            assert answer.status_code == 401, (operation.method, operation.path, answer.text)


def _wrong_tokens(site: Site) -> dict[str, str]:
    accounts = site.hub.hub.accounts
    expiring = accounts.create_token("owner", expires=now_micros() + 100_000)
    revoked = accounts.create_token("owner")
    accounts.revoke_token(revoked.info.id)
    if accounts.find_user("disabled") is None:
        accounts.create_user("disabled")
    disabled = accounts.create_token("disabled")
    accounts.disable_user("disabled")
    time.sleep(0.15)
    return {
        "wrong": "x" * 43,
        "expired": expiring.secret,
        "revoked": revoked.secret,
        "of a disabled user": disabled.secret,
        "of another hub": ApiToken("http://elsewhere", "y" * 43).encode(),
        "cut off": site.secrets["owner"][:-1],
        "long": "z" * 20_000,
        "no text": "eyJhcGlfYWRkcmVzcyI6ICJ4IiwgImFwaV9rZXkiOiAiXHVkODAwIn0=",
        "a name": "admin",
        "a statement": "' OR 1=1 --",
    }


def test_every_wrong_token_is_answered_alike(site: Site) -> None:
    paths = [f"{ROOT}/call/list_projects", f"{ROOT}/compact", f"{ROOT}/blobs"]
    reads = ["/metrics", ROOT, "/api/v1/projects"]
    asked = [(path, "POST") for path in paths] + [(path, "GET") for path in reads]
    for path, method in [*asked, ("/api/v1/projects/1", "DELETE")]:
        told = set()
        for name, token in _wrong_tokens(site).items():
            headers = {"authorization": f"Bearer {token}"}
            answer = site.send(method, path, user=None, headers=headers)
            assert answer.status_code == 401, (name, path, answer.text)
            assert not token or len(token) < 8 or token not in answer.text
            if token:
                told.add(answer.text)
        assert len(told) == 1, told


@pytest.mark.parametrize("scheme", ["Basic", "bearer ", "Token", "", "Bearer\t", "Bearer,"])
def test_other_schemes(site: Site, scheme: str) -> None:
    headers = {"authorization": f"{scheme}x{site.secrets['owner']}"}
    assert site.send("GET", ROOT, user=None, headers=headers).status_code == 401


def test_a_revoked_token_is_refused_on_a_connection_that_is_kept(site: Site) -> None:
    import httpx

    token = site.hub.hub.accounts.create_token("viewer")
    with httpx.Client(base_url=site.hub.address) as client:
        client.headers["authorization"] = f"Bearer {token.secret}"
        assert client.get(ROOT).status_code == 200
        site.hub.hub.accounts.revoke_token(token.info.id)
        assert client.get(ROOT).status_code == 401


@pytest.mark.parametrize("user", ["viewer", "none"])
def test_who_may_not_write_changes_nothing_through_the_table(site: Site, user: str) -> None:
    """Every operation that changes something, on the ids of a project where they may not."""
    project = site.send("GET", "/api/v1/projects", user="owner").json()["data"][0]["id"]
    made = site.send(
        "POST", "/api/v1/experiments", user="owner",
        json={"name": "e", "project_id": project},
    )  # fmt: skip
    assert made.status_code in (200, 400), made.text
    before = _in_project(site)
    for resource in RESOURCES:
        for operation in resource.operations:
            if operation.method == "GET":
                continue
            values: dict[str, object] = {"project_id": project, "id": "r"}
            for parameter in operation.parameters:
                if parameter.required and parameter.name not in values:
                    kinds = parameter.types
                    values[parameter.name] = (
                        "x" if "string" in kinds else 1 if "integer" in kinds
                        else [] if "array" in kinds else {}
                    )  # fmt: skip
            for id in ("r", str(site.run), str(project)):
                path = re.sub(r"\{\w+\}", id, operation.path)
                site.send(operation.method, path, user=user, json=values)
                assert _in_project(site) == before, (operation.method, path)


def _in_project(site: Site) -> object:
    projects, runs, columns, points = site.content()  # type: ignore[misc]
    inside = [number for number, run in enumerate(runs) if run.project == "team/open"]
    values = [
        (path, str(type), [(row, value) for row, value in zip(rows, held, strict=True)
                           if row in inside])
        for path, type, rows, held in columns
    ]  # fmt: skip
    kept = [(path, type, [value for _, value in held]) for path, type, held in values if held]
    return "team/open" in projects, [runs[n] for n in inside], kept, [points[n] for n in inside]
