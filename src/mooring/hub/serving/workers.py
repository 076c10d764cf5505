"""Predictions by models in processes of their own, a few of which are kept warm."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mooring.errors import ModelFailed
from mooring.hub.serving.process import ModelProcess
from mooring.hub.serving.requests import (
    Cell,
    ModelFile,
    PredictionRequest,
    PredictionResult,
    check_records,
)
from mooring.hub.settings import HubSettings

_WAITING = 16
"""Requests that may wait for a process at a time; the next one is refused at once."""

_Key = tuple[str, str]


@dataclass(slots=True)
class _Slot:
    """The place of one model: its process, once there is one."""

    process: ModelProcess | None = None
    busy: bool = True
    used: float = 0.0


class ModelWorkers:
    """Processes of models, one for each model that was asked lately.

    Thread-safe: requests to one model are answered one after another, requests to several at the
    same time. A request may take `settings.serving_seconds`, and as long again where its model has
    to be started first. `close` ends every process.

    What holds a model back, on Linux (`describe_isolation` tells what does on this machine): it
    runs outside of the hub's process, with no environment of the hub's, no open files of it but
    its own, in an empty temporary folder that is removed after it. It has no network, cannot open
    a socket, start a process or program, signal another process or look into one, gain privileges,
    write files, or read others than Python's own. Its memory, time, answers and prints are
    bounded; what goes beyond them is killed, and told as `ModelFailed`.

    What does not: it is an account of the same system, and a flaw of the kernel is a way out. It
    may use one processor for the time that it has. It may read whatever Python's folders hold, and
    see of other files whether they exist, their size and times. Where the hub is killed, a model
    that means harm may go on. It sees what is sent to it, and answers whatever it likes: a
    prediction is only as good as the model. Where the system lacks a measure (macOS has neither
    namespaces nor filters), the rest holds alone.

    Parameters
    ----------
    warm : processes at a time
    idle_s : how long a process without requests is kept
    """

    def __init__(self, settings: HubSettings, *, warm: int = 4, idle_s: float = 300.0) -> None:
        self._seconds = settings.serving_seconds
        self._memory_bytes = settings.serving_memory_bytes
        self._warm = warm
        self._idle_s = idle_s
        self._slots: dict[_Key, _Slot] = {}
        self._changed = threading.Condition()
        self._waiting = 0
        self._closed = False
        self._reaper: threading.Thread | None = None
        self._isolation: dict[str, str] | None = None

    def predict(self, model: ModelFile, request: PredictionRequest) -> PredictionResult:
        """Predict rows by a model.

        Raises
        ------
        InvalidInput
            For rows that do not fit the features.
        ModelUnusable
            When the file holds no model that can be served here.
        ModelFailed
            When the model raised, died, took more time or memory than it may, or is too busy.
        """
        check_records(request.features, request.records)
        start = time.monotonic()
        question = {
            "features": request.features,
            "records": request.records,
            "threshold": request.threshold,
            "target": request.target,
            "with_features": request.with_features,
            "seconds": self._seconds,
        }
        with self._process_of(model) as process:
            answer = process.ask(question, time.monotonic() + self._seconds)
            columns, data = _checked(answer, len(request.records), process)
        spent = round((time.monotonic() - start) * 1000)
        return PredictionResult(columns, data, spent, len(data))

    def describe_isolation(self) -> dict[str, str]:
        """Return what holds a model back on this machine: measures, and how each was taken.

        A value begins with `no` where the system did not allow it. Starts a process, once.
        """
        if self._isolation is None:
            process = ModelProcess(None, seconds=self._seconds, memory_bytes=self._memory_bytes)
            try:
                self._isolation = process.confined(time.monotonic() + self._seconds)
            finally:
                process.close()
        return dict(self._isolation)

    def pids(self) -> list[int]:
        """Return the numbers of the processes that run."""
        with self._changed:
            return [slot.process.pid for slot in self._slots.values() if slot.process is not None]

    def close(self) -> None:
        """End every process; requests that are being answered fail."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            for key, slot in list(self._slots.items()):
                if not slot.busy:
                    self._end(key)
                elif slot.process is not None:
                    slot.process.kill()
            while self._slots:
                self._changed.wait()
            reaper = self._reaper
        if reaper is not None:
            reaper.join()

    # slots

    @contextmanager
    def _process_of(self, model: ModelFile) -> Iterator[ModelProcess]:
        """Hold the process of a model for one question, and start it where there is none."""
        key = (model.realm, model.digest)
        slot = self._take(key, model)
        try:
            if slot.process is not None and slot.process.failed:
                with self._changed:  # it died while nobody asked it
                    slot.process.close()
                    slot.process = None
            if slot.process is None:
                self._open(slot, model)
            assert slot.process is not None
            yield slot.process
        finally:
            with self._changed:
                slot.busy = False
                slot.used = time.monotonic()
                if slot.process is None or slot.process.failed or self._closed:
                    self._end(key)
                self._changed.notify_all()

    def _open(self, slot: _Slot, model: ModelFile) -> None:
        process = ModelProcess(model, seconds=self._seconds, memory_bytes=self._memory_bytes)
        with self._changed:
            slot.process = process  # from here on `close` kills it
            if self._closed:
                process.kill()
        try:
            process.loaded(time.monotonic() + self._seconds)
        except BaseException:
            process.kill()
            raise

    def _take(self, key: _Key, model: ModelFile) -> _Slot:
        """Wait for the place of a model, or for a free one."""
        deadline = time.monotonic() + self._seconds
        with self._changed:
            if self._waiting >= _WAITING:
                raise ModelFailed("too many predictions wait already; try again")
            self._waiting += 1
            try:
                while True:
                    if self._closed:
                        raise ModelFailed("this hub stops")
                    slot = self._free(key)
                    if slot is not None:
                        return slot
                    left = deadline - time.monotonic()
                    if left <= 0 or not self._changed.wait(left):
                        raise ModelFailed(f"the model {model.name} is busy; try again")
            finally:
                self._waiting -= 1

    def _free(self, key: _Key) -> _Slot | None:
        """Return a place that is free for a model, now taken; None where there is none."""
        slot = self._slots.get(key)
        if slot is not None:
            if slot.busy:
                return None
            slot.busy = True
            return slot
        if len(self._slots) >= self._warm:
            idle = [(slot.used, key) for key, slot in self._slots.items() if not slot.busy]
            if not idle:
                return None
            self._end(min(idle)[1])
        slot = self._slots[key] = _Slot()
        if self._reaper is None:
            self._reaper = threading.Thread(target=self._reap, name="mooring-serving", daemon=True)
            self._reaper.start()
        return slot

    def _end(self, key: _Key) -> None:
        slot = self._slots.pop(key)
        if slot.process is not None:
            slot.process.close()
        self._changed.notify_all()

    def _reap(self) -> None:
        """End processes that nobody asked for a while."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for key, slot in list(self._slots.items()):
                    if not slot.busy and now - slot.used >= self._idle_s:
                        self._end(key)
                self._changed.wait(max(self._idle_s / 4, 0.05))


def _checked(
    answer: dict[str, Any], count: int, process: ModelProcess
) -> tuple[list[str], list[list[Cell]]]:
    """Return columns and rows of an answer, after a look at every cell."""
    columns, data = answer.get("columns"), answer.get("data")
    fits = (
        isinstance(columns, list)
        and all(isinstance(name, str) for name in columns)
        and isinstance(data, list)
        and len(data) == count
        and all(isinstance(row, list) and len(row) == len(columns) for row in data)
        and all(isinstance(cell, (str, int, float, type(None))) for row in data for cell in row)
    )
    if not fits:
        process.kill()
        raise ModelFailed("the model answered what is no answer, and was ended")
    assert isinstance(columns, list)
    assert isinstance(data, list)
    return columns, data
