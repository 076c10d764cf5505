"""The first contact with a Neptune server: what is told when it is not as it should be."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from typing import Any, ClassVar

import pytest

from mooring.client.token import ApiToken
from mooring.errors import InvalidInput, MissingExtra, SourceUnreadable, TargetUnreachable
from mooring.exchange.sources import default_address, open_source
from mooring.exchange.sources.neptune3.server import Neptune3Server


class Handler(BaseHTTPRequestHandler):
    """Answers what a test has put down, by path; the last answer stays."""

    answers: ClassVar[dict[str, list[tuple[int, bytes]]]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        self.asked.append(query)
        left = self.answers[path]
        status, body = left.pop(0) if len(left) > 1 else left[0]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


EXCHANGE = "/api/backend/v1/authorization/oauth-token"
PROJECTS = "/api/backend/v1/projects"
GOOD = (200, b'{"accessToken": "a", "refreshToken": "r", "username": "me"}')


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("NEPTUNE_API_TOKEN", ApiToken(found, "s3cret").encode())
    monkeypatch.setenv("NEPTUNE_QUERY_RETRY_SOFT_TIMEOUT", "1")
    Handler.answers.clear()
    Handler.asked.clear()
    Handler.answers[EXCHANGE] = [GOOD]
    yield found
    server.shutdown()
    server.server_close()


def test_the_server_is_that_of_the_token(address: str) -> None:
    assert default_address("neptune3") == address
    assert default_address("tensorboard") is None
    assert Neptune3Server(address + "/").address == address
    with pytest.raises(InvalidInput, match="is for http://127"):
        Neptune3Server("https://app.neptune.ai")


def test_projects_come_in_pages(address: str) -> None:
    def page(*names: str) -> tuple[int, bytes]:
        entries = [{"organizationName": "team", "name": name} for name in names]
        return 200, json.dumps({"entries": entries, "matchingItemCount": 3}).encode()

    Handler.answers[PROJECTS] = [page("b", "c"), page("a")]
    assert Neptune3Server(address).list_projects() == ["team/a", "team/b", "team/c"]
    assert ["offset=0" in query for query in Handler.asked[1:]] == [True, False]
    Handler.answers[PROJECTS] = [page("b", "c"), page()]  # fewer than it counts
    assert Neptune3Server(address).list_projects() == ["team/b", "team/c"]


def test_one_project_is_asked_for(address: str) -> None:
    Handler.answers[f"{PROJECTS}/get"] = [(200, b"{}"), (404, b"{}"), (403, b"{}"), (418, b"")]
    server = Neptune3Server(address)
    assert [server.has_project("team/a") for _ in range(3)] == [True, False, False]
    assert "projectIdentifier=team%2Fa" in Handler.asked[1]
    with pytest.raises(SourceUnreadable, match="HTTP 418"):
        server.has_project("team/a")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((401, b"{}"), "refuses the token in NEPTUNE_API_TOKEN"),
        ((404, b"<html>"), "HTTP 404 to a token of Neptune"),
        ((200, b"<html>"), "no JSON"),
        ((200, b"[]"), "no JSON"),
        ((200, b"{}"), "no access token"),
    ],
)
def test_what_is_no_such_server_is_told(address: str, answer: tuple[int, bytes], told: str) -> None:
    Handler.answers[EXCHANGE] = [answer]
    with pytest.raises(SourceUnreadable, match=told) as error:
        Neptune3Server(address).check()
    assert "s3cret" not in str(error.value)


def test_a_server_that_is_busy_for_a_moment_is_waited_for(address: str) -> None:
    Handler.answers[EXCHANGE] = [(503, b""), (429, b""), GOOD]
    Neptune3Server(address).check()
    Handler.answers[EXCHANGE] = [(503, b"")]
    with pytest.raises(TargetUnreachable, match=r"\(waited [01] s\): HTTP 503"):
        Neptune3Server(address).check()


def test_tokens_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEPTUNE_API_TOKEN", raising=False)
    with pytest.raises(InvalidInput, match="NEPTUNE_API_TOKEN is not set"):
        default_address("neptune3")
    monkeypatch.setenv("NEPTUNE_API_TOKEN", "some secret")
    with pytest.raises(InvalidInput, match="holds no API token") as error:
        default_address("neptune3")
    assert "some secret" not in str(error.value)


def test_a_wait_that_is_no_number_is_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEPTUNE_QUERY_RETRY_SOFT_TIMEOUT", "long")
    with pytest.raises(InvalidInput, match="a whole number of seconds, not 'long'"):
        Neptune3Server(address).check()


@pytest.mark.skipif(find_spec("neptune_query") is not None, reason="neptune-query is installed")
def test_the_package_that_is_missing_is_named(address: str) -> None:
    with pytest.raises(MissingExtra, match=r"neptune-query is not installed; .*\[neptune3\]"):
        open_source(address, "neptune3")
