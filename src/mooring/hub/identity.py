"""Who asks: the token of a request, for doors whose protocol sends it in a header."""

from __future__ import annotations

from starlette.requests import Request

from mooring.client.token import secret_of
from mooring.errors import Unauthenticated
from mooring.hub.accounts import Accounts, Principal


def bearer_text(request: Request) -> str | None:
    """Return what `Authorization: Bearer` holds, or None where there is no such header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def bearer_secret(request: Request) -> str | None:
    """Return the secret of `Authorization: Bearer`, or None where there is no such header."""
    token = bearer_text(request)
    return None if token is None else secret_of(token)


def authenticate(accounts: Accounts, request: Request) -> Principal:
    """Return whose token a request bears.

    Raises
    ------
    Unauthenticated
        When it bears none, or one that is wrong, expired or revoked.
    """
    secret = bearer_secret(request)
    if secret is None:
        raise Unauthenticated(
            "this hub wants a token: set MOORING_API_TOKEN, or pass api_token", status=401
        )
    principal = accounts.authenticate(secret)
    request.scope["mooring.user"] = principal.name
    return principal
