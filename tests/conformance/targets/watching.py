"""A server that takes what Pluto's client sends, and keeps it.

It is not Pluto's: it shows what is sent, and nothing of what Pluto makes of it.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Watcher:
    """Listens on a port of its own; `requests` holds bodies by path."""

    def __init__(self) -> None:
        self.requests: dict[str, list[Any]] = defaultdict(list)
        self.files: dict[str, bytes] = {}
        self.runs: dict[str, int] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def urls(self) -> dict[str, str]:
        """Return Pluto's four addresses, all of them this server's."""
        return dict.fromkeys(("url_app", "url_api", "url_ingest", "url_py"), self.address)

    def of_run(self, path: str, run_id: str) -> list[Any]:
        """Return what came to a path for a run."""
        return [body for run, body in self.requests[path] if run == run_id]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, path: str, run: str, body: bytes) -> Any:
        """Keep a request; return the answer."""
        lines = [json.loads(line) for line in body.splitlines() if line.strip()]
        if path == "/api/runs/create":
            (told,) = lines
            resumed = told["externalId"] in self.runs
            number = self.runs.setdefault(told["externalId"], len(self.runs) + 1)
            self.requests[path].append((str(number), told))
            return {"url": f"{self.address}/r/{number}", "runId": number, "resumed": resumed}
        if path == "/api/slug":
            return {"organization": {"slug": "team"}}
        if path == "/api/runs/config/update":
            run = str(lines[0]["runId"])
        for told in lines:
            self.requests[path].append((run, told))
        if path == "/files":
            names = [file["fileName"] for told in lines for file in told["files"]]
            return {"Artifact": [{name: f"{self.address}/put/{name}"} for name in names]}
        return {"status": "RUNNING"}

    def _handler(watcher) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                run = self.headers.get("X-Run-Id", "")
                self._answer(json.dumps(watcher.take(self.path, run, body)).encode())

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                watcher.files[self.path.removeprefix("/put/")] = body
                self._answer(b"")

            def _answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        return Handler
