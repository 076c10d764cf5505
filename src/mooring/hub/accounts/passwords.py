"""Passwords and secrets: what is kept of them is a hash.

Passwords are hashed by scrypt (RFC 7914) with a salt of their own; secrets of tokens, which are
random and long, by SHA-256, so that a token is found by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

_COST, _BLOCK, _PARALLEL = 2**14, 8, 1
_SALT_BYTES, _HASH_BYTES = 16, 32
_PREFIX = "scrypt"

MAX_PASSWORD = 1024
"""Characters of the longest password; a longer one is not hashed, and matches nothing."""

NOBODY = f"{_PREFIX}${_COST}${_BLOCK}${_PARALLEL}${'A' * 22}==${'A' * 43}="
"""What a password is compared with when there is no such user, so that it takes as long."""


def make_secret() -> str:
    """Return a new secret of a token: 256 random bits."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """Return what is kept of a secret."""
    # a token is JSON, which can hold half a surrogate pair: a wrong secret like any other
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def hash_password(password: str) -> str:
    """Return what is kept of a password."""
    salt = secrets.token_bytes(_SALT_BYTES)
    parts = [_PREFIX, str(_COST), str(_BLOCK), str(_PARALLEL)]
    return "$".join([*parts, _text(salt), _text(_derive(password, salt, _COST, _BLOCK, _PARALLEL))])


def matches(password: str, kept: str) -> bool:
    """Return whether a password is the one of which this is kept."""
    _, cost, block, parallel, salt, digest = kept.split("$")
    long = len(password) > MAX_PASSWORD
    found = _derive(
        "" if long else password, base64.b64decode(salt), int(cost), int(block), int(parallel)
    )
    return hmac.compare_digest(found, base64.b64decode(digest)) and not long


def _derive(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"),
        salt=salt,
        n=cost,
        r=block,
        p=parallel,
        maxmem=64 << 20,
        dklen=_HASH_BYTES,
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
