"""The optimizers service: who may ask, what is answered to what is wrong, what a long one costs."""

from __future__ import annotations

import gzip
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from mooring.client.token import secret_of
from tests.serving import HubThread
from tests.unit.hub.doors.auger.conftest import Place

SECRET = "strong-secret-of-thirty-two-bytes-or-more"
SPACE = {
    "SVC": {
        "C": {"type": "float", "bounds": [0.1, 10], "log": True},
        "kernel": {"type": "categorical", "values": ["rbf", "linear"]},
    }
}
# A suggestion by a model costs milliseconds, and a thousand of them seconds.
LONG = {
    "optimizer_name": "tpe",
    "optimizer_params": {"batch_size": 1000},
    "search_space": {
        "A": {f"p{number}": {"type": "float", "bounds": [0, 1]} for number in range(60)}
    },
    "trials_history": [
        {
            "algorithm_name": "A",
            "algorithm_params": {f"p{number}": (at % 97) / 97 for number in range(60)},
            "score": at / 400,
        }
        for at in range(400)
    ],
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubThread]:
    """A hub whose searches may take three seconds."""
    started = HubThread(
        tmp_path_factory.mktemp("hub") / "runs.db",
        optimizers_secret=SECRET,
        optimizer_seconds=3.0,
        max_search_bytes=64 << 20,
    )
    yield started
    started.stop()


def post(place: Place, path: str, body: Any, **options: Any) -> requests.Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(place.hub.address + path, data=data, timeout=60, **options)


def asked(place: Place, **changes: Any) -> dict[str, Any]:
    token = secret_of(place.token)
    return {
        "optimizer_name": "tpe",
        "search_space": SPACE,
        "project_api_token": token,
        **changes,
    }


def error_of(answer: requests.Response) -> tuple[int, str | None, str]:
    (error,) = answer.json()["meta"]["errors"]
    return answer.status_code, error.get("error_param"), error["message"]


# who asks


def test_without_a_token(place: Place) -> None:
    answer = post(place, "/next_trials", {"optimizer_name": "tpe", "search_space": SPACE})
    assert error_of(answer) == (401, "token", "authentication required")


@pytest.mark.parametrize("token", ["nonsense", "", None, 5, ["x"], "a.b.c"])
def test_a_token_that_is_wrong(place: Place, token: object) -> None:
    answer = post(place, "/next_trials", asked(place, project_api_token=token))
    assert error_of(answer)[0] == 401


def test_a_token_that_was_revoked(place: Place) -> None:
    made = place.hub.hub.accounts.create_token(place.user)
    body = asked(place, project_api_token=made.secret)
    assert post(place, "/next_trials", body).status_code == 200
    place.hub.hub.accounts.revoke_token(made.info.id)
    assert error_of(post(place, "/next_trials", body))[0] == 401


def test_a_token_deep_in_the_body_is_none(place: Place) -> None:
    body = asked(place, optimizer_context={"project_api_token": secret_of(place.token)})
    del body["project_api_token"]
    assert error_of(post(place, "/next_trials", body))[0] == 401


def test_a_token_in_the_header(place: Place) -> None:
    body = asked(place)
    header = {"authorization": f"Bearer {body.pop('project_api_token')}"}
    assert post(place, "/next_trials", body, headers=header).status_code == 200


def test_a_signed_token_asks_and_sees_no_trials(place: Place) -> None:
    place.trial(algorithm_name="SVC", fold_times=[1, 1], dataset_nrows=9, dataset_ncols=9)
    body = {"alg_params": {}, "alg_name": "SVC", "ncols": 9, "nrows": 9}
    signed = jwt.encode({"x": 1}, SECRET, algorithm="HS256")
    answer = post(place, "/fte", {**body, "project_api_token": signed})
    assert (answer.status_code, answer.json()["data"]["records"]) == (200, 0)


@pytest.mark.parametrize(
    "token",
    [
        jwt.encode({"x": 1}, SECRET[::-1], algorithm="HS256"),
        jwt.encode({"x": 1}, None, algorithm="none"),
        jwt.encode({"x": 1}, SECRET + "-and-more-for-the-longer-digest-of-it", algorithm="HS512"),
        jwt.encode({"exp": 1}, SECRET, algorithm="HS256"),
    ],
    ids=["other key", "no signature", "other algorithm", "expired"],
)
def test_a_signed_token_that_is_wrong(place: Place, token: str) -> None:
    assert error_of(post(place, "/next_trials", asked(place, project_api_token=token)))[0] == 401


# what is asked


def test_a_method_and_a_path_that_are_none(place: Place) -> None:
    assert requests.get(place.hub.address + "/next_trials", timeout=30).status_code == 404
    assert requests.delete(place.hub.address + "/fte", timeout=30).status_code == 404


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_object(place: Place, body: bytes) -> None:
    header = {"authorization": f"Bearer {secret_of(place.token)}"}
    for headers in ({}, header):
        answer = post(place, "/next_trials", body, headers=headers)
        assert answer.status_code == 400
        assert "ParseError" in answer.text


