"""HTTP whose clients have so long, and so many bytes, to say what they want."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD_TIMEOUT_S = 20.0
_MAX_HEAD_BYTES = 64 << 10
_READ_TIMEOUT_S = 60.0


class PatientProtocol(HttpToolsProtocol):
    """Ends connections whose client is slow to ask, or to take its answer.

    The head of a request (first line and headers) has 20 s and 64 KiB, on a connection that is
    kept too; bodies have a time of their own (`mooring.hub.bodies`). An answer of which the client
    takes no byte for a minute is given up.
    """

    _asking: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None
    _in_head = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Take what the client sends, as long as it leads to a request."""
        went_on = self._in_head
        super().data_received(data)
        self._head_bytes = self._head_bytes + len(data) if went_on and self._in_head else 0
        if self.transport.is_closing():
            return
        if self._head_bytes > _MAX_HEAD_BYTES:
            self.send_400_response("The head of the request is too long.")
        elif self._in_head or self._is_idle():
            self._wait_for_head()
        else:
            self._stop(self._asking)
            self._asking = None

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        """Note that a head is there."""
        self._in_head = False
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not read."""
        super().pause_writing()
        self._watch_reading(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Go on with a client that reads."""
        self._stop(self._reading)
        self._reading = None
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop to wait."""
        self._stop(self._asking)
        self._stop(self._reading)
        super().connection_lost(exc)

    def _is_idle(self) -> bool:
        if self.cycle is None:  # before the first request, whatever its annotation says
            return True
        return self.cycle.response_complete and not self.pipeline

    def _wait_for_head(self) -> None:
        if self._asking is None:
            self._asking = self.loop.call_later(_HEAD_TIMEOUT_S, self._give_up)

    def _give_up(self) -> None:
        self._asking = None
        if not self._is_idle():
            self._wait_for_head()  # another request of this connection is being answered
        elif not self.transport.is_closing():
            self.transport.close()

    def _watch_reading(self, left: int) -> None:
        self._stop(self._reading)
        self._reading = self.loop.call_later(_READ_TIMEOUT_S, self._check_reading, left)

    def _check_reading(self, before: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left < before:
            self._watch_reading(left)
        else:
            self.transport.abort()

    @staticmethod
    def _stop(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()
