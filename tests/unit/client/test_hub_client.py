"""`HubClient` before a server that answers as hubs and whoever stands before them do."""

from __future__ import annotations

import concurrent.futures
import gzip
import json
import pickle
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy
import pytest

from mooring import HubClient
from mooring.client.token import ApiToken
from mooring.errors import HubError, HubUnreachable, InvalidAddress, InvalidInput, Transient

SECRET = "s3cret-of-the-user"
OPENAPI = "/api/v1/openapi.json"
OURS = (200, {}, json.dumps({"info": {"title": "Mooring hub: resource API"}}).encode())


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def sent(self) -> dict[str, Any]:
        body = gzip.decompress(self.body) if "content-encoding" in self.headers else self.body
        return dict(json.loads(body))


Reply = tuple[int, dict[str, str], bytes] | None
"""A status, headers and a body; None closes the connection without a word."""


def reply(status: int, body: object, **headers: str) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return status, {key.replace("_", "-"): value for key, value in headers.items()}, content


@dataclass
class Server:
    """Answers requests one after the other with what it was told; the last one for ever."""

    replies: list[Reply] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    address: str = ""
    described: Reply = OURS
    released: threading.Event = field(default_factory=threading.Event)
    holds: bool = False

    def answer(self, seen: Seen) -> Reply:
        if seen.path == OPENAPI:
            return self.described
        self.seen.append(seen)
        if self.holds:
            self.released.wait(30)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            told = state.answer(Seen(self.command, self.path, headers, body))
            if told is None:
                self.close_connection = True
                return
            status, extra, content = told
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any

        def log_message(self, format: str, *args: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    yield state
    state.released.set()
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def connect(server: Server) -> Iterator[Callable[..., HubClient]]:
    made: list[HubClient] = []

    def open_client(**config: Any) -> HubClient:
        config = {"token": SECRET, "retries_count": 0, "retry_wait_seconds": 0, **config}
        made.append(HubClient(server.address, **config))
        return made[-1]

    yield open_client
    for client in made:
        client.close()


Connect = Callable[..., HubClient]
DONE = reply(200, {"data": {"id": 1}, "meta": {"status": 200}})


def hidden(error: BaseException) -> bool:
    """Return whether no secret is in what an error shows."""
    return SECRET not in f"{error} {error!r} {error.args} {error.__dict__}"


# statuses


@pytest.mark.parametrize(
    ("status", "kind", "times"),
    [
        (202, HubClient.RetryableApiError, 1),
        (204, HubClient.RetryableApiError, 1),
        (301, HubClient.FatalApiError, 1),
        (401, HubClient.FatalApiError, 1),
        (402, HubClient.RetryableApiError, 1),
        (403, HubClient.FatalApiError, 1),
        (404, HubClient.FatalApiError, 1),
        (405, HubClient.RetryableApiError, 1),
        (408, HubClient.RetryableApiError, 3),
        (409, HubClient.RetryableApiError, 1),
        (413, HubClient.RetryableApiError, 1),
        (422, HubClient.RetryableApiError, 1),
        (429, HubClient.RetryableApiError, 3),
        (500, HubClient.FatalApiError, 1),
        (501, HubClient.RetryableApiError, 1),
        (502, HubClient.RetryableApiError, 3),
        (503, HubClient.RetryableApiError, 3),
        (504, HubClient.RetryableApiError, 3),
        (520, HubClient.RetryableApiError, 3),
    ],
)
def test_each_status_is_its_error(
    server: Server, connect: Connect, status: int, kind: type[Exception], times: int
) -> None:
    server.replies = [reply(status, b"" if status == 204 else b"<p>no</p>")]
    with pytest.raises(HubError) as caught:
        connect(retries_count=2).get_projects()
    assert type(caught.value) is kind
    assert str(caught.value).startswith(f"status: {status}, ")
    assert (caught.value.status, caught.value.address) == (status, server.address)
    assert len(server.seen) == times
    assert isinstance(caught.value, Transient) == (kind is HubClient.RetryableApiError)


def test_a_redirect_is_not_followed_and_tells_where_to(server: Server, connect: Connect) -> None:
    server.replies = [reply(308, b"", location="https://hub.example.org/")]
    with pytest.raises(HubClient.FatalApiError, match=r"https://hub.example.org/; give that"):
        connect().get_projects()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"<html><head><title>A</title><style>p{}</style></head><p>B  C</p></html>", "AB\nC"),
        (b"<p>one</p>\n\n   <p>two &amp; three</p><script>x()</script>", "one\ntwo & three"),
        (b"Bad &lt;b&gt; Extracted source (around line 3): secret", "Bad <b>"),
        (b"", "<Response [400]> Bad Request"),
        (b"  \n ", "<Response [400]> Bad Request"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"[1, 2]", "[1, 2]"),
        (b"[" * 100_000, "["),
    ],
)
def test_a_400_that_is_no_json_object_is_fatal_and_shows_its_text(
    server: Server, connect: Connect, body: bytes, text: str
) -> None:
    server.replies = [reply(400, body)]
    with pytest.raises(HubClient.FatalApiError) as caught:
        connect().get_projects()
    assert caught.value.args[0].startswith(text)
    assert len(caught.value.args[0]) < 3000
    assert caught.value.metadata() == {}


