"""Files: links by which clients upload and download, and the end of an upload in parts.

What a SIGKILL leaves behind: links, which another process of the hub takes too. While parts are
joined, these and perhaps content that nothing refers to; they are joined again when the client asks
again. After the upload is entered, parts that are removed after a day; asked again, it is done.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

from starlette.routing import BaseRoute

from mooring.errors import InvalidInput, LinkInvalid, NotFound, ProjectNotFound
from mooring.hub.accounts import Role
from mooring.hub.context import Hub
from mooring.hub.doors.neptune3.door import Answer, Asked, Door, json_answer
from mooring.hub.doors.neptune3.links import Grant, StorageLinks
from mooring.hub.doors.neptune3.parts import STALE_S, Parts, joined
from mooring.hub.doors.neptune3.storage_routes import StorageRoutes
from mooring.hub.guarded import GuardedStore
from mooring.store.uploads import Upload
from mooring.wire.neptune3.storage import (
    FileRequest,
    Multipart,
    Provider,
    SignedFile,
    decode_completion,
    decode_requests,
    encode_signed,
)

_BRIDGE = "/api/storagebridge/v1"
MULTIPART_FROM = 64 << 20
"""Longer files are uploaded in parts, at the same time, and each is repeated alone."""
_PART_BYTES = 16 << 20
_PART_COUNT = 1000


def routes(door: Door) -> list[BaseRoute]:
    """Return the routes of files, and those that signed links lead to."""
    hub = door.hub
    links = StorageLinks(hub.links, hub.settings.address)
    parts = Parts(hub.settings.data / "uploads")
    files = Files(hub, links, parts)
    return [
        door.route(f"{_BRIDGE}/signedUrl", files.sign),
        door.route(f"{_BRIDGE}/azure/signedUrl", files.sign_azure),
        door.route(f"{_BRIDGE}/s3/completeMultipartUpload", files.complete),
        *StorageRoutes(hub, links, parts).routes,
    ]


class Files:
    """What clients ask for before, and after, they send or fetch bytes."""

    def __init__(self, hub: Hub, links: StorageLinks, parts: Parts) -> None:
        self._hub = hub
        self._links = links
        self._parts = parts
        self._seconds = hub.settings.link_seconds

    def sign(self, asked: Asked) -> Answer:
        """Answer links for uploads and downloads, in the order asked for."""
        return self._sign(asked, Provider(self._hub.settings.file_links))

    def sign_azure(self, asked: Asked) -> Answer:
        """Answer links for downloads, as clients of Azure take them."""
        return self._sign(asked, Provider.AZURE, write=False)

    def _sign(self, asked: Asked, provider: Provider, *, write: bool = True) -> Answer:
        wanted = decode_requests(asked.json())
        if not write and any(file.write for file in wanted):
            raise InvalidInput("links to write to are those of /signedUrl")
        roles = {(file.project, file.write) for file in wanted}
        projects = {
            (name, write): _project_to_write(asked, name) if write else asked.project(name)
            for name, write in sorted(roles)
        }
        if any(file.write for file in wanted):
            self._parts.sweep()
        signed = [
            self._link(asked, file, projects[file.project, file.write], provider) for file in wanted
        ]
        return json_answer(encode_signed(signed))

    def _link(
        self, asked: Asked, file: FileRequest, project: str, provider: Provider
    ) -> SignedFile:
        size = file.size_bytes or 0
        if file.write and size > self._limit:
            # It is refused at the first byte. Azure's clients would try it again for ever.
            provider = Provider.AWS
        grant = Grant(
            action="put" if file.write else "get",
            project=project,
            path=file.path,
            user=asked.principal.user if file.write else 0,
            upload=uuid.uuid4().hex if file.write else "",
        )
        url = self._links.sign(grant, seconds=self._seconds, provider=provider)
        multipart = None
        in_parts = MULTIPART_FROM < size <= self._limit and provider is Provider.AWS
        if file.write and in_parts:
            multipart = self._in_parts(asked, file, project)
        return SignedFile(file, provider, url, multipart)

    @property
    def _limit(self) -> int:
        return self._hub.settings.max_upload_bytes

    def _in_parts(self, asked: Asked, file: FileRequest, project: str) -> Multipart:
        size = file.size_bytes or 0
        length = max(_PART_BYTES, -(-size // _PART_COUNT))
        count = -(-size // length)
        id = uuid.uuid4().hex
        urls = [
            self._links.sign(
                Grant(action="part", upload=id, number=number, limit=length), seconds=self._seconds
            )
            for number in range(1, count + 1)
        ]
        name = self._links.name_upload(id, project, file.path, count, seconds=STALE_S)
        return Multipart(name, length, urls)

    def complete(self, asked: Asked) -> Answer:
        """Join the parts of an upload; again when the first answer got lost."""
        given = decode_completion(asked.json())
        project = _project_to_write(asked, given.project)
        try:
            id, count = self._links.read_upload(given.upload_id, project, given.path)
        except LinkInvalid as error:
            raise InvalidInput(f"upload_id: {error}") from None
        if len(given.etags) != count:
            raise InvalidInput(f"{len(given.etags)} of {count} parts are named")
        self._join(asked, project, given.path, id, given.etags)
        return Answer(b"", 204)

    def _join(self, asked: Asked, project: str, path: str, id: str, digests: Sequence[str]) -> None:
        paths = self._parts.find(id, digests)
        if paths is not None and _enter_joined(asked.store, project, path, id, paths):
            return
        known = asked.store.find_uploads(project, [path]).get(path)
        if known is None or known.id != id:
            raise InvalidInput("a part has not arrived, or with other bytes; send it again")


def _enter_joined(
    store: GuardedStore, project: str, path: str, id: str, parts: Sequence[Path]
) -> bool:
    """Enter parts as one upload; return False where a copy of the request has done so meanwhile."""
    source = joined(parts)
    try:
        digest, size = store.put_blob(source)
    except NotFound:
        return False
    finally:
        source.close()
    store.enter_upload(project, path, Upload(digest, size, id))
    for part in parts:
        part.unlink(missing_ok=True)
    return True


def _project_to_write(asked: Asked, identifier: str) -> str:
    """Return a project that the user may upload to.

    One that is missing is made, as by the first run in it: clients may upload before they log.
    """
    try:
        project = asked.project(identifier)
    except ProjectNotFound:
        project = asked.store.ensure_project(identifier)
    return asked.store.need_project(project, Role.CONTRIBUTOR)
