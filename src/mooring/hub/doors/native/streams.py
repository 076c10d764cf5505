"""What is long: points in and out, updates, whole runs, compaction.

What a SIGKILL of the hub leaves behind: of points, updates and imports all or nothing, by the
store; whoever sent them repeats them under the same name.
"""

from __future__ import annotations

import queue
import re
from collections.abc import Callable, Iterator
from typing import Any

from starlette.background import BackgroundTask
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from mooring.errors import InvalidInput, MooringError, RunNotFound
from mooring.hub.accounts import Role
from mooring.hub.bodies import is_short, read_body, stream_body
from mooring.hub.context import Hub
from mooring.hub.doors.native.answers import (
    HEADERS,
    json_answer,
    told_errors,
    value_answer,
)
from mooring.hub.guarded import GuardedStore
from mooring.hub.identity import authenticate
from mooring.store.contract import PathSelector, SeriesQuery
from mooring.store.hub.importing import ImportReceiver
from mooring.store.hub.messages import CODEC, REQUEST_HEADER, ROOT, encode_receipt
from mooring.store.hub.updates import decode_updates
from mooring.wire.native import conforms, encode_error

_NAME = re.compile(r"[0-9a-f]{32}")
_NUMBER = re.compile(r"[0-9]{1,19}")

_LONG = 64 << 20
"""Bytes from which on an answer is made by a thread, piece by piece."""


