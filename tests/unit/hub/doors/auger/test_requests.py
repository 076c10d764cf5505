"""Requests as such: tokens, bodies, routes, repeats, and the answer to each that is wrong."""

from __future__ import annotations

import concurrent.futures
import gzip
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests
from auger.hub_api_client import HubApiClient

from mooring.hub.accounts import Role
from tests.serving import HubThread
from tests.unit.hub.doors.auger.conftest import Place, client_of


def _ask(hub: HubThread, method: str, path: str, **options: Any) -> requests.Response:
    return requests.request(method, f"{hub.address}{path}", timeout=30, **options)


# tokens


@pytest.mark.parametrize(
    "config", ["token", "hub_project_api_token", "hub_cluster_api_token", "hub_system_token"]
)
def test_each_key_of_a_token_is_read_from_the_body(place: Place, config: str) -> None:
    client = client_of(place.hub, **{config: place.token})
    assert place.id in [each["id"] for each in client.get_projects()["data"]]


def test_a_token_may_come_by_header_and_query_too(place: Place) -> None:
    path = f"/api/v1/projects/{place.id}"
    bearer = {"Authorization": f"Bearer {place.token}"}
    assert _ask(place.hub, "GET", path, headers=bearer).status_code == 200
    assert _ask(place.hub, "GET", path, params={"token": place.token}).status_code == 200
    both = _ask(place.hub, "GET", path, headers=bearer, json={"token": "wrong"})
    assert both.status_code == 401


@pytest.mark.parametrize("token", ["wrong", "", 5, None, {"a": 1}, "x" * 5000])
def test_a_wrong_token_is_401_in_the_words_of_the_reference(hub: HubThread, token: object) -> None:
    answer = _ask(hub, "GET", "/api/v1/projects", json={"token": token})
    assert answer.status_code == 401
    assert answer.json() == {
        "meta": {
            "status": 401,
            "errors": [{"error_type": "unauthenticated", "message": "User should be logged in"}],
        }
    }


def test_a_revoked_token_is_good_for_nothing(place: Place) -> None:
    accounts = place.hub.hub.accounts
    made = accounts.create_token(place.user)
    client = client_of(place.hub, token=made.secret)
    assert client.get_projects()["meta"]["status"] == 200
    accounts.revoke_token(made.info.id)
    with pytest.raises(HubApiClient.FatalApiError, match="User should be logged in"):
        client.get_projects()


def test_the_token_is_checked_before_the_parameters(hub: HubThread) -> None:
    answer = _ask(hub, "POST", "/api/v1/dataset_manifests", json={"token": "wrong"})
    assert answer.status_code == 401


def test_logging_in_gives_a_token(hub: HubThread) -> None:
    hub.hub.accounts.create_user("anna", email="anna@example.org", password="correct horse")
    client = client_of(hub, token="whatever is configured")
    made = client.create_token(email="anna@example.org", password="correct horse")
    assert made["data"]["confirmation_required"] is False
    assert client_of(hub, token=made["data"]["token"]).get_projects()["meta"]["status"] == 200
    with pytest.raises(HubApiClient.FatalApiError, match="Email or password incorrect"):
        client.create_token(email="anna@example.org", password="wrong")
    with pytest.raises(HubApiClient.InvalidParamsError, match="password is required"):
        client.create_token(email="anna@example.org")


# roles


def test_roles_decide_what_may_be_done(make_place: Callable[[], Place]) -> None:
    place, other = make_place(), make_place()
    place.trial("ROLES")
    accounts = place.hub.hub.accounts
    guest = client_of(place.hub, token=other.token)
    accounts.grant(place.project, other.user, Role.VIEWER)
    assert guest.get_trial("ROLES")["data"]["id"] == "ROLES"
    for act in (
        lambda: guest.update_trial("ROLES", score_name="x"),
        lambda: guest.create_experiment(name="x", project_id=place.id),
        lambda: guest.create_pipeline(trial_id="ROLES"),
        lambda: guest.create_project_file_url(project_id=place.id, file_path="x"),
        lambda: guest.update_project(place.id, workers_count=3),
        lambda: guest.delete_project(place.id),
    ):
        with pytest.raises(HubApiClient.FatalApiError, match="status: 403"):
            act()
    accounts.grant(place.project, other.user, Role.CONTRIBUTOR)
    assert guest.create_experiment(name="x", project_id=place.id)["data"]["name"] == "x"
    with pytest.raises(HubApiClient.FatalApiError, match="status: 403"):
        guest.delete_project(place.id)
    accounts.revoke(place.project, other.user)
    with pytest.raises(HubApiClient.FatalApiError, match="Couldn't find Trial"):
        guest.get_trial("ROLES")


