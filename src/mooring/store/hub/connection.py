"""Calls to a hub: arguments out, results or our errors back."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson

from mooring.client.settings import ClientSettings
from mooring.client.transport import Content, HubTransport, read_body
from mooring.errors import HubError, HubFailed, MooringError, StoreTooNew, Unauthenticated
from mooring.store.hub.messages import (
    CODEC,
    PROTOCOL,
    PROTOCOL_HEADER,
    REQUEST_HEADER,
    ROOT,
)
from mooring.wire.native import MEDIA_TYPE, MessageInvalid, decode_error
from mooring.wire.native.columns import STREAM_TYPE

if TYPE_CHECKING:
    import httpx

_LONG_S = 3600.0
"""For calls that may work long before the first byte of their answer."""


class HubConnection:
    """The store's own protocol over a transport. Any thread may use it."""

    def __init__(self, transport: HubTransport) -> None:
        self.transport = transport
        self.address = transport.address

    def describe(self) -> Mapping[str, Any]:
        """Return what the hub tells of itself and of whose token this is."""
        with self._answer("GET", ROOT) as answer:
            found = _json(answer)
        if not isinstance(found, dict):
            raise HubFailed(f"{self.address} does not answer as a hub does", address=self.address)
        return found

    def call(self, name: str, /, **arguments: object) -> Any:
        """Make a call of the contract and return its result."""
        content = CODEC.encode(arguments)
        headers = {"content-type": MEDIA_TYPE}
        with self._answer("POST", f"{ROOT}/call/{name}", content, headers, _LONG_S) as answer:
            return self._decode(answer.content)

    def read_stream(self, path: str, **arguments: object) -> bytearray:
        """Return the Arrow stream that answers a call."""
        content = CODEC.encode(arguments)
        headers = {"content-type": MEDIA_TYPE}
        body = bytearray()

        def read(answer: httpx.Response) -> None:
            nonlocal body
            body = read_body(answer)

        with self._answer("POST", ROOT + path, content, headers, _LONG_S, read=read) as answer:
            if answer.headers.get("content-type", "") != STREAM_TYPE:
                raise HubFailed(f"{self.address} sent no Arrow stream", address=self.address)
            return body

    def send(
        self,
        path: str,
        content: Content,
        *,
        kind: str,
        request: str | None = None,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a body, and return the JSON that answers it."""
        sent = {"content-type": kind, REQUEST_HEADER: request or uuid.uuid4().hex}
        with self._answer(
            method, ROOT + path, content, {**sent, **(headers or {})}, _LONG_S
        ) as answer:
            return _json(answer)

    def send_for_value(
        self, path: str, content: Content, *, kind: str, request: str | None = None
    ) -> Any:
        """Send a body, and return the value of the message that answers it."""
        headers = {"content-type": kind, REQUEST_HEADER: request or uuid.uuid4().hex}
        with self._answer("POST", ROOT + path, content, headers, _LONG_S) as answer:
            return self._decode(answer.content)

    def lines(self, path: str, **arguments: object) -> Iterator[Any]:
        """Yield the values of an answer that comes line by line."""
        content = CODEC.encode(arguments)
        headers = {"content-type": MEDIA_TYPE}
        with self._answer("POST", ROOT + path, content, headers, _LONG_S, whole=False) as answer:
            for line in answer.iter_lines():
                found = CODEC.decode(line.encode(), trusted=True)
                if isinstance(found, dict) and "error" in found:
                    raise decode_error(found["error"])
                yield found

    @contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        content: Content = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        *,
        whole: bool = True,
        read: Callable[[httpx.Response], object] | None = None,
    ) -> Iterator[httpx.Response]:
        with self.transport.stream(
            method,
            path,
            content=content,
            headers=headers,
            timeout_s=timeout_s,
            whole=whole,
            read=read,
        ) as answer:
            if answer.status_code >= 300:
                answer.read()
                raise self.failure(answer)
            spoken = answer.headers.get(PROTOCOL_HEADER, "")
            if not spoken.isdecimal():
                raise HubFailed(
                    f"{self.address} is no hub of Mooring, or something before it answers",
                    address=self.address,
                    status=answer.status_code,
                )
            if int(spoken) > PROTOCOL:
                raise StoreTooNew(self.address, found=int(spoken), supported=PROTOCOL)
            yield answer

    def failure(self, answer: httpx.Response) -> MooringError:
        """Return the error that an answer tells of."""
        status = answer.status_code
        try:
            record = orjson.loads(answer.content)["error"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            if status == 401:
                return Unauthenticated(
                    f"{self.address} wants a token", address=self.address, status=status
                )
            return HubFailed(
                f"{self.address} answered {status}, which no hub of Mooring does here: is it one?",
                address=self.address,
                status=status,
            )
        error = decode_error(record, status=status)
        if isinstance(error, HubError):
            error.address, error.status = self.address, status
        return error

    def _decode(self, content: bytes) -> Any:
        try:
            return CODEC.decode(content, trusted=True)
        except MessageInvalid as error:
            raise HubFailed(
                f"{self.address} answered with what is no message ({error})", address=self.address
            ) from error


def _json(answer: httpx.Response) -> Any:
    try:
        return orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        raise HubFailed(f"{answer.url.host} answered with what is no JSON") from None


def is_hub(address: str) -> bool:
    """Return whether a hub of Mooring answers at an address, whatever it says of a token.

    Raises
    ------
    HubUnreachable
        When nothing answers.
    """
    transport = HubTransport(address, None, ClientSettings(retries=0))
    try:
        answer = transport.request("GET", ROOT)
    finally:
        transport.close()
    return PROTOCOL_HEADER in answer.headers
