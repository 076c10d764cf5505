"""What dead processes left in their spools: listing it, and sending it."""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mooring.client.frames import measure
from mooring.client.sending import Deliver, SendSettings, deliver_next, pause_after
from mooring.client.spool import Spool
from mooring.client.spool_files import (
    DAMAGED_SUFFIX,
    HEAD_FILE,
    SUFFIX,
    SpoolHead,
    is_locked,
    open_guard,
    read_head,
    read_mark,
    segments_of,
)
from mooring.errors import (
    HubUnreachable,
    MooringError,
    StoreCorrupt,
    StoreError,
    StoreNotFound,
    Transient,
)

_HIDDEN = re.compile(r"\.[0-9a-f]{32}\.(new|gone)")
_GRACE_S = 3600.0  # longer than any process takes to make or delete a spool
_TRIES = 4

Progress = Callable[[SpoolHead, int, int], None]
"""Told after each request: whose spool, how many records were sent, how many are pending."""


@dataclass(frozen=True, slots=True)
class SpoolState:
    """A spool on the disk. `alive`: a process has it open. `damage` is what is wrong, or empty.

    `head` is None where it cannot be read. Of a living spool the numbers are those of an instant.
    """

    path: Path
    head: SpoolHead | None
    pending: int
    size_bytes: int
    alive: bool
    damage: str = ""


@dataclass(frozen=True, slots=True)
class SpoolResult:
    """What `sync` did with a spool.

    `left` records stay in `path`; `error` is why. `refused` counts by the name of the error.
    `cut_bytes` is the torn tail of a record whose call never returned.
    """

    path: Path
    head: SpoolHead | None
    sent: int = 0
    left: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    error: Exception | None = None
    cut_bytes: int = 0


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What `sync` did; `alive` spools belong to processes that send them, or to another sync."""

    spools: Sequence[SpoolResult]
    alive: int

    @property
    def ok(self) -> bool:
        """Whether the hub has everything that dead processes left."""
        return not any(result.error for result in self.spools)

    @property
    def sent(self) -> int:
        """How many records were sent."""
        return sum(result.sent for result in self.spools)

    @property
    def left(self) -> int:
        """How many records wait."""
        return sum(result.left for result in self.spools)


def list_spools(folder: Path, hub: str | None = None) -> list[SpoolState]:
    """List the user's spools in a folder, oldest first; of one hub, or of all.

    Those of a damaged head are of no hub, and come with any.
    """
    states = [state for path in _spools_in(folder) if (state := _look_at(path)) is not None]
    if hub is not None:
        states = [state for state in states if state.head is None or state.head.hub == hub]
    return sorted(states, key=lambda state: (state.head.created if state.head else 0, state.path))


def _spools_in(folder: Path) -> list[Path]:
    """Return the folders that are spools of this user: another's would be sent in our name."""
    found = []
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            if path.suffix in (SUFFIX, DAMAGED_SUFFIX) and not path.name.startswith("."):
                with suppress(FileNotFoundError):
                    status = path.lstat()
                    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
                        found.append(path)
    return found


def _look_at(path: Path) -> SpoolState | None:
    """Return the state of a spool; None where it vanished meanwhile."""
    head, alive, damage = None, False, ""
    try:
        guard = open_guard(path)
        try:
            alive = is_locked(guard, path / HEAD_FILE)
            head = read_head(path, guard)
        finally:
            os.close(guard)
    except StoreNotFound:
        return None
    except StoreError as error:
        damage = str(error)
    if path.suffix == DAMAGED_SUFFIX:
        damage = damage or f"{path} was set aside: its records are damaged"
    try:
        last, size = read_mark(path), 0
        acknowledged = last
        segments = segments_of(path)
        for _, file in segments:
            size += file.stat().st_size
        if segments:
            first, file = segments[-1]
            acknowledged = max(acknowledged, segments[0][0] - 1)
            last = max(acknowledged, measure(file.read_bytes(), first=first).last)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return SpoolState(path, head, last - acknowledged, size, alive, damage)


def sync(
    folder: Path,
    deliver: Deliver,
    *,
    hub: str | None = None,
    progress: Progress | None = None,
    settings: SendSettings | None = None,
) -> SyncReport:
    """Send what dead processes left in their spools, in order for each run.

    Spools of living processes are passed over. May run several times at once: each spool is sent
    by one. Where something of a run cannot be sent, later spools of the run wait with it. A spool
    whose records are damaged is sent up to the damage, then kept under another name.
    """
    settings = SendSettings() if settings is None else settings
    _sweep(folder)
    results: list[SpoolResult] = []
    held: dict[tuple[str, int], Exception] = {}
    away: dict[str, Exception] = {}
    alive = 0
    for state in list_spools(folder, hub):
        if state.alive:
            alive += 1
            continue
        if state.path.suffix == DAMAGED_SUFFIX:
            continue
        try:
            spool = Spool.adopt(state.path)
        except StoreNotFound:
            continue
        except StoreError as error:
            results.append(SpoolResult(state.path, state.head, left=state.pending, error=error))
            continue
        if spool is None:
            alive += 1
            continue
        head = spool.head
        reason = away.get(head.hub) or held.get((head.hub, head.key))
        if reason is not None:
            results.append(SpoolResult(spool.path, head, left=spool.pending, error=reason))
            spool.close()
            continue
        result = _drain(spool, deliver, progress, settings)
        results.append(result)
        if isinstance(result.error, HubUnreachable):
            away[head.hub] = result.error
        elif result.error is not None and result.path.suffix != DAMAGED_SUFFIX:
            held[head.hub, head.key] = result.error
    return SyncReport(tuple(results), alive)


def _drain(
    spool: Spool, deliver: Deliver, progress: Progress | None, settings: SendSettings
) -> SpoolResult:
    """Send an adopted spool, then close it. A kill leaves what the hub did not acknowledge."""
    refused: Counter[str] = Counter()
    sent = failures = 0
    error: Exception | None = None
    path, cut = spool.path, spool.cut_bytes
    try:
        while spool.pending and error is None:
            before = spool.acknowledged
            try:
                delivery = deliver_next(spool, deliver, settings)
            except MooringError as raised:
                failures += 1
                if not isinstance(raised, Transient) or failures >= _TRIES:
                    error = raised
                else:
                    time.sleep(pause_after(failures, raised, settings))
                continue
            failures = 0
            refused.update(type(reason).__name__ for _, reason in delivery.refused)
            sent += spool.acknowledged - before
            if progress is not None:
                progress(spool.head, sent, spool.pending)
        if isinstance(error, StoreCorrupt) and error.address.startswith(str(spool.path)):
            path = spool.set_aside()
    finally:
        left = spool.pending
        spool.close()
    return SpoolResult(path, spool.head, sent, left, dict(refused), error, cut)


def _sweep(folder: Path) -> None:
    """Remove what a kill left of a spool that was being made or deleted."""
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            if _HIDDEN.fullmatch(path.name):
                with suppress(FileNotFoundError):
                    status = path.lstat()
                    old = time.time() - status.st_mtime > _GRACE_S
                    if old and status.st_uid == os.geteuid() and stat.S_ISDIR(status.st_mode):
                        shutil.rmtree(path, ignore_errors=True)
