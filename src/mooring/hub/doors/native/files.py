"""Files: small ones in one request, large ones by a signed link, resumed where they broke off.

An upload is a file `uploads/<id>` beside the store, whose name the hub makes up. What a SIGKILL
leaves behind: a part of it, on which the sender goes on, and which is removed after a day.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from mooring.errors import InvalidInput, LinkInvalid, RequestTooLarge, StoreLocked
from mooring.hub.bodies import read_body, stream_body
from mooring.hub.context import Hub
from mooring.hub.doors.native.answers import HEADERS, json_answer, told_errors
from mooring.hub.identity import authenticate
from mooring.store.blobs import file_error
from mooring.store.hub.messages import ROOT

_ID = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NUMBER = re.compile(r"[0-9]{1,18}")
_STALE_S = 24 * 3600.0
_WHOLE_BYTES = 8 << 20


class FileRoutes:
    """Blobs in and out."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._folder = hub.settings.data / "uploads"
        self._swept = 0.0
        routes = (
            ("/blobs", self._put_whole, "POST"),
            ("/blobs/{digest}/link", self._link, "POST"),
            ("/files/{digest}", self._get, "GET"),
            ("/uploads", self._begin, "POST"),
            ("/uploads/{id}", self._append, "PUT"),
            ("/uploads/{id}", self._finish, "POST"),
        )
        self.routes = [
            Route(ROOT + path, told_errors(hub, handler), methods=[method])
            for path, handler, method in routes
        ]

    # whole

    async def _put_whole(self, request: Request) -> Response:
        principal = await run_in_threadpool(authenticate, self._hub.accounts, request)
        body = await read_body(
            request, limit=_WHOLE_BYTES, timeout_s=self._hub.settings.body_timeout_s
        )
        store = self._hub.store_for(principal)
        digest, size = await run_in_threadpool(store.put_blob, body)
        return json_answer({"digest": digest, "size_bytes": size})

    # out

    async def _link(self, request: Request) -> Response:
        principal = await run_in_threadpool(authenticate, self._hub.accounts, request)
        digest = _digest(request.path_params["digest"])

        def measure() -> int:
            with self._hub.store_for(principal).open_blob(digest) as file:
                return file.seek(0, 2)

        size = await run_in_threadpool(measure)
        link = self._hub.links.sign(
            f"{ROOT}/files/{digest}", {}, seconds=self._hub.settings.link_seconds
        )
        return json_answer({"link": link, "size_bytes": size})

    async def _get(self, request: Request) -> Response:
        self._hub.links.check(request.url.path, dict(request.query_params))
        digest = _digest(request.path_params["digest"])

        def place() -> Path:
            with self._hub.store.open_blob(digest) as file:
                return Path(file.name)

        return FileResponse(
            await run_in_threadpool(place),
            media_type="application/octet-stream",
            headers={**HEADERS, "content-disposition": "attachment"},
        )

    # in

    async def _begin(self, request: Request) -> Response:
        principal = await run_in_threadpool(authenticate, self._hub.accounts, request)
        await run_in_threadpool(self._sweep)
        id = uuid.uuid4().hex
        link = self._hub.links.sign(
            f"{ROOT}/uploads/{id}",
            {"user": str(principal.user)},
            seconds=self._hub.settings.link_seconds,
        )
        return json_answer({"link": link})

    async def _append(self, request: Request) -> Response:
        _, id, facts = self._check(request)
        offset = _number(facts.get("offset"), "offset")
        settings = self._hub.settings
        path = self._folder / id
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                _take_alone(file)
                position = file.seek(0, os.SEEK_END)
                if offset == position:
                    left = settings.max_upload_bytes - position
                    try:
                        async for piece in stream_body(
                            request, limit=left, timeout_s=settings.body_timeout_s
                        ):
                            await run_in_threadpool(file.write, piece)
                    except RequestTooLarge:
                        raise RequestTooLarge(
                            f"the file is longer than {settings.max_upload_bytes} bytes, which "
                            "this hub takes at most",
                            status=413,
                        ) from None
                    file.flush()
                    position = file.tell()
        except OSError as error:
            raise file_error(error, path) from error
        return json_answer({"offset": position})

    async def _finish(self, request: Request) -> Response:
        user, id, facts = self._check(request)
        digest = _digest(facts.get("digest", ""))
        size = _number(facts.get("size"), "size")
        path = self._folder / id

        def store() -> tuple[str, int]:
            if not path.exists():  # its answer got lost, and it is asked for again
                with self._hub.store.open_blob(digest) as file:
                    return digest, file.seek(0, 2)
            if path.stat().st_size != size:
                raise InvalidInput(f"{path.stat().st_size} of {size} bytes have arrived")
            with path.open("rb") as file:
                found, length = self._hub.store.put_blob(file)
            if found != digest:
                path.unlink()
                raise InvalidInput("the file arrived with other bytes than were sent; send it anew")
            self._hub.accounts.note_upload(found, user)
            path.unlink(missing_ok=True)
            return found, length

        found, length = await run_in_threadpool(store)
        return json_answer({"digest": found, "size_bytes": length})

    def _check(self, request: Request) -> tuple[int, str, dict[str, str]]:
        """Return user, id and what the sender added to the link of an upload."""
        query = dict(request.query_params)
        added: dict[str, str] = {}
        for name in ("offset", "digest", "size"):
            if name in query:
                added[name] = query.pop(name)
        facts = self._hub.links.check(request.url.path, query)
        id = request.path_params["id"]
        if not _ID.fullmatch(id) or not facts.get("user", "").isdecimal():
            raise LinkInvalid("this is no link of an upload", status=403)
        return int(facts["user"]), id, added

    def _sweep(self) -> None:
        """Remove uploads that nobody went on with for a day."""
        now = time.time()
        if now - self._swept < 600.0:
            return
        self._swept = now
        for path in _files(self._folder):
            try:
                if now - path.stat().st_mtime > _STALE_S:
                    path.unlink()
            except FileNotFoundError:
                continue  # another worker was faster


def _take_alone(file: IO[bytes]) -> None:
    """Keep requests apart that bring parts of one file; the lock ends with the open file.

    One whose sender has gone may still hold it, until the hub sees that.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StoreLocked("another request is bringing a part of this file") from None


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if _ID.fullmatch(path.name))


def _digest(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise InvalidInput(f"a file is named by its SHA-256 in hex, not {text[:80]!r}")
    return text


def _number(text: str | None, what: str) -> int:
    if text is None or not _NUMBER.fullmatch(text):
        raise InvalidInput(f"{what} is a number of bytes, not {text!r:.40}")
    return int(text)
