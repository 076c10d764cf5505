"""Names of several projects at once, and pages as clients ask for them until one is short."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from mooring.hub.accounts import Role
from mooring.hub.doors.neptune3.identifiers import project_uuid
from mooring.model import RunSpec
from mooring.wire.neptune3.schema import message
from tests.serving import HubThread
from tests.unit.hub.doors.neptune3.writing import Writer

_API = "/api/leaderboard/v1"
SEARCH = f"{_API}/proto/leaderboard/entries/search/?projectIdentifier=team/one&type=run"
DEFINITIONS = f"{_API}/leaderboard/attributes/definitions/query"
VALUES = f"{_API}/proto/leaderboard/attributes/query?projectIdentifier=team/one"

PROJECTS: dict[str, list[dict[str, Any]]] = {
    "team/one": [{"own/1": 1, "same": 1, "typed": 1}, {"own/2": 1, "same": 2}],
    "team/two": [{"own/3": 1, "same": 3, "typed": "text"}],
    "team/hidden": [{"own/4": 1, "same": 4, "typed": 0.5}],
}
ONE = [("own/1", "int"), ("own/2", "int"), ("same", "int"), ("typed", "int")]
BOTH = sorted([*ONE, ("own/3", "int"), ("typed", "string")])
NAMES = {"mustMatchRegexes": ["^(own/|same$|typed$)"]}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Writer]:
    """Return a user who sees two of the three projects."""
    hub = HubThread(tmp_path_factory.mktemp("hub") / "runs.db")
    for project, runs in PROJECTS.items():
        for number, values in enumerate(runs):
            run = hub.hub.store.create_run(RunSpec(project=project, run_id=f"r{number}"))
            writer = hub.hub.store.open_writer(run.key)
            writer.assign(values)
            writer.close()
    token = hub.token("kim")
    for project in ("team/one", "team/two"):
        hub.hub.accounts.grant(project, "kim", Role.VIEWER)
    yield Writer(hub, token)
    hub.stop()


def pages_of_names(reader: Writer, limit: float, **more: object) -> list[list[tuple[str, str]]]:
    """Ask as clients do: until no token comes, or a page is shorter than the limit."""
    pages, token = [], None
    while True:
        body = {
            "attributeNameFilter": NAMES,
            "nextPage": {"limit": limit, "nextPageToken": token},
            **more,
        }
        told = json.loads(reader.post(DEFINITIONS, json.dumps(body).encode()))
        pages.append([(each["name"], each["type"]) for each in told["entries"]])
        assert told["nextPage"]["limit"] == limit
        token = told["nextPage"].get("nextPageToken")
        if token is None or len(pages[-1]) < limit:
            return pages


def names(reader: Writer, limit: float = 100, **more: object) -> list[tuple[str, str]]:
    return [entry for page in pages_of_names(reader, limit, **more) for entry in page]


@pytest.mark.parametrize("limit", [1, 2, 3, 4.0, 6, 100.0])
@pytest.mark.parametrize(
    ("projects", "expected"),
    [
        (["team/one"], ONE),
        (["team/one", "team/two"], BOTH),
        (["team/two", "team/one", "team/two"], BOTH),
        ([project_uuid("team/one"), "team/two"], BOTH),
        (["team/one", "team/two", "team/hidden", "team/none"], BOTH),
    ],
)
def test_names_of_all_projects_that_the_user_sees(
    reader: Writer, projects: list[str], expected: list[tuple[str, str]], limit: float
) -> None:
    """A name comes once with each of its types, also where several projects have it."""
    found = names(reader, limit, projectIdentifiers=projects)
    assert len(found) == len(expected)
    assert sorted(found) == expected


def test_names_of_runs_in_several_projects(reader: Writer) -> None:
    runs = ["CUSTOM/team/one/r1", "CUSTOM/team/two/r0", "CUSTOM/team/hidden/r0"]
    both = {"projectIdentifiers": ["team/one", "team/two"], "experimentIdsFilter": runs}
    assert sorted(names(reader, **both)) == [
        ("own/2", "int"), ("own/3", "int"), ("same", "int"), ("typed", "string")
    ]  # fmt: skip
    # Runs of a project that is not named are not looked at, whether or not the user sees it.
    one = {**both, "projectIdentifiers": ["team/one", "team/hidden"]}
    assert sorted(names(reader, **one)) == [("own/2", "int"), ("same", "int")]


@pytest.mark.parametrize("limit", [1, 2, 4])
def test_a_last_page_that_is_full_ends_the_list(reader: Writer, limit: int) -> None:
    pages = pages_of_names(reader, limit, projectIdentifiers=["team/one"])
    assert [len(page) for page in pages if page] == [limit] * (len(ONE) // limit)


@pytest.mark.parametrize("limit", [1, 2.0, 3.0])
def test_pages_of_runs_end_with_a_short_or_an_empty_one(reader: Writer, limit: float) -> None:
    found: list[str] = []
    while True:
        body = {
            "attributeFilters": [{"path": "sys/custom_run_id"}],
            "pagination": {"limit": limit, "offset": float(len(found))},
        }
        told = message("ProtoLeaderboardEntriesSearchResultDTO").FromString(
            reader.post(SEARCH, json.dumps(body).encode())
        )
        assert told.matching_item_count == 2
        found += [entry.attributes[0].string_properties.value for entry in told.entries]
        if len(told.entries) < limit:
            break
    assert sorted(found) == ["r0", "r1"]


@pytest.mark.parametrize("limit", [1, 2.0, 5.0, 100.0])
def test_pages_of_values_give_each_value_once(reader: Writer, limit: float) -> None:
    found: list[tuple[str, str, int]] = []
    token: str | None = None
    while True:
        body = {
            "attributeNameFilter": NAMES,
            "nextPage": {"limit": limit, "nextPageToken": token},
        }
        told = message("ProtoQueryAttributesResultDTO").FromString(
            reader.post(VALUES, json.dumps(body).encode())
        )
        page = [
            (entry.experimentShortId, each.name, each.int_properties.value)
            for entry in told.entries
            for each in entry.attributes
        ]
        assert len(page) <= limit
        found += page
        token = told.nextPage.nextPageToken
        if not token:
            break
    assert sorted(found) == [
        ("ONE-1", "own/1", 1), ("ONE-1", "same", 1), ("ONE-1", "typed", 1),
        ("ONE-2", "own/2", 1), ("ONE-2", "same", 2),
    ]  # fmt: skip
