"""Where signed links lead: bytes in and out, in the manners of S3, Azure and Google.

A link is all the permission that it needs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

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
from mooring.hub.bodies import PRIVATE_HEADERS
from mooring.hub.context import Hub
from mooring.hub.doors.neptune3.file_refs import find_content
from mooring.hub.doors.neptune3.incoming import Incoming
from mooring.hub.doors.neptune3.links import FOLDER, Grant, LinkExpired, StorageLinks
from mooring.hub.doors.neptune3.parts import Parts
from mooring.wire.neptune3.storage import Provider, begins_within, encode_error, read_query

_OCTETS = "application/octet-stream"
"""Never a type that a browser would run: the content is whatever somebody brought."""

_Handler = Callable[[Request, Grant], Awaitable[Response]]


class StorageRoutes:
    """Bytes in and out."""

    def __init__(self, hub: Hub, links: StorageLinks, parts: Parts) -> None:
        self._hub = hub
        self._links = links
        incoming = Incoming(hub, links, parts)
        self.routes: list[BaseRoute] = [
            Route(f"{FOLDER}/{{token}}", self._endpoint({"get": self._get}), methods=["GET"]),
            Route(
                f"{FOLDER}/{{token}}",
                self._endpoint(
                    {
                        "put": incoming.put,
                        "part": incoming.put_part,
                        "session": incoming.put_session,
                    }
                ),
                methods=["PUT"],
            ),
            Route(
                f"{FOLDER}/{{token}}",
                self._endpoint({"put": incoming.begin_session}),
                methods=["POST"],
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
                **PRIVATE_HEADERS,
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

    # errors

    def _refuse(self, request: Request, error: MooringError) -> Response:
        given = read_query(request.query_params)
        azure = given is not None and given.provider is Provider.AZURE
        status, code = _refusal(error, write=request.method in ("PUT", "POST"), azure=azure)
        return _error(status, code, self._hub.told(str(error)))


def _refusal(error: MooringError, *, write: bool, azure: bool) -> tuple[int, str]:
    """Return status and code of an error, as clients act on them."""
    match error:
        case LinkExpired() if write and not azure:
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
        headers={**PRIVATE_HEADERS, "x-ms-error-code": code},
    )
