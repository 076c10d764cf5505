"""Signed links: what they allow, until when, and that nobody else made them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from urllib.parse import urlencode

from mooring.errors import LinkInvalid


class LinkSigner:
    """Makes and checks links that carry their own permission.

    A link is a path with a query: the facts it allows, `expires` (seconds since 1970) and
    `signature`, HMAC-SHA256 over operation, facts and expiry with the hub's key.

    >>> signer = LinkSigner(b"key", "http://hub")
    >>> link = signer.sign("/files/get", {"digest": "ab"}, seconds=60)
    >>> link.partition("?")[0]
    'http://hub/files/get'
    """

    def __init__(self, key: bytes, address: str) -> None:
        self._key = key
        self._address = address

    def sign(self, path: str, facts: Mapping[str, str], *, seconds: float) -> str:
        """Return a link that is good for so long."""
        expires = str(int(time.time() + seconds))
        query = {**facts, "expires": expires}
        query["signature"] = self._signature(path, query)
        return f"{self._address}{path}?{urlencode(query)}"

    def check(self, path: str, query: Mapping[str, str]) -> dict[str, str]:
        """Return the facts of a link.

        Raises
        ------
        LinkInvalid
            When the signature is not this hub's, or the link has expired.
        """
        facts = dict(query)
        signature = facts.pop("signature", "")
        wanted = self._signature(path, facts)
        if not hmac.compare_digest(_bytes(signature), _bytes(wanted)):
            raise LinkInvalid(
                "this link was not made by this hub, or was changed since", status=403
            )
        expires = facts.pop("expires", "")
        if not expires.isdecimal() or int(expires) < time.time():
            raise LinkInvalid("this link has expired; ask for a new one", status=403)
        return facts

    def _signature(self, path: str, facts: Mapping[str, str]) -> str:
        text = "\n".join([path, *(f"{len(k)}:{k}={len(v)}:{v}" for k, v in sorted(facts.items()))])
        digest = hmac.new(self._key, _bytes(text), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # whatever somebody sends as a link
