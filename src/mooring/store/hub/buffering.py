"""Writing by way of spools: what is logged is kept on this disk, and sent from there.

What a SIGKILL leaves behind: spools whose process is dead. They are sent by the next process that
writes to the hub, or by `mooring sync`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mooring.client.sending import Delivery, Sender, tell_waiting
from mooring.client.spool import Spool, SpoolHead, default_folder
from mooring.client.syncing import SyncReport, sync
from mooring.errors import HubError, HubUnreachable, MooringError
from mooring.model import RunInfo, now_micros
from mooring.store.contract import Durability
from mooring.store.hub.writer import Deliver

LIMIT_BYTES = 4 << 30
"""How much may wait for a hub on this disk, for each writer, before logging is refused."""

CLOSE_TIMEOUT_S = 10.0
"""How long the end of a run waits for a hub that is away."""


class Buffer:
    """The spools of one store object, and the thread that sends them. Any thread may use it."""

    def __init__(
        self,
        address: str,
        deliver: Deliver,
        *,
        durability: Durability,
        folder: Path | None,
        timeout_s: float,
    ) -> None:
        self._address = address
        self._send = deliver
        self._power = durability is Durability.POWER
        self._folder = folder or default_folder()
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._refused: dict[str, list[MooringError]] = {}
        self._sender = Sender(self._deliver)
        self._helped = False

    def open_spool(self, run: RunInfo, writer: str) -> Spool:
        """Return a new spool of a run, which is sent from now on."""
        head = SpoolHead(
            hub=self._address,
            project=run.project,
            run_id=run.run_id,
            key=run.key,
            writer=writer,
            created=now_micros(),
        )
        spool = Spool.create(
            self._folder,
            head,
            durability="power" if self._power else "process",
            limit_bytes=LIMIT_BYTES,
        )
        self._sender.add(spool)
        self._send_what_others_left()
        return spool

    def _deliver(self, head: SpoolHead, first: int, records: list[bytes]) -> Delivery:
        receipt = self._send(head.key, head.writer, first, records)
        if receipt.refused:
            with self._lock:
                errors = self._refused.setdefault(head.writer, [])
                errors += [error for _, error in receipt.refused]
        return Delivery(receipt.last, tuple(receipt.refused))

    def _send_what_others_left(self) -> None:
        """Send, once and in the background, the spools of processes that died."""
        with self._lock:
            if self._helped:
                return
            self._helped = True
        threading.Thread(target=self.sync, name="mooring-sync", daemon=True).start()

    def sync(self, progress: Callable[[SpoolHead, int, int], None] | None = None) -> SyncReport:
        """Send the spools of processes that died; what cannot be sent stays where it is."""
        return sync(self._folder, self._deliver, hub=self._address, progress=progress)

    def wake(self) -> None:
        """Tell that something was appended."""
        self._sender.wake()

    def settle(self) -> None:
        """Wait until the hub has what was appended.

        Raises
        ------
        HubError
            What the hub said, or that it does not answer in time.
        """
        if not self._sender.flush(timeout_s=self._timeout_s):
            error = self._sender.state.last_error
            if isinstance(error, HubError):
                raise error.with_traceback(None)
            raise HubUnreachable(
                f"{self._address} did not take what was logged before in {self._timeout_s:g} s",
                address=self._address,
            )

    def end(self, spool: Spool) -> None:
        """Send what a spool holds, for a while; what the hub does not take then stays on the disk.

        Raises
        ------
        MooringError
            The first error that updates were refused with.
        """
        parked: MooringError | None = None
        try:
            done = self._sender.remove(spool, timeout_s=CLOSE_TIMEOUT_S)
        except MooringError as error:
            done, parked = False, error
        if not done:
            tell_waiting(spool, parked or self._sender.state.last_error)
        spool.close()
        with self._lock:
            refused = self._refused.pop(spool.head.writer, [])
        if refused:
            raise _told(refused)

    @property
    def refused(self) -> Mapping[str, int]:
        """Number of updates that the hub refused, by the name of the error."""
        return self._sender.state.refused

    def close(self) -> None:
        """End the thread."""
        with suppress(MooringError):
            self._sender.flush(timeout_s=0.0)
        self._sender.close()


def _told(refused: Sequence[MooringError]) -> MooringError:
    """Return the first of these errors, which tells how many there are."""
    first = refused[0]
    if len(refused) > 1:
        first.add_note(f"{len(refused):,} updates of this run were refused; this is the first")
    return first
