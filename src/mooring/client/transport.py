"""HTTP to a hub: one connection pool, time-outs, and repeats of what failed for a moment."""

from __future__ import annotations

import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mooring.client.settings import ClientSettings
from mooring.errors import HubBusy, HubError, HubUnreachable, InvalidAddress, Transient

if TYPE_CHECKING:
    import httpx

_BUSY = frozenset({408, 429, 503})
_FAULTS = frozenset({502, 504})

Content = bytes | Callable[[], Iterator[bytes | memoryview]] | None
"""A body: bytes, or what makes it anew for each attempt."""


class Backoff:
    """Waits between attempts: exponential, with jitter.

    >>> waits = Backoff(ClientSettings(first_wait_s=1, longest_wait_s=4))
    >>> all(0.5 * limit <= waits.next() <= limit for limit in (1, 2, 4, 4))
    True
    """

    def __init__(self, settings: ClientSettings) -> None:
        self._wait = settings.first_wait_s
        self._longest = settings.longest_wait_s

    def next(self, at_least: float | None = None) -> float:
        """Return the next wait in seconds, at least what the hub asked for."""
        wait = min(self._wait, self._longest)
        self._wait = wait * 2
        wait *= random.uniform(0.5, 1.0)
        return wait if at_least is None else max(wait, min(at_least, 60.0))


