"""HTTP to a hub: repeats, time-outs, proxies, and what errors tell."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mooring import ReadOnlyProject, Run
from mooring.client.settings import ClientSettings
from mooring.client.transport import HubTransport
from mooring.errors import HubBusy, HubUnreachable, InvalidAddress, MooringError, Transient
from mooring.store import open_store
from tests.serving import HubThread, free_port

SECRET = "a-secret-that-nobody-sees"
QUICK = ClientSettings(timeout_s=1.0, retries=3, first_wait_s=0.001, longest_wait_s=0.002)

Act = Callable[[BaseHTTPRequestHandler], None]


class OtherSide:
    """What may stand where a hub is meant to be: each request is answered by the next act."""

    def __init__(self, *acts: Act) -> None:
        self.acts = list(acts)
        self.bodies: list[bytes] = []
        self.tokens: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("content-length", 0))
                outer.bodies.append(self.rfile.read(length))
                outer.tokens.append(self.headers.get("authorization"))
                act = outer.acts.pop(0) if len(outer.acts) > 1 else outer.acts[0]
                act(self)

            do_GET = do_POST = answer

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def says(status: int, body: bytes = b"", **headers: str) -> Act:
    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return act


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.connection.close()


@pytest.fixture
def other_side() -> Iterator[Callable[..., OtherSide]]:
    made: list[OtherSide] = []

    def make(*acts: Act) -> OtherSide:
        made.append(OtherSide(*acts))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_passes_is_repeated(other_side: Callable[..., OtherSide], status: int) -> None:
    side = other_side(says(status), says(status), says(200, b"done"))
    transport = HubTransport(side.address, SECRET, QUICK)
    assert transport.request("POST", "/x", content=b"body").content == b"done"
    assert side.bodies == [b"body"] * 3
    assert side.tokens == [f"Bearer {SECRET}"] * 3
    transport.close()


def test_a_body_is_made_anew_for_each_attempt(other_side: Callable[..., OtherSide]) -> None:
    side = other_side(says(503), says(200))
    transport = HubTransport(side.address, SECRET, QUICK)
    headers = {"content-length": "4"}
    transport.request("POST", "/x", content=lambda: iter([b"bo", b"dy"]), headers=headers)
    assert side.bodies == [b"body", b"body"]
    transport.close()


@pytest.mark.parametrize("status", [200, 400, 401, 404, 409, 500])
def test_other_answers_are_returned_as_they_are(
    other_side: Callable[..., OtherSide], status: int
) -> None:
    side = other_side(says(status, b"told"))
    transport = HubTransport(side.address, SECRET, QUICK)
    answer = transport.request("GET", "/x")
    assert (answer.status_code, answer.content, len(side.bodies)) == (status, b"told", 1)
    transport.close()


def test_repeats_end(other_side: Callable[..., OtherSide]) -> None:
    side = other_side(says(503, retry_after="0", x_mooring_reason="the store is locked"))
    transport = HubTransport(side.address, SECRET, QUICK)
    with pytest.raises(HubBusy, match="the store is locked") as caught:
        transport.request("GET", "/x")
    assert len(side.bodies) == 4
    assert isinstance(caught.value, Transient)
    assert (caught.value.status, caught.value.retry_after_s) == (503, 0.0)
    transport.close()


def test_what_may_have_been_done_is_repeated_only_where_that_is_safe(
    other_side: Callable[..., OtherSide],
) -> None:
    side = other_side(hangs_up, says(200))
    transport = HubTransport(side.address, SECRET, QUICK)
    with pytest.raises(HubUnreachable, match="broke"):
        transport.request("POST", "/x", content=b"1", repeat=False)
    assert transport.request("POST", "/x", content=b"2").status_code == 200
    side.acts = [hangs_up, says(200)]
    assert transport.request("POST", "/x", content=b"3").status_code == 200
    assert side.bodies == [b"1", b"2", b"3", b"3"]
    transport.close()


def test_nobody_answers() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    transport = HubTransport(address, SECRET, QUICK)
    with pytest.raises(HubUnreachable, match="is it running there") as caught:
        transport.request("GET", "/x")
    assert caught.value.address == address
    assert SECRET not in str(caught.value) + repr(transport) + repr(transport.settings)


def test_one_that_never_answers(other_side: Callable[..., OtherSide]) -> None:
    ended = threading.Event()

    def waits(handler: BaseHTTPRequestHandler) -> None:
        ended.wait(20)
        hangs_up(handler)

    side = other_side(waits)
    settings = ClientSettings(timeout_s=0.1, retries=0)
    transport = HubTransport(side.address, SECRET, settings)
    with pytest.raises(HubUnreachable, match="did not answer in time"):
        transport.request("GET", "/x")
    ended.set()
    transport.close()


@pytest.mark.parametrize(
    "address", ["", "runs.db", "ftp://x", "http://", "http://user:password@hub:80"]
)
def test_addresses_that_cannot_be(address: str) -> None:
    with pytest.raises(InvalidAddress) as caught:
        HubTransport(address, SECRET)
    assert SECRET not in str(caught.value)


def test_a_redirect_does_not_carry_the_token_away(other_side: Callable[..., OtherSide]) -> None:
    elsewhere = other_side(says(200))
    side = other_side(says(307, location=f"{elsewhere.address}/x"))
    transport = HubTransport(side.address, SECRET, QUICK)
    assert transport.request("GET", "/x").status_code == 307
    assert elsewhere.tokens == []
    transport.close()


@pytest.mark.parametrize("status", [200, 301, 404, 418])
def test_what_is_no_hub_is_told(other_side: Callable[..., OtherSide], status: int) -> None:
    side = other_side(says(status, b"<html>hello</html>"))
    with pytest.raises(MooringError, match=r"no hub|is it one"):
        open_store(side.address, api_token=SECRET)


class Proxy(BaseHTTPRequestHandler):
    """A forward proxy that notes what went through it."""

    protocol_version = "HTTP/1.1"
    seen: list[str] = []  # noqa: RUF012 - of the one proxy that a test has

    def forward(self) -> None:
        self.seen.append(self.path)
        target = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        onward = http.client.HTTPConnection(target.netloc)
        path = target.path + (f"?{target.query}" if target.query else "")
        onward.request(self.command, path, body, dict(self.headers))
        answer = onward.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        onward.close()

    do_GET = do_POST = do_PUT = forward

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_project_is_read_through_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_SPOOL", str(tmp_path / "spool"))
    hub = HubThread(tmp_path / "runs.db")
    monkeypatch.setenv("MOORING_API_TOKEN", hub.admin)
    with Run("team/x", store=hub.address, run_id="a", on_error="raise") as run:
        run.log({"loss": 0.5}, step=1)
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    proxy.daemon_threads = True
    threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
    Proxy.seen.clear()
    proxies = {"http": f"http://127.0.0.1:{proxy.server_address[1]}"}
    with ReadOnlyProject("team/x", api_token=hub.admin, proxies=proxies) as project:
        frame = project.fetch_runs_df(columns=["loss"])
    assert frame["loss"].tolist() == [0.5]
    assert Proxy.seen
    assert all(path.startswith(hub.address) for path in Proxy.seen)
    proxy.shutdown()
    proxy.server_close()
    hub.stop()
