"""What a hub tells of itself: a structured line for each request, and metrics for Prometheus.

Lines hold method, route, status, milliseconds, bytes and the user's name; never a query, a body or
a token, which are where secrets are.
"""

from __future__ import annotations

import os
import time
import uuid
from typing import TYPE_CHECKING, Any, TextIO

import orjson
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where the metrics of several processes lie; the one who starts them sets it."""


class Meters:
    """Counters of one hub process."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "mooring_requests_total",
            "Requests by door, route, method and status.",
            ["door", "route", "method", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "mooring_request_seconds",
            "Time until the last byte of an answer, by door.",
            ["door"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.active = Gauge(
            "mooring_requests_active",
            "Requests being answered.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.received = Counter(
            "mooring_received_bytes_total", "Bytes of bodies received.", registry=self.registry
        )
        self.sent = Counter(
            "mooring_sent_bytes_total", "Bytes of answers sent.", registry=self.registry
        )
        self.faults = Counter(
            "mooring_faults_total",
            "Requests that ended in a fault of the hub's own.",
            registry=self.registry,
        )

    def render(self) -> bytes:
        """Return the metrics as Prometheus reads them: of all processes of this hub."""
        if SHARED_FOLDER not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


class Observed:
    """ASGI middleware: counts and tells each request."""

    def __init__(self, app: ASGIApp, meters: Meters, lines: TextIO | None = None) -> None:
        self._app = app
        self._meters = meters
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        meters = self._meters
        seen: dict[str, Any] = {"status": 500, "in": 0, "out": 0}
        name = uuid.uuid4().hex[:16]
        scope["mooring.request"] = name

        async def counted_receive() -> Message:
            message = await receive()
            seen["in"] += len(message.get("body", b""))
            return message

        async def counted_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                headers = [*message.get("headers", ()), (b"x-request-id", name.encode())]
                message = {**message, "headers": headers}
            seen["out"] += len(message.get("body", b""))
            await send(message)

        start = time.perf_counter()
        with meters.active.track_inprogress():
            try:
                await self._app(scope, counted_receive, counted_send)
            finally:
                self._tell(scope, name, seen, time.perf_counter() - start)

    def _tell(self, scope: Scope, name: str, seen: dict[str, Any], seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or "other"
        door = _door(route)
        meters = self._meters
        meters.requests.labels(door, route, scope["method"], seen["status"]).inc()
        meters.seconds.labels(door).observe(seconds)
        meters.received.inc(seen["in"])
        meters.sent.inc(seen["out"])
        if self._lines is None or route in ("/health", "/metrics"):
            return
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + "Z",
            "request": name,
            "method": scope["method"],
            "route": route,
            "status": seen["status"],
            "ms": round(seconds * 1000, 2),
            "bytes_in": seen["in"],
            "bytes_out": seen["out"],
            "user": scope.get("mooring.user"),
        }
        self._lines.write(orjson.dumps(line).decode() + "\n")
        self._lines.flush()


def _door(route: str) -> str:
    if route.startswith("/api/mooring/"):
        return "native"
    if route.startswith("/api/v1/"):
        return "auger"
    return "hub"
