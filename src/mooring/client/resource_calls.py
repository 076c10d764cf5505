"""Requests of the resource API: what they carry, when they are repeated, how lists are walked."""

from __future__ import annotations

import gzip
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from mooring.client.answers import Request, may_pass, read_answer, refused_unread
from mooring.client.hub_errors import (
    HIDDEN,
    HubApiError,
    InvalidParamsError,
    MissingParamError,
    NetworkError,
    RetryableApiError,
    request_details,
)
from mooring.client.settings import ClientSettings
from mooring.client.token import ApiToken
from mooring.client.transport import Backoff, HubTransport
from mooring.errors import HubUnreachable, InvalidAddress

Answer = dict[str, Any]
"""A parsed body: `data`, and `meta` with `status` and, of lists, `pagination`."""


class _NotSent:
    def __repr__(self) -> str:
        return "NOT_SENT"


NOT_SENT: Any = _NotSent()
"""Default of a parameter that is then left out of the request; None is sent as null."""

_JSON = {"content-type": "application/json"}
_DESCRIPTION = "/api/v1/openapi.json"
_OURS = "Mooring"
_SEARCHES_TAKE = 5
"""So many times as long as of other requests an answer of the optimizers service is waited for."""


def as_sent(more: Mapping[str, Any], /, **named: Any) -> dict[str, Any]:
    """Return the parameters of a request, less those that are not sent.

    >>> as_sent({"providers": []}, name="x", from_="2024", to=NOT_SENT)
    {'name': 'x', 'from': '2024', 'providers': []}
    """
    kept = {name.rstrip("_"): value for name, value in named.items() if value is not NOT_SENT}
    return {**kept, **more}


def item_path(path: str, id: object) -> str:
    """Return the path of one object: the id is one segment of it, whatever is in it."""
    text = _needed("id", id)
    if text in (".", ".."):
        raise InvalidParamsError(f"id {text!r} is none that an object can have", {})
    return f"{path}/{quote(text, safe='')}"


def parent_path(template: str, **parent: object) -> str:
    """Return the path of a list within a parent; `MissingParamError` where that is not named.

    >>> parent_path("/endpoints/{endpoint_id}/actuals", endpoint_id="a/b")
    '/endpoints/a%2Fb/actuals'
    """
    path = template
    for name, id in parent.items():
        path = path.replace(f"{{{name}}}", item_path("", _needed(name, id))[1:])
    return path


def _needed(name: str, value: object) -> str:
    if value is None or value is NOT_SENT or value == "":
        raise MissingParamError(f"{name} parameter is required", {})
    return str(value)


def _plain(value: object) -> object:
    """Return numbers and arrays of NumPy as JSON has them."""
    convert = getattr(value, "tolist", None)
    if convert is None:
        raise TypeError(f"{type(value).__name__} is no type of JSON")
    return convert()


