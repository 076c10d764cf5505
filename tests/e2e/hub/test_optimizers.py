"""The optimizers service over a real server: what nobody should send, and what may go wrong."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import hmac
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mooring.client.token import secret_of
from mooring.hub.accounts import Accounts, accounts_of
from mooring.hub.settings import HubSettings
from mooring.model import RunSpec
from mooring.store.appending import Assign
from tests.serving import HubProcess, HubThread

SECRET = "strong-secret"
FLOAT = {"type": "float", "bounds": [0, 1], "log": False, "tunable": True}
SPACE: dict[str, Any] = {"a.B": {"x": FLOAT, "k": {"type": "categorical", "values": ["p", "q"]}}}
TRIALS: dict[str, Any] = {
    "optimizer_name": "a.TPEHyperoptOptimizer",
    "optimizer_params": {"batch_size": 2},
    "search_space": SPACE,
}
MANY: dict[str, Any] = {"trials_total_count": 9, "trials_limit": 2, "search_space": SPACE}
FIT: dict[str, Any] = {
    "alg_name": "sklearn.svm.SVC",
    "alg_params": {"C": 1.0},
    "ncols": 10,
    "nrows": 100,
}
CALLS = {"/next_trials": TRIALS, "/v2/next_trials": MANY, "/fte": FIT}


class Service:
    """A hub in a thread, and requests to it that hold a token of the user `owner`."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.hub = HubThread(folder / "runs.db", body_timeout_s=2.0, **settings)
        self.hub.hub.store.create_run(RunSpec(project="owner/p", run_id="r"))
        self.token = secret_of(self.hub.token("owner", project="owner/p"))
        self.client = httpx.Client(base_url=self.hub.address, timeout=120)

    def post(self, path: str, body: dict[str, Any], **changes: Any) -> httpx.Response:
        """Send a request as JSON; it is answered, and not by a fault."""
        told = {"project_api_token": self.token, **body, **changes}
        return self.send(path, json.dumps(told).encode())

    def send(self, path: str, body: bytes, **headers: str) -> httpx.Response:
        answer = self.client.post(path, content=body, headers=headers)
        assert answer.status_code < 500, answer.text
        return answer

    def pids(self) -> list[int]:
        return self.hub.hub.optimizers.pids()

    def close(self) -> None:
        self.client.close()
        self.hub.stop()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    started = Service(tmp_path_factory.mktemp("hub"), optimizers_secret=SECRET)
    yield started
    started.close()


