"""Uploads by form and downloads by link: what the signed urls of this door lead to.

A form carries its permission in its fields, as `create_project_file_url` gave them: nothing else is
asked for. Its file is written to a file without a name beside the store, then to the blobs, then
noted under its key. What a SIGKILL leaves behind: of a file that is still coming, nothing; after it
is a blob, content that nothing refers to, which a compaction removes; after it is noted, all of it.
"""

from __future__ import annotations

import mimetypes
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from mooring.errors import (
    InvalidInput,
    LinkInvalid,
    MooringError,
    NotFound,
    RequestTooLarge,
    SegmentMissing,
    StoreError,
)
from mooring.hub.bodies import PRIVATE_HEADERS, stream_body
from mooring.hub.context import Hub
from mooring.hub.doors.auger.files import BLOB, STORED, UPLOAD, find_stored, remember_upload
from mooring.hub.doors.auger.keys import model_of
from mooring.hub.doors.auger.records import Records
from mooring.model import FileRef, RunKind
from mooring.store.appending import Assign
from mooring.store.blobs import file_error

_FORM_BYTES = 1 << 20
"""How much longer than its file a form may be."""
_MAX_FIELDS = 64
_SIGNED = frozenset({"key", "project", "user", "success_action_status", "expires", "signature"})
_MAX_NAME = 255
MODEL = "model"
"""The attribute of a trial's run that holds its model."""


def upload_routes(hub: Hub) -> list[BaseRoute]:
    """Return the routes that signed urls lead to."""

    async def upload(request: Request) -> Response:
        try:
            return await _take(hub, request)
        except MooringError as error:
            return _refuse(hub, error)

    async def stored(request: Request) -> Response:
        try:
            facts = hub.links.check(STORED, dict(request.query_params))
            return await run_in_threadpool(_find, hub, facts)
        except MooringError as error:
            return _refuse(hub, error)

    async def blob(request: Request) -> Response:
        try:
            facts = hub.links.check(BLOB, dict(request.query_params))
            return await run_in_threadpool(
                _send, hub, facts.get("digest", ""), facts.get("name", "")
            )
        except MooringError as error:
            return _refuse(hub, error)

    return [
        Route(UPLOAD, upload, methods=["POST"]),
        Route(STORED, stored, methods=["GET"]),
        Route(BLOB, blob, methods=["GET"]),
    ]


# out


def _find(hub: Hub, facts: dict[str, str]) -> Response:
    project, key = facts.get("project", ""), facts.get("key", "")
    found = find_stored(Records(hub.store), project, key)
    file = found.values.get("file") if found is not None else None
    if not isinstance(file, FileRef):
        raise NotFound(key, where=project)
    return _send(hub, file.digest, file.name)


def _send(hub: Hub, digest: str, name: str) -> Response:
    with hub.store.open_blob(digest) as file:
        path = Path(file.name)
    return FileResponse(
        path,
        # Never a type that a browser would run: the content is whatever somebody brought.
        media_type="application/octet-stream",
        filename=name or digest[:12],
        headers=PRIVATE_HEADERS,
    )


# in


