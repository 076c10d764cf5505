"""What stands beside the reading and writing: lists of projects, pages, compressed answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from mooring.hub.accounts import Role
from mooring.hub.app import create_app
from mooring.hub.doors.neptune3.identifiers import workspace_uuid
from mooring.model import RunSpec
from tests.serving import HubThread
from tests.unit.hub.doors.neptune3.test_identity import exchanged

PROJECTS = "/api/backend/v1/projects"
DEFINITIONS = "/api/leaderboard/v1/leaderboard/attributes/definitions/query"
NAMES = ["a", "b (old)", "c.d", "e"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubThread]:
    started = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    for name in NAMES:
        started.hub.store.create_project(f"team/{name}")
    started.hub.store.create_project("other/a")
    run = started.hub.store.create_run(RunSpec(project="team/a", run_id="wide"))
    writer = started.hub.store.open_writer(run.key)
    writer.assign({f"some/long/name/{number}": number for number in range(3000)})
    writer.close()
    yield started
    started.stop()


def bearer(hub: HubThread, token: str) -> dict[str, str]:
    with httpx.Client(base_url=hub.address) as client:
        return {"authorization": f"Bearer {exchanged(client, token)['accessToken']}"}


@pytest.fixture(scope="module")
def admin(hub: HubThread) -> dict[str, str]:
    return bearer(hub, hub.admin)


def listed(hub: HubThread, headers: dict[str, str], **query: Any) -> tuple[list[str], int]:
    answer = httpx.get(hub.address + PROJECTS, params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    names = [f"{entry['organizationName']}/{entry['name']}" for entry in told["entries"]]
    return names, told["matchingItemCount"]


def test_projects_of_a_workspace_page_by_page(hub: HubThread, admin: dict[str, str]) -> None:
    of_team = [f"team/{name}" for name in NAMES]
    for workspace in ("team", workspace_uuid("team")):
        found = listed(hub, admin, organizationIdentifier=workspace, offset=0, limit=200)
        assert found == (of_team, 4)
    pages = [
        listed(hub, admin, organizationIdentifier="team", offset=offset, limit=3)
        for offset in (0, 3, 6)
    ]
    assert pages == [(of_team[:3], 4), (of_team[3:], 4), ([], 4)]
    assert listed(hub, admin, organizationIdentifier="nobody") == ([], 0)
    assert listed(hub, admin, organizationIdentifier="team", searchTerm="C.") == (["team/c.d"], 1)
    assert listed(hub, admin, limit=0) == ([], 4)
    # A name that neptune-scale stumbles over when it lists all projects is left out there.
    everything = listed(hub, admin, userRelation="viewerOrHigher", sortBy="lastViewed")
    assert everything == (["other/a", "team/a", "team/c.d", "team/e"], 4)
    for bad in ("x", "-1", "1.5", "", "9" * 20):
        answer = httpx.get(hub.address + PROJECTS, params={"offset": bad}, headers=admin)
        assert answer.status_code == 400


def test_projects_by_role(hub: HubThread) -> None:
    token = hub.token("vera")
    hub.hub.accounts.grant("team/a", "vera", Role.VIEWER)
    hub.hub.accounts.grant("team/e", "vera", Role.CONTRIBUTOR)
    headers = bearer(hub, token)
    assert listed(hub, headers, organizationIdentifier="team") == (["team/a", "team/e"], 2)
    assert listed(hub, headers, userRelation="memberOrHigher") == (["team/e"], 1)
    assert listed(hub, headers, userRelation="ownerOrHigher") == ([], 0)


def test_the_operations_of_the_older_client(hub: HubThread) -> None:
    told = httpx.get(f"{hub.address}/api/backend/swagger.json").json()
    operations = {
        operation["operationId"]: (path, operation)
        for path, methods in told["paths"].items()
        for operation in methods.values()
    }
    assert sorted(operations) == ["exchangeApiToken", "getClientConfig", "listProjects"]
    for path, operation in operations.values():
        name = operation["responses"]["200"]["schema"]["$ref"].rpartition("/")[2]
        assert name in told["definitions"], path


# pages


class _Shown(HTMLParser):
    """What a browser would show, and which elements it would make."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


EVIL = "</pre><script>alert('1')</script>\"&\n\\"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/team/a/-/run/", "customId"),
        ("/team/a/-/run", "customId"),
        ("/team/a/runs/details", "runIdentificationKey"),
        ("/team/%3Cimg%20src=x%3E/-/run/", "customId"),
    ],
)
@pytest.mark.parametrize("value", ["r-1", EVIL, "", "é" * 3000])
def test_the_page_of_a_run_names_it_and_no_more(
    hub: HubThread, path: str, name: str, value: str
) -> None:
    answer = httpx.get(hub.address + path, params={name: value, "type": "experiment"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    shown = _Shown(answer.text)
    assert shown.tags <= {
        "b", "body", "code", "h1", "head", "html", "meta", "p", "pre", "style", "title"
    }  # fmt: skip
    assert repr(value[:2000]) in shown.text
    if "runs/details" in path:
        assert "fetch_experiments_table" in shown.text
    else:
        assert "fetch_runs_table" in shown.text


def test_a_page_tells_nothing_of_what_is_there(hub: HubThread) -> None:
    there = httpx.get(f"{hub.address}/team/a/-/run/?customId=wide").text
    missing = httpx.get(f"{hub.address}/team/a/-/run/?customId=wirr").text
    assert there.replace("wide", "wirr") == missing
    assert httpx.post(f"{hub.address}/team/a/-/run/").status_code in (404, 405)
    assert httpx.get(f"{hub.address}/team/a/-/other/").status_code == 404


# compressed answers


def test_long_answers_to_other_machines_are_compressed(
    hub: HubThread, admin: dict[str, str]
) -> None:
    app = create_app(hub.hub)

    async def ask(host: str, encoding: str, body: object) -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(host, 1))
        async with httpx.AsyncClient(transport=transport, base_url=hub.address) as client:
            headers = {**admin, "accept-encoding": encoding}
            return await client.post(DEFINITIONS, json=body, headers=headers)

    question = {"projectIdentifiers": ["team/a"], "nextPage": {"limit": 10_000}}
    short = {**question, "attributeNameFilter": {"mustMatchRegexes": ["^sys/"]}}
    plain = asyncio.run(ask("127.0.0.1", "gzip, deflate", question))
    assert len(plain.json()["entries"]) > 3000
    for host, encoding, body, packed in (
        ("10.0.0.9", "gzip, deflate", question, True),
        ("10.0.0.9", "identity", question, False),
        ("10.0.0.9", "gzip", short, False),
        ("127.0.0.1", "gzip", question, False),
        ("::1", "gzip", question, False),
    ):
        answer = asyncio.run(ask(host, encoding, body))
        assert (answer.headers.get("content-encoding") == "gzip") is packed, (host, encoding)
        if body is question:
            assert answer.json() == plain.json()
            assert (int(answer.headers["content-length"]) < len(plain.content) / 4) is packed
