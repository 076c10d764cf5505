"""Bodies of requests: bounded in bytes and time, uncompressed where they came compressed."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from mooring.errors import HubBusy, InvalidInput, RequestTooLarge

_SLOWEST = 1024
"""Bytes in a second below which a sender holds a connection up rather than uses it."""


_SHORT = 64 << 10


class BodyTimeout(HubBusy):
    """The sender stopped in the middle of a body, or is too slow; it may send it again."""


PRIVATE_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
"""Of answers that nobody may keep, and whose type nobody may guess."""


def is_short(request: Request) -> bool:
    """Whether a body is known to be a few pages, so that it costs nothing to hold it."""
    declared = request.headers.get("content-length", "")
    plain = request.headers.get("content-encoding", "identity") == "identity"
    return plain and declared.isdecimal() and len(declared) < 9 and int(declared) <= _SHORT


async def read_body(request: Request, *, limit: int, timeout_s: float) -> bytes:
    """Return the body of a request, uncompressed.

    Raises
    ------
    RequestTooLarge
        When it is longer than `limit`, before or after it is uncompressed: a bomb is put down
        as soon as it is seen to be one.
    InvalidInput
        When it says that it is gzip, and is not.
    BodyTimeout
        When nothing comes for `timeout_s`, or less than 1 KiB/s on average.
    """
    parts = []
    async for part in stream_body(request, limit=limit, timeout_s=timeout_s):
        parts.append(part)
    return b"".join(parts)


async def stream_body(request: Request, *, limit: int, timeout_s: float) -> AsyncIterator[bytes]:
    """Yield the body of a request, uncompressed. For errors see `read_body`."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip"):
        raise InvalidInput(f"a body in the encoding {encoding[:40]!r}; send gzip, or none")
    unpack = _Unpacking(limit) if encoding == "gzip" else None
    length = 0
    waited = 0.0
    stream = request.stream().__aiter__()
    while True:
        asked = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s):  # `wait_for` makes a task for each part
                part = await anext(stream)
        except StopAsyncIteration:
            break
        except TimeoutError:
            raise BodyTimeout(
                f"nothing of the body came for {timeout_s:g} s; send it again", status=408
            ) from None
        except ClientDisconnect:
            raise BodyTimeout("the connection ended before the body did", status=408) from None
        waited += time.monotonic() - asked
        length += len(part)
        if length > limit:
            raise _too_large(limit)
        if waited > timeout_s + length / _SLOWEST:
            raise BodyTimeout(
                f"the body comes by less than {_SLOWEST} bytes a second; send it again", status=408
            )
        if unpack is None:
            if part:
                yield part
            continue
        for piece in unpack.feed(part):
            yield piece
    if unpack is not None and length:
        unpack.finish()


class _Unpacking:
    """gzip, piece by piece, never more than so much in all."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._length = 0
        self._stream = zlib.decompressobj(wbits=31)

    def feed(self, part: bytes) -> list[bytes]:
        pieces = []
        while part:
            try:
                piece = self._stream.decompress(part, self._limit - self._length + 1)
            except zlib.error:
                raise InvalidInput("the body says that it is gzip, and is not") from None
            self._length += len(piece)
            if self._length > self._limit:
                raise _too_large(self._limit)
            if piece:
                pieces.append(piece)
            part = self._stream.unconsumed_tail
            if self._stream.eof:
                if part or self._stream.unused_data:
                    raise InvalidInput("something follows the gzip in the body")
                break
        return pieces

    def finish(self) -> None:
        if not self._stream.eof:
            raise InvalidInput("the gzip in the body is cut off")


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"the body is longer than {limit} bytes, which this hub takes at most")