@dataclass(slots=True)
class _Form:
    """A multipart body, as it comes: small fields in memory, the file to `target`."""

    target: IO[bytes]
    limit: int
    check: Callable[[dict[str, str]], dict[str, str]]
    """Raises unless the fields, which come before the file, allow it."""
    facts: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    file_name: str | None = None
    file_type: str = ""
    size: int = 0
    ended: bool = False
    _name: str = ""
    _header: bytes = b""
    _content: bytes = b""
    _headers: dict[str, bytes] = field(default_factory=dict)
    _part: bytearray = field(default_factory=bytearray)
    _in_file: bool = False
    _kept: int = 0

    def callbacks(self) -> dict[str, Any]:
        """Return what the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _keep(self, data: bytes) -> bytes:
        self._kept += len(data)
        if self._kept > _FORM_BYTES:
            raise RequestTooLarge("the fields of the form are too long")
        return data

    def _begin(self) -> None:
        self._headers, self._part = {}, bytearray()
        self._header = self._content = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += self._keep(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._content += self._keep(data[start:end])

    def _header_end(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = self._content
        self._header = self._content = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._in_file = self._name == "file"
        if self._in_file:
            if self.file_name is not None:
                raise InvalidInput("the form holds more than one file")
            self.facts = self.check(self.fields)
            told = options.get(b"filename", b"").decode("utf-8", "replace")
            self.file_name = told.replace("\\", "/").rpartition("/")[2][:_MAX_NAME]
            self.file_type = self._headers.get("content-type", b"").decode("latin-1")[:200]

    def _data(self, data: bytes, start: int, end: int) -> None:
        if not self._in_file:
            self._part += self._keep(data[start:end])
            return
        self.size += end - start
        if self.size > self.limit:
            raise RequestTooLarge(
                f"the file is longer than {self.limit} bytes, which this hub takes at most"
            )
        self.target.write(data[start:end])

    def _end(self) -> None:
        if self._in_file:
            return
        if len(self.fields) >= _MAX_FIELDS:
            raise InvalidInput(f"the form has more than {_MAX_FIELDS} fields")
        self.fields[self._name] = self._part.decode("utf-8", "replace")

    def _finish(self) -> None:
        self.ended = True


async def _take(hub: Hub, request: Request) -> Response:
    settings = hub.settings
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 1 <= len(boundary) <= 200:
        raise InvalidInput("an upload is a form: multipart/form-data, with the fields and a file")
    with await run_in_threadpool(_open_nameless, hub) as target:
        form = _Form(target, settings.max_upload_bytes, partial(_check, hub))
        parser = MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]
        try:
            async for piece in stream_body(
                request,
                limit=settings.max_upload_bytes + _FORM_BYTES,
                timeout_s=settings.body_timeout_s,
            ):
                await run_in_threadpool(parser.write, piece)
        except MultipartParseError:
            raise InvalidInput("the form cannot be read: it is no multipart/form-data") from None
        except OSError as error:
            raise file_error(error, settings.data) from error
        if not form.ended or form.file_name is None:
            raise InvalidInput("the form is cut off, or holds no part named file")
        return await run_in_threadpool(_store, hub, form)


def _check(hub: Hub, fields: dict[str, str]) -> dict[str, str]:
    facts = hub.links.check(
        UPLOAD, {name: value for name, value in fields.items() if name in _SIGNED}
    )
    if not facts.get("user", "").isdecimal() or not facts.get("project") or not facts.get("key"):
        raise LinkInvalid("these are no fields of an upload", status=403)
    return facts


def _open_nameless(hub: Hub) -> IO[bytes]:
    folder = hub.settings.data / "uploads"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=folder)
    except OSError as error:
        raise file_error(error, folder) from error


def _store(hub: Hub, form: _Form) -> Response:
    facts = form.facts
    project, key, user = facts["project"], facts["key"], facts["user"]
    form.target.flush()
    form.target.seek(0, os.SEEK_SET)
    digest, size = hub.store.put_blob(form.target)  # type: ignore[arg-type]
    name = key.rpartition("/")[2]
    kind = form.file_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
    file = FileRef(digest, size, kind, name)
    hub.accounts.note_upload(digest, int(user))
    records = Records(hub.store)
    remember_upload(records, project, key, file, user=int(user))
    _give_model(records, project, key, file)
    status = 200 if facts.get("success_action_status") == "200" else 201
    return JSONResponse(
        {"key": key, "size_bytes": size}, status_code=status, headers=PRIVATE_HEADERS
    )


def _give_model(records: Records, project: str, key: str, file: FileRef) -> None:
    """Make an uploaded model that of its trial, or of the pipeline that has no trial."""
    id = model_of(project, key)
    if id is None:
        return
    run = records.store.find_run(project, run_id=id)
    if run is not None and run.kind is RunKind.RUN:
        records.apply(run.key, [Assign({MODEL: file})])
        return
    pipeline = records.store.find_run(project, run_id=f"pipeline/{id}")
    if pipeline is not None:
        records.update(records.read("pipeline", [pipeline])[0], {"model": file})


def _refuse(hub: Hub, error: MooringError) -> Response:
    status = 400
    if isinstance(error, LinkInvalid):
        status = 403
    elif isinstance(error, (NotFound, SegmentMissing)):
        status = 404
    elif isinstance(error, RequestTooLarge):
        status = 400
    elif isinstance(error, StoreError):
        status = 503
    body = {
        "meta": {
            "status": status,
            "errors": [
                {
                    "error_type": "invalid_param" if status == 400 else "upload",
                    "error_param": "file",
                    "message": hub.told(str(error)),
                }
            ],
        }
    }
    return JSONResponse(body, status_code=status, headers=PRIVATE_HEADERS)
