"""Cases of what clients do when a call does not go well, and of how they send."""

from __future__ import annotations

import gzip
import json
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import requests

from mooring.hub.accounts import Role
from tests.conformance.auger.gateway import Gateway
from tests.conformance.auger.places import Place, unique
from tests.conformance.auger.registry import BEHAVIOURS, ORIGINAL, OURS
from tests.serving import free_port

case = BEHAVIOURS.add


@dataclass(frozen=True, slots=True)
class Scene:
    """A place on a hub that may be stopped, and a gateway before the hub."""

    place: Place
    gateway: Gateway

    @property
    def errors(self) -> Any:
        return self.place.errors

    def client(self, **config: Any) -> Any:
        """Return a client that goes through the gateway."""
        config = {"hub_project_api_token": self.place.project_token, **config}
        return self.place.connect(self.gateway.address, **config)

    def refused(self, call: Callable[[], object], kind: Any) -> Any:
        """Return the error of a call, which holds no token."""
        with pytest.raises(kind) as caught:
            call()
        error = caught.value
        assert type(error) is kind
        for text in (str(error), repr(error)):
            assert self.place.token not in text
            assert self.place.project_token not in text
        return error


@case("400 with errors: InvalidParamsError, not repeated")
def invalid(scene: Scene) -> None:
    client = scene.client(retries_count=3)
    error = scene.refused(client.create_dataset_manifest, scene.errors.InvalidParamsError)
    text = "id is required, name is required, statistics is required"
    assert error.args[0] == text
    assert error.metadata()["status"] == 400
    assert [each["error_param"] for each in error.metadata()["errors"]] == [
        "id",
        "name",
        "statistics",
    ]
    assert (
        str(error)
        == f"{text} {json.dumps(error.metadata())} on: POST /api/v1/dataset_manifests {{}}"
    )
    error = scene.refused(lambda: client.get_status("Nonsense", 1), scene.errors.InvalidParamsError)
    assert error.args[0].startswith('object is not in the list ["Cluster", "ClusterTask", ')
    assert len(scene.gateway.passed) == 2


@case("401: FatalApiError, not repeated")
def unauthenticated(scene: Scene) -> None:
    client = scene.client(hub_project_api_token=None, token="0" * 32, retries_count=3)
    error = scene.refused(client.get_projects, scene.errors.FatalApiError)
    assert error.args[0] == (
        'status: 401, body: {"meta":{"status":401,"errors":[{"error_type":"unauthenticated",'
        '"message":"User should be logged in"}]}}'
    )
    assert error.metadata()["errors"][0]["error_type"] == "unauthenticated"
    assert len(scene.gateway.passed) == 1


@case("403: FatalApiError, not repeated")
def forbidden(scene: Scene) -> None:
    accounts = scene.place.hub.accounts
    guest = accounts.create_user(unique("guest")).name
    accounts.grant(scene.place.project, guest, Role.VIEWER)
    token = accounts.create_token(guest).secret
    client = scene.client(hub_project_api_token=None, token=token, retries_count=3)
    assert client.get_project(scene.place.id)["data"]["id"] == scene.place.id
    error = scene.refused(
        lambda: client.update_project(scene.place.id, workers_count=9), scene.errors.FatalApiError
    )
    assert error.args[0].startswith("status: 403, body: ")
    assert len(scene.gateway.passed) == 2


@case("404: FatalApiError, not repeated")
def missing(scene: Scene) -> None:
    client = scene.client(retries_count=3)
    error = scene.refused(lambda: client.get_experiment("nowhere"), scene.errors.FatalApiError)
    assert error.args[0] == (
        'status: 404, body: {"meta":{"status":404,"errors":[{"message":"Couldn\'t find Experiment",'
        '"error_type":"not_found"}]}}'
    )
    assert str(error).endswith("on: GET /api/v1/experiments/nowhere {}")
    assert len(scene.gateway.passed) == 1


