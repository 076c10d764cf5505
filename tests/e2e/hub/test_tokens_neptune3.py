"""Tokens, roles and private projects on every route of Neptune's clients.

What is sent are requests that real clients sent. A route that is new is in the first tests by
itself.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from starlette.routing import Route

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from mooring.client.token import secret_of
from mooring.hub.accounts import Role
from mooring.hub.doors.neptune3 import routes
from mooring.hub.doors.neptune3.access import AccessTokens
from mooring.model import RunSpec, now_micros
from mooring.store import RunQuery
from tests.conformance.neptune3 import sample, series_sample
from tests.serving import HubProcess, HubThread
from tests.unit.hub.doors.neptune3.writing import Writer, batch, configs, creation, points
from tests.unit.wire.neptune3_traffic import Captured, load

EXCHANGE = "/api/backend/v1/authorization/oauth-token"
REFRESH = "/auth/realms/neptune/protocol/openid-connect/token"
OPEN = re.compile(
    r"/api/backend/v1/clients/config|/api/backend/swagger.json|/auth/realms/.*|.*/oauth-token|"
    r"/storage/neptune3/.*|/\{.*"
)
"""What everybody may ask for, or what carries its permission in another way."""
PROJECTS = (sample.PROJECT, series_sample.PROJECT, "team/written")
MISSING = {name: f"{name[:-1]}z" for name in PROJECTS}  # as long: protobuf tells lengths
READS = [each for each in load() if "client/v1" not in each.path and "storage" not in each.path]


@dataclass
class Site:
    """A hub with what clients were captured from, and users who have the roles of their names."""

    hub: HubThread
    client: httpx.Client
    api: dict[str, str] = field(default_factory=dict)
    access: dict[str, str] = field(default_factory=dict)

    def exchange(self, token: str) -> dict[str, str]:
        answer = self.client.get(EXCHANGE, headers={"x-neptune-api-token": token})
        assert answer.status_code == 200, answer.text
        told: dict[str, str] = answer.json()
        return told

    def send(self, access: str | None, path: str, **options: Any) -> httpx.Response:
        headers = {} if access is None else {"authorization": f"Bearer {access}"}
        answer = self.client.request(
            options.pop("method", "POST"), path, headers=headers, **options
        )
        assert answer.status_code < 500, answer.text
        return answer

    def replay(self, user: str, each: Captured, *, missing: bool = False) -> httpx.Response:
        """Send what a client sent; or the same about projects that are not there."""
        query, body = each.query, each.body
        for name, other in MISSING.items() if missing else ():
            query = query.replace(name.replace("/", "%2F"), other.replace("/", "%2F"))
            body = body.replace(name.encode(), other.encode())
        return self.send(self.access[user], f"{each.path}?{query}", content=body)

    def state(self) -> object:
        store = self.hub.hub.store
        runs = store.query_runs(RunQuery(trashed=None)).runs
        return store.mark_changes(), list(store.list_projects()), [run.key for run in runs]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    hub = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    sample.log_sample(hub.hub)
    series_sample.log_series(hub.hub)
    hub.hub.store.create_run(RunSpec(project="team/written", run_id="root"))
    with httpx.Client(base_url=hub.address, timeout=60) as client:
        site = Site(hub, client)
        for user in ("none", *map(str, Role)):
            site.api[user] = hub.token(user)
            for project in PROJECTS:
                if user != "none":
                    hub.hub.accounts.grant(project, user, Role(user))
            site.access[user] = site.exchange(site.api[user])["accessToken"]
        yield site
    hub.stop()


def paths(site: Site) -> Iterator[tuple[str, str]]:
    for route in routes(site.hub.hub):
        assert isinstance(route, Route)
        for method in route.methods or ():
            if method != "HEAD" and not OPEN.fullmatch(route.path):
                yield method, route.path


def test_there_are_routes_that_want_a_token(site: Site) -> None:
    found = {path for _, path in paths(site)}
    assert {each.path for each in load()} <= found
    assert len(found) >= 15


def forged(site: Site) -> dict[str, str | None]:
    """Return what may come in the place of an access token, and is none."""
    tokens = site.exchange(site.api["owner"])
    good = tokens["accessToken"]
    claims = jwt.decode(good, options={"verify_signature": False})
    head, _, signature = good.split(".")
    access = AccessTokens.of(site.hub.hub.accounts.signing_key(), site.hub.address)
    own = access.key

    def made(key: bytes, algorithm: str = "HS256", **changed: Any) -> str:
        return jwt.encode({**claims, **changed}, key, algorithm=algorithm)

    other = jwt.encode({**claims, "sub": "1"}, b"x" * 32, algorithm="HS256").split(".")[1]
    return {
        "none at all": None,
        "no JWT": "nothing-of-that-kind",
        "a long one": "long" * 10_000,
        "expired": made(own, exp=int(time.time()) - 1),
        "of another hub's key": made(b"y" * 32),
        "of another address": made(own, iss="http://elsewhere/auth/realms/neptune"),
        "without a signature": jwt.encode(claims, None, algorithm="none"),
        "signed by another algorithm": made(own * 2, "HS512"),
        "with other claims": f"{head}.{other}.{signature}",
        "cut off": good[:-2],
        "a refresh token": tokens["refreshToken"],
        "an API token": site.api["owner"],
        "its secret": secret_of(site.api["owner"]),
        "of no token": made(own, sub="x"),
        "of a token as SQL": made(own, sub="1 OR 1=1"),
    }


def test_nothing_but_an_access_token_is_one(site: Site) -> None:
    before = site.state()
    for method, path in paths(site):
        told = set()
        for name, token in forged(site).items():
            answer = site.send(token, path, method=method)
            assert answer.status_code == 401, (path, name, answer.text)
            assert answer.json()["errorType"] == "UNAUTHORIZED"
            if token:
                assert token not in answer.text
                told.add(answer.text)
        assert len(told) == 1, told
    assert site.state() == before


@pytest.mark.parametrize("end", ["revoked", "expired", "disabled", "unknown"])
def test_an_access_token_ends_with_what_it_was_made_for(site: Site, end: str) -> None:
    """It is told as a refusal: writers would try for ever after a 401."""
    accounts = site.hub.hub.accounts
    user = f"user-{end}"
    accounts.create_user(user)
    accounts.grant(sample.PROJECT, user, Role.OWNER)
    expires = now_micros() + 1_000_000 if end == "expired" else None
    made = accounts.create_token(user, expires=expires)
    tokens = site.exchange(made.secret)
    access = tokens["accessToken"]
    assert site.send(access, "/api/backend/v1/projects", method="GET").status_code == 200
    match end:
        case "revoked":
            accounts.revoke_token(made.info.id)
        case "disabled":
            accounts.disable_user(user)
        case "expired":
            time.sleep(1.1)
        case "unknown":
            key = AccessTokens.of(accounts.signing_key(), site.hub.address)
            access = key.make(10_000, user)
            tokens["refreshToken"] = key.make(10_000, user, kind="refresh")
    before = site.state()
    for method, path in paths(site):
        answer = site.send(access, path, method=method)
        assert (answer.status_code, answer.json()["errorType"]) == (403, "ACCESS_DENIED"), path
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refreshToken"]}
    assert site.client.post(REFRESH, data=form).status_code == 401
    if end != "unknown":
        headers = {"x-neptune-api-token": made.secret}
        assert site.client.get(EXCHANGE, headers=headers).status_code == 401
    assert site.state() == before


def test_only_a_refresh_token_refreshes(site: Site) -> None:
    for name, token in forged(site).items():
        if name == "a refresh token" or token is None:
            continue
        answer = site.client.post(REFRESH, data={"refresh_token": token})
        assert answer.status_code == 401, name
    access = site.access["owner"]
    assert site.client.post(REFRESH, data={"refresh_token": access}).status_code == 401
    for body in (b"", b"refresh_token", b"\xff=\xff", b"{}", b"&" * 60_000):
        answer = site.client.post(REFRESH, content=body)
        assert answer.status_code in (400, 401), answer.text


# roles


def test_every_role_reads_the_same(site: Site) -> None:
    statuses: Counter[int] = Counter()
    for each in READS:
        answers = [site.replay(str(role), each) for role in Role]
        assert len({(answer.status_code, answer.content) for answer in answers}) == 1, each
        statuses[answers[0].status_code] += 1
    assert statuses[200] > len(READS) * 0.8, statuses


def test_a_project_that_is_private_is_answered_as_one_that_is_missing(site: Site) -> None:
    for each in READS:
        private, gone = site.replay("none", each), site.replay("none", each, missing=True)
        told = private.content
        for name, other in MISSING.items():
            told = told.replace(name.encode(), other.encode())
        assert (private.status_code, told) == (gone.status_code, gone.content), each
        if private.status_code == 200:  # several projects can be named: the others are left out
            assert b"team" not in private.content


def operations(project: str) -> list[Any]:
    made = [
        creation("new", project),
        creation("root", project, experiment_id="renamed"),
        creation("fork", project, parent="root", step=1),
        batch(points(1, {"a": 1.0}), run_id="root"),
        batch(configs({"a": 1, "f": ("file", "x")}), run_id="root"),
    ]
    for each in made:
        each.project = project
    return made


def test_who_may_not_write(site: Site) -> None:
    project = "team/written"
    before = site.state()
    signed = {"files": [{"path": "p", "permission": "write", "project_identifier": project}]}
    ended = {"upload_id": "x", "project_identifier": project, "path": "p", "parts": []}
    bridge = "/api/storagebridge/v1"
    for user in ("none", "viewer"):
        for operation in operations(project):
            body = operation.SerializeToString()
            answer = site.send(site.access[user], "/api/client/v1/ingest", content=body)
            if user == "viewer":
                assert answer.status_code == 403
                assert answer.json()["errorType"] == "ACCESS_DENIED"
        for path, sent in (
            (f"{bridge}/signedUrl", signed),
            (f"{bridge}/s3/completeMultipartUpload", ended),
        ):
            answer = site.send(site.access[user], path, json=sent)
            assert (answer.status_code, answer.json()["errorType"]) == (403, "ACCESS_DENIED")
        answer = site.send(
            site.access[user],
            "/api/backend/v1/projects",
            json={"name": "new", "organizationIdentifier": "team"},
        )
        assert answer.status_code in (400, 403, 404), answer.text
    assert site.state() == before
    stranger = Writer(site.hub, site.api["none"])
    for operation in operations(project):
        (private,) = stranger.told(operation)
        operation.project = "team/missing"
        assert stranger.told(operation) == {private: 1}
    assert site.state() == before
    for user in ("contributor", "owner"):
        answer = site.send(site.access[user], f"{bridge}/signedUrl", json=signed)
        assert answer.status_code == 200
        writer = Writer(site.hub, site.api[user])
        assert all(sum(writer.told(operation).values()) for operation in operations(project))
    assert site.state() != before


# logs


def test_no_secret_is_in_a_line_of_the_log(tmp_path: Path) -> None:
    hub = HubProcess(tmp_path / "runs.db")
    try:
        with httpx.Client(base_url=hub.address) as client:
            tokens = client.get(EXCHANGE, headers={"x-neptune-api-token": hub.admin}).json()
            bearer = {"authorization": f"Bearer {tokens['accessToken']}"}
            client.get(EXCHANGE, headers={"x-neptune-api-token": "wrong-" + "a" * 40})
            form = {"refresh_token": tokens["refreshToken"]}
            client.post(REFRESH, data=form)
            client.get(EXCHANGE, params={"token": hub.admin})
            client.post("/api/client/v1/ingest?access=" + tokens["accessToken"], content=b"\xff")
            links = []
            for permission in ("write", "read"):
                wanted = {"path": "a/b", "permission": permission, "project_identifier": "admin/p"}
                answer = client.post(
                    "/api/storagebridge/v1/signedUrl", json={"files": [wanted]}, headers=bearer
                )
                links.append(answer.json()["files"][0]["url"])
                send = client.put if permission == "write" else client.get
                assert send(links[-1]).status_code == 200
                assert send(links[-1] + "x").status_code in (400, 403, 503)
        assert hub.stop() == 0
    finally:
        hub.kill()
    lines = "".join(line for line in hub.lines if "MOORING_API_TOKEN=" not in line)
    assert "/storage/neptune3/" in lines
    secrets = [hub.admin, secret_of(hub.admin), "wrong-", *map(str, tokens.values())]
    for link in links:
        path, _, query = link.removeprefix(hub.address).partition("?")
        secrets += [path.rpartition("/")[2], *(part.partition("=")[2] for part in query.split("&"))]
    leaked = [secret for secret in secrets if len(secret) > 16 and secret in lines]
    assert leaked == []
    for line in hub.requests:
        assert "?" not in json.dumps(line)
