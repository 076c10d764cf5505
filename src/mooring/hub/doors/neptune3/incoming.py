"""Bytes that come in by signed links: whole files, parts of S3, blocks of Azure, Google's sessions.

What a SIGKILL leaves behind: of a whole file that is still coming, nothing; of one that comes in
pieces, those that were acknowledged; after it is a blob, content that nothing refers to, which a
compaction removes; after it is entered, all of it. The sender has no answer until then, and sends
it again.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, BinaryIO, TypeVar, cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from mooring.errors import HubBusy, InvalidInput, NotFound, RequestTooLarge
from mooring.hub.bodies import PRIVATE_HEADERS, read_body, stream_body
from mooring.hub.context import Hub
from mooring.hub.doors.neptune3.links import Grant, StorageLinks
from mooring.hub.doors.neptune3.parts import STALE_S, Parts, joined
from mooring.store.blobs import file_error
from mooring.store.uploads import Upload
from mooring.wire.neptune3.storage import (
    Provider,
    Span,
    decode_block_id,
    decode_block_list,
    decode_content_range,
    read_query,
)

_MAX_LIST_BYTES = 8 << 20

_Result = TypeVar("_Result")


class Incoming:
    """Takes files, each by the manner of its link."""

    def __init__(self, hub: Hub, links: StorageLinks, parts: Parts) -> None:
        self._hub = hub
        self._links = links
        self._parts = parts
        self._folder = hub.settings.data / "uploads"
        self._limit = hub.settings.max_upload_bytes

    async def put(self, request: Request, grant: Grant) -> Response:
        """Take a whole file; or a block of one, or the list of its blocks, as Azure has them."""
        given = read_query(request.query_params)
        azure = given is not None and given.provider is Provider.AZURE
        step = request.query_params.get("comp") if azure else None
        if step == "block":
            return await self._put_block(request, grant)
        if step == "blocklist":
            return await self._put_block_list(request, grant)
        if step is not None:
            raise InvalidInput("comp is block or blocklist")
        with await run_in_threadpool(self._open_nameless) as target:
            await self._receive(request, target, self._limit)
            digest = await run_in_threadpool(self._store, target, grant)
        return _stored(digest, 201 if azure else 200)

    async def put_part(self, request: Request, grant: Grant) -> Response:
        """Take a part of a file, which a completion joins."""
        with await run_in_threadpool(self._create_part, grant) as target:
            digest = await self._receive(request, target, grant.limit)
            await run_in_threadpool(
                self._told, lambda: self._parts.keep(target, grant.upload, grant.number, digest)
            )
        return _stored(digest)

    # Azure's blocks

    async def _put_block(self, request: Request, grant: Grant) -> Response:
        name = decode_block_id(request.query_params.get("blockid", ""))
        with await run_in_threadpool(self._create_part, grant) as target:
            digest = await self._receive(request, target, self._limit)
            await run_in_threadpool(
                self._told, lambda: self._parts.keep_block(target, grant.upload, name)
            )
        return _stored(digest, 201)

    async def _put_block_list(self, request: Request, grant: Grant) -> Response:
        body = await read_body(
            request, limit=_MAX_LIST_BYTES, timeout_s=self._hub.settings.body_timeout_s
        )
        names = decode_block_list(body)
        digest = await run_in_threadpool(self._told, lambda: self._join(grant, names))
        return _stored(digest, 201)

    def _join(self, grant: Grant, names: Sequence[str]) -> str:
        paths = self._parts.find_blocks(grant.upload, names)
        done = self._find_done(grant)
        if done is not None:  # the first answer got lost
            return done
        if paths is None:
            raise InvalidInput("a block of the list has not arrived; send it again")
        source = joined(paths)
        try:
            if sum(path.stat().st_size for path in paths) > self._limit:
                raise RequestTooLarge(f"the blocks have more than {self._limit} bytes together")
            digest, size = self._hub.store.put_blob(source)
        except (NotFound, FileNotFoundError):  # a copy of this request has joined them meanwhile
            done = self._find_done(grant)
            if done is None:
                raise HubBusy("another request joins these blocks; try again") from None
            return done
        finally:
            source.close()
        self._enter(digest, size, grant)
        for path in self._parts.list_blocks(grant.upload):
            path.unlink(missing_ok=True)
        return digest

    # Google's sessions

    async def begin_session(self, request: Request, grant: Grant) -> Response:
        """Begin a file that comes piece by piece, and tell where to."""
        given = read_query(request.query_params)
        if given is None or given.provider is not Provider.GCP:
            raise InvalidInput("files are sent to this link by PUT")
        if request.headers.get("x-goog-resumable", "").lower() != "start":
            raise InvalidInput("X-Goog-Resumable: start begins an upload")
        id = uuid.uuid4().hex
        await run_in_threadpool(self._told, lambda: self._parts.begin_session(id))
        session = Grant(
            action="session", project=grant.project, path=grant.path, user=grant.user, upload=id
        )
        link = self._links.sign(session, seconds=int(STALE_S), provider=Provider.GCP)
        return Response(b"", 201, headers={**PRIVATE_HEADERS, "location": link})

    async def put_session(self, request: Request, grant: Grant) -> Response:
        """Take the next piece, and tell how much there is; or the last one, and enter the file."""
        file = await run_in_threadpool(self._open_session, grant)
        if file is None:
            done = await run_in_threadpool(self._find_done, grant)
            if done is not None:  # the answer to the last piece got lost
                return _stored(done)
            raise HubBusy("this upload is not known any more; begin it again")
        with file:
            held = file.seek(0, os.SEEK_END)
            span = self._span(request, held)
            if span.length and span.first <= held:  # else it is told where to go on
                file.seek(span.first)
                await self._receive(request, file, span.length)
                if file.tell() != span.first + span.length:
                    raise InvalidInput("fewer bytes came than Content-Range tells")
                held = file.seek(0, os.SEEK_END)
            if span.total is None or held < span.total:
                return _incomplete(held)
            if held > span.total:
                raise InvalidInput(f"{held} bytes have come of a file of {span.total}")
            digest = await run_in_threadpool(self._store, file, grant)
            await run_in_threadpool(self._parts.end_session, grant.upload)
        return _stored(digest)

    def _open_session(self, grant: Grant) -> IO[bytes] | None:
        try:
            return self._told(lambda: self._parts.open_session(grant.upload))
        except BlockingIOError:
            raise HubBusy("another request writes to this upload; try again") from None

    def _span(self, request: Request, held: int) -> Span:
        header, length = request.headers.get("content-range"), request.headers.get("content-length")
        if header is not None:
            span = decode_content_range(header, size=held)
        elif length is not None and length.isdecimal():
            span = Span(0, int(length), int(length))
        else:
            raise InvalidInput("Content-Range tells which bytes of the file come")
        if max(span.total or 0, span.first + span.length) > self._limit:
            raise RequestTooLarge(f"the file is longer than {self._limit} bytes")
        return span

    # all of them

    async def _receive(self, request: Request, target: IO[bytes], limit: int) -> str:
        """Write a body into a file; return its SHA-256."""
        hasher = hashlib.sha256()

        def take(piece: bytes) -> None:
            hasher.update(piece)
            self._told(lambda: _write(target, piece))

        timeout_s = self._hub.settings.body_timeout_s
        async for piece in stream_body(request, limit=limit, timeout_s=timeout_s):
            await run_in_threadpool(take, piece)
        return hasher.hexdigest()

    def _open_nameless(self) -> IO[bytes]:
        def make() -> IO[bytes]:
            self._folder.mkdir(parents=True, exist_ok=True)
            return tempfile.TemporaryFile(dir=self._folder, buffering=0)

        return self._told(make)

    def _create_part(self, grant: Grant) -> IO[bytes]:
        return self._told(lambda: self._parts.create(grant.upload))

    def _store(self, content: IO[bytes], grant: Grant) -> str:
        content.seek(0)
        digest, size = self._hub.store.put_blob(cast(BinaryIO, content))
        self._enter(digest, size, grant)
        return digest

    def _enter(self, digest: str, size: int, grant: Grant) -> None:
        self._hub.accounts.note_upload(digest, grant.user)
        upload = Upload(digest, size, grant.upload)
        self._hub.store.enter_upload(grant.project, grant.path, upload)

    def _find_done(self, grant: Grant) -> str | None:
        """Return the digest of what this upload has brought, if it has."""
        known = self._hub.store.find_uploads(grant.project, [grant.path]).get(grant.path)
        return known.digest if known is not None and known.id == grant.upload else None

    def _told(self, act: Callable[[], _Result]) -> _Result:
        """Do what writes to the disk; its errors are told in our words."""
        try:
            return act()
        except BlockingIOError:
            raise
        except OSError as error:
            raise file_error(error, Path(self._folder)) from error


def _write(target: IO[bytes], piece: bytes) -> None:
    """Write all of a piece into a file without a buffer: what failed is not tried at its end."""
    left = memoryview(piece)
    while left:
        left = left[target.write(left) :]


def _stored(digest: str, status: int = 200) -> Response:
    return Response(b"", status, headers={**PRIVATE_HEADERS, "etag": f'"{digest}"'})


def _incomplete(held: int) -> Response:
    told = {"range": f"bytes=0-{held - 1}"} if held else {}
    return Response(b"", 308, headers={**PRIVATE_HEADERS, **told})