@pytest.fixture
def make_service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    made: list[Service] = []

    def make(**settings: object) -> Service:
        made.append(Service(tmp_path, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def trials_of(answer: httpx.Response) -> list[dict[str, Any]]:
    """Return what an answer suggests, whichever of the two calls it answers."""
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    found: list[dict[str, Any]] = data["trials"] if isinstance(data, dict) else data[0]
    return found


def check_params(trials: list[dict[str, Any]]) -> None:
    """Hold suggestions to `SPACE`."""
    for trial in trials:
        assert trial["algorithm_name"] == "a.B"
        assert list(trial["algorithm_params"]) == ["x", "k"]
        assert type(trial["algorithm_params"]["x"]) is float
        assert 0 <= trial["algorithm_params"]["x"] <= 1
        assert trial["algorithm_params"]["k"] in ("p", "q")


def error_of(answer: httpx.Response) -> tuple[str, str]:
    """Return parameter and message of the one error that an answer tells."""
    assert answer.status_code == 400, answer.text
    assert answer.json()["meta"]["status"] == 400
    (error,) = answer.json()["meta"]["errors"]
    assert error["error_type"] == "invalid_param"
    return error["error_param"], error["message"]


# tokens


def signed(claims: object, key: str = SECRET, *, algorithm: str = "HS256") -> str:
    """Return a JWT, made by hand, so that it can be one that no library would make."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=")
        for each in ({"alg": algorithm, "typ": "JWT"}, claims)
    ]
    digest = hashlib.sha512 if algorithm == "HS512" else hashlib.sha256
    mark = hmac.new(key.encode(), b".".join(parts), digest).digest()
    last = b"" if algorithm == "none" else base64.urlsafe_b64encode(mark).rstrip(b"=")
    return b".".join([*parts, last]).decode()


REFUSED_TOKENS: dict[str, Any] = {
    "none": None,
    "empty": "",
    "a number": 7,
    "an object": {"token": "x"},
    "unknown": "0" * 32,
    "dots": "..",
    "not base64": "!.!.!",
    "another key": signed({"x": 1}, "weak-secret"),
    "no algorithm": signed({"x": 1}, algorithm="none"),
    "another algorithm": signed({"x": 1}, algorithm="HS512"),
    "expired": signed({"exp": 1_000_000_000}),
    "expires when nobody knows": signed({"exp": "soon"}),
    "claims that are a list": signed([1]),
    "a mark that is cut": signed({"x": 1})[:-3],
}


@pytest.mark.parametrize("name", REFUSED_TOKENS)
@pytest.mark.parametrize("path", CALLS)
def test_a_wrong_token_is_told_before_anything_else(service: Service, path: str, name: str) -> None:
    for body in (CALLS[path], {"nonsense": 1}):
        answer = service.post(path, {**body, "project_api_token": REFUSED_TOKENS[name]})
        assert answer.status_code == 401
        assert answer.json() == {
            "meta": {
                "status": 401,
                "errors": [
                    {
                        "error_type": "unauthenticated",
                        "error_param": "token",
                        "message": "authentication required",
                    }
                ],
            }
        }


@pytest.mark.parametrize(
    "claims", [{"x": 1}, {"sub": 5, "aud": "hub", "jti": 1, "iss": None}, {"exp": 32_503_680_000}]
)
@pytest.mark.parametrize("path", CALLS)
def test_a_signed_token_is_taken_for_its_mark_alone(
    service: Service, path: str, claims: object
) -> None:
    answer = service.post(path, {**CALLS[path], "project_api_token": signed(claims)})
    assert answer.status_code == 200, answer.text


def test_without_a_secret_no_signed_token_is_taken(make_service: Callable[..., Service]) -> None:
    service = make_service()
    for key in (SECRET, "", "None"):
        token = signed({"x": 1}, key)
        assert service.post("/fte", {**FIT, "project_api_token": token}).status_code == 401


def test_a_revoked_token_is_refused(service: Service) -> None:
    accounts: Accounts = service.hub.hub.accounts
    made = accounts.create_token("owner")
    body = {**FIT, "project_api_token": made.secret}
    assert service.post("/fte", body).status_code == 200
    accounts.revoke_token(made.info.id)
    assert service.post("/fte", body).status_code == 401


def test_a_token_may_come_in_the_header_as_well(service: Service) -> None:
    header = {"authorization": f"Bearer {service.token}"}
    for path, body in CALLS.items():
        assert service.send(path, json.dumps(body).encode(), **header).status_code == 200
    assert (
        service.send("/fte", json.dumps(FIT).encode(), authorization="Bearer x").status_code == 401
    )


def test_a_parameter_that_is_called_token_is_no_token(service: Service) -> None:
    space = {"a.B": {"token": FLOAT, "system_token": "constant"}}
    header = {"authorization": f"Bearer {service.token}"}
    body = {**TRIALS, "search_space": space}
    for answer in (
        service.post("/next_trials", body),
        service.send("/next_trials", json.dumps(body).encode(), **header),
    ):
        for trial in trials_of(answer):
            assert trial["algorithm_params"]["system_token"] == "constant"
    nested = {**TRIALS, "search_space": {"a.B": {"project_api_token": service.token}}}
    assert service.send("/next_trials", json.dumps(nested).encode()).status_code == 401


def test_no_answer_repeats_a_token(service: Service) -> None:
    for path in CALLS:
        answer = service.post(path, {"search_space": 5})
        assert answer.status_code == 400
        assert service.token not in answer.text


# bodies

MALFORMED = {
    "no JSON": b"{",
    "a list": b"[]",
    "a number": b"1" * 5000,
    "no UTF-8": b'{"x": "\xff"}',
    "deep": b"[" * 100_000,
    "deep and closed": b'{"x":' * 5000 + b"1" + b"}" * 5000,
    "NUL": b"\0",
    "a lone surrogate": b'{"x": "\\ud800"}',
    "a token that is none": b'{"project_api_token": "\\ud800.a.b"}',
    "a lone surrogate beside NaN": b'{"x": ["\\uDFFF", NaN]}',
}


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("path", CALLS)
def test_what_is_no_json_is_told_as_elsewhere(service: Service, path: str, name: str) -> None:
    header = {"authorization": f"Bearer {service.token}"}
    for body, encoding in ((MALFORMED[name], "identity"), (gzip.compress(MALFORMED[name]), "gzip")):
        answer = service.send(path, body, **header, **{"content-encoding": encoding})
        assert answer.status_code == 400
        assert answer.headers["content-type"].startswith("text/html")
        assert "ActionDispatch::Http::Parameters::ParseError" in answer.text


@pytest.mark.parametrize("path", CALLS)
def test_gzip_is_taken_and_bombs_are_not(path: str, make_service: Callable[..., Service]) -> None:
    service = make_service(max_search_bytes=1 << 20)
    body = json.dumps({**CALLS[path], "project_api_token": service.token}).encode()
    gz = {"content-encoding": "gzip"}
    assert service.send(path, gzip.compress(body), **gz).status_code == 200
    for packed in (gzip.compress(body)[:-9], gzip.compress(body) + b"x", body):
        assert "ParseError" in service.send(path, packed, **gz).text
    bomb = gzip.compress(body[:-1] + b" " * (32 << 20) + b"}")
    param, message = error_of(service.send(path, bomb, **gz))
    assert (param, "longer than 1048576 bytes" in message) == ("body", True)


@pytest.mark.parametrize("path", CALLS)
def test_only_post_is_answered(service: Service, path: str) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert service.client.request(method, path).status_code == 404


# parameters


@pytest.mark.parametrize(
    ("path", "missing", "told"),
    [
        ("/next_trials", ["optimizer_name"], "optimizer_name"),
        ("/next_trials", ["search_space"], "search_space"),
        ("/next_trials", ["optimizer_name", "search_space"], "optimizer_name"),
        ("/v2/next_trials", ["trials_total_count"], "trials_total_count"),
        ("/v2/next_trials", ["search_space"], "search_space"),
        ("/fte", ["alg_name", "alg_params", "ncols", "nrows"], "alg_params"),
        ("/fte", ["alg_name"], "alg_name"),
        ("/fte", ["ncols", "nrows"], "ncols"),
        ("/fte", ["nrows"], "nrows"),
    ],
)
def test_the_first_that_is_missing_is_told_alone(
    service: Service, path: str, missing: list[str], told: str
) -> None:
    left = {name: value for name, value in CALLS[path].items() if name not in missing}
    nulls = {**CALLS[path], **dict.fromkeys(missing, None)}
    for body in (left, nulls):
        assert error_of(service.post(path, body)) == (told, "is required")


WRONG: dict[str, tuple[str, str, Any]] = {
    "optimizer that is a list": ("/next_trials", "optimizer_name", ["a.TPEHyperoptOptimizer"]),
    "optimizer that is unknown": ("/next_trials", "optimizer_name", "os.system"),
    "optimizer without a name": ("/next_trials", "optimizer_name", ""),
    "label of ensembles": ("/next_trials", "optimizer_name", "x.EnsembleOptimizer"),
    "space that is a list": ("/next_trials", "search_space", [SPACE]),
    "settings that are text": ("/next_trials", "optimizer_params", "batch_size"),
    "batch of text": ("/next_trials", "optimizer_params", {"batch_size": "2"}),
    "batch of none": ("/next_trials", "optimizer_params", {"batch_size": 0}),
    "batch of half": ("/next_trials", "optimizer_params", {"batch_size": 0.5}),
    "batch that is true": ("/next_trials", "optimizer_params", {"batch_size": True}),
    "batch beyond all": ("/next_trials", "optimizer_params", {"batch_size": 10**400}),
    "batch that is no number": ("/next_trials", "optimizer_params", {"batch_size": float("nan")}),
    "batch without end": ("/next_trials", "optimizer_params", {"batch_size": float("inf")}),
    "seed below 0": ("/next_trials", "optimizer_params", {"seed": -1}),
    "history that is an object": ("/next_trials", "trials_history", {"0": {}}),
    "history that is text": ("/v2/next_trials", "trials_history", "none"),
    "total that is text": ("/v2/next_trials", "trials_total_count", "many"),
    "total that is true": ("/v2/next_trials", "trials_total_count", True),
    "total below 0": ("/v2/next_trials", "trials_total_count", -1),
    "total of half": ("/v2/next_trials", "trials_total_count", 1.5),
    "total beyond all": ("/v2/next_trials", "trials_total_count", 10**400),
    "total that is no number": ("/v2/next_trials", "trials_total_count", float("nan")),
    "limit below 0": ("/v2/next_trials", "trials_limit", -1),
    "limit beyond all": ("/v2/next_trials", "trials_limit", 10**400),
    "limit that is an object": ("/v2/next_trials", "trials_limit", {}),
    "parameters that are a list": ("/fte", "alg_params", []),
    "name that is a number": ("/fte", "alg_name", 5),
    "name of blanks": ("/fte", "alg_name", "  "),
    "no columns": ("/fte", "ncols", 0),
    "columns that are text": ("/fte", "ncols", "10"),
    "rows below 0": ("/fte", "nrows", -5),
    "rows that are true": ("/fte", "nrows", True),
    "rows that are no number": ("/fte", "nrows", float("nan")),
    "rows without end": ("/fte", "nrows", float("inf")),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_parameter_is_told_by_its_name(service: Service, name: str) -> None:
    path, param, value = WRONG[name]
    told, message = error_of(service.post(path, CALLS[path], **{param: value}))
    assert told == param
    assert message


IMPOSSIBLE: dict[str, Any] = {
    "a bound that is no number": {"type": "float", "bounds": [0, float("nan")]},
    "a bound without end": {"type": "float", "bounds": [0, float("inf")]},
    "a range wider than a double": {"type": "float", "bounds": [-1e308, 1e308]},
    "integers that no double holds": {"type": "int", "bounds": [0, 2**62]},
    "one bound": {"type": "int", "bounds": [1]},
    "three bounds": {"type": "float", "bounds": [1, 2, 3]},
    "bounds of text": {"type": "int", "bounds": ["1", "9"]},
    "bounds that are an object": {"type": "int", "bounds": {"low": 1}},
    "an integer of half": {"type": "int", "bounds": [0.25, 0.75]},
    "no choice": {"type": "categorical", "values": []},
    "choices that are text": {"type": "categorical", "values": "pq"},
    "a kind that is none": {"type": "complex", "bounds": [0, 1]},
    "a kind that is a list": {"type": ["float"], "bounds": [0, 1]},
    "a list": [0, 1],
    "a constant that is no number": float("nan"),
    "a choice that is no number": {"type": "categorical", "values": [float("nan"), 1.0]},
}


@pytest.mark.parametrize("path", ["/next_trials", "/v2/next_trials"])
@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_space_that_cannot_be_searched_is_told(
    service: Service, path: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    space = {"a.B": {"x": FLOAT, "odd": IMPOSSIBLE[name]}}
    param, message = error_of(service.post(path, CALLS[path], search_space=space))
    assert param == "search_space"
    assert "could not be searched" not in message
    assert "fault" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "settings", [{"a.NoSuchOptimizer": {}}, {"WarmStartOptimizer": {"num_trials": -1}}]
)
def test_settings_of_a_full_space_are_part_of_it(service: Service, settings: object) -> None:
    groups = {"classification": {"learning_algorithms": SPACE}}
    space = {
        "version": 1,
        "optimizers_space": settings,
        "user_config_dict": {"model_type": "classification", "model_group": groups},
    }
    param, message = error_of(service.post("/v2/next_trials", MANY, search_space=space))
    assert param == "search_space"
    assert "NoSuchOptimizer" in message or "num_trials" in message


@pytest.mark.parametrize("path", ["/next_trials", "/v2/next_trials"])
@pytest.mark.parametrize(
    ("spec", "low", "high"),
    [
        ({"type": "float", "bounds": [5, 1]}, 1, 5),
        ({"type": "int", "bounds": [9, -9]}, -9, 9),
        ({"type": "float", "bounds": [-1, 1], "log": True}, -1, 1),
        ({"type": "int", "bounds": [0, 8], "log": True}, 0, 8),
        ({"type": "float", "bounds": [3, 3]}, 3, 3),
        ({"type": "float", "bounds": [-8e307, 8e307]}, -8e307, 8e307),
        ({"type": "int", "bounds": [-(2**53), 2**53]}, -(2**53), 2**53),
        ({"type": "float", "bounds": [5e-324, 1e-300], "log": True}, 5e-324, 1e-300),
    ],
)
def test_odd_bounds_are_read_as_they_are_meant(
    service: Service, path: str, spec: dict[str, Any], low: float, high: float
) -> None:
    answer = service.post(path, CALLS[path], search_space={"a.B": {"x": spec}})
    trials = trials_of(answer)
    assert len(trials) == 2
    for trial in trials:
        value = trial["algorithm_params"]["x"]
        assert low <= value <= high
        assert type(value) is {"int": int, "float": float}[spec["type"]]


# histories and contexts

GOOD = {"algorithm_name": "a.B", "algorithm_params": {"x": 0.5, "k": "p"}, "score": 0.5}
ODD_HISTORY: list[Any] = [
    None,
    7,
    "trial",
    [],
    {},
    {"algorithm_name": "a.B"},
    {"algorithm_name": ["a.B"], "algorithm_params": {"x": 1}, "score": 1},
    {**GOOD, "algorithm_name": "of.Others"},
    {**GOOD, "score": None},
    {**GOOD, "score": float("nan")},
    {**GOOD, "score": float("-inf")},
    {**GOOD, "score": "0.5"},
    {**GOOD, "score": 10**400},
    {**GOOD, "score": True},
    {**GOOD, "error": "it was killed"},
    {**GOOD, "ratio": "half"},
    {**GOOD, "ratio": -1},
    {**GOOD, "algorithm_params": None},
    {**GOOD, "algorithm_params": [0.5]},
    {**GOOD, "algorithm_params": {"x": 0.5}},
    {**GOOD, "algorithm_params": {"x": "0.5", "k": "p"}},
    {**GOOD, "algorithm_params": {"x": 17.0, "k": "p"}},
    {**GOOD, "algorithm_params": {"x": float("nan"), "k": "p"}},
    {**GOOD, "algorithm_params": {"x": 10**400, "k": "p"}},
    {**GOOD, "algorithm_params": {"x": 0.5, "k": "r"}},
    {**GOOD, "algorithm_params": {"x": 0.5, "k": {"deep": [1]}}},
    {**GOOD, "algorithm_params": {"x": 0.5, "k": "p", "more": 1}},
]


@pytest.mark.parametrize("method", ["tpe", "cma-es", "qmc", "random", "gp", "warm-start"])
def test_whatever_a_history_holds_the_next_trials_are_in_the_space(
    service: Service, method: str
) -> None:
    good = [
        {**GOOD, "algorithm_params": {"x": n / 20, "k": "p"}, "score": n / 20} for n in range(20)
    ]
    for history in ([item] for item in ODD_HISTORY):
        answer = service.post("/next_trials", TRIALS, optimizer_name=method, trials_history=history)
        check_params(trials_of(answer))
    answer = service.post(
        "/next_trials", TRIALS, optimizer_name=method, trials_history=ODD_HISTORY + good
    )
    check_params(trials_of(answer))
    assert len(trials_of(answer)) == 2


def test_every_item_of_a_history_counts_for_the_budget(service: Service) -> None:
    for total in (len(ODD_HISTORY) + 1, len(ODD_HISTORY), 0):
        answer = service.post(
            "/v2/next_trials", MANY, trials_total_count=total, trials_history=ODD_HISTORY
        )
        trials = trials_of(answer)
        assert len(trials) == max(total - len(ODD_HISTORY), 0)
        check_params(trials)


@pytest.mark.parametrize(
    "context",
    [
        {"what": "ever"},
        [],
        "text",
        7,
        {"v": 1},
        {"v": 1, "seed": -1, "asked": 10**400},
        {"v": 1, "seed": 1, "asked": 2**53, "points": {"a.B": 2**53}},
        {"v": 1, "seed": 1.5, "asked": "3", "points": [1], "pending": {"x": 1}},
        {"v": 1, "seed": 3, "asked": 5, "points": {"a.B": -4, "x": "y"}, "pending": [None, 5, {}]},
        {
            "v": 1,
            "seed": 3,
            "asked": 9,
            "pending": [
                {"number": 1, "algorithm_name": "a.B", "algorithm_params": {"x": "?", "k": []}},
                {"number": 2, "algorithm_name": "of.Others", "algorithm_params": {"y": 1}},
            ],
        },
        {"v": [1], "seed": {"a": float("nan")}},
    ],
)
@pytest.mark.parametrize("path", ["/next_trials", "/v2/next_trials"])
def test_a_context_from_elsewhere_begins_anew(service: Service, path: str, context: object) -> None:
    trials = trials_of(service.post(path, CALLS[path], optimizer_context=context))
    assert len(trials) == 2
    check_params(trials)


@pytest.mark.parametrize("path", ["/next_trials", "/v2/next_trials"])
def test_a_history_of_a_hundred_thousand(service: Service, path: str) -> None:
    history = [
        {**GOOD, "uid": f"u{n}", "algorithm_params": {"x": n / 1e5, "k": "pq"[n % 2]}, "score": n}
        for n in range(100_000)
    ]
    body = {**CALLS[path], "trials_history": history, "project_api_token": service.token}
    if path != "/next_trials":
        body["trials_total_count"] = 100_001
    packed = gzip.compress(json.dumps(body).encode(), 1)
    trials = trials_of(service.send(path, packed, **{"content-encoding": "gzip"}))
    assert len(trials) == (2 if path == "/next_trials" else 1)
    check_params(trials)


def test_parameters_of_an_estimate_may_be_anything(service: Service) -> None:
    for params in (
        {},
        {"n_estimators": None},
        {"n_estimators": "many", "max_depth": [], "max_features": {}},
        {"n_estimators": -5, "max_depth": 10**400, "max_features": float("nan")},
        {"n_estimators": 1e300},
    ):
        answer = service.post(
            "/fte", FIT, alg_name="sklearn.ensemble.RandomForestClassifier", alg_params=params
        )
        assert answer.status_code == 200, answer.text
        told = answer.json()["data"]
        assert type(told["estimated_time"]) is float
        assert 0 < told["estimated_time_low"] <= told["estimated_time"]
        assert told["estimated_time"] <= told["estimated_time_high"]
    assert type(service.post("/fte", FIT, nrows=1e12, ncols=1).json()["data"]["records"]) is int


# what a token sees


def test_estimates_learn_from_what_the_user_sees_alone(service: Service) -> None:
    store = service.hub.hub.store
    raw = {
        "algorithm_name": "mine.Slow",
        "algorithm_params": {},
        "fold_times": [500.0, 400.0, 400.0],
        "dataset_nrows": 1000,
        "dataset_ncols": 10,
    }
    for number in range(3):
        run = store.create_run(RunSpec(project="secret/p", run_id=f"t{number}")).key
        store.append_batch(run, f"{number:032x}", 1, [Assign({"auger/raw_data": json.dumps(raw)})])
    asked = {"alg_name": "mine.Slow", "alg_params": {}, "ncols": 10, "nrows": 1000}
    insider = secret_of(service.hub.token("secret"))
    told = {
        name: service.post("/fte", {**asked, "project_api_token": token}).json()["data"]
        for name, token in (
            ("owner", service.token),
            ("signed", signed({"x": 1})),
            ("insider", insider),
        )
    }
    assert {name: each["records"] for name, each in told.items()} == {
        "owner": 0,
        "signed": 0,
        "insider": 3,
    }
    assert told["owner"] == told["signed"]
    assert told["insider"]["estimated_time"] > 10 * told["owner"]["estimated_time"]


def test_estimates_learn_from_runs_of_other_doors(service: Service) -> None:
    store = service.hub.hub.store
    run = store.create_run(RunSpec(project="logger/p", run_id="r")).key
    values = {
        "algorithm_name": "sklearn.ensemble.RandomForestClassifier",
        "params/n_estimators": 100,
        "dataset_nrows": 1000,
        "dataset_ncols": 10,
        "fit_seconds": 90.0,
    }
    store.append_batch(run, "a" * 32, 1, [Assign(values)])
    token = secret_of(service.hub.token("logger"))
    name = "sklearn.ensemble.RandomForestClassifier"
    asked = {**FIT, "alg_name": name, "alg_params": {"n_estimators": 100}, "nrows": 1000}
    told = service.post("/fte", {**asked, "project_api_token": token}).json()["data"]
    other = service.post("/fte", asked).json()["data"]
    assert (told["records"], other["records"]) == (1, 0)
    assert told["estimated_time"] > 5 * other["estimated_time"]


# searches that are kept


def search_of(service: Service, **changes: Any) -> dict[str, Any]:
    """Return a search that was made."""
    answer = service.post("/api/v1/trial_searches", MANY, **changes)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def test_a_search_goes_on_until_its_budget_is_used(service: Service) -> None:
    made = search_of(service, trials_total_count=5)
    history: list[Any] = []
    for expected in (2, 2, 1, 0):
        assert (made["status"], made["error_message"]) == ("done", None)
        assert len(made["next_trials"]) == expected
        check_params(made["next_trials"])
        history += [{**trial, "score": 0.5, "ratio": 1.0} for trial in made["next_trials"]]
        told = {"trials_history": history, "project_api_token": service.token}
        answer = service.client.patch(f"/api/v1/trial_searches/{made['id']}", json=told)
        made = answer.json()["data"]
    assert len({json.dumps(trial["algorithm_params"]) for trial in history}) == 5


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trials_total_count": -1}, "trials_total_count: should be 0 or more"),
        ({"trials_limit": -1}, "trials_limit: should be 0 or more"),
        (
            {
                "search_space": {
                    "version": 1,
                    "optimizers_space": {"no.SuchOptimizer": {}},
                    "user_config_dict": {
                        "model_type": "regression",
                        "model_group": {"regression": {"learning_algorithms": SPACE}},
                    },
                }
            },
            "search_space: no optimizer is called 'no.SuchOptimizer'",
        ),
    ],
)
def test_a_search_that_cannot_be_made_tells_why(
    service: Service, changes: dict[str, Any], said: str
) -> None:
    made = search_of(service, **changes)
    assert (made["status"], made["next_trials"]) == ("error", [])
    assert made["error_message"].startswith(said)


# processes


def _wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def _stopped(service: Service) -> int:
    """Return the one process of a pool, which was made to stand still."""
    trials_of(service.post("/next_trials", TRIALS))
    (pid,) = service.pids()
    os.kill(pid, signal.SIGSTOP)
    return pid


class Asking(threading.Thread):
    """A request in a thread."""

    def __init__(
        self, service: Service, path: str = "/next_trials", body: dict[str, Any] = TRIALS
    ) -> None:
        super().__init__(daemon=True)
        self.answer: httpx.Response | None = None
        self._url = service.hub.address + path
        self._body = {**body, "project_api_token": service.token}
        self.start()

    def run(self) -> None:
        self.answer = httpx.post(self._url, json=self._body, timeout=120)

    def result(self) -> httpx.Response:
        self.join()
        assert self.answer is not None
        return self.answer


def test_no_process_runs_before_somebody_asks(make_service: Callable[..., Service]) -> None:
    service = make_service()
    assert service.pids() == []
    assert service.post("/next_trials", TRIALS, project_api_token="x").status_code == 401
    assert service.pids() == []


def test_a_search_that_is_answered_by_nobody_yet_holds_up_nobody(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(optimizer_processes=1)
    pid = _stopped(service)
    # One of them has the process, the others wait for it: as many as the pool takes.
    most = service.hub.hub.optimizers.most
    asking = [Asking(service) for _ in range(most)]
    _wait_for(lambda: service.hub.hub.optimizers._asked == most)
    answer = service.client.post("/fte", json={**FIT, "project_api_token": service.token})
    assert answer.status_code == 503
    assert "come again later" in answer.json()["meta"]["errors"][0]["message"]
    header = {"authorization": f"Bearer {service.token}"}
    for _ in range(50):
        assert service.client.get("/health").status_code == 200
        assert service.client.get("/api/v1/projects", headers=header).status_code == 200
    assert all(each.answer is None for each in asking)
    os.kill(pid, signal.SIGCONT)
    for each in asking:
        check_params(trials_of(each.result()))


def test_a_process_that_is_killed_over_a_request_is_replaced(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(optimizer_processes=1)
    pid = _stopped(service)
    asking = Asking(service)
    _wait_for(lambda: service.hub.hub.optimizers._asked == 1)
    os.kill(pid, signal.SIGKILL)
    check_params(trials_of(asking.result()))
    assert service.pids() != [pid]
    # Also one that died while nobody asked it.
    os.kill(service.pids()[0], signal.SIGKILL)
    check_params(trials_of(service.post("/next_trials", TRIALS)))


def test_a_request_that_takes_too_long_is_told_so(make_service: Callable[..., Service]) -> None:
    service = make_service(optimizer_processes=1, optimizer_seconds=3.0)
    pid = _stopped(service)
    param, message = error_of(service.post("/next_trials", TRIALS))
    assert param == "search_space"
    assert "longer than 3 s" in message
    assert pid not in service.pids()
    check_params(trials_of(service.post("/next_trials", TRIALS)))


def test_a_search_that_finds_no_process_stays_requested(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(optimizer_processes=1)
    pid = _stopped(service)
    asking = [Asking(service) for _ in range(service.hub.hub.optimizers.most)]
    _wait_for(lambda: service.hub.hub.optimizers._asked == len(asking))
    made = service.post("/api/v1/trial_searches", MANY).json()["data"]
    assert (made["status"], made["next_trials"]) == ("requested", None)
    os.kill(pid, signal.SIGCONT)
    for each in asking:
        each.join()
    header = {"authorization": f"Bearer {service.token}"}
    found = service.client.get(f"/api/v1/trial_searches/{made['id']}", headers=header)
    assert found.json()["data"]["status"] == "done"
    check_params(found.json()["data"]["next_trials"])


def test_a_search_whose_process_was_killed_is_answered(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(optimizer_processes=1)
    pid = _stopped(service)
    asking = Asking(service, "/api/v1/trial_searches", MANY)
    _wait_for(lambda: service.hub.hub.optimizers._asked == 1)
    os.kill(pid, signal.SIGKILL)
    assert asking.result().json()["data"]["status"] == "done"


def test_a_hub_that_stops_ends_its_processes(make_service: Callable[..., Service]) -> None:
    service = make_service()
    pid = _stopped(service)
    service.hub.hub.optimizers.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    answer = service.client.post("/fte", json={**FIT, "project_api_token": service.token})
    assert answer.status_code == 503
    assert answer.json()["meta"]["errors"][0]["error_type"] == "unavailable"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.parametrize("how", ["kill", "stop"])
def test_no_process_outlives_its_hub(tmp_path: Path, how: str) -> None:
    hub = HubProcess(tmp_path / "runs.db")
    accounts = accounts_of(HubSettings(store=str(hub.store)))
    accounts.create_user("u")
    token = accounts.create_token("u").secret
    accounts.close()
    body = {**TRIALS, "project_api_token": token}
    assert httpx.post(f"{hub.address}/next_trials", json=body, timeout=60).status_code == 200
    (child,) = [pid for pid in _children(hub.process.pid) if "optimizing" in _command(pid)]
    getattr(hub, how)()
    _wait_for(lambda: not Path(f"/proc/{child}").exists() or "optimizing" not in _command(child))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_a_search_in_its_middle_does_not_outlive_its_hub(tmp_path: Path) -> None:
    hub = HubProcess(tmp_path / "runs.db")
    accounts = accounts_of(HubSettings(store=str(hub.store)))
    accounts.create_user("u")
    token = accounts.create_token("u").secret
    accounts.close()
    names = [f"x{number}" for number in range(200)]
    history = [
        {
            "algorithm_name": "a.B",
            "algorithm_params": {
                name: (number * 37 + at) % 101 / 101 for at, name in enumerate(names)
            },
            "score": number % 7,
        }
        for number in range(500)
    ]
    # It would go on for minutes.
    body = {
        "optimizer_name": "tpe",
        "optimizer_params": {"batch_size": 1000},
        "search_space": {"a.B": dict.fromkeys(names, FLOAT)},
        "trials_history": history,
        "project_api_token": token,
    }

    def ask() -> None:
        with contextlib.suppress(httpx.TransportError):
            httpx.post(f"{hub.address}/next_trials", json=body, timeout=120)

    asking = threading.Thread(target=ask)
    asking.start()
    found: list[int] = []

    def is_searching() -> bool:
        children = _children(hub.process.pid)
        found[:] = [pid for pid in children if "optimizing" in _command(pid)]
        return any(_processor_seconds(pid) > 4 for pid in found)

    _wait_for(is_searching)
    hub.process.kill()
    _wait_for(lambda: not any("optimizing" in _command(pid) for pid in found))
    hub.kill()
    asking.join()


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(int(entry.name))
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
