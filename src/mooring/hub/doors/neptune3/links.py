"""Signed links of this door: what one allows, and that nobody else made it.

Its path carries what it allows, in one opaque segment, so that no name that somebody chose is ever
part of a path.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

import orjson

from mooring.errors import LinkInvalid
from mooring.hub.links import LinkSigner
from mooring.wire.neptune3.storage import Provider, Signature, read_query, write_query

FOLDER = "/storage/neptune3"
"""Two parts and the name of a blob: clients of Azure take a url apart and put it together again."""
UPLOADS = f"{FOLDER}/multipart"


class LinkExpired(LinkInvalid):
    """A link of this hub whose time is over; a new one is to be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a link allows.

    Attributes
    ----------
    action : `get`, `put`, `part` of an upload, or `session` of one that comes piece by piece
    project, path : the file, of all but `part`
    user : who uploads
    upload : the id of an upload
    number, limit : of a part: which one it is, and its longest length
    """

    action: str
    project: str = ""
    path: str = ""
    user: int = 0
    upload: str = ""
    number: int = 0
    limit: int = 0


class StorageLinks:
    """Makes and checks the links of one hub."""

    def __init__(self, signer: LinkSigner, address: str) -> None:
        self._signer = signer
        self._address = address

    def sign(self, grant: Grant, *, seconds: int, provider: Provider = Provider.AWS) -> str:
        """Return a link in a provider's manner that is good for so long."""
        values = [getattr(grant, name) for name in Grant.__slots__]
        token = base64.urlsafe_b64encode(orjson.dumps(values)).decode().rstrip("=")
        signed = dict(
            parse_qsl(self._signer.sign(f"{FOLDER}/{token}", {}, seconds=seconds).split("?")[1])
        )
        expires = int(signed["expires"])
        query = write_query(
            Signature(provider, expires, signed["signature"]), now=expires - int(seconds)
        )
        return f"{self._address}{FOLDER}/{token}?{query}"

    def check(self, token: str, query: Mapping[str, str]) -> Grant:
        """Return what a link allows.

        Raises
        ------
        LinkExpired
            When it says so itself, whether the hub made it or not.
        LinkInvalid
            When it is none of this hub's.
        """
        given = read_query(query)
        if given is None:
            raise LinkInvalid("this link carries no signature", status=403)
        if given.expires < time.time():
            raise LinkExpired(
                "this link has expired; ask for a new one. Signed expiry time is over", status=403
            )
        signed = {"expires": str(given.expires), "signature": given.signature}
        self._signer.check(f"{FOLDER}/{token}", signed)
        try:
            values = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            return Grant(**dict(zip(Grant.__slots__, values, strict=True)))
        except (ValueError, TypeError, binascii.Error):
            raise LinkInvalid("this is no link of a file", status=403) from None

    # uploads in parts

    def name_upload(self, id: str, project: str, path: str, count: int, *, seconds: float) -> str:
        """Return the signed name of an upload in parts."""
        facts = {"id": id, "project": project, "path": path, "count": str(count)}
        return self._signer.sign(UPLOADS, facts, seconds=seconds).partition("?")[2]

    def read_upload(self, name: str, project: str, path: str) -> tuple[str, int]:
        """Return id and number of parts of an upload to a path; `LinkInvalid` for no such name."""
        facts = self._signer.check(UPLOADS, dict(parse_qsl(name, keep_blank_values=True)))
        if facts.get("project") != project or facts.get("path") != path:
            raise LinkInvalid("this upload is of another file", status=403)
        return facts["id"], int(facts["count"])