@pytest.mark.parametrize(
    ("meta", "text"),
    [
        ({"errors": [{"error_param": "id", "message": "is required"}]}, "id is required"),
        ({"errors": [{"message": "no"}, "odd", 3]}, "no, odd, 3"),
        ({"errors": []}, "status: 400, body: "),
        (None, "status: 400, body: "),
        ("text", "status: 400, body: "),
    ],
)
def test_a_400_with_json_names_each_parameter(
    server: Server, connect: Connect, meta: object, text: str
) -> None:
    server.replies = [reply(400, {"meta": meta})]
    with pytest.raises(HubClient.InvalidParamsError) as caught:
        connect().create_project()
    assert caught.value.args[0].startswith(text)
    assert caught.value.metadata() == meta
    assert isinstance(caught.value, InvalidInput)


@pytest.mark.parametrize("body", [b"", b"<html>hello</html>", b"[]", b"3", b"{", b"\xff"])
def test_a_success_that_is_no_json_object_is_an_error_of_ours(
    server: Server, connect: Connect, body: bytes
) -> None:
    server.replies = [reply(200, body)]
    with pytest.raises(HubClient.FatalApiError, match="status: 200, body: "):
        connect().get_projects()


def test_logs_are_text_also_after_a_repeat(server: Server, connect: Connect) -> None:
    server.replies = [reply(503, b"no"), reply(200, b'{"a": 1}\n')]
    assert connect(retries_count=1).get_project_logs(3) == '{"a": 1}\n'
    server.replies = [reply(404, {"meta": {"status": 404}})]
    with pytest.raises(HubClient.FatalApiError, match="status: 404") as caught:
        connect().get_project_logs(3)
    assert caught.value.metadata() is None


# tokens


def test_no_token_and_no_password_is_in_an_error(server: Server, connect: Connect) -> None:
    echo = {"meta": {"request_params": {"token": SECRET, SECRET: [SECRET]}, "x": SECRET}}
    for status in (400, 401, 403, 500, 503):
        server.replies = [reply(status, echo)]
        with pytest.raises(HubError) as caught:
            connect().create_token(email="a@example.org", password="pass-word-1")
        assert hidden(caught.value)
        assert "pass-word-1" not in str(caught.value)
        assert '"email": "a@example.org"' in str(caught.value)
    server.replies = [reply(404, f"<p>{SECRET}</p>".encode())]
    with pytest.raises(HubError) as caught:
        connect().get_project(SECRET)
    assert hidden(caught.value)
    server.replies = [None]
    with pytest.raises(HubClient.NetworkError) as network:
        connect().get_project(SECRET)
    assert hidden(network.value)


def test_a_repr_shows_no_secret(connect: Connect) -> None:
    client = connect(proxies={"https": "http://user:pass@proxy.example.org"})
    assert SECRET not in repr(client)
    assert "pass" not in repr(client)