@case(
    "A body with NaN: FatalApiError with the texts of the page",
    note="the `requests` of today refuses NaN by itself, but for the calls that are gzip",
)
def malformed(scene: Scene) -> None:
    client = scene.client(optimizers_url=scene.gateway.address)
    payload: dict[str, Any] = {"algorithm_name": "SVC", "algorithm_params": {"C": math.nan}}
    calls = [partial(_compressed(scene, client), "/api/v1/hyperparameters", payload)]
    if scene.place.kind == ORIGINAL:
        with pytest.raises(requests.exceptions.InvalidJSONError):
            client.create_hyperparameter(**payload)
    else:
        calls.append(partial(client.create_hyperparameter, **payload))
    for call in calls:
        error = scene.refused(call, scene.errors.FatalApiError)
        assert error.args[0] == "Bad RequestBad RequestActionDispatch::Http::Parameters::ParseError"
    assert len(scene.gateway.passed) == len(calls)


def _compressed(scene: Scene, client: Any) -> Callable[[str, Any], Any]:
    """Return how a client sends what it compresses, to whichever path."""
    original = scene.place.kind == ORIGINAL
    send: Callable[[str, Any], Any]
    send = client._post_optimizer_service if original else client._optimize
    return send


@case("503 to a question: RetryableApiError after `retries_count` repeats")
def unavailable(scene: Scene) -> None:
    scene.place.hub.process.stop()
    client = scene.client(retries_count=2)
    error = scene.refused(client.get_projects, scene.errors.RetryableApiError)
    assert error.args[0] == "status: 503, body: Application ErrorApplication Error"
    assert error.metadata() == {}
    assert len(scene.gateway.passed) == 3


@case("503, and the hub comes back between the repeats of a question")
def back_again(scene: Scene) -> None:
    hub = scene.place.hub.process
    hub.stop()
    scene.gateway.before = lambda number: hub.start() if number == 3 else None
    answer = scene.client(retries_count=5).get_project(scene.place.id)
    assert answer["data"]["name"] == scene.place.name
    assert [each.method for each in scene.gateway.passed] == ["GET"] * 3


@case(
    "503 to a creation",
    note="the original gives up at once; HubClient repeats it, and it is made once",
)
def unavailable_to_creations(scene: Scene) -> None:
    scene.gateway.before = lambda number: 503 if number < 3 else None
    client = scene.client(retries_count=5)
    if scene.place.kind == ORIGINAL:
        scene.refused(lambda: client.create_experiment(name="x"), scene.errors.RetryableApiError)
        assert len(scene.gateway.passed) == 1
    else:
        assert client.create_experiment(name="x")["data"]["name"] == "x"
        assert len(scene.gateway.passed) == 3
        assert scene.place.client.get_experiments()["meta"]["pagination"]["total"] == 1


@case("405 and its like: RetryableApiError", note="which HubClient does not repeat: it cannot help")
def other_statuses(scene: Scene) -> None:
    for status in (204, 405, 409, 422, 429):
        scene.gateway.passed.clear()
        scene.gateway.before = lambda number, status=status: status  # type: ignore[misc]
        client = scene.client(retries_count=1)
        error = scene.refused(client.get_projects, scene.errors.RetryableApiError)
        assert error.args[0].startswith(f"status: {status}, body: ")
        repeated = scene.place.kind == ORIGINAL or status == 429
        assert len(scene.gateway.passed) == 1 + repeated


@case(
    "Connection refused: NetworkError",
    note="the original gives up at once, against its text; HubClient repeats "
    "`connection_retries_count` times",
)
def unreachable(scene: Scene) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    client = scene.place.connect(nowhere, token="t0ken", connection_retries_count=2)
    error = scene.refused(client.get_projects, scene.errors.NetworkError)
    assert "t0ken" not in str(error)
    assert str(error).endswith('on: GET /api/v1/projects {"limit": 50, "offset": 0}')


@case(
    "The hub is killed, and comes back between the repeats",
    note="the original does not repeat: the next call works",
)
def killed(scene: Scene) -> None:
    hub = scene.place.hub.process
    hub.kill()
    direct = scene.place.connect(
        hub_project_api_token=scene.place.project_token, retries_count=40, retry_wait_seconds=0.2
    )
    starting = threading.Thread(target=hub.start)
    if scene.place.kind == ORIGINAL:
        scene.refused(direct.get_projects, scene.errors.NetworkError)
        starting.start()
        starting.join()
        made = direct.create_experiment(name="after")
    else:
        starting.start()
        made = direct.create_experiment(name="after")
        starting.join()
    assert made["data"]["name"] == "after"
    assert direct.get_experiments()["meta"]["pagination"]["total"] == 1