def test_a_bomb(place: Place) -> None:
    bomb = gzip.compress(b" " * (65 << 20))
    answer = post(place, "/next_trials", bomb, headers={"content-encoding": "gzip"})
    assert error_of(answer)[:2] == (400, "body")
    cut = gzip.compress(json.dumps(asked(place)).encode())[:-20]
    assert post(place, "/fte", cut, headers={"content-encoding": "gzip"}).status_code == 400


def test_scores_that_are_none(place: Place) -> None:
    params = {"C": 1.0, "kernel": "rbf"}
    scores = [0.5, None, float("nan"), float("inf"), "high", True, 10**400, [], 0.7]
    trials = [
        {"algorithm_name": "SVC", "algorithm_params": params, "score": score} for score in scores
    ]
    trials += [
        {"algorithm_name": "SVC", "algorithm_params": {"C": 1.0}, "score": 0.9},
        {"algorithm_name": "SVC", "algorithm_params": None, "score": 0.9},
        {"algorithm_name": "SVC", "algorithm_params": {"C": "x", "kernel": 5}, "score": 0.9},
        {"algorithm_name": "Forest", "algorithm_params": {}, "score": 0.9},
        {"score": 0.9},
        {},
    ]
    history: list[Any] = [*trials, None, 5, "x", []]
    answer = post(place, "/next_trials", asked(place, trials_history=history))
    assert answer.status_code == 200, answer.text
    (trial,), context = answer.json()["data"]
    assert list(trial["algorithm_params"]) == ["C", "kernel"]
    # Two of the first, and one whose parameters are of another space: it has all names, and counts.
    assert context["records"] == 3


@pytest.mark.parametrize(
    "context",
    [{"what": "ever"}, [], "x", 5, {"v": 99}, {"v": 1, "seed": "x"}, {"v": 1, "pending": [None]}],
)
def test_a_context_from_elsewhere_begins_anew(place: Place, context: object) -> None:
    answer = post(place, "/next_trials", asked(place, optimizer_context=context))
    assert answer.status_code == 200
    assert answer.json()["data"][1]["asked"] == 1


def test_bounds_that_are_reversed_are_turned_round(place: Place) -> None:
    space = {
        "A": {
            "x": {"type": "int", "bounds": [9, 3]},
            "y": {"type": "float", "bounds": [-1, 1], "log": True},
        }
    }
    answer = post(place, "/next_trials", asked(place, search_space=space))
    (trial,), _ = answer.json()["data"]
    assert 3 <= trial["algorithm_params"]["x"] <= 9
    assert -1 <= trial["algorithm_params"]["y"] <= 1


def test_a_history_of_a_hundred_thousand(place: Place) -> None:
    history = [
        {
            "uid": str(number),
            "algorithm_name": "SVC",
            "algorithm_params": {"C": 0.1 + number % 99 / 10, "kernel": "rbf"},
            "score": number % 1000 / 1000,
        }
        for number in range(100_000)
    ]
    body = gzip.compress(json.dumps(asked(place, trials_history=history)).encode(), 1)
    answer = post(place, "/next_trials", body, headers={"content-encoding": "gzip"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"][1]["records"] == 100_000


# processes


def test_a_search_that_takes_too_long_is_ended(place: Place) -> None:
    answer = post(place, "/next_trials", {**LONG, "project_api_token": secret_of(place.token)})
    status, param, message = error_of(answer)
    assert (status, param) == (400, "search_space")
    assert "takes longer than 3 s" in message
    assert post(place, "/next_trials", asked(place)).status_code == 200


def test_a_long_search_holds_up_nobody_else(place: Place) -> None:
    body = {**LONG, "project_api_token": secret_of(place.token)}
    answers: list[requests.Response] = []
    long = threading.Thread(target=lambda: answers.append(post(place, "/next_trials", body)))
    long.start()
    for _ in range(5):
        assert requests.get(place.hub.address + "/health", timeout=30).status_code == 200
        assert post(place, "/next_trials", asked(place)).status_code == 200
        assert place.client.get_experiments()["meta"]["status"] == 200
    assert answers == []  # it is not done yet, or this shows nothing
    long.join()
    assert answers[0].status_code == 400


def test_a_process_that_dies_is_replaced(place: Place) -> None:
    assert post(place, "/next_trials", asked(place)).status_code == 200
    body = {**LONG, "project_api_token": secret_of(place.token)}
    answers: list[requests.Response] = []
    long = threading.Thread(target=lambda: answers.append(post(place, "/next_trials", body)))
    long.start()
    time.sleep(0.5)
    killed = set()
    while long.is_alive():
        for pid in place.hub.hub.optimizers.pids():
            if pid not in killed:
                killed.add(pid)
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    assert error_of(answers[0])[:2] == (400, "search_space")
    assert "its process died" in error_of(answers[0])[2]
    assert post(place, "/next_trials", asked(place)).status_code == 200


def test_processes_end_with_the_hub(tmp_path: Path) -> None:
    hub = HubThread(tmp_path / "runs.db")
    body = {
        "alg_params": {},
        "alg_name": "SVC",
        "ncols": 9,
        "nrows": 9,
        "token": secret_of(hub.admin),
    }
    answer = requests.post(hub.address + "/fte", json=body, timeout=60)
    assert answer.status_code == 200
    (pid,) = hub.hub.optimizers.pids()
    hub.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