def test_a_token_brings_the_address(server: Server) -> None:
    server.replies = [DONE]
    with HubClient(token=ApiToken(server.address, SECRET).encode()) as client:
        assert client.get_project(1) == {"data": {"id": 1}, "meta": {"status": 200}}
    assert server.seen[0].sent == {"token": SECRET}


def test_the_environment_tells_where_nothing_else_does(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORING_API_TOKEN", ApiToken(server.address, SECRET).encode())
    server.replies = [DONE]
    with HubClient() as client:
        client.get_project(1)
    with HubClient(server.address) as client:
        client.get_project(1)
    assert [each.sent for each in server.seen] == [{"token": SECRET}, {}]


@pytest.mark.parametrize("address", [None, "", "ftp://x", "127.0.0.1:80", "http://a:b@host"])
def test_an_address_that_is_none_is_refused(address: str | None) -> None:
    with pytest.raises(InvalidAddress) as caught:
        HubClient(address, token=SECRET)
    assert hidden(caught.value)


# repeats


def test_the_wait_grows_and_is_at_least_what_the_hub_says(
    server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("mooring.client.resource_calls.time.sleep", waits.append)
    server.replies = [reply(503, b"", retry_after="7"), *[reply(503, b"")] * 3, DONE]
    connect(retries_count=4, retry_wait_seconds=1).get_project(1)
    assert waits[0] == 7
    for wait, longest in zip(waits[1:], (2, 4, 8), strict=True):
        assert longest / 2 <= wait <= longest


def test_connection_errors_have_a_count_of_their_own(server: Server, connect: Connect) -> None:
    server.replies = [None]
    with pytest.raises(HubClient.NetworkError) as caught:
        connect(retries_count=0, connection_retries_count=3).get_projects()
    assert len(server.seen) == 4
    assert isinstance(caught.value, HubUnreachable)
    assert caught.value.metadata() == {}


@pytest.mark.parametrize("lost", [None, reply(502, b"")])
def test_a_creation_comes_again_under_one_key(
    server: Server, connect: Connect, lost: Reply
) -> None:
    server.replies = [lost, reply(503, b""), DONE]
    client = connect(retries_count=3)
    assert client.create_experiment(name="x")["data"] == {"id": 1}
    keys = [each.headers["idempotency-key"] for each in server.seen]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert len(bytes.fromhex(keys[0])) == 16
    client.create_experiment(name="x")
    assert server.seen[-1].headers["idempotency-key"] != keys[0]


@pytest.mark.parametrize(
    "described",
    [
        reply(404, b""),
        reply(200, b"<html></html>"),
        reply(200, {"info": {"title": "Another hub"}}),
        reply(200, {"info": None}),
    ],
)
def test_another_hub_is_not_asked_twice_to_create(
    server: Server, connect: Connect, described: Reply
) -> None:
    server.described = described
    server.replies = [None]
    client = connect(retries_count=3)
    with pytest.raises(HubClient.NetworkError):
        client.create_experiment(name="x")
    assert len(server.seen) == 1
    server.replies = [reply(503, b""), DONE]
    assert client.create_experiment(name="x")["data"] == {"id": 1}


def test_changes_come_again_only_where_they_were_not_carried_out(
    server: Server, connect: Connect
) -> None:
    client = connect(retries_count=2)
    calls: list[Callable[[], Any]] = [
        lambda: client.update_project(1, workers_count=2),
        lambda: client.delete_experiment("e"),
        lambda: client.deploy_project(1),
        lambda: client.delete_actuals(pipeline_id="p"),
    ]
    for call in calls:
        for lost in (None, reply(502, b""), reply(504, b"")):
            server.seen.clear()
            server.replies = [lost, DONE]
            with pytest.raises(HubError):
                call()
            assert len(server.seen) == 1
        server.replies = [reply(503, b""), reply(429, b""), DONE]
        assert call()["data"] == {"id": 1}


def test_a_report_of_trials_comes_again(server: Server, connect: Connect) -> None:
    for report in (
        lambda client: client.update_trials(experiment_session_id="s", trials=[]),
        lambda client: client.update_trial(None, experiment_session_id="s", trials=[]),
    ):
        server.seen.clear()
        server.replies = [None, DONE]
        assert report(connect(retries_count=1))["data"] == {"id": 1}
        assert [each.path for each in server.seen] == ["/api/v1/trials"] * 2


def test_a_server_that_hangs_is_given_up(server: Server, connect: Connect) -> None:
    server.replies, server.holds = [DONE], True
    with pytest.raises(HubClient.NetworkError, match="did not answer in time"):
        connect(timeout_s=0.05).get_projects()


def test_a_search_is_waited_for_longer(server: Server, connect: Connect) -> None:
    server.replies, server.holds = [DONE], True
    client = connect(timeout_s=1.0)
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(client.get_fte({"alg_name": "x"})))
    asking.start()
    with pytest.raises(HubClient.NetworkError, match="did not answer in time"):
        client.get_projects()
    server.released.set()
    asking.join()
    assert [answer["data"] for answer in answers] == [{"id": 1}]


def test_optimizer_calls_are_gzip_each_time(server: Server, connect: Connect) -> None:
    server.replies = [reply(503, b""), None, DONE]
    client = connect(optimizers_url=server.address, retries_count=3)
    answer = client.get_next_trials({"trials_history": [], "search_space": {}}, batch=3)
    assert answer["data"] == {"id": 1}
    assert [each.headers["content-encoding"] for each in server.seen] == ["gzip"] * 3
    assert {each.path for each in server.seen} == {"/next_trials"}
    assert server.seen[-1].sent == {
        "trials_history": [],
        "search_space": {},
        "batch": 3,
        "token": SECRET,
    }
    client.get_next_trials_v2()
    client.get_fte({"alg_name": "x"})
    assert [each.path for each in server.seen[-2:]] == ["/v2/next_trials", "/fte"]


@pytest.mark.parametrize("url", [None, ""])
def test_a_hub_is_its_own_optimizers_service(
    server: Server, connect: Connect, url: str | None
) -> None:
    server.replies = [DONE]
    client = connect(optimizers_url=url)
    client.get_fte({"alg_name": "x"})
    client.get_next_trials(optimizer_name="tpe")
    assert [each.path for each in server.seen] == ["/fte", "/next_trials"]


# what is sent


def test_parameters_that_are_not_given_are_not_sent(server: Server, connect: Connect) -> None:
    server.replies = [DONE]
    client = connect()
    client.create_pipeline(trial_id="t", refit_data_path=None, providers=["x"])
    client.delete_actuals(pipeline_id="p", from_="2020-01-01", with_predictions=True)
    client.delete_actuals(**{"pipeline_id": "p", "from": "2020-01-01"})
    client.create_project_file_url(project_id=1, file_path="x", async_=True)
    sent = [{k: v for k, v in each.sent.items() if k != "token"} for each in server.seen]
    assert sent == [
        {"trial_id": "t", "refit_data_path": None, "providers": ["x"]},
        {"pipeline_id": "p", "from": "2020-01-01", "with_predictions": True},
        {"pipeline_id": "p", "from": "2020-01-01"},
        {"project_id": 1, "file_path": "x", "async": True},
    ]


@pytest.mark.parametrize(
    ("id", "path"),
    [
        ("../projects/5", "..%2Fprojects%2F5"),
        ("a b?c#d", "a%20b%3Fc%23d"),
        ("ü\n", "%C3%BC%0A"),
        ("%2e%2e", "%252e%252e"),
        (7, "7"),
    ],
)
def test_an_id_stays_in_its_place(
    server: Server, connect: Connect, id: int | str, path: str
) -> None:
    server.replies = [DONE]
    connect().get_experiment(id)  # a text or a number
    assert server.seen[0].path == f"/api/v1/experiments/{path}"


def test_an_id_that_is_none_is_refused_before_anything_is_sent(
    server: Server, connect: Connect
) -> None:
    client = connect()
    with pytest.raises(HubClient.MissingParamError, match="id parameter is required"):
        client.delete_project("")
    with pytest.raises(HubClient.MissingParamError, match="endpoint_id parameter is required"):
        client.get_endpoint_prediction("x")
    for id in (".", ".."):
        with pytest.raises(HubClient.InvalidParamsError, match="is none that an object can have"):
            client.delete_project(id)
    assert server.seen == []


def test_numbers_of_numpy_are_numbers(server: Server, connect: Connect) -> None:
    server.replies = [DONE]
    connect().update_trial("t", score_value=numpy.float64(0.5), n=numpy.arange(3))
    assert server.seen[0].sent == {"score_value": 0.5, "n": [0, 1, 2], "token": SECRET}
    with pytest.raises(HubClient.InvalidParamsError, match="object is no type of JSON"):
        connect().create_experiment(name="x", odd=object())


# lists


def test_iteration_goes_to_the_end_from_where_it_is_told(server: Server, connect: Connect) -> None:
    everything = [{"id": number} for number in range(7)]

    def answer(seen: Seen) -> Reply:
        server.seen.append(seen)
        offset, limit = seen.sent["offset"], seen.sent["limit"]
        page = everything[offset : offset + limit]
        pagination = {"limit": limit, "offset": offset, "count": len(page)}
        if seen.sent.get("project_id") != 9:
            pagination["total"] = len(everything)
        return reply(200, {"data": page, "meta": {"pagination": pagination}})

    server.answer = answer  # type: ignore[method-assign]
    client = connect()
    found: list[Any] = []
    client.iterate_all_experiments(found.append, offset=2, limit=2)
    assert found == everything[2:]
    assert len(server.seen) == 3
    assert list(client.iter_experiments(project_id=9, limit=7)) == everything
    assert list(client.iter_experiments(offset=100)) == []
    assert list(client.iter_experiments(limit=0)) == []
    first = next(client.iter_experiments())
    assert first == everything[0]


def test_a_handler_that_raises_ends_the_iteration(server: Server, connect: Connect) -> None:
    server.replies = [reply(200, {"data": [{"id": 1}], "meta": {}})]

    def handle(item: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        connect().iterate_all_projects(handle)
    assert len(server.seen) == 1


# the client itself


def test_threads_share_a_client(server: Server, connect: Connect) -> None:
    server.replies = [DONE]
    client = connect()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: client.get_project(n)["data"]["id"], range(64)))
    assert answers == [1] * 64
    assert {each.path for each in server.seen} == {f"/api/v1/projects/{n}" for n in range(64)}