def test_a_trial_id_of_somebody_else_can_be_used_and_tells_nothing(
    make_place: Callable[[], Place],
) -> None:
    first, second = make_place(), make_place()
    first.trial("SHARED", score=0.1)
    made = second.trial("SHARED", score=0.9)
    assert made["project_id"] == second.id
    assert first.client.get_trial("SHARED")["data"]["score_value"] == 0.1
    assert second.client.get_trial("SHARED")["data"]["score_value"] == 0.9


# bodies


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"text"',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b"\xff\xfe",
        b'{"a": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
    ],
)
def test_a_body_that_is_no_json_is_answered_without_json(place: Place, body: bytes) -> None:
    answer = _ask(place.hub, "POST", "/api/v1/experiments", data=body)
    assert answer.status_code == 400
    assert "Bad Request" in answer.text
    assert "ActionDispatch::Http::Parameters::ParseError" in answer.text
    with pytest.raises(ValueError, match="Expecting value"):
        answer.json()


def test_gzip_is_taken_and_broken_gzip_refused(place: Place) -> None:
    body = gzip.compress(json.dumps({"token": place.token, "name": "zipped"}).encode())
    headers = {"Content-Encoding": "gzip"}
    answer = _ask(place.hub, "GET", "/api/v1/projects", data=body, headers=headers)
    assert answer.status_code == 200
    for broken in (body[:-9], b"plain", body + b"x"):
        answer = _ask(place.hub, "GET", "/api/v1/projects", data=broken, headers=headers)
        assert answer.status_code == 400
        assert "Bad Request" in answer.text
    bomb = gzip.compress(b'{"a":"' + b"x" * (2 << 20) + b'"}')
    answer = _ask(place.hub, "POST", "/api/v1/experiments", data=bomb, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["meta"]["errors"][0]["error_param"] == "body"


def test_a_body_that_is_too_long_is_400(place: Place) -> None:
    answer = place.send("POST", "/api/v1/experiments", {"name": "x" * (1 << 20)})
    assert answer.status_code == 400
    assert "longer than" in answer.json()["meta"]["errors"][0]["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/nonsense"),
        ("GET", "/api/v1/"),
        ("POST", "/api/v1/projects/1"),
        ("DELETE", "/api/v1/projects"),
        ("PATCH", "/api/v1/instance_types"),
        ("OPTIONS", "/api/v1/projects"),
        ("GET", "/api/v1/projects/1/deploy"),
        ("GET", "/api/v1/experiments/a/b/c"),
        ("TRACE", "/api/v1/projects"),
    ],
)
def test_unknown_routes_and_methods_are_404(place: Place, method: str, path: str) -> None:
    answer = place.send(method, path)
    assert answer.status_code == 404
    assert answer.json()["meta"]["errors"][0]["error_type"] == "not_found"


@pytest.mark.parametrize(
    "id", ["0", "-1", "999999999999", "9" * 30, "x", "%2e%2e", "1e3", "%00", "%F0%9F%98%80", "~"]
)
def test_ids_that_are_none_are_not_found(place: Place, id: str) -> None:
    for resource, name in (
        ("projects", "Project"),
        ("cluster_tasks", "ClusterTask"),
        ("experiments", "Experiment"),
        ("trials", "Trial"),
        ("endpoints", "Endpoint"),
        ("organizations", "Organization"),
    ):
        answer = place.send("GET", f"/api/v1/{resource}/{id}")
        assert answer.status_code == 404
        assert answer.json()["meta"]["errors"] == [
            {"message": f"Couldn't find {name}", "error_type": "not_found"}
        ]


def test_an_id_of_another_resource_is_not_found(place: Place) -> None:
    task = place.client.create_cluster_task(name="x")["data"]["id"]
    for path in ("projects", "project_files", "hyperparameters", "review_alerts"):
        assert place.send("GET", f"/api/v1/{path}/{task}").status_code == 404
    assert place.send("GET", f"/api/v1/cluster_tasks/{place.id}").status_code == 404


