"""Where signed links lead: bytes in by PUT, bytes out by GET, in the manners of S3 and Azure.

A link is all the permission that it needs. What a SIGKILL leaves behind: of a file that is still
coming, nothing; after it is a blob, content that nothing refers to, which a compaction removes;
after it is entered, all of it. The sender has no answer until then, and sends it again.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from mooring.errors import (
    InvalidInput,
    LinkInvalid,
    MooringError,
    NotFound,
    RequestTooLarge,
    SegmentMissing,
)
from mooring.hub.bodies import stream_body
from mooring.hub.context import Hub
from mooring.hub.doors.neptune3.file_refs import find_content
from mooring.hub.doors.neptune3.links import FOLDER, Grant, LinkExpired, StorageLinks
from mooring.hub.doors.neptune3.parts import Parts
from mooring.store.blobs import file_error
from mooring.store.uploads import Upload
from mooring.wire.neptune3.storage import Provider, begins_within, encode_error, read_query

_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_OCTETS = "application/octet-stream"
"""Never a type that a browser would run: the content is whatever somebody brought."""

_Handler = Callable[[Request, Grant], Awaitable[Response]]


class StorageRoutes:
    """Bytes in and out."""

    def __init__(self, hub: Hub, links: StorageLinks, parts: Parts) -> None:
        self._hub = hub
        self._links = links
        self._parts = parts
        self._folder = hub.settings.data / "uploads"
        self.routes: list[BaseRoute] = [
            Route(f"{FOLDER}/{{token}}", self._endpoint({"get": self._get}), methods=["GET"]),
            Route(
                f"{FOLDER}/{{token}}",
                self._endpoint({"put": self._put, "part": self._put_part}),
                methods=["PUT"],
            ),
        ]

    def _endpoint(self, handlers: dict[str, _Handler]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                token, query = request.path_params["token"], dict(request.query_params)
                grant = self._links.check(token, query)
                handler = handlers.get(grant.action)
                if handler is None:
                    raise LinkInvalid("this link is good for something else", status=403)
                return await handler(request, grant)
            except MooringError as error:
                return self._refuse(request, error)

        return answer

    # out

    async def _get(self, request: Request, grant: Grant) -> Response:
        digest, path, size = await run_in_threadpool(self._find, grant)
        etag = f'"{digest}"'
        asked = request.headers.get("x-ms-range") or request.headers.get("range")
        if request.headers.get("if-match", etag) not in (etag, "*"):
            return _error(412, "ConditionNotMet", "another file came to this path meanwhile")
        if asked and not begins_within(asked, size):
            told = _error(416, "InvalidRange", "the file ends before this range")
            told.headers["content-range"] = f"bytes */{size}"
            return told
        if "x-ms-range" in request.headers:  # Azure's name for it, and the one that counts there
            named = (b"range", request.headers["x-ms-range"].encode("latin-1"))
            headers = [header for header in request.scope["headers"] if header[0] != b"range"]
            request.scope["headers"] = [*headers, named]
        return FileResponse(
            path,
            media_type=_OCTETS,
            headers={
                **_HEADERS,
                "etag": etag,
                "x-ms-blob-type": "BlockBlob",
                "content-disposition": "attachment",
            },
        )

    def _find(self, grant: Grant) -> tuple[str, Path, int]:
        digest = find_content(self._hub.store, grant.project, grant.path)
        if digest is None:
            raise NotFound(grant.path[:200], where="the files of this project")
        with self._hub.store.open_blob(digest) as file:
            return digest, Path(file.name), file.seek(0, 2)

    # in

    async def _put(self, request: Request, grant: Grant) -> Response:
        limit = self._hub.settings.max_upload_bytes
        with await run_in_threadpool(self._open_nameless) as target:
            await self._receive(request, target, limit)
            digest = await run_in_threadpool(self._store, target, grant)
        return _stored(digest)

    def _store(self, content: IO[bytes], grant: Grant) -> str:
        store = self._hub.store
        content.seek(0)
        digest, size = store.put_blob(content)  # type: ignore[arg-type]
        self._hub.accounts.note_upload(digest, grant.user)
        store.enter_upload(grant.project, grant.path, Upload(digest, size))
        return digest

    async def _put_part(self, request: Request, grant: Grant) -> Response:
        with await run_in_threadpool(self._create_part, grant) as target:
            digest = await self._receive(request, target, grant.limit)
            await run_in_threadpool(self._keep_part, target, grant, digest)
        return _stored(digest)

    async def _receive(self, request: Request, target: IO[bytes], limit: int) -> str:
        """Write a body into a file; return its SHA-256."""
        hasher = hashlib.sha256()

        def take(piece: bytes) -> None:
            hasher.update(piece)
            try:
                target.write(piece)
            except OSError as error:
                raise file_error(error, self._folder) from error

        timeout_s = self._hub.settings.body_timeout_s
        async for piece in stream_body(request, limit=limit, timeout_s=timeout_s):
            await run_in_threadpool(take, piece)
        return hasher.hexdigest()

    def _open_nameless(self) -> IO[bytes]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return tempfile.TemporaryFile(dir=self._folder)
        except OSError as error:
            raise file_error(error, self._folder) from error

    def _create_part(self, grant: Grant) -> IO[bytes]:
        try:
            return self._parts.create(grant.upload)
        except OSError as error:
            raise file_error(error, self._folder) from error

    def _keep_part(self, target: IO[bytes], grant: Grant, digest: str) -> None:
        try:
            self._parts.keep(target, grant.upload, grant.number, digest)
        except OSError as error:
            raise file_error(error, self._folder) from error

    # errors

    def _refuse(self, request: Request, error: MooringError) -> Response:
        given = read_query(request.query_params)
        azure = given is not None and given.provider is Provider.AZURE
        status, code = _refusal(error, write=request.method == "PUT", azure=azure)
        return _error(status, code, self._hub.told(str(error)))


def _refusal(error: MooringError, *, write: bool, azure: bool) -> tuple[int, str]:
    """Return status and code of an error, as clients act on them."""
    match error:
        case LinkExpired() if write:
            return 503, "ExpiredToken"  # they ask for a new link then, and drop the file otherwise
        case LinkExpired() if not azure:
            return 400, "ExpiredToken"
        case LinkInvalid():
            return 403, "AuthenticationFailed" if azure else "SignatureDoesNotMatch"
        case NotFound() | SegmentMissing():
            return 404, "BlobNotFound" if azure else "NoSuchKey"
        case RequestTooLarge():
            return 413, "EntityTooLarge"
        case InvalidInput():
            return 400, "InvalidRequest"
    return 503, "ServiceUnavailable"  # the disk is full, the sender was too slow: again, later


def _error(status: int, code: str, message: str) -> Response:
    return Response(
        encode_error(code, message),
        status_code=status,
        media_type="application/xml",
        headers={**_HEADERS, "x-ms-error-code": code},
    )


def _stored(digest: str) -> Response:
    return Response(b"", headers={**_HEADERS, "etag": f'"{digest}"'})
