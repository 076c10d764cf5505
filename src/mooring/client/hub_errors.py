"""Errors of `HubClient`, as code that was written for the original client catches them.

::

    HubApiError                (HubError)            what the hub answers, or that it does not
    ├── FatalApiError                                401, 403, 404, 500; an answer that is none
    ├── InvalidParamsError     (also InvalidInput)   400: parameters to be mended
    ├── MissingParamError      (also InvalidInput)   one without which nothing can be sent
    ├── RetryableApiError      (also Transient)      any other status
    └── NetworkError           (also HubUnreachable) no answer
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mooring.errors import HubError, HubUnreachable, InvalidInput, Transient

HIDDEN = "****"
_SECRET_NAME = re.compile(r"token|password|secret|api_key", re.IGNORECASE)
_LONGEST = 2000


class HubApiError(HubError):
    """Base of what `HubClient` raises.

    `args` are the text and what the answer's `meta` was; the text of the whole error also tells the
    request. No token and no password is in it.
    """

    def __init__(
        self,
        message: str,
        meta: Mapping[str, Any] | None = None,
        *,
        address: str = "",
        status: int | None = None,
        request: str | None = None,
    ) -> None:
        super().__init__(message, address=address, status=status)
        self.args = (message, meta)
        self.request_details = request

    def metadata(self) -> Any:
        """Return `meta` of the answer: `{}` where there was none, None for what is no JSON."""
        return {} if len(self.args) < 2 else self.args[1]

    def __str__(self) -> str:
        message, meta = (*self.args, None)[:2]
        told = [message]
        if meta:
            told.append(shortened(json.dumps(without_secrets(meta), default=str)))
        if self.request_details:
            told.append(self.request_details)
        return " ".join(told)


class FatalApiError(HubApiError):
    """What no repeat helps: a token that is wrong, an object that is not there, a fault."""


class InvalidParamsError(HubApiError, InvalidInput):
    """The hub refuses parameters; the text names each and tells what is wrong."""


class MissingParamError(HubApiError, InvalidInput):
    """A parameter is missing without which the request cannot even be sent."""


class RetryableApiError(Transient, HubApiError):
    """The hub cannot answer now. `retry_after_s` is when to come again, if it said so."""

    retry_after_s: float | None = None


class NetworkError(HubApiError, HubUnreachable):
    """The hub does not answer: the connection is refused, cut off, or takes too long.

    `not_sent` tells that the request certainly did not reach it.
    """

    not_sent = False


def request_details(method: str, path: str, payload: Mapping[str, Any]) -> str:
    """Return how an error tells of its request.

    >>> request_details("post", "/api/v1/tokens", {"email": "a@b.c", "password": "x"})
    'on: POST /api/v1/tokens {"email": "a@b.c", "password": "****"}'
    """
    try:
        told = json.dumps(without_secrets(payload), default=str)
    except (TypeError, ValueError, RecursionError):  # no JSON, which is what the error is about
        told = "{…}"
    return f"on: {method.upper()} {path} {shortened(told)}"


def without_secrets(value: Any) -> Any:
    """Return JSON with what is called a token or a password hidden."""
    if isinstance(value, Mapping):
        return {
            name: HIDDEN
            if isinstance(held, str) and held and _SECRET_NAME.search(str(name))
            else without_secrets(held)
            for name, held in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [without_secrets(held) for held in value]
    return value


def shortened(text: str) -> str:
    """Return a text of at most 2000 characters."""
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
