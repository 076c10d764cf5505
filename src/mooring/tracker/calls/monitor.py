"""What the machine does: processor, memory, disk, network. Loads psutil on first use.

Two ways of asking: `Sampler` while a function runs, `Monitor.read` between two rows.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self, TypeVar

__all__ = ["Monitor", "Sampler", "to_mb"]

_BYTES_PER_MB = 1_048_576
_T = TypeVar("_T")
_Measure = Callable[[], float]
_Tell = Callable[[BaseException], None]


def to_mb(bytes: float) -> float:
    """Return bytes as megabytes of 1,048,576 bytes.

    >>> to_mb(524_288)
    0.5
    """
    return bytes / _BYTES_PER_MB


class Sampler:
    """Measures from `start` to `stop`, at both ends and every `interval_s` between them.

    `stop` returns: with `system` `cpu` (of this process, percent of one core, exact over the whole
    time), and the means of `memory_percent` (in use on the machine), `p_memory_percent` (held by
    this process) and `disk_percent` (of the file system of the working directory); with `network`
    `bytes_sent` and `bytes_recv`, MB that the machine moved meanwhile. A measure that fails is left
    out and passed to `tell`.
    """

    def __init__(self, *, system: bool, network: bool, interval_s: float, tell: _Tell) -> None:
        self._measures = _levels() if system else {}
        self._samples: dict[str, list[float]] = {name: [] for name in self._measures}
        self._system = system
        self._network = network
        self._interval_s = interval_s
        self._tell = tell
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._moved: _Traffic | None = None

    def start(self) -> Self:
        """Begin; a daemon thread samples until `stop`."""
        if self._measures:
            self._sample()
            self._thread = threading.Thread(
                target=self._sample_until_ended, name="mooring-monitor", daemon=True
            )
            try:
                self._thread.start()
            except RuntimeError as error:  # no more threads: both ends are still measured
                self._thread = None
                self._tell(error)
        if self._network:
            self._moved = _measure(_Traffic.now, self._tell)
        self._began, self._began_cpu = time.perf_counter(), time.process_time()
        return self

    def stop(self) -> Mapping[str, float]:
        """End, and return what was measured."""
        elapsed, cpu = time.perf_counter() - self._began, time.process_time() - self._began_cpu
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        values: dict[str, float] = {}
        if self._system:
            self._sample()
            # a child forked meanwhile has a clock of its own
            values["cpu"] = 100 * max(cpu, 0.0) / elapsed if elapsed > 0 else 0.0
            values |= {
                name: sum(taken) / len(taken) for name, taken in self._samples.items() if taken
            }
        if self._moved is not None and (now := _measure(_Traffic.now, self._tell)):
            values |= now.since(self._moved)
        return values

    def _sample_until_ended(self) -> None:
        while not self._ended.wait(self._interval_s):
            self._sample()

    def _sample(self) -> None:
        for name, measure in self._measures.items():
            value = _measure(measure, self._tell)
            if value is not None:
                self._samples[name].append(value)


class Monitor:
    """Measures the time since it was asked last (the first time: since it was made).

    Any thread may ask, and a forked child goes on.
    """

    def __init__(self, tell: _Tell) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._cpu: _CpuTimes | None = None
        self._cpu_percent: float | None = None
        self._traffic: _Traffic | None = None
        _ALIVE.add(self)

    def begin(self, *, system: bool, network: bool) -> None:
        """Set the instant that the first `read` measures from."""
        if system:
            self._cpu = _measure(_CpuTimes.now, self._tell)
        if network:
            self._traffic = _measure(_Traffic.now, self._tell)

    def read(self, *, system: bool, network: bool) -> dict[str, float | None]:
        """Return columns for one row, at once: nothing waits for a sample.

        `cpu_percent` (of all cores of the machine, since the last row), `ram_percent` (in use),
        `p_memory_percent` (held by this process), `disk_percent`, and `bytes_sent`, `bytes_recv`
        (MB that the machine moved since the last row). The processor's clock ticks every 10 ms:
        rows that follow faster repeat the value, and one before the first tick has None.
        """
        values: dict[str, float | None] = {}
        with self._lock:
            if system:
                values["cpu_percent"] = self._read_cpu()
                names = {"memory_percent": "ram_percent"}
                for name, measure in _levels().items():
                    values[names.get(name, name)] = _measure(measure, self._tell)
            if network and (now := _measure(_Traffic.now, self._tell)):
                values |= now.since(self._traffic or now)
                self._traffic = now
        return values

    def _read_cpu(self) -> float | None:
        now = _measure(_CpuTimes.now, self._tell)
        if now is not None:
            percent = now.percent_since(self._cpu or now)
            if percent is not None:
                self._cpu, self._cpu_percent = now, percent
            elif self._cpu is None:
                self._cpu = now
        return self._cpu_percent

    def _forget_the_parent(self) -> None:
        self._lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class _CpuTimes:
    """Seconds of all cores together; psutil's own memory of them is the user's to use."""

    total: float
    idle: float

    @classmethod
    def now(cls) -> Self:
        import psutil

        times = psutil.cpu_times()
        # a guest's time is counted in `user` and `nice` already
        guest = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
        return cls(sum(times) - guest, times.idle + getattr(times, "iowait", 0.0))

    def percent_since(self, earlier: _CpuTimes) -> float | None:
        total = self.total - earlier.total
        if total <= 0:
            return None
        return 100 * min(max(1 - (self.idle - earlier.idle) / total, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class _Traffic:
    sent_bytes: int
    received_bytes: int

    @classmethod
    def now(cls) -> Self:
        import psutil

        # by card, as the sum over none is None
        cards = psutil.net_io_counters(pernic=True).values()
        return cls(sum(one.bytes_sent for one in cards), sum(one.bytes_recv for one in cards))

    def since(self, earlier: _Traffic) -> dict[str, float]:
        return {
            "bytes_sent": to_mb(self.sent_bytes - earlier.sent_bytes),
            "bytes_recv": to_mb(self.received_bytes - earlier.received_bytes),
        }


def _levels() -> Mapping[str, _Measure]:
    """Return the measures that have a value at any instant. A process is the one that asks."""
    import psutil

    return {
        "memory_percent": lambda: float(psutil.virtual_memory().percent),
        "p_memory_percent": lambda: float(psutil.Process().memory_percent()),
        "disk_percent": lambda: float(psutil.disk_usage(os.curdir).percent),
    }


def _measure(measure: Callable[[], _T], tell: _Tell) -> _T | None:
    try:
        return measure()
    except Exception as error:  # noqa: BLE001 - a container may hide any of it; counted and told
        tell(error)
        return None


_ALIVE: weakref.WeakSet[Monitor] = weakref.WeakSet()


def _forget_parents() -> None:
    for monitor in list(_ALIVE):
        monitor._forget_the_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents)