@case(
    "The answer to a creation is lost on its way",
    note="the original ends in NetworkError although it is made; HubClient asks again by the same "
    "`Idempotency-Key`, and it is made once",
)
def lost_answer(scene: Scene) -> None:
    scene.gateway.cut = {1}
    client = scene.client(retries_count=3)
    if scene.place.kind == ORIGINAL:
        scene.refused(lambda: client.create_experiment(name="x"), scene.errors.NetworkError)
    else:
        made = client.create_experiment(name="x")["data"]
        posts = [each for each in scene.gateway.passed if each.method == "POST"]
        assert len(posts) == 2
        assert posts[0] == posts[1]
        assert posts[0].key is not None
        assert [each["id"] for each in client.get_experiments()["data"]] == [made["id"]]
    assert scene.place.client.get_experiments()["meta"]["pagination"]["total"] == 1


@case("A parameter that is needed to send at all: MissingParamError, nothing is sent")
def not_sent(scene: Scene) -> None:
    client = scene.client()
    kind = scene.errors.MissingParamError
    error = scene.refused(lambda: client.get_endpoint_predictions(limit=1), kind)
    assert error.args[0] == "endpoint_id parameter is required"
    if scene.place.kind == ORIGINAL:  # ours asks the hub itself
        for call in (client.get_next_trials, client.get_next_trials_v2, client.get_fte):
            error = scene.refused(lambda call=call: call({}), kind)  # type: ignore[misc]
            assert "pass optimizers_url in" in error.args[0]
    assert scene.gateway.passed == []


@case("Each kind of token is taken, from the body of the request")
def tokens(scene: Scene) -> None:
    for argument, key in (
        ("hub_project_api_token", "project_api_token"),
        ("hub_cluster_api_token", "cluster_api_token"),
        ("token", "token"),
        ("hub_system_token", "system_token"),
    ):
        secret = scene.place.hub.accounts.create_token(scene.place.user).secret
        client = scene.client(**{"hub_project_api_token": None, argument: secret})
        listed = client.get_projects()
        assert [each["id"] for each in listed["data"]] == [scene.place.id]
        sent = json.loads(scene.gateway.passed[-1].body)
        assert sent == {"limit": 50, "offset": 0, key: secret}
        assert secret not in scene.gateway.passed[-1].path


@case("The first token there is of project's, cluster's, user's, system's is sent")
def first_token(scene: Scene) -> None:
    client = scene.client(token="u" * 32, hub_system_token="s" * 32)
    assert client.get_projects()["meta"]["status"] == 200
    assert "token" not in json.loads(scene.gateway.passed[-1].body)


@case(
    "Calls of the optimizers service are gzip, and the hub takes them",
    note="their repeats are plain JSON in the original, gzip in HubClient; the hub takes both",
)
def compressed(scene: Scene) -> None:
    client = scene.client(optimizers_url=scene.gateway.address, retries_count=2)
    scene.gateway.before = lambda number: 503 if number < 3 else None
    payload = {"name": "zipped"}
    made = _compressed(scene, client)("/api/v1/experiments", payload)
    assert made["data"]["name"] == "zipped"
    encodings = [each.encoding for each in scene.gateway.passed]
    repeats = None if scene.place.kind == ORIGINAL else "gzip"
    assert encodings == ["gzip", repeats, repeats]
    assert json.loads(gzip.decompress(scene.gateway.passed[0].body))["name"] == "zipped"


@case("Parameters that the hub does not know are ignored")
def unknown(scene: Scene) -> None:
    made = scene.client().create_experiment(
        name="first", providers=["a"], provider_info={"x": None}, nonsense=[{}]
    )["data"]
    assert "nonsense" not in made


@case(
    "`iterate_all_…` with an offset",
    kinds=(OURS,),
    note="never ends in the original, which overrides its own counter; HubClient begins there",
)
def from_an_offset(scene: Scene) -> None:
    client = scene.client()
    made = [client.create_experiment(name=str(number))["data"]["id"] for number in range(5)]
    seen: list[str] = []
    client.iterate_all_experiments(lambda item: seen.append(item["id"]), offset=1, limit=2)
    assert seen == made[::-1][1:]
    assert [each["id"] for each in client.iter_experiments(limit=100)] == made[::-1]
