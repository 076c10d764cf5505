"""Access tokens: what a client gets for its API token, and sends with each request.

They are JWTs, as clients read their `exp`, `azp` and `iss`, signed by the hub's own key (HS256).
They name the API token by its id, so that revoking that one ends them at once.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass

from mooring.errors import Unauthenticated

CLIENT_ID = "neptune-cli"
REALM = "/auth/realms/neptune"
ACCESS_S = 3600
REFRESH_S = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class AccessTokens:
    """Makes and reads access tokens of one hub.

    Parameters
    ----------
    key : the hub's key, which no other purpose shares
    issuer : `<address>/auth/realms/neptune`; clients refresh below it
    """

    key: bytes
    issuer: str

    @classmethod
    def of(cls, key: bytes, address: str) -> AccessTokens:
        """Return those of a hub, by a key derived from its own."""
        derived = hmac.new(key, b"neptune access tokens", hashlib.sha256).digest()
        return cls(derived, address + REALM)

    def make(self, token: int, name: str, *, kind: str = "access") -> str:
        """Return an access token, or with kind "refresh" one that gets others."""
        import jwt

        now = int(time.time())
        claims = {
            "exp": now + (ACCESS_S if kind == "access" else REFRESH_S),
            "iat": now,
            "iss": self.issuer,
            "azp": CLIENT_ID,
            "typ": kind,
            "sub": str(token),
            "preferred_username": name,
        }
        return jwt.encode(claims, self.key, algorithm="HS256")

    def read(self, text: str, *, kind: str = "access") -> int:
        """Return the id of the API token that this one was made for.

        Raises
        ------
        Unauthenticated
            When the hub did not make it, it has expired, or it is of another kind.
        """
        import jwt

        try:
            claims = jwt.decode(text, self.key, algorithms=["HS256"], issuer=self.issuer)
            if claims.get("typ") == kind:
                return int(claims["sub"])
        except (jwt.InvalidTokenError, KeyError, ValueError):
            pass
        raise Unauthenticated("the access token is wrong or has expired", status=401)
