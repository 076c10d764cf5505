"""A server that stands before a hub: what a client sees when the hub behind it comes and goes."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

PAGE = (
    b"<!DOCTYPE html><html><head><title>Application Error</title><style>p {color: red}</style>"
    b"</head><body><p>Application Error</p><script>report()</script></body></html>"
)
"""What platforms say for an application that is not there."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A request that came by."""

    method: str
    path: str
    encoding: str | None
    key: str | None
    body: bytes


class Gateway:
    """Hands requests on to a hub, and answers 503 by itself while that is down.

    `before` is called with the number of each request before it is handed on, from 1; where it
    returns a status, the gateway answers so instead. `cut` are the numbers of requests whose
    answer is lost: they are handed on, and then the connection is closed.
    """

    def __init__(self, address: str) -> None:
        self.passed: list[Passed] = []
        self.before: Callable[[int], int | None] = lambda number: None
        self.cut: set[int] = set()
        place = urlsplit(address)
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                gateway._handle(self, str(place.hostname), int(place.port or 80))

            do_GET = do_POST = do_PATCH = do_DELETE = handle_any

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def _handle(self, request: BaseHTTPRequestHandler, host: str, port: int) -> None:
        headers = request.headers
        body = request.rfile.read(int(headers.get("content-length") or 0))
        passed = Passed(
            request.command,
            request.path,
            headers.get("content-encoding"),
            headers.get("idempotency-key"),
            body,
        )
        self.passed.append(passed)
        number = len(self.passed)
        status = self.before(number)
        answer: tuple[int, str, bytes] | None = None
        if status is None:
            answer = self._hand_on(host, port, passed, headers)
        if number in self.cut:
            request.close_connection = True
            return
        shown = answer or (status or 503, "text/html", PAGE)
        request.send_response(shown[0])
        request.send_header("content-type", shown[1])
        request.send_header("content-length", str(len(shown[2])))
        request.end_headers()
        request.wfile.write(shown[2])

    @staticmethod
    def _hand_on(
        host: str, port: int, passed: Passed, headers: Any
    ) -> tuple[int, str, bytes] | None:
        kept = {
            name: value
            for name, value in headers.items()
            if name.lower() in ("content-type", "content-encoding", "idempotency-key")
        }
        connection = http.client.HTTPConnection(host, port, timeout=30)
        try:
            connection.request(passed.method, passed.path, passed.body, kept)
            answer = connection.getresponse()
            return answer.status, answer.headers["content-type"] or "", answer.read()
        except OSError:
            return None
        finally:
            connection.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