class HubTransport:
    """Requests to one hub. Any thread may use it; a forked child gets connections of its own.

    Errors: `HubUnreachable`, `HubBusy` and other `Transient` ones, after as many repeats as the
    settings say. An answer of any other status is returned: what it means is the protocol's.
    """

    def __init__(
        self, address: str, secret: str | None, settings: ClientSettings | None = None
    ) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidAddress(f"{address!r} is no address of a hub; write http://host:port")
        if parts.username or parts.password:
            raise InvalidAddress(
                "the address of a hub holds no user or password; give the token as api_token, or "
                "in MOORING_API_TOKEN"
            )
        self.address = address.rstrip("/")
        self.settings = settings or ClientSettings()
        self._secret = secret
        self._local = threading.Lock()
        self._client: httpx.Client | None = None
        self._process = 0

    def __repr__(self) -> str:
        return f"HubTransport({self.address!r})"

    def without_repeats(self) -> HubTransport:
        """Return another one that tries once, for those who repeat by themselves."""
        return HubTransport(self.address, self._secret, replace(self.settings, retries=0))

    @property
    def _http(self) -> httpx.Client:
        with self._local:
            if self._client is None or self._process != os.getpid():
                self._client = self._connect()
                self._process = os.getpid()
                # Whoever forgets to close it leaves no connection open.
                weakref.finalize(self, _close_here, self._client, self._process)
            return self._client

    def _connect(self) -> httpx.Client:
        import httpx

        headers = {"accept-encoding": "identity", "user-agent": "mooring"}
        if self._secret is not None:
            headers["authorization"] = f"Bearer {self._secret}"
        timeout = self.settings.timeout_s
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=16)
        mounts = {
            f"{scheme}://": httpx.HTTPTransport(proxy=proxy, limits=limits)
            for scheme, proxy in self.settings.proxies.items()
            if proxy
        }
        return httpx.Client(
            # Certificates are read where there is something to verify: that takes 20 ms.
            verify=self.address.startswith("https"),
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)),
            limits=limits,
            mounts=mounts,
            follow_redirects=False,
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        content: Content = None,
        headers: Mapping[str, str] | None = None,
        repeat: bool = True,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        """Return the answer to a request, read whole.

        `repeat`: the request may be sent again after it may have been carried out; without it only
        what certainly was not is repeated.
        """
        with self.stream(
            method, path, content=content, headers=headers, repeat=repeat, timeout_s=timeout_s
        ) as answer:
            return answer

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        content: Content = None,
        headers: Mapping[str, str] | None = None,
        repeat: bool = True,
        timeout_s: float | None = None,
        whole: bool = True,
        read: Callable[[httpx.Response], object] | None = None,
    ) -> Iterator[httpx.Response]:
        """Yield the answer to a request; with `whole=False` its body is still to be read.

        `read` reads the body of an answer that is no refusal; a break in it is an attempt that
        failed. Errors while the body is read inside the block are `HubUnreachable`.
        """
        take = read if whole else _leave
        answer = self._attempt_all(method, path, content, headers, repeat, timeout_s, take)
        try:
            with self.translated():
                yield answer
        finally:
            answer.close()

    def _attempt_all(
        self,
        method: str,
        path: str,
        content: Content,
        headers: Mapping[str, str] | None,
        repeat: bool,
        timeout_s: float | None,
        read: Callable[[httpx.Response], object] | None,
    ) -> httpx.Response:
        backoff = Backoff(self.settings)
        for left in range(self.settings.retries, -1, -1):
            try:
                return self._attempt(method, path, content, headers, timeout_s, read)
            except HubError as error:
                certain = isinstance(error, HubBusy) or getattr(error, "not_sent", False)
                if not isinstance(error, Transient) or not left or not (repeat or certain):
                    raise
                time.sleep(backoff.next(getattr(error, "retry_after_s", None)))
        raise AssertionError("unreachable")

    def _attempt(
        self,
        method: str,
        path: str,
        content: Content,
        headers: Mapping[str, str] | None,
        timeout_s: float | None,
        read: Callable[[httpx.Response], object] | None,
    ) -> httpx.Response:
        answer = self.send_once(
            method, path, content=content, headers=headers, timeout_s=timeout_s, whole=False
        )
        with self.translated():
            if answer.status_code in _BUSY or answer.status_code in _FAULTS:
                answer.read()
                raise self._transient(answer)
            if read is None or (answer.status_code >= 300 and read is not _leave):
                answer.read()
            else:
                read(answer)
        return answer

    def send_once(
        self,
        method: str,
        path: str,
        *,
        content: Content = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        whole: bool = True,
    ) -> httpx.Response:
        """Return the answer to one attempt, whatever its status: for those who repeat themselves.

        With `whole=False` its body is still to be read, and the answer to be closed.
        """
        http = self._http
        body = content() if callable(content) else content
        options: dict[str, Any] = {} if timeout_s is None else {"timeout": timeout_s}
        with self.translated():
            request = http.build_request(
                method,
                self.address + path,
                content=body,  # type: ignore[arg-type]  # views are taken as bytes are
                headers=headers,
                **options,
            )
            answer = http.send(request, stream=True)
            if whole:
                answer.read()
        return answer

    def _transient(self, answer: httpx.Response) -> HubError:
        status = answer.status_code
        if status in _FAULTS:
            return HubUnreachable(
                f"{self.address} answered {status}: the hub behind it does not answer",
                address=self.address,
                status=status,
            )
        after = answer.headers.get("retry-after", "")
        reason = answer.headers.get("x-mooring-reason", "it is busy")
        return HubBusy(
            f"{self.address} asks to come again later: {reason[:200]}",
            address=self.address,
            status=status,
            retry_after_s=float(after) if after.isdecimal() else None,
        )

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn failures of HTTP into ours."""
        import httpx

        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            failure = HubUnreachable(
                f"no hub answers at {self.address} ({_reason(error)}); is it running there?",
                address=self.address,
            )
            failure.not_sent = True  # type: ignore[attr-defined]
            raise failure from error
        except httpx.TimeoutException as error:
            raise HubUnreachable(
                f"{self.address} did not answer in time ({_reason(error)})", address=self.address
            ) from error
        except (httpx.TransportError, httpx.StreamError) as error:
            raise HubUnreachable(
                f"the connection to {self.address} broke ({_reason(error)})", address=self.address
            ) from error
        except httpx.InvalidURL as error:
            raise InvalidAddress(f"{self.address!r}: {error}") from error

    def close(self) -> None:
        """Close the connections. Idempotent; a later request opens new ones."""
        with self._local:
            if self._client is not None:
                self._client.close()
                self._client = None


def _close_here(client: httpx.Client, process: int) -> None:
    """Close connections, but for a forked child, to which they do not belong."""
    if os.getpid() == process:
        client.close()


def read_body(answer: httpx.Response) -> bytearray:
    """Return a long body as it came, in memory that is taken once."""
    length = answer.headers.get("content-length", "")
    if not length.isdecimal():
        return bytearray(b"".join(answer.iter_raw()))
    body = bytearray(int(length))
    end = 0
    with memoryview(body) as view:
        for piece in answer.iter_raw():
            view[end : end + len(piece)] = piece
            end += len(piece)
    return body


def _leave(answer: httpx.Response) -> None:
    """Leave a body to whoever asked."""


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
