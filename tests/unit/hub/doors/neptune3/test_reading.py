"""Searches and attributes over HTTP: identifiers, pages, rights, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from mooring.hub.accounts import Role
from mooring.hub.doors.neptune3.identifiers import project_uuid, run_uuid
from mooring.model import RunSpec
from tests.serving import HubThread

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from mooring.wire.neptune3.schema import message

_API = "/api/leaderboard/v1"
SEARCH = f"{_API}/proto/leaderboard/entries/search/"
GLOBAL = f"{_API}/proto/leaderboard/entries/global/search/"
DEFINITIONS = f"{_API}/leaderboard/attributes/definitions/query"
VALUES = f"{_API}/proto/leaderboard/attributes/query"
NAMES_OF_RUN = f"{_API}/proto/attributes/queryAttributeDefinitions"
VALUES_OF_RUN = f"{_API}/proto/attributes/attributes"
PROJECT = "team/nets"
RUNS = 30


@dataclass(frozen=True)
class Reader:
    """A user with an access token."""

    hub: HubThread
    bearer: str

    def ask(self, path: str, body: object = None, method: str = "POST", **query: Any) -> Any:
        return requests.request(
            method,
            self.hub.address + path,
            params=query,
            json=body,
            headers={"authorization": f"Bearer {self.bearer}"},
            timeout=60,
        )

    def search(self, body: object = None, project: str = PROJECT) -> Any:
        answer = self.ask(SEARCH, body or {}, projectIdentifier=project, type="run")
        assert answer.status_code == 200, answer.text
        return message("ProtoLeaderboardEntriesSearchResultDTO").FromString(answer.content)

    def names(self, **body: object) -> Any:
        answer = self.ask(DEFINITIONS, {"projectIdentifiers": [PROJECT], **body})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def values(self, project: str = PROJECT, **body: object) -> Any:
        answer = self.ask(VALUES, body, projectIdentifier=project)
        assert answer.status_code == 200, answer.text
        return message("ProtoQueryAttributesResultDTO").FromString(answer.content)


def _reader(hub: HubThread, token: str) -> Reader:
    answer = requests.get(
        f"{hub.address}/api/backend/v1/authorization/oauth-token",
        headers={"x-neptune-api-token": token},
        timeout=60,
    )
    return Reader(hub, answer.json()["accessToken"])


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubThread]:
    started = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    store = started.hub.store
    for number in range(RUNS):
        run = store.create_run(RunSpec(project=PROJECT, run_id=f"r{number}"))
        writer = store.open_writer(run.key)
        writer.assign({f"own/{number}": number, "lr": number / 10})
        writer.close()
    wide = store.create_run(RunSpec(project="team/wide", run_id="wide"))
    writer = store.open_writer(wide.key)
    writer.assign({f"p/{number:03}": number for number in range(95)})
    writer.log({f"s/{number}": float(number) for number in range(5)}, step=1)
    writer.close()
    store.create_run(RunSpec(project="team/wide", run_id="empty"))
    store.create_run(RunSpec(project="other/secret", run_id="hidden"))
    half = store.create_run(RunSpec(project="team/half", run_id="half"))
    writer = store.open_writer(half.key)
    writer.log({"both": 1.0}, step=1)
    writer.log({"both": 9.0, "preview": 9.0}, step=2, preview_completion=0.5)
    writer.close()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def admin(hub: HubThread) -> Reader:
    return _reader(hub, hub.admin)


@pytest.fixture(scope="module")
def viewer(hub: HubThread) -> Reader:
    token = hub.token("viewer")
    hub.hub.accounts.grant(PROJECT, "viewer", Role.VIEWER)
    return _reader(hub, token)


def _ids(result: Any) -> list[str]:
    return [
        attribute.string_properties.value
        for entry in result.entries
        for attribute in entry.attributes
        if attribute.name == "sys/custom_run_id"
    ]


WITH_IDS = {"attributeFilters": [{"path": "sys/custom_run_id"}]}


def test_entries_tell_who_they_are(admin: Reader) -> None:
    result = admin.search({"pagination": {"limit": 1}})
    (entry,) = result.entries
    assert result.matching_item_count == RUNS
    assert entry.experiment_id == run_uuid(RUNS)
    assert (entry.type, entry.organization_name, entry.project_name) == ("run", "team", "nets")
    assert entry.project_id == project_uuid(PROJECT)
    assert not entry.attributes


def test_pages_of_a_search_give_each_run_once(admin: Reader) -> None:
    found: list[str] = []
    for offset in range(0, RUNS + 1, 7):
        found += _ids(admin.search({**WITH_IDS, "pagination": {"limit": 7, "offset": offset}}))
    assert found == [f"r{number}" for number in reversed(range(RUNS))]
    assert not admin.search({"pagination": {"limit": 0}}).entries
    assert not admin.search({"pagination": {"limit": 5, "offset": 1_000}}).entries


def test_a_project_is_found_by_its_id(admin: Reader) -> None:
    assert admin.search(project=project_uuid(PROJECT)).matching_item_count == RUNS
    body = {"projectIdentifiers": [project_uuid(PROJECT)], "attributeNameFilter": {}}
    assert admin.ask(DEFINITIONS, body).json()["entries"]


def test_definitions_page_by_page(admin: Reader) -> None:
    whole = admin.names()["entries"]
    assert "nextPageToken" not in admin.names()["nextPage"]
    found, token = [], None
    while True:
        page = admin.names(nextPage={"limit": 7, "nextPageToken": token})
        found += page["entries"]
        token = page["nextPage"].get("nextPageToken")
        if token is None:
            break
        assert len(page["entries"]) == 7  # a short page is the last one for clients
    assert found == whole
    assert len({(entry["name"], entry["type"]) for entry in whole}) == len(whole) > RUNS


def test_definitions_of_some_runs_of_some_types(admin: Reader) -> None:
    found = admin.names(
        experimentIdsFilter=[f"{PROJECT}/NET-3", f"CUSTOM/{PROJECT}/r5", run_uuid(9), "x", "a/b/c"],
        attributeFilter=[{"attributeType": "int"}],
        attributeNameFilter={"mustMatchRegexes": ["^own/"]},
    )
    assert [entry["name"] for entry in found["entries"]] == ["own/2", "own/5", "own/8"]
    assert admin.names(experimentIdsFilter=[])["entries"] == []


def test_projects_that_are_not_there_are_left_out(admin: Reader, viewer: Reader) -> None:
    both = {"projectIdentifiers": [PROJECT, PROJECT, "team/none", "other/secret"]}
    assert admin.ask(DEFINITIONS, both).json()["entries"]
    assert viewer.ask(DEFINITIONS, both).status_code == 200
    for reader, projects in ((admin, ["team/none"]), (viewer, ["other/secret"]), (admin, [])):
        answer = reader.ask(DEFINITIONS, {"projectIdentifiers": projects})
        assert (answer.status_code, answer.json()["errorType"]) == (403, "ACCESS_DENIED")


def test_values_of_many_runs_page_by_page(admin: Reader) -> None:
    ids = [f"{PROJECT}/NET-{number + 1}" for number in range(RUNS)]
    for identifiers in (ids, [run_uuid(number + 1) for number in range(RUNS)], None):
        for limit in (1, 4, 7, 1_000):
            found: dict[str, dict[str, Any]] = {}
            token = None
            while True:
                page = admin.values(
                    experimentIdsFilter=identifiers,
                    attributeNameFilter={"mustMatchRegexes": ["^(own/.*|lr)$"]},
                    nextPage={"limit": limit, "nextPageToken": token},
                )
                assert 0 < sum(len(entry.attributes) for entry in page.entries) <= limit
                for entry in page.entries:
                    values = found.setdefault(entry.experimentShortId, {})
                    for attribute in entry.attributes:
                        assert attribute.name not in values
                        values[attribute.name] = (
                            attribute.float_properties.value or attribute.int_properties.value
                        )
                token = page.nextPage.nextPageToken
                if not token:
                    break
            assert found == {
                f"NET-{number + 1}": {f"own/{number}": number, "lr": number / 10}
                for number in range(RUNS)
            }


def test_values_of_a_run_that_fills_several_pages(admin: Reader) -> None:
    names: list[str] = []
    token = None
    while True:
        page = admin.values(
            "team/wide",
            attributeNameFilter={"mustMatchRegexes": ["^[ps]/"]},
            nextPage={"limit": 10, "nextPageToken": token},
        )
        names += [attribute.name for entry in page.entries for attribute in entry.attributes]
        token = page.nextPage.nextPageToken
        if not token:
            break
    assert sorted(names) == sorted(
        [f"p/{number:03}" for number in range(95)] + [f"s/{number}" for number in range(5)]
    )


def test_exact_names_and_types_of_values(admin: Reader) -> None:
    page = admin.values(
        experimentIdsFilter=[f"{PROJECT}/NET-2"], attributeNamesFilter=["lr", "none", "own/1"]
    )
    assert [attribute.name for attribute in page.entries[0].attributes] == ["lr", "own/1"]
    page = admin.values(
        experimentIdsFilter=[f"{PROJECT}/NET-2"],
        attributeNameFilter={},
        attributeFilter=[{"attributeType": "float"}],
    )
    assert [attribute.name for attribute in page.entries[0].attributes] == [
        "lr",
        "sys/running_time_seconds",
    ]
    page = admin.values(experimentIdsFilter=[], attributeNamesFilter=["lr"])
    assert not page.entries
    assert not page.nextPage.nextPageToken


def test_previews_count_for_names_and_not_for_values(admin: Reader) -> None:
    body = {
        "projectIdentifiers": ["team/half"],
        "attributeFilter": [{"attributeType": "floatSeries"}],
    }
    names = [entry["name"] for entry in admin.ask(DEFINITIONS, body).json()["entries"]]
    assert names == ["both", "preview"]
    page = admin.values("team/half", attributeNamesFilter=names)
    (attribute,) = page.entries[0].attributes
    series = attribute.float_series_properties
    assert (attribute.name, series.last, series.last_step, series.max) == ("both", 1.0, 1.0, 1.0)


def test_what_another_server_told_of_itself_is_not_told_twice(tmp_path: Path) -> None:
    started = HubThread(tmp_path / "runs.db")
    try:
        told = {"sys/diagnostics/run_uuid": "of old", "sys/size": 7, "lr": 0.5}
        with started.hub.store.import_run(RunSpec(project=PROJECT, run_id="in")) as incoming:
            incoming.set_values(told)
            run = incoming.commit()
        admin = _reader(started, started.admin)
        names = [entry["name"] for entry in admin.names()["entries"]]
        assert set(told) <= set(names)
        assert len(names) == len(set(names))
        (entry,) = admin.values(attributeNamesFilter=sorted(told)).entries
        found = {each.name: each for each in entry.attributes}
        assert len(entry.attributes) == len(found) == 3
        uuid = found["sys/diagnostics/run_uuid"].string_properties.value
        assert uuid == run_uuid(run.key)
    finally:
        started.stop()


def test_one_run_by_the_old_endpoints(admin: Reader) -> None:
    answer = admin.ask(NAMES_OF_RUN, method="GET", experimentIdentifier=f"{PROJECT}/NET-1")
    read = message("ProtoAttributesSearchResultDTO").FromString(answer.content)
    names = {entry.name: entry.type for entry in read.entries}
    assert names["lr"] == "float"
    assert names["sys/tags"] == "stringSet"
    assert "sys/state" not in names  # no reader of this protocol has a type for it
    holder = {"holderIdentifier": f"{PROJECT}/NET-1", "holderType": "experiment"}
    answer = admin.ask(VALUES_OF_RUN, {"attributePathsFilter": ["lr", "none"]}, **holder)
    read = message("ProtoAttributesDTO").FromString(answer.content)
    assert [attribute.name for attribute in read.attributes] == ["lr"]
    answer = admin.ask(VALUES_OF_RUN, {}, **holder)
    read = message("ProtoAttributesDTO").FromString(answer.content)
    assert {attribute.name for attribute in read.attributes} == set(names)


@pytest.mark.parametrize(
    ("run", "status"),
    [
        ("team/nets/NET-99", 404),
        ("CUSTOM/team/nets/zz", 404),
        ("x", 404),
        ("", 404),
        ("team/none/X-1", 403),
    ],
)
def test_an_unknown_run_is_not_found(admin: Reader, run: str, status: int) -> None:
    assert admin.ask(NAMES_OF_RUN, method="GET", experimentIdentifier=run).status_code == status
    assert admin.ask(VALUES_OF_RUN, {}, holderIdentifier=run).status_code == status


def test_what_a_user_does_not_see_is_not_there(admin: Reader, viewer: Reader) -> None:
    secret = "other/secret"
    assert admin.search(project=secret).matching_item_count == 1
    for answer in (
        viewer.ask(SEARCH, {}, projectIdentifier=secret, type="run"),
        viewer.ask(VALUES, {}, projectIdentifier=secret),
        viewer.ask(SEARCH, {}, projectIdentifier="team/none", type="run"),
        viewer.ask(VALUES, {}, projectIdentifier="team/none"),
        viewer.ask(SEARCH, {}, type="run"),
    ):
        assert (answer.status_code, answer.json()["errorType"]) == (403, "ACCESS_DENIED")
    hidden = admin.search(project=secret).entries[0].experiment_id
    assert viewer.ask(NAMES_OF_RUN, method="GET", experimentIdentifier=hidden).status_code == 404
    for ids in ([hidden], [hidden] * 2 + [f"{secret}/SEC-1"], [hidden, *map(str, range(50))]):
        assert viewer.names(experimentIdsFilter=ids)["entries"] == []
        assert not viewer.values(experimentIdsFilter=ids).entries
    answer = viewer.ask(GLOBAL, {"experimentLeader": False})
    read = message("ProtoLeaderboardEntriesSearchResultDTO").FromString(answer.content)
    assert read.matching_item_count == RUNS
    assert {entry.project_name for entry in read.entries} == {"nets"}
    assert sorted(_ids(read)) == sorted(f"r{number}" for number in range(RUNS))


def test_without_an_access_token(hub: HubThread) -> None:
    for path in (SEARCH, GLOBAL, DEFINITIONS, VALUES, VALUES_OF_RUN):
        assert requests.post(hub.address + path, json={}, timeout=60).status_code == 401
    assert Reader(hub, "no.such.token").ask(SEARCH, {}).status_code == 401


def test_filters_by_what_only_readers_call_so(admin: Reader) -> None:
    def found(text: str) -> list[str]:
        return _ids(admin.search({**WITH_IDS, "query": {"query": text}}))

    assert found("`sys/diagnostics/run_uuid` EXISTS AND lr:float = 0.3") == ["r3"]
    assert found("`sys/diagnostics/run_uuid`:int EXISTS") == []
    assert found("NOT `sys/experiment/running_time_seconds`:float < 0 AND lr:float = 0.3") == ["r3"]
    assert found("`sys/forking/requested_parent` EXISTS") == []
    uuid, project = run_uuid(4), project_uuid(PROJECT)
    assert found(f'`sys/diagnostics/run_uuid`:string == "{uuid}"') == ["r3"]
    assert len(found(f'`sys/diagnostics/run_uuid`:string != "{uuid}"')) == RUNS - 1
    assert found('`sys/diagnostics/run_uuid`:string == "x"') == []
    assert found(f'`sys/diagnostics/run_uuid`:string == "{run_uuid(RUNS + 1)}"') == []
    assert len(found(f'`sys/diagnostics/project_uuid`:string == "{project}"')) == RUNS
    assert len(found('`sys/diagnostics/project_uuid`:string MATCHES "[[:digit:]]-"')) == RUNS
    assert found('`sys/diagnostics/project_uuid`:string NOT CONTAINS "-"') == []
    text = {"query": {"query": '`sys/diagnostics/run_uuid`:string MATCHES "x"'}}
    answer = admin.ask(SEARCH, text, projectIdentifier=PROJECT)
    assert answer.status_code == 400
    assert "use sys/id" in answer.json()["message"]
    assert admin.ask(GLOBAL, text).status_code == 400


KINDS = [
    "bool",
    "file_ref",
    "file_ref_series",
    "float",
    "float_series",
    "histogram",
    "histogram_series",
    "int",
    "string",
    "string_series",
    "string_set",
]
COUNTERS = [f"sys/diagnostics/attributes/{kind}_count" for kind in (*KINDS, "total")]
TIMES = ["sys/creation_time", "sys/modification_time", "sys/ping_time"]
IDS = [
    "sys/custom_run_id",
    "sys/diagnostics/project_uuid",
    "sys/diagnostics/run_uuid",
    "sys/id",
]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("sys/.*_time$", TIMES),
        ("sys/.*id$", IDS),
        ("sys/diagnostics/attributes/.*_count$", sorted(COUNTERS)),
        ("sys/forking", ["sys/forking/depth"]),
        ("^sys/(size|owner|family)$", ["sys/family", "sys/owner", "sys/size"]),
    ],
)
def test_system_attributes_by_pattern(admin: Reader, pattern: str, names: list[str]) -> None:
    chosen = {"attributeNameFilter": {"mustMatchRegexes": [pattern]}}
    one = {**chosen, "experimentIdsFilter": [f"{PROJECT}/NET-4"]}
    for body in (chosen, one):
        assert [entry["name"] for entry in admin.names(**body)["entries"]] == names
    (entry,) = admin.values(**one).entries
    assert sorted(attribute.name for attribute in entry.attributes) == names


def test_system_attributes_that_are_computed(admin: Reader) -> None:
    wide = "team/wide"
    counts = "sys/diagnostics/attributes"
    wanted = {
        f"{counts}/int_count": 95,
        f"{counts}/float_series_count": 5,
        f"{counts}/total_count": 100,
        f"{counts}/total_series_datapoints": 5,
        "sys/relative_creation_time_ms": 0,
    }
    body = {
        "attributeFilters": [{"path": path} for path in (*wanted, "sys/size", "sys/owner")],
        "query": {"query": f'`{counts}/int_count`:int == "95"'},
    }
    (entry,) = admin.search(body, project=wide).entries
    told = {attribute.name: attribute for attribute in entry.attributes}
    assert {path: told[path].int_properties.value for path in wanted} == wanted
    assert told["sys/size"].int_properties.value > 500
    assert {each.type for name, each in told.items() if name != "sys/owner"} == {"int"}
    for direction, first in (("ascending", "empty"), ("descending", "wide")):
        for path in ("sys/size", f"{counts}/total_count"):
            sorting = {"sortBy": {"name": path, "type": "int"}, "dir": direction}
            assert _ids(admin.search({**WITH_IDS, "sorting": sorting}, project=wide))[0] == first


EVERYBODY = [f"r{number}" for number in range(RUNS)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '(((`sys/custom_run_id`:string MATCHES ".+"))) AND (`sys/archived`:bool != "True")',
            EVERYBODY,
        ),
        ("", EVERYBODY),
        ('((((`lr`:float == "0.3"))))', ["r3"]),
        ('(`lr`:float == "3e-01") OR (`own/7`:int == "7")', ["r3", "r7"]),
        ('NOT (`lr`:float > "0.1")', ["r0", "r1"]),
        ('(`lr`:float == "nan")', []),
        ('(`lr`:float > "-inf") AND (NOT (`lr`:float >= "0.15"))', ["r0", "r1"]),
        ('(`sys/creation_time`:datetime > "2024-01-01T00:00:00.000001+02:00")', EVERYBODY),
        ("`sys/creation_time`:datetime > -5d AND lr < 0.05", ["r0"]),
        ('(`sys/trashed`:bool = false) AND ((`sys/id`:string = "NET-5"))', ["r4"]),
        ('`sys/custom_run_id`:string MATCHES "^r[[:digit:]]$" AND own/9 EXISTS', ["r9"]),
        ('(`sys/name`:string NOT MATCHES "zz") AND (`lr`:float <= "0.0")', ["r0"]),
        ("`sys/tags`:stringSet NOT CONTAINS x AND NOT lr:float > 0", ["r0"]),
        ('(`sys/state`:experimentState = "running")', []),
    ],
)
def test_filters_as_clients_write_them(admin: Reader, text: str, expected: list[str]) -> None:
    found = _ids(admin.search({**WITH_IDS, "query": {"query": text}}))
    assert sorted(found) == sorted(expected)


BAD = [
    b"{",
    b"[]",
    b'"text"',
    b"\xff\xfe",
    b'{"pagination": {"limit": "all"}}',
    b'{"query": {"query": "() OR ()"}}',
    b'{"query": {"query": "`sys/tags`:stringSet > 1"}}',
    b'{"sorting": {"sortBy": {"name": "x", "type": "nothing"}}}',
    b'{"nextPage": {"limit": -1}}',
    b'{"nextPage": {"limit": 5, "nextPageToken": 7}}',
    b'{"attributeNameFilter": {"mustMatchRegexes": ["("]}}',
    b'{"attributeFilter": [{"attributeType": "flot"}]}',
    b'{"attributeNamesFilter": "lr"}',
    b'{"experimentIdsFilter": [1, 2]}',
    b'{"projectIdentifiers": "team/nets"}',
    b'{"attributePathsFilter": 1}',
]


@pytest.mark.parametrize("body", BAD)
@pytest.mark.parametrize("path", [SEARCH, GLOBAL, DEFINITIONS, VALUES, VALUES_OF_RUN])
def test_bad_bodies_are_never_the_fault_of_the_hub(admin: Reader, path: str, body: bytes) -> None:
    answer = requests.post(
        admin.hub.address + path,
        params={
            "projectIdentifier": PROJECT,
            "holderIdentifier": f"{PROJECT}/NET-1",
        },
        data=body,
        headers={"authorization": f"Bearer {admin.bearer}"},
        timeout=60,
    )
    assert answer.status_code in (200, 400, 403), answer.text
    if answer.status_code != 200:
        assert answer.json()["message"]


@pytest.mark.parametrize("token", ["x", "-1", "9" * 30, "1" * 18 + "x/y", "/", "²/a"])
def test_tokens_that_the_hub_did_not_make(admin: Reader, token: str) -> None:
    page = {"limit": 3, "nextPageToken": token}
    answer = admin.ask(VALUES, {"nextPage": page}, projectIdentifier=PROJECT)
    assert answer.status_code == 400
    assert "nextPageToken" in answer.json()["message"]


def test_another_type_of_entries_is_refused(admin: Reader) -> None:
    answer = admin.ask(SEARCH, {}, projectIdentifier=PROJECT, type="model")
    assert answer.status_code == 400
