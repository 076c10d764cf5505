"""Sends what spools hold to a hub: one thread behind a training, and at its end."""

from __future__ import annotations

import atexit
import os
import random
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from mooring.client.spool import Spool, SpoolHead
from mooring.errors import (
    HubBusy,
    HubFailed,
    HubUnreachable,
    InvalidInput,
    MooringError,
    StoreClosed,
    Transient,
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a batch: the writer's last number that the hub has, and what it refused.

    A refused record counts among those that the hub has: it is done with.
    """

    last: int
    refused: Sequence[tuple[int, MooringError]] = ()


Deliver = Callable[[SpoolHead, int, list[bytes]], Delivery]
"""Hands records to the hub: head, number of the first, records. Raises what the hub answers."""

Heartbeat = Callable[[SpoolHead], None]


@dataclass(frozen=True, slots=True)
class SendSettings:
    """How records are sent.

    A request holds up to `batch_bytes` and `batch_count` records. The first record is sent at
    once, those after it are gathered for `gather_s`, or for as long as the last request took.
    `heartbeat_s` is how often an idle spool tells that its run goes on. Pauses between tries double
    from `first_pause_s` to `longest_pause_s`. `exit_timeout_s` is how long the end of the process
    waits for the hub.
    """

    batch_bytes: int = 1 << 20
    batch_count: int = 5_000
    gather_s: float = 0.02
    heartbeat_s: float = 15.0
    first_pause_s: float = 0.25
    longest_pause_s: float = 30.0
    exit_timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class SenderState:
    """What a sender did, and what holds it up.

    `refused` counts by the name of the error; `retrying_since` is in seconds since 1970, None
    while the hub takes what it is sent; `parked` are the spools that are not sent any more.
    """

    pending: int
    sent: int
    refused: Mapping[str, int]
    last_error: Exception | None
    retrying_since: float | None
    parked: Sequence[tuple[SpoolHead, Exception]]


@dataclass(slots=True, eq=False)
class _Lane:
    """A spool that is being sent; times are those of `time.monotonic`."""

    spool: Spool
    heartbeat: Heartbeat | None
    heartbeat_at: float
    done: int  # the last record whose delivery is counted
    gather_until: float = 0.0
    retry_at: float = 0.0
    failures: int = 0
    parked: Exception | None = None


def pause_after(failures: int, error: Exception, settings: SendSettings) -> float:
    """Return how many seconds to wait after so many failures in a row: doubling, with jitter."""
    pause = settings.first_pause_s * 2.0 ** min(failures - 1, 30)
    asked = error.retry_after_s if isinstance(error, HubBusy) else None
    pause = min(max(pause, asked or 0.0), settings.longest_pause_s)
    # Many trainings lose their hub at one instant, and should not come back at one.
    return pause * random.uniform(0.5, 1.0) if asked is None else pause * random.uniform(1.0, 1.2)


def deliver_next(spool: Spool, deliver: Deliver, settings: SendSettings) -> Delivery:
    """Send the next records of a spool, and acknowledge what the hub has.

    A kill between the hub's answer and the mark means that they are sent again, and passed over.
    """
    before = spool.acknowledged
    batch = spool.read(after=before, max_bytes=settings.batch_bytes, max_count=settings.batch_count)
    if not batch:
        return Delivery(before)
    delivery = deliver(spool.head, batch[0][0], [record for _, record in batch])
    if delivery.last <= before:
        raise HubFailed(
            f"{spool.head.hub} took none of {len(batch)} updates of run {spool.head.run_id} and "
            "named no reason",
            address=spool.head.hub,
        )
    spool.acknowledge(delivery.last)
    return delivery


class Sender:
    """Sends several spools to one hub, from one daemon thread, each in turn.

    Safe for threads. A transient error is tried again for as long as the process lives; any other
    parks its spool: the records stay on the disk, `flush` raises the error, and `state` shows it.
    The thread begins with the first spool that is added. A forked child has a sender of its own
    in the same object. When the process ends, what is pending is sent for up to `exit_timeout_s`,
    then a line on standard error tells what waits where.
    """

    def __init__(self, deliver: Deliver, *, settings: SendSettings | None = None) -> None:
        self._deliver = deliver
        self._settings = SendSettings() if settings is None else settings
        self._lanes: list[_Lane] = []
        self._start_empty()
        _watch_exit(self)

    def _start_empty(self) -> None:
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._sleeping = True  # until somebody wakes it
        self._hurried = 0  # calls of flush that wait
        self._hub_away_until = 0.0
        self._hub_failures = 0
        self._sent = 0
        self._refused: Counter[str] = Counter()
        self._last_error: Exception | None = None
        self._retrying_since: float | None = None

    # ---- for those who log ----------------------------------------------------------------------

    def add(self, spool: Spool, *, heartbeat: Heartbeat | None = None) -> None:
        """Send what this spool holds, and what is appended to it; begin anew where it is parked."""
        with self._changed:
            lane = self._lane(spool)
            if lane is None:
                heartbeat_at = time.monotonic() + self._settings.heartbeat_s
                self._lanes.append(_Lane(spool, heartbeat, heartbeat_at, spool.acknowledged))
            else:
                lane.parked, lane.retry_at = None, 0.0
            self._closing = False
        self._rouse()

    def remove(self, spool: Spool, timeout_s: float | None) -> bool:
        """Send what a spool holds, then leave it alone; return whether the hub has everything.

        The spool is not closed. Raises the error that it is parked with, and leaves it then too.
        """
        try:
            return self.flush(spool, timeout_s)
        finally:
            with self._changed:
                self._lanes = [lane for lane in self._lanes if lane.spool is not spool]

    def wake(self) -> None:
        """Tell that something was appended. Costs next to nothing where the thread is awake."""
        if self._sleeping:
            self._rouse()

    def flush(self, spool: Spool | None = None, timeout_s: float | None = None) -> bool:
        """Wait until the hub has what was appended so far; return False where time ran out.

        Raises
        ------
        MooringError
            The error that a spool is parked with, after the other spools are done.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            lanes = [lane for lane in self._lanes if spool is None or lane.spool is spool]
            if spool is not None and not lanes:
                raise InvalidInput(f"{spool.path} is not among what this sender sends")
            wanted = [(lane, lane.spool.last) for lane in lanes]
            if not any(self._is_open(lane, last) for lane, last in wanted):
                return self._is_done(wanted)
            self._closing = False
            self._hurried += 1
            self._hub_away_until = 0.0
            for lane in lanes:
                lane.retry_at = 0.0
        try:
            self._rouse()
            with self._changed:
                while any(self._is_open(lane, last) for lane, last in wanted):
                    left = None if until is None else until - time.monotonic()
                    if self._thread is None or (left is not None and left <= 0):
                        return False
                    self._changed.wait(left)
                return self._is_done(wanted)
        finally:
            with self._changed:
                self._hurried -= 1

    def close(self) -> None:
        """End the thread, after the request that is under way; spools stay as they are."""
        with self._changed:
            self._closing = True
            thread = self._thread
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(self._settings.exit_timeout_s)

    @property
    def state(self) -> SenderState:
        """What was sent, and what holds it up."""
        with self._changed:
            return SenderState(
                pending=sum(lane.spool.pending for lane in self._lanes),
                sent=self._sent,
                refused=dict(self._refused),
                last_error=self._last_error,
                retrying_since=self._retrying_since,
                parked=tuple((lane.spool.head, lane.parked) for lane in self._lanes if lane.parked),
            )

    def _is_done(self, wanted: Sequence[tuple[_Lane, int]]) -> bool:
        """Whether the hub has everything that was waited for; raises what parked a spool."""
        for lane, last in wanted:
            if lane.parked is not None and lane.done < last:
                raise lane.parked.with_traceback(None)
        return all(lane.done >= last for lane, last in wanted)

    def _lane(self, spool: Spool) -> _Lane | None:
        return next((lane for lane in self._lanes if lane.spool is spool), None)

    def _is_open(self, lane: _Lane, last: int) -> bool:
        """Whether somebody who waits for record `last` has to go on waiting."""
        return lane in self._lanes and lane.parked is None and lane.done < last

    def _rouse(self) -> None:
        with self._changed:
            self._sleeping = False
            if self._thread is None and self._lanes and not self._closing:
                thread = threading.Thread(target=self._run, name="mooring-sender", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    # No more threads, or the interpreter is ending. The records are on the disk,
                    # and whoever appended them is not to fail for it.
                    self._last_error, self._sleeping = error, True
                else:
                    self._thread = thread
                    _watch_worker()
            self._changed.notify_all()

    # ---- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                lane = self._wait_for_work()
                if lane is None:
                    self._thread = None
                    self._sleeping = True
                    return
                # To the end of the line, so that every spool has its turn.
                self._lanes.remove(lane)
                self._lanes.append(lane)
            self._serve(lane)

    def _wait_for_work(self) -> _Lane | None:
        """Wait for a spool that is due; None when the sender is closed. Holds `_changed`."""
        nap = False
        while not self._closing:
            # Said before looking: what is appended after the look finds it and wakes the thread.
            self._sleeping = not nap
            now = time.monotonic()
            due = [(self._due(lane, now), lane) for lane in self._lanes]
            # The first in line, not the one due longest: a spool that is always full would win.
            for at, lane in due:
                if at <= now:
                    self._sleeping = False
                    return lane
            at = min((at for at, _ in due), default=float("inf"))
            wait = None if at == float("inf") else at - now
            if nap or (wait is not None and wait <= self._settings.gather_s):
                # While it waits anyway, appending threads need not wake it one by one.
                self._sleeping = False
                pause = self._settings.gather_s
                self._changed.wait(pause if wait is None else min(wait, pause))
                nap = False
            else:
                self._changed.wait(wait)
                nap = not self._sleeping
        return None

    def _due(self, lane: _Lane, now: float) -> float:
        """Return when a spool is to be served next."""
        never = float("inf")
        spool, settings = lane.spool, self._settings
        if lane.parked is not None:
            return never
        if not spool.pending:
            return never if lane.heartbeat is None or not spool.exists else lane.heartbeat_at
        at = max(lane.retry_at, self._hub_away_until)
        full = spool.pending >= settings.batch_count or spool.pending_bytes >= settings.batch_bytes
        return at if full or self._hurried else max(at, lane.gather_until)

    def _serve(self, lane: _Lane) -> None:
        began = time.monotonic()
        try:
            if lane.spool.pending:
                before = lane.spool.acknowledged
                delivery = deliver_next(lane.spool, self._deliver, self._settings)
                self._note_success(lane, began, delivery, lane.spool.acknowledged - before)
            elif lane.heartbeat is not None:
                lane.heartbeat_at = began + self._settings.heartbeat_s
                lane.heartbeat(lane.spool.head)
        except Exception as error:  # noqa: BLE001 - nobody is behind the thread: it is kept and told
            self._note_failure(lane, error, was_beating=not lane.spool.pending)

    def _note_success(self, lane: _Lane, began: float, delivery: Delivery, count: int) -> None:
        now = time.monotonic()
        with self._changed:
            lane.failures = self._hub_failures = 0
            lane.done += count
            lane.heartbeat_at = now + self._settings.heartbeat_s
            # A hub that is slow is asked less often, for more at a time.
            lane.gather_until = began + max(self._settings.gather_s, min(2 * (now - began), 1.0))
            self._sent += count
            self._refused.update(type(error).__name__ for _, error in delivery.refused)
            if delivery.refused:
                self._last_error = delivery.refused[-1][1]
            if not any(other.failures for other in self._lanes):
                self._retrying_since = None
            self._changed.notify_all()

    def _note_failure(self, lane: _Lane, error: Exception, *, was_beating: bool) -> None:
        now = time.monotonic()
        with self._changed:
            if isinstance(error, StoreClosed) and lane.spool.closed:
                self._lanes = [other for other in self._lanes if other is not lane]
            elif isinstance(error, Transient):
                self._last_error = error
                if self._retrying_since is None and not was_beating:
                    self._retrying_since = time.time()
                if isinstance(error, HubUnreachable | HubBusy):
                    # Whoever is next would find the hub away as well, and lose as long a wait.
                    self._hub_failures += 1
                    pause = pause_after(self._hub_failures, error, self._settings)
                    self._hub_away_until = now + pause
                else:
                    pause = pause_after(lane.failures + 1, error, self._settings)
                if not was_beating:
                    lane.failures += 1
                    lane.retry_at = now + pause
            else:
                self._last_error = error
                if not was_beating:
                    lane.parked = error
            self._changed.notify_all()

    # ---- the end of the process, and forks ------------------------------------------------------

    def _leave(self) -> None:
        """Send what is left for a while, then tell what waits; at the end of the process."""
        # What parks a spool is told below; Ctrl-C here means: do not wait.
        with suppress(Exception, KeyboardInterrupt):
            self.flush(timeout_s=self._settings.exit_timeout_s)
        with self._changed:
            self._closing = True
            lanes, self._lanes = self._lanes, []
            self._changed.notify_all()
        for lane in lanes:
            spool, error = lane.spool, lane.parked
            if error is None and lane.failures:
                error = self._last_error
            if spool.pending:
                tell_waiting(spool, error)
            with suppress(MooringError):
                spool.close()

    def _part(self) -> None:
        """In a forked child: the thread and its locks are the parent's."""
        self._lanes = [
            _Lane(lane.spool, lane.heartbeat, time.monotonic() + self._settings.heartbeat_s, 0)
            for lane in self._lanes
            if not lane.spool.closed
        ]
        self._start_empty()


def tell_waiting(spool: Spool, error: Exception | None) -> None:
    """Write one line to standard error that tells what waits in a spool, and why."""
    if sys.stderr is None:
        return
    head = spool.head
    reason = f" ({type(error).__name__}: {error})".replace("\n", " ") if error else ""
    with suppress(OSError, ValueError):
        sys.stderr.write(
            f"mooring: {spool.pending:,} updates of run {head.run_id} wait in {spool.path}; "
            f"`mooring sync` sends them to {head.hub}{reason}\n"
        )


@dataclass(slots=True)
class _Exit:
    senders: weakref.WeakSet[Sender] = field(default_factory=weakref.WeakSet)
    watched: bool = False
    worker: int = 0  # the process whose end is watched through multiprocessing


_EXIT = _Exit()


def _watch_exit(sender: Sender) -> None:
    _EXIT.senders.add(sender)
    if not _EXIT.watched:
        _EXIT.watched = True
        atexit.register(_leave_all)


def _watch_worker() -> None:
    """See to the end of a forked worker of multiprocessing, which runs no atexit functions."""
    process = sys.modules.get("multiprocessing.process")
    if process is None or process.parent_process() is None or _EXIT.worker == os.getpid():
        return
    from multiprocessing.util import Finalize

    _EXIT.worker = os.getpid()
    Finalize(None, _leave_all, exitpriority=10)


def _leave_all() -> None:
    for sender in list(_EXIT.senders):
        sender._leave()


def _part_all() -> None:
    for sender in list(_EXIT.senders):
        sender._part()


if hasattr(os, "register_at_fork"):
    # After the spools' own: children run these in the order in which they were registered.
    os.register_at_fork(after_in_child=_part_all)
