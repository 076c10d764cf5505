"""What clients ask for and are told where files travel: requests, answers, signed queries.

A signed link carries its end and its signature under the names that the storage providers give
them, as clients look for these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from mooring.errors import InvalidInput

MAX_FILES = 1000
"""Clients ask for at most 200 links at a time."""
MAX_PATH_BYTES = 4096
MAX_PARTS = 10_000
_MAX_SIZE = 1 << 62

_BASIC_DATE = "%Y%m%dT%H%M%SZ"
_AZURE_DATE = "%Y-%m-%dT%H:%M:%SZ"
_SECONDS = re.compile(r"[0-9]{1,9}")
_RANGE = re.compile(r"bytes=([0-9]{1,19})-[0-9]{0,19}")
_CONTENT_RANGE = re.compile(r"bytes (?:([0-9]{1,18})-([0-9]{1,18})|\*)/([0-9]{1,18}|\*)")
_BLOCK = re.compile(r"<(Latest|Uncommitted|Committed)>([^<>]*)</\1>")
_BLOCK_ID = re.compile(r"[A-Za-z0-9+/]{1,88}={0,2}")
MAX_BLOCKS = 50_000


class Provider(StrEnum):
    """Whose manners a link has."""

    AWS = "aws"
    AZURE = "azure"
    GCP = "gcp"


@dataclass(frozen=True, slots=True)
class FileRequest:
    """One link that a client asks for. `size_bytes` is told of files to write."""

    project: str
    path: str
    write: bool = False
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Multipart:
    """How a long file is uploaded: in parts of one size, the last one as long as it is."""

    upload_id: str
    part_size: int
    part_urls: Sequence[str]


@dataclass(frozen=True, slots=True)
class SignedFile:
    """The answer to a `FileRequest`."""

    asked: FileRequest
    provider: Provider
    url: str
    multipart: Multipart | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """The end of an upload in parts; `etags` in the order of the parts."""

    upload_id: str
    project: str
    path: str
    etags: Sequence[str]


@dataclass(frozen=True, slots=True)
class Signature:
    """What a query says of a link: until when (seconds since 1970), and the signature."""

    provider: Provider
    expires: int
    signature: str


def decode_requests(body: object) -> list[FileRequest]:
    """Read the body of a request for links; `InvalidInput` when it is none."""
    files = body.get("files") if isinstance(body, dict) else None
    if not isinstance(files, list) or len(files) > MAX_FILES:
        raise InvalidInput(f"files is a list of up to {MAX_FILES} files to sign")
    return [_request(file) for file in files]


def _request(file: object) -> FileRequest:
    if not isinstance(file, dict):
        raise InvalidInput("a file to sign is an object")
    size = file.get("size")
    if size is not None and (type(size) is not int or not 0 <= size <= _MAX_SIZE):
        raise InvalidInput("the size of a file is a number of bytes")
    permission = file.get("permission")
    if permission not in ("read", "write"):
        raise InvalidInput("the permission of a file is 'read' or 'write'")
    return FileRequest(_text(file, "project_identifier"), _path(file), permission == "write", size)


def encode_signed(files: Sequence[SignedFile]) -> dict[str, Any]:
    """Return the answer to a request for links."""
    return {"files": [_signed(file) for file in files]}


def _signed(file: SignedFile) -> dict[str, Any]:
    parts = file.multipart
    return {
        "path": file.asked.path,
        "project_identifier": file.asked.project,
        "provider": str(file.provider),
        "url": file.url,
        "multipart": None
        if parts is None
        else {
            "upload_id": parts.upload_id,
            "part_size": parts.part_size,
            "part_urls": list(parts.part_urls),
        },
    }


def decode_completion(body: object) -> Completion:
    """Read the end of an upload in parts; `InvalidInput` when it is none."""
    parts = body.get("parts") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(parts, list) or len(parts) > MAX_PARTS:
        raise InvalidInput(f"parts is a list of up to {MAX_PARTS} parts")
    etags: dict[int, str] = {}
    for part in parts:
        number = part.get("part_number") if isinstance(part, dict) else None
        if type(number) is not int or number in etags:
            raise InvalidInput("each part has a part_number of its own")
        etags[number] = _text(part, "etag").strip('"')
    if sorted(etags) != list(range(1, len(etags) + 1)):
        raise InvalidInput("parts are numbered from 1 on, without gaps")
    return Completion(
        _text(body, "upload_id"),
        _text(body, "project_identifier"),
        _path(body),
        [etags[number] for number in sorted(etags)],
    )


def _text(given: Mapping[str, object], name: str) -> str:
    text = given.get(name)
    if not isinstance(text, str):
        raise InvalidInput(f"{name} is a text")
    return text


def _path(given: Mapping[str, object]) -> str:
    path = _text(given, "path")
    if len(path.encode()) > MAX_PATH_BYTES:
        raise InvalidInput(f"the path of a file has up to {MAX_PATH_BYTES} bytes")
    return path


# signed links

_PREFIXES = {Provider.AWS: "X-Amz-", Provider.GCP: "X-Goog-"}


def write_query(given: Signature, *, now: int) -> str:
    """Return the query of a link in its provider's manner.

    >>> signature = Signature(Provider.AZURE, expires=0, signature="x")
    >>> write_query(signature, now=0)
    'se=1970-01-01T00%3A00%3A00Z&sr=b&sig=x'
    """
    if given.provider is Provider.AZURE:
        end = datetime.fromtimestamp(given.expires, UTC).strftime(_AZURE_DATE)
        return urlencode({"se": end, "sr": "b", "sig": given.signature})
    prefix = _PREFIXES[given.provider]
    return urlencode(
        {
            f"{prefix}Date": datetime.fromtimestamp(now, UTC).strftime(_BASIC_DATE),
            f"{prefix}Expires": given.expires - now,
            f"{prefix}Signature": given.signature,
        }
    )


def read_query(query: Mapping[str, str]) -> Signature | None:
    """Return what a query says of its link; None where it is in no manner that is known here."""
    try:
        if "sig" in query:
            end = _seconds(query.get("se", ""), _AZURE_DATE)
            return Signature(Provider.AZURE, end, query["sig"])
        for provider, prefix in _PREFIXES.items():
            signature, lasts = query.get(f"{prefix}Signature"), query.get(f"{prefix}Expires", "")
            if signature is not None and _SECONDS.fullmatch(lasts):
                begin = _seconds(query.get(f"{prefix}Date", ""), _BASIC_DATE)
                return Signature(provider, begin + int(lasts), signature)
    except (ValueError, OverflowError):
        pass
    return None


def _seconds(text: str, form: str) -> int:
    return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp())


# content


def begins_within(header: str, size: int) -> bool:
    """Whether a range of bytes begins within a file of this length; others are not judged.

    >>> begins_within("bytes=0-99", 1), begins_within("bytes=0-99", 0)
    (True, False)
    """
    found = _RANGE.fullmatch(header.strip())
    return found is None or int(found[1]) < size


@dataclass(frozen=True, slots=True)
class Span:
    """Which bytes of a file a request brings: from `first` on, `length` of `total` bytes.

    `total` None: it is not known yet.
    """

    first: int
    length: int
    total: int | None


def decode_content_range(header: str, *, size: int) -> Span:
    """Read what a `Content-Range` says; `InvalidInput` when it is none.

    One without bytes begins at the end that the file has so far, its `size`.

    >>> decode_content_range("bytes 5-9/20", size=5), decode_content_range("bytes */20", size=5)
    (Span(first=5, length=5, total=20), Span(first=5, length=0, total=20))
    """
    found = _CONTENT_RANGE.fullmatch(header.strip())
    if found is None:
        raise InvalidInput("Content-Range is like bytes 0-99/1000, or bytes */1000")
    total = None if found[3] == "*" else int(found[3])
    if found[1] is None:
        return Span(size, 0, total)
    first, last = int(found[1]), int(found[2])
    if last < first or (total is not None and last >= total):
        raise InvalidInput("the range of Content-Range ends before it begins, or after the file")
    return Span(first, last - first + 1, total)


def decode_block_id(text: str) -> str:
    """Return the name that a client gives a block; `InvalidInput` when it is none.

    >>> decode_block_id("QmxvY2sx")
    'QmxvY2sx'
    """
    if not _BLOCK_ID.fullmatch(text):
        raise InvalidInput("blockid is base64, of up to 64 bytes")
    return text


def decode_block_list(body: bytes) -> list[str]:
    """Return the names of the blocks that make a file, in their order.

    >>> decode_block_list(b"<BlockList><Latest>QQ==</Latest><Latest>Qg==</Latest></BlockList>")
    ['QQ==', 'Qg==']
    """
    # Their form is fixed: nothing of XML's more dangerous parts is read.
    text = "".join(body.decode("utf-8", "replace").split())
    inner, end, rest = text.partition("<BlockList>")[2].partition("</BlockList>")
    blocks = list(_BLOCK.finditer(inner))
    if not end or rest or sum(len(block[0]) for block in blocks) != len(inner):
        raise InvalidInput("the body is no list of blocks")
    if len(blocks) > MAX_BLOCKS:
        raise InvalidInput(f"a file has up to {MAX_BLOCKS} blocks")
    return [decode_block_id(block[2]) for block in blocks]


def encode_error(code: str, message: str) -> bytes:
    """Return an error as storages tell it."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    ).encode()