class StreamRoutes:
    """Series, points, updates, imports, compaction."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        posts = {
            "/series": self._series,
            "/runs/{key}/points": self._points,
            "/runs/{key}/updates": self._updates,
            "/imports": self._imports,
            "/compact": self._compact,
        }
        self.routes = [
            Route(ROOT + path, told_errors(hub, handler), methods=["POST"])
            for path, handler in posts.items()
        ]

    async def _store(self, request: Request) -> GuardedStore:
        principal = await run_in_threadpool(authenticate, self._hub.accounts, request)
        return self._hub.store_for(principal)

    async def _arguments(self, request: Request, forms: dict[str, Any]) -> dict[str, Any]:
        settings = self._hub.settings
        body = await read_body(
            request, limit=settings.max_body_bytes, timeout_s=settings.body_timeout_s
        )
        found = CODEC.decode(body) if body else {}
        if not isinstance(found, dict) or set(found) != set(forms):
            raise InvalidInput(f"this takes the arguments {', '.join(sorted(forms))}")
        for name, form in forms.items():
            if not conforms(found[name], form):
                raise InvalidInput(f"{name} cannot be {found[name]!r:.100}")
        return found

    async def _body(self, request: Request) -> bytes:
        settings = self._hub.settings
        return await read_body(
            request, limit=settings.max_stream_bytes, timeout_s=settings.body_timeout_s
        )

    async def _series(self, request: Request) -> Response:
        store = await self._store(request)
        forms = {"keys": list[int], "select": PathSelector, "query": SeriesQuery}
        arguments = await self._arguments(request, forms)

        def read() -> tuple[int, Iterator[bytes | memoryview]]:
            from mooring.wire.native.columns import stream_table

            return stream_table(store.read_series(**arguments))

        size, pieces = await run_in_threadpool(read)
        return _stream(pieces, size)

    async def _points(self, request: Request) -> Response:
        def write(store: GuardedStore, key: int, body: bytes) -> dict[str, Any]:
            from mooring.wire.native.columns import read_table

            name = _name(request.headers.get(REQUEST_HEADER, ""), f"the header {REQUEST_HEADER}")
            return {"points": store.write_table_once(key, read_table(body), request=name)}

        return await self._written(request, write)

    async def _updates(self, request: Request) -> Response:
        def write(store: GuardedStore, key: int, body: bytes) -> dict[str, Any]:
            writer = _name(request.query_params.get("writer", ""), "writer")
            first = request.query_params.get("first", "")
            if not _NUMBER.fullmatch(first) or not 0 < int(first) < 2**63:
                raise InvalidInput(f"first is the number of the first update, not {first[:40]!r}")
            return encode_receipt(store.append_batch(key, writer, int(first), decode_updates(body)))

        return await self._written(request, write)

    async def _written(
        self, request: Request, write: Callable[[GuardedStore, int, bytes], dict[str, Any]]
    ) -> Response:
        """Answer what came of a body that is written to a run, if the user may do that.

        They may before a long body is read; with a short one all is done by one thread.
        """

        def admit() -> tuple[GuardedStore, int]:
            store = self._hub.store_for(authenticate(self._hub.accounts, request))
            key = _key(request)
            store.need_runs([key], Role.CONTRIBUTOR)
            return store, key

        admitted = None if is_short(request) else await run_in_threadpool(admit)
        body = await self._body(request)

        def act() -> dict[str, Any]:
            store, key = admitted or admit()
            return write(store, key, body)

        return json_answer(await run_in_threadpool(act))

    async def _imports(self, request: Request) -> Response:
        store = await self._store(request)
        settings = self._hub.settings
        folder = settings.data / "incoming"
        folder.mkdir(parents=True, exist_ok=True)
        given = request.headers.get(REQUEST_HEADER)
        name = None if given is None else _name(given, f"the header {REQUEST_HEADER}")
        receiver = ImportReceiver(
            lambda spec: store.import_run(spec, request=name),
            folder,
            max_message=settings.max_body_bytes,
        )
        try:
            async for piece in stream_body(
                request, limit=settings.max_stream_bytes, timeout_s=settings.body_timeout_s
            ):
                await run_in_threadpool(receiver.feed, piece)
            if receiver.run is None:
                raise InvalidInput("the import ended before its commit; nothing was entered")
            return value_answer(receiver.run)
        finally:
            await run_in_threadpool(receiver.close)

    async def _compact(self, request: Request) -> Response:
        store = await self._store(request)
        arguments = await self._arguments(request, {"project": str | None, "events": bool})
        # What is refused at once is refused with a status.
        if arguments["project"] is None:
            store.need_admin("compacting the whole store")
        else:
            await run_in_threadpool(store.need_project, arguments["project"])
        return StreamingResponse(
            _report_lines(lambda tell: store.compact(progress=tell, **arguments)),
            media_type="application/x-ndjson",
            headers=HEADERS,
        )


def _stream(pieces: Iterator[bytes | memoryview], size: int) -> Response:
    from mooring.wire.native.columns import STREAM_TYPE

    long = size > _LONG
    return StreamingResponse(
        iterate_in_threadpool(pieces) if long else _at_once(pieces),
        media_type=STREAM_TYPE,
        headers={**HEADERS, "content-length": str(size)},
        background=BackgroundTask(_give_back) if long else None,
    )


def _give_back() -> None:
    """Return to the system what Arrow keeps of a long answer for the next one."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


async def _at_once(pieces: Iterator[bytes | memoryview]) -> Any:
    for piece in pieces:
        yield piece


async def _report_lines(work: Callable[[Callable[[int, int], None]], object]) -> Any:
    """Yield progress as it comes, then the result or the error, a message a line."""
    import asyncio

    told: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
    running = asyncio.ensure_future(
        run_in_threadpool(work, lambda done, total: told.put((done, total)))
    )
    while not running.done():
        await asyncio.wait([running], timeout=0.2)
        latest = None
        while not told.empty():
            latest = told.get()
        if latest is not None:
            yield CODEC.encode(list(latest)) + b"\n"
    try:
        yield CODEC.encode(running.result()) + b"\n"
    except MooringError as error:
        yield CODEC.encode({"error": encode_error(error)}) + b"\n"


def _key(request: Request) -> int:
    text = request.path_params["key"]
    if not _NUMBER.fullmatch(text):
        raise RunNotFound(text[:40])
    return int(text)


def _name(text: str, what: str) -> str:
    if not _NAME.fullmatch(text):
        raise InvalidInput(f"{what} is a name of 32 hex digits, not {text[:40]!r}")
    return text
