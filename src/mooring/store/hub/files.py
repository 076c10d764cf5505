"""Files to and from a hub: in one piece where they are small, else resumed where they broke off."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator
from typing import IO, BinaryIO, cast
from urllib.parse import urlsplit

from mooring.errors import HubError, HubFailed, SegmentMissing, StoreCorrupt, Transient
from mooring.store.hub.connection import HubConnection
from mooring.store.hub.messages import ROOT

WHOLE_BYTES = 4 << 20
"""Up to so many, a file is sent in one request."""
_PIECE = 8 << 20
_IN_MEMORY = 16 << 20
_OCTETS = "application/octet-stream"


def upload(connection: HubConnection, source: BinaryIO | bytes) -> tuple[str, int]:
    """Store content in the hub; return its SHA-256 in hex and its size in bytes."""
    stream = io.BytesIO(source) if isinstance(source, (bytes, bytearray, memoryview)) else source
    head = _read(stream, WHOLE_BYTES + 1)
    if len(head) <= WHOLE_BYTES:
        answer = connection.send("/blobs", head, kind=_OCTETS)
        return _checked(answer, hashlib.sha256(head).hexdigest(), len(head))
    hasher = hashlib.sha256()
    size = 0
    link = _path_of(connection.send("/uploads", b"", kind=_OCTETS)["link"])
    piece = head
    while piece:
        hasher.update(piece)
        _append(connection, link, size, piece)
        size += len(piece)
        piece = _read(stream, _PIECE)
    digest = hasher.hexdigest()
    answer = connection.send(
        link.removeprefix(ROOT) + f"&digest={digest}&size={size}", b"", kind=_OCTETS
    )
    return _checked(answer, digest, size)


def _append(connection: HubConnection, link: str, offset: int, piece: bytes) -> None:
    """Append a piece; one that arrived although its answer did not is not sent again."""
    done = 0
    while done < len(piece):
        answer = connection.send(
            link.removeprefix(ROOT) + f"&offset={offset + done}",
            piece[done:],
            kind=_OCTETS,
            method="PUT",
        )
        reached = int(answer["offset"]) - offset
        if not 0 <= reached <= len(piece) or reached <= done:
            raise HubFailed(f"{connection.address} lost a part of the file that was sent")
        done = reached


def _checked(answer: dict[str, object], digest: str, size: int) -> tuple[str, int]:
    if (answer.get("digest"), answer.get("size_bytes")) != (digest, size):
        raise HubFailed("the hub stored something else than was sent; send it again")
    return digest, size


def _read(stream: BinaryIO, size: int) -> bytes:
    parts = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def download(connection: HubConnection, digest: str) -> BinaryIO:
    """Return the content of this digest, whole and checked, in a file that disappears."""
    answer = connection.send(f"/blobs/{digest}/link", b"", kind=_OCTETS)
    link, size = _path_of(answer["link"]), int(answer["size_bytes"])
    kept: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - returned
    try:
        hasher = hashlib.sha256()
        position = 0
        failures = 0
        while position < size:
            try:
                for piece in _pieces(connection, link, position):
                    hasher.update(piece)
                    kept.write(piece)
                    position += len(piece)
                if position < size:
                    raise HubFailed(f"{connection.address} ended a file too early")
            except HubError as error:
                failures += 1
                if not isinstance(error, Transient) or failures > 5:
                    raise
        if hasher.hexdigest() != digest:
            raise StoreCorrupt(
                f"the file {digest[:12]}… came from {connection.address} with other bytes",
                address=connection.address,
            )
        kept.seek(0)
    except BaseException:
        kept.close()
        raise
    return cast(BinaryIO, kept)


def _pieces(connection: HubConnection, link: str, position: int) -> Iterator[bytes]:
    headers = {"range": f"bytes={position}-"} if position else {}
    with connection.transport.stream("GET", link, headers=headers, whole=False) as answer:
        if answer.status_code == 404:
            raise SegmentMissing(f"{connection.address} has no such file")
        if answer.status_code not in (200, 206) or (position and answer.status_code != 206):
            answer.read()
            raise connection.failure(answer)
        yield from answer.iter_raw(_PIECE)


def _path_of(link: str) -> str:
    """Return a link without the hub's name, which may be another one from here."""
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}"