class ResourceCalls:
    """Sends requests with the token in their body. `HubClient` tells the parameters."""

    def __init__(
        self,
        hub_app_url: str | None = None,
        token: str | None = None,
        hub_project_api_token: str | None = None,
        hub_cluster_api_token: str | None = None,
        hub_system_token: str | None = None,
        optimizers_url: str | None = None,
        connection_retries_count: int | None = None,
        retries_count: int = 5,
        retry_wait_seconds: float = 1.0,
        timeout_s: float = 30.0,
        proxies: Mapping[str, str] | None = None,
        debug: bool = False,
    ) -> None:
        tokens = {
            "project_api_token": hub_project_api_token,
            "cluster_api_token": hub_cluster_api_token,
            "token": token,
            "system_token": hub_system_token,
        }
        if hub_app_url is None and not any(tokens.values()):
            tokens["token"] = os.environ.get("MOORING_API_TOKEN") or None
        self._token_key, given = next(
            ((key, value) for key, value in tokens.items() if value), ("", None)
        )
        found = ApiToken.find(given) if given else None
        self._secret = found.secret if found is not None else given
        address = hub_app_url or (found.address if found is not None else None)
        if address is None:
            raise InvalidAddress(
                "no address of a hub: give hub_app_url, or a token that holds one, such as "
                "`mooring token create` prints"
            )
        self.retries_count = retries_count
        self.connection_retries_count = (
            retries_count if connection_retries_count is None else connection_retries_count
        )
        self.debug = debug
        self._settings = ClientSettings(
            timeout_s=timeout_s,
            retries=0,
            first_wait_s=retry_wait_seconds,
            longest_wait_s=max(retry_wait_seconds, 10.0),
            proxies=proxies or {},
        )
        self._hub = HubTransport(address, None, self._settings)
        # A hub is its own optimizers service, unless another one is named. It may let a search wait
        # for a minute and compute for another: who gives up before that has it computed again.
        patient = replace(self._settings, timeout_s=_SEARCHES_TAKE * timeout_s)
        self._optimizers = HubTransport(optimizers_url or address, None, patient)
        self._knows_keys: bool | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._hub.address!r})"

    def close(self) -> None:
        """Close the connections. Idempotent; a later request opens new ones."""
        self._hub.close()
        self._optimizers.close()

    # what families.py calls

    def _ask(self, method: str, path: str, payload: Mapping[str, Any] | None = None) -> Answer:
        """Send a request that changes nothing: it is repeated after every failure that may pass."""
        return dict(self._send(self._hub, method, path, payload or {}, repeat=True))

    def _ask_text(self, path: str) -> str:
        return str(self._send(self._hub, "get", path, {}, repeat=True, text=True))

    def _create(self, path: str, payload: Mapping[str, Any]) -> Answer:
        """Send a creation under a name, by which the hub knows it when it comes again."""
        key = uuid.uuid4().hex
        return dict(self._send(self._hub, "post", path, payload, repeat=True, key=key))

    def _change(
        self, method: str, path: str, payload: Mapping[str, Any], *, repeat: bool = False
    ) -> Answer:
        """Send a change. It is repeated only after it was certainly not carried out."""
        return dict(self._send(self._hub, method, path, payload, repeat=repeat))

    def _walk(self, path: str, payload: Mapping[str, Any]) -> Iterator[Answer]:
        """Yield the objects of a list from an offset to its end, page by page."""
        offset = int(payload.get("offset") or 0)
        while True:
            answer = self._ask("get", path, {**payload, "offset": offset})
            objects = answer.get("data")
            if not isinstance(objects, list) or not objects:
                return
            yield from objects
            offset += len(objects)
            pagination = (answer.get("meta") or {}).get("pagination") or {}
            total = pagination.get("total")
            if isinstance(total, int) and offset >= total:
                return

    def _optimize(self, path: str, payload: Mapping[str, Any]) -> Answer:
        return dict(
            self._send(self._optimizers, "post", path, payload, repeat=True, compressed=True)
        )

    # sending

    def _send(
        self,
        hub: HubTransport,
        method: str,
        path: str,
        payload: Mapping[str, Any],
        *,
        repeat: bool,
        key: str | None = None,
        compressed: bool = False,
        text: bool = False,
    ) -> Any:
        """Send a request until it is answered, or as often as the retries allow.

        `repeat`: it may be sent again although it may have been carried out; with a `key` only to
        a hub that knows keys. What certainly was not carried out is always sent again.
        """
        secret = self._secret if self._secret and len(self._secret) > 3 else None
        details = request_details(method, path, payload)
        if secret is not None:
            details = details.replace(secret, HIDDEN)
        request = Request(hub.address, details, secret, text)
        content, headers = self._body(payload, compressed)
        if key is not None:
            headers["idempotency-key"] = key
        backoff = Backoff(self._settings)
        refused, unreachable = self.retries_count, self.connection_retries_count
        while True:
            try:
                return self._attempt(hub, method, path, content, headers, request)
            except RetryableApiError as error:
                refused -= 1
                if refused < 0 or not may_pass(error):
                    raise
                if not (refused_unread(error) or self._may_repeat(repeat, key)):
                    raise
                wait = backoff.next(error.retry_after_s)
            except NetworkError as error:
                unreachable -= 1
                if unreachable < 0 or not (error.not_sent or self._may_repeat(repeat, key)):
                    raise
                wait = backoff.next()
            time.sleep(wait)

    def _body(self, payload: Mapping[str, Any], compressed: bool) -> tuple[bytes, dict[str, str]]:
        params = dict(payload)
        if self._secret:
            params[self._token_key] = self._secret
        try:
            content = json.dumps(params, default=_plain).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidParamsError(f"parameters are no JSON: {error}", {}) from None
        headers = dict(_JSON)
        if compressed:
            content = gzip.compress(content)
            headers["content-encoding"] = "gzip"
        return content, headers

    def _attempt(
        self,
        hub: HubTransport,
        method: str,
        path: str,
        content: bytes,
        headers: Mapping[str, str],
        request: Request,
    ) -> Any:
        started = time.monotonic()
        try:
            answer = hub.send_once(method.upper(), path, content=content, headers=headers)
        except HubUnreachable as unreachable:
            self._told(method, path, "no answer", started)
            error = NetworkError(str(unreachable), {}, address=hub.address, request=request.details)
            error.not_sent = getattr(unreachable, "not_sent", False)
            raise error from unreachable
        self._told(method, path, str(answer.status_code), started)
        return read_answer(answer, request)

    def _may_repeat(self, repeat: bool, key: str | None) -> bool:
        return repeat and (key is None or self._hub_knows_keys())

    def _hub_knows_keys(self) -> bool:
        """Return whether a creation may come twice: an original hub would carry out both."""
        if self._knows_keys is None:
            try:
                described = self._send(self._hub, "get", _DESCRIPTION, {}, repeat=True)
            except (NetworkError, RetryableApiError):
                return False
            except HubApiError:
                self._knows_keys = False
            else:
                title = (described.get("info") or {}).get("title")
                self._knows_keys = isinstance(title, str) and title.startswith(_OURS)
        return self._knows_keys

    def _told(self, method: str, path: str, outcome: str, started: float) -> None:
        if self.debug:
            milliseconds = (time.monotonic() - started) * 1000
            sys.stderr.write(f"{method.upper()} {path}: {outcome} in {milliseconds:.0f} ms\n")


Handler = Callable[[Answer], object]
"""What is called with each object of a list."""