def test_a_closed_client_can_be_used_again(server: Server, connect: Connect) -> None:
    server.replies = [DONE]
    client = connect()
    client.close()
    client.close()
    assert client.get_project(1)["data"] == {"id": 1}


def test_errors_travel_between_processes(server: Server, connect: Connect) -> None:
    server.replies = [reply(503, {"meta": {"status": 503}}, retry_after="3")]
    with pytest.raises(HubClient.RetryableApiError) as caught:
        connect().get_projects()
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert (again.status, again.metadata(), again.retry_after_s) == (503, {"status": 503}, 3.0)


def test_long_requests_are_told_in_short(server: Server, connect: Connect) -> None:
    server.replies = [reply(500, b"x" * 100_000)]
    with pytest.raises(HubClient.FatalApiError) as caught:
        connect().update_trials(trials=[{"x": "y" * 100_000}])
    assert len(str(caught.value)) < 5000


def test_debug_tells_each_request_without_what_it_holds(
    server: Server, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    server.replies = [DONE]
    connect(debug=True).create_token(email="a@example.org", password="pass-word-1")
    told = capsys.readouterr().err
    assert told.startswith("POST /api/v1/tokens: 200 in ")
    assert "pass-word-1" not in told
    assert SECRET not in told


def test_a_prefix_of_the_address_is_kept(server: Server) -> None:
    server.replies = [DONE]
    with HubClient(f"{server.address}/hub/", token=SECRET) as client:
        client.get_project(1)
    assert server.seen[0].path == "/hub/api/v1/projects/1"
