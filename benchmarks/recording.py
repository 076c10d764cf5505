"""What a server answered, kept and given again: a client's own time, when answers come at once."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from benchmarks.processes import TaskFailed
from benchmarks.servers import Server

_PASSED_ON = ("authorization", "content-type", "x-neptune-api-token", "accept")
_SMALL = 64 << 10


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that went through: the same one finds its answer again."""

    method: str
    path: str
    body: bytes
    headers: Mapping[str, str] = field(compare=False)

    @property
    def key(self) -> str:
        """What tells it from others; secrets do not."""
        return f"{self.method} {self.path} {hashlib.blake2b(self.body).hexdigest()}"


class Recorder:
    """Passes requests on to a server, and later answers the same ones without it.

    Addresses of the server in small answers become its own, so that clients stay with it.
    """

    def __init__(self, server: Server) -> None:
        self.asked: list[Asked] = []
        self.unknown: list[str] = []
        self.replays = False
        self._upstream = urlsplit(server.address)
        self._answers: dict[str, tuple[int, str, bytes]] = {}
        self._local = threading.local()
        self._listening = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._listening.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._listening.server_port}"
        self._theirs = server.address.encode()
        threading.Thread(target=self._listening.serve_forever, daemon=True).start()
        fields = json.loads(base64.b64decode(server.token))
        fields |= {"api_address": self.address, "api_url": self.address}
        self.token = base64.b64encode(json.dumps(fields).encode()).decode()

    @property
    def facts(self) -> Mapping[str, str]:
        """What a client's task is given."""
        return {"address": self.address, "token": self.token}

    def one(self, path: str) -> Asked:
        """Return the last request whose path ends so."""
        for asked in reversed(self.asked):
            if urlsplit(asked.path).path.endswith(path):
                return asked
        raise TaskFailed(f"the client asked for nothing at {path}")

    def check(self) -> None:
        """Raise where a replay was asked what it had not heard."""
        if self.unknown:
            raise TaskFailed(f"not recorded: {self.unknown[0][:200]}")

    def close(self) -> None:
        """Stop listening."""
        self._listening.shutdown()
        self._listening.server_close()

    def answer(self, asked: Asked) -> tuple[int, str, bytes]:
        """Return status, media type and body."""
        known = self._answers.get(asked.key)
        if known is not None and self.replays:
            return known
        if self.replays:
            self.unknown.append(asked.key)
            return 500, "text/plain", b"not recorded"
        known = self._ask(asked)
        self.asked.append(asked)
        self._answers[asked.key] = known
        return known

    def _ask(self, asked: Asked) -> tuple[int, str, bytes]:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            assert self._upstream.hostname is not None
            connection = http.client.HTTPConnection(self._upstream.hostname, self._upstream.port)
            self._local.connection = connection
        connection.request(asked.method, asked.path, asked.body, dict(asked.headers))
        answer = connection.getresponse()
        body = answer.read()
        if len(body) < _SMALL:
            body = body.replace(self._theirs, self.address.encode())
        return answer.status, answer.headers.get("Content-Type", ""), body

    def _handler(recorder: Recorder) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {
                    name: value
                    for name, value in self.headers.items()
                    if name.lower() in _PASSED_ON
                }
                asked = Asked(self.command, self.path, body, headers)
                status, media_type, content = recorder.answer(asked)
                self.send_response_only(status)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@contextmanager
def recording(server: Server) -> Iterator[Recorder]:
    """Listen in front of a server."""
    recorder = Recorder(server)
    try:
        yield recorder
    finally:
        recorder.close()
