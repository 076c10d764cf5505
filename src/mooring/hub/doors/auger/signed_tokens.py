"""Tokens of the optimizers service that others sign. Loaded where a secret is set: it is large."""

from __future__ import annotations

import time

import jwt
import orjson
from jwt.algorithms import HMACAlgorithm


class _Mark(HMACAlgorithm):
    """HMAC with SHA-256 by a secret of any length: it is the one that other services sign by."""

    def check_key_length(self, key: bytes) -> str | None:
        return None


_SIGNED = jwt.PyJWS(algorithms=[])
_SIGNED.register_algorithm("HS256", _Mark(HMACAlgorithm.SHA256))


def is_signed(token: str, secret: str) -> bool:
    """Return whether a JWT was signed by a secret, by HS256 alone, and has not expired.

    Of its claims only `exp` and `nbf` count: what others say is no business of this hub's.

    >>> import jwt
    >>> secret = "thirty-two-bytes-of-a-secret-key"
    >>> token = jwt.encode({"x": 1}, secret, algorithm="HS256")
    >>> is_signed(token, secret), is_signed(token, "another"), is_signed("a.b.c", secret)
    (True, False, False)
    """
    try:
        claims = orjson.loads(_SIGNED.decode(token, secret, algorithms=["HS256"]))
    except (jwt.InvalidTokenError, orjson.JSONDecodeError, UnicodeEncodeError):
        return False
    if not isinstance(claims, dict):
        return False
    now = time.time()
    until, since = claims.get("exp", now + 1), claims.get("nbf", now)
    return all(isinstance(each, (int, float)) for each in (until, since)) and since <= now < until
