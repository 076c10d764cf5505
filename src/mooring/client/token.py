"""API tokens: base64 JSON with the hub's address and a secret.

Neptune's clients read `api_address` (2.x) and `api_url` (3.x); a secret alone is a token too, for
those who are told the address otherwise.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from mooring.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class ApiToken:
    """Where a hub is, and the secret that it knows its user by. The repr shows no secret.

    >>> token = ApiToken("http://127.0.0.1:8080", "s3cret")
    >>> ApiToken.parse(token.encode()) == token
    True
    >>> token
    ApiToken('http://127.0.0.1:8080', '***')
    """

    address: str
    secret: str

    def __repr__(self) -> str:
        return f"ApiToken({self.address!r}, '***')"

    def encode(self) -> str:
        """Return the text that users set as NEPTUNE_API_TOKEN or MOORING_API_TOKEN."""
        fields = {
            "api_address": self.address,
            "api_url": self.address,
            "api_key": self.secret,
        }
        return base64.b64encode(json.dumps(fields).encode()).decode()

    @classmethod
    def find(cls, text: str) -> ApiToken | None:
        """Return the token that a text is, or None where it is a secret alone."""
        try:
            padded = text.strip() + "=" * (-len(text.strip()) % 4)
            fields = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (binascii.Error, ValueError, RecursionError):
            try:
                fields = json.loads(base64.b64decode(padded, validate=True))
            except (binascii.Error, ValueError, RecursionError):
                return None
        if not isinstance(fields, dict):
            return None
        address = fields.get("api_url") or fields.get("api_address")
        secret = fields.get("api_key")
        if not isinstance(address, str) or not isinstance(secret, str) or not secret:
            return None
        return cls(address.rstrip("/"), secret)

    @classmethod
    def parse(cls, text: str) -> ApiToken:
        """Return the token that a text is.

        Raises
        ------
        InvalidInput
            Where it is not base64 of JSON with `api_address` or `api_url`, and `api_key`. The
            message does not hold the text.
        """
        found = cls.find(text)
        if found is None:
            raise InvalidInput(
                "this is no API token of a hub: it should be base64 of JSON with api_address and "
                "api_key, as `mooring token create` prints it"
            )
        return found


def secret_of(text: str) -> str:
    """Return the secret of a token, which may be one that holds no address."""
    found = ApiToken.find(text)
    return text if found is None else found.secret