def test_statuses_are_of_eleven_kinds(place: Place) -> None:
    with pytest.raises(HubApiClient.InvalidParamsError) as caught:
        place.client.get_status("Nonsense", 1)
    assert caught.value.args[0] == (
        'object is not in the list ["Cluster", "ClusterTask", "Component", "ExperimentSession", '
        '"Organization", "Pipeline", "Project", "ProjectFile", "SimilarTrialsRequest", '
        '"Subscription", "WarmStartRequest"]'
    )
    with pytest.raises(HubApiClient.FatalApiError, match="Couldn't find Component"):
        place.client.get_status("Component", 1)


def test_unknown_parameters_are_ignored_and_wrong_ones_refused(place: Place) -> None:
    made = place.client.create_experiment(
        name="first", providers=["a"], provider_info={}, nonsense=[{}]
    )["data"]
    assert "nonsense" not in made
    with pytest.raises(HubApiClient.InvalidParamsError, match="name should be a string"):
        place.client.create_experiment(name=["first"])
    with pytest.raises(HubApiClient.InvalidParamsError, match="limit must be greater"):
        place.client.get_experiments(limit=-1)
    far = place.client.get_experiments(offset=2**63 - 1)
    assert (far["data"], far["meta"]["pagination"]["count"]) == ([], 0)


def test_put_and_the_longer_paths_of_other_clients_work(place: Place) -> None:
    trial = place.trial()
    session = trial["experiment_session_id"]
    changed = place.send("PUT", f"/api/v1/trials/{trial['id']}", {"score_name": "r2"})
    assert changed.json()["data"]["score_name"] == "r2"
    listed = place.send("GET", f"/api/v1/experiment_sessions/{session}/trials").json()
    assert [each["id"] for each in listed["data"]] == [trial["id"]]
    assert (
        place.send("GET", f"/api/v1/experiment_sessions/{session}/pipelines").json()["meta"][
            "pagination"
        ]["total"]
        == 0
    )
    assert place.send("GET", f"/api/v1/projects/{place.id}/files").json()["data"] == []


def test_the_api_describes_itself_without_a_token(hub: HubThread) -> None:
    described = _ask(hub, "GET", "/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.")
    assert "/api/v1/experiment_sessions/{id}" in described["paths"]


# repeats


_CREATES: list[tuple[str, dict[str, object]]] = [
    ("experiments", {"name": "first"}),
    ("experiments", {"name": "first", "id": "chosen-by-the-client"}),
    ("cluster_tasks", {"name": "a.b"}),
    ("trial_searches", {"trials_total_count": 1, "search_space": {}}),
    ("project_files", {"name": "a", "url": "s3://b/once"}),
]


@pytest.mark.parametrize(("resource", "body"), _CREATES)
def test_a_repeated_create_answers_what_it_made_the_first_time(
    place: Place, resource: str, body: dict[str, object]
) -> None:
    key = str(uuid.uuid4())
    full = {**body, "project_id": place.id}

    def send(_: int = 0) -> Any:
        return place.send("POST", f"/api/v1/{resource}", full, headers={"Idempotency-Key": key})

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(16)))
    assert [answer.status_code for answer in answers] == [200] * 16
    assert len({json.dumps(answer.json()["data"]["id"]) for answer in answers}) == 1
    listed = place.send("GET", f"/api/v1/{resource}", {"project_id": place.id}).json()
    assert listed["meta"]["pagination"]["total"] == 1


def test_many_who_create_one_id_make_one(place: Place) -> None:
    def send(number: int) -> int:
        body = {"id": "one", "name": f"from {number}", "project_id": place.id}
        return int(place.send("POST", "/api/v1/experiments", body).status_code)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(send, range(16)))
    assert statuses == [200] + [400] * 15
    assert place.client.get_experiments()["meta"]["pagination"]["total"] == 1


def test_trials_that_are_reported_by_many_at_once_are_there_once(place: Place) -> None:
    session = place.session()["id"]
    items = [
        {"uid": f"at-once-{n}", "score": n / 10, "score_name": "f1", "algorithm_params": {"n": 1}}
        for n in range(5)
    ]

    def send(_: int) -> int:
        body = {"experiment_session_id": session, "trials": items}
        return int(place.send("PATCH", "/api/v1/trials", body).status_code)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, range(16))) == {200}
    listed = place.client.get_trials(experiment_session_id=session)
    assert [each["id"] for each in listed["data"]] == [f"at-once-{n}" for n in (4, 3, 2, 1, 0)]
    assert place.client.get_hyperparameters()["meta"]["pagination"]["total"] == 1
