"""Bodies of requests: bounded before and after they are uncompressed, and in time."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable, Sequence

import pytest
from starlette.requests import Request
from starlette.types import Message

from mooring.errors import InvalidInput, MooringError, RequestTooLarge, Transient
from mooring.hub.bodies import BodyTimeout, read_body

LIMIT = 10_000


def _read(
    parts: Sequence[bytes | float | None],
    *,
    limit: int = LIMIT,
    timeout_s: float = 5.0,
    **headers: str,
) -> bytes:
    """Read a body that comes in parts; a number is a pause in seconds, None the client's end."""
    waiting = list(parts)

    async def receive() -> Message:
        while waiting and isinstance(waiting[0], float):
            await asyncio.sleep(waiting.pop(0))  # type: ignore[arg-type]
        if not waiting:
            return {"type": "http.request", "body": b"", "more_body": False}
        part = waiting.pop(0)
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": True}

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": named}
    return asyncio.run(read_body(Request(scope, receive), limit=limit, timeout_s=timeout_s))


def _pieces(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_body_is_read_whole(size: int) -> None:
    body = bytes(range(256)) * 30
    assert _read(_pieces(body, size)) == body
    packed = gzip.compress(body)
    assert _read(_pieces(packed, size), content_encoding="gzip") == body
    assert _read(_pieces(packed, size), content_encoding=" GZIP ") == body
    assert _read(_pieces(body, size), content_encoding="identity") == body


def test_an_empty_body_is_empty_however_it_is_encoded() -> None:
    assert _read([]) == b""
    assert _read([], content_encoding="gzip") == b""


def test_exactly_the_limit() -> None:
    body = b"x" * LIMIT
    assert len(_read([body])) == LIMIT
    assert len(_read([gzip.compress(body)], content_encoding="gzip")) == LIMIT


TOO_LONG: dict[str, Callable[[], object]] = {
    "declared": lambda: _read([], content_length=str(LIMIT + 1)),
    "declared beyond 64 bits": lambda: _read([], content_length="9" * 30),
    "not declared": lambda: _read(_pieces(b"x" * (LIMIT + 1), 1000)),
    "declared too short": lambda: _read([b"x" * (LIMIT + 1)], content_length="1"),
    "a bomb": lambda: _read([gzip.compress(bytes(1 << 24))], content_encoding="gzip"),
    "a bomb in bits": lambda: _read(
        _pieces(gzip.compress(bytes(1 << 24)), 10), content_encoding="gzip"
    ),
    "one byte over": lambda: _read([gzip.compress(b"x" * (LIMIT + 1))], content_encoding="gzip"),
}


@pytest.mark.parametrize("case", TOO_LONG)
def test_a_body_that_is_too_long(case: str) -> None:
    with pytest.raises(RequestTooLarge, match=str(LIMIT)):
        TOO_LONG[case]()


PACKED = gzip.compress(b"content" * 50)
DAMAGED = {
    "cut off": PACKED[:-9],
    "checksum cut off": PACKED[:-3],
    "head only": PACKED[:5],
    "bytes behind": PACKED + b"x",
    "a second member": PACKED + PACKED,
    "no gzip": b"plain text",
    "zlib": zlib.compress(b"content"),
    "flipped": PACKED[:20] + bytes([PACKED[20] ^ 255]) + PACKED[21:],
    "wrong checksum": PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:],
}


@pytest.mark.parametrize("case", DAMAGED)
@pytest.mark.parametrize("size", [1, 100_000])
def test_gzip_that_is_none(case: str, size: int) -> None:
    with pytest.raises(InvalidInput):
        _read(_pieces(DAMAGED[case], size), content_encoding="gzip")


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x" * 5000, "zstd"])
def test_another_encoding(encoding: str) -> None:
    with pytest.raises(InvalidInput, match="gzip") as caught:
        _read([b"x"], content_encoding=encoding)
    assert len(str(caught.value)) < 200


SLOW: dict[str, Sequence[bytes | float | None]] = {
    "nothing comes": [b"x", 2.0, b"y"],
    "a byte now and then": [*(item for _ in range(20) for item in (b"x", 0.04))],
    "the client leaves": [b"x", None],
}


@pytest.mark.parametrize("case", SLOW)
def test_a_sender_that_is_slow_may_come_again(case: str) -> None:
    with pytest.raises(BodyTimeout) as caught:
        _read(SLOW[case], timeout_s=0.2)
    # A client parks what is refused for good: this is not.
    assert isinstance(caught.value, Transient)
    assert isinstance(caught.value, MooringError)
