"""Processes that compute suggestions, so that a long one holds up nobody but who asked for it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from multiprocessing.connection import Connection

from mooring.errors import HubBusy
from mooring.hub.optimizing.answers import Given, Reply, refused
from mooring.wire.auger.optimizers import refusal

_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""One thread for each process: several answer at a time."""


class _Worker:
    """One process. One thread at a time asks it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mooring.hub.optimizing.child", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # Nothing of the hub's settings, which hold secrets.
                env={k: v for k, v in os.environ.items() if not k.startswith("MOORING_")}
                | _ENVIRONMENT,
                start_new_session=True,  # Ctrl-C is the hub's: it ends them when it has drained
            )
        self.connection = Connection(ours.detach())

    def ask(self, name: str, body: bytes, given: Given, seconds: float) -> Reply | None:
        """Return the reply; None when there is none within so many seconds.

        Raises `EOFError` or `OSError` when the process has died.
        """
        self.connection.send((name, body, given))
        if not self.connection.poll(seconds):
            return None
        reply: Reply = self.connection.recv()
        return reply

    def end(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.wait()
        self.connection.close()


class OptimizerPool:
    """A few processes, started when they are needed first, and ended with the hub. Thread-safe.

    Parameters
    ----------
    size : processes at a time
    seconds : how long a request may compute
    waiting : requests that may wait for a process; the next one is told to come again
    """

    def __init__(self, *, size: int = 2, seconds: float = 60.0, waiting: int = 32) -> None:
        self._seconds = seconds
        self.most = size + waiting
        """Requests that may be here at a time."""
        self._free = threading.Semaphore(size)
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._asked = 0
        self._lock = threading.Lock()
        self._closed = False

    def ask(self, name: str, body: bytes, given: Given) -> Reply:
        """Return the reply to a call.

        A process that dies over a request is replaced, and the request asked once more.

        Raises
        ------
        HubBusy
            When too many wait already, or the hub is being stopped.
        """
        with self._lock:
            if self._closed or self._asked >= self.most:
                raise HubBusy("too many searches wait already; come again later", status=503)
            self._asked += 1
        try:
            if not self._free.acquire(timeout=self._seconds):
                raise HubBusy("other searches take long; come again later", status=503)
            try:
                return self._answer(name, body, given)
            finally:
                self._free.release()
        finally:
            with self._lock:
                self._asked -= 1

    def _answer(self, name: str, body: bytes, given: Given) -> Reply:
        end = time.monotonic() + self._seconds
        for _ in range(2):
            worker = self._take()
            try:
                reply = worker.ask(name, body, given, max(0.0, end - time.monotonic()))
            except (EOFError, OSError):
                self._drop(worker)
                continue
            if reply is None:
                self._drop(worker)
                return refused(
                    refusal("search_space", f"takes longer than {self._seconds:g} s to search")
                )
            self._give_back(worker)
            return reply
        return refused(refusal("search_space", "cannot be searched: its process died, twice"))

    def _take(self) -> _Worker:
        with self._lock:
            if self._closed:
                raise HubBusy("the hub is being stopped", status=503)
            if self._idle:
                return self._idle.pop()
            worker = _Worker()
            self._all.add(worker)
            return worker

    def _give_back(self, worker: _Worker) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(worker)
                return
        self._drop(worker)

    def _drop(self, worker: _Worker) -> None:
        with self._lock:
            self._all.discard(worker)
        worker.end()

    def pids(self) -> list[int]:
        """Return the numbers of the processes that run."""
        with self._lock:
            return [worker.process.pid for worker in self._all]

    def close(self) -> None:
        """End every process; requests that are being answered are told that the hub stops."""
        with self._lock:
            self._closed = True
            workers, self._idle = list(self._all), []
        for worker in workers:
            worker.process.kill()
            worker.process.wait()
